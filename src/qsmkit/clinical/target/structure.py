"""A labelled structure as distances and chances: what a track is measured against.

With d the distance of a voxel from the surface of the label, negative inside, and h the voxel's size:

    p = min(1, max(0, ½ − d/h))

is the chance that the place belongs to the structure when its surface may lie anywhere within half a voxel. A map of
probabilities, where there is one, takes the place of that.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from qsmkit.arrays import AnyArray, BoolArray, FloatArray
from qsmkit.errors import GeometryError, InputError
from qsmkit.grid import Grid
from qsmkit.transform import Matrix
from qsmkit.volume import Volume

AROUND = 6.0
"""Room about a structure within which it is known how far away it is, mm."""

LATTICE = 0.5
"""Distance of the points that a structure's shape is taken from, mm."""


@dataclass(frozen=True, eq=False)
class Structure:
    """A structure of one side, in a box about it.

    Attributes
    ----------
    name : str
        Such as "STN".
    chance : (X, Y, Z) array
        Chance, 0 … 1, that a place belongs to the structure; zero outside the box.
    distance : (X, Y, Z) array
        Distance in mm from its surface, negative inside.
    grid : Grid
        The box.
    """

    name: str
    chance: FloatArray
    distance: FloatArray
    grid: Grid

    def sample(self, points: Matrix) -> FloatArray:
        """Return the chance at points (…, 3), scanner RAS mm."""
        return interpolate(Volume(self.chance, self.grid, "1"), points, outside=0.0)

    def away(self, points: Matrix) -> FloatArray:
        """Return how far (mm) points (…, 3) are from the surface, negative inside; beyond the box at least roughly."""
        index = self.grid.voxel(points)
        within = np.clip(index, 0, np.array(self.grid.shape) - 1)
        beyond = np.linalg.norm((index - within) * self.grid.voxel_size, axis=-1)
        edge = interpolate(Volume(self.distance, self.grid, "mm"), self.grid.world(within), outside=np.inf)
        away: FloatArray = edge + beyond
        return away

    def lattice(self, step: float = LATTICE) -> Matrix:
        """Return points (n, 3) of the box, `step` mm apart, scanner RAS mm."""
        counts = [
            np.arange(0, n - 1 + 1e-9, step / v) for n, v in zip(self.grid.shape, self.grid.voxel_size, strict=True)
        ]
        return self.grid.world(np.stack(np.meshgrid(*counts, indexing="ij"), -1).reshape(-1, 3))


def structure(
    name: str, inside: BoolArray, grid: Grid, probability: Volume | None = None, *, around: float = AROUND
) -> Structure:
    """Return a structure from its label or, if it is given, from a map of its probability.

    Parameters
    ----------
    name : str
        What it is.
    inside : (X, Y, Z) bool array
        Its label, of one side only.
    grid : Grid
        Geometry.
    probability : Volume, optional
        Chance, 0 … 1, on the same grid; only what lies within `around` of the label counts. The surface is where it is
        ½, or the label's if it is less everywhere.
    around : float
        Room about the label that is kept, mm.

    Raises
    ------
    InputError
        The label is nowhere, or the probabilities are not within 0 … 1.
    GeometryError
        The map of probabilities lies elsewhere.
    """
    if not inside.any():
        raise InputError(f"{name} has no voxel on this side; check the label image, its numbers and --side")
    room = [int(np.ceil(around / v)) for v in grid.voxel_size]
    at = np.argwhere(inside)
    low, high = at.min(0) - room, at.max(0) + 1 + room
    start, shape = [int(v) for v in low], [int(v) for v in high - low]
    box = grid.cropped((start[0], start[1], start[2]), (shape[0], shape[1], shape[2]))
    label = _crop(inside, low, high)
    distance = signed_distance(label, grid)
    if probability is None:
        size = float(np.mean(grid.voxel_size))
        return Structure(name, np.clip(0.5 - distance / size, 0, 1).astype(np.float32), distance, box)
    apart = grid.difference(probability.grid)
    if apart:
        raise GeometryError(f"the probability of {name} does not lie where its label does: {apart}; resample it first")
    chance = _crop(np.asarray(probability.data, np.float32), low, high)
    if not (chance.min() >= 0 and chance.max() <= 1):
        told = f"{chance.min():.3g} … {chance.max():.3g}"
        raise InputError(f"the probability of {name} reaches {told}; give chances of 0 … 1")
    chance = np.where(distance < around, chance, 0)
    likely = chance >= 0.5
    return Structure(name, chance, signed_distance(likely, grid) if likely.any() else distance, box)


def signed_distance(inside: BoolArray, grid: Grid) -> FloatArray:
    """Return the distance of each voxel's centre from the surface of a set, mm, negative inside: (X, Y, Z) float32.

    The surface lies half a voxel from the outermost centres; of an empty set everything is infinitely far away.
    """
    if not inside.any():
        return np.full(inside.shape, np.inf, np.float32)
    half = float(np.mean(grid.voxel_size)) / 2
    padded = np.pad(inside, 1)
    within = ndimage.distance_transform_edt(padded, grid.voxel_size)[1:-1, 1:-1, 1:-1]
    beyond = ndimage.distance_transform_edt(~inside, grid.voxel_size)
    return np.where(inside, half - within, beyond - half).astype(np.float32)


def interpolate(volume: Volume, points: Matrix, *, outside: float) -> FloatArray:
    """Return a volume's values at points (…, 3), scanner RAS mm, by linear interpolation; `outside` beyond its grid."""
    index = np.moveaxis(volume.grid.voxel(points), -1, 0)
    values: FloatArray = ndimage.map_coordinates(
        np.asarray(volume.data, np.float32), index, order=1, mode="constant", cval=outside
    )
    return values


def _crop(data: AnyArray, low: Matrix, high: Matrix) -> AnyArray:
    """Return the box from voxel `low` to below voxel `high`, zeros where it sticks out."""
    shape = np.array(data.shape)
    kept = tuple(slice(max(0, a), min(n, b)) for a, b, n in zip(low, high, shape, strict=True))
    pad = [(max(0, -a), max(0, b - n)) for a, b, n in zip(low, high, shape, strict=True)]
    return np.pad(data[kept], pad)
