"""Isotropic total variation inside a splitting method, in two fused passes over the volume an iteration.

ADMM on min_x f(x) + λ Σ m |G x| splits z = G x. Over-relaxed, it is the Douglas–Rachford iteration in one
vector field w (Eckstein & Bertsekas 1992): with the threshold κ = λ m / ρ,

    z = max(1 − κ/|w|, 0) w,    x = argmin f(x) + ρ/2 ‖G x − (2z − w)‖²,    w ← w + α (G x − z).

So w is all that is kept, with the factor r that reflects it, 2z − w = r w; z = (1 + r)/2 w and the dual w − z
are made from these where they are needed. The volume is periodic, as the Fourier transform that solves for x
takes it to be.
"""

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.compiled import parallel, prange


class TotalVariation:
    """The state of the split gradient, and the two passes that use it.

    Parameters
    ----------
    threshold : (X, Y, Z) or (1, 1, Z) array
        κ, in unit of x per mm; zero where an edge costs nothing. One row stands for all.
    voxel_size : tuple of float
        mm.
    relaxation : float
        α, between 0 and 2; kept in the type of the arrays.
    shape : tuple of int, optional
        Shape of x, if not that of the threshold.
    smooth : float
        δ, in unit of x per mm: gradients below it cost |G x|² / 2δ + δ/2 instead of |G x| (Huber 1964), so that gentle
        variation is damped like noise rather than flattened. Edges cost what they did.
    """

    def __init__(
        self,
        threshold: FloatArray,
        voxel_size: tuple[float, float, float],
        relaxation: float = 1.7,
        *,
        shape: tuple[int, int, int] | None = None,
        smooth: float = 0.0,
    ) -> None:
        dtype, shape = threshold.dtype, shape or (threshold.shape[0], threshold.shape[1], threshold.shape[2])
        self._threshold = threshold
        self._inverse = (1 / np.array(voxel_size)).astype(dtype)
        self.relaxation = dtype.type(relaxation)
        self._smooth = dtype.type(smooth)
        self._w = np.zeros((3, *shape), dtype)
        self._reflection = np.ones(shape, dtype)
        self._rows = np.empty((shape[0], 3, shape[2]), dtype)

    def update(self, x: FloatArray) -> float:
        """Move w towards G x and return the fixed-point residual ‖G x − z‖ / ‖G x‖, zero at the minimum."""
        _update(
            x, self._threshold, self._inverse, self.relaxation, self._smooth, self._w, self._reflection, self._rows
        )
        residual, size, _ = self._rows.sum(axis=(0, 2), dtype=np.float64)
        return float(np.sqrt(residual / size)) if size > 0 else float(residual > 0)

    def pull(self, out: FloatArray) -> None:
        """Write Gᵀ (2z − w), what the split gradient asks of x, in unit of x per mm²."""
        _pull(self._w, self._reflection, self._inverse, out)


# The innermost loops run over plain neighbours and sum into rows, so that they are vectorised and their sums
# do not depend on the number of threads. `rows` holds, for each plane, two sums of squares (residual,
# gradient) and scratch.


@parallel
def _update(x, threshold, inverse, relaxation, smooth, w, reflection, rows):  # type: ignore[no-untyped-def]
    nx, ny, nz = x.shape
    a, b, c = inverse
    one = threshold.dtype.type(1)
    half = threshold.dtype.type(0.5)
    rows[:, :2] = 0
    for plane in prange(nx):
        i = np.intp(plane)
        i1 = i + 1 if i + 1 < nx else 0
        residual, size, slope = rows[i, 0], rows[i, 1], rows[i, 2]
        for j in range(ny):
            j1 = j + 1 if j + 1 < ny else 0
            limit = threshold[i, j] if threshold.shape[0] > 1 else threshold[0, 0]
            for k in range(nz - 1):
                slope[k] = (x[i, j, k + 1] - x[i, j, k]) * c
            slope[nz - 1] = (x[i, j, 0] - x[i, j, nz - 1]) * c
            for k in range(nz):
                g0 = (x[i1, j, k] - x[i, j, k]) * a
                g1 = (x[i, j1, k] - x[i, j, k]) * b
                g2 = slope[k]
                shorten = half * (one + reflection[i, j, k])
                r0 = g0 - shorten * w[0, i, j, k]
                r1 = g1 - shorten * w[1, i, j, k]
                r2 = g2 - shorten * w[2, i, j, k]
                w0 = w[0, i, j, k] + relaxation * r0
                w1 = w[1, i, j, k] + relaxation * r1
                w2 = w[2, i, j, k] + relaxation * r2
                w[0, i, j, k], w[1, i, j, k], w[2, i, j, k] = w0, w1, w2
                length = np.sqrt(w0 * w0 + w1 * w1 + w2 * w2)
                reflect = one
                if limit[k] > 0:
                    reflect = (smooth - limit[k]) / (smooth + limit[k])
                    if length > smooth + limit[k]:
                        reflect = one - (limit[k] + limit[k]) / length
                reflection[i, j, k] = reflect
                residual[k] += r0 * r0 + r1 * r1 + r2 * r2
                size[k] += g0 * g0 + g1 * g1 + g2 * g2


@parallel
def _pull(w, reflection, inverse, out):  # type: ignore[no-untyped-def]
    nx, ny, nz = out.shape
    a, b, c = inverse
    for plane in prange(nx):
        i = np.intp(plane)
        i0 = i - 1 if i > 0 else nx - 1
        for j in range(ny):
            j0 = j - 1 if j > 0 else ny - 1
            for k in range(nz):
                out[i, j, k] = (
                    a * (w[0, i0, j, k] * reflection[i0, j, k] - w[0, i, j, k] * reflection[i, j, k])
                    + b * (w[1, i, j0, k] * reflection[i, j0, k] - w[1, i, j, k] * reflection[i, j, k])
                    - c * w[2, i, j, k] * reflection[i, j, k]
                )
            for k in range(1, nz):
                out[i, j, k] += c * w[2, i, j, k - 1] * reflection[i, j, k - 1]
            out[i, j, 0] += c * w[2, i, j, nz - 1] * reflection[i, j, nz - 1]
