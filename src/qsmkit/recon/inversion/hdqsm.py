"""Inversion with a hybrid data term: least magnitudes find the outliers, least squares do the rest."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.total_variation import TotalVariation
from qsmkit.physics.box import Box
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import convolve
from qsmkit.recon.inversion.splitting import Penalties, SplitField, data_weight, gradient_threshold, invert

# Penalties of the splittings. They set how fast the iteration converges, not what it converges to.
THRESHOLD = 0.01
"""κ = λ/ρ in ppm/mm: gradients below it are zero in the split variable, in both stages."""
FIELD_THRESHOLD = 0.003
"""1/ρ in ppm in the first stage: misfits below it are zero in the split field where W is 1."""
FIELD_PENALTY = 0.2
SUPPORT_PENALTY = 0.01
"""Of the second stage; their ratio holds in the first stage too."""
NORMAL = 0.6745
"""Median of the magnitude of a standard normal variable."""


@method("inversion", produces="chi", cite=("Lambert2022", "Milovic2022"), rev=1)
def hdqsm(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    magnitude: FloatArray | None = None,
    *,
    regularisation: Annotated[float, Gt(0)] = 8e-5,
    first_regularisation: Annotated[float, Gt(0)] = 0.03,
    first_iterations: Annotated[int, Ge(1)] = 15,
    outlier: Annotated[float, Gt(0)] = 10.0,
    edges: Annotated[float, Ge(0), Lt(1)] = 0.0,
    tolerance: Annotated[float, Gt(0)] = 0.01,
    max_iterations: Annotated[int, Ge(1)] = 80,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Find outliers by least absolute misfit, then solve least squares that spare them (HD-QSM).

        χ₁ ≈ argmin Σ W |D χ − B| + λ₁ Σ m |∇χ|
        χ  = argmin ½ Σ W² u |D χ − B|² + λ Σ m |∇χ|,    u = min(1, k σ̂ / W |D χ₁ − B|)

    both with χ = 0 outside the mask (Lambert 2022): the first is robust, the second denoises better. It is not solved
    to the end, only begins the second. There the published method has spatial weights and, stopped early, what the
    start left; because the second is convex its end depends on weights alone, so here they carry over what the first
    has found: u makes its misfit Huber's, with k standard deviations σ̂ (from the median of W |D χ₁ − B|) as the
    border.

    Parameters
    ----------
    local_field : (X, Y, Z) array
        Local field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the local field is known and that hold its sources.
    grid : Grid
        Geometry.
    field_sd : (X, Y, Z) array, optional
        Standard deviation of the field in ppm; where it is zero or less, nothing was measured. It sets W as in `tv`.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude, echo last, arbitrary units; used for edges only.
    regularisation : float
        λ, in ppm mm.
    first_regularisation : float
        λ₁ of the first stage, in mm.
    first_iterations : int
        Iterations of the first stage.
    outlier : float
        k: misfits of the first stage beyond so many standard deviations lose weight in the second, dimensionless.
    edges : float
        Share of the mask's voxels, those with the steepest magnitude, whose gradient costs nothing (m = 0).
    tolerance : float
        The second stage stops when its fixed-point residual is this small a part of the gradient.
    max_iterations : int
        Most iterations of the second stage.
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
    InputError
        Edges are asked for without a magnitude, or the field's standard deviation is nowhere positive.

    Warns
    -----
    ConvergenceWarning
        The second stage did not reach its tolerance.
    """
    box, dtype = Box.around(mask, grid, margin), local_field.dtype
    inside, measured = box.pad(mask), box.pad(local_field)
    weight = box.pad(data_weight(field_sd, mask).astype(dtype))
    threshold = gradient_threshold(THRESHOLD, box, grid, mask, magnitude, edges, dtype)
    prior = TotalVariation(threshold, grid.voxel_size, shape=box.shape)
    field_penalty = 1 / FIELD_THRESHOLD
    penalties = Penalties(
        first_regularisation / THRESHOLD, field_penalty, field_penalty * SUPPORT_PENALTY / FIELD_PENALTY
    )
    data = SplitField(measured, weight, grid, penalties, prior.relaxation, kernel=kernel, cost="absolute")
    first = invert(data, prior, inside, penalties, tolerance=tolerance, max_iterations=first_iterations).x * inside
    del data

    misfit = convolve(first, dipole_kernel(grid, box.shape, kind=kernel, dtype=dtype), box.shape)
    misfit -= measured
    misfit *= weight
    np.abs(misfit, out=misfit)
    border = dtype.type(outlier / NORMAL * np.median(misfit[weight > 0]))
    spared = misfit > border
    weight[spared] *= np.sqrt(border / misfit[spared])
    del misfit, spared

    penalties = Penalties(regularisation / THRESHOLD, FIELD_PENALTY, SUPPORT_PENALTY)
    data = SplitField(measured, weight, grid, penalties, prior.relaxation, kernel=kernel)
    del measured, weight
    found = invert(data, prior, inside, penalties, tolerance=tolerance, max_iterations=max_iterations, start=first)
    return box.restore(found.accept("hdqsm"), mask)
