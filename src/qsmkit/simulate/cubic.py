"""Volumes at scattered places, by cubic convolution: smooth, and exact at the voxels."""

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.compiled import parallel, prange, serial


def sampled(volumes: FloatArray, place: FloatArray) -> FloatArray:
    """Return volumes at places between their voxels.

    Parameters
    ----------
    volumes : (X, Y, Z, N) float32 array
        Volumes on one grid, side by side in memory.
    place : (3, ...) float32 array
        In voxels.

    Returns
    -------
    (N, ...) float32 array
        Zero less than a voxel inside the border, and beyond.
    """
    flat = np.ascontiguousarray(place.reshape(3, -1), np.float32)
    values: FloatArray = _sampled(np.ascontiguousarray(volumes, np.float32), flat)
    return values.reshape(volumes.shape[-1], *place.shape[1:])


@serial
def _weight(t):  # type: ignore[no-untyped-def]
    """Return the four weights (Catmull-Rom) at a fraction `t` of the way from the second to the third point."""
    s = 1 - t
    return (
        np.float32(-0.5 * t * s * s), np.float32(1 - 2.5 * t * t + 1.5 * t * t * t),
        np.float32(1 - 2.5 * s * s + 1.5 * s * s * s), np.float32(-0.5 * s * t * t),
    )


@parallel
def _sampled(volumes, place):  # type: ignore[no-untyped-def]
    nx, ny, nz, count = volumes.shape
    out = np.zeros((count, place.shape[1]), np.float32)
    for i in prange(place.shape[1]):
        x, y, z = place[0, i], place[1, i], place[2, i]
        x0, y0, z0 = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
        if x0 < 1 or y0 < 1 or z0 < 1 or x0 > nx - 3 or y0 > ny - 3 or z0 > nz - 3:
            continue
        wx, wy, wz = _weight(x - np.float32(x0)), _weight(y - np.float32(y0)), _weight(z - np.float32(z0))
        for a in range(4):
            for b in range(4):
                w = wx[a] * wy[b]
                for c in range(4):
                    for n in range(count):
                        out[n, i] += w * wz[c] * volumes[x0 + a - 1, y0 + b - 1, z0 + c - 1, n]
    return out
