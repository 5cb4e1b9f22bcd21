"""When something happened that was only seen at the next visit: Turnbull's estimate.

The time of each is known to lie in (left, right]; right is infinite for what has not happened by the last visit. The
probability sits on the innermost intervals [l, r] (a left end followed by a right end, with no other between); each
round shares every observation out among those it may have come from,

    p_j ← 1/n Σ_i α_ij p_j / Σ_k α_ik p_k,

until nothing moves. Inside an innermost interval nothing is known, which the result says with two ends.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.errors import InputError
from qsmkit.measure import Measure

RESAMPLED, ROUNDS, STILL = 1000, 10_000, 1e-9

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Turnbull:
    """Nonparametric maximum-likelihood estimate of a distribution of times.

    Attributes
    ----------
    left, right : (m,) array
        Ends of the innermost intervals, in the unit of the times; the last right end may be infinite.
    mass : (m,) array
        Probability of each.
    n, events : int
        Observations, and those whose right end is finite.
    """

    left: Values
    right: Values
    mass: Values
    n: int
    events: int

    def happened(self, time: float) -> tuple[float, float]:
        """Return the least and the greatest probability that it has happened by a time."""
        return float(self.mass[self.right <= time].sum()), float(self.mass[self.left < time].sum())

    def median(self) -> tuple[float, float]:
        """Return the ends of the innermost interval in which the probability reaches one half."""
        reached = np.flatnonzero(np.cumsum(self.mass) >= 0.5 - 1e-9)
        return float(self.left[reached[0]]), float(self.right[reached[0]])


def turnbull(left: npt.ArrayLike, right: npt.ArrayLike) -> Turnbull:
    """Fit times known to lie in (left, right].

    Parameters
    ----------
    left, right : (n,) array
        Times, same unit, from 0; an infinite `right` means: not until the last visit.

    Raises
    ------
    InputError
        No observation, a left end below 0 or beyond its right end, or a time is missing.

    References
    ----------
    Turnbull 1976.
    """
    low, high = np.asarray(left, np.float64), np.asarray(right, np.float64)
    if low.shape != high.shape or low.size == 0:
        raise InputError(f"{low.size} left and {high.size} right ends are no intervals; give one of each, at least one")
    if np.isnan(low).any() or np.isnan(high).any() or (low < 0).any() or (low >= high).any():
        bad = int(np.flatnonzero(~((low >= 0) & (low < high)))[0])
        raise InputError(f"interval {bad} is ({low[bad]:g}, {high[bad]:g}]; give 0 ≤ left < right")
    ends, starts = np.unique(high), np.unique(low)
    inner = []
    for end in ends:
        before = starts[starts < end]
        start = before[-1]
        if not ((ends > start) & (ends < end)).any():
            inner.append((start, end))
    lefts, rights = (np.array(column) for column in zip(*inner, strict=True))
    may = (low[:, None] <= lefts) & (rights <= high[:, None])
    mass = np.full(len(lefts), 1 / len(lefts))
    for _ in range(ROUNDS):
        shared = may * mass
        new = (shared / shared.sum(1, keepdims=True)).mean(0)
        still = np.abs(new - mass).max() < STILL
        mass = new
        if still:
            break
    return Turnbull(lefts, rights, mass, low.size, int(np.isfinite(high).sum()))


def happened_by(
    left: npt.ArrayLike, right: npt.ArrayLike, cluster: npt.ArrayLike, time: float, *,
    rng: np.random.Generator | int = 0, samples: int = RESAMPLED, confidence: float = 0.95,
) -> Measure:
    """Return the probability that it happened by a time, with percentiles of a bootstrap of patients.

    Where the time cuts an innermost interval the least probability is given, and the interval reaches up to the
    greatest one's.

    Parameters
    ----------
    left, right : (n,) array
        As in `turnbull`.
    cluster : (n,) array
        Patient of each.
    time : float
        In the unit of the times.
    rng : Generator or int
        Source of randomness.
    samples : int
        Bootstrap samples.
    confidence : float
        Of the interval.
    """
    low, high = np.asarray(left, np.float64), np.asarray(right, np.float64)
    found = turnbull(low, high).happened(time)
    _, number = np.unique(np.asarray(cluster), return_inverse=True)
    members = [np.flatnonzero(number == c) for c in range(int(number.max()) + 1)]
    if len(members) < 2:
        return Measure(found[0], np.nan, np.nan, "1", low.size, "Turnbull; one patient only: no interval")
    random = np.random.default_rng(rng)
    drawn = []
    for _ in range(samples):
        chosen = np.concatenate([members[c] for c in random.integers(len(members), size=len(members))])
        drawn.append(turnbull(low[chosen], high[chosen]).happened(time))
    tail = 50 * (1 - confidence)
    lowest = float(np.percentile([d[0] for d in drawn], tail))
    highest = float(np.percentile([d[1] for d in drawn], 100 - tail))
    how = f"Turnbull; percentiles of {samples} bootstrap samples of {len(members)} patients"
    return Measure(found[0], min(lowest, found[0]), max(highest, found[1]), "1", low.size, how)
