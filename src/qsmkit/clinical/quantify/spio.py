"""Iron-oxide particles: mass from the magnetic moment, share of the dose, and clearance."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from qsmkit.clinical.quantify.propagate import known, normal, ratio, standard_error
from qsmkit.errors import InputError
from qsmkit.measure import Measure
from qsmkit.physics.magnetism import SPIO_SATURATION, saturated_iron_ug

SATURATION_ERROR = 20.0
"""Standard error of the saturation magnetisation, A·m²/kg: the literature has 71 … 110."""


def iron_mass(
    total: Measure, field_strength: float, *, saturation: float = SPIO_SATURATION,
    saturation_error: float = SATURATION_ERROR,
) -> Measure:
    """Return the iron of an iron-oxide depot, µg.

    mass = χ_tot B₀/(μ₀ M_s): the moment is that of saturation, whatever volume it seems to fill.

    Parameters
    ----------
    total : Measure
        Total susceptibility above the background, ppm·mm³.
    field_strength : float
        T; the apparent susceptibility falls with it, the mass does not.
    saturation, saturation_error : float
        Saturation magnetisation of the particles and its standard error, A·m² per kg of iron; give the product's own,
        the literature's spread is wide.

    Raises
    ------
    InputError
        The total is not in ppm·mm³, or a number is not positive.
    """
    if total.unit != "ppm·mm³":
        raise InputError(f"a total susceptibility in {total.unit}; give ppm·mm³, mean times volume")
    if not (field_strength > 0 and saturation > 0 and saturation_error >= 0):
        raise InputError(
            f"field {field_strength} T, saturation {saturation} ± {saturation_error} A·m²/kg; give positive numbers"
        )
    unit_mass = saturated_iron_ug(1.0, field_strength, saturation=1.0)
    value, low, high = ratio(unit_mass * total.value, unit_mass * standard_error(total), saturation, saturation_error)
    how = f"moment over {saturation:g} ± {saturation_error:g} A·m²/kg at {field_strength:g} T, Fieller's interval"
    if not known(total):
        return Measure(value, math.nan, math.nan, "µg Fe", total.n, how)
    return Measure(value, low, high, "µg Fe", total.n, how)


def dose_fraction(mass: Measure, dose_ug: float) -> Measure:
    """Return the share of the injected dose that a region holds, %ID.

    Parameters
    ----------
    mass : Measure
        Iron of the region, µg.
    dose_ug : float
        Injected iron, µg.

    Raises
    ------
    InputError
        The dose is not positive.
    """
    if not dose_ug > 0:
        raise InputError(f"a dose of {dose_ug} µg is not positive")
    value, low, high = (100 * v / dose_ug for v in (mass.value, mass.low, mass.high))
    return Measure(value, low, high, "%ID", mass.n, f"{mass.method}; of {dose_ug:g} µg injected")


def clearance_half_time(time: Sequence[float], mass: Sequence[Measure]) -> Measure:
    """Return the half-time of a mono-exponential clearance, in the unit of `time` (called "time").

    ln mass = ln m₀ − k t is fitted with weights 1/σ²(ln mass); t½ = ln 2/k. The interval is that of k by Student's t,
    turned round; it has no upper end if no clearance at all is compatible with the data.

    Parameters
    ----------
    time : sequence of float
        Since injection; any unit.
    mass : sequence of Measure
        Iron at each time, µg, all positive.

    Raises
    ------
    InputError
        Fewer than three times, one of them twice, a mass that is not positive, or a rising course.
    """
    t, y = np.asarray(time, np.float64), np.array([m.value for m in mass])
    if len(t) != len(y) or len(t) < 3 or len(np.unique(t)) < len(t):
        raise InputError(f"{len(t)} times and {len(y)} masses; give at least three different times with one mass each")
    if not (y > 0).all():
        raise InputError(f"a mass of {y.min():g} µg has no logarithm; leave out times at which nothing was left")
    errors = np.array([standard_error(m) / m.value for m in mass])
    weight = 1 / errors**2 if (errors > 0).all() else np.ones_like(y)
    design = np.stack([np.ones_like(t), -t], 1)
    normal_matrix = np.linalg.inv((design * weight[:, None]).T @ design)
    _, k = normal_matrix @ (design * weight[:, None]).T @ np.log(y)
    start = float(np.average(np.log(y) + k * t, weights=weight))
    residual = np.log(y) - start + k * t
    scale = float((weight * residual**2).sum() / (len(t) - 2))
    error = math.sqrt(float(normal_matrix[1, 1]) * (max(scale, 1.0) if (errors > 0).all() else scale))
    if k <= 0:
        raise InputError(f"the course rises ({-k:.3g} per unit of time); a half-time of clearance does not exist")
    reach = float(stats.t.ppf(0.975, len(t) - 2)) * error
    high = math.log(2) / (k - reach) if k > reach else math.inf
    how = "mono-exponential, weighted, t interval"
    return Measure(math.log(2) / float(k), math.log(2) / (float(k) + reach), high, "time", len(t), how)


def change(after: Measure, before: Measure) -> Measure:
    """Return the rise of a total susceptibility over its value before injection, ppm·mm³."""
    error = math.hypot(standard_error(after), standard_error(before))
    sure = known(after) and known(before)
    return normal(after.value - before.value, error, after.unit, after.n, "after minus before injection", sure=sure)
