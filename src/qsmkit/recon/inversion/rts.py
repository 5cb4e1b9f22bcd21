"""Rapid two-step inversion."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.linop import LinearOperator
from qsmkit.optim.solution import Solution
from qsmkit.optim.solvers import iterate, lsmr
from qsmkit.optim.total_variation import TotalVariation
from qsmkit.physics.box import Box
from qsmkit.physics.derivatives import gradient_symbol
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import convolve, irfftn, rfftn

THRESHOLD = 0.01
"""κ = λ/ρ in ppm/mm: below it the split gradient is zero. It sets the speed, not the result."""


@method("inversion", produces="chi", cite=("Kames2018", "Fong2011"), rev=1)
def rts(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    *,
    cutoff: Annotated[float, Gt(0), Le(2 / 3)] = 0.15,
    regularisation: Annotated[float, Gt(0)] = 1e-3,
    krylov_iterations: Annotated[int, Ge(1)] = 4,
    tolerance: Annotated[float, Gt(0)] = 0.01,
    max_iterations: Annotated[int, Ge(1)] = 50,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Solve the well-conditioned part by a few Krylov steps, and fill in the rest by total variation.

        χ₁ ≈ argmin ‖M (D χ − B)‖²
        χ = argmin λ Σ |∇χ| + ½ ‖S (F χ − F χ₁)‖²,    S(k) = 1 where |D(k)| > δ and at k = 0, else 0

    χ₁ comes from a few iterations of LSMR, M being the mask, and χ from ADMM with one pair of transforms an
    iteration (Kames 2018). Other than published, LSMR works on max(|D|, δ) χ: without this scaling a few
    iterations leave the frequencies just above δ far too small.

    Parameters
    ----------
    local_field : (X, Y, Z) array
        Local field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the local field is known.
    grid : Grid
        Geometry.
    cutoff : float
        δ: frequencies with a dipole kernel below it are taken from the second step.
    regularisation : float
        λ, in ppm mm; the inverse of the published μ.
    krylov_iterations : int
        Iterations of LSMR in the first step.
    tolerance : float
        The second step stops when its fixed-point residual is this small a part of the gradient.
    max_iterations : int
        Most iterations of the second step.
    margin : float
        Room in mm between the mask and its periodic images.
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.

    Returns
    -------
    (X, Y, Z) array
        Susceptibility in ppm, zero outside the mask.

    Warns
    -----
    ConvergenceWarning
        The second step did not reach its tolerance.
    """
    box, dtype = Box.around(mask, grid, margin), local_field.dtype
    dipole = dipole_kernel(grid, box.shape, kind=kernel, dtype=dtype)
    inside = box.pad(mask)
    known = (np.abs(dipole) > cutoff).astype(dtype)
    known[0, 0, 0] = 1
    scaling = 1 / np.maximum(np.abs(dipole), dtype.type(cutoff))
    dipole *= scaling
    scaled_field = LinearOperator(
        box.shape,
        box.shape,
        lambda x: convolve(x, dipole, box.shape) * inside,
        lambda y: convolve(y * inside, dipole, box.shape),
    )
    first = lsmr(scaled_field, box.pad(local_field * mask), max_iterations=krylov_iterations).x
    data = rfftn(first)
    data *= scaling
    x = irfftn(data.copy(), box.shape)
    data *= known

    penalty = dtype.type(regularisation / THRESHOLD)
    response = gradient_symbol(box.shape, grid.voxel_size, dtype=dtype)
    response *= penalty
    response += known
    np.reciprocal(response, out=response)

    variation = TotalVariation(np.full(box.shape, THRESHOLD, dtype), grid.voxel_size)
    pulled = np.empty(box.shape, dtype)

    def step() -> float:
        nonlocal x
        residual = variation.update(x)
        variation.pull(pulled)
        np.multiply(pulled, penalty, out=pulled)
        spectrum = rfftn(pulled)
        spectrum += data
        spectrum *= response
        x = irfftn(spectrum, box.shape)
        return residual

    status, history = iterate(step, tolerance=tolerance, max_iterations=max_iterations)
    return box.restore(Solution(x, status, len(history), history).accept("rts"), mask)
