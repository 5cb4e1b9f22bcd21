"""How a volume is cut into DICOM planes: axes reordered and turned, never resampled, and places written exactly.

DICOM's patient coordinates are LPS: x and y of RAS change sign. A plane has rows and columns; the vector of its rows
points along increasing column index. Planes follow each other along the normal, rows × columns.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydicom.valuerep import format_number_as_ds

from qsmkit.arrays import AnyArray
from qsmkit.errors import GeometryError
from qsmkit.grid import Grid

Orientation = Literal["axial", "sagittal", "coronal"]

CORNER_TOLERANCE = 0.01
"""Largest distance, mm, between a corner voxel and where its DICOM header puts it."""

ISOTROPY_TOLERANCE = 1e-3
"""Largest relative difference of two in-plane spacings that count as equal (NIfTI keeps seven digits)."""

LPS = np.array([-1.0, -1.0, 1.0])
"""Factors that turn RAS into LPS coordinates, and back."""

_SLICE_WORLD_AXIS: dict[Orientation, int] = {"axial": 2, "sagittal": 0, "coronal": 1}
_SHOWN = {
    2: np.array([[1.0, 0, 0], [0, 1, 0]]),
    0: np.array([[0.0, 1, 0], [0, 0, -1]]),
    1: np.array([[1.0, 0, 0], [0, 0, -1]]),
}
"""Directions (LPS) of rows and columns as radiologists look at a slice across each world axis."""


@dataclass(frozen=True, eq=False)
class Planes:
    """A grid cut into DICOM planes.

    Attributes
    ----------
    grid : Grid
        The grid.
    order : tuple of int
        Voxel axes along slices, down a column and along a row.
    flipped : tuple of bool
        Whether each of them runs against its voxel axis.
    """

    grid: Grid
    order: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @classmethod
    def cut(cls, grid: Grid, orientation: Orientation | None = None, *, anisotropic: bool = False) -> Planes:
        """Choose the axis across which a grid is cut, so that pixels are square and slices look as they usually do.

        Parameters
        ----------
        grid : Grid
            The grid, without shear.
        orientation : {"axial", "sagittal", "coronal"}, optional
            Which cut; by default the first of them whose pixels are square.
        anisotropic : bool
            Whether pixels may be oblong.

        Raises
        ------
        GeometryError
            No cut, or not the one asked for, has square pixels; or the affine is sheared.
        """
        nearest = _nearest_world_axes(grid)
        wanted = list(_SLICE_WORLD_AXIS) if orientation is None else [orientation]
        across = [nearest.index(_SLICE_WORLD_AXIS[name]) for name in wanted]
        square = [axis for axis in across if _in_plane_ratio(grid, axis) <= 1 + ISOTROPY_TOLERANCE]
        if not square and not anisotropic:
            size = " × ".join(f"{v:.4g}" for v in grid.voxel_size)
            raise GeometryError(
                f"voxels of {size} mm have no square pixels in {orientation or 'any'} slices, and planning stations "
                "refuse oblong ones; choose another orientation, resample, or allow anisotropic pixels"
            )
        chosen = (square or across)[0]
        planes = cls._shown(grid, chosen, nearest)
        if planes.corner_error > CORNER_TOLERANCE:
            raise GeometryError(
                f"the affine is sheared: orthogonal planes would misplace a corner by {planes.corner_error:.3g} mm; "
                "resample onto an orthogonal grid"
            )
        return planes

    @classmethod
    def _shown(cls, grid: Grid, across: int, nearest: list[int]) -> Planes:
        directions = LPS[:, None] * grid.axes
        row, column = _SHOWN[nearest[across]]
        inside = [axis for axis in range(3) if axis != across]
        along = max(inside, key=lambda axis: abs(float(directions[:, axis] @ row)))
        down = inside[1 - inside.index(along)]
        flip_along = bool(directions[:, along] @ row < 0)
        flip_down = bool(directions[:, down] @ column < 0)
        normal = np.cross(
            directions[:, along] * (-1 if flip_along else 1), directions[:, down] * (-1 if flip_down else 1)
        )
        flip_across = bool(directions[:, across] @ normal < 0)
        return cls(grid, (across, down, along), (flip_across, flip_down, flip_along))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        slices, rows, columns = (self.grid.shape[axis] for axis in self.order)
        return slices, rows, columns

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance in mm between slices, between rows and between columns."""
        slices, rows, columns = (self.grid.voxel_size[axis] for axis in self.order)
        return slices, rows, columns

    @cached_property
    def orientation_text(self) -> list[str]:
        """Image Orientation (Patient): direction of rows, then of columns, orthonormal to 14 digits."""
        u, _, v = np.linalg.svd(self._directions)
        nearest_rotation = u @ v
        return [ds(x) for x in (*nearest_rotation[:, 2], *nearest_rotation[:, 1])]

    def position_text(self, number: int) -> list[str]:
        """Image Position (Patient) in mm of slice `number`, counted from 0 along the normal."""
        return [ds(x) for x in self._first + number * self.spacing[0] * self._normal]

    def spacing_text(self) -> tuple[str, list[str]]:
        """Return the distance of slices, and Pixel Spacing: distance of rows, then of columns, in mm."""
        slices, rows, columns = self.spacing
        if max(rows, columns) / min(rows, columns) <= 1 + ISOTROPY_TOLERANCE:
            rows = columns = (rows + columns) / 2
        return ds(slices), [ds(rows), ds(columns)]

    def arrange(self, data: AnyArray) -> AnyArray:
        """Return a view of an (X, Y, Z) array as (slices, rows, columns)."""
        turned = data.transpose(self.order)
        return turned[tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)]

    @cached_property
    def corner_error(self) -> float:
        """Largest distance in mm between a corner voxel and where the header's text puts it."""
        slices, rows, columns = self.shape
        orientation = np.array(self.orientation_text, float).reshape(2, 3)
        spacing = np.array(self.spacing_text()[1], float)
        worst = 0.0
        for k, r, c in itertools.product((0, slices - 1), (0, rows - 1), (0, columns - 1)):
            said = np.array(self.position_text(k), float)
            said += c * spacing[1] * orientation[0] + r * spacing[0] * orientation[1]
            worst = max(worst, float(np.linalg.norm(said - LPS * self.place(k, r, c))))
        return worst

    def place(self, number: int, row: int, column: int) -> npt.NDArray[np.float64]:
        """Return where a pixel of a slice lies by the grid's own affine, in RAS mm: (3,)."""
        voxel = np.empty(3)
        for axis, flip, index in zip(self.order, self.flipped, (number, row, column), strict=True):
            voxel[axis] = self.grid.shape[axis] - 1 - index if flip else index
        return self.grid.world(voxel)

    @cached_property
    def _first(self) -> npt.NDArray[np.float64]:
        """Place of the first pixel such that the middle of the volume, not its edge, is where it was."""
        slices, rows, columns = (n - 1 for n in self.shape)
        row, column = np.array(self.orientation_text, float).reshape(2, 3)
        spacing = np.array(self.spacing_text()[1], float)
        middle = LPS * self.grid.world((np.array(self.grid.shape) - 1) / 2)
        span = columns * spacing[1] * row + rows * spacing[0] * column + slices * self.spacing[0] * self._normal
        first: npt.NDArray[np.float64] = middle - span / 2
        return first

    @cached_property
    def _directions(self) -> npt.NDArray[np.float64]:
        """Unit vectors (LPS) along slices, down columns and along rows, one a column."""
        signs = np.where(self.flipped, -1.0, 1.0)
        directions: npt.NDArray[np.float64] = LPS[:, None] * self.grid.axes[:, list(self.order)] * signs
        return directions

    @cached_property
    def _normal(self) -> npt.NDArray[np.float64]:
        """Rows × columns, from the header's own text, so that planes are equidistant for whoever reads it."""
        row, column = np.array(self.orientation_text, float).reshape(2, 3)
        return np.cross(row, column)


def ds(value: float) -> str:
    """Return a number as DICOM decimal string: at most 16 characters, no negative zero, no dust below 1e-10."""
    return format_number_as_ds(float(np.round(value, 10)) + 0.0)


def _nearest_world_axes(grid: Grid) -> list[int]:
    """Return for each voxel axis the world axis it is nearest to, each world axis once."""
    closeness = np.abs(grid.axes)
    best = max(itertools.permutations(range(3)), key=lambda p: sum(closeness[p[axis], axis] for axis in range(3)))
    return list(best)


def _in_plane_ratio(grid: Grid, across: int) -> float:
    a, b = (v for axis, v in enumerate(grid.voxel_size) if axis != across)
    return max(a, b) / min(a, b)
