"""Measurements and events of a cohort from tables, for those who keep no registry."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qsmkit.clinical.monitor.events import Event, parse_date
from qsmkit.clinical.monitor.observation import Context, Observation
from qsmkit.errors import InputError
from qsmkit.io.tables import Table, read_table
from qsmkit.measure import Measure
from qsmkit.pipeline.monitor.gather import QUANTILE, Study

LARGEST = 5.0
"""Mean susceptibility, ppm, beyond which a column holds ppb."""

NUMBERS = ("total", "volume", "median", "p95", "maximum", "permeability")
CONTEXT = ("scanner", "protocol", "pipeline", "reference", "rule")


def study_of_tables(measurements: Path, events: Path | None = None) -> Study:
    """Read a study from tables.

    Parameters
    ----------
    measurements : Path
        Columns patient, lesion, date, mean (ppm); as they are known also visit, label, kind, index (1 or 0), noise (SD
        of the mean, ppm) or mean_low and mean_high (95 %), total (ppm·mm³), volume (mm³), permeability, reference_sd
        (ppm), scanner, protocol, pipeline, reference, rule.
    events : Path, optional
        Columns patient, type, onset (2024-05-17, 2024-05 or 2024); as they are known also lesion, adjudication.

    Raises
    ------
    InputError
        A column is missing, or a value makes no sense.
    """
    table = read_table(measurements)
    means = table.numbers("mean")
    if np.nanmedian(np.abs(means)) > LARGEST:
        raise InputError(f"{measurements}: mean is {np.nanmedian(means):.4g} in the middle: ppb? give ppm")
    seen = [_observation(row, measurements, line) for line, row in enumerate(_rows(table), 2)]
    happened = [] if events is None else [_event(row) for row in _rows(read_table(events))]
    visits = list(dict.fromkeys((o.patient, o.day) for o in seen))
    return Study(seen, happened, visits, {}, [])


def _rows(table: Table) -> list[dict[str, str]]:
    return [dict(zip(table.columns, cells, strict=True)) for cells in zip(*table.columns.values(), strict=True)]


def _observation(row: Mapping[str, str], source: Path, line: int) -> Observation:
    def number(name: str) -> float:
        try:
            return float(row.get(name) or "nan")
        except ValueError:
            raise InputError(f"{source}, line {line}: {name} is {row[name]!r}, not a number") from None

    for name in ("patient", "lesion", "date", "mean"):
        if not row.get(name):
            raise InputError(f"{source}, line {line}: {name} is missing; each row is a lesion at a visit")
    day, precision = parse_date(row["date"])
    if precision != "day":
        raise InputError(f"{source}, line {line}: date {row['date']!r} lacks its day; scans have one")
    mean, low, high = number("mean"), number("mean_low"), number("mean_high")
    noise = number("noise")
    if math.isnan(noise):
        noise = (high - low) / 2 / QUANTILE
    more: dict[str, Any] = {name: number(name) for name in NUMBERS}
    return Observation(
        patient=row["patient"], visit=row.get("visit") or row["date"], day=day,
        lesion=f"{row['patient']}/{row['lesion']}", label=row.get("label") or row["lesion"],
        kind=row.get("kind") or "cavernoma",  # type: ignore[arg-type]  # checked by Observation
        index=row.get("index", "").lower() in ("1", "yes", "true"), noise=noise,
        mean=Measure(mean, mean - QUANTILE * noise, mean + QUANTILE * noise, "ppm", 0, "as given"),
        reference_spread=number("reference_sd"), context=Context(*(row.get(name) or "" for name in CONTEXT)), **more,
    )  # fmt: skip


def _event(row: Mapping[str, str]) -> Event:
    for name in ("patient", "type", "onset"):
        if not row.get(name):
            raise InputError(f"an event lacks its {name}; give patient, type and onset")
    onset, precision = parse_date(row["onset"])
    return Event(
        patient=row["patient"], type=row["type"], onset=onset, precision=precision,  # type: ignore[arg-type]  # checked
        lesion=f"{row['patient']}/{row['lesion']}" if row.get("lesion") else None,
        adjudication=row.get("adjudication") or "pending",  # type: ignore[arg-type]
    )  # fmt: skip
