"""`qsmkit monitor change`: what became of each lesion, and whether the scans can tell."""

import math
from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.study import Analysis, Patients, study_from
from qsmkit.clinical.monitor.change import Change, changes
from qsmkit.io.tables import write_table

_DEFAULT = Analysis()


def change(
    source: str,
    /,
    *,
    patient: Patients = None,
    rater: str | None = None,
    analysis: Analysis = _DEFAULT,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Say how every lesion changed between visits, which to review, and what noise has to do with it.

    A flag says: review this lesion. It does not say haemorrhage. Scans of different scanners, protocols, pipeline
    versions, references or region rules are not compared; see `qsmkit monitor remeasure`.

    Parameters
    ----------
    source
        Registry, or a table with columns patient, lesion, date, mean (ppm).
    patient
        Only these patients.
    rater
        Only this rater's masks.
    analysis
        When to flag, and what is known of errors.
    out
        CSV or TSV file to write, a row a lesion and epoch.
    json
        Print JSON on stdout.
    overwrite
        Replace a file that is there.
    """
    found = study_from(source, patient, rater)
    rule, errors = analysis.rule(), analysis.errors()
    made = changes(found.observations, rule, errors)
    for note in found.notes:
        console.say(note)
    rows = [c.as_row() for c in made]
    if out and rows:
        write_table(out, rows, overwrite=overwrite)
    if json:
        console.print_json(rows)
        return
    if made:
        _print(made, f"{rule.sentence()} {errors.sentence()}")
    else:
        lesions = len({o.lesion for o in found.observations})
        console.say(f"no change found: {lesions} lesions were measured, none of them at two linked visits; measure "
                    "another visit, and link it (qsmkit monitor link)")  # fmt: skip
    console.disclaim()


def _print(made: list[Change], title: str) -> None:
    rows = [
        (c.before.patient, f"{c.before.label}{' (index)' if c.before.index else ''}",
         f"{c.before.visit} → {c.after.visit}", f"{c.years:.2f}", _signed(c.difference.value, c.difference.unit),
         _per_cent(c), _number(c.annual), _number(c.detectable), _share(c.p_rise), _share(c.p_exceeds), c.verdict,
         "; ".join(c.notes))
        for c in made
    ]  # fmt: skip
    heads = ("patient", "lesion", "visits", "years", "difference", "change % [interval]", "%/y", "detectable %",
             "P(rise)", "P(≥ threshold)", "verdict", "notes")  # fmt: skip
    console.print_table(heads, rows, title)


def _per_cent(c: Change) -> str:
    m = c.percent
    if math.isnan(m.value):
        return "–"
    return f"{m.value:+.1f}" if math.isnan(m.low) else f"{m.value:+.1f} [{m.low:+.1f}, {m.high:+.1f}]"


def _signed(value: float, unit: str) -> str:
    return f"{1000 * value:+.0f} ppb" if unit == "ppm" else f"{value:+.4g} {unit}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1f}"


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
