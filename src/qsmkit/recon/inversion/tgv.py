"""Single-step inversion with total generalised variation: from wrapped phase or total field to susceptibility."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.solution import Solution
from qsmkit.optim.solvers import iterate
from qsmkit.optim.total_generalised_variation import TotalGeneralisedVariation
from qsmkit.physics.box import Box
from qsmkit.physics.dipole import Kernel
from qsmkit.recon.background.pdf import pdf
from qsmkit.recon.field.wrapped_gradient import field_from_wrapped
from qsmkit.recon.inversion.splitting import Penalties, SplitField, data_weight

# Penalties of the splittings. They set how fast the iteration converges, not what it converges to.
THRESHOLD = 0.02
"""κ = α₁/ρ in ppm/mm: |∇χ − w| below it is zero in the split variable."""
SLOPE_STEP = 0.01
FIELD_PENALTY = 0.05
SOURCE_PENALTY = 0.002


@method("inversion", produces="chi", cite=("Langkammer2015", "Bredies2010", "Liu2017"), rev=1)
def tgv(
    mask: BoolArray,
    grid: Grid,
    total_field: FloatArray | None = None,
    field_sd: FloatArray | None = None,
    phase: FloatArray | None = None,
    echo_times: npt.NDArray[np.float64] | None = None,
    field_strength: float | None = None,
    magnitude: FloatArray | None = None,
    *,
    alpha1: Annotated[float, Gt(0)] = 2e-4,
    alpha0: Annotated[float, Gt(0)] = 2e-3,
    outside: Annotated[float, Ge(0)] = 1e-5,
    tolerance: Annotated[float, Gt(0)] = 0.003,
    max_iterations: Annotated[int, Ge(1)] = 300,
    margin: Annotated[float, Gt(0)] = 20.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Find χ and the background together, with least total generalised variation, without unwrapping.

        χ, w, ψ = argmin ½ ‖W ψ‖² + α₁ Σ |∇χ − w| + α₀ Σ |E w|,    ∇²ψ = ∇²(D χ) − ∇²B in the mask

    (Langkammer 2015), where ∇²B comes from wrapped phase and ψ absorbs whatever is harmonic in the mask. W is as in
    `tv`. Without `total_field`, B is found up to what is harmonic from the differences of the wrapped phase, see
    `qsmkit.recon.field.wrapped_gradient`; with it, the phase is not looked at.

    Departures from the paper, which solves this by primal–dual steps with difference stencils: what is harmonic in the
    mask is written as the field of sources χ' outside it, at a cost ½ α ‖χ' − χ⁰‖² from the projection onto dipole
    fields as in `tfi` (Liu 2017), so that D is exact at any tilt and the Fourier domain solves for χ and χ' at once.
    The rim of the mask is kept, where wrapped phase tells least: erode the mask by 3 mm if that is not wanted. The
    tolerance stops before full convergence, which nothing gains. α are tuned on few digital heads.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        Voxels that are reconstructed, all of which are kept.
    grid : Grid
        Geometry.
    total_field : (X, Y, Z) array, optional
        Total field in ppm; made from the phase where it is left out.
    field_sd : (X, Y, Z) array, optional
        Standard deviation of the field in ppm; where it is zero or less, nothing was measured.
    phase : (X, Y, Z, E) array, optional
        Wrapped phase in rad, of one echo or more, without offset at echo time zero; needs the next two.
    echo_times : (E,) array, optional
        Echo times in s.
    field_strength : float, optional
        Main field in T.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude in arbitrary units, by which the phase of echoes and voxels is weighted.
    alpha1 : float
        α₁, cost of a gradient that is not smooth, ppm mm.
    alpha0 : float
        α₀, cost of a change of the smooth gradient, ppm mm².
    outside : float
        α, what sources outside cost, dimensionless.
    tolerance : float
        Stop when the fixed-point residual ‖∇χ − w − z‖ is this small a part of ‖∇χ‖.
    max_iterations : int
        Most iterations to do.
    margin : float
        Room in mm for sources outside, and between the mask and its periodic images.
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.

    Returns
    -------
    (X, Y, Z) array
        Susceptibility in ppm, zero outside the mask.

    Raises
    ------
    InputError
        There is neither a total field nor a phase with its echo times and field strength.

    Warns
    -----
    ConvergenceWarning
        The tolerance was not reached.
    """
    if total_field is None:
        if phase is None or echo_times is None or field_strength is None:
            raise InputError("tgv needs total_field, or else phase, echo_times and field_strength; give either")
        total_field = field_from_wrapped(phase, echo_times, field_strength, mask, grid, magnitude)
    remaining = pdf(total_field, mask, grid, field_sd, margin=margin).local_field
    box, dtype = Box.around(mask, grid, margin), total_field.dtype
    inside = box.pad(mask)
    variation = TotalGeneralisedVariation(
        inside, inside, grid.voxel_size, (alpha1, alpha0), threshold=THRESHOLD, slope_step=SLOPE_STEP, dtype=dtype
    )
    penalties = Penalties(float(variation.penalty), FIELD_PENALTY, SOURCE_PENALTY)
    weight = box.pad(data_weight(field_sd, mask).astype(dtype))
    data = SplitField(box.pad(remaining), weight, grid, penalties, variation.relaxation, kernel=kernel)
    del remaining, weight
    pull = np.array([penalties.gradient, penalties.source], dtype)
    kept = dtype.type(SOURCE_PENALTY / (SOURCE_PENALTY + outside))
    asked, sources = np.zeros(box.shape, dtype), np.zeros(box.shape, dtype)
    x = asked

    def step() -> float:
        nonlocal x
        x = asked  # lets go of the last one
        x = data.solve(asked)
        residual = variation.update(x)
        variation.pull(asked)
        _shrink_outside(x, inside, kept, pull, variation.relaxation, sources, asked)
        return residual

    status, history = iterate(step, tolerance=tolerance, max_iterations=max_iterations)
    return box.restore(Solution(x, status, len(history), history).accept("tgv"), mask)


@parallel
def _shrink_outside(x, inside, kept, pull, relaxation, w, asked):  # type: ignore[no-untyped-def]
    """Step w of the sources, whose z is w inside and kept · w outside; join what it and the gradient ask."""
    one = kept / kept
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                keep = one if inside[i, j, k] else kept
                new = w[i, j, k] + relaxation * (x[i, j, k] - keep * w[i, j, k])
                w[i, j, k] = new
                asked[i, j, k] = pull[0] * asked[i, j, k] + pull[1] * (keep + keep - one) * new
