"""How far two measurements of an unchanged thing differ: wSD = √(Σ d²/2n), RC = 1.96 √2 wSD, wCV.

The coefficient of variation is wCV = √(mean of 2 (a − b)²/(a + b)²).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from qsmkit.clinical.stats.clustered import variance_interval
from qsmkit.errors import InputError
from qsmkit.measure import Measure

SPAN = 1.96 * math.sqrt(2)
"""Repeatability coefficient over within-subject SD: what two measurements differ by less than in 95 of 100 cases."""


@dataclass(frozen=True, slots=True)
class Repeatability:
    """Test–retest repeatability.

    Attributes
    ----------
    sd : Measure
        Within-subject standard deviation, in the measurements' unit.
    coefficient : Measure
        Repeatability coefficient, in the measurements' unit.
    cv : Measure
        Within-subject coefficient of variation, %.
    coefficient_percent : Measure
        Its repeatability coefficient, %: the smallest detectable relative change.
    """

    sd: Measure
    coefficient: Measure
    cv: Measure
    coefficient_percent: Measure


def repeatability(
    first: npt.ArrayLike, second: npt.ArrayLike, *, unit: str = "ppm", confidence: float = 0.95
) -> Repeatability:
    """Return the repeatability that pairs of measurements show; intervals by χ² with n degrees of freedom.

    Parameters
    ----------
    first, second : (n,) array
        Two measurements of each unchanged thing, in `unit`.
    unit : str
        Their unit.
    confidence : float
        Of the intervals.

    Raises
    ------
    InputError
        Fewer than two pairs, a value is missing, or a pair's mean is not positive (wCV is then undefined).
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise InputError(f"{a.shape} and {b.shape} measurements tell no repeatability; give 2 pairs or more")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("a measurement is missing; leave the pair out")
    if not (a + b > 0).all():
        raise InputError(f"a pair's mean is {float(((a + b) / 2).min()):g} {unit}: a coefficient of variation needs "
                         "positive means")  # fmt: skip
    n = len(a)
    absolute = float(((a - b) ** 2).mean() / 2)
    relative = float((2 * (a - b) ** 2 / (a + b) ** 2).mean()) * 1e4

    def measured(variance: float, factor: float, unit: str) -> Measure:
        low, high = variance_interval(variance, n, confidence)
        value, least, most = (factor * math.sqrt(v) for v in (variance, low, high))
        return Measure(value, least, most, unit, n, "pairs; χ² interval")

    return Repeatability(measured(absolute, 1, unit), measured(absolute, SPAN, unit),
                         measured(relative, 1, "%"), measured(relative, SPAN, "%"))  # fmt: skip


def false_flags(cv: float, threshold: float, epochs: int = 1) -> float:
    """Return how probable it is that an unchanged lesion rises by `threshold` (both %) in one epoch of `epochs`.

    1 − Φ(threshold/(√2 wCV)) for one; epochs are taken for independent.
    """
    once = float(stats.norm.sf(threshold / (math.sqrt(2) * cv))) if cv > 0 else 0.0
    return 1 - (1 - once) ** epochs
