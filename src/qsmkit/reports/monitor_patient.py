"""The report on one patient's lesions: courses, images, what to review, and what to check before believing it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from qsmkit.clinical.monitor.change import Change, Rule, changes
from qsmkit.clinical.monitor.error_model import ErrorModel
from qsmkit.clinical.monitor.events import Event
from qsmkit.clinical.monitor.observation import Observation, has, series
from qsmkit.errors import InputError
from qsmkit.reports.document import Block, Document, Grid, Heading, Paragraph, Picture, write_document
from qsmkit.reports.monitor_figures import Look, lesion_png

FLAG = (
    "A flag says: review this lesion. It does not say haemorrhage: that takes symptoms and evidence of recent blood "
    "(Al-Shahi Salman 2008). Few flags are followed by an event."
)


def write_patient(
    observations: Sequence[Observation], events: Sequence[Event], out: Path, *, rule: Rule, errors: ErrorModel,
    looks: Mapping[str, Sequence[Look]] | None = None, notes: Sequence[str] = (), source: str = "",
    overwrite: bool = False,
) -> Path:
    """Write report.html, report.pdf and changes.csv of one patient into a folder; raise as `write_document`.

    Parameters
    ----------
    observations : sequence of Observation
        Of one patient.
    events : sequence of Event
        The patient's.
    out : Path
        The folder; made if need be.
    rule : Rule
        When to flag.
    errors : ErrorModel
        What is known of errors.
    looks : mapping of str to sequence of Look, optional
        Slices by lesion.
    notes : sequence of str
        What else to know.
    source : str
        Where the measurements come from.
    overwrite : bool
        Whether files that are there already may be replaced.
    """
    patients = sorted({o.patient for o in observations})
    if len(patients) != 1:
        raise InputError(f"{len(patients)} patients are no patient; report one at a time")
    courses = series(observations)
    found = changes(observations, rule, errors)
    own = [e for e in events if e.patient == patients[0]]
    visits = sorted({(o.day, o.visit) for o in observations})
    flagged = [c for c in found if c.flagged]
    blocks: list[Block] = [
        Paragraph(_headline(found, flagged, courses), note=True), Paragraph(FLAG), Paragraph(rule.sentence()),
        Paragraph(errors.sentence()), *(Paragraph(n, note=True) for n in notes),
    ]  # fmt: skip
    if found:
        blocks += [Heading("Changes"), _table(found)]
    if own:
        blocks += [Heading("Events"), _events(own, courses)]
    blocks.append(Heading("Lesion by lesion"))
    for (_, lesion), course in courses.items():
        of = [c for c in found if c.after.lesion == lesion]
        mine = [e for e in own if e.lesion in (None, lesion)]
        png = lesion_png(course, of, mine, (looks or {}).get(lesion, ()), rule, errors)
        blocks.append(Picture(png, _caption(course, of)))
    blocks += [Heading("Measurements"), _measurements(courses)]
    blocks += [Heading("Checklist"), _checklist(found, courses, notes, errors)]
    first, last = visits[0], visits[-1]
    counts = f"{len(courses)} lesion{'s' * (len(courses) != 1)}, {len(visits)} visit{'s' * (len(visits) != 1)}"
    title = f"{patients[0]}: {counts}"
    subtitle = f"{first[0]} to {last[0]}, from {source}" if source else f"{first[0]} to {last[0]}"
    return write_document(Document(title, subtitle, blocks), out, tables={"changes.csv": [c.as_row() for c in found]},
                          overwrite=overwrite)  # fmt: skip


def _headline(found: list[Change], flagged: list[Change], courses: dict[tuple[str, str], list[Observation]]) -> str:
    if not found:
        return f"No change yet: {len(courses)} lesions were measured, none of them at two linked visits."
    if not flagged:
        return f"No lesion is flagged in {len(found)} comparisons of {len(courses)} lesions."
    told = "; ".join(f"{c.before.label} {c.before.visit} → {c.after.visit}: {c.percent.value:+.1f} % ({c.verdict})"
                     for c in flagged)  # fmt: skip
    return f"Review {len({c.after.lesion for c in flagged})} of {len(courses)} lesions. {told}."


def _interval(c: Change) -> str:
    m = c.percent
    if not has(m.value):
        return "–"
    return f"{m.value:+.1f} [{m.low:+.1f}, {m.high:+.1f}]" if has(m.low) else f"{m.value:+.1f}"


def _number(value: float, form: str = ".1f") -> str:
    return format(value, form) if has(value) else "–"


def _table(found: list[Change]) -> Grid:
    head = ("Lesion", "Visits", "Years", "Difference", "Change % [interval]", "% per year", "Detectable %", "P(rise)",
            "P(≥ threshold)", "Verdict", "Notes")  # fmt: skip
    rows = [
        (f"{c.before.label}{' (index)' if c.before.index else ''}", f"{c.before.visit} → {c.after.visit}",
         f"{c.years:.2f}", f"{c.difference.value:+.3g} {c.difference.unit}", _interval(c), _number(c.annual),
         _number(c.detectable), _number(c.p_rise, ".3f"), _number(c.p_exceeds, ".3f"), c.verdict, "; ".join(c.notes))
        for c in found
    ]  # fmt: skip
    return Grid(head, rows, "Detectable: what an unchanged lesion stays below in 95 of 100 cases. P: probability that "
                "the lesion's susceptibility really rose, and rose by the threshold.")  # fmt: skip


def _events(own: list[Event], courses: dict[tuple[str, str], list[Observation]]) -> Grid:
    labels = {lesion: course[0].label for (_, lesion), course in courses.items()}
    rows = [(str(e.onset)[: {"day": 10, "month": 7, "year": 4}[e.precision]], e.type.replace("_", " "),
             labels.get(e.lesion or "", "–"), e.adjudication, e.definition) for e in own]  # fmt: skip
    return Grid(("Onset", "Event", "Lesion", "Adjudication", "Definition"), rows)


def _caption(course: list[Observation], of: list[Change]) -> str:
    words = "; ".join(f"{c.before.visit} → {c.after.visit} {_interval(c)} %, {c.verdict}" for c in of)
    one = course[0]
    return f"{one.label}, {one.kind}{', index lesion' if one.index else ''}. {words or 'Seen once.'}"


def _measurements(courses: dict[tuple[str, str], list[Observation]]) -> Grid:
    head = ("Lesion", "Visit", "Date", "Mean χ (ppb)", "χ_tot (ppm·mm³)", "Volume (mm³)", "Median (ppb)", "P95 (ppb)",
            "Maximum (ppb)", "Voxels", "Region", "Mask")  # fmt: skip
    rows = [
        (o.label, o.visit, str(o.day), _ppb(o), _number(o.total, ".4g"), _number(o.volume, ".4g"),
         _number(1000 * o.median, ".0f"), _number(1000 * o.p95, ".0f"), _number(1000 * o.maximum, ".0f"),
         str(o.voxels), o.context.rule, o.source)
        for course in courses.values() for o in course
    ]  # fmt: skip
    return Grid(head, rows)


def _ppb(seen: Observation) -> str:
    m = seen.mean
    value, low, high = (1000 * v for v in (m.value, m.low, m.high))
    return f"{value:.0f} [{low:.0f}, {high:.0f}]" if has(low) else f"{value:.0f}"


def _checklist(
    found: list[Change], courses: dict[tuple[str, str], list[Observation]], notes: Sequence[str], errors: ErrorModel
) -> Grid:
    apart = sorted({n for c in found for n in c.notes})
    alike = not any(n.startswith("not comparable") for n in apart)
    unknown = next((n for n in apart if n.startswith("not recorded")), "")
    rows = [
        ("Same scanner, protocol, pipeline, reference and region at all visits",
         "no" if not alike else f"not sure ({unknown})" if unknown else "yes"),
        ("Links between visits accepted", "no: some are proposals" if any("proposals" in n for n in notes) else "yes"),
        ("Visits 9 to 15 months apart", "no" if any("months apart" in n for n in apart) else "yes"),
        ("Scan noise known", "yes" if all(has(o.noise) for course in courses.values() for o in course)
         else "no, or not for all (recon --uncertainty)"),
        ("Site's repeatability (wCV) known", f"{errors.cv:.3g} %" if has(errors.cv) else "no"),
        ("Masks looked at by a reader, blinded to their order", "☐"),
        ("No vein, no DVA, no oedema in the masks; haemosiderin ring within", "☐"),
        ("Flagged lesions reviewed on T2w and T1w images", "☐"),
    ]  # fmt: skip
    return Grid(("Check", "Outcome"), rows)
