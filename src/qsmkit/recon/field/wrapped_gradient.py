"""The field straight from wrapped phase: from its differences between neighbours, nothing unwrapped in space.

The difference of two neighbours is short: it wraps at late echoes and near veins only, and there the earlier echoes of
the same pair predict the turns. A line through the echoes gives the field's gradient g, and

    B = argmin ½ Σ W |G B − g|²,    that is    Gᵀ W G B = Gᵀ W g

over pairs of neighbours inside the mask (Ghiglia & Romero 1994, `Ghiglia1994`). Inside, where W is even, this is
Poisson's equation with the Laplacian of the wrapped phase; at the edge no neighbour outside is asked, so that no rim is
lost.
"""

import math

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.grid import Grid
from qsmkit.optim.solvers import cg
from qsmkit.physics.box import Box
from qsmkit.physics.derivatives import gradient_symbol
from qsmkit.physics.fft import irfftn, rfftn
from qsmkit.units import radians_per_ppm

TURN = 2 * math.pi

TOLERANCE, MAX_ITERATIONS = 1e-3, 200
MARGIN = 10.0
"""Room in mm between the mask and its periodic images in the preconditioner."""


def field_from_wrapped(
    phase: FloatArray,
    echo_times: npt.NDArray[np.float64],
    field_strength: float,
    mask: BoolArray,
    grid: Grid,
    magnitude: FloatArray | None = None,
) -> FloatArray:
    """Return the field shift, up to a constant in each connected part of the mask.

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Wrapped phase in rad.
    echo_times : (E,) array
        Echo times in s.
    field_strength : float
        Main field in T.
    mask : (X, Y, Z) bool array
        Voxels whose phase is known.
    grid : Grid
        Geometry.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude in arbitrary units; without it all voxels weigh the same.

    Returns
    -------
    (X, Y, Z) array
        Field in ppm, zero outside the mask.

    Warns
    -----
    ConvergenceWarning
        The equation was not solved to a thousandth.
    """
    box, dtype = Box.around(mask, grid, MARGIN), phase.dtype
    inside = box.pad(mask)
    turns = np.array([radians_per_ppm(field_strength, t) for t in echo_times], dtype)
    slope, weight = np.zeros((3, *box.shape), dtype), np.zeros((3, *box.shape), dtype)
    strength = np.ones_like(phase) if magnitude is None else magnitude
    _slopes(box.crop(phase), box.crop(strength), box.crop(mask), turns, slope, weight)
    known = weight[weight > 0]
    weight *= 1 / np.median(known) if known.size else 1
    np.minimum(weight, 1, out=weight)
    inverse = (1 / np.array(grid.voxel_size)).astype(dtype)
    slope *= weight * inverse[:, None, None, None]
    right = np.empty(box.shape, dtype)
    _gather(slope, inverse, right)
    symbol = gradient_symbol(box.shape, grid.voxel_size, dtype=dtype)
    symbol[0, 0, 0] = 1
    out = np.empty_like(right)

    def normal(b: FloatArray) -> FloatArray:
        _weighted_laplacian(b, weight, inverse, out)
        return out

    def poisson(residual: FloatArray) -> FloatArray:
        spectrum = rfftn(residual)
        spectrum /= symbol
        spectrum[0, 0, 0] = 0
        b = irfftn(spectrum, box.shape)
        b *= inside
        return b

    solution = cg(normal, right, precondition=poisson, tolerance=TOLERANCE, max_iterations=MAX_ITERATIONS)
    return box.restore(solution.accept("field_from_wrapped"), mask)


@parallel
def _slopes(phase, strength, mask, turns, slope, weight):  # type: ignore[no-untyped-def]
    """Fit a line through the phase differences of every pair of neighbours, each unwrapped by the line so far."""
    nx, ny, nz, echoes = phase.shape
    for i in prange(nx):
        for j in range(ny):
            for k in range(nz):
                if not mask[i, j, k]:
                    continue
                for axis in range(3):
                    x, y, z = i + (axis == 0), j + (axis == 1), k + (axis == 2)
                    if x == nx or y == ny or z == nz or not mask[x, y, z]:
                        continue
                    square = product = 0.0
                    for e in range(echoes):
                        one, other = strength[i, j, k, e] ** 2, strength[x, y, z, e] ** 2
                        trust = one * other / (one + other) if one + other > 0 else 0.0
                        step = phase[x, y, z, e] - phase[i, j, k, e]
                        expected = product / square * turns[e] if square > 0 else 0.0
                        step += TURN * math.floor((expected - step) / TURN + 0.5)
                        square += trust * turns[e] * turns[e]
                        product += trust * turns[e] * step
                    if square > 0:
                        slope[axis, i, j, k] = product / square
                        weight[axis, i, j, k] = square


@parallel
def _gather(steps, inverse, out):  # type: ignore[no-untyped-def]
    """Write the sum of the steps that lead to each voxel, minus those that leave it, over the voxel size."""
    nx, ny, nz = out.shape
    a, b, c = inverse
    for plane in prange(nx):
        i = np.intp(plane)
        for j in range(ny):
            for k in range(nz):
                total = -a * steps[0, i, j, k] - b * steps[1, i, j, k] - c * steps[2, i, j, k]
                if i > 0:
                    total += a * steps[0, i - 1, j, k]
                if j > 0:
                    total += b * steps[1, i, j - 1, k]
                if k > 0:
                    total += c * steps[2, i, j, k - 1]
                out[i, j, k] = total


@parallel
def _weighted_laplacian(x, weight, inverse, out):  # type: ignore[no-untyped-def]
    """Write Gᵀ W G x; the weight of what leaves the volume is zero."""
    nx, ny, nz = x.shape
    a, b, c = inverse[0] * inverse[0], inverse[1] * inverse[1], inverse[2] * inverse[2]
    for plane in prange(nx):
        i = np.intp(plane)
        i0, i1 = (i - 1 if i > 0 else 0), (i + 1 if i + 1 < nx else i)
        for j in range(ny):
            j0, j1 = (j - 1 if j > 0 else 0), (j + 1 if j + 1 < ny else j)
            for k in range(nz):
                k0, k1 = (k - 1 if k > 0 else 0), (k + 1 if k + 1 < nz else k)
                here = x[i, j, k]
                out[i, j, k] = (
                    a * (weight[0, i, j, k] * (here - x[i1, j, k]) + weight[0, i0, j, k] * (here - x[i0, j, k]))
                    + b * (weight[1, i, j, k] * (here - x[i, j1, k]) + weight[1, i, j0, k] * (here - x[i, j0, k]))
                    + c * (weight[2, i, j, k] * (here - x[i, j, k1]) + weight[2, i, j, k0] * (here - x[i, j, k0]))
                )
