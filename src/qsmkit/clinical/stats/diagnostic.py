"""How well a test tells who has an event: counts, shares with exact intervals, the curve of all thresholds."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from qsmkit.clinical.stats.exact import clustered_share, share
from qsmkit.errors import InputError
from qsmkit.measure import Measure

RESAMPLED = 1000
"""Bootstrap samples of patients."""


@dataclass(frozen=True, slots=True)
class Crosstab:
    """A test against an event, counted.

    Attributes
    ----------
    tp, fn, fp, tn : int
        Positive with an event, negative with one, positive without, negative without.
    """

    tp: int
    fn: int
    fp: int
    tn: int

    def __post_init__(self) -> None:
        if min(self.tp, self.fn, self.fp, self.tn) < 0:
            raise InputError(f"a count of {min(self.tp, self.fn, self.fp, self.tn)} is fewer than none; count again")

    @classmethod
    def of(cls, positive: npt.ArrayLike, event: npt.ArrayLike) -> "Crosstab":
        """Count two equally long sequences of truth values."""
        a, b = np.asarray(positive, bool), np.asarray(event, bool)
        if a.shape != b.shape:
            raise InputError(f"{a.size} tests and {b.size} events do not pair; give one of each per observation")
        return cls(int((a & b).sum()), int((~a & b).sum()), int((a & ~b).sum()), int((~a & ~b).sum()))

    @property
    def n(self) -> int:
        """All that was counted."""
        return self.tp + self.fn + self.fp + self.tn

    def shares(self, *, confidence: float = 0.95) -> dict[str, Measure]:
        """Return sensitivity, specificity and predictive values, pure numbers, with Clopper and Pearson's intervals."""
        pairs = {"sensitivity": (self.tp, self.tp + self.fn), "specificity": (self.tn, self.tn + self.fp),
                 "PPV": (self.tp, self.tp + self.fp), "NPV": (self.tn, self.tn + self.fn)}  # fmt: skip
        return {name: share(*pair, confidence=confidence) for name, pair in pairs.items()}

    def mcnemar(self) -> float:
        """Return the exact p value of the test being positive as often as there are events (McNemar)."""
        apart = self.fn + self.fp
        return float(stats.binomtest(self.fp, apart, 0.5).pvalue) if apart else 1.0


def clustered_shares(
    positive: npt.ArrayLike, event: npt.ArrayLike, cluster: npt.NDArray[np.int64], *, confidence: float = 0.95
) -> dict[str, Measure]:
    """Return what `Crosstab.shares` does, with intervals that know that lesions of one patient are not independent.

    Parameters
    ----------
    positive, event : (n,) bool array
        Of each observation.
    cluster : (n,) int array
        Number of its patient.
    confidence : float
        Of the intervals.
    """
    a, b = np.asarray(positive, bool), np.asarray(event, bool)
    parts = {"sensitivity": (a, b), "specificity": (~a, ~b), "PPV": (b, a), "NPV": (~b, ~a)}
    return {
        name: clustered_share(hit[among], cluster[among], confidence=confidence) if among.any()
        else share(0, 0, confidence=confidence)
        for name, (hit, among) in parts.items()
    }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Roc:
    """All thresholds of a test.

    Attributes
    ----------
    thresholds : (m,) array
        Descending, in the unit of the values; positive is at or above.
    sensitivity, specificity : (m,) array
        At each.
    area : Measure
        Area under the curve, with the interval of a bootstrap of patients.
    best : float
        Threshold of the largest Youden index J = sensitivity + specificity − 1.
    youden : float
        J there, apparent: of the data that chose it.
    optimism : float
        By how much J of a chosen threshold exceeds what it is on other patients; subtract it.
    """

    thresholds: npt.NDArray[np.float64]
    sensitivity: npt.NDArray[np.float64]
    specificity: npt.NDArray[np.float64]
    area: Measure
    best: float
    youden: float
    optimism: float


def roc(
    values: npt.ArrayLike, event: npt.ArrayLike, cluster: npt.ArrayLike, *, rng: np.random.Generator | int = 0,
    samples: int = RESAMPLED, confidence: float = 0.95,
) -> Roc:
    """Return the receiver operating characteristic; patients are resampled whole.

    Parameters
    ----------
    values : (n,) array
        Of the test; large speaks for an event.
    event : (n,) bool array
        Whether there was one.
    cluster : (n,) array
        Patient of each.
    rng : Generator or int
        Source of randomness of the bootstrap.
    samples : int
        Bootstrap samples.
    confidence : float
        Of the area's interval (percentiles).

    Raises
    ------
    InputError
        All or none had an event, or a value is missing.
    """
    x, y = np.asarray(values, np.float64), np.asarray(event, bool)
    if not np.isfinite(x).all():
        raise InputError(f"{int((~np.isfinite(x)).sum())} of {x.size} values are missing; leave those rows out")
    if y.all() or not y.any():
        raise InputError(f"{int(y.sum())} of {y.size} have an event; a curve needs some with and some without")
    _, number = np.unique(np.asarray(cluster), return_inverse=True)
    members = [np.flatnonzero(number == c) for c in range(int(number.max()) + 1)]
    random = np.random.default_rng(rng)
    best, youden = _youden(x, y)
    areas, gains = [], []
    for _ in range(samples):
        drawn = np.concatenate([members[c] for c in random.integers(len(members), size=len(members))])
        if y[drawn].all() or not y[drawn].any():
            continue
        areas.append(_area(x[drawn], y[drawn]))
        chosen, apparent = _youden(x[drawn], y[drawn])
        gains.append(apparent - _index(x, y, chosen))
    area = _area(x, y)
    tail = 50 * (1 - confidence)
    several = len(members) > 1 and bool(areas)
    if not several:
        how = "one patient only: no interval"
    elif area in (0, 1):  # so it is in every sample, however few patients there are
        how = "values separate events wholly: a bootstrap gives no interval"
    else:
        how = f"percentiles of {len(areas)} bootstrap samples of {len(members)} patients"
    known = several and 0 < area < 1
    low, high = np.percentile(areas, (tail, 100 - tail)) if known else (np.nan, np.nan)
    thresholds = np.unique(x)[::-1]
    at = x[:, None] >= thresholds
    return Roc(
        thresholds, at[y].mean(0), 1 - at[~y].mean(0),
        Measure(area, min(float(low), area), max(float(high), area), "1", len(members),
                f"area; {how}"),
        best, youden, float(np.mean(gains)) if several else float("nan"),
    )  # fmt: skip


def _area(x: npt.NDArray[np.float64], y: npt.NDArray[np.bool_]) -> float:
    """Return Mann and Whitney's probability that one with an event has the larger value, ties half."""
    rank = stats.rankdata(x)
    hits = int(y.sum())
    return float((rank[y].sum() - hits * (hits + 1) / 2) / (hits * (len(y) - hits)))


def _index(x: npt.NDArray[np.float64], y: npt.NDArray[np.bool_], threshold: float) -> float:
    return float((x[y] >= threshold).mean() - (x[~y] >= threshold).mean())


def _youden(x: npt.NDArray[np.float64], y: npt.NDArray[np.bool_]) -> tuple[float, float]:
    thresholds = np.unique(x)
    ranked = [np.sort(part) for part in (x[y], x[~y])]
    rates = [1 - np.searchsorted(part, thresholds) / len(part) for part in ranked]
    index = rates[0] - rates[1]
    best = int(index.argmax())
    return float(thresholds[best]), float(index[best])
