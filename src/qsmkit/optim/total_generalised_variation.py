"""Second-order total generalised variation inside a splitting method, in four fused passes an iteration.

    TGV(x) = min_w α₁ Σ |G x − w| + α₀ Σ |E w|,    E w = (∇w + ∇wᵀ)/2

(Bredies 2010, `Bredies2010`): gradients are free where they change slowly, so that ramps are not turned into steps. Two
splittings meet here. G x − w is split off as in `TotalVariation`, with one state v whose reflection 2z − v is asked
for. E w is met by primal–dual steps (Chambolle & Pock 2011), which hold w near where it was: minimised over w, point
by point, the penalties on x become one, on its gradient, so that x is found in the Fourier domain as for total
variation.
"""

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange


class TotalGeneralisedVariation:
    """The state of gradient, slope field and their derivative, and the passes that use it.

    Parameters
    ----------
    inside : (X, Y, Z) bool array
        Voxels whose variation counts; differences that leave them cost nothing.
    counted : (X, Y, Z) or (1, 1, Z) bool array
        Where the first order counts at all: not on edges that are known.
    voxel_size : tuple of float
        mm.
    weights : tuple of float
        α₁ in ppm mm, α₀ in ppm mm².
    threshold : float
        κ in ppm/mm: |G x − w| below it is zero in the split variable. Sets how fast the iteration converges.
    slope_step : float
        How far w moves in a primal–dual step, as a multiple of the balanced step. Sets how fast it converges.
    relaxation : float
        Over-relaxation of the split gradient, between 0 and 2; kept in the type of the arrays.
    dtype : dtype
        Of all arrays.
    """

    def __init__(
        self, inside: BoolArray, counted: BoolArray, voxel_size: tuple[float, float, float],
        weights: tuple[float, float], *, threshold: float, slope_step: float, relaxation: float = 1.7, dtype: np.dtype,
    ) -> None:
        shape = inside.shape
        self._flags = (_paired(inside) & counted).astype(np.uint8) + 2 * _paired(inside, -1).astype(np.uint8)
        self._inverse = (1 / np.array(voxel_size)).astype(dtype)
        first, second = weights
        penalty = first / threshold
        norm = 4 * sum(h**-2.0 for h in voxel_size)
        hold = penalty / slope_step
        self.penalty = dtype.type(penalty * hold / (penalty + hold))
        self._share = dtype.type(penalty / (penalty + hold))
        self._threshold = dtype.type(threshold)
        self._bound = dtype.type(second)
        self._primal = dtype.type(1 / hold)
        self._dual = dtype.type(hold / norm)
        self.relaxation = dtype.type(relaxation)
        self._v = np.zeros((3, *shape), dtype)
        self._reflection = np.ones(shape, dtype)
        self._slope = np.zeros((3, *shape), dtype)
        self._ahead = np.zeros((3, *shape), dtype)
        self._bend = np.zeros((6, *shape), dtype)
        self._rows = np.empty((shape[0], 2, shape[2]), dtype)

    def update(self, x: FloatArray) -> float:
        """Move v and w towards G x, and return the fixed-point residual ‖G x − w − z‖ / ‖G x‖."""
        _split(x, self._flags, self._inverse, self._threshold, self._share, self.relaxation,
               self._v, self._reflection, self._slope, self._ahead, self._rows)
        _bend(self._ahead, self._flags, self._inverse, self._dual, self._bound, self._bend)
        _relax(self._slope, self._bend, self._inverse, self._primal, self._ahead)
        residual, size = self._rows.sum(axis=(0, 2), dtype=np.float64)
        return float(np.sqrt(residual / size)) if size > 0 else float(residual > 0)

    def pull(self, out: FloatArray) -> None:
        """Write Gᵀ (2z − v + w), what gradient and slope ask of x, in unit of x per mm²."""
        _pull(self._v, self._reflection, self._ahead, self._inverse, out)


def _paired(inside: BoolArray, ahead: int = 1) -> BoolArray:
    """Return the voxels whose next neighbours along every axis, or those before (−1), lie in the mask as they do."""
    pairs = inside.copy()
    for axis in range(3):
        pairs &= np.roll(inside, -ahead, axis)
    return pairs


@parallel
def _split(x, flags, inverse, threshold, share, relaxation, v, reflection, slope, ahead, rows):  # type: ignore[no-untyped-def]
    """Given x, find w (its prediction is in `ahead`, which is replaced by 2w − w_old) and step v."""
    nx, ny, nz = x.shape
    a, b, c = inverse
    one = x.dtype.type(1)
    half = x.dtype.type(0.5)
    rows[:] = 0
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
                r = reflection[i, j, k]
                w0 = ahead[0, i, j, k] + share * (g0 - r * v[0, i, j, k] - ahead[0, i, j, k])
                w1 = ahead[1, i, j, k] + share * (g1 - r * v[1, i, j, k] - ahead[1, i, j, k])
                w2 = ahead[2, i, j, k] + share * (g2 - r * v[2, i, j, k] - ahead[2, i, j, k])
                ahead[0, i, j, k] = w0 + w0 - slope[0, i, j, k]
                ahead[1, i, j, k] = w1 + w1 - slope[1, i, j, k]
                ahead[2, i, j, k] = w2 + w2 - slope[2, i, j, k]
                slope[0, i, j, k] = w0
                slope[1, i, j, k] = w1
                slope[2, i, j, k] = w2
                shorten = half * (one + r)
                r0 = g0 - w0 - shorten * v[0, i, j, k]
                r1 = g1 - w1 - shorten * v[1, i, j, k]
                r2 = g2 - w2 - shorten * v[2, i, j, k]
                v0 = v[0, i, j, k] + relaxation * r0
                v1 = v[1, i, j, k] + relaxation * r1
                v2 = v[2, i, j, k] + relaxation * r2
                v[0, i, j, k] = v0
                v[1, i, j, k] = v1
                v[2, i, j, k] = v2
                length = np.sqrt(v0 * v0 + v1 * v1 + v2 * v2)
                limit = threshold * x.dtype.type(flags[i, j, k] & 1)
                reflect = -one
                if length >= limit:
                    reflect = one - (limit + limit) / max(length, threshold * half * half * half * half)
                reflection[i, j, k] = reflect
                rows[i, 0, k] += r0 * r0 + r1 * r1 + r2 * r2
                rows[i, 1, k] += g0 * g0 + g1 * g1 + g2 * g2


@parallel
def _bend(w, flags, inverse, step, bound, q):  # type: ignore[no-untyped-def]
    """Dual step of E w: xx, yy, zz, xy, xz, yz, no longer than the bound, zero where it leaves the mask."""
    nx, ny, nz = flags.shape
    a, b, c = inverse
    half = w.dtype.type(0.5)
    for plane in prange(nx):
        i = np.intp(plane)
        i0 = i - 1 if i > 0 else nx - 1
        for j in range(ny):
            j0 = j - 1 if j > 0 else ny - 1
            for k in range(nz):
                k0 = k - 1 if k > 0 else nz - 1
                xx = q[0, i, j, k] + step * a * (w[0, i, j, k] - w[0, i0, j, k])
                yy = q[1, i, j, k] + step * b * (w[1, i, j, k] - w[1, i, j0, k])
                zz = q[2, i, j, k] + step * c * (w[2, i, j, k] - w[2, i, j, k0])
                xy = q[3, i, j, k] + step * half * (
                    b * (w[0, i, j, k] - w[0, i, j0, k]) + a * (w[1, i, j, k] - w[1, i0, j, k]))
                xz = q[4, i, j, k] + step * half * (
                    c * (w[0, i, j, k] - w[0, i, j, k0]) + a * (w[2, i, j, k] - w[2, i0, j, k]))
                yz = q[5, i, j, k] + step * half * (
                    c * (w[1, i, j, k] - w[1, i, j, k0]) + b * (w[2, i, j, k] - w[2, i, j0, k]))
                mixed = xy * xy + xz * xz + yz * yz
                length = np.sqrt(xx * xx + yy * yy + zz * zz + mixed + mixed)
                keep = w.dtype.type(flags[i, j, k] >> 1) * bound / max(bound, length)
                q[0, i, j, k] = keep * xx
                q[1, i, j, k] = keep * yy
                q[2, i, j, k] = keep * zz
                q[3, i, j, k] = keep * xy
                q[4, i, j, k] = keep * xz
                q[5, i, j, k] = keep * yz


@parallel
def _relax(w, q, inverse, step, out):  # type: ignore[no-untyped-def]
    """Write w − step Eᵀ q, where w is drawn by the penalty on its derivative."""
    _, nx, ny, nz = w.shape
    a, b, c = inverse
    for plane in prange(nx):
        i = np.intp(plane)
        i1 = i + 1 if i + 1 < nx else 0
        for j in range(ny):
            j1 = j + 1 if j + 1 < ny else 0
            for k in range(nz):
                k1 = k + 1 if k + 1 < nz else 0
                out[0, i, j, k] = w[0, i, j, k] + step * (
                    a * (q[0, i1, j, k] - q[0, i, j, k])
                    + b * (q[3, i, j1, k] - q[3, i, j, k])
                    + c * (q[4, i, j, k1] - q[4, i, j, k]))
                out[1, i, j, k] = w[1, i, j, k] + step * (
                    a * (q[3, i1, j, k] - q[3, i, j, k])
                    + b * (q[1, i, j1, k] - q[1, i, j, k])
                    + c * (q[5, i, j, k1] - q[5, i, j, k]))
                out[2, i, j, k] = w[2, i, j, k] + step * (
                    a * (q[4, i1, j, k] - q[4, i, j, k])
                    + b * (q[5, i, j1, k] - q[5, i, j, k])
                    + c * (q[2, i, j, k1] - q[2, i, j, k]))


@parallel
def _pull(v, reflection, w, inverse, out):  # type: ignore[no-untyped-def]
    nx, ny, nz = out.shape
    a, b, c = inverse
    for plane in prange(nx):
        i = np.intp(plane)
        i0 = i - 1 if i > 0 else nx - 1
        for j in range(ny):
            j0 = j - 1 if j > 0 else ny - 1
            for k in range(nz):
                k0 = k - 1 if k > 0 else nz - 1
                r = reflection[i, j, k]
                out[i, j, k] = (
                    a * (v[0, i0, j, k] * reflection[i0, j, k] + w[0, i0, j, k] - v[0, i, j, k] * r - w[0, i, j, k])
                    + b * (v[1, i, j0, k] * reflection[i, j0, k] + w[1, i, j0, k] - v[1, i, j, k] * r - w[1, i, j, k])
                    + c * (v[2, i, j, k0] * reflection[i, j, k0] + w[2, i, j, k0] - v[2, i, j, k] * r - w[2, i, j, k])
                )
