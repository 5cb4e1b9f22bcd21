"""From a patient's images to leads among nuclei: every step, its verdict, every number.

Spaces: nuclei, contrast and pictures are in the space of χ (the gradient echo's scanner RAS mm); the CT is fused with
the T1w, which is registered to the gradient echo. Plan and errors are in the AC–PC frame of the nuclei.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from qsmkit.clinical.leads.locate import locate
from qsmkit.clinical.nuclei.segment import segment
from qsmkit.clinical.register import Registration, register, resample
from qsmkit.clinical.registration.gates import Gate
from qsmkit.clinical.registration.gates import Verdict as Grade
from qsmkit.clinical.target.contacts import places
from qsmkit.clinical.target.errors import placement
from qsmkit.clinical.target.fuse import Fusion, fuse
from qsmkit.clinical.target.plan import plan as plan_lead
from qsmkit.clinical.target.structure import Structure, structure
from qsmkit.errors import InputError
from qsmkit.io.bids import load_scan
from qsmkit.io.nifti import load_volume
from qsmkit.leads.lead import LeadPlan
from qsmkit.leads.lead import lead as lead_of
from qsmkit.pipeline.branches import Branches, Done, gates_of
from qsmkit.pipeline.nuclei import load_atlas
from qsmkit.pipeline.run import Result
from qsmkit.pipeline.target_case import Case
from qsmkit.pipeline.target_contrast import NEIGHBOUR, hybrid_and_contrast
from qsmkit.pipeline.target_found import OUTLINED, LeadErrors, PlannedLead, Side, Target, TargetReport
from qsmkit.transform import Matrix
from qsmkit.volume import Scan, Volume

ALIGNED = 0.3
"""Standard deviation of the registration of T1w and gradient echo of one session, along each axis, mm: a modelling
choice."""

SIDES = {"L": "left", "R": "right"}
_GRADES: dict[str, Grade] = {"ok": "PASS", "look": "REVIEW", "bad": "FAIL"}

ABOVE = 20.0
"""Height above the tip of the second point by which a lead's direction is compared with the plan's, mm."""


Reconstruct = Callable[[Scan], tuple[Result, Mapping[str, Any]]]
"""From a scan to its reconstruction and the summary of its quality; keeps files and resumes, as its owner likes."""


def target_report(
    case: Case, target: Target, reconstruct: Reconstruct, *, plan: tuple[PlannedLead, ...] = (),
    model: str | None = None, tell: Callable[[str], None] | None = None, rng: int | np.random.Generator = 1,
) -> TargetReport:  # fmt: skip
    """Reconstruct, segment, mix, fuse, locate and compare; every step that can be done is done.

    Parameters
    ----------
    case : Case
        The patient's files.
    target : {"GPi", "STN"}
        What was aimed at.
    reconstruct : callable
        Makes χ from the scan.
    plan : tuple of PlannedLead
        What was planned.
    model : str, optional
        Of the leads, if it is known.
    tell : callable, optional
        Told of every step.
    rng : int or Generator
        Seed or source of randomness.
    """
    found, steps = TargetReport(case, target), Branches(tell)
    magnitude = steps.run("reconstruction", lambda: _reconstruction(found, reconstruct))
    steps.run("alignment", lambda: _alignment(found, magnitude), "reconstruction")
    steps.run("nuclei", lambda: _nuclei(found), "alignment")
    steps.run("hybrid and contrast", lambda: hybrid_and_contrast(found, rng), "nuclei")
    steps.run("track", lambda: _tracks(found, plan, rng), "nuclei")
    if case.ct_after is None:
        for name in ("fusion", "leads"):
            steps.skip(name, "there is no CT after the operation")
    else:
        ct = load_volume(case.ct_after)
        steps.run("fusion", lambda: _fusion(found, ct), "alignment")
        steps.run("leads", lambda: _leads(found, ct, model))
    steps.run("contacts", lambda: _contacts(found), "nuclei", "fusion", "leads")
    if plan:
        steps.run("errors", lambda: _errors(found, plan), "contacts")
    else:
        steps.skip("errors", "no plan is given")
    found.branches, found.verdict = steps.done, steps.verdict
    return found


def _reconstruction(found: TargetReport, reconstruct: Reconstruct) -> Done:
    found.result, summary = reconstruct(load_scan(found.case.scan))
    scan, have = found.result.scan, found.result.artifacts
    mask = have.get("mask", found.result.brain_mask)
    found.images["χ"] = Volume(np.where(mask, have["chi"], np.nan).astype(np.float32), scan.grid, "ppm")
    if scan.magnitude is None:
        raise InputError(f"{scan.name} has no magnitude, to which other images are registered; give it too")
    gates = tuple(
        Gate(c["name"], c["value"], c["unit"], _GRADES[c["verdict"]], c["text"])
        for c in summary["checks"]
    )  # fmt: skip
    return Done(Volume(scan.magnitude[..., 0], scan.grid), f"recipe {summary['recipe']}: {summary['headline']}", gates)


def _alignment(found: TargetReport, magnitude: Volume) -> Done:
    """Bring structural images to the grid of χ; one that does not fit is left out, but T1w must."""
    case = found.case
    paths = {n: p for n, p in (("T1w", case.t1w), ("T2w", case.t2w), ("FGATIR", case.fgatir)) if p is not None}
    if "T1w" not in paths:
        raise InputError(f"{case.participant} has no T1w; nuclei, hybrid image and fusion need one")
    volumes = {n: load_volume(p) for n, p in paths.items()}
    with ThreadPoolExecutor(2) as pool:
        made: dict[str, Registration] = dict(
            zip(volumes, pool.map(lambda v: register(magnitude, v), volumes.values()), strict=True)
        )
    gates: list[Gate] = []
    left: list[str] = []
    for name, registration in made.items():
        own = gates_of(registration.gates, name)
        if registration.verdict == "FAIL" and name != "T1w":
            own = tuple(Gate(g.name, g.value, g.unit, "REVIEW", f"{g.text}; the image is left out") for g in own)
            left.append(name)
        else:
            image = resample(volumes[name], magnitude.grid, registration.transform)
            found.images[name] = Volume(image.data, magnitude.grid)
        gates += own
    found.to_t1w = made["T1w"].transform
    told = f"; left out: {', '.join(left)}" if left else ""
    return Done(found.to_t1w, f"{', '.join(found.images)} on the grid of χ{told}", tuple(gates))


def _nuclei(found: TargetReport) -> Done:
    atlas, _ = load_atlas()
    have = found.images.get
    found.nuclei = segment(found.images["χ"], atlas, t1w=have("T1w"), t2w=have("T2w"), fgatir=have("FGATIR"))
    gates = tuple(
        Gate(f"{f.name} {f.side}", f.confidence, "Dice", _not_fatal(f.verdict, f.name, found.target),
             "; ".join(f.reasons) or "expected overlap with the true outline")
        for f in found.nuclei.table
    )  # fmt: skip
    return Done(found.nuclei, f"atlas: {found.nuclei.atlas}", gates)


def _not_fatal(verdict: Grade, name: str, target: Target) -> Grade:
    """Return the verdict of a nucleus: one that is neither the target nor its neighbour stops nothing."""
    return verdict if name in (target.lower(), NEIGHBOUR[target]) or verdict != "FAIL" else "REVIEW"


def _tracks(found: TargetReport, plan: tuple[PlannedLead, ...], rng: int | np.random.Generator) -> Done:
    """Say what the planned tracks pass; without a plan, propose target and entry on both sides."""
    nuclei, result, to_t1w = found.nuclei, found.result, found.to_t1w
    assert nuclei is not None
    assert result is not None
    assert to_t1w is not None
    labels, back = Volume(nuclei.labels.data.astype(np.int32), nuclei.labels.grid), to_t1w.inverse()
    brain = Volume(result.brain_mask, nuclei.labels.grid)
    asked: list[tuple[Side, Matrix | None, Matrix | None]] = [
        (p.side, back.apply(p.target), back.apply(p.entry)) for p in plan
    ] or [("left", None, None), ("right", None, None)]
    found.plans = [
        plan_lead(labels, nuclei.commissures, found.target, side, brain=brain, target=target, entry=entry, rng=rng)
        for side, target, entry in asked
    ]
    gates = tuple(
        Gate(f"entry, {p.side}", 0, "entries", "REVIEW", p.corridor.summary if p.corridor else "no track")
        for p in found.plans if p.track is None
    )  # fmt: skip
    if plan:
        return Done(found.plans, f"{len(plan)} planned tracks", gates)
    told = "target by rule and entry by search; veins, ventricles and sulci are not checked: qsmkit target plan does"
    return Done(found.plans, told, gates)


def _fusion(found: TargetReport, ct: Volume) -> Done:
    case = found.case
    assert case.t1w is not None
    assert found.to_t1w is not None
    before = load_volume(case.ct_before) if case.ct_before else None
    centre = found.to_t1w.apply(found.nuclei.commissures.mcp) if found.nuclei else None
    found.fusion = fuse(ct, load_volume(case.t1w), before=before, centre=centre)
    shift = found.fusion.shift
    air = found.fusion.pneumocephalus.get("both")
    told = f"deep brain {shift.length} from where the skull puts it" if shift else "deep brain not refined"
    return Done(found.fusion, f"{told}; air in the skull {air}" if air else told, found.fusion.gates)


def _leads(found: TargetReport, ct: Volume, model: str | None) -> Done:
    found.located = locate(ct, model=model)
    gates = []
    for lead in found.located:
        sure = lead.candidates.get(lead.model, 1.0) if lead.candidates else 1.0
        alike = sum(lead.candidates.get(n, 0.0) for n in lead.alike) if lead.candidates else sure
        gates.append(Gate(f"model, {lead.name}", alike, "1", "PASS" if lead.sure or model else "REVIEW",
                          f"probability of {' or '.join(lead.alike)}"))  # fmt: skip
        gates.append(Gate(f"misfit, {lead.name}", lead.misfit, "1", "PASS" if lead.misfit <= 10 else "REVIEW",
                          "mean squared residual over what is allowed"))  # fmt: skip
        if lead.ambiguous:
            text = "the marker may as well look the other way"
            gates.append(Gate(f"rotation, {lead.name}", float("nan"), "deg", "REVIEW", text))
    told = ", ".join(f"{lead.name} {lead.model}" for lead in found.located)
    return Done(found.located, f"{len(found.located)} leads: {told}", tuple(gates))


def _contacts(found: TargetReport) -> Done:
    fusion, nuclei = found.fusion, found.nuclei
    assert fusion is not None
    assert nuclei is not None
    assert found.to_t1w is not None
    to_chi = found.to_t1w.inverse().after(fusion.transform.inverse())
    error = float(np.hypot(_fusion_error(fusion), ALIGNED))
    found.leads = tuple(lead.moved(to_chi, error) for lead in found.located)
    shapes: dict[str, list[Structure]] = {"left": [], "right": []}
    maps: dict[str, dict[str, Volume]] = {"left": {}, "right": {}}
    for nucleus in (f for f in nuclei.table if f.name in (*OUTLINED, "thalamus")):
        mask = nuclei.mask(nucleus.name, nucleus.side)
        if mask.any():
            chance = nuclei.probability(nucleus.name, nucleus.side)
            shapes[SIDES[nucleus.side]].append(structure(nucleus.name, mask, nuclei.labels.grid, chance))
            maps[SIDES[nucleus.side]][nucleus.name] = chance
    found.contacts = places(found.leads, shapes, maps)
    inside = [f"{c.lead} {c.contact}" for c in found.contacts if c.inside == found.target.lower()]
    told = f"in the {found.target}: {', '.join(inside) or 'none'}; error of fusion {error:.2f} mm along each axis"
    return Done(found.contacts, told)


def _fusion_error(fusion: Fusion) -> float:
    """Return the standard deviation of the fusion along one axis, mm."""
    if fusion.shift is None:
        return 0.5
    parts = (fusion.shift.right, fusion.shift.anterior, fusion.shift.superior)
    return float(np.sqrt(np.mean([((m.high - m.low) / 2 / 1.96) ** 2 for m in parts])))


def _errors(found: TargetReport, plan: tuple[PlannedLead, ...]) -> Done:
    nuclei = found.nuclei
    assert nuclei is not None
    assert found.to_t1w is not None
    to_chi, acpc = found.to_t1w.inverse(), nuclei.commissures.transform()
    left = list(found.leads)
    for planned in plan:
        target, entry = to_chi.apply(planned.target), to_chi.apply(planned.entry)
        own = [lead for lead in left if lead.side == planned.side]
        if not own:
            continue
        lead = min(own, key=lambda one: float(np.linalg.norm(one.lead.curve.at(0.0) - target)))
        left.remove(lead)
        reached, above = lead.lead.curve.at(0.0), lead.lead.curve.at(ABOVE)
        errors = placement(*(acpc.apply(p) for p in (target, entry, reached)), reached_entry=acpc.apply(above))
        found.errors.append(LeadErrors(planned, lead, errors, acpc.apply(target), acpc.apply(reached)))
        made = LeadPlan(lead.name, lead.model, planned.side, tuple(target), tuple(entry))
        found.planned.append(lead_of(made))
    missing = [p.name for p in plan if all(e.planned is not p for e in found.errors)]
    if not found.errors:
        raise InputError("no lead lies on the side of a planned one; check the sides of the plan")
    gates = tuple(
        Gate(f"planned, {n}", 0, "leads", "REVIEW", "no lead was found on its side") for n in missing
    )
    told = ", ".join(f"{e.planned.name} {e.errors.euclidean:.2f} mm" for e in found.errors)
    return Done(found.errors, f"tip against planned target: {told}", gates)
