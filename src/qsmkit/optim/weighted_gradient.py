"""Quadratic penalties on the gradient with a weight of its own at every voxel: ½ Σ v |G x|², G periodic differences.

Lagged at v = m / √(|G x|² + ε²) they stand for total variation Σ m |G x| in iterations of least squares.
"""

from typing import Any

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.physics.derivatives import VoxelSize


class WeightedGradient:
    """The weights, and what they make of a volume.

    Parameters
    ----------
    shape : tuple of int
        Shape of the volumes.
    voxel_size : tuple of float
        mm.
    dtype : dtype
        Type of the volumes.
    """

    def __init__(self, shape: tuple[int, ...], voxel_size: VoxelSize, dtype: Any) -> None:
        self.weight: FloatArray = np.zeros(shape, dtype)
        self._inverse = (1 / np.array(voxel_size)).astype(dtype)

    def lag(self, x: FloatArray, morphology: FloatArray, epsilon: float) -> None:
        """Set v = m / √(|G x|² + ε²), ε in unit of x per mm."""
        _lag(x, morphology, self._inverse, x.dtype.type(epsilon), self.weight)

    def add_normal(self, x: FloatArray, inside: BoolArray, out: FloatArray) -> None:
        """Add Gᵀ v G x to `out`, and set that to zero outside the mask."""
        _add_normal(x, self.weight, self._inverse, inside, out)


@parallel
def _lag(x, morphology, inverse, epsilon, out):  # type: ignore[no-untyped-def]
    """Store m / √(|∇x|² + ε²), with periodic forward differences."""
    nx, ny, nz = x.shape
    a, b, c = inverse
    for plane in prange(nx):
        i = np.intp(plane)
        i1 = i + 1 if i + 1 < nx else 0
        for j in range(ny):
            j1 = j + 1 if j + 1 < ny else 0
            for k in range(nz):
                k1 = k + 1 if k + 1 < nz else 0
                g0 = (x[i1, j, k] - x[i, j, k]) * a
                g1 = (x[i, j1, k] - x[i, j, k]) * b
                g2 = (x[i, j, k1] - x[i, j, k]) * c
                out[i, j, k] = morphology[i, j, k] / np.sqrt(g0 * g0 + g1 * g1 + g2 * g2 + epsilon * epsilon)


@parallel
def _add_normal(p, v, inverse, inside, y):  # type: ignore[no-untyped-def]
    """Add Gᵀ v G p, and keep what is inside the mask."""
    nx, ny, nz = p.shape
    a, b, c = inverse[0] * inverse[0], inverse[1] * inverse[1], inverse[2] * inverse[2]
    zero = a - a
    for plane in prange(nx):
        i = np.intp(plane)
        i0, i1 = i - 1 if i > 0 else nx - 1, i + 1 if i + 1 < nx else 0
        for j in range(ny):
            j0, j1 = j - 1 if j > 0 else ny - 1, j + 1 if j + 1 < ny else 0
            for k in range(nz):
                if not inside[i, j, k]:
                    y[i, j, k] = zero
                    continue
                k0, k1 = k - 1 if k > 0 else nz - 1, k + 1 if k + 1 < nz else 0
                q, here = p[i, j, k], v[i, j, k]
                y[i, j, k] += (
                    a * (v[i0, j, k] * (q - p[i0, j, k]) - here * (p[i1, j, k] - q))
                    + b * (v[i, j0, k] * (q - p[i, j0, k]) - here * (p[i, j1, k] - q))
                    + c * (v[i, j, k0] * (q - p[i, j, k0]) - here * (p[i, j, k1] - q))
                )
