"""Total-variation inversion with a data term that knows where, and how well, the field was measured."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.total_variation import TotalVariation
from qsmkit.physics.box import Box
from qsmkit.physics.dipole import Kernel
from qsmkit.recon.inversion.regularisation import variation_strength
from qsmkit.recon.inversion.splitting import Penalties, SplitField, data_weight, gradient_threshold, invert

# Penalties of the three splittings. They set how fast the iteration converges, not what it converges to.
THRESHOLD = 0.01
"""κ = λ/ρ in ppm/mm: gradients below it are zero in the split variable."""
FIELD_PENALTY = 0.2
SUPPORT_PENALTY = 0.01


@method("inversion", produces="chi", cite=("Bilgic2014", "Milovic2018"), rev=2)
def tv(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    magnitude: FloatArray | None = None,
    *,
    regularisation: Annotated[float | None, Gt(0)] = None,
    edges: Annotated[float, Ge(0), Lt(1)] = 0.0,
    tolerance: Annotated[float, Gt(0)] = 0.01,
    max_iterations: Annotated[int, Ge(1)] = 50,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Least squares with total variation, sources and data confined to the mask.

        χ = argmin ½ ‖W (D χ − B)‖² + λ Σ m |∇χ|    with χ = 0 outside the mask

    W is zero outside the mask, where the field is not zero but unknown, and inside it min(1, median(σ)/σ)
    with σ the field's standard deviation, or 1 without one. Solved by ADMM with the gradient (Bilgic 2014),
    the field D χ (Milovic 2018) and the support split off: two pairs of real transforms an iteration.

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
        λ, in ppm mm; if not given, it follows noise and voxel size by the rule of
        `qsmkit.recon.inversion.regularisation.variation_strength`.
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
        regularisation = variation_strength(field_sd, mask, grid.voxel_size)
    box, dtype = Box.around(mask, grid, margin), local_field.dtype
    threshold = gradient_threshold(THRESHOLD, box, grid, mask, magnitude, edges, dtype)
    prior = TotalVariation(threshold, grid.voxel_size, shape=box.shape)
    penalties = Penalties(regularisation / THRESHOLD, FIELD_PENALTY, SUPPORT_PENALTY)
    weight = data_weight(field_sd, mask).astype(dtype)
    data = SplitField(box.pad(local_field), box.pad(weight), grid, penalties, prior.relaxation, kernel=kernel)
    del weight
    found = invert(data, prior, box.pad(mask), penalties, tolerance=tolerance, max_iterations=max_iterations)
    return box.restore(found.accept("tv"), mask)
