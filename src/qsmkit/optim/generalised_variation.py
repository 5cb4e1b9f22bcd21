"""Second-order total generalised variation inside a splitting method.

    TGV(x) = min_v α₁ Σ |G x − v| + α₀ Σ |E v|,    E v = ½ (∇v + ∇vᵀ)

(Bredies 2010): x may rise at a constant slope v for free. Both norms are split, z₁ = G x − v and z₂ = E v, as in
`TotalVariation`, with penalties ρ and r ρ. G takes forward differences and E backward ones. In k-space, where G is
multiplication by g and E by −ḡ,

    v = A⁻¹ (b + g x),    A = I + r EᴴE = c I + r/2 ḡ ḡᴴ,    c = 1 + r |g|²/2

in unit of ρ, with b = −a₁ + r Eᴴa₂ what the splittings ask of v: a rank-one update, whose inverse is closed.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import ComplexArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.physics.fft import Shape, frequencies, irfftn, rfftn


class GeneralisedVariation:
    """The states of both splittings and the field v.

    Parameters
    ----------
    threshold : (X, Y, Z) or (1, 1, Z) array
        κ₁ = α₁/ρ, in unit of x per mm; zero where an edge costs nothing. One row stands for all.
    bend : float
        κ₂ = α₀/(r ρ), in unit of x per mm².
    ratio : float
        r, penalty of the second splitting over that of the first, mm².
    voxel_size : tuple of float
        mm.
    relaxation : float
        α, between 0 and 2; kept in the type of the arrays.
    shape : tuple of int
        Shape of x.
    """

    def __init__(
        self, threshold: FloatArray, bend: float, ratio: float, voxel_size: tuple[float, float, float],
        relaxation: float = 1.7, *, shape: Shape,
    ) -> None:  # fmt: skip
        dtype = threshold.dtype
        self.relaxation = dtype.type(relaxation)
        self._threshold, self._bend, self._ratio = threshold, dtype.type(bend), dtype.type(ratio)
        self._inverse = (1 / np.array(voxel_size)).astype(dtype)
        self._shape = shape
        complex_type = np.result_type(dtype, np.complex64)
        self._g = tuple(
            ((np.exp(2j * np.pi * k * h) - 1) / h).ravel().astype(complex_type)
            for k, h in zip(frequencies(shape, voxel_size), voxel_size, strict=True)
        )
        self._w1, self._w2 = np.zeros((3, *shape), dtype), np.zeros((6, *shape), dtype)
        self._reflection1, self._reflection2 = np.ones(shape, dtype), np.ones(shape, dtype)
        self._rows = np.empty((shape[0], 2, shape[2]), dtype)
        self._v: list[Any] = [np.zeros(shape, dtype) for _ in range(3)]

    def symbol(self) -> FloatArray:
        """Return gᴴg − gᴴA⁻¹g, what is left of the penalty on the gradient once v is eliminated, 1/mm²."""
        x, y, z = self._shape
        symbol = np.empty((x, y, z // 2 + 1), self._threshold.dtype)
        gx, gy, gz = self._g
        _symbol(gx, gy, gz, self._ratio, symbol)
        return symbol

    def eliminate(self, chi: ComplexArray, penalty: npt.ArrayLike) -> None:
        """Add ρ gᴴA⁻¹b to what is asked of x, times its penalty."""
        for axis in range(3):
            self._v[axis] = rfftn(self._v[axis])
        v0, v1, v2 = self._v
        gx, gy, gz = self._g
        _eliminate(chi, v0, v1, v2, gx, gy, gz, self._ratio, penalty)

    def substitute(self, chi: ComplexArray) -> None:
        """Find v of this x."""
        v0, v1, v2 = self._v
        gx, gy, gz = self._g
        _substitute(chi, v0, v1, v2, gx, gy, gz, self._ratio)
        del v0, v1, v2
        for axis in range(3):
            self._v[axis] = irfftn(self._v[axis], self._shape)

    def update(self, x: FloatArray) -> float:
        """Step both states with x and v; return the relative fixed-point residual of the first, ‖G x − v − z‖/‖G x‖."""
        v0, v1, v2 = self._v
        rows, step = self._rows, self.relaxation
        _update_slope(x, v0, v1, v2, self._threshold, self._inverse, step, self._w1, self._reflection1, rows)
        residual, size = rows.sum(axis=(0, 2), dtype=np.float64)
        _update_bend(v0, v1, v2, self._bend, self._inverse, step, self._w2, self._reflection2)
        return float(np.sqrt(residual / size)) if size > 0 else float(residual > 0)

    def pull(self, out: FloatArray) -> None:
        """Write Gᵀ a₁, what is asked of x in unit of x per mm², and keep what is asked of v."""
        v0, v1, v2 = self._v
        first, second = self._reflection1, self._reflection2
        _pull(self._w1, first, self._w2, second, self._ratio, self._inverse, out, v0, v1, v2)


@parallel
def _symbol(gx, gy, gz, ratio, symbol):  # type: ignore[no-untyped-def]
    one = ratio / ratio
    half = ratio / (ratio + ratio)
    for i in prange(symbol.shape[0]):
        for j in range(symbol.shape[1]):
            for k in range(symbol.shape[2]):
                a, b, c = gx[i], gy[j], gz[k]
                square = a.real**2 + a.imag**2 + b.real**2 + b.imag**2 + c.real**2 + c.imag**2
                aligned = a * a + b * b + c * c
                diagonal = one + half * ratio * square
                shrink = half * ratio / (diagonal + half * ratio * square)
                product = aligned.real**2 + aligned.imag**2
                symbol[i, j, k] = square - (square - shrink * product) / diagonal


@parallel
def _eliminate(chi, v0, v1, v2, gx, gy, gz, ratio, penalty):  # type: ignore[no-untyped-def]
    """Replace b by A⁻¹b, and add ρ gᴴA⁻¹b to chi."""
    one = ratio / ratio
    half = ratio / (ratio + ratio)
    for i in prange(chi.shape[0]):
        for j in range(chi.shape[1]):
            for k in range(chi.shape[2]):
                a, b, c = gx[i], gy[j], gz[k]
                square = a.real**2 + a.imag**2 + b.real**2 + b.imag**2 + c.real**2 + c.imag**2
                diagonal = one + half * ratio * square
                shrink = half * ratio / (diagonal + half * ratio * square)
                x, y, z = v0[i, j, k], v1[i, j, k], v2[i, j, k]
                along = shrink * (a * x + b * y + c * z)
                x = (x - np.conj(a) * along) / diagonal
                y = (y - np.conj(b) * along) / diagonal
                z = (z - np.conj(c) * along) / diagonal
                v0[i, j, k], v1[i, j, k], v2[i, j, k] = x, y, z
                chi[i, j, k] += penalty * (np.conj(a) * x + np.conj(b) * y + np.conj(c) * z)


@parallel
def _substitute(chi, v0, v1, v2, gx, gy, gz, ratio):  # type: ignore[no-untyped-def]
    """Add A⁻¹g x to A⁻¹b."""
    one = ratio / ratio
    half = ratio / (ratio + ratio)
    for i in prange(chi.shape[0]):
        for j in range(chi.shape[1]):
            for k in range(chi.shape[2]):
                a, b, c = gx[i], gy[j], gz[k]
                square = a.real**2 + a.imag**2 + b.real**2 + b.imag**2 + c.real**2 + c.imag**2
                diagonal = one + half * ratio * square
                shrink = half * ratio / (diagonal + half * ratio * square)
                along = shrink * (a * a + b * b + c * c)
                x = chi[i, j, k] / diagonal
                v0[i, j, k] += (a - np.conj(a) * along) * x
                v1[i, j, k] += (b - np.conj(b) * along) * x
                v2[i, j, k] += (c - np.conj(c) * along) * x


# As in total_variation.py: the innermost loops run over plain neighbours and sum into rows.


@parallel
def _update_slope(x, v0, v1, v2, threshold, inverse, relaxation, w, reflection, rows):  # type: ignore[no-untyped-def]
    nx, ny, nz = x.shape
    a, b, c = inverse
    one = threshold.dtype.type(1)
    half = threshold.dtype.type(0.5)
    rows[:] = 0
    for plane in prange(nx):
        i = np.intp(plane)
        i1 = i + 1 if i + 1 < nx else 0
        residual, size = rows[i, 0], rows[i, 1]
        for j in range(ny):
            j1 = j + 1 if j + 1 < ny else 0
            limit = threshold[i, j] if threshold.shape[0] > 1 else threshold[0, 0]
            for k in range(nz):
                k1 = k + 1 if k + 1 < nz else 0
                g0 = (x[i1, j, k] - x[i, j, k]) * a
                g1 = (x[i, j1, k] - x[i, j, k]) * b
                g2 = (x[i, j, k1] - x[i, j, k]) * c
                size[k] += g0 * g0 + g1 * g1 + g2 * g2
                shorten = half * (one + reflection[i, j, k])
                r0 = g0 - v0[i, j, k] - shorten * w[0, i, j, k]
                r1 = g1 - v1[i, j, k] - shorten * w[1, i, j, k]
                r2 = g2 - v2[i, j, k] - shorten * w[2, i, j, k]
                residual[k] += r0 * r0 + r1 * r1 + r2 * r2
                w0 = w[0, i, j, k] + relaxation * r0
                w1 = w[1, i, j, k] + relaxation * r1
                w2 = w[2, i, j, k] + relaxation * r2
                w[0, i, j, k], w[1, i, j, k], w[2, i, j, k] = w0, w1, w2
                length = np.sqrt(w0 * w0 + w1 * w1 + w2 * w2)
                reflection[i, j, k] = one - (limit[k] + limit[k]) / length if length > limit[k] else -one


@parallel
def _update_bend(v0, v1, v2, bend, inverse, relaxation, w, reflection):  # type: ignore[no-untyped-def]
    """Components of E v: 00, 11, 22, 01, 02, 12; the last three count twice in its length."""
    nx, ny, nz = v0.shape
    a, b, c = inverse
    one = reflection.dtype.type(1)
    half = reflection.dtype.type(0.5)
    for plane in prange(nx):
        i = np.intp(plane)
        i0 = i - 1 if i > 0 else nx - 1
        for j in range(ny):
            j0 = j - 1 if j > 0 else ny - 1
            for k in range(nz):
                k0 = k - 1 if k > 0 else nz - 1
                e00 = (v0[i, j, k] - v0[i0, j, k]) * a
                e11 = (v1[i, j, k] - v1[i, j0, k]) * b
                e22 = (v2[i, j, k] - v2[i, j, k0]) * c
                e01 = half * ((v0[i, j, k] - v0[i, j0, k]) * b + (v1[i, j, k] - v1[i0, j, k]) * a)
                e02 = half * ((v0[i, j, k] - v0[i, j, k0]) * c + (v2[i, j, k] - v2[i0, j, k]) * a)
                e12 = half * ((v1[i, j, k] - v1[i, j, k0]) * c + (v2[i, j, k] - v2[i, j0, k]) * b)
                keep = one - relaxation * half * (one + reflection[i, j, k])
                w0 = keep * w[0, i, j, k] + relaxation * e00
                w1 = keep * w[1, i, j, k] + relaxation * e11
                w2 = keep * w[2, i, j, k] + relaxation * e22
                w3 = keep * w[3, i, j, k] + relaxation * e01
                w4 = keep * w[4, i, j, k] + relaxation * e02
                w5 = keep * w[5, i, j, k] + relaxation * e12
                w[0, i, j, k], w[1, i, j, k], w[2, i, j, k] = w0, w1, w2
                w[3, i, j, k], w[4, i, j, k], w[5, i, j, k] = w3, w4, w5
                cross = w3 * w3 + w4 * w4 + w5 * w5
                length = np.sqrt(w0 * w0 + w1 * w1 + w2 * w2 + cross + cross)
                reflection[i, j, k] = one - (bend + bend) / length if length > bend else -one


@parallel
def _pull(w1, r1, w2, r2, ratio, inverse, out, v0, v1, v2):  # type: ignore[no-untyped-def]
    """Write Gᵀ a₁, and −a₁ + r Eᴴ a₂ over v, with a = reflection · w."""
    nx, ny, nz = out.shape
    a, b, c = inverse
    for plane in prange(nx):
        i = np.intp(plane)
        i0 = i - 1 if i > 0 else nx - 1
        i1 = i + 1 if i + 1 < nx else 0
        for j in range(ny):
            j0 = j - 1 if j > 0 else ny - 1
            j1 = j + 1 if j + 1 < ny else 0
            for k in range(nz):
                k0 = k - 1 if k > 0 else nz - 1
                k1 = k + 1 if k + 1 < nz else 0
                here, before = r1[i, j, k], r1[i, j, k0]
                x, y, z = here * w1[0, i, j, k], here * w1[1, i, j, k], here * w1[2, i, j, k]
                out[i, j, k] = (
                    a * (w1[0, i0, j, k] * r1[i0, j, k] - x)
                    + b * (w1[1, i, j0, k] * r1[i, j0, k] - y)
                    + c * (w1[2, i, j, k0] * before - z)
                )
                here, px, py, pz = r2[i, j, k], r2[i1, j, k], r2[i, j1, k], r2[i, j, k1]
                v0[i, j, k] = -x + ratio * (
                    a * (here * w2[0, i, j, k] - px * w2[0, i1, j, k])
                    + b * (here * w2[3, i, j, k] - py * w2[3, i, j1, k])
                    + c * (here * w2[4, i, j, k] - pz * w2[4, i, j, k1])
                )
                v1[i, j, k] = -y + ratio * (
                    a * (here * w2[3, i, j, k] - px * w2[3, i1, j, k])
                    + b * (here * w2[1, i, j, k] - py * w2[1, i, j1, k])
                    + c * (here * w2[5, i, j, k] - pz * w2[5, i, j, k1])
                )
                v2[i, j, k] = -z + ratio * (
                    a * (here * w2[4, i, j, k] - px * w2[4, i1, j, k])
                    + b * (here * w2[5, i, j, k] - py * w2[5, i, j1, k])
                    + c * (here * w2[2, i, j, k] - pz * w2[2, i, j, k1])
                )
