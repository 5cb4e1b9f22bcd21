"""From intervals to standard errors and back."""

import math

import numpy as np
from scipy import stats

from qsmkit.measure import Measure

Z = float(stats.norm.ppf(0.975))


def standard_error(measure: Measure) -> float:
    """Return the standard error that a 95 % interval stands for, in the measure's unit; NaN where none is known."""
    width = measure.high - measure.low
    return width / (2 * Z) if math.isfinite(width) else math.nan


def known(measure: Measure) -> bool:
    """Return whether the measure has an interval."""
    return math.isfinite(measure.high - measure.low)


def normal(value: float, error: float, unit: str, n: int, method: str, *, sure: bool = True) -> Measure:
    """Return value ± 1.96 standard errors; without ends if the error is not known."""
    if not sure:
        return Measure(value, math.nan, math.nan, unit, n, method)
    return Measure(value, value - Z * error, value + Z * error, unit, n, method)


def ratio(top: float, top_error: float, bottom: float, bottom_error: float) -> tuple[float, float, float]:
    """Return top/bottom and Fieller's 95 % interval for independent normal errors.

    The interval holds all θ with |top − θ bottom| ≤ z √(σ_top² + θ² σ_bottom²); it has no ends, NaN, if the bottom is
    not clearly different from zero.

    References
    ----------
    Fieller 1954.
    """
    a = bottom**2 - Z**2 * bottom_error**2
    if a <= 0:
        return top / bottom if bottom else math.nan, math.nan, math.nan
    b, c = top * bottom, top**2 - Z**2 * top_error**2
    reach = math.sqrt(max(b**2 - a * c, 0.0))
    ends = np.sort([(b - reach) / a, (b + reach) / a])
    return top / bottom, float(ends[0]), float(ends[1])
