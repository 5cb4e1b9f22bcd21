"""Intervals of means and of effect sizes."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from qsmkit.measure import Measure

Values = npt.NDArray[np.float64]

REPEATS = 2000


def measure(value: float, low: float, high: float, n: int, method: str, unit: str = "1") -> Measure:
    """Return a measure whose interval holds its value also where an approximation just misses it."""
    return Measure(value, min(low, value), max(high, value), unit, n, method)


def mean(values: Values, unit: str, method: str, confidence: float = 0.95) -> Measure:
    """Return the mean of (n,) values in `unit` with Student's t interval."""
    middle, error = float(values.mean()), float(stats.sem(values))
    reach = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    return Measure(middle, middle - reach, middle + reach, unit, len(values), method)


def partial_eta_squared(f: float, d1: float, d2: float, confidence: float) -> tuple[float, float]:
    """Return the interval of η² = λ/(λ + d1 + d2 + 1), λ the noncentralities under which F is not unusual (Steiger)."""
    tail = (1 - confidence) / 2
    bounds = [
        _solve(lambda x, p=p: float(stats.ncf.cdf(f, d1, d2, x)) - p, 0.0, f * d1 + 10)  # type: ignore[misc]
        for p in (1 - tail, tail)
    ]
    low, high = (x / (x + d1 + d2 + 1) for x in bounds)
    return low, high


def standardised_mean(differences: Values, confidence: float) -> Measure:
    """Return d_z = mean/SD of (n,) paired differences, with the interval of the noncentral t distribution."""
    n, spread = len(differences), float(differences.std(ddof=1))
    method = "mean difference/SD of differences, noncentral t"
    if spread == 0:
        return Measure(np.nan, np.nan, np.nan, "1", n, method)
    d = float(differences.mean()) / spread
    t, tail = d * np.sqrt(n), (1 - confidence) / 2

    def below(noncentrality: float) -> float:
        """Return P(T ≤ t), its limits where scipy finds none far in the tails."""
        p = float(stats.nct.cdf(t, n - 1, noncentrality))
        return p if np.isfinite(p) else float(noncentrality < t)

    reach = 5 * np.sqrt(1 + t**2 / (2 * (n - 1)))
    low, high = (
        optimize.brentq(lambda x, p=p: below(x) - p, t - reach, t + reach) / np.sqrt(n) for p in (1 - tail, tail)
    )
    return measure(d, float(low), float(high), n, method)


def bootstrap(
    statistic: Callable[[Values], Values], values: Values, method: str, confidence: float,
    rng: int | np.random.Generator,
) -> Measure:  # fmt: skip
    """Return a statistic of (n, k) values with the BCa interval of drawing rows anew.

    Parameters
    ----------
    statistic : callable
        From (…, n, k) tables to (…) numbers.
    values : (n, k) array
        A row a subject.
    method : str
        Words for the measure.
    confidence : float
        Of the interval.
    rng : int or Generator
        Seed or source of randomness.
    """
    n, point = len(values), float(statistic(values))
    drawn = statistic(values[np.random.default_rng(rng).integers(0, n, (REPEATS, n))])
    drawn = drawn[np.isfinite(drawn)]  # a sample of one subject alone may define no statistic
    left = statistic(np.stack([np.delete(values, i, 0) for i in range(n)]))
    pull = left.mean() - left
    scale = float((pull**2).sum() ** 1.5)
    acceleration = float((pull**3).sum()) / (6 * scale) if scale > 0 else 0.0
    share = (np.sum(drawn < point) + 0.5 * np.sum(drawn == point)) / max(len(drawn), 1)
    bias = float(stats.norm.ppf(np.clip(share, 1 / REPEATS, 1 - 1 / REPEATS)))
    ends = [bias + float(stats.norm.ppf(tail)) for tail in ((1 - confidence) / 2, (1 + confidence) / 2)]
    low, high = (float(np.quantile(drawn, stats.norm.cdf(bias + e / (1 - acceleration * e)))) for e in ends)
    return measure(point, low, high, n, method)


def _solve(f: Callable[[float], float], low: float, high: float) -> float:
    """Return where a falling function is zero, 0 if it is negative from the start."""
    if f(low) <= 0:
        return low
    while f(high) > 0:
        high *= 2
    return float(optimize.brentq(f, low, high))
