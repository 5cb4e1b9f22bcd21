"""Intervals that know that two sides of one patient are not two patients."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats

from qsmkit.clinical.stats.paired import Paired, Values


def jackknife(
    statistic: Callable[[Paired], Values | float], pairs: Paired
) -> tuple[Values, Values, int]:
    """Return a statistic, its standard error by leaving out one cluster at a time, and the degrees of freedom.

    SE² = (C − 1)/C Σ (θ₋c − θ̄)², with C clusters; a pair is a cluster of its own where pairs are independent.

    Parameters
    ----------
    statistic : callable
        From pairs to a number or an array of numbers.
    pairs : Paired
        The pairs.

    Returns
    -------
    estimate, standard_error : array
        In the unit of the statistic; NaN with fewer than three clusters.
    degrees : int
        C − 1, for the t distribution.
    """
    estimate = np.asarray(statistic(pairs), np.float64)
    cluster = np.arange(pairs.n) if pairs.cluster is None else pairs.cluster
    count = int(cluster.max()) + 1
    if count < 3:
        return estimate, np.full_like(estimate, np.nan), count - 1
    left = np.stack([np.asarray(statistic(pairs.take(cluster != c)), np.float64) for c in range(count)])
    spread = np.sqrt((count - 1) / count * ((left - left.mean(0)) ** 2).sum(0))
    return estimate, spread, count - 1


def t_interval(estimate: Values, error: Values, degrees: int, confidence: float) -> tuple[Values, Values]:
    """Return estimate ± t SE."""
    reach = stats.t.ppf((1 + confidence) / 2, max(degrees, 1)) * error
    return estimate - reach, estimate + reach


def variance_interval(variance: float, degrees: float, confidence: float) -> tuple[float, float]:
    """Return the χ² interval of a variance (or mean square) with its degrees of freedom."""
    tail = (1 - confidence) / 2
    total = degrees * variance
    return total / float(stats.chi2.ppf(1 - tail, degrees)), total / float(stats.chi2.ppf(tail, degrees))


def design_effect(indicator: npt.NDArray[np.float64], cluster: npt.NDArray[np.int64]) -> float:
    """Return by how much clustering inflates the variance of a proportion, at least 1 (Rao & Scott 1992).

    Parameters
    ----------
    indicator : (n,) array
        0 or 1 of each pair.
    cluster : (n,) int array
        Number of the cluster of each pair.
    """
    n, count = len(indicator), int(cluster.max()) + 1
    p = indicator.mean()
    if p in (0.0, 1.0):
        size = np.bincount(cluster)
        return float((size**2).sum() / n)  # no information: as if pairs of a cluster were one
    excess = np.bincount(cluster, indicator - p, count)
    variance = count / (count - 1) * (excess**2).sum() / n**2
    return max(1.0, float(variance / (p * (1 - p) / n)))


def one_way(values: Values, cluster: npt.NDArray[np.int64]) -> tuple[float, float, float, int, int]:
    """Return the mean squares between and within clusters, the effective cluster size, and both degrees of freedom.

    The effective size is n₀ = (N − Σ nᵢ²/N)/(C − 1).
    """
    n, count = len(values), int(cluster.max()) + 1
    size = np.bincount(cluster)
    means = np.bincount(cluster, values) / size
    between = float((size * (means - values.mean()) ** 2).sum() / (count - 1))
    within = float(((values - means[cluster]) ** 2).sum() / (n - count)) if n > count else 0.0
    return between, within, float((n - (size**2).sum() / n) / (count - 1)), count - 1, n - count
