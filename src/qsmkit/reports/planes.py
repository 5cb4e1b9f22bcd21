"""Planes of any direction through a head: where they lie, what they show, which way is which.

Radiological convention: the patient's right is on the left of the picture. Every edge bears the letters of the
direction in which it looks, so that an oblique plane can be read too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import AnyArray, FloatArray
from qsmkit.grid import Grid

Vector = npt.NDArray[np.float64]

LETTERS = ("RL", "AP", "SI")
"""What each world axis points to, and away from."""

MIXED = 0.42
"""Component of a direction above which it lends its letter too: 25° off an axis."""


@dataclass(frozen=True, eq=False)
class Plane:
    """A square piece of a plane.

    Attributes
    ----------
    centre : (3,) array
        Its middle, RAS mm.
    across, down : (3,) array
        Unit vectors to the right and to the bottom of the picture.
    half : float
        Half its width and height, mm.
    """

    centre: Vector
    across: Vector
    down: Vector
    half: float = 20.0

    @property
    def normal(self) -> Vector:
        """Unit vector across the plane."""
        normal: Vector = np.cross(self.across, self.down)
        return normal

    def sample(self, data: AnyArray, grid: Grid, step: float = 0.25) -> FloatArray:
        """Return the values (rows, columns) of a volume, from top to bottom; NaN outside it or beside a NaN."""
        ticks = np.arange(-self.half, self.half + step / 2, step)
        places = self.centre + ticks[:, None, None] * self.down + ticks[None, :, None] * self.across
        at = np.moveaxis(grid.voxel(places), -1, 0)
        values: FloatArray = ndimage.map_coordinates(data.astype(np.float32), at, order=1, cval=np.nan)
        return values

    def inside(self, points: npt.ArrayLike) -> tuple[Vector, Vector]:
        """Return the picture's coordinates (…, 2) of points (…, 3), mm right and down, and their distance, mm."""
        away = np.asarray(points, np.float64) - self.centre
        return np.stack([away @ self.across, away @ self.down], -1), away @ self.normal

    def letters(self) -> tuple[str, str, str, str]:
        """Return what the left, right, top and bottom edges look to."""
        return heading(-self.across), heading(self.across), heading(-self.down), heading(self.down)


def heading(direction: Vector) -> str:
    """Return the letters of a direction, the strongest first, such as "L" or "SA"."""
    size = np.abs(direction)
    order = [int(i) for i in np.argsort(-size, kind="stable")]
    return "".join(LETTERS[i][int(direction[i] < 0)] for i in order if size[i] > MIXED or i == order[0])


def orthogonal(centre: npt.ArrayLike, half: float = 20.0) -> Mapping[str, Plane]:
    """Return the axial, coronal and sagittal planes through a point, RAS mm."""
    right, front, up = np.eye(3)
    middle = np.asarray(centre, np.float64)
    return {
        "axial": Plane(middle, -right, -front, half),
        "coronal": Plane(middle, -right, -up, half),
        "sagittal": Plane(middle, -front, -up, half),
    }


def along(centre: npt.ArrayLike, direction: npt.ArrayLike, half: float = 20.0) -> Mapping[str, Plane]:
    """Return the two planes that hold a lead, near the coronal and sagittal ones, and the one across it.

    Parameters
    ----------
    centre : (3,) array
        A point of the lead, RAS mm.
    direction : (3,) array
        Unit vector along it, away from the tip.
    half : float
        Half the width of the planes, mm.
    """
    middle, d = np.asarray(centre, np.float64), np.asarray(direction, np.float64)
    d = d / np.linalg.norm(d)
    left = np.array([-1.0, 0.0, 0.0])
    across = left - (left @ d) * d
    across /= np.linalg.norm(across)
    behind = np.cross(across, d)
    behind *= -1.0 if behind[1] > 0 else 1.0
    return {
        "along the lead, coronal": Plane(middle, across, -d, half),
        "along the lead, sagittal": Plane(middle, behind, -d, half),
        "across the lead": Plane(middle, across, behind, half),
    }
