"""Bland–Altman analysis: bias, limits of agreement, and whether they may be believed."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from qsmkit.clinical.stats.clustered import jackknife, one_way, t_interval, variance_interval
from qsmkit.clinical.stats.concordance import pearson_r
from qsmkit.clinical.stats.paired import Paired, Values
from qsmkit.measure import Measure

Z = 1.96
"""Standard deviations between the bias and a limit of agreement (Bland & Altman 1986)."""

EXACT = "exact, noncentral t"


@dataclass(frozen=True, slots=True)
class BlandAltman:
    """Differences x − y, in the pairs' unit unless said otherwise.

    Attributes
    ----------
    bias : Measure
        Mean difference.
    lower_limit, upper_limit : Measure
        Bias ∓ 1.96 SD, each with its own interval.
    sd : Measure
        Standard deviation of a single difference.
    proportional_slope : Measure
        Slope of difference on mean: rise of the bias per unit of size ("1"). Biased when the methods' variances differ.
    proportional_p : float
        Of that slope.
    variance_correlation : Measure
        Correlation of sum and difference; not zero if the methods' variances differ.
    variance_p : float
        Pitman–Morgan test of equal variances.
    spread_slope : Measure
        Slope of |residual| on mean ("1"): whether the differences grow with size.
    spread_p : float
        Of that slope.
    """

    bias: Measure
    lower_limit: Measure
    upper_limit: Measure
    sd: Measure
    proportional_slope: Measure
    proportional_p: float
    variance_correlation: Measure
    variance_p: float
    spread_slope: Measure
    spread_p: float


def bland_altman(pairs: Paired, *, confidence: float = 0.95) -> BlandAltman:
    """Return bias and limits of agreement with their intervals, and the tests of their assumptions.

    Independent pairs: the limit d̄ ± 1.96 s estimates a quantile of the normal differences, whose exact interval is
    d̄ + t'/√n s with t' a quantile of the noncentral t distribution with n − 1 degrees of freedom and noncentrality
    ±1.96 √n. Clustered pairs: the variance of a difference is the sum of its components between and within clusters,
    and the limits' intervals follow from the components' by the method of variance estimates recovery.

    Parameters
    ----------
    pairs : Paired
        The pairs.
    confidence : float
        Of the intervals.

    References
    ----------
    Bland & Altman 1986, 2007 (components); Carkeet 2015 (exact); Zou 2013 (clustered); Pitman 1939, Morgan 1939.
    """
    bias, sd, lower, upper = _exact(pairs, confidence) if pairs.cluster is None else _components(pairs, confidence)
    slope, slope_p = _slope(pairs, lambda p: p.difference, confidence)
    spread, spread_p = _slope(pairs, lambda p: np.abs(_residual(p.mean, p.difference)), confidence)
    variance, variance_p = _pitman_morgan(pairs, confidence)
    return BlandAltman(bias, lower, upper, sd, slope, slope_p, variance, variance_p, spread, spread_p)


def normalised(pairs: Paired, how: str) -> Paired:
    """Return the pairs with each method brought to a common scale of its own: a pure number.

    "minmax" maps each method's range to 0 … 1, "z" its mean to 0 and its SD to 1. This hides bias and scale, which is
    why it is only ever shown beside the raw analysis.
    """
    x, y = (
        (v - v.min()) / max(np.ptp(v), 1e-300) if how == "minmax" else (v - v.mean()) / max(v.std(ddof=1), 1e-300)
        for v in (pairs.x, pairs.y)
    )
    return Paired(x, y, pairs.case, pairs.cluster, "1", pairs.x_name, pairs.y_name)


def _exact(pairs: Paired, confidence: float) -> tuple[Measure, Measure, Measure, Measure]:
    d, n, unit = pairs.difference, pairs.n, pairs.unit
    mean, s, tail = float(d.mean()), float(d.std(ddof=1)), (1 - confidence) / 2
    reach = stats.t.ppf(1 - tail, n - 1) * s / np.sqrt(n)
    chi = np.sqrt((n - 1) / stats.chi2.ppf([1 - tail, tail], n - 1))
    bias = Measure(mean, mean - reach, mean + reach, unit, n, "t interval")
    sd = Measure(s, s * float(chi[0]), s * float(chi[1]), unit, n, "χ² interval")
    if s == 0:
        limit = Measure(mean, mean, mean, unit, n, EXACT)
        return bias, sd, limit, limit
    near, far = s / np.sqrt(n) * stats.nct.ppf([tail, 1 - tail], n - 1, Z * np.sqrt(n))
    return (
        bias,
        sd,
        Measure(mean - Z * s, mean - float(far), mean - float(near), unit, n, EXACT),
        Measure(mean + Z * s, mean + float(near), mean + float(far), unit, n, EXACT),
    )


def _components(pairs: Paired, confidence: float) -> tuple[Measure, Measure, Measure, Measure]:
    assert pairs.cluster is not None
    d, n, unit = pairs.difference, pairs.n, pairs.unit
    between, within, size, df_between, df_within = one_way(d, pairs.cluster)
    share = 1 / size
    variance = between * share + within * (1 - share)  # unbiased also if sides differ more than patients
    low_b, high_b = variance_interval(between, df_between, confidence)
    low_w, high_w = variance_interval(within, max(df_within, 1), confidence)
    low = variance - np.hypot(share * (between - low_b), (1 - share) * (within - low_w))
    high = variance + np.hypot(share * (high_b - between), (1 - share) * (high_w - within))
    s, s_low, s_high = (float(np.sqrt(max(v, 0.0))) for v in (variance, low, high))
    mean, error, degrees = jackknife(lambda p: p.difference.mean(), pairs)
    value = float(mean)
    b_low, b_high = (float(end) for end in t_interval(mean, error, degrees, confidence))
    how = "variance recovery from components, clustered"
    down, up = np.hypot(value - b_low, Z * (s - s_low)), np.hypot(b_high - value, Z * (s_high - s))
    far, near = np.hypot(value - b_low, Z * (s_high - s)), np.hypot(b_high - value, Z * (s - s_low))
    return (
        Measure(value, b_low, b_high, unit, n, "jackknife over clusters"),
        Measure(s, s_low, s_high, unit, n, how),
        Measure(value - Z * s, value - Z * s - float(far), value - Z * s + float(near), unit, n, how),
        Measure(value + Z * s, value + Z * s - float(down), value + Z * s + float(up), unit, n, how),
    )


def _slope(pairs: Paired, response, confidence: float) -> tuple[Measure, float]:  # type: ignore[no-untyped-def]
    """Return the slope of a response on the pairs' mean, and its p value."""
    size = pairs.mean
    if pairs.n < 3 or np.ptp(size) == 0:
        return Measure(np.nan, np.nan, np.nan, "1", pairs.n, "undefined: n < 3, or all pairs of one size"), np.nan
    if pairs.cluster is None:
        fit = stats.linregress(size, response(pairs))
        slope, error, degrees, how = np.asarray(fit.slope), np.asarray(fit.stderr), pairs.n - 2, "least squares"
    else:
        slope, error, degrees = jackknife(lambda p: _line(p.mean, response(p)), pairs)
        how = "least squares, jackknife over clusters"
    low, high = t_interval(slope, error, degrees, confidence)
    p = float(2 * stats.t.sf(abs(slope / error), degrees)) if error > 0 else float("nan")
    return Measure(float(slope), float(low), float(high), "1", pairs.n, how), p


def _pitman_morgan(pairs: Paired, confidence: float) -> tuple[Measure, float]:
    total, apart = pairs.x + pairs.y, pairs.difference
    if pairs.n < 4 or np.ptp(total) == 0 or np.ptp(apart) == 0:
        return Measure(np.nan, np.nan, np.nan, "1", pairs.n, "undefined: n < 4, or nothing varies"), np.nan
    if pairs.cluster is None:
        found = stats.pearsonr(total, apart)
        low, high = found.confidence_interval(confidence)
        return Measure(float(found.statistic), float(low), float(high), "1", pairs.n, "Fisher z"), float(found.pvalue)
    turned = replace(pairs, x=total, y=apart)
    z, error, degrees = jackknife(lambda p: np.arctanh(np.clip(pearson_r(p), -1 + 1e-12, 1 - 1e-12)), turned)
    bottom, top = (float(np.tanh(end)) for end in t_interval(z, error, degrees, confidence))
    p = float(2 * stats.t.sf(abs(z / error), degrees)) if error > 0 else float("nan")
    return Measure(float(np.tanh(z)), bottom, top, "1", pairs.n, "jackknife over clusters, Fisher z"), p


def _line(x: Values, y: Values) -> float:
    centred = x - x.mean()
    below = float((centred**2).sum())
    return float((centred * y).sum() / below) if below > 0 else float("nan")


def _residual(x: Values, y: Values) -> Values:
    residual: Values = y - y.mean() - _line(x, y) * (x - x.mean())
    return residual
