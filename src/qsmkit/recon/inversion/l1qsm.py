"""Inversion whose data term, a sum of magnitudes, lets outliers be."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.total_variation import TotalVariation
from qsmkit.physics.box import Box
from qsmkit.physics.dipole import Kernel
from qsmkit.recon.inversion.splitting import Penalties, SplitField, data_weight, gradient_threshold, invert

# Penalties of the splittings. They set how fast the iteration converges, not what it converges to.
THRESHOLD = 0.03
"""κ = λ/ρ in ppm/mm: gradients below it are zero in the split variable."""
FIELD_THRESHOLD = 0.03
"""1/ρ in ppm: misfits below it are zero in the split field where W is 1."""
SUPPORT_PENALTY = 0.05
"""In unit of the penalty of the field."""

VARIATION = 0.07
"""λ over the voxel's edge, dimensionless: a misfit pulls by its sign whatever the noise, so that this alone matters.
Least NRMSE lies at 0.06 to 0.08, largest XSIM at 0.08, on simulated heads with 1.3 and 2.2 ppb of noise."""


@method("inversion", produces="chi", cite=("Milovic2022", "Milovic2018"), rev=2)
def l1qsm(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    magnitude: FloatArray | None = None,
    *,
    regularisation: Annotated[float | None, Gt(0)] = None,
    edges: Annotated[float, Ge(0), Lt(1)] = 0.0,
    tolerance: Annotated[float, Gt(0)] = 0.01,
    max_iterations: Annotated[int, Ge(1)] = 200,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Least absolute misfit with total variation (L1-QSM).

        χ = argmin Σ W |D χ − B| + λ Σ m |∇χ|    with χ = 0 outside the mask

    A voxel pulls no harder the further off its field is, so that wrong ones make no streaks (Milovic 2022, the linear
    form). W is as in `tv`, and so is the solution by ADMM.

    Parameters
    ----------
    local_field : (X, Y, Z) array
        Local field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the local field is known and that hold its sources.
    grid : Grid
        Geometry.
    field_sd : (X, Y, Z) array, optional
        Standard deviation of the field in ppm; where it is zero or less, nothing was measured.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude, echo last, arbitrary units; used for edges only.
    regularisation : float, optional
        λ, in mm; 0.07 times the cube root of the voxel's volume if not given.
    edges : float
        Share of the mask's voxels, those with the steepest magnitude, whose gradient costs nothing (m = 0).
    tolerance : float
        Stop when the fixed-point residual is this small a part of the gradient.
    max_iterations : int
        Most iterations to do.
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
        The tolerance was not reached.
    """
    if regularisation is None:
        regularisation = VARIATION * float(np.cbrt(np.prod(grid.voxel_size)))
    box, dtype = Box.around(mask, grid, margin), local_field.dtype
    threshold = gradient_threshold(THRESHOLD, box, grid, mask, magnitude, edges, dtype)
    prior = TotalVariation(threshold, grid.voxel_size, shape=box.shape)
    penalties = Penalties(regularisation / THRESHOLD, 1 / FIELD_THRESHOLD, SUPPORT_PENALTY / FIELD_THRESHOLD)
    weight = data_weight(field_sd, mask).astype(dtype)
    data = SplitField(
        box.pad(local_field), box.pad(weight), grid, penalties, prior.relaxation, kernel=kernel, cost="absolute"
    )
    del weight
    found = invert(data, prior, box.pad(mask), penalties, tolerance=tolerance, max_iterations=max_iterations)
    return box.restore(found.accept("l1qsm"), mask)
