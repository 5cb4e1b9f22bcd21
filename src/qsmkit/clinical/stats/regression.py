"""Lines through two measurements that both err."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from qsmkit.clinical.stats.clustered import jackknife, t_interval
from qsmkit.clinical.stats.paired import Paired, Values
from qsmkit.errors import ParameterError
from qsmkit.measure import Measure


@dataclass(frozen=True, slots=True)
class Line:
    """y = intercept + slope x.

    Attributes
    ----------
    slope : Measure
        A pure number; agreement asks for 1.
    intercept : Measure
        In the pairs' unit; agreement asks for 0.
    """

    slope: Measure
    intercept: Measure


def deming(pairs: Paired, *, error_ratio: float = 1.0, confidence: float = 0.95) -> Line:
    """Return Deming's line, for errors in both methods.

    slope = [s_yy − δ s_xx + √((s_yy − δ s_xx)² + 4 δ s_xy²)] / (2 s_xy), δ the variance of y's errors over that of x's.

    Parameters
    ----------
    pairs : Paired
        The pairs.
    error_ratio : float
        δ = σ²(error of y)/σ²(error of x); 1 is orthogonal regression.
    confidence : float
        Of the jackknife intervals (leaving out one pair, or one cluster, at a time; t with one degree fewer than there
        are clusters, n − 2 for independent pairs).

    Raises
    ------
    ParameterError
        `error_ratio` is not positive.

    References
    ----------
    Deming 1943; Linnet 1990 (jackknife).
    """
    if not (np.isfinite(error_ratio) and error_ratio > 0):
        raise ParameterError(f"error_ratio = {error_ratio} is not positive; give σ²(error of y)/σ²(error of x)")

    def line(p: Paired) -> Values:
        sxx, syy, sxy = p.x.var(ddof=1), p.y.var(ddof=1), np.cov(p.x, p.y)[0, 1]
        if sxy == 0:
            return np.array([np.nan, np.nan])
        excess = syy - error_ratio * sxx
        slope = (excess + np.sqrt(excess**2 + 4 * error_ratio * sxy**2)) / (2 * sxy)
        return np.array([slope, p.y.mean() - slope * p.x.mean()])

    found, error, degrees = jackknife(line, pairs)
    low, high = t_interval(found, error, degrees if pairs.cluster is not None else pairs.n - 2, confidence)
    how = f"Deming, error ratio {error_ratio:g}, jackknife"
    return Line(
        Measure(float(found[0]), float(low[0]), float(high[0]), "1", pairs.n, how),
        Measure(float(found[1]), float(low[1]), float(high[1]), pairs.unit, pairs.n, how),
    )


def passing_bablok(pairs: Paired, *, confidence: float = 0.95) -> Line:
    """Return Passing and Bablok's line: the shifted median of the slopes between all pairs of points.

    Slopes of −1 are left out and those below −1 counted as K, by which the median of the sorted slopes is shifted. The
    interval is between the order statistics M₁ + K and N − M₁ + 1 + K, M₁ = (N − C)/2 rounded, with
    C = z √(n (n − 1)(2 n + 5)/18); an end that is no order statistic is infinite. It takes pairs for independent; it
    wants about 30 pairs over a wide range, and methods that rise together: it is NaN otherwise.

    Parameters
    ----------
    pairs : Paired
        The pairs.
    confidence : float
        Of the intervals.

    References
    ----------
    Passing & Bablok 1983.
    """
    i, j = np.triu_indices(pairs.n, 1)
    dx, dy = pairs.x[j] - pairs.x[i], pairs.y[j] - pairs.y[i]
    distinct = (dx != 0) | (dy != 0)
    dx, dy = dx[distinct], dy[distinct]
    with np.errstate(divide="ignore"):
        slopes = np.sort(np.where(dx == 0, np.copysign(np.inf, dy), dy / np.where(dx == 0, 1, dx)))
    slopes = slopes[slopes != -1]
    total, shift = len(slopes), int((slopes < -1).sum())
    middle = (total - 1) / 2 + shift
    if total == 0 or middle > total - 1:
        why = "undefined: no two points differ" if total == 0 else "undefined: one method falls as the other rises"
        return Line(*(Measure(np.nan, np.nan, np.nan, unit, pairs.n, why) for unit in ("1", pairs.unit)))
    slope = float(slopes[[int(np.floor(middle)), int(np.ceil(middle))]].mean())
    z = stats.norm.ppf((1 + confidence) / 2)
    reach = z * np.sqrt(pairs.n * (pairs.n - 1) * (2 * pairs.n + 5) / 18)
    first = round((total - reach) / 2)
    last = total - first + 1
    low = float(slopes[first + shift - 1]) if first >= 1 else float("-inf")
    high = float(slopes[last + shift - 1]) if last + shift <= total else float("inf")
    start, *ends = (float(np.median(pairs.y - b * pairs.x)) if np.isfinite(b) else np.nan for b in (slope, high, low))
    how = "Passing–Bablok" if pairs.cluster is None else "Passing–Bablok, taking pairs for independent"
    return Line(
        Measure(slope, min(low, slope), max(high, slope), "1", pairs.n, how),
        Measure(start, float(np.min([start, *ends])), float(np.max([start, *ends])), pairs.unit, pairs.n, how),
    )
