"""Total-variation inversion with a data term that knows where, and how well, the field was measured."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.solution import Solution
from qsmkit.optim.solvers import iterate
from qsmkit.optim.total_variation import TotalVariation
from qsmkit.physics.box import Box
from qsmkit.physics.derivatives import gradient
from qsmkit.physics.dipole import Kernel
from qsmkit.recon.inversion.splitting import Penalties, SplitField, data_weight

# Penalties of the three splittings. They set how fast the iteration converges, not what it converges to.
THRESHOLD = 0.01
"""κ = λ/ρ in ppm/mm: gradients below it are zero in the split variable."""
FIELD_PENALTY = 0.2
SUPPORT_PENALTY = 0.01


@method("inversion", produces="chi", cite=("Bilgic2014", "Milovic2018"), rev=1)
def tv(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    magnitude: FloatArray | None = None,
    *,
    regularisation: Annotated[float, Gt(0)] = 8e-5,
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
    regularisation : float
        λ, in ppm mm.
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
    box, dtype = Box.around(mask, grid, margin), local_field.dtype
    inside = box.pad(mask)
    threshold = np.full(box.shape, THRESHOLD, dtype)
    if edges:
        if magnitude is None:
            raise InputError(f"edges = {edges} needs the magnitude, which is missing; give it, or leave edges 0")
        threshold[box.pad(_edges(magnitude, mask, grid, edges))] = 0
    variation = TotalVariation(threshold, grid.voxel_size)
    penalties = Penalties(regularisation / THRESHOLD, FIELD_PENALTY, SUPPORT_PENALTY)
    weight = box.pad(data_weight(field_sd, mask).astype(dtype))
    data = SplitField(box.pad(local_field), weight, grid, penalties, variation.relaxation, kernel=kernel)
    pull_gradient, pull_support = dtype.type(penalties.gradient), dtype.type(penalties.source)
    x, asked, w_support = (np.zeros(box.shape, dtype) for _ in range(3))

    def step() -> float:
        nonlocal x
        x = data.solve(asked)
        residual = variation.update(x)
        variation.pull(asked)
        _confine(x, inside, pull_gradient, pull_support, variation.relaxation, w_support, asked)
        return residual

    status, history = iterate(step, tolerance=tolerance, max_iterations=max_iterations)
    return box.restore(Solution(x, status, len(history), history).accept("tv"), mask)


def _edges(magnitude: FloatArray, mask: BoolArray, grid: Grid, share: float) -> BoolArray:
    """Return the voxels of the mask in which the magnitude, root sum of squares over echoes, is steepest."""
    combined = np.sqrt(np.sum(magnitude * magnitude, axis=-1))
    steepness = np.linalg.norm(gradient(combined, grid.voxel_size), axis=0)
    steep: BoolArray = mask & (steepness > np.quantile(steepness[mask], 1 - share))
    return steep


@parallel
def _confine(x, inside, pull_gradient, pull_support, relaxation, w, asked):  # type: ignore[no-untyped-def]
    """Step w of the support, whose z is w inside and zero outside; join what it and the gradient ask."""
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                z = w[i, j, k] if inside[i, j, k] else relaxation - relaxation
                new = w[i, j, k] + relaxation * (x[i, j, k] - z)
                w[i, j, k] = new
                reflected = new if inside[i, j, k] else -new
                asked[i, j, k] = pull_gradient * asked[i, j, k] + pull_support * reflected
