"""A rigid or affine map between two spaces, both RAS+ mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.errors import GeometryError

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Transform:
    """Where a point of one space lies in another: q = M p.

    Attributes
    ----------
    matrix : (4, 4) array
        Maps RAS+ mm of the fixed space to RAS+ mm of the moving space: the direction in which images are resampled. The
        point that is seen at p in the fixed image is seen at `apply(p)` in the moving one.

    Raises
    ------
    GeometryError
        The matrix is not finite, not invertible, or its last row is not 0 0 0 1.
    """

    matrix: Matrix

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.allclose(matrix[3], (0, 0, 0, 1)):
            raise GeometryError(f"{matrix.tolist()} is not a 4 × 4 matrix with last row 0 0 0 1; repair the transform")
        if abs(np.linalg.det(matrix[:3, :3])) < 1e-6:
            raise GeometryError("the transform flattens space (its determinant is zero); repair it")
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def identity(cls) -> Transform:
        """Return the transform that leaves every point where it is."""
        return cls(np.eye(4))

    @classmethod
    def rigid(cls, rotation: npt.ArrayLike, translation: npt.ArrayLike, centre: npt.ArrayLike = (0, 0, 0)) -> Transform:
        """Return a rotation about `centre` followed by a translation.

        Parameters
        ----------
        rotation : (3,) array
            Angles in degrees about the x, y and z axes, in this order.
        translation, centre : (3,) array
            In mm.
        """
        angle: Matrix = np.deg2rad(np.asarray(rotation, np.float64))
        (cx, cy, cz), (sx, sy, sz) = np.cos(angle), np.sin(angle)
        about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
        about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
        matrix, middle = np.eye(4), np.asarray(centre, np.float64)
        matrix[:3, :3] = about_z @ about_y @ about_x
        matrix[:3, 3] = middle + np.asarray(translation, np.float64) - matrix[:3, :3] @ middle
        return cls(matrix)

    def apply(self, points: npt.ArrayLike) -> Matrix:
        """Return the points (…, 3), mm, in the moving space."""
        return np.asarray(points, np.float64) @ self.matrix[:3, :3].T + self.matrix[:3, 3]

    def inverse(self) -> Transform:
        """Return the transform from the moving to the fixed space."""
        return Transform(np.asarray(np.linalg.inv(self.matrix), np.float64))

    def after(self, first: Transform) -> Transform:
        """Return the transform that applies `first` and then this one."""
        return Transform(self.matrix @ first.matrix)

    @property
    def angle(self) -> float:
        """Angle of the rotation, degrees (of the nearest rotation, if the transform also scales)."""
        u, _, v = np.linalg.svd(self.matrix[:3, :3])
        return float(np.rad2deg(np.arccos(np.clip((np.trace(u @ v) - 1) / 2, -1, 1))))

    def distance(self, other: Transform, points: npt.ArrayLike) -> Matrix:
        """Return how far apart (mm) both transforms put each of the points (…, 3)."""
        gap: Matrix = np.linalg.norm(self.apply(points) - other.apply(points), axis=-1)
        return gap
