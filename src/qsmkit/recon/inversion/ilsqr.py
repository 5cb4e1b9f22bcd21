"""Least squares, and the removal of the streaks that they leave."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import ParameterError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.linop import LinearOperator
from qsmkit.optim.solvers import cg, lsmr
from qsmkit.optim.weighted_gradient import WeightedGradient
from qsmkit.physics.box import Box
from qsmkit.physics.derivatives import gradient, gradient_symbol
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import convolve
from qsmkit.recon.inversion.splitting import data_weight
from qsmkit.recon.inversion.tikhonov import tikhonov

OUTSIDE = 0.1
"""Weight of flatness outside the mask, where streaks run on."""


@method("inversion", produces="chi", cite=("Li2015a", "Fong2011"), rev=1)
def ilsqr(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    *,
    cutoff: Annotated[float, Gt(0), Le(1 / 3)] = 0.15,
    krylov_iterations: Annotated[int, Ge(1)] = 4,
    flat: Annotated[float, Ge(0), Lt(1)] = 0.5,
    steep: Annotated[float, Gt(0), Le(1)] = 0.9,
    tolerance: Annotated[float, Gt(0), Lt(1)] = 0.02,
    max_iterations: Annotated[int, Ge(1)] = 100,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Solve by weighted least squares, then find and subtract what streaks along the cone of the kernel.

        χ₁ ≈ argmin ‖W (D χ − B)‖²
        s = argmin Σ v |∇(χ₁ − s)|²    with s(k) = 0 where |D(k)| ≥ δ
        χ = χ₁ − s

    Streaks s live where the kernel is ill-conditioned, and are what makes χ₁ uneven where a first estimate of χ is
    flat: v falls from 1 to 0 between two quantiles of that estimate's gradient (iLSQR, Li 2015).

    Other than published, a few iterations of LSMR on max(|D|, δ) χ take the place of many of LSQR on χ, as in `rts`;
    the first estimate is the closed form of `tikhonov` in place of the truncated sign of the kernel; and s is found by
    conjugate gradients that are preconditioned with the Laplacian, in about ten iterations.

    Parameters
    ----------
    local_field : (X, Y, Z) array
        Local field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the local field is known.
    grid : Grid
        Geometry.
    field_sd : (X, Y, Z) array, optional
        Standard deviation of the field in ppm; W is as in `tv`.
    cutoff : float
        δ: streaks are looked for where the kernel's magnitude is below it.
    krylov_iterations : int
        Iterations of LSMR for χ₁; more of them bring in more noise.
    flat, steep : float
        Quantiles, over the mask, of the first estimate's gradient: up to the one v = 1, from the other on v = 0.
    tolerance : float
        The search for streaks stops when its relative residual is this small.
    max_iterations : int
        Most iterations of the search for streaks.
    margin : float
        Room in mm between the mask and its periodic images.
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.

    Returns
    -------
    (X, Y, Z) array
        Susceptibility in ppm, zero outside the mask.

    Raises
    ------
    ParameterError
        `flat` is not below `steep`.
    InputError
        The field's standard deviation is nowhere positive.

    Warns
    -----
    ConvergenceWarning
        The search for streaks did not reach its tolerance.
    """
    if flat >= steep:
        raise ParameterError(f"ilsqr: flat = {flat:g} must be below steep = {steep:g}; lower it")
    box, dtype = Box.around(mask, grid, margin), local_field.dtype
    inside = box.pad(mask)
    dipole = dipole_kernel(grid, box.shape, kind=kernel, dtype=dtype)
    cone = (np.abs(dipole) < cutoff).astype(dtype)
    cone[0, 0, 0] = 0
    scaling = 1 / np.maximum(np.abs(dipole), dtype.type(cutoff))
    dipole *= scaling
    weight = box.pad(data_weight(field_sd, mask).astype(dtype))
    scaled_field = LinearOperator(
        box.shape,
        box.shape,
        lambda x: convolve(x, dipole, box.shape) * weight,
        lambda y: convolve(y * weight, dipole, box.shape),
    )
    first = lsmr(scaled_field, box.pad(local_field) * weight, max_iterations=krylov_iterations).x
    x = convolve(first, scaling, box.shape)
    del first, scaling

    evenness = WeightedGradient(box.shape, grid.voxel_size, dtype)
    evenness.weight[...] = box.pad(_flatness(tikhonov(local_field, mask, grid, kernel=kernel), mask, grid, flat, steep))
    evenness.weight[~inside] = OUTSIDE
    everywhere = np.ones(box.shape, bool)
    laplacian = gradient_symbol(box.shape, grid.voxel_size, dtype=dtype)
    laplacian[0, 0, 0] = 1
    smoothing = cone / laplacian

    def normal(s: FloatArray) -> FloatArray:
        y = np.zeros_like(s)
        evenness.add_normal(s, everywhere, y)
        return convolve(y, cone, box.shape)

    streaks = cg(
        normal,
        normal(x),
        precondition=lambda r: convolve(r, smoothing, box.shape),
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    return box.restore(x - streaks.accept("ilsqr"), mask)


def _flatness(estimate: FloatArray, mask: BoolArray, grid: Grid, flat: float, steep: float) -> FloatArray:
    """Return v, which falls from 1 to 0 where the estimate's gradient is between its quantiles `flat` and `steep`."""
    steepness = np.linalg.norm(gradient(estimate, grid.voxel_size), axis=0)
    low, high = np.quantile(steepness[mask], (flat, steep))
    falling: FloatArray = np.clip((high - steepness) / max(high - low, np.finfo(estimate.dtype).tiny), 0, 1)
    return falling**2
