"""The report on a cohort: the tables of the published monitoring studies, for any cohort."""

from collections.abc import Mapping
from pathlib import Path

from qsmkit.clinical.monitor.cohort import Cohort
from qsmkit.clinical.stats.diagnostic import Crosstab
from qsmkit.measure import Measure
from qsmkit.reports.document import Block, Document, Grid, Heading, Paragraph, Picture, write_document
from qsmkit.reports.monitor_figures import change_png
from qsmkit.reports.monitor_patient import FLAG


def write_cohort(
    made: Cohort, models: Mapping[str, Measure], out: Path, *, source: str = "", overwrite: bool = False
) -> Path:
    """Write report.html, report.pdf and changes.csv of a cohort into a folder; raise as `write_document`."""
    years = sum(made.exposure.values())
    held = " or ".join(t.replace("_", " ") for t in made.types)
    kept = {n: m for n, m in made.rates.items() if m.n or n in made.types or n == "flagged epoch"}
    lesions = len({c.after.lesion for c in made.changes})
    patients, sure = len(made.exposure), made.rule.confidence
    blocks: list[Block] = [
        Paragraph(f"{patients} patients with follow-up, {years:.2f} patient-years, {lesions} lesions, "
                  f"{len(made.changes)} epochs, {sum(c.flagged for c in made.changes)} of them flagged."),
        Paragraph(FLAG), Paragraph(made.rule.sentence()), Paragraph(made.errors.sentence()),
        *(Paragraph(n, note=True) for n in made.notes),
        Heading("Rates per patient-year"), _measures(kept, sure),
        Heading("Change per year"),
        Paragraph("Pooled, mean and change score differ; a paper that says “per patient-year” means the first."),
        _measures(dict(made.means) | dict(models), sure),
        Picture(change_png(made), "Left: change of every lesion and epoch with its interval; flagged ones in orange. "
                "Right: all thresholds against events, or the share of lesions flagged over time."),
        Heading(f"Threshold against {held}"),
        _crosstab("By patient: ever flagged, ever an event", made.by_patient), _measures(made.shares, sure),
        _crosstab("By epoch", made.by_epoch), _measures(made.epoch_shares, sure),
    ]  # fmt: skip
    if made.curve is not None:
        c = made.curve
        best = f"The threshold of the largest Youden index is {c.best:.1f} %, with {c.youden:.2f}"
        told = f"of which {c.optimism:.2f} is optimism: on other patients it will do worse"
        blocks.append(Paragraph(f"Area under the curve {c.area} ({c.area.method}). {best}, {told}."))
    table = [c.as_row() for c in made.changes]
    verdicts: dict[str, int] = {}
    for change in made.changes:
        verdicts[change.verdict] = verdicts.get(change.verdict, 0) + 1
    blocks += [Heading("Verdicts"), Grid(("Verdict", "Epochs"), [(v, str(n)) for v, n in sorted(verdicts.items())])]
    which = "index lesions" if made.index_only else "all lesions"
    return write_document(Document(f"Cohort: {which}", f"from {source}", blocks), out, tables={"changes.csv": table},
                          overwrite=overwrite)  # fmt: skip


def _measures(values: Mapping[str, Measure], confidence: float) -> Grid:
    return Grid(("", f"Value [{100 * confidence:g} % interval]", "n", "How"),
                [(name.replace("_", " "), str(m), str(m.n), m.method) for name, m in values.items()])  # fmt: skip


def _crosstab(caption: str, t: Crosstab) -> Grid:
    return Grid(("", "Event", "No event"), [("Flagged", str(t.tp), str(t.fp)), ("Not flagged", str(t.fn), str(t.tn))],
                f"{caption}; McNemar exact p = {t.mcnemar():.4g}.")  # fmt: skip
