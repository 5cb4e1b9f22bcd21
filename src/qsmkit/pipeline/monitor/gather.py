"""A registry's rows as the science takes them: each lesion's measurements under one identity, and made alike."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from qsmkit.clinical.monitor.events import Event
from qsmkit.clinical.monitor.observation import Context, Observation
from qsmkit.errors import InputError
from qsmkit.io.store import rows
from qsmkit.io.store.registry import Registry
from qsmkit.measure import Measure
from qsmkit.pipeline.monitor.link import roots
from qsmkit.pipeline.monitor.visit_files import pipeline_of

QUANTILE = 1.96
"""Half width of a stored 95 % interval over the standard deviation that it stands for."""


@dataclass(frozen=True, eq=False)
class Study:
    """What a registry holds, for one patient or all.

    Attributes
    ----------
    observations : list of Observation
        One for each lesion and visit.
    events : list of Event
        All.
    visits : list of (patient, date)
        All scans.
    images : dict
        By lesion and visit: map and label image, relative to the data set, and the lesion's number in it.
    notes : list of str
        Links that nobody has decided yet, and other things to know.
    """

    observations: list[Observation]
    events: list[Event]
    visits: list[tuple[str, date]]
    images: dict[tuple[str, str], tuple[str, str, int]]
    notes: list[str]


def study(registry: Registry, *, patients: Sequence[str] | None = None, rater: str | None = None) -> Study:
    """Gather a registry.

    Where a visit was measured by several pipelines or rules, those that most of the patient's visits share are taken.

    Parameters
    ----------
    registry : Registry
        The registry.
    patients : sequence of str, optional
        Only these.
    rater : str, optional
        Only this rater's masks.

    Raises
    ------
    InputError
        A patient is not there, or there is no measurement.
    """
    known = {p.id for p in registry.rows(rows.Patient)}
    unknown = [p for p in patients or () if p not in known]
    if unknown:
        told = ", ".join(sorted(known)[:8]) or "none"
        raise InputError(f"patient {unknown[0]!r} is not in the registry; it has {told}")
    chosen = sorted(known if patients is None else set(patients))
    sessions = {s.id: s for s in registry.rows(rows.Session, patient=chosen)}
    recons = {r.id: r for r in registry.rows(rows.Recon, session=list(sessions))}
    lesions = {x.id: x for x in registry.rows(rows.Lesion, patient=chosen)}
    links = registry.rows(rows.Link, after=list(sessions))
    root = roots(links)
    stored = [o for o in registry.rows(rows.Observation, recon=list(recons)) if rater in (None, o.rater)]
    if not stored:
        raise InputError("the registry holds no measurement of these patients; measure lesions first (qsmkit monitor "
                         "measure)")  # fmt: skip
    seen, images = [], {}
    for patient in chosen:
        own = [o for o in stored if sessions[recons[o.recon].session].patient == patient]
        for row in _alike(own, recons):
            session = sessions[recons[row.recon].session]
            lesion = lesions[root.get(row.lesion, row.lesion)]
            if lesion.status == "excluded":
                continue
            seen.append(_observation(row, recons[row.recon], session, lesion))
            path = recons[row.recon].path
            if row.mask and path and "#" in row.mask:
                mask, _, number = row.mask.rpartition("#")
                images[lesion.id, session.visit] = (path, mask, int(number))
    proposed = Counter(k.relation for k in links if k.decision == "proposed")
    told = ", ".join(f"{n} {relation}" for relation, n in sorted(proposed.items()))
    notes = [f"{sum(proposed.values())} links are proposals that nobody has accepted yet ({told}); decide them with: "
             "qsmkit monitor link"] if proposed else []  # fmt: skip
    events = [_event(e, root) for e in registry.rows(rows.Event, patient=chosen)]
    return Study(seen, events, [(s.patient, s.date) for s in sessions.values()], images, notes)


def _alike(own: list[rows.Observation], recons: dict[str, rows.Recon]) -> list[rows.Observation]:
    """Return one row for each lesion, visit, rater and reading, of the pipeline and rule that most visits share."""

    def made(row: rows.Observation) -> tuple[str, str]:
        recon = recons[row.recon]
        return pipeline_of(recon.pipeline, recon.version, recon.parameters), rule_of(row)

    shared = Counter(key for key, _ in {(made(o), recons[o.recon].session) for o in own})
    order = sorted(own, key=lambda o: (shared[made(o)], made(o)), reverse=True)
    best: dict[tuple[object, ...], rows.Observation] = {}
    for row in order:
        best.setdefault((row.lesion, recons[row.recon].session, row.rater, row.reading), row)
    return list(best.values())


def rule_of(row: rows.Observation) -> str:
    """Return the region rule of a stored observation; its method is word.rule."""
    return row.method.partition(".")[2]


def _observation(row: rows.Observation, recon: rows.Recon, session: rows.Session, lesion: rows.Lesion) -> Observation:
    def number(value: float | None) -> float:
        return float("nan") if value is None else value

    low, high = number(row.mean_low), number(row.mean_high)
    context = Context(
        scanner=session.scanner or "", protocol=session.protocol or "",
        pipeline=pipeline_of(recon.pipeline, recon.version, recon.parameters), reference=recon.reference or "",
        rule=rule_of(row),
    )  # fmt: skip
    return Observation(
        patient=session.patient, visit=session.visit, day=session.date, lesion=lesion.id, label=lesion.label,
        kind=lesion.kind, index=lesion.index_lesion, noise=(high - low) / 2 / QUANTILE,
        mean=Measure(number(row.mean), low, high, "ppm", row.voxels or 0, "mean"), total=number(row.chi_total),
        background=number(row.chi_background), volume=number(row.volume), median=number(row.median),
        p95=number(row.p95), maximum=number(row.maximum), sd=number(row.sd), voxels=row.voxels or 0,
        permeability=number(row.permeability), reference_spread=number(row.reference_sd), context=context,
        source=f"{row.rater}: {row.note or row.method}",
    )  # fmt: skip


def _event(row: rows.Event, root: dict[str, str]) -> Event:
    return Event(
        patient=row.patient, type=row.type, onset=row.onset, precision=row.precision,
        lesion=None if row.lesion is None else root.get(row.lesion, row.lesion), adjudication=row.adjudication,
        adjudicators=row.adjudicators or (), definition=row.definition or "",
    )  # fmt: skip
