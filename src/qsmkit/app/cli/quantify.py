"""`qsmkit quantify`: from susceptibility to chemistry, each number with its interval."""

import math
from pathlib import Path

from cyclopts import App

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.haematoma import haematoma
from qsmkit.clinical.quantify import calcium as ca
from qsmkit.clinical.quantify import gadolinium as gd
from qsmkit.clinical.quantify import iron as fe
from qsmkit.clinical.quantify import oxygen as o2
from qsmkit.clinical.quantify import spio as io
from qsmkit.clinical.quantify.calibration import Calibration, fit, from_dict
from qsmkit.clinical.quantify.propagate import Z
from qsmkit.errors import InputError
from qsmkit.io.atomic import write_text
from qsmkit.io.sidecar import as_json, read_sidecar
from qsmkit.io.tables import read_table
from qsmkit.measure import Measure
from qsmkit.physics.magnetism import BODY, SPIO_SATURATION

app = App(name="quantify", help="From susceptibility to chemistry, each number with its interval.")

app.command(haematoma)

LARGEST = 10.0
"""Susceptibility (ppm) beyond which a value is taken for one in ppb: that of the densest calcification, vein at first
pass and haematoma is smaller; a modelling choice."""


@app.command
def calibrate(
    table: Path,
    /,
    *,
    concentration: str = "concentration",
    chi: str = "chi",
    unit: str,
    source: str,
    temperature: float | None = None,
    b0: float | None = None,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Fit a line of susceptibility on concentration to a phantom series, robustly, and keep it.

    Parameters
    ----------
    table
        CSV, TSV or Excel file, a row a sample.
    concentration
        Column of the concentration.
    chi
        Column of the susceptibility (ppm).
    unit
        Unit of the concentration: mM, µg/g or mg/mL.
    source
        Phantom, scanner, date.
    temperature
        Of the samples (°C).
    b0
        Field (T).
    out
        JSON file to write, for --calibration of the other commands.
    json
        Print JSON on stdout.
    overwrite
        Replace a file that is there.
    """
    rows = read_table(table)
    line = fit(rows.numbers(concentration), rows.numbers(chi), unit=unit, source=source, temperature_c=temperature,
               field_strength=b0)  # fmt: skip
    if out:
        write_text(out, as_json(line.as_dict()), overwrite=overwrite)
    if json:
        console.print_json(line.as_dict())
        return
    console.out.print(
        f"χ = {line.intercept:.4g} ± {line.intercept_error:.2g} + ({line.slope:.4g} ± {line.slope_error:.2g}) ppm per "
        f"{unit} · c, {line.n} samples, scatter {line.scatter:.2g} ppm", markup=False,
    )  # fmt: skip


@app.command
def iron(
    *, chi: float, se: float | None = None, chi_zero: float = 0.0, chi_zero_se: float = 0.0, region: str | None = None,
    age: float | None = None, norm: Path | None = None, calibration: Path | None = None, json: Flag = False,
) -> None:
    """Convert the susceptibility of grey matter to iron (µg per g of wet tissue).

    Parameters
    ----------
    chi
        Mean susceptibility of the region (ppm).
    se
        Its standard error (ppm).
    chi_zero
        Susceptibility of the same tissue without iron (ppm).
    chi_zero_se
        Its standard error (ppm).
    region
        pallidum, putamen, caudate, cortex, red_nucleus, nigra, dentate or thalamus: what is expected there is shown.
    age
        Years; the expectation of Hallgren and Sourander at that age.
    norm
        Table with columns region, mean, sd of susceptibility (ppm): the patient's z score is shown.
    calibration
        Line of the site, from qsmkit quantify calibrate; the published slope of 1.10 ± 0.08 ppb per µg/g if omitted.
    json
        Print JSON on stdout.
    """
    measured, zero = _measure(chi, se), _measure(chi_zero, chi_zero_se)
    found = {"iron": fe.iron(measured, calibration=_line(calibration) or fe.ZHENG, chi_zero=zero)}
    low, high = fe.model_band(_measure(chi - chi_zero, se))
    middle = (low + high) / 2
    band = "band of published slopes, 1.10 … 1.46 ppb per µg/g"
    found["iron_by_other_slopes"] = Measure(middle, low, high, "µg/g", 1, band)
    if region and age is not None:
        usual = fe.expected_iron(region, age)
        told = f"{region} at {age:g} years, Hallgren & Sourander 1958"
        found["expected_iron"] = Measure(usual, math.nan, math.nan, "µg/g", 1, told)
    if norm:
        if region is None:
            raise console.UsageError("--norm needs --region, the row of the table to compare with")
        mean, sd = _norm(norm, region)
        found["z_score"] = fe.z_score(measured, mean, sd)
    _show(found, json)


@app.command
def gadolinium(
    *, post: float, post_se: float | None = None, pre: float = 0.0, pre_se: float = 0.0, temperature: float = BODY,
    calibration: Path | None = None, json: Flag = False,
) -> None:
    """Convert a rise of susceptibility to gadolinium (mM).

    Parameters
    ----------
    post
        Susceptibility after the agent (ppm).
    post_se
        Its standard error (ppm).
    pre
        Susceptibility before (ppm), to the same reference.
    pre_se
        Its standard error (ppm).
    temperature
        Of the tissue (°C).
    calibration
        Line of the site's phantom; Curie's law if omitted.
    json
        Print JSON on stdout.
    """
    line = _line(calibration)
    found = gd.gadolinium(_measure(post, post_se), _measure(pre, pre_se), calibration=line, temperature_c=temperature)
    result = {"gadolinium": found}
    if post_se:
        limit = (line or gd.theory(temperature)).detection_limit(math.hypot(post_se, pre_se))
        result["detection_limit"] = Measure(limit, math.nan, math.nan, "mM", 1, "three standard errors over the slope")
    _show(result, json)


@app.command
def calcium(*, chi: float, se: float | None = None, calibration: Path, json: Flag = False) -> None:
    """Convert a diamagnetic susceptibility to calcium (mg/mL) by the user's own calibration.

    Parameters
    ----------
    chi
        Susceptibility above the background (ppm), negative.
    se
        Its standard error (ppm).
    calibration
        Line of the site, in mg/mL; none is built in.
    json
        Print JSON on stdout.
    """
    line = _line(calibration)
    assert line is not None
    _show({"calcium": ca.calcium(_measure(chi, se), line)}, json)


@app.command
def spio(
    *, total: float | None = None, total_se: float | None = None, b0: float | None = None,
    saturation: float = SPIO_SATURATION, saturation_se: float = io.SATURATION_ERROR, dose: float | None = None,
    course: Path | None = None, json: Flag = False,
) -> None:
    """Convert total susceptibility to the iron of iron-oxide particles (µg), or a course of masses to a half-time.

    Parameters
    ----------
    total
        Total susceptibility above the background (ppm·mm³).
    total_se
        Its standard error (ppm·mm³).
    b0
        Field (T).
    saturation
        Saturation magnetisation of the particles (A·m² per kg of iron).
    saturation_se
        Its standard error.
    dose
        Injected iron (µg): the share of the dose is shown.
    course
        Table with columns time, mass and optionally se (µg): the half-time of clearance is shown, in the unit of time.
    json
        Print JSON on stdout.
    """
    found: dict[str, Measure] = {}
    if total is not None:
        if b0 is None:
            raise console.UsageError("--b0 is missing: saturated particles' apparent susceptibility depends on it")
        measured = _measure(total, total_se, "ppm·mm³")
        found["iron"] = io.iron_mass(measured, b0, saturation=saturation, saturation_error=saturation_se)
        if dose is not None:
            found["dose_fraction"] = io.dose_fraction(found["iron"], dose)
    if course:
        rows = read_table(course)
        errors = rows.numbers("se") if "se" in rows.columns else [None] * len(rows)
        masses = [_measure(m, e, "µg Fe") for m, e in zip(rows.numbers("mass"), errors, strict=True)]
        found["half_time"] = io.clearance_half_time(rows.numbers("time"), masses)
    if not found:
        raise console.UsageError("give --total and --b0, or --course")
    _show(found, json)


@app.command
def oxygen(
    *, chi: float, se: float | None = None, haematocrit: float, haematocrit_se: float = 0.02, reference: float = 0.0,
    arterial: float = 0.98, json: Flag = False,
) -> None:
    """Convert the susceptibility of a vein to its oxygen saturation and the oxygen extraction fraction.

    Parameters
    ----------
    chi
        Susceptibility of the vein (ppm).
    se
        Its standard error (ppm).
    haematocrit
        Share of red cells, 0 … 1; it must be known.
    haematocrit_se
        Its standard error.
    reference
        Susceptibility of water on the same scale (ppm).
    arterial
        Arterial saturation, 0 … 1.
    json
        Print JSON on stdout.
    """
    y = o2.venous_saturation(_measure(chi, se), haematocrit, haematocrit_error=haematocrit_se, reference=reference)
    _show({"venous_saturation": y, "extraction_fraction": o2.extraction_fraction(y, arterial=arterial)}, json)


def _measure(value: float, error: float | None, unit: str = "ppm") -> Measure:
    if not math.isfinite(value):
        raise InputError(f"{value} {unit} is not a number; leave it out")
    if unit == "ppm" and abs(value) > LARGEST:
        raise InputError(f"{value:g} ppm is no tissue's susceptibility; give ppm, 0.13 where the map says 130 ppb")
    if error is None or math.isnan(error):
        return Measure(value, math.nan, math.nan, unit, 1, "as given, without an interval")
    if error < 0:
        raise InputError(f"a standard error of {error:g} {unit} is negative")
    return Measure(value, value - Z * error, value + Z * error, unit, 1, "as given")


def _line(path: Path | None) -> Calibration | None:
    return None if path is None else from_dict(read_sidecar(path), str(path))


def _norm(path: Path, region: str) -> tuple[float, float]:
    rows = read_table(path)
    names = rows.text("region")
    if region not in names:
        raise InputError(f"{path} has no row for {region!r}; it has {', '.join(names)}")
    i = names.index(region)
    return rows.numbers("mean")[i], rows.numbers("sd")[i]


def _show(found: dict[str, Measure], json: bool) -> None:
    if json:
        console.print_json({name: m.as_dict() for name, m in found.items()})
        return
    rows = [(name.replace("_", " "), str(m), m.method) for name, m in found.items()]
    console.print_table(("", "value [95 % interval]", "method"), rows)
    console.disclaim()
