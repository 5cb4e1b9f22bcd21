"""Left and right of a structure that both hemispheres have, from the structure itself."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray
from qsmkit.errors import InputError
from qsmkit.grid import Grid

Side = Literal["left", "right"]

SIDES: tuple[Side, Side] = ("left", "right")

LEAST_GAP = 10.0
"""Least distance of the middles of a structure's two sides, mm: the subthalamic nuclei's are about 20 apart."""


@dataclass(frozen=True, eq=False)
class MidPlane:
    """The plane halfway between a structure's left and right parts, which a turned head turns with it.

    Attributes
    ----------
    point : (3,) array
        In the plane, RAS mm.
    right : (3,) array
        Unit normal, to the patient's right.
    """

    point: npt.NDArray[np.float64]
    right: npt.NDArray[np.float64]

    def side(self, inside: BoolArray, grid: Grid, side: Side) -> BoolArray:
        """Return the part of a region (X, Y, Z) that lies on one side."""
        at = np.argwhere(inside)
        rightwards = (grid.world(at) - self.point) @ self.right > 0
        part = np.zeros(inside.shape, bool)
        part[tuple(at[rightwards == (side == "right")].T)] = True
        return part


def mid_plane(structure: BoolArray, grid: Grid) -> MidPlane:
    """Return the plane between the two parts of a structure.

    Parameters
    ----------
    structure : (X, Y, Z) bool array
        Voxels of both sides.
    grid : Grid
        Geometry; its world must be RAS, the patient's right at +x within 45°.

    Raises
    ------
    InputError
        The structure does not lie on both sides.
    """
    places = grid.world(np.argwhere(structure))
    right = np.array([1.0, 0.0, 0.0])
    point = (places.min(0) + places.max(0)) / 2 if len(places) else right
    for _ in range(20):
        rightwards = (places - point) @ right > 0
        if not (len(places) and 0.2 < rightwards.mean() < 0.8):
            raise InputError("the structure does not lie on both sides of the midline; give each side its own label")
        middles = [places[rightwards == there].mean(0) for there in (True, False)]
        point = (middles[0] + middles[1]) / 2
        right = (middles[0] - middles[1]) / np.linalg.norm(middles[0] - middles[1])
    gap = float(np.linalg.norm(middles[0] - middles[1]))
    if gap < LEAST_GAP or right[0] < np.cos(np.pi / 4):
        raise InputError(
            f"the structure's parts lie {gap:.1f} mm apart, {right[0]:.2f} of it from left to right: these are not its "
            "two sides; give each side its own label"
        )
    return MidPlane(point, right)
