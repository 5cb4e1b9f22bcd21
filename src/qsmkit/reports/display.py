"""How a volume is turned and cut to be looked at.

Radiological convention: the patient's right is on the left of axial and coronal images, anterior on the left
of sagittal ones; anterior or superior is up. Slices follow the volume's own planes, each called by the
anatomical plane that it is nearest to, so that nothing is resampled.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qsmkit.arrays import AnyArray, BoolArray
from qsmkit.grid import Grid

Plane = Literal["axial", "coronal", "sagittal"]

NORMAL: dict[Plane, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
"""Display axis that a plane's slices are stacked along."""

LETTERS = (("R", "L"), ("A", "P"), ("S", "I"))
"""Where each display axis begins and ends; the world's axes point to R, A and S."""

MARGIN = 8.0
"""Room around the mask, in mm."""

_ORDERS = [(a, b, 3 - a - b) for a, b in itertools.permutations(range(3), 2)]


@dataclass(frozen=True)
class View:
    """The turn from voxel axes to display axes, and the box of the mask.

    The display axes run from the patient's right to left, anterior to posterior and superior to inferior.

    Attributes
    ----------
    grid : Grid
        Geometry of the volumes to show.
    order : tuple of int
        Voxel axis nearest to each display axis.
    flipped : tuple of bool
        Whether that voxel axis runs against the display axis.
    box : tuple of slice
        Part of the turned volume to show.
    mask : (X, Y, Z) bool array
        The mask, turned and cut.
    """

    grid: Grid
    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    box: tuple[slice, ...]
    mask: BoolArray

    @classmethod
    def of(cls, grid: Grid, mask: BoolArray, margin: float = MARGIN) -> View:
        """Return the view of a grid that shows the mask with a margin in mm."""
        towards = grid.axes
        x, y, z = order = max(_ORDERS, key=lambda p: sum(abs(towards[w, v]) for w, v in enumerate(p)))
        flipped = (bool(towards[0, x] > 0), bool(towards[1, y] > 0), bool(towards[2, z] > 0))
        turned = _turned(mask, order, flipped)
        box = []
        for axis, voxel_axis in enumerate(order):
            room = int(np.ceil(margin / grid.voxel_size[voxel_axis]))
            line = np.flatnonzero(turned.any(axis=tuple(a for a in range(3) if a != axis)))
            box.append(slice(max(0, int(line[0]) - room), int(line[-1]) + 1 + room))
        return cls(grid, order, flipped, tuple(box), turned[tuple(box)])

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Voxel size in mm along the display axes."""
        x, y, z = (self.grid.voxel_size[v] for v in self.order)
        return x, y, z

    @property
    def obliquity(self) -> float:
        """Largest angle, in degrees, between a voxel axis and the scanner's axis nearest to it."""
        nearest = min(abs(self.grid.axes[w, v]) for w, v in enumerate(self.order))
        return float(np.degrees(np.arccos(min(1.0, nearest))))

    @property
    def codes(self) -> tuple[str, str, str]:
        """The letter that each voxel axis points to, e.g. ("R", "A", "S")."""
        ends = {v: LETTERS[axis][not self.flipped[axis]] for axis, v in enumerate(self.order)}
        return ends[0], ends[1], ends[2]

    def turn(self, volume: AnyArray) -> AnyArray:
        """Return a (X, Y, Z) volume along the display axes, cut to the box, as a view of the same memory."""
        return _turned(volume, self.order, self.flipped)[self.box]

    def positions(self, plane: Plane, count: int) -> list[int]:
        """Return at most `count` slices, evenly through the mask; axial ones from the feet up."""
        axis = NORMAL[plane]
        line = np.flatnonzero(self.mask.any(axis=tuple(a for a in range(3) if a != axis)))
        wanted = line[0] + (line[-1] - line[0]) * np.arange(1, count + 1) / (count + 1)
        return sorted({int(round(p)) for p in wanted}, reverse=plane == "axial")

    def image(self, turned: AnyArray, plane: Plane, position: int) -> AnyArray:
        """Return a slice of a turned volume as rows from top to bottom."""
        image: AnyArray = np.take(turned, position, axis=NORMAL[plane]).T
        return image

    def extent(self, plane: Plane) -> tuple[float, float]:
        """Return the width and height of a plane's images in mm."""
        across, down = (a for a in range(3) if a != NORMAL[plane])
        size = [n * h for n, h in zip(self.mask.shape, self.voxel_size, strict=True)]
        return size[across], size[down]

    def letters(self, plane: Plane) -> tuple[str, str, str, str]:
        """Return the letters at the left, right, top and bottom of a plane's images."""
        across, down = (a for a in range(3) if a != NORMAL[plane])
        return (*LETTERS[across], *LETTERS[down])

    def place(self, plane: Plane, position: int) -> str:
        """Return where a slice's middle lies in the scanner, e.g. "S 12" for 12 mm above its centre."""
        axis = NORMAL[plane]
        middle = [(n - 1) / 2 for n in self.mask.shape]
        middle[axis] = position
        voxel = [0.0] * 3
        for a, (v, flip) in enumerate(zip(self.order, self.flipped, strict=True)):
            index = middle[a] + self.box[a].start
            voxel[v] = self.grid.shape[v] - 1 - index if flip else index
        mm = round(float(self.grid.world(voxel)[axis]))
        return f"{LETTERS[axis][mm < 0]} {abs(mm)}"


def _turned(volume: AnyArray, order: Sequence[int], flipped: Sequence[bool]) -> AnyArray:
    return volume.transpose(order)[tuple(slice(None, None, -1 if f else 1) for f in flipped)]
