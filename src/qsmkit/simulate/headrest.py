"""The shell in which the head of a patient lies in a CT."""

from dataclasses import dataclass

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.grid import Grid
from qsmkit.leads.curve import Points
from qsmkit.simulate.hounsfield import AIR

WIDTH, DEPTH = 96.0, 80.0
"""Half-axes of the shell's elliptical section, mm (modelling choice, as all that follows)."""

THICKNESS, GAP = 3.5, 5.0
"""Of the shell, and between it and the back of the head, mm."""

RIM = 25.0
"""How far below the axis of the ellipse its sides end, mm."""

SHELL = -450.0
"""CT number of the shell, HU."""

CLEAR = -850.0
"""The shell is drawn only where there is nothing denser than this, HU."""


@dataclass(frozen=True, eq=False)
class Headrest:
    """A carbon shell along the scanner's table.

    Attributes
    ----------
    bottom : (3,) array
        A point of its lowest line, in the CT's RAS mm.
    """

    bottom: Points

    @classmethod
    def below(cls, head: Points) -> "Headrest":
        """Return the shell in which a head lies whose points (N, 3) in mm are given."""
        low, high = head.min(0), head.max(0)
        return cls(np.array([(low[0] + high[0]) / 2, low[1] - GAP - THICKNESS, (low[2] + high[2]) / 2]))

    def draw(self, hu: FloatArray, grid: Grid) -> None:
        """Draw the shell into the air of a CT.

        Parameters
        ----------
        hu : (X, Y, Z) float32 array
            CT numbers, HU; changed in place.
        grid : Grid
            The scan's; its slices may be tilted about x.
        """
        nx, ny, nz = hu.shape
        x = (grid.world(np.stack([np.arange(nx), np.zeros(nx), np.zeros(nx)], 1))[:, 0] - self.bottom[0]) / WIDTH
        for k in range(nz):
            row = grid.world(np.stack([np.zeros(ny), np.arange(ny), np.full(ny, k)], 1))[:, 1]
            y = (row - self.bottom[1]) / DEPTH - 1
            low = y < -RIM / DEPTH
            inside = (1 - np.hypot(x[:, None], y[low])) * DEPTH
            share = np.clip(0.5 + THICKNESS / 2 - np.abs(inside - THICKNESS / 2), 0, 1).astype(np.float32)
            part = hu[:, low, k]
            hu[:, low, k] = np.where(part < CLEAR, part + share * np.float32(SHELL - AIR), part)
