"""Surfaces of labels: surface nets, closed triangle meshes with the volume of their voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import BoolArray
from qsmkit.errors import InputError
from qsmkit.grid import Grid


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed triangle mesh.

    Attributes
    ----------
    vertices : (V, 3) array
        Places, RAS mm.
    triangles : (T, 3) int array
        Vertices of each triangle, counter-clockwise as seen from outside.
    """

    vertices: npt.NDArray[np.float64]
    triangles: npt.NDArray[np.int64]

    @property
    def volume(self) -> float:
        """Enclosed volume in mm³: the sum of the tetrahedra that triangles span with the middle."""
        a, b, c = ((self.vertices - self.vertices.mean(0))[self.triangles[:, k]] for k in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def surface_of(region: BoolArray, grid: Grid, *, smooth: float = 0.7) -> Surface:
    """Return the surface of a region.

    The region is blurred by a Gaussian, and the level at which as many voxels lie above as the region has is cut by
    surface nets (Gibson 1998): a vertex in every cell of 2 × 2 × 2 voxels that the surface passes, at the mean of its
    crossings of the cell's edges, and a quadrilateral for every pair of neighbours that it separates. At last it is
    moved along its normals by what its volume lacks of that of the voxels.

    Parameters
    ----------
    region : (X, Y, Z) bool array
        Voxels of the structure.
    grid : Grid
        Geometry.
    smooth : float
        Standard deviation of the Gaussian in units of the smallest voxel edge; 0 leaves steps.

    Raises
    ------
    InputError
        The region is empty, or `smooth` is negative.
    """
    if not region.any():
        raise InputError("a region without voxels has no surface; choose a label that occurs")
    if not (np.isfinite(smooth) and smooth >= 0):
        raise InputError(f"smooth = {smooth} is not 0 or more; give it in voxels")
    sigma = smooth * min(grid.voxel_size) / np.array(grid.voxel_size)
    margin = 3 + int(np.ceil(4 * sigma.max()))
    box = ndimage.find_objects(region.astype(np.uint8))[0]
    inside = np.pad(region[box], margin)
    blurred = ndimage.gaussian_filter(inside.astype(np.float64), sigma) if smooth else inside.astype(np.float64)
    count = int(inside.sum())
    ordered = np.sort(blurred, axis=None)[::-1]
    level = float(ordered[count - 1] + ordered[count]) / 2
    places, triangles = _surface_net(blurred, level)
    world = grid.world(places + [s.start - margin for s in box])
    if np.linalg.det(grid.affine[:3, :3]) < 0:
        triangles = triangles[:, ::-1]
    return _with_volume(Surface(world, triangles), count * grid.voxel_volume)


def _with_volume(surface: Surface, volume: float) -> Surface:
    """Return a surface moved along its normals until it holds a volume: nets cut the corners off what is round."""
    vertices = surface.vertices
    for _ in range(8):
        a, b, c = (vertices[surface.triangles[:, k]] for k in range(3))
        across = np.cross(b - a, c - a)
        normals = np.stack(
            [np.bincount(surface.triangles.ravel(), np.repeat(across[:, k], 3), len(vertices)) for k in range(3)], -1
        )
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        normals = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
        missing = volume - Surface(vertices, surface.triangles).volume
        vertices = vertices + missing / (np.linalg.norm(across, axis=1).sum() / 2) * normals
    return Surface(vertices, surface.triangles)


def _surface_net(
    values: npt.NDArray[np.float64], level: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return vertices in voxel indices, and triangles; the rim of `values` lies below the level."""
    above = values > level
    cells = tuple(n - 1 for n in values.shape)
    total, crossings = np.zeros((*cells, 3)), np.zeros(cells)
    corners = np.moveaxis(np.indices(cells, np.float64), 0, -1)
    for axis in range(3):
        for shift in np.ndindex(2, 2):
            start = np.insert(np.array(shift), axis, 0)
            end = start.copy()
            end[axis] = 1
            a, b = (values[tuple(slice(s, s + n) for s, n in zip(w, cells, strict=True))] for w in (start, end))
            crossed = (a > level) != (b > level)
            share = np.divide(level - a, b - a, out=np.zeros(cells), where=crossed)
            total += crossed[..., None] * (corners + start)
            total[..., axis] += crossed * share
            crossings += crossed
    used = crossings > 0
    number = np.full(cells, -1, np.int64)
    number[used] = np.arange(int(used.sum()))
    vertices = total[used] / crossings[used][:, None]
    quads = [_quads(above, number, axis) for axis in range(3)]
    return vertices, _split(vertices, np.concatenate(quads))


def _quads(above: BoolArray, number: npt.NDArray[np.int64], axis: int) -> npt.NDArray[np.int64]:
    """Return the quadrilaterals across the edges along an axis, counter-clockwise as seen from below the level."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    lower = np.take(above, range(above.shape[axis] - 1), axis)
    upper = np.take(above, range(1, above.shape[axis]), axis)
    edges = np.argwhere(lower != upper)
    outward = lower[tuple(edges.T)]
    ring = []
    for u, v in ((1, 1), (0, 1), (0, 0), (1, 0)):
        cell = edges.copy()
        cell[:, first] -= u
        cell[:, second] -= v
        ring.append(number[tuple(cell.T)])
    made = np.stack(ring, -1)
    made[~outward] = made[~outward][:, ::-1]
    return made


def _split(vertices: npt.NDArray[np.float64], quads: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return two triangles for each quadrilateral, along its shorter diagonal."""
    a, b, c, d = (vertices[quads[:, k]] for k in range(4))
    turn = ((a - c) ** 2).sum(1) > ((b - d) ** 2).sum(1)
    quads = np.where(turn[:, None], np.roll(quads, -1, axis=1), quads)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
