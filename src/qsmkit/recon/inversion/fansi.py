"""Inversion with a data term of the complex signal, by fast nonlinear splitting."""

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.total_generalised_variation import TotalGeneralisedVariation
from qsmkit.optim.total_variation import TotalVariation
from qsmkit.physics.box import Box
from qsmkit.physics.dipole import Kernel
from qsmkit.recon.inversion.fidelity import radians_per_unit_field
from qsmkit.recon.inversion.regularisation import variation_strength
from qsmkit.recon.inversion.splitting import Penalties, SplitField, data_weight, gradient_threshold, invert

# Penalties of the splittings. They set how fast the iteration converges, not what it converges to.
THRESHOLD = 0.01
"""κ = λ/ρ in ppm/mm: gradients below it are zero in the split variable."""
FIELD_PENALTY = 2.0
"""More than 1: half a turn away the data term bends down by W², and less would leave the step without one answer."""
SUPPORT_PENALTY = 0.05
SLOPE_STEP = 0.01


@method("inversion", produces="chi", cite=("Milovic2018", "Bredies2010"), rev=3)
def fansi(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    magnitude: FloatArray | None = None,
    echo_times: npt.NDArray[np.float64] | None = None,
    field_strength: float | None = None,
    *,
    prior: Literal["tv", "tgv"] = "tv",
    regularisation: Annotated[float | None, Gt(0)] = None,
    curvature: Annotated[float, Gt(0)] = 2.0,
    phase_scale: Annotated[float | None, Gt(0)] = None,
    edges: Annotated[float, Ge(0), Lt(1)] = 0.0,
    tolerance: Annotated[float, Gt(0)] = 0.005,
    max_iterations: Annotated[int, Ge(1)] = 200,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Fit the complex signal with total or generalised variation (FANSI: nlTV, nlTGV).

        χ = argmin ½ ‖W (e^{i s D χ} − e^{i s B})‖² / s² + λ R(χ)    with χ = 0 outside the mask
        R(χ) = Σ m |∇χ|  (tv, "nonlinear total variation"),   min_v Σ m |∇χ − v| + c Σ |½ (∇v + ∇vᵀ)|  (tgv)

    Whole turns of phase cost nothing, and a voxel whose field is far off pulls less than it would in `tv`, of which
    this is the nonlinear form: for small s it gives the same, and λ means the same. W is as in `tv`, where σ
    stands for the noise of the magnitude. Solved by ADMM with the gradient and the field D χ split off (Milovic 2018),
    the latter voxel by voxel by Newton's method, and the support too. The second order of the generalised variation
    (Bredies 2010) is met by primal–dual steps; differences that leave the mask cost nothing in it.

    The phase that the data term sees is s B: that of a single echo at the mean echo time, 2π γ B0 TE in rad/ppm, unless
    s is set.

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
    echo_times : (E,) array, optional
        Echo times in s; needed unless the phase scale is set.
    field_strength : float, optional
        Main field in T; needed unless the phase scale is set.
    prior : {"tv", "tgv"}
        Total variation, or second-order total generalised variation.
    regularisation : float, optional
        λ, in ppm mm; by the rule of `qsmkit.recon.inversion.regularisation.variation_strength` if not given.
    curvature : float
        c, what the second order costs over the first, in mm; used by tgv only.
    phase_scale : float, optional
        s, the phase of a field of 1 ppm, in rad/ppm.
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
        There is nothing to scale the phase by, edges are asked for without a magnitude, or the field's standard
        deviation is nowhere positive.

    Warns
    -----
    ConvergenceWarning
        The tolerance was not reached.
    """
    scale = radians_per_unit_field(echo_times, field_strength, phase_scale)
    if regularisation is None:
        regularisation = variation_strength(field_sd, mask, grid.voxel_size)
    box, dtype = Box.around(mask, grid, margin), local_field.dtype
    inside = box.pad(mask)
    threshold = gradient_threshold(THRESHOLD, box, grid, mask, magnitude, edges, dtype)
    variation: TotalVariation | TotalGeneralisedVariation
    if prior == "tv":
        variation = TotalVariation(threshold, grid.voxel_size, shape=box.shape)
        gradient_penalty = regularisation / THRESHOLD
    else:
        variation = TotalGeneralisedVariation(
            inside, threshold > 0, grid.voxel_size, (regularisation, curvature * regularisation),
            threshold=THRESHOLD, slope_step=SLOPE_STEP, dtype=dtype,
        )  # fmt: skip
        gradient_penalty = float(variation.penalty)
    del threshold
    penalties = Penalties(gradient_penalty, FIELD_PENALTY, SUPPORT_PENALTY)
    weight = data_weight(field_sd, mask).astype(dtype)
    data = SplitField(
        box.pad(local_field), box.pad(weight), grid, penalties, variation.relaxation, kernel=kernel, cost="wrapped",
        phase_scale=scale,
    )  # fmt: skip
    del weight
    found = invert(data, variation, inside, penalties, tolerance=tolerance, max_iterations=max_iterations)
    return box.restore(found.accept("fansi"), mask)
