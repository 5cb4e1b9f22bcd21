"""Straight lines through spots, one after the other: the rods of a localiser, whatever else is bright."""

from dataclasses import dataclass

import numpy as np

from qsmkit.clinical.target.spots import Indices, Spots
from qsmkit.transform import Matrix

NEAR = 1.0
"""Spots this far from a line at most are on it, mm."""

APART = (12.0, 60.0)
"""Two spots that a line is drawn through lie this far from each other across the slices, mm."""

STEEPEST = 1.6
"""Largest way within the slices per way across them: an oblique rod of a tilted frame."""

TRIES, FEWEST, MOST = 600, 8, 12
"""Lines tried for each that is kept, spots that make one, and how many are kept."""


@dataclass(frozen=True, eq=False)
class Line:
    """A straight line.

    Attributes
    ----------
    middle : (3,) array
        A point of it, scanner RAS mm.
    direction : (3,) array
        Unit vector, upwards.
    spots : int
        How many spots lie on it.
    """

    middle: Matrix
    direction: Matrix
    spots: int


def lines(found: Spots, *, seed: int = 1) -> list[Line]:
    """Return straight lines that many spots lie on, the best first.

    Pairs of spots are drawn; the line with most spots near it is fitted to these, and they are taken away. Of several
    spots in one slice only one counts, so that bright plates do not make lines.

    Parameters
    ----------
    found : Spots
        Spots.
    seed : int
        Of the draws.
    """
    random = np.random.default_rng(seed)
    points, slices = found.points, found.slices
    made: list[Line] = []
    while len(made) < MOST and len(points) >= FEWEST:
        best = _best(points, slices, found.spacing, random)
        if best is None:
            break
        for _ in range(2):
            middle, direction = best
            near = _away(points, middle, direction) <= NEAR
            middle = points[near].mean(0)
            direction = np.linalg.svd(points[near] - middle, full_matrices=False)[2][0]
            best = middle, direction * np.sign(direction[2])
        near = _away(points, *best) <= NEAR
        count = len(np.unique(slices[near]))
        if count < FEWEST:
            break
        made.append(Line(*best, count))
        points, slices = points[~near], slices[~near]
    return made


def _best(
    points: Matrix, slices: Indices, spacing: float, random: np.random.Generator
) -> tuple[Matrix, Matrix] | None:
    first, second = random.integers(0, len(points), (2, 12 * TRIES))
    across = np.abs(slices[first] - slices[second]) * spacing
    gap = points[second] - points[first]
    within = np.sqrt(np.maximum((gap**2).sum(1) - across**2, 0))
    usable = np.flatnonzero((across >= APART[0]) & (across <= APART[1]) & (within <= STEEPEST * across))[:TRIES]
    if not len(usable):
        return None
    middle, direction = points[first[usable]], gap[usable] / np.linalg.norm(gap[usable], axis=1, keepdims=True)
    counts = [len(np.unique(slices[_away(points, m, d) <= NEAR])) for m, d in zip(middle, direction, strict=True)]
    top = int(np.argmax(counts))
    return middle[top], direction[top]


def _away(points: Matrix, middle: Matrix, direction: Matrix) -> Matrix:
    """Return the distance (n,) of points from a line, mm."""
    off = points - middle
    away: Matrix = np.linalg.norm(off - (off @ direction)[:, None] * direction, axis=1)
    return away
