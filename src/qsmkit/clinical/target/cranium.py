"""The inside of the skull on a CT: where it is, which air has come in, and which metal.

The skull is met along rays from the middle of the brain. Where a burr hole, the foramen magnum or a gap in thin bone
lets a ray through, its neighbours say how far the skull is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.clinical.registration.images import Points, joined
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.measure import Measure
from qsmkit.volume import Volume

METAL, BONE = 2000.0, 300.0
"""CT numbers from which on a voxel is metal (inside the skull) and bone, HU: usual thresholds (recalled)."""

SOFT = (-50.0, 120.0)
"""CT numbers of brain with noise, HU."""

AIR = (-200.0, -300.0, -700.0)
"""CT numbers below which a voxel is air, HU: the usual threshold, that which gives the true volume of thin layers below
the skull of digital patients, and a strict one. The volume is the middle one's; the others end its interval."""

RAYS, FIRST, LAST, STEP = 12_000, 15.0, 130.0, 1.0
"""Number of rays; where they begin and end, and their step, mm."""

NEIGHBOURS = 150
"""Rays that say how far the skull is where one meets none: those within about 13°."""

BEYOND, BEFORE = 5.0, 20.0
"""A ray that meets bone this much farther out than its neighbours has come through a hole, and one that meets it this
much before them has met a lead, mm."""

AROUND_METAL = 4.0
"""Dark streaks up to this distance from metal are not air, mm."""

LEAST_BRAIN = 150.0
"""Least volume of thick soft tissue that is taken for a brain, mL."""


FEW_DEGREES = 100.0
"""Angle from the vertical above which rays must meet the skull, or the image is cut."""


@dataclass(frozen=True, eq=False)
class Cranium:
    """What a CT shows inside the skull.

    Attributes
    ----------
    grid : Grid
        Geometry.
    middle : (3,) array
        Middle of the brain, RAS+ mm.
    cavity : (X, Y, Z) bool array
        The inside of the skull.
    hu : (X, Y, Z) float32 array
        CT numbers, HU.
    air : (X, Y, Z) bool array
        Air inside the skull, at the least strict threshold.
    metal : (X, Y, Z) bool array
        Voxels that hold metal inside the skull.
    shown : float
        Share of the upper rays that meet the skull inside the image.
    """

    grid: Grid
    middle: Points
    cavity: BoolArray
    hu: FloatArray
    air: BoolArray
    metal: BoolArray
    shown: float

    @property
    def metal_is_cut(self) -> bool:
        """Whether metal inside the skull reaches the end of the image."""
        return any(self.metal.take(end, axis).any() for axis in range(3) for end in (0, 1, -2, -1))

    def pneumocephalus(self, normal: npt.ArrayLike, point: npt.ArrayLike) -> Mapping[str, Measure]:
        """Return the volume of air inside the skull, mL: `right`, `left` and `both`.

        Parameters
        ----------
        normal, point : (3,) array
            Vector to the right at right angles to the midplane, and a point of it, RAS+ mm.
        """
        places = np.argwhere(self.air)
        right = (self.grid.world(places) - np.asarray(point, np.float64)) @ np.asarray(normal, np.float64) > 0
        values = self.hu[self.air]
        method = f"voxels inside the skull below {AIR[1]:g} HU; interval: below {AIR[2]:g} and below {AIR[0]:g} HU"
        found = {}
        for side, here in (("right", right), ("left", ~right), ("both", np.ones_like(right))):
            high, middle, low = (float((values[here] < t).sum()) * self.grid.voxel_volume / 1000 for t in AIR)
            found[side] = Measure(middle, low, high, "mL", int(here.sum()), method)
        return found


def cranium(ct: Volume) -> Cranium:
    """Find the inside of the skull on a CT of the head.

    Parameters
    ----------
    ct : Volume
        CT numbers, HU, (X, Y, Z).

    Raises
    ------
    InputError
        The image has no soft tissue of about 0 to 100 HU inside bone: it is no CT of a head, or not in HU.
    """
    low, high = -1024.0, 3071.0
    scaled, grid = joined(ct, low, high)
    hu = scaled * np.float32(high - low) + np.float32(low)
    metal = joined(Volume(ct.data > METAL, ct.grid), 0, 1)[0] > 0
    near_metal = ndimage.binary_dilation(metal, iterations=round(AROUND_METAL / min(grid.voxel_size)))
    middle = _middle(hu, grid)
    rays = _directions()
    radius, shown = _skull(np.where(near_metal, np.float32(30), hu), grid, middle, rays)
    cavity = _inside(grid, middle, rays, radius)
    labels, count = ndimage.label((hu < AIR[0]) & ~near_metal)
    share = np.nan_to_num(np.array(ndimage.mean(cavity, labels, np.arange(count + 1))))
    kept = np.flatnonzero(share[1:] > 0.5) + 1
    air = np.isin(labels, kept) & cavity
    return Cranium(grid, middle, cavity, hu, air, metal & cavity, shown)


def _middle(hu: FloatArray, grid: Grid) -> Points:
    """Return the middle of the largest piece of thick soft tissue: the brain."""
    step = [max(1, round(3 / v)) for v in grid.voxel_size]
    coarse = ndimage.uniform_filter(hu, step)[tuple(slice(None, None, s) for s in step)]
    soft = ndimage.binary_erosion((coarse > SOFT[0]) & (coarse < SOFT[1]), iterations=2)
    labels, _ = ndimage.label(soft)
    sizes = np.bincount(labels.ravel())[1:]
    volume = sizes.max(initial=0) * grid.voxel_volume * float(np.prod(step)) / 1000
    if not (hu > BONE).any() or volume < LEAST_BRAIN:
        raise InputError(
            f"the CT shows {volume:.0f} mL of soft tissue in one piece, and a brain has {LEAST_BRAIN:g} at least; "
            "give the CT of a whole head, in HU"
        )
    where = np.array(ndimage.center_of_mass(labels == 1 + int(np.argmax(sizes))))
    return grid.world(where * step)


def _directions() -> Points:
    """Return unit vectors that cover the sphere evenly: (N, 3)."""
    n = np.arange(RAYS) + 0.5
    z, turn = 1 - 2 * n / RAYS, np.pi * (1 + np.sqrt(5)) * n
    return np.stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z], 1)


def _skull(hu: FloatArray, grid: Grid, middle: Points, rays: Points) -> tuple[Points, float]:
    """Return how far the skull is along each ray, mm, and the share of the upper ones that meet it."""
    steps = np.arange(FIRST, LAST, STEP)
    index = grid.voxel(middle + steps[:, None, None] * rays)
    values = ndimage.map_coordinates(hu, np.moveaxis(index, -1, 0), order=1, mode="constant", cval=-2000)
    bone = values > BONE
    met = np.asarray(bone.any(0))
    radius = np.where(met, steps[bone.argmax(0)], np.nan)
    upper = rays[:, 2] > np.cos(np.deg2rad(FEW_DEGREES))
    near = cKDTree(rays).query(rays, NEIGHBOURS)[1]
    for _ in range(2):
        around = np.where(np.isfinite(radius[near]).mean(1) > 0.3, _median(radius[near]), np.nan)
        stray = (radius > around + BEYOND) | (radius < around - BEFORE) | np.isnan(radius)
        radius = np.where(stray, around, radius)
    known = np.flatnonzero(np.isfinite(radius))
    if len(known) == 0:
        raise InputError("the CT shows no skull around its soft tissue; give the CT of a whole head, in HU")
    nearest = known[cKDTree(rays[known]).query(rays)[1]]
    return radius[nearest], float(np.mean(met[upper]))


def _median(values: Points) -> Points:
    """Return the median of each row's numbers, NaN where there is none."""
    ordered = np.sort(values, axis=1)
    count = np.isfinite(values).sum(1)
    middle: Points = ordered[np.arange(len(values)), np.maximum(count - 1, 0) // 2]
    return middle


def _inside(grid: Grid, middle: Points, rays: Points, radius: Points) -> BoolArray:
    """Return which voxels lie nearer to the middle than the skull in their direction."""
    rows, columns = 91, 180
    turns = 2 * np.pi * np.arange(columns + 1) / columns
    polar, around = np.meshgrid(np.linspace(0, np.pi, rows), turns, indexing="ij")
    towards = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], -1)
    table = radius[cKDTree(rays).query(towards)[1]].astype(np.float32)
    i, j, k = np.meshgrid(*[np.arange(n, dtype=np.float32) for n in grid.shape], indexing="ij", sparse=True)
    affine = grid.affine.astype(np.float32)
    x, y, z = (
        affine[a, 0] * i + affine[a, 1] * j + affine[a, 2] * k + np.float32(affine[a, 3] - middle[a]) for a in range(3)
    )
    length = np.sqrt(x * x + y * y + z * z)
    row = np.arccos(np.clip(z / np.maximum(length, 1e-6), -1, 1)) * np.float32((rows - 1) / np.pi)
    column = np.mod(np.arctan2(y, x), np.float32(2 * np.pi)) * np.float32(columns / (2 * np.pi))
    inside: BoolArray = length < ndimage.map_coordinates(table, [row, column], order=1, mode="nearest")
    return inside
