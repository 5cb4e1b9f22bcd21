"""`qsmkit profile`: the nuclei of a patient against controls, each other, and the other side."""

import math
from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.clinical.profile.norms import OLDEST, Norm, Sex
from qsmkit.clinical.profile.profile import Profile, Reading, Side
from qsmkit.clinical.profile.profile import profile as summary
from qsmkit.errors import InputError
from qsmkit.io.atomic import write_text
from qsmkit.io.sidecar import as_json
from qsmkit.io.tables import Table, read_table
from qsmkit.measure import Measure
from qsmkit.reports.profile import as_rows, write_profile

SIDES: dict[str, Side] = {"left": "left", "l": "left", "right": "right", "r": "right", "": ""}
PER_UNIT = {"ppm": 1.0, "ppb": 1e-3}
COLUMNS = {"nucleus": "name", "mean": "chi_ppm", "low": "chi_low", "high": "chi_high"}
"""How `qsmkit nuclei` names the columns that this table calls otherwise."""
NAMES = {
    "gpe": "GPe", "gpi": "GPi", "stn": "STN", "sn": "SN", "snc": "SNc", "snr": "SNr", "rn": "RN", "red_nucleus": "RN",
}  # fmt: skip
"""Short names of nuclei, as the profile writes them, by what tables write."""


def profile(
    table: Path,
    /,
    *,
    age: float,
    sex: Sex = "",
    norms: Path | None = None,
    nucleus: str = "nucleus",
    side: str = "side",
    mean: str = "mean",
    low: str = "low",
    high: str = "high",
    reference: str = "the reference region of the map",
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Hold a patient's deep grey nuclei against controls of that age, post-mortem iron, and the other side.

    Parameters
    ----------
    table
        CSV, TSV or Excel file, a row a nucleus and side: nuclei.tsv of `qsmkit nuclei`, or one of yours.
    age
        Of the patient (years).
    sex
        Of the patient, for norms that ask.
    norms
        Table of controls by the same pipeline: nucleus, mean, sd (ppm), n; optionally age_low, age_high, sex, per_year
        (ppm/year) with at_age, source.
    nucleus
        Column of the nucleus (GPe, GPi, STN, SN, RN, caudate, putamen, thalamus, dentate). This one and those of the
        mean and its interval are found in nuclei.tsv without saying them.
    side
        Column of the side: left or right, L or R, or empty.
    mean
        Column of the mean susceptibility, in ppm, or as a column `unit` says.
    low
        Column of the lower end of its 95 % interval.
    high
        Column of the upper end.
    reference
        To what the map is relative, for the report.
    out
        Folder to make: report.html (one page), profile.json, profile.csv, figure.
    json
        Print JSON on stdout.
    overwrite
        Replace files that are there.
    """
    controls = _norms(read_table(norms)) if norms else []
    found = summary(_readings(read_table(table), nucleus, side, mean, low, high), age, sex=sex, norms=controls)
    for name in sorted({n.region for n in controls} - {line.reading.region for line in found.lines}):
        console.say(f"warning: the norm for {name} meets no nucleus of {table}; names must be the same")
    if out:
        report = write_profile(found, out, source=table, reference=reference, overwrite=overwrite)
        write_text(out / "profile.json", as_json(_as_dict(found, reference)), overwrite=overwrite)
        console.say(f"report → {report}")
    if json:
        console.print_json(_as_dict(found, reference))
    else:
        _print(found, reference)


def _readings(rows: Table, nucleus: str, side: str, mean: str, low: str, high: str) -> list[Reading]:
    nucleus, mean, low, high = (_column(rows, name) for name in (nucleus, mean, low, high))
    factors = [_factor(unit, rows.source) for unit in rows.columns.get("unit", ["ppm"] * len(rows))]
    sides = [_side(cell, rows.source) for cell in rows.columns.get(side, [""] * len(rows))]
    ends = [rows.numbers(c) if c in rows.columns else [math.nan] * len(rows) for c in (low, high)]
    told = rows.columns.get("method", [f"as {rows.source} says"] * len(rows))
    lines = zip(rows.text(nucleus), sides, rows.numbers(mean), *ends, factors, told, strict=True)
    found = [
        Reading(_name(name), where, Measure(value * factor, bottom * factor, top * factor, "ppm", 1, how))
        for name, where, value, bottom, top, factor, how in lines
    ]  # fmt: skip
    volumes = rows.numbers("volume_mm3") if "volume_mm3" in rows.columns else [math.nan] * len(rows)
    return [r for r in (*found, *_nigra(found, volumes)) if math.isfinite(r.chi.value)]


def _nigra(readings: list[Reading], volumes: list[float]) -> list[Reading]:
    """Return the whole nigra of each side whose two parts have a volume, weighted by it; the parts may err alike."""
    joined = []
    for side in ("left", "right"):
        parts = {r.region.lower(): (r.chi, v) for r, v in zip(readings, volumes, strict=True) if r.side == side}
        if "sn" in parts or not {"snc", "snr"} <= parts.keys():
            continue
        (one, a), (two, b) = parts["snc"], parts["snr"]
        value, low, high = ((a * x + b * y) / (a + b) for x, y in zip(_three(one), _three(two), strict=True))
        joined.append(Reading("SN", side, Measure(value, low, high, "ppm", 2, "SNc and SNr weighted by volume")))
    return joined


def _three(measure: Measure) -> tuple[float, float, float]:
    return measure.value, measure.low, measure.high


def _norms(rows: Table) -> list[Norm]:
    def optional(name: str, default: float) -> list[float]:
        values = rows.numbers(name) if name in rows.columns else [math.nan] * len(rows)
        return [default if math.isnan(v) else v for v in values]

    sexes = rows.columns.get("sex", [""] * len(rows))
    wrong = next((s for s in sexes if s not in ("F", "M", "")), None)
    if wrong is not None:
        raise InputError(f"{rows.source}: sex is {wrong!r}; write F, M, or leave it empty for both")
    counts = rows.numbers("n")
    if not all(math.isfinite(n) for n in counts):
        raise InputError(f"{rows.source}: n is missing in a row; give the number of controls of every norm")
    return [
        Norm(_name(name), mean, sd, int(n), low, high, slope, at, sex, source or rows.source)
        for name, mean, sd, n, low, high, slope, at, sex, source in zip(
            rows.text("nucleus"), rows.numbers("mean"), rows.numbers("sd"), counts, optional("age_low", 0.0),
            optional("age_high", OLDEST), optional("per_year", 0.0), optional("at_age", 0.0), sexes,
            rows.columns.get("source", [""] * len(rows)), strict=True,
        )
    ]  # fmt: skip


def _column(rows: Table, name: str) -> str:
    return COLUMNS.get(name, name) if name not in rows.columns else name


def _name(cell: str) -> str:
    return NAMES.get(cell.lower(), cell)


def _factor(unit: str, source: str) -> float:
    if unit not in PER_UNIT:
        raise InputError(f"{source}: the unit is {unit!r}; give ppm or ppb")
    return PER_UNIT[unit]


def _side(cell: str, source: str) -> Side:
    if cell.lower() not in SIDES:
        raise InputError(f"{source}: the side is {cell!r}; write left or right, L or R, or leave it empty")
    return SIDES[cell.lower()]


def _as_dict(found: Profile, reference: str) -> dict[str, object]:
    return {
        "age": found.age, "sex": found.sex, "reference": reference, "nuclei": as_rows(found),
        "asymmetries": [
            {"nucleus": a.region, "difference": a.difference.as_dict(), "index": a.index.as_dict(), "clear": a.clear}
            for a in found.asymmetries
        ],
        "ratios": {name: m.as_dict() for name, m in found.ratios.items()}, "sentences": found.sentences(),
    }  # fmt: skip


def _print(found: Profile, reference: str) -> None:
    lines = [
        (
            line.reading.name, str(line.reading.chi), str(line.score.z) if line.score else "no norm",
            f"{line.score.p:.3g}" if line.score else "", str(line.iron) if line.iron else "",
            f"{line.expected_iron:.0f}" if line.iron else "",
        )
        for line in found.lines
    ]  # fmt: skip
    columns = ("nucleus", "χ [95 % interval]", "z", "p", "iron", "post mortem (µg/g)")
    console.print_table(columns, lines, f"Nuclei at {found.age:g} years, χ relative to {reference}")
    sides = [(a.region, str(a.difference), str(a.index)) for a in found.asymmetries]
    if sides:
        console.print_table(("nucleus", "left − right", "asymmetry"), sides)
    for name, m in found.ratios.items():
        console.out.print(f"{name}: {m} ({m.method})", markup=False, highlight=False)
    for sentence in found.sentences():
        console.out.print(sentence, markup=False)
    console.disclaim()
