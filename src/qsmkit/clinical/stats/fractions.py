"""What a reader of a comparison needs: how often, and how far, two methods agree."""

from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

from qsmkit.clinical.stats.clustered import design_effect, jackknife, t_interval
from qsmkit.clinical.stats.paired import Paired, Values
from qsmkit.errors import ParameterError
from qsmkit.measure import Measure

ROUNDING = 1e-9
"""Relative slack of a threshold: 0.3 − 0.2 counts as within 0.1."""


def within(pairs: Paired, threshold: float) -> Values:
    """Return 1 where the two values differ by no more than `threshold` (in the pairs' unit), else 0."""
    apart = np.abs(pairs.difference)
    size = np.maximum(1, np.maximum(np.abs(pairs.x), np.abs(pairs.y)))
    return (apart <= threshold + ROUNDING * size).astype(np.float64)


def agreement_fraction(pairs: Paired, threshold: float, *, confidence: float = 0.95) -> Measure:
    """Return the share of pairs that differ by no more than a threshold: a pure number.

    Wilson's interval; with clusters, Wilson's for the effective number of pairs n/D, with D the design effect of
    Rao and Scott and the quantile of t with one degree of freedom fewer than there are clusters.

    Parameters
    ----------
    pairs : Paired
        The pairs.
    threshold : float
        Largest difference that counts as agreement, in the pairs' unit.
    confidence : float
        Of the interval.

    Raises
    ------
    ParameterError
        The threshold is not positive.

    References
    ----------
    Wilson 1927; Rao & Scott 1992; Saha, Miller & Wang 2016 (clustered Wilson).
    """
    if not (np.isfinite(threshold) and threshold > 0):
        raise ParameterError(f"threshold {threshold} is not positive; give the largest difference that is agreement")
    hit = within(pairs, threshold)
    p, n, how = float(hit.mean()), float(pairs.n), "Wilson"
    quantile = float(stats.norm.ppf((1 + confidence) / 2))
    if pairs.cluster is not None:
        n /= design_effect(hit, pairs.cluster)
        quantile = float(stats.t.ppf((1 + confidence) / 2, pairs.clusters - 1))
        how = "Wilson for the effective number of pairs, clustered"
    low, high = wilson(p, n, quantile)
    return Measure(p, min(low, p), max(high, p), "1", pairs.n, how)


def wilson(p: float, n: float, z: float) -> tuple[float, float]:
    """Return Wilson's interval of a proportion `p` among `n` (effective) observations, for the quantile `z`."""
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))


def total_deviation_index(pairs: Paired, share: float = 0.9, *, confidence: float = 0.95) -> Measure:
    """Return the difference that `share` of all pairs stay within, by a normal model, in the pairs' unit.

    The solution q of Φ((q − μ)/σ) − Φ((−q − μ)/σ) = share (Lin 2000). The interval is the jackknife's on the scale of
    log q, and unknown if all differences but one cluster's are zero; its upper end is what "90 % of cases agree within"
    may safely be said of.

    Raises
    ------
    ParameterError
        `share` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ParameterError(f"share = {share} is not between 0 and 1; 0.9 asks within what 90 % of pairs agree")

    def log_index(p: Paired) -> float:
        index = _folded_quantile(p.difference.mean(), p.difference.std(ddof=1), share)
        return float(np.log(index)) if index > 0 else float("nan")

    if np.ptp(pairs.difference) == 0:
        value = abs(float(pairs.difference.mean()))
        return Measure(value, np.nan, np.nan, pairs.unit, pairs.n, "all differences are equal")
    found, error, degrees = jackknife(log_index, pairs)
    low, high = (float(np.exp(end)) for end in t_interval(found, error, degrees, confidence))
    return Measure(float(np.exp(found)), low, high, pairs.unit, pairs.n, "normal model, jackknife of the logarithm")


def equivalence(pairs: Paired, margin: float, *, alpha: float = 0.05) -> tuple[Measure, float]:
    """Return the mean difference with its (1 − 2 α) interval, and the p value of two one-sided tests.

    The methods are equivalent on average if the interval lies inside ± margin, that is if p < α (Schuirmann 1987).

    Parameters
    ----------
    pairs : Paired
        The pairs.
    margin : float
        Largest mean difference of no consequence, in the pairs' unit.
    alpha : float
        Level of each test.

    Raises
    ------
    ParameterError
        The margin is not positive.
    """
    if not (np.isfinite(margin) and margin > 0):
        raise ParameterError(f"margin {margin} is not positive; give the largest mean difference of no consequence")
    mean, error, degrees = jackknife(lambda p: p.difference.mean(), pairs)
    if pairs.n == 2:
        error, degrees = np.asarray(pairs.difference.std(ddof=1) / np.sqrt(2)), 1
    low, high = t_interval(mean, error, degrees, 1 - 2 * alpha)
    how = f"two one-sided tests within ± {margin:g}; {100 * (1 - 2 * alpha):g} % t interval"
    measure = Measure(float(mean), float(low), float(high), pairs.unit, pairs.n, how)
    if error == 0:
        return measure, float(abs(mean) >= margin)
    sides = stats.t.sf((margin + mean) / error, degrees), stats.t.sf((margin - mean) / error, degrees)
    return measure, float(max(sides))


def check_thresholds(thresholds: Sequence[float], resolution: float | None, unit: str) -> list[str]:
    """Return a warning for each threshold finer than the measurement's step or voxel, both in `unit`."""
    if resolution is None:
        return []
    u = "" if unit == "1" else f" {unit}"
    return [
        f"agreement within {t:g}{u} is finer than the measurement's resolution of {resolution:g}{u}: "
        "it says more about rounding than about the methods"
        for t in thresholds
        if t < resolution
    ]


def _folded_quantile(mean: float, sd: float, share: float) -> float:
    if sd == 0:
        return abs(mean)
    high = abs(mean) + sd * float(stats.norm.ppf((1 + share) / 2)) + sd
    return float(optimize.brentq(
        lambda q: stats.norm.cdf((q - mean) / sd) - stats.norm.cdf((-q - mean) / sd) - share, 0, high
    ))
