"""What a targeting report holds: results of its steps, and every number as rows and plain values."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from qsmkit.arrays import BoolArray
from qsmkit.clinical.leads.located import LocatedLead
from qsmkit.clinical.nuclei.segment import Nuclei
from qsmkit.clinical.target.contacts import ContactPlace
from qsmkit.clinical.target.errors import Errors
from qsmkit.clinical.target.fuse import Fusion
from qsmkit.clinical.target.mixture import Mixture
from qsmkit.clinical.target.plan import Plan
from qsmkit.leads.lead import Lead
from qsmkit.pipeline.branches import Branch
from qsmkit.pipeline.fusion import fusion_record
from qsmkit.pipeline.run import Result
from qsmkit.pipeline.target_case import Case
from qsmkit.transform import Matrix, Transform
from qsmkit.volume import Volume

Target = Literal["GPi", "STN"]
Side = Literal["left", "right"]

NAMED = 0.05
"""Chance from which a nucleus that a contact may lie in is named."""

OUTLINED = ("gpi", "gpe", "stn", "snr", "snc", "red_nucleus", "putamen", "caudate")
"""Nuclei that pictures outline and contacts may lie in; the thalamus comes on top for distances."""


@dataclass(frozen=True, eq=False)
class PlannedLead:
    """Where a lead was to go, scanner RAS mm of the T1w.

    Attributes
    ----------
    name : str
        Of the lead.
    side : {"left", "right"}
        The patient's.
    target, entry : (3,) array
        mm.
    """

    name: str
    side: Side
    target: Matrix
    entry: Matrix


@dataclass(frozen=True, eq=False)
class LeadErrors:
    """A lead against its plan.

    Attributes
    ----------
    planned : PlannedLead
        The plan.
    lead : LocatedLead
        The lead, in the space of χ.
    errors : Errors
        In the AC–PC frame.
    target, reached : (3,) array
        Planned target, and the point of the lead that should be there, AC–PC mm.
    """

    planned: PlannedLead
    lead: LocatedLead
    errors: Errors
    target: Matrix
    reached: Matrix


@dataclass(eq=False)
class TargetReport:
    """All that was found; what was not done or failed is None or empty.

    Attributes
    ----------
    case : Case
        The files.
    target : {"GPi", "STN"}
        What was aimed at.
    branches : list of Branch
        What became of every step.
    result : Result or None
        The reconstruction.
    images : dict of str to Volume
        χ, hybrid and structural images on the grid of χ.
    nuclei : Nuclei or None
        The nuclei.
    mixture : Mixture or None
        The hybrid image.
    contrasts : list of dict
        Contrast of every image, pair and side, as `qsmkit target cnr` tables hold them.
    to_t1w : Transform or None
        From the space of χ to the T1w's.
    plans : list of Plan
        Planned tracks and what they pass; proposed ones if there is no plan.
    fusion : Fusion or None
        Of T1w and post-operative CT.
    located : tuple of LocatedLead
        Leads in the space of the CT.
    leads : tuple of LocatedLead
        The same in the space of χ.
    contacts : list of ContactPlace
        Where their contacts lie.
    errors : list of LeadErrors
        Against the plan.
    planned : list of Lead
        Planned leads as lines, in the space of χ.
    """

    case: Case
    target: Target
    branches: list[Branch] = field(default_factory=list)
    verdict: str = "REVIEW"
    result: Result | None = None
    images: dict[str, Volume] = field(default_factory=dict)
    nuclei: Nuclei | None = None
    mixture: Mixture | None = None
    contrasts: list[dict[str, Any]] = field(default_factory=list)
    to_t1w: Transform | None = None
    plans: list[Plan] = field(default_factory=list)
    fusion: Fusion | None = None
    located: tuple[LocatedLead, ...] = ()
    leads: tuple[LocatedLead, ...] = ()
    contacts: list[ContactPlace] = field(default_factory=list)
    errors: list[LeadErrors] = field(default_factory=list)
    planned: list[Lead] = field(default_factory=list)

    def masks(self) -> dict[str, BoolArray]:
        """Return the nuclei to outline, both sides together."""
        if self.nuclei is None:
            return {}
        found = self.nuclei
        both = {n: found.mask(n, "L") | found.mask(n, "R") for n in OUTLINED}
        return {n: m for n, m in both.items() if m.any()}


def numbers(found: TargetReport) -> dict[str, Any]:
    """Return every number as plain values for JSON."""
    nuclei, fusion, mixed = found.nuclei, found.fusion, found.mixture
    return {
        "Participant": found.case.participant, "Target": found.target, "Verdict": found.verdict,
        "Steps": [b.as_dict() for b in found.branches],
        "Files": {n: p.name for n, p in found.case.images().items()},
        "Nuclei": [f.as_dict() for f in nuclei.table] if nuclei else [],
        "Commissures": {
            k: np.asarray(getattr(nuclei.commissures, k)).tolist() for k in ("ac", "pc", "midline")
        } if nuclei else None,
        "Hybrid": {
            "weights": dict(zip(("T1w", "χ"), mixed.weights.tolist(), strict=True)),
            "ratios": [{"pair": pair, "side": side, **ratios} for (pair, side), ratios in mixed.ratios.items()],
        } if mixed else None,
        "Contrast": found.contrasts,
        "Tracks": [
            {"side": p.side, "target_acpc_mm": p.target.acpc.tolist(), "how": p.target.how,
             "from_customary_mm": p.target.from_customary, "spans": [s.as_dict() for s in p.spans]}
            for p in found.plans
        ],
        "Fusion": fusion_record(fusion, found.case.images()) if fusion else None,
        "TransformChiToT1w": found.to_t1w.matrix.tolist() if found.to_t1w else None,
        "Leads": [
            {"lead": lead.name, "side": lead.side, "model": lead.model, "alike": list(lead.alike),
             "candidates": lead.candidates, "rotation": lead.rotation.as_dict() if lead.rotation else None,
             "tip_mm": lead.lead.curve.at(0.0).tolist()}
            for lead in found.leads or found.located
        ],
        "Contacts": contact_rows(found),
        "Errors": error_rows(found),
    }  # fmt: skip


def contact_rows(found: TargetReport) -> list[dict[str, Any]]:
    """Return a row for each contact: place in χ's space and AC–PC, most likely nucleus, chance and distances."""
    if found.nuclei is None:
        return []
    acpc = found.nuclei.commissures.transform()
    rows: list[dict[str, Any]] = []
    for c in found.contacts:
        ac = acpc.apply(c.position)
        target = c.distances.get(found.target.lower())
        rows.append(
            {"lead": c.lead, "contact": c.contact}
            | dict(zip(("x", "y", "z"), c.position, strict=True))
            | dict(zip(("acpc_x", "acpc_y", "acpc_z"), map(float, ac), strict=True))
            | {"sd_mm": c.deviation, "inside": c.inside or "none", "nearest": c.nearest,
               "chances": "; ".join(f"{n} {100 * p:.0f} %" for n, p in c.chances.items() if p >= NAMED) or "none",
               "chance_of_target": c.chances.get(found.target.lower(), 0.0),
               "target_distance_mm": target.value if target else None,
               "target_distance_low": target.low if target else None,
               "target_distance_high": target.high if target else None}
        )  # fmt: skip
    return rows


def error_rows(found: TargetReport) -> list[dict[str, Any]]:
    """Return a row for each planned lead: target and reached point (AC–PC mm), and the errors by their names."""
    return [
        {"lead": e.planned.name, "side": e.planned.side, "found_as": e.lead.name}
        | {f"target_{a}": float(v) for a, v in zip("xyz", e.target, strict=True)}
        | {f"reached_{a}": float(v) for a, v in zip("xyz", e.reached, strict=True)}
        | asdict(e.errors)
        for e in found.errors
    ]
