"""The localiser of a stereotactic frame: rods that show in every slice where the frame is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.leads.curve import Points, resampled
from qsmkit.simulate.metal import Cloud, joined, tube_cloud

WIDTH, DEPTH, HEIGHT = 190.0, 120.0, 120.0
"""Distance of the side plates and extent of each, right-left, back-front and foot-head, mm."""

CENTRE = 100.0
"""Each frame coordinate of the middle of the box, mm."""

ROD_RADIUS, ROD_HU = 1.2, 2200.0
"""Of the rods, mm and HU (modelling choice)."""


@dataclass(frozen=True, eq=False)
class Localiser:
    """A box of two side plates, each with an N of three rods.

    In the frame's own right, anterior and superior (mm from the middle of the box) the plates stand at x = ±95, the
    upright rods at y = ±60; the oblique one runs from the top of the front rod to the foot of the rear one.

    Attributes
    ----------
    pose : (4, 4) array
        Rigid transform from the frame's own axes to head RAS mm.
    """

    pose: Points

    @property
    def ends(self) -> Points:
        """Lower or front end and other end of every rod, head RAS mm: (6, 2, 3), three on the right first."""
        y, z = DEPTH / 2, HEIGHT / 2
        plate = np.array([((y, -z), (y, z)), ((y, z), (-y, -z)), ((-y, -z), (-y, z))])
        rods = np.concatenate([np.insert(plate, 0, x, axis=-1) for x in (WIDTH / 2, -WIDTH / 2)])
        ends: Points = rods @ self.pose[:3, :3].T + self.pose[:3, 3]
        return ends

    def moved(self, transform: Points) -> "Localiser":
        """Return the localiser after a rigid transform (4, 4)."""
        return Localiser(transform @ self.pose)

    def coordinates(self, points: npt.ArrayLike) -> Points:
        """Return the frame's coordinates X, Y, Z of points (…, 3) in head RAS mm: mm.

        X grows to the patient's left, Y to the front and Z to the feet: X = 100 − x, Y = y + 100, Z = 100 − z.
        """
        own = (np.asarray(points, np.float64) - self.pose[:3, 3]) @ self.pose[:3, :3]
        coordinates: Points = CENTRE + own * (-1, 1, -1)
        return coordinates

    def cloud(self) -> Cloud:
        """Return the rods in small pieces."""
        return joined([tube_cloud(resampled(rod, 0.4), ROD_RADIUS, ROD_HU) for rod in self.ends])
