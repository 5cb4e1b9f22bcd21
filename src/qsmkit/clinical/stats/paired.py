"""Two measurements of the same things: cleaned, with what was left out and why."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.errors import InputError, ShapeError

Values = npt.NDArray[np.float64]

UNIT_RATIOS = (10.0, 100.0, 1000.0)
"""Ratios of two units that people mix up: cm and mm, m and cm, m and mm."""

UNIT_TOLERANCE = 1.35
"""Factor about such a ratio within which the medians' ratio raises suspicion."""


@dataclass(frozen=True, eq=False)
class Paired:
    """Complete pairs of measurements.

    Attributes
    ----------
    x, y : (n,) float64 array
        Values by the two methods, in `unit`.
    case : tuple of str
        Name of each pair.
    cluster : (n,) int array or None
        Number of the cluster (patient) that each pair belongs to, from zero; None if all pairs are independent.
    unit : str
        Unit of both; "1" for a pure number.
    x_name, y_name : str
        Names of the methods.
    dropped : tuple of str
        Names of the pairs that were left out because a value is missing.
    """

    x: Values
    y: Values
    case: tuple[str, ...]
    cluster: npt.NDArray[np.int64] | None = None
    unit: str = "1"
    x_name: str = "x"
    y_name: str = "y"
    dropped: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of pairs."""
        return len(self.x)

    @property
    def clusters(self) -> int:
        """Number of clusters; that of the pairs if they are independent."""
        return self.n if self.cluster is None else int(self.cluster.max()) + 1

    @property
    def difference(self) -> Values:
        """The first method's value minus the second's."""
        return self.x - self.y

    @property
    def mean(self) -> Values:
        """Mean of the two values of each pair."""
        return (self.x + self.y) / 2

    def take(self, rows: npt.NDArray[np.bool_]) -> "Paired":
        """Return the pairs that `rows` selects, clusters numbered anew."""
        cluster = None if self.cluster is None else np.unique(self.cluster[rows], return_inverse=True)[1]
        case = tuple(c for c, kept in zip(self.case, rows, strict=True) if kept)
        return Paired(self.x[rows], self.y[rows], case, cluster, self.unit, self.x_name, self.y_name, self.dropped)


def pair(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    case: Sequence[str] | None = None,
    cluster: Sequence[object] | None = None,
    unit: str = "1",
    x_name: str = "x",
    y_name: str = "y",
    same_unit: bool = False,
) -> Paired:
    """Return the complete pairs of two columns.

    Parameters
    ----------
    x, y : (N,) array
        Values in `unit`; NaN is missing.
    case : sequence of str, optional
        Name of each pair, all different; their numbers from 1 if omitted.
    cluster : sequence, optional
        What pairs of one patient share.
    unit : str
        Unit of both.
    x_name, y_name : str
        Names of the methods, for messages and tables.
    same_unit : bool
        Whether the user vouches that both are in one unit, whatever their ratio.

    Raises
    ------
    ShapeError
        The columns differ in length.
    InputError
        Fewer than two complete pairs; a value is infinite; a case is named twice; a cluster is missing; or one column
        is about 10, 100 or 1000 times the other.
    """
    first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise ShapeError(f"{x_name} has shape {first.shape} and {y_name} {second.shape}; give columns of one length")
    names = tuple(str(i + 1) for i in range(len(first))) if case is None else tuple(map(str, case))
    if len(names) != len(first) or (cluster is not None and len(cluster) != len(first)):
        raise ShapeError(f"{len(first)} pairs, but another number of case names or clusters; give one for each pair")
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise InputError(f"case {twice!r} occurs twice; name each pair once, and a cluster for what belongs together")
    for name, column in ((x_name, first), (y_name, second)):
        if np.isinf(column).any():
            where = names[int(np.isinf(column).argmax())]
            raise InputError(f"{name} of case {where} is infinite; correct or remove it")
    kept = np.isfinite(first) & np.isfinite(second)
    if kept.sum() < 2:
        raise InputError(f"{kept.sum()} of {len(first)} pairs have both {x_name} and {y_name}; at least 2 are needed")
    numbers = None
    if cluster is not None:
        keys = [str(c) for c, k in zip(cluster, kept, strict=True) if k]
        if any(_missing(c) for c, k in zip(cluster, kept, strict=True) if k):
            raise InputError("a pair has no cluster; name the patient of each pair")
        numbers = np.unique(keys, return_inverse=True)[1]
        if numbers.max() == 0:
            raise InputError(f"all {len(keys)} pairs belong to cluster {keys[0]!r}; at least 2 clusters are needed")
        if numbers.max() + 1 == len(keys):
            numbers = None
    made = Paired(
        first[kept], second[kept], tuple(n for n, k in zip(names, kept, strict=True) if k), numbers, unit, x_name,
        y_name, tuple(n for n, k in zip(names, kept, strict=True) if not k),
    )  # fmt: skip
    if not same_unit:
        _check_units(made)
    return made


def _missing(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _check_units(pairs: Paired) -> None:
    """Refuse columns whose medians differ by a factor that two units of length differ by."""
    a, b = float(np.median(pairs.x)), float(np.median(pairs.y))
    if a == 0 or b == 0 or a * b < 0:
        return
    ratio = max(a / b, b / a)
    for unit_ratio in UNIT_RATIOS:
        if unit_ratio / UNIT_TOLERANCE < ratio < unit_ratio * UNIT_TOLERANCE:
            raise InputError(
                f"the medians of {pairs.x_name} ({a:.4g}) and {pairs.y_name} ({b:.4g}) differ {ratio:.3g}-fold, as "
                "cm and mm do; bring both to one unit (--scale-x, --scale-y), or vouch for them (--same-unit)"
            )
