"""Which lesion of a visit is which of another: same, new, resolved, split, merged. Proposals, until somebody accepts.

Masks stay on their own voxels. Each voxel of one visit is looked up in the other through the within-subject
registration, in both directions, and the two overlaps are averaged, so that neither visit is favoured.

    cost = w₁ (1 − IoU) + w₂ d/10 mm + w₃ |ln V₁/V₀|,       pairs with IoU > 0.02 or d < 5 mm

Pairs are assigned at least total cost. What else overlaps a pair's lesion by half of itself or more is a part of it
that split off, or was merged into it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from qsmkit.errors import InputError, ShapeError
from qsmkit.grid import Grid
from qsmkit.transform import Transform

Relation = Literal["same", "split", "merge", "new", "resolved", "uncertain"]
Points = npt.NDArray[np.float64]

WEIGHTS = (1.0, 0.5, 0.25)
"""w₁, w₂, w₃: modelling choices."""

OVERLAP, DISTANCE = 0.02, 5.0
"""IoU above which, and distance of centres (mm) below which, two masks may be one lesion."""

PART = 0.5
"""Share of a lesion within another from which it is a part of it: a modelling choice."""

TOUCH = 2.0
"""Distance of centres, mm, within which lesions without overlap are still taken for the same: the error of
a registration and of a mask of few voxels."""


@dataclass(frozen=True, slots=True)
class Link:
    """What is proposed to have become of a lesion.

    Attributes
    ----------
    relation : str
        same, split (a part of the parent), merge (the parent became a part of the child), new, resolved; uncertain
        where masks are near but do not overlap.
    parent, child : int or None
        Labels at the earlier and the later visit.
    iou : float
        Intersection over union, a pure number.
    distance : float
        Between the centres after registration, mm; NaN for new and resolved.
    hausdorff : float
        Largest distance of a voxel of one from the other, mm; NaN for new and resolved.
    """

    relation: Relation
    parent: int | None
    child: int | None
    iou: float = 0.0
    distance: float = float("nan")
    hausdorff: float = float("nan")


@dataclass(frozen=True, eq=False)
class _Mask:
    label: int
    points: Points
    """Voxel centres, RAS+ mm of its own visit."""
    volume: float


def match(
    before: npt.NDArray[np.integer], before_grid: Grid, after: npt.NDArray[np.integer], after_grid: Grid,
    transform: Transform,
) -> list[Link]:
    """Propose links between the lesions of two visits.

    Parameters
    ----------
    before, after : (X, Y, Z) int array
        Labels at the earlier and the later visit, each on its own voxels; 0 is none.
    before_grid, after_grid : Grid
        Their geometry.
    transform : Transform
        From the earlier to the later visit's space: the one that resamples the later image onto the earlier one.

    Returns
    -------
    list of Link
        One for each lesion of the later visit, one more for each that has resolved or has merged into another.

    Raises
    ------
    ShapeError
        Labels do not lie on their grid.
    InputError
        Neither visit has a lesion.
    """
    for name, labels, grid in (("earlier", before, before_grid), ("later", after, after_grid)):
        if labels.shape != grid.shape:
            raise ShapeError(f"labels of the {name} visit have shape {labels.shape}, their grid {grid.shape}; give "
                             "both of one image")  # fmt: skip
    parents, children = _masks(before, before_grid), _masks(after, after_grid)
    if not parents and not children:
        raise InputError("neither visit has a lesion; measure at least one first")
    moved = [transform.apply(p.points) for p in parents]
    shared = _shared(parents, children, before, before_grid, after, after_grid, transform)
    iou, apart = np.zeros(shared.shape), np.zeros(shared.shape)
    cost = np.full(shared.shape, np.inf)
    for i, p in enumerate(parents):
        for j, c in enumerate(children):
            iou[i, j] = shared[i, j] / (p.volume + c.volume - shared[i, j])
            apart[i, j] = np.linalg.norm(moved[i].mean(0) - c.points.mean(0))
            if iou[i, j] > OVERLAP or apart[i, j] < DISTANCE:
                terms = (1 - iou[i, j], apart[i, j] / 10, abs(np.log(c.volume / p.volume)))
                cost[i, j] = float(np.dot(WEIGHTS, terms))
    pairs = _assign(cost)
    related: dict[tuple[int, int], Relation] = {
        (i, j): "same" if iou[i, j] > OVERLAP or apart[i, j] < TOUCH else "uncertain" for i, j in pairs
    }
    related |= _parts(pairs, shared, parents, children)
    found = [
        Link(relation, parents[i].label, children[j].label, float(iou[i, j]), float(apart[i, j]),
             _hausdorff(moved[i], children[j].points))
        for (i, j), relation in related.items()
    ]  # fmt: skip
    left = {i for i, _ in related}, {j for _, j in related}
    found += [Link("resolved", p.label, None) for i, p in enumerate(parents) if i not in left[0]]
    found += [Link("new", None, c.label) for j, c in enumerate(children) if j not in left[1]]
    return sorted(found, key=lambda link: (link.child is None, link.child or 0, link.relation != "same"))


def identities(links: Sequence[Link], known: dict[int, str], fresh: Sequence[str]) -> dict[int, str]:
    """Return the identity of each lesion of the later visit: its parent's, or a fresh one for new lesions and parts.

    Parameters
    ----------
    links : sequence of Link
        Of two visits.
    known : dict of int to str
        Identity of each lesion of the earlier visit.
    fresh : sequence of str
        Identities to give away, at least as many as there are later lesions.
    """
    kept = [link for link in links if link.relation in ("same", "uncertain")]
    given = {link.child: known[link.parent] for link in kept if link.child is not None and link.parent is not None}
    rest = [link.child for link in links if link.child is not None and link.child not in given]
    return given | dict(zip(dict.fromkeys(rest), fresh, strict=False))


def _masks(labels: npt.NDArray[np.integer], grid: Grid) -> list[_Mask]:
    index = np.argwhere(labels > 0)
    number = labels[labels > 0]
    world = grid.world(index)
    volume = grid.voxel_volume
    return [_Mask(int(n), world[number == n], float((number == n).sum()) * volume) for n in np.unique(number)]


def _shared(
    parents: list[_Mask], children: list[_Mask], before: npt.NDArray[np.integer], before_grid: Grid,
    after: npt.NDArray[np.integer], after_grid: Grid, transform: Transform,
) -> Points:
    """Return the shared volume of each pair, mm³, as the mean of both directions."""
    there, back = np.zeros((2, len(parents), len(children)))
    column = {c.label: j for j, c in enumerate(children)}
    row = {p.label: i for i, p in enumerate(parents)}
    for i, p in enumerate(parents):
        for label, count in _looked_up(transform.apply(p.points), after, after_grid).items():
            there[i, column[label]] = count * before_grid.voxel_volume
    inverse = transform.inverse()
    for j, c in enumerate(children):
        for label, count in _looked_up(inverse.apply(c.points), before, before_grid).items():
            back[row[label], j] = count * after_grid.voxel_volume
    smaller = np.array([[min(p.volume, c.volume) for c in children] for p in parents]).reshape(there.shape)
    shared: Points = np.minimum((there + back) / 2, smaller)
    return shared


def _looked_up(points: Points, labels: npt.NDArray[np.integer], grid: Grid) -> dict[int, int]:
    index = np.rint(grid.voxel(points)).astype(int)
    inside = np.all((index >= 0) & (index < grid.shape), axis=1)
    found = labels[tuple(index[inside].T)]
    return {int(n): int((found == n).sum()) for n in np.unique(found[found > 0])}


def _assign(cost: Points) -> list[tuple[int, int]]:
    """Return the pairs of least total cost among those that are possible, as many as there can be."""
    if not np.isfinite(cost).any():
        return []
    large = 1e3
    rows, columns = linear_sum_assignment(np.where(np.isfinite(cost), cost, large))
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if np.isfinite(cost[i, j])]


def _parts(
    pairs: list[tuple[int, int]], shared: Points, parents: list[_Mask], children: list[_Mask]
) -> dict[tuple[int, int], Relation]:
    """Return what split off a paired parent, and what was merged into a paired child."""
    taken = {i for i, _ in pairs}, {j for _, j in pairs}
    found: dict[tuple[int, int], Relation] = {}
    for j, c in enumerate(children):
        if j not in taken[1] and len(parents):
            i = int(shared[:, j].argmax())
            if i in taken[0] and shared[i, j] >= PART * c.volume:
                found[i, j] = "split"
    for i, p in enumerate(parents):
        if i not in taken[0] and len(children):
            j = int(shared[i].argmax())
            if j in taken[1] and shared[i, j] >= PART * p.volume:
                found[i, j] = "merge"
    return found


def _hausdorff(one: Points, other: Points) -> float:
    return max(float(np.max(cKDTree(a).query(b)[0])) for a, b in ((one, other), (other, one)))
