"""Exact intervals of counts: a share of a number, and events in a time."""

import numpy as np
import numpy.typing as npt
from scipy import stats

from qsmkit.clinical.stats.clustered import design_effect
from qsmkit.errors import InputError, ParameterError
from qsmkit.measure import Measure


def share(hits: int, total: int, *, confidence: float = 0.95) -> Measure:
    """Return a proportion, a pure number, with Clopper and Pearson's interval; NaN of none.

        low = B(α/2; x, n − x + 1),    high = B(1 − α/2; x + 1, n − x),    B the quantile of the beta distribution

    Parameters
    ----------
    hits, total : int
        x of n.
    confidence : float
        Of the interval.

    Raises
    ------
    InputError
        More hits than there are, or fewer than none.
    ParameterError
        The confidence is not between 0 and 1.
    """
    _check_confidence(confidence)
    if not 0 <= hits <= total:
        raise InputError(f"{hits} of {total} is no share; give 0 ≤ hits ≤ total")
    if total == 0:
        return Measure(np.nan, np.nan, np.nan, "1", 0, "none to count among")
    low, high = _beta(hits, total, confidence)
    return Measure(hits / total, low, high, "1", total, "Clopper–Pearson")


def clustered_share(
    hit: npt.ArrayLike, cluster: npt.NDArray[np.int64], *, confidence: float = 0.95
) -> Measure:
    """Return a proportion whose observations come in clusters: Clopper and Pearson's interval of an effective number.

    The number n is divided by Rao and Scott's design effect, and for few clusters by (t/z)², as Korn and Graubard do.

    Parameters
    ----------
    hit : (n,) array
        0 or 1.
    cluster : (n,) int array
        Number, from 0, of the cluster (patient) of each.
    confidence : float
        Of the interval.

    References
    ----------
    Korn & Graubard 1998.
    """
    _check_confidence(confidence)
    x = np.asarray(hit, np.float64)
    clusters = len(np.unique(cluster))
    if len(x) == clusters:
        return share(int(x.sum()), len(x), confidence=confidence)
    if clusters < 2:
        value = float(x.mean()) if len(x) else np.nan
        return Measure(value, np.nan, np.nan, "1", len(x), "one patient only: no interval")
    _, number = np.unique(cluster, return_inverse=True)
    upper = (1 + confidence) / 2
    few = float((stats.t.ppf(upper, clusters - 1) / stats.norm.ppf(upper)) ** 2)
    effective = min(len(x), len(x) / (design_effect(x, number.astype(np.int64)) * few))
    low, high = _beta(float(x.mean()) * effective, effective, confidence)
    how = f"Clopper–Pearson for the effective number {effective:.3g}, clustered in {clusters} patients"
    return Measure(float(x.mean()), low, high, "1", len(x), how)


def rate(events: int, exposure: float, *, unit: str = "1/y", confidence: float = 0.95) -> Measure:
    """Return events per time with Garwood's exact interval.

        low = χ²(α/2; 2x)/2T,    high = χ²(1 − α/2; 2x + 2)/2T

    Parameters
    ----------
    events : int
        x.
    exposure : float
        T, e.g. patient-years.
    unit : str
        One over the unit of T.
    confidence : float
        Of the interval.

    Raises
    ------
    InputError
        Events are negative, or there is no exposure.

    References
    ----------
    Garwood 1936.
    """
    _check_confidence(confidence)
    if events < 0:
        raise InputError(f"{events} events are fewer than none; count again")
    if not (np.isfinite(exposure) and exposure > 0):
        raise InputError(f"an exposure of {exposure:g} gives no rate; two visits of a patient are needed for follow-up")
    tail = (1 - confidence) / 2
    low = float(stats.chi2.ppf(tail, 2 * events)) / (2 * exposure) if events else 0.0
    high = float(stats.chi2.ppf(1 - tail, 2 * events + 2)) / (2 * exposure)
    return Measure(events / exposure, low, high, unit, events, f"exact Poisson (Garwood), {exposure:.6g} years")


def rate_ratio_p(events: tuple[int, int], exposure: tuple[float, float]) -> float:
    """Return the two-sided p value of two independent rates being equal: binomial given the sum of events.

    The same patients counted twice are not independent; compare those with `diagnostic.Crosstab.mcnemar`.
    """
    total = sum(events)
    if total == 0:
        return 1.0
    return float(stats.binomtest(events[0], total, exposure[0] / sum(exposure)).pvalue)


def _beta(hits: float, total: float, confidence: float) -> tuple[float, float]:
    tail, misses = (1 - confidence) / 2, total - hits
    low = float(stats.beta.ppf(tail, hits, misses + 1)) if hits > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, misses)) if misses > 0 else 1.0
    return min(low, hits / total), max(high, hits / total)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ParameterError(f"confidence = {confidence} is not between 0 and 1; 0.95 is usual")
