"""Directions in a patient's head: the commissures' axes, and the skull seen from its middle."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray
from qsmkit.errors import ParameterError
from qsmkit.grid import Grid

Points = npt.NDArray[np.float64]

STEP = 0.4
"""Of the search along a ray, mm."""

FARTHEST = 160.0
"""From the middle of the brain to anything outside the skull, mm."""


@dataclass(frozen=True, eq=False)
class Bearings:
    """The patient's own axes.

    Attributes
    ----------
    origin : (3,) array
        Middle of the commissures, mm.
    right, anterior, superior : (3,) array
        Unit vectors, mutually at right angles; `anterior` runs from the posterior to the anterior commissure.
    """

    origin: Points
    right: Points
    anterior: Points
    superior: Points

    @classmethod
    def of(cls, landmarks: Mapping[str, Points]) -> "Bearings":
        """Return y = (AC − PC)/|AC − PC|, x = y × v and z = x × y, with v from the commissures' middle to `midline`.

        Raises
        ------
        ParameterError
            A landmark is missing, or the three lie on one line.
        """
        missing = [name for name in ("AC", "PC", "midline") if name not in landmarks]
        if missing:
            raise ParameterError(f"the body has no landmark {', '.join(missing)}; give AC, PC and midline")
        front, back = np.asarray(landmarks["AC"], np.float64), np.asarray(landmarks["PC"], np.float64)
        origin = (front + back) / 2
        y, v = front - back, np.asarray(landmarks["midline"], np.float64) - origin
        x = np.cross(y, v)
        if np.linalg.norm(x) < 1e-3 * max(float(np.linalg.norm(y) * np.linalg.norm(v)), 1e-3):
            raise ParameterError(f"AC {front}, PC {back} and midline {origin + v} mm lie on one line; correct them")
        x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
        return cls(origin, x, y, np.cross(x, y))

    def direction(self, right: float, anterior: float, superior: float) -> Points:
        """Return the unit vector with these components along the patient's axes: (3,)."""
        v = right * self.right + anterior * self.anterior + superior * self.superior
        unit: Points = v / np.linalg.norm(v)
        return unit

    def turned(self, rotation: Points) -> "Bearings":
        """Return the axes after a rigid transform (4, 4)."""
        r = rotation[:3, :3]
        return Bearings(r @ self.origin + rotation[:3, 3], r @ self.right, r @ self.anterior, r @ self.superior)


@dataclass(frozen=True, eq=False)
class Shell:
    """The outer surface of a solid, seen from a point inside it.

    Attributes
    ----------
    solid : (X, Y, Z) bool array
        The skull's bone.
    grid : Grid
        Where its voxels are.
    middle : (3,) array
        From where one looks, mm.
    """

    solid: BoolArray
    grid: Grid
    middle: Points

    def radius(self, directions: npt.ArrayLike) -> Points:
        """Return the distance, mm, of the outermost solid voxel along unit vectors (…, 3), NaN if none is met."""
        d = np.asarray(directions, np.float64)
        steps = np.arange(FARTHEST, 0.0, -STEP)
        index = np.rint(self.grid.voxel(self.middle + steps[:, None] * d[..., None, :])).astype(int)
        inside = ((index >= 0) & (index < self.grid.shape)).all(-1)
        i, j, k = np.moveaxis(np.clip(index, 0, np.array(self.grid.shape) - 1), -1, 0)
        hit = self.solid[i, j, k] & inside
        radius: Points = np.where(hit.any(-1), steps[hit.argmax(-1)], np.nan)
        return radius

    def exit(self, start: Points, direction: Points) -> Points | None:
        """Return where a ray from `start` (3,) leaves the solid for good, mm; None if it never meets it."""
        radius = Shell(self.solid, self.grid, start).radius(direction)
        return None if np.isnan(radius) else start + radius * direction
