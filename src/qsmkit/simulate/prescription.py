"""Where a scan's voxels lie: what an operator prescribes on the console."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from qsmkit.errors import ParameterError
from qsmkit.grid import Grid
from qsmkit.simulate.body import Body
from qsmkit.simulate.resample import fine_samples
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.transfer import moved, rigid_motion

Orientation = Literal["axial", "sagittal", "coronal"]

VOXEL_AXES: dict[Orientation, tuple[tuple[int, int, int], ...]] = {
    "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "sagittal": ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    "coronal": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
}
"""World directions of the voxel axes of an upright scan; the third is the slice's."""

AIR_AROUND = 6.0
"""Least distance, mm, of the head from the image's edge, within slices."""

BEYOND_BRAIN = 16.0
"""How far, mm, slices go on beyond the brain."""

COARSEST = 1.0
"""Largest distance, mm, between the samples whose signals a voxel sums, unless the head's are farther apart."""

INSIDE = 0.9
"""A voxel belongs to the mask if more than this share of it lies inside the brain's hull."""

NO_MOTION = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class Prescription:
    """Geometry and noise, which every sequence has.

    Attributes
    ----------
    field_strength : float
        Main field, T.
    voxel_size : tuple of float
        In mm, along the voxel axes.
    matrix : tuple of int or None
        Number of voxels; None covers the head in the slice and the brain across.
    orientation : {"axial", "sagittal", "coronal"}
        What the slices are before they are turned.
    angles : tuple of float
        Degrees by which the slices are turned about the world axes x, y, z, in this order: an oblique scan.
    motion : (4, 4) nested tuple
        Rigid matrix of where the head has gone since its samples were placed, world mm → world mm.
    snr : float
        Mean signal of the brain (first echo) over the noise's standard deviation in the real and in the imaginary
        channel; infinite for none.
    oversampling : float
        Fewest samples in a voxel along each axis before k-space is cropped.
    """

    field_strength: float = 3.0
    voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0)
    matrix: tuple[int, int, int] | None = None
    orientation: Orientation = "axial"
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0)
    motion: tuple[tuple[float, ...], ...] = NO_MOTION
    snr: float = 100.0
    oversampling: float = 1.5

    def __post_init__(self) -> None:
        if np.shape(self.voxel_size) != (3,) or not 0.2 <= min(self.voxel_size) <= max(self.voxel_size) <= 10:
            raise ParameterError(f"voxel_size = {self.voxel_size} mm is not three lengths between 0.2 and 10 mm")
        if self.matrix is not None and (np.shape(self.matrix) != (3,) or min(self.matrix) < 2):
            raise ParameterError(f"matrix = {self.matrix} is not three numbers of voxels, 2 or more each")
        if self.orientation not in VOXEL_AXES:
            raise ParameterError(f"orientation = {self.orientation!r} is unknown; choose from {', '.join(VOXEL_AXES)}")
        if np.shape(self.angles) != (3,) or not np.isfinite(self.angles).all():
            raise ParameterError(f"angles = {self.angles} are not three angles in degrees")
        for name in ("field_strength", "snr"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"{name} = {getattr(self, name)} is out of range; it must be greater than 0")
        if not 1 <= self.oversampling <= 4:
            raise ParameterError(f"oversampling = {self.oversampling} is out of range; it must be between 1 and 4")

    def head(self, body: Body) -> Grid:
        """Return the grid of the body's samples at the time of this scan."""
        return moved(body.grid, self.motion)

    def grid(self, body: Body) -> Grid:
        """Return the scan's grid."""
        axes = rigid_motion(self.angles, (0, 0, 0))[:3, :3] @ np.array(VOXEL_AXES[self.orientation], float).T
        head = self.head(body)
        low, high = _extent(body.labels != Label.AIR, head, axes)
        brain_low, brain_high = _extent(body.brain, head, axes)
        centre = (low + high) / 2
        size = high - low + 2 * AIR_AROUND
        slices = max(low[2], brain_low[2] - BEYOND_BRAIN), min(high[2], brain_high[2] + BEYOND_BRAIN)
        centre[2], size[2] = (slices[0] + slices[1]) / 2, slices[1] - slices[0]
        matrix = self.matrix or tuple(max(2, 2 * round(s / v / 2)) for s, v in zip(size, self.voxel_size, strict=True))
        shape = (int(matrix[0]), int(matrix[1]), int(matrix[2]))
        affine = np.eye(4)
        affine[:3, :3] = axes * self.voxel_size
        affine[:3, 3] = axes @ centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
        return Grid(shape, affine)

    def samples(self, head: Grid, grid: Grid) -> Grid:
        """Return the samples whose signals are summed: finer than the scan, and no coarser than the head need be."""
        return fine_samples(grid, self.oversampling, max(COARSEST, *head.voxel_size))[1]


def _extent(
    inside: npt.NDArray[np.bool_], grid: Grid, axes: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return where a region begins and ends along directions, the columns of `axes`: mm from the world's origin."""
    if not inside.any():
        raise ParameterError("the body is empty: no sample to scan; draw its head and brain first")
    thin = np.argwhere(inside[::4, ::4, ::4]) * 4 if inside[::4, ::4, ::4].any() else np.argwhere(inside)
    along = grid.world(thin) @ axes
    return along.min(0), along.max(0)
