"""`qsmkit outcome`: motor scores over visits, responders, and their relation to the lead's place."""

import math
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.clinical.outcome.motor import State, Visit
from qsmkit.clinical.outcome.scales import scale as known_scale
from qsmkit.clinical.outcome.study import Outcome, study
from qsmkit.errors import InputError
from qsmkit.io.atomic import write_text
from qsmkit.io.sidecar import as_json
from qsmkit.io.tables import Table, read_table
from qsmkit.reports.outcome import write_outcome

STATES = {"on": "on", "off": "off", "": "", "1": "on", "0": "off", "none": "", "yes": "on", "no": "off"}


def outcome(
    table: Path,
    /,
    *,
    scale: str,
    patient: str = "patient",
    month: str = "month",
    score: str = "score",
    medication: str = "medication",
    stimulation: str = "stimulation",
    distance: str | None = None,
    ledd: str | None = None,
    confidence: float = 0.95,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Say how motor scores changed from baseline: mean, per cent, responders, mixed model, relation to lead error.

    Parameters
    ----------
    table
        CSV, TSV or Excel file, a row an examination.
    scale
        UPDRS-III or MDS-UPDRS-III, or the column that names it; the two are never mixed.
    patient
        Column of the patient.
    month
        Column of the months since surgery; 0 is the baseline before it.
    score
        Column of the score.
    medication
        Column of the state of medication (on, off), if there is one.
    stimulation
        Column of the state of stimulation (on, off), if there is one; empty before surgery.
    distance
        Column of the lead's distance to its target (mm); a patient's rows are averaged.
    ledd
        Column of the levodopa equivalent daily dose (mg).
    confidence
        Of the intervals.
    out
        Folder to make: report.html, outcome.json, changes.csv, figures.
    json
        Print JSON on stdout.
    overwrite
        Replace files that are there.
    """
    rows = read_table(table)
    chosen = known_scale(_scale_name(rows, scale))
    names = rows.text(patient)
    states = [_states(rows, column) for column in (medication, stimulation)]
    visits = [Visit(*v) for v in zip(names, rows.numbers(month), *states, rows.numbers(score), strict=True)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = study(
            visits, chosen, distance=_by_patient(rows, names, distance),
            ledd=_by_visit(rows, names, month, ledd), confidence=confidence,
        )  # fmt: skip
    for warning in caught:
        console.say(f"warning: {warning.message}")
    if out:
        report = write_outcome(found, out, source=table, overwrite=overwrite)
        write_text(out / "outcome.json", as_json(as_dict(found)), overwrite=overwrite)
        console.say(f"report → {report}")
    if json:
        console.print_json(as_dict(found))
    else:
        _print(found)


def as_dict(found: Outcome) -> dict[str, Any]:
    """Return an outcome as plain values for JSON."""
    return {
        "scale": found.scale.name,
        "levodopa_response": found.levodopa_response.as_dict() if found.levodopa_response else None,
        "comparisons": [
            {
                "month": c.month, "medication": c.medication, "stimulation": c.stimulation, "p_t": c.p_t,
                "p_wilcoxon": c.p_wilcoxon, **{k: m.as_dict() for k, m in c.statistics.items()},
                "relation_to_distance": {k: m.as_dict() for k, m in found.relations.get(c.name, {}).items()},
                "patients": [asdict(change) for change in c.changes],
            }
            for c in found.comparisons
        ],
        "stimulation_effect": [
            {"month": month, "medication": state, **m.as_dict()} for month, state, m in found.stimulation_effect
        ],
        "mixed_model": [
            {"condition": name, "month": month, **m.as_dict()}
            for name, model in found.models.items() for month, m in model.items()
        ],
        "ledd_change": {f"{month:g}": m.as_dict() for month, m in found.ledd_change.items()},
    }  # fmt: skip


def _scale_name(rows: Table, given: str) -> str:
    if given not in rows.columns:
        return given
    named = {known_scale(n).name for n in rows.text(given) if n}
    if len(named) != 1:
        raise InputError(f"column {given!r} names {' and '.join(sorted(named)) or 'none'}; analyse one scale at a time")
    return named.pop()


def _states(rows: Table, column: str) -> list[State]:
    if column not in rows.columns:
        return [""] * len(rows)
    wrong = next((c for c in rows.text(column) if c.lower() not in STATES), None)
    if wrong is not None:
        raise InputError(f"{column} is {wrong!r}; write on, off, or leave it empty")
    return [cast(State, STATES[c.lower()]) for c in rows.text(column)]


def _by_patient(rows: Table, names: list[str], column: str | None) -> dict[str, float]:
    if column is None:
        return {}
    values: dict[str, list[float]] = {}
    for name, value in zip(names, rows.numbers(column), strict=True):
        if math.isfinite(value):
            values.setdefault(name, []).append(value)
    return {name: sum(v) / len(v) for name, v in values.items()}


def _by_visit(rows: Table, names: list[str], month: str, column: str | None) -> dict[tuple[str, float], float]:
    if column is None:
        return {}
    cells = zip(names, rows.numbers(month), rows.numbers(column), strict=True)
    return {(name, when): value for name, when, value in cells if math.isfinite(value)}


def _print(found: Outcome) -> None:
    for comparison in found.comparisons:
        lines = [(name, str(m), str(m.n), m.method) for name, m in comparison.statistics.items()]
        lines += [(f"improvement and distance: {k}", str(m), str(m.n), m.method)
                  for k, m in found.relations.get(comparison.name, {}).items()]  # fmt: skip
        tests = f"t p = {comparison.p_t:.3g}, Wilcoxon p = {comparison.p_wilcoxon:.3g}"
        title = f"{found.scale.name}, {comparison.name} ({tests})"
        console.print_table(("statistic", "value [interval]", "n", "method"), lines, title)
    for sentence in found.sentences():
        console.out.print(sentence, markup=False)
    console.disclaim()
