"""The built-in atlas: every nucleus as a union of ellipsoids at its place in MNI152 space.

Centres (x, y, z), semi-axes (a, b, c) and angles (rx, ry, rz about the fixed axes x, y, z in this order, degrees) stand
in `solids.csv`, for the right side; the left one is its mirror image. Rows from `Pauli2018` are first and second
moments of the parts into which a nucleus of that atlas falls; so no outline of it is copied.
"""

import csv
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from qsmkit.arrays import FloatArray
from qsmkit.clinical.nuclei.structures import Side
from qsmkit.grid import Grid

Point = npt.NDArray[np.float64]

REACH = 15.0
"""Distance beyond which it is not computed, mm."""


@cache
def _solids() -> dict[str, tuple[tuple[Point, Point, Point], ...]]:
    """Return centre (mm), semi-axes (mm) and the axes' unit vectors (columns) of every part, by nucleus."""
    found: dict[str, tuple[tuple[Point, Point, Point], ...]] = {}
    with files("qsmkit.clinical.nuclei").joinpath("solids.csv").open(encoding="utf-8") as file:
        for r in csv.DictReader(file):
            columns = ("xyz", "abc", ("rx", "ry", "rz"))
            centre, axes, angles = (np.array([float(r[k]) for k in keys]) for keys in columns)
            part = (centre, axes, Rotation.from_euler("xyz", angles, degrees=True).as_matrix())
            found[r["nucleus"]] = (*found.get(r["nucleus"], ()), part)
    return found


def distance(nucleus: str, side: Side, grid: Grid) -> FloatArray:
    """Return the distance from the surface of a nucleus, to first order.

    d = min over parts of |q| (|q| − 1) / |q ⊘ s|, with q the position in units of the semi-axes s.

    Parameters
    ----------
    nucleus : str
        Its name.
    side : {"L", "R"}
        Side.
    grid : Grid
        Where, MNI RAS mm.

    Returns
    -------
    (X, Y, Z) float32 array
        mm, negative inside, at most `REACH`.
    """
    mirror = np.array([-1.0 if side == "L" else 1.0, 1.0, 1.0])
    nearest = np.full(grid.shape, REACH, np.float32)
    for centre, semi, axes in _solids()[nucleus]:
        middle, room = grid.voxel(centre * mirror), (semi.max() + REACH) / np.array(grid.voxel_size)
        ranges = [np.arange(max(0, int(m - r)), min(n, int(m + r) + 2)) for m, r, n in
                  zip(middle, room, grid.shape, strict=True)]  # fmt: skip
        if min(len(r) for r in ranges) == 0:
            continue
        box = np.ix_(*ranges)
        q = ((grid.world(np.stack(np.meshgrid(*ranges, indexing="ij"), -1)) * mirror - centre) @ axes) / semi
        r = np.linalg.norm(q, axis=-1)
        slope = np.linalg.norm(q / semi, axis=-1)
        d = np.where(slope > 0, r * (r - 1) / np.maximum(slope, 1e-9), -semi.min())
        nearest[box] = np.minimum(nearest[box], d)
    return nearest
