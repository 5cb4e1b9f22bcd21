"""Which conditions differ: paired comparisons, all of them held together by Holm's procedure."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from qsmkit.clinical.stats import intervals
from qsmkit.clinical.stats.repeated import Repeated
from qsmkit.measure import Measure


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two conditions on the same subjects.

    Attributes
    ----------
    first, second : str
        Their names.
    difference : Measure
        Mean of first minus second, in the values' unit.
    dz : Measure
        Mean of the differences over their standard deviation.
    p_t, p_wilcoxon : float
        Of the paired t test and of the signed ranks, as they are.
    p_t_holm, p_wilcoxon_holm : float
        The same after Holm's procedure over all pairs of conditions.
    larger : int
        Subjects in whom the first is larger.
    """

    first: str
    second: str
    difference: Measure
    dz: Measure
    p_t: float
    p_wilcoxon: float
    p_t_holm: float
    p_wilcoxon_holm: float
    larger: int


def comparisons(table: Repeated, *, confidence: float = 0.95) -> list[Comparison]:
    """Return every pair of conditions, Holm's procedure over all of them.

    Parameters
    ----------
    table : Repeated
        The values.
    confidence : float
        Of each interval by itself.
    """
    pairs = list(itertools.combinations(range(table.k), 2))
    gaps = [table.values[:, i] - table.values[:, j] for i, j in pairs]
    by_t = [_p_t(g) for g in gaps]
    by_rank = [float(stats.wilcoxon(g).pvalue) if g.any() else 1.0 for g in gaps]
    rows = zip(pairs, gaps, by_t, holm(by_t), by_rank, holm(by_rank), strict=True)
    return [
        Comparison(
            table.conditions[i], table.conditions[j],
            intervals.mean(gap, table.unit, "mean paired difference, t interval", confidence),
            intervals.standardised_mean(gap, confidence), p, p_rank, p_held, p_rank_held, int((gap > 0).sum()),
        )
        for (i, j), gap, p, p_held, p_rank, p_rank_held in rows
    ]  # fmt: skip


def _p_t(gap: npt.NDArray[np.float64]) -> float:
    """Return p of the one-sample t test; 0 or 1 if the gap is the same in every subject."""
    return float(gap[0] == 0) if np.ptp(gap) == 0 else float(stats.ttest_1samp(gap, 0).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p values: the i-th smallest of m times m − i + 1, never falling, at most 1."""
    values: npt.NDArray[np.float64] = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1)
    return [float(v) for v in adjusted]
