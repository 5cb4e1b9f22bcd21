"""Where voxels are: the one noun that carries geometry.

World coordinates are RAS+ millimetres and B0 points along world +z, as in every NIfTI file of a supine or prone patient
in a horizontal magnet. Voxel axes may be permuted, flipped, oblique and anisotropic: nothing else in the package needs
to know, because everything asks the grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from qsmkit.errors import GeometryError

SHEAR_TOLERANCE = 1e-3
"""Largest |cos| between two voxel axes that still counts as orthogonal (affines are stored in float32)."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A three-dimensional voxel grid in scanner space.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along the three voxel axes.
    affine : (4, 4) array
        Maps voxel indices to RAS+ world coordinates in mm.

    Raises
    ------
    GeometryError
        The shape is not three positive numbers, or the affine is not finite, invertible and free of shear.
    """

    shape: tuple[int, int, int]
    affine: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise GeometryError(f"grid shape {self.shape} is not three positive numbers; give a 3-D volume")
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError(f"affine {affine.tolist()} is not a finite 4×4 matrix; repair the file's header")
        size = np.linalg.norm(affine[:3, :3], axis=0)
        if size.min() < 1e-6:
            raise GeometryError(f"affine gives voxel size {size.tolist()} mm; repair the file's header")
        axes = affine[:3, :3] / size
        shear = np.abs(axes.T @ axes - np.eye(3)).max()
        if shear > SHEAR_TOLERANCE:
            raise GeometryError(
                f"affine is sheared (voxel axes meet at a cosine of {shear:.4f}); resample onto an orthogonal grid"
            )
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)

    @classmethod
    def tilted(
        cls,
        shape: tuple[int, int, int],
        voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0),
        *,
        tilt: float = 0.0,
        axis: int = 0,
    ) -> Grid:
        """Return a grid centred on the world origin, turned by `tilt` degrees about world axis `axis`.

        `voxel_size` is in mm. Without tilt it is an axial scan: voxel axes along world x, y, z.
        """
        c, s = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
        u, v = (axis + 1) % 3, (axis + 2) % 3
        rotation = np.eye(3)
        rotation[[u, u, v, v], [u, v, u, v]] = c, -s, s, c
        affine = np.eye(4)
        affine[:3, :3] = rotation * voxel_size
        affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
        return cls(shape, affine)

    @cached_property
    def voxel_size(self) -> tuple[float, float, float]:
        """Edge lengths of a voxel in mm, along the voxel axes."""
        x, y, z = (float(v) for v in np.linalg.norm(self.affine[:3, :3], axis=0))
        return x, y, z

    @cached_property
    def axes(self) -> npt.NDArray[np.float64]:
        """Unit vectors of the voxel axes in world coordinates, one a column: (3, 3)."""
        axes: npt.NDArray[np.float64] = self.affine[:3, :3] / np.array(self.voxel_size)
        return axes

    @cached_property
    def b0_direction(self) -> npt.NDArray[np.float64]:
        """Unit vector of B0 in voxel axes, b = Rᵀ e_z with R the *unit-normalised* columns of the affine: (3,)."""
        b: npt.NDArray[np.float64] = self.axes[2] / np.linalg.norm(self.axes[2])
        return b

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel in mm³."""
        x, y, z = self.voxel_size
        return x * y * z

    def world(self, voxel: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the RAS+ mm coordinates of voxel indices (…, 3)."""
        return np.asarray(voxel, np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def voxel(self, world: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the (fractional) voxel indices of RAS+ mm coordinates (…, 3)."""
        return (np.asarray(world, np.float64) - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T

    def cropped(self, start: tuple[int, int, int], shape: tuple[int, int, int]) -> Grid:
        """Return the grid of the box of `shape` voxels that begins at voxel `start` (may lie outside: padding)."""
        affine = self.affine.copy()
        affine[:3, 3] = self.world(start)
        return Grid(shape, affine)

    def difference(self, other: Grid, tolerance: float = 1e-2) -> str | None:
        """Return how `other` lies elsewhere, or None if every voxel centre agrees within `tolerance` mm."""
        if self.shape != other.shape:
            return f"shape {other.shape} instead of {self.shape}"
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1).T
        distance = float(np.linalg.norm(self.world(corners) - other.world(corners), axis=1).max())
        return None if distance <= tolerance else f"voxel centres up to {distance:.3g} mm apart"

    def require_same(self, other: Grid, what: object, anchor: object, remedy: str = "resample it first") -> None:
        """Raise GeometryError unless `other`, the grid of `what`, lies where this one, that of `anchor`, does."""
        apart = self.difference(other)
        if apart:
            raise GeometryError(f"{what} does not lie where {anchor} does: {apart}; {remedy}")
