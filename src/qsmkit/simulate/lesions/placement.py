"""Where lesions lie: at given coordinates, or at random where such a lesion is found.

Coordinates are right, anterior and superior of the mid-commissural point, mm, in the AC-PC frame. Regions are those
that raters of microbleeds tell apart (MARS: lobar, deep, infratentorial); their borders in the frame are modelling
choices that stay clear of the tentorium.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import ScenarioError
from qsmkit.simulate.bearings import Bearings
from qsmkit.simulate.body import Body
from qsmkit.simulate.lesions.plans import AnyLesion, Region
from qsmkit.simulate.tissue import Label

Points = npt.NDArray[np.float64]

THINNING = 3
"""Places are sought on every third sample."""

GAP = 2.0
"""Least distance, mm, between two lesions placed at random."""

SUBCORTICAL = (3.0, 20.0)
"""Depth below the brain's hull, mm, at which lobar lesions lie."""

LEEWAY = 5.0
"""How much deeper than it must the centre of a large lobar lesion may lie, mm."""

DEEP = 28.0
"""Depth below the brain's hull, mm, from which on white matter counts as deep."""

WHITE = (Label.WHITE_MATTER, Label.INTERNAL_CAPSULE)
DEEP_GREY = (Label.CAUDATE, Label.PUTAMEN, Label.PALLIDUM, Label.GPE, Label.GPI, Label.THALAMUS)
FLUID = (Label.CSF, Label.VEIN)


def place(
    lesions: Sequence[AnyLesion], reaches: Sequence[float], body: Body, rng: np.random.Generator,
) -> list[Points]:
    """Return the centre of each lesion, scanner RAS mm.

    Those with coordinates come first, the others, largest first, where they fit: inside the brain, clear of each other.

    Parameters
    ----------
    lesions : sequence of lesions
        With region or position.
    reaches : sequence of float
        Radius, mm, of the sphere about the centre that holds each lesion at its largest.
    body : Body
        The head.
    rng : Generator
        Source of randomness.

    Raises
    ------
    ScenarioError
        A position lies outside the brain, two lesions overlap, or there is no room left.
    """
    bearings = Bearings.of(body.landmarks)
    axes = np.stack([bearings.right, bearings.anterior, bearings.superior])
    places = _Places(body, bearings.origin, axes)
    found: list[Points | None] = [None] * len(lesions)
    for i, lesion in enumerate(lesions):
        if lesion.position is None:
            continue
        centre = bearings.origin + np.array(lesion.position) @ axes
        if not places.in_brain(centre):
            raise ScenarioError(f"lesions[{i}].position = {list(lesion.position)} mm lies outside the brain; move it")
        for j, other in enumerate(found[:i]):
            if other is not None and (away := float(np.linalg.norm(centre - other))) < reaches[i] + reaches[j]:
                raise ScenarioError(
                    f"lesions[{i}].position = {list(lesion.position)} mm: it overlaps lesions[{j}] ({away:.1f} mm "
                    f"apart, {reaches[i] + reaches[j]:.1f} mm needed at their largest); move or shrink one"
                )
        found[i] = centre
    children = rng.spawn(len(lesions))
    for i in sorted(range(len(lesions)), key=lambda i: -reaches[i]):
        region = lesions[i].region
        if found[i] is None and region is not None:
            taken = [(p, r) for p, r in zip(found, reaches, strict=True) if p is not None]
            found[i] = places.draw(region, reaches[i], taken, children[i])
            if found[i] is None:
                raise ScenarioError(
                    f"lesions[{i}]: no room for a lesion of {2 * reaches[i]:.0f} mm in region {region!r} beside "
                    f"{len(taken)} others; ask for fewer or smaller ones"
                )
    return [p for p in found if p is not None]


class _Places:
    """Thinned samples of the brain, with all that regions are told by."""

    def __init__(self, body: Body, origin: Points, axes: Points) -> None:
        thin = (slice(None, None, THINNING),) * 3
        self._body = body
        self._spacing = THINNING * np.array(body.grid.voxel_size)
        depth: FloatArray = scipy.ndimage.distance_transform_edt(np.pad(body.brain[thin], 1), self._spacing)
        labels = body.labels[thin]
        inside = body.brain[thin] & ~np.isin(labels, FLUID)
        self._depth = depth[1:-1, 1:-1, 1:-1][inside]
        self._label = labels[inside]
        self._point = body.grid.world(THINNING * np.argwhere(inside))
        self._local = (self._point - origin) @ axes.T

    def in_brain(self, point: Points) -> bool:
        index = np.rint(self._body.grid.voxel(point)).astype(int)
        inside = bool((index >= 0).all() and (index < self._body.grid.shape).all())
        return inside and bool(self._body.brain[*index])

    def draw(
        self, region: Region, reach: float, taken: Sequence[tuple[Points, float]], rng: np.random.Generator
    ) -> Points | None:
        """Return a point of a region at which a lesion fits, or None."""
        fits = self._region(region, reach) & (self._depth > reach)
        for centre, other in taken:
            fits &= np.linalg.norm(self._point - centre, axis=1) > reach + other + GAP
        candidates = np.flatnonzero(fits)
        if candidates.size == 0:
            return None
        step = self._body.grid.axes @ (rng.uniform(-0.5, 0.5, 3) * self._spacing / THINNING)
        point: Points = self._point[candidates[rng.integers(candidates.size)]] + step
        return point

    def _region(self, region: Region, reach: float) -> BoolArray:
        x, y, z = self._local.T
        white: BoolArray = np.isin(self._label, WHITE)
        cerebellum = (abs(x) < 38) & (y < -35) & (y > -72) & (z < -24)
        brainstem = (abs(x) < 11) & (y < -8) & (y > -32) & (z < -14)
        below: BoolArray = cerebellum | brainstem
        above: BoolArray = (z > 4) | ((y > -18) & (abs(x) > 25) & (z > -25))
        if region == "infratentorial":
            return below
        if region == "white_matter":
            return above & white & (self._depth > SUBCORTICAL[1] / 2)
        if region == "deep":
            return ~below & (np.isin(self._label, DEEP_GREY) | (above & white & (self._depth > DEEP)))
        near: BoolArray = (self._depth > SUBCORTICAL[0]) & (self._depth < max(SUBCORTICAL[1], reach + LEEWAY))
        lobar: BoolArray = above & near & (white | (self._label == Label.GREY_MATTER))
        return lobar
