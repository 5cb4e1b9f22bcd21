"""Correlation and concordance of two methods."""

import numpy as np
from scipy import stats

from qsmkit.clinical.stats.clustered import jackknife, t_interval
from qsmkit.clinical.stats.paired import Paired
from qsmkit.measure import Measure


def pearson(pairs: Paired, *, confidence: float = 0.95) -> Measure:
    """Return Pearson's r with Fisher's interval: tanh(atanh r ± z/√(n − 3)), a pure number.

    Clustered pairs get the jackknife over clusters on the same scale.
    """
    return _correlation(pairs, pearson_r, 1 / np.sqrt(max(pairs.n - 3, 0) or np.nan), confidence)


def spearman(pairs: Paired, *, confidence: float = 0.95) -> Measure:
    """Return Spearman's rank correlation, ties shared, with the interval of Bonett and Wright (2000).

    tanh(atanh ρ ± z √((1 + ρ²/2)/(n − 3))); clustered pairs get the jackknife over clusters on the same scale.
    """
    rho = _spearman(pairs)
    return _correlation(pairs, _spearman, np.sqrt((1 + rho**2 / 2) / (max(pairs.n - 3, 0) or np.nan)), confidence)


def ccc(pairs: Paired, *, confidence: float = 0.95) -> Measure:
    """Return Lin's concordance correlation: 2 s_xy/(s_x² + s_y² + (x̄ − ȳ)²), moments with divisor n.

    The interval is Lin's (1989, with the correction of 2000) on the scale of Fisher's z; clustered pairs get the
    jackknife over clusters on that scale.
    """
    n, value = pairs.n, _ccc(pairs)
    r = pearson_r(pairs)
    if not (np.isfinite(value) and np.isfinite(r)):
        return Measure(value, np.nan, np.nan, "1", n, "undefined: nothing varies")
    if pairs.cluster is not None:
        return _correlation(pairs, _ccc, np.nan, confidence)
    if value == 0 or abs(r) == 1 or n < 3:
        return Measure(value, np.nan, np.nan, "1", n, "no interval: perfect, no correlation, or n < 3")
    u2 = (pairs.x.mean() - pairs.y.mean()) ** 2 / (pairs.x.std() * pairs.y.std())
    c2 = value**2
    variance = (
        (1 - r**2) * c2 / ((1 - c2) * r**2)
        + 2 * value**3 * (1 - value) * u2 / (r * (1 - c2) ** 2)
        - value**4 * u2**2 / (2 * r**2 * (1 - c2) ** 2)
    ) / (n - 2)
    reach = stats.norm.ppf((1 + confidence) / 2) * np.sqrt(variance)
    z = np.arctanh(value)
    return Measure(value, float(np.tanh(z - reach)), float(np.tanh(z + reach)), "1", n, "Lin's interval, Fisher z")


def pearson_r(pairs: Paired) -> float:
    """Return Pearson's r without an interval; NaN if a method is constant."""
    x, y = pairs.x - pairs.x.mean(), pairs.y - pairs.y.mean()
    below = float(np.sqrt((x**2).sum() * (y**2).sum()))
    tiny = 1e-14 * pairs.n * float(np.abs(pairs.x).max() * np.abs(pairs.y).max())
    return float(np.clip((x * y).sum() / below, -1, 1)) if below > tiny else float("nan")


def _spearman(pairs: Paired) -> float:
    return pearson_r(Paired(stats.rankdata(pairs.x), stats.rankdata(pairs.y), pairs.case))


def _ccc(pairs: Paired) -> float:
    x, y = pairs.x, pairs.y
    below = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    return float(2 * ((x - x.mean()) * (y - y.mean())).mean() / below) if below > 0 else float("nan")


def _correlation(pairs: Paired, statistic, error: float, confidence: float) -> Measure:  # type: ignore[no-untyped-def]
    value = statistic(pairs)
    if not np.isfinite(value):
        return Measure(value, np.nan, np.nan, "1", pairs.n, "undefined: a method is constant")
    if pairs.cluster is not None:
        z, spread, degrees = jackknife(lambda p: np.arctanh(np.clip(statistic(p), -1 + 1e-12, 1 - 1e-12)), pairs)
        low, high = (float(np.tanh(end)) for end in t_interval(z, spread, degrees, confidence))
        return Measure(value, min(low, value), max(high, value), "1", pairs.n, "jackknife over clusters, Fisher z")
    if pairs.n < 4:
        return Measure(value, np.nan, np.nan, "1", pairs.n, "no interval: n < 4")
    reach = stats.norm.ppf((1 + confidence) / 2) * error
    z = np.arctanh(np.clip(value, -1 + 1e-15, 1 - 1e-15))
    low, high = float(np.tanh(z - reach)), float(np.tanh(z + reach))
    return Measure(value, min(low, value), max(high, value), "1", pairs.n, "Fisher z")
