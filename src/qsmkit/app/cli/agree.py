"""`qsmkit agree`: how well two methods agree that measure the same thing."""

import math
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.clinical.stats.agreement import THRESHOLDS, Agreement, agreement
from qsmkit.clinical.stats.paired import pair
from qsmkit.io.tables import Table, join_tables, read_table
from qsmkit.reports.agreement import write_agreement
from qsmkit.reports.html import cell

FEW = 40
"""Cases up to which each is printed."""


def agree(
    table: Path,
    /,
    *,
    x: str,
    y: str,
    join: Path | None = None,
    on: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    cluster: str | None = None,
    case: str | None = None,
    thresholds: Annotated[list[float] | None, Parameter(consume_multiple=True)] = None,
    unit: str = "mm",
    confidence: float = 0.95,
    error_ratio: float = 1.0,
    margin: float | None = None,
    resolution: float | None = None,
    normalise: Literal["minmax", "z"] | None = None,
    scale_x: float = 1.0,
    scale_y: float = 1.0,
    same_unit: Flag = False,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Say how well two methods agree: how often within given distances, case by case, and every usual statistic.

    Parameters
    ----------
    table
        CSV, TSV or Excel file, a row a case.
    x
        Column of the first method.
    y
        Column of the second method.
    join
        Second table, whose columns are put beside the first one's: spans on the image here, from the recording there.
    on
        Columns that both tables have and that name a row: patient side track.
    cluster
        Column that names the patient, if a patient has several rows (two sides).
    case
        Column that names the case; by default the columns of --on, or the row's number.
    thresholds
        Differences that count as agreement, in the unit; 0.1 0.5 1 2 if omitted.
    unit
        Unit of both columns.
    confidence
        Of the intervals.
    error_ratio
        Variance of y's errors over that of x's, for Deming's line.
    margin
        Mean difference of no consequence, for the test of equivalence; the largest threshold but one if omitted.
    resolution
        Step or voxel of the coarser method, in the unit: thresholds finer than this are warned of.
    normalise
        Also analyse both methods on scales of their own (minmax or z); it hides bias, so it never replaces the raw one.
    scale_x
        Factor that brings x to the unit.
    scale_y
        Factor that brings y to the unit.
    same_unit
        Vouch that both columns are in one unit although one is about 10, 100 or 1000 times the other.
    out
        Folder to make: report.html, statistics.json, cases.csv, statistics.csv, figures.
    json
        Print the statistics as JSON on stdout.
    overwrite
        Replace files that are there.
    """
    rows = read_table(table)
    if join:
        rows, alone = join_tables(rows, read_table(join), on or [])
        if alone:
            console.say(f"warning: {len(alone)} rows have no partner and are left out: {'; '.join(alone)}")
    if open_ends := rows.columns.get("open_end", []).count("True"):
        console.say(f"warning: {open_ends} spans have an open end: they are lower bounds, taken for measured here")
    pairs = pair(
        [scale_x * v for v in rows.numbers(x)],
        [scale_y * v for v in rows.numbers(y)],
        case=_names(rows, [case] if case else on or []),
        cluster=rows.text(cluster) if cluster else None,
        unit=unit, x_name=x, y_name=y, same_unit=same_unit,
    )  # fmt: skip
    found = agreement(
        pairs, thresholds=thresholds or THRESHOLDS, confidence=confidence, error_ratio=error_ratio, margin=margin,
        resolution=resolution, normalise=normalise,
    )  # fmt: skip
    for warning in found.warnings:
        console.say(f"warning: {warning}")
    if out:
        console.say(f"report → {write_agreement(found, out, source=table, overwrite=overwrite)}")
    if json:
        console.print_json(found.as_dict())
    else:
        _print(found)


def _names(rows: Table, columns: list[str]) -> list[str] | None:
    return [", ".join(parts) for parts in zip(*map(rows.text, columns), strict=True)] or None


def _print(found: Agreement) -> None:
    rows = [
        (name, f"{m.value:.4g}", _end(m.low), _end(m.high), "" if m.unit == "1" else m.unit,
         f"{found.p_values[name]:.3g}" if name in found.p_values else "", str(m.n), m.method)
        for name, m in found.statistics.items()
    ]  # fmt: skip
    title = f"{found.pairs.x_name} minus {found.pairs.y_name}"
    console.print_table(("statistic", "value", "low", "high", "unit", "p", "n", "method"), rows, title)
    cases = list(found.cases())
    if len(cases) <= FEW:
        console.print_table(list(cases[0]), [[cell(v) for v in row.values()] for row in cases], "Case by case")
    if found.normalised:
        _, n = found.normalised
        console.out.print(
            f"Normalised: limits of agreement {n.lower_limit} to {n.upper_limit}. A scale of its own for each method "
            "hides bias and scale; read it only beside the raw limits.", markup=False,
        )  # fmt: skip
    for sentence in found.sentences:
        console.out.print(sentence, markup=False)
    console.disclaim()


def _end(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"

