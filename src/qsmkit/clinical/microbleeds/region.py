"""Lobar, deep or infratentorial: the regions that raters of microbleeds tell apart (MARS, Gregoire 2009).

From the names of a label image where there is one; else from where a spot lies in the brain's mask, by a rule that is
rough and says so.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import BoolArray
from qsmkit.errors import MaskError, ShapeError
from qsmkit.grid import Grid

Region = Literal["lobar", "deep", "infratentorial"]

NAMES: Mapping[Region, tuple[str, ...]] = {
    "infratentorial": ("brainstem", "brain stem", "cerebell", "dentate", "pons", "midbrain", "medulla", "vermis"),
    "deep": ("caudate", "putamen", "pallid", "gpe", "gpi", "thalam", "accumbens", "internal capsule",
             "external capsule", "corpus callosum", "nigra", "stn", "red nucleus", "basal ganglia", "ventral dc"),
    "lobar": ("frontal", "parietal", "temporal", "occipital", "insula", "lobe", "cortex", "gyrus"),
}  # fmt: skip
"""Parts of labels' names, in the order in which they are tried; underscores count as blanks."""

IRON = ("pallid", "gpe", "gpi", "nigra", "snr", "snc", "red nucleus", "dentate", "stn", "putamen", "caudate")
"""Parts of the names of nuclei that are rich in iron."""

NEAR = 3.0
"""How far (mm) a named label may be from a spot that lies on none, such as on the lesion's own label."""

LENGTH, TOP, MIDDLE = 172.0, 74.0, 0.5
"""Of a brain in the frame of its commissures: length and height above their plane, mm, and where their middle is along
its length (Talairach's proportions, recalled)."""

DEEP_BOX = ((0.0, 34.0), (-34.0, 32.0), (-16.0, 30.0))
"""|x|, y and z, mm of a brain of `LENGTH`, from the mid-commissural point: nuclei, capsules, callosum; a modelling
choice."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """A label image with names.

    Attributes
    ----------
    labels : (X, Y, Z) int array
        0 is none.
    names : mapping of int to str
        Names of the labels.
    """

    labels: npt.NDArray[np.integer]
    names: Mapping[int, str]

    def region(self, label: int) -> Region | None:
        """Return the region that a label's name tells, or None."""
        name = self.names.get(label, "").lower().replace("_", " ").replace("-", " ")
        return next((r for r, parts in NAMES.items() if any(p in name for p in parts)), None)

    def iron(self) -> BoolArray:
        """Return the voxels of nuclei that are rich in iron: (X, Y, Z)."""
        rich = [i for i, n in self.names.items() if any(p in n.lower().replace("_", " ") for p in IRON)]
        found: BoolArray = np.isin(self.labels, rich)
        return found


def locate(
    centres: npt.ArrayLike, brain: BoolArray, grid: Grid, *, atlas: Atlas | None = None,
    mid_commissural: npt.ArrayLike | None = None,
) -> list[tuple[Region, str]]:
    """Return the region of each point, and how it is known.

    Parameters
    ----------
    centres : (N, 3) array
        RAS mm.
    brain : (X, Y, Z) bool array
        The brain.
    grid : Grid
        Geometry.
    atlas : Atlas, optional
        Labels with names, on the grid.
    mid_commissural : (3,) array, optional
        Middle of the commissures, RAS mm; else it is guessed from the brain's extent.

    Raises
    ------
    ShapeError
        Mask or labels do not lie on the grid.
    MaskError
        The mask is empty.
    """
    if brain.shape != grid.shape or (atlas is not None and atlas.labels.shape != grid.shape):
        raise ShapeError(f"mask {brain.shape} or labels do not lie on the grid {grid.shape}; resample them first")
    if not brain.any():
        raise MaskError("the brain's mask is empty")
    points = np.asarray(centres, np.float64).reshape(-1, 3)
    origin, scale = _frame(brain, grid)
    how = "a box about the guessed middle of the commissures, rough"
    if mid_commissural is not None:
        origin, how = np.asarray(mid_commissural, np.float64), "a box about the given middle of the commissures, rough"
    found = []
    for point in points:
        named = None if atlas is None else _named(point, atlas, grid)
        found.append(named or (_boxed((point - origin) / scale), how))
    return found


def _frame(brain: BoolArray, grid: Grid) -> tuple[npt.NDArray[np.float64], float]:
    """Return the guessed mid-commissural point, RAS mm, and the brain's size relative to `LENGTH`."""
    points = grid.world(np.argwhere(brain))
    low, high = np.percentile(points, (0.02, 99.98), axis=0)
    scale = float(high[1] - low[1]) / LENGTH
    middle = np.array([(low[0] + high[0]) / 2, low[1] + MIDDLE * (high[1] - low[1]), high[2] - TOP * scale])
    return middle, scale


def _named(point: npt.NDArray[np.float64], atlas: Atlas, grid: Grid) -> tuple[Region, str] | None:
    room = np.ceil(NEAR / np.array(grid.voxel_size)).astype(int)
    at = np.rint(grid.voxel(point)).astype(int)
    low, high = np.maximum(at - room, 0), np.minimum(at + room + 1, grid.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    part = atlas.labels[box]
    known = {int(i): r for i in np.unique(part) if (r := atlas.region(int(i)))}
    there = np.isin(part, list(known))
    if not there.any():
        return None
    marked = np.ones(part.shape, np.bool_)
    marked[tuple(at - low)] = False
    away = np.where(there, ndimage.distance_transform_edt(marked, sampling=grid.voxel_size), math.inf)
    nearest = np.unravel_index(int(np.argmin(away)), part.shape)
    if away[nearest] > NEAR:
        return None
    label = int(part[nearest])
    return known[label], f"label {atlas.names[label]}"


def _boxed(place: npt.NDArray[np.float64]) -> Region:
    x, y, z = abs(place[0]), place[1], place[2]
    cerebellum = y < -30 and z < -20 - 0.25 * (y + 72) * (y > -72) and x < 55
    brainstem = x < 16 and -40 < y < -6 and z < -10
    if cerebellum or brainstem:
        return "infratentorial"
    (_, width), (back, front), (bottom, top) = DEEP_BOX
    return "deep" if x < width and back < y < front and bottom < z < top else "lobar"
