"""From one grid onto another: how the samples of a head reach a scan that lies elsewhere.

Volumes are interpolated trilinearly in world space. A rigid matrix `motion` says where the head has gone since its
samples were placed: world coordinates mm → world coordinates mm. It moves the samples' affine, nothing else.
"""

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import AnyArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.errors import GeometryError
from qsmkit.grid import Grid

RIGID_TOLERANCE = 1e-6
"""Largest deviation of RᵀR from unity in a rigid matrix."""


def moved(grid: Grid, motion: npt.ArrayLike) -> Grid:
    """Return the grid of a head's samples after a rigid motion.

    Parameters
    ----------
    grid : Grid
        Geometry of the samples before.
    motion : (4, 4) array
        World mm before → world mm after.

    Raises
    ------
    GeometryError
        The matrix is not rigid: it stretches, shears or mirrors.
    """
    matrix = np.asarray(motion, np.float64)
    rigid = matrix.shape == (4, 4) and np.isfinite(matrix).all() and np.array_equal(matrix[3], (0, 0, 0, 1))
    if rigid:
        rotation = matrix[:3, :3]
        rigid = np.abs(rotation.T @ rotation - np.eye(3)).max() < RIGID_TOLERANCE and np.linalg.det(rotation) > 0
    if not rigid:
        raise GeometryError(f"motion {matrix.tolist()} is not a rigid 4×4 matrix; give a rotation and a shift in mm")
    return Grid(grid.shape, matrix @ grid.affine)


def rigid_motion(
    angles: npt.ArrayLike, shift: npt.ArrayLike, centre: npt.ArrayLike = (0, 0, 0)
) -> npt.NDArray[np.float64]:
    """Return the matrix that turns about the world axes x, then y, then z through `centre`, and then shifts.

    Parameters
    ----------
    angles : (3,) array
        Angles about x, y and z in degrees.
    shift : (3,) array
        In mm.
    centre : (3,) array
        What stays in place but for the shift, world mm.

    Returns
    -------
    (4, 4) array
        World mm → world mm.
    """
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.deg2rad(angles)), np.sin(np.deg2rad(angles))
    about_x = np.array([(1, 0, 0), (0, cx, -sx), (0, sx, cx)])
    about_y = np.array([(cy, 0, sy), (0, 1, 0), (-sy, 0, cy)])
    about_z = np.array([(cz, -sz, 0), (sz, cz, 0), (0, 0, 1)])
    matrix = np.eye(4)
    matrix[:3, :3] = about_z @ about_y @ about_x
    matrix[:3, 3] = np.asarray(centre) + np.asarray(shift) - matrix[:3, :3] @ np.asarray(centre, np.float64)
    return matrix


def transfer(
    volume: AnyArray, source: Grid, target: Grid, *, outside: float = 0.0, points: tuple[int, int, int] = (1, 1, 1)
) -> FloatArray:
    """Return a volume interpolated onto another grid.

    Parameters
    ----------
    volume : (X, Y, Z) array
        Values on the source grid, any unit; bool and integer become float32.
    source, target : Grid
        Where the values are, and where they are wanted.
    outside : float
        Value beyond the source's outermost samples, in the volume's unit.
    points : tuple of int
        Points per target voxel and axis, evenly spread over the voxel, whose mean is its value; 1 takes the value at
        the centre.

    Returns
    -------
    (x, y, z) float32 array
        Values on the target grid.
    """
    result = np.empty(target.shape, np.float32)
    values = np.ascontiguousarray(volume, None if volume.dtype in (np.float32, np.float64) else np.float32)
    steps = [(np.arange(n) + 0.5) / n - 0.5 for n in points]
    offsets = np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 3)
    _interpolate(values, _between(source, target), offsets, np.float32(outside), result)
    return result


def points_per_voxel(source: Grid, target: Grid) -> tuple[int, int, int]:
    """Return how many points of a target voxel `transfer` should average so as to miss no sample of the source."""
    step = min(source.voxel_size)
    x, y, z = (max(1, int(np.ceil(size / step - 1e-6))) for size in target.voxel_size)
    return x, y, z


def transfer_labels(
    labels: npt.NDArray[np.uint8], source: Grid, target: Grid, *, outside: int
) -> npt.NDArray[np.uint8]:
    """Return the label of the sample nearest to each voxel's centre.

    Parameters
    ----------
    labels : (X, Y, Z) uint8 array
        Labels on the source grid.
    source, target : Grid
        Where the labels are, and where they are wanted.
    outside : int
        Label beyond the source's outermost samples.

    Returns
    -------
    (x, y, z) uint8 array
        Labels on the target grid.
    """
    result = np.empty(target.shape, np.uint8)
    _pick(labels, _between(source, target), np.uint8(outside), result)
    return result


def _between(source: Grid, target: Grid) -> npt.NDArray[np.float64]:
    """Return the matrix from target voxels to source voxels: (3, 4)."""
    matrix: npt.NDArray[np.float64] = np.ascontiguousarray((np.linalg.inv(source.affine) @ target.affine)[:3])
    return matrix


@parallel
def _interpolate(volume, matrix, offsets, outside, result):  # type: ignore[no-untyped-def]
    nx, ny, nz = volume.shape
    count = len(offsets)
    for i in prange(result.shape[0]):
        for j in range(result.shape[1]):
            for k in range(result.shape[2]):
                total = np.float32(0)
                for p in range(count):
                    a, b, c = i + offsets[p, 0], j + offsets[p, 1], k + offsets[p, 2]
                    x = matrix[0, 0] * a + matrix[0, 1] * b + matrix[0, 2] * c + matrix[0, 3]
                    y = matrix[1, 0] * a + matrix[1, 1] * b + matrix[1, 2] * c + matrix[1, 3]
                    z = matrix[2, 0] * a + matrix[2, 1] * b + matrix[2, 2] * c + matrix[2, 3]
                    x0, y0, z0 = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
                    u, v, w = np.float32(x - x0), np.float32(y - y0), np.float32(z - z0)
                    if 0 <= x0 < nx - 1 and 0 <= y0 < ny - 1 and 0 <= z0 < nz - 1:
                        v00 = volume[x0, y0, z0] + w * (volume[x0, y0, z0 + 1] - volume[x0, y0, z0])
                        v01 = volume[x0, y0 + 1, z0] + w * (volume[x0, y0 + 1, z0 + 1] - volume[x0, y0 + 1, z0])
                        v10 = volume[x0 + 1, y0, z0] + w * (volume[x0 + 1, y0, z0 + 1] - volume[x0 + 1, y0, z0])
                        v11 = volume[x0 + 1, y0 + 1, z0] + w * (
                            volume[x0 + 1, y0 + 1, z0 + 1] - volume[x0 + 1, y0 + 1, z0]
                        )
                        v0, v1 = v00 + v * (v01 - v00), v10 + v * (v11 - v10)
                        total += v0 + u * (v1 - v0)
                    else:
                        for corner in range(8):
                            d, e, f = corner // 4, corner // 2 % 2, corner % 2
                            weight = (u if d else 1 - u) * (v if e else 1 - v) * (w if f else 1 - w)
                            if 0 <= x0 + d < nx and 0 <= y0 + e < ny and 0 <= z0 + f < nz:
                                total += weight * volume[x0 + d, y0 + e, z0 + f]
                            else:
                                total += weight * outside
                result[i, j, k] = total / count


@parallel
def _pick(labels, matrix, outside, result):  # type: ignore[no-untyped-def]
    nx, ny, nz = labels.shape
    for i in prange(result.shape[0]):
        for j in range(result.shape[1]):
            for k in range(result.shape[2]):
                x = round(matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2] * k + matrix[0, 3])
                y = round(matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2] * k + matrix[1, 3])
                z = round(matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 2] * k + matrix[2, 3])
                inside = 0 <= x < nx and 0 <= y < ny and 0 <= z < nz
                result[i, j, k] = labels[x, y, z] if inside else outside
