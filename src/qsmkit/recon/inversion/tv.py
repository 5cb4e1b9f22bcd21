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
from qsmkit.physics.derivatives import gradient, gradient_symbol
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import irfftn, rfftn

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
    # The split field is trust · measured + (1 − trust) · computed field.
    trust = box.pad(_weight(field_sd, mask).astype(dtype))
    measured = box.pad(local_field) * (trust > 0)
    trust *= trust
    trust /= trust + dtype.type(FIELD_PENALTY)
    w_field, w_support = measured.copy(), np.zeros_like(measured)
    measured *= trust

    penalties = np.array((regularisation / THRESHOLD, FIELD_PENALTY, SUPPORT_PENALTY), dtype)
    dipole = dipole_kernel(grid, box.shape, kind=kernel, dtype=dtype)
    response = gradient_symbol(box.shape, grid.voxel_size, dtype=dtype)
    response *= penalties[0]
    response += penalties[1] * dipole**2 + penalties[2]
    np.reciprocal(response, out=response)

    variation = TotalVariation(threshold, grid.voxel_size)
    x = asked = np.zeros(box.shape, dtype)
    field = w_field

    def step() -> float:
        nonlocal x, field
        chi_spectrum, field_spectrum = rfftn(asked), rfftn(field)
        _solve(chi_spectrum, field_spectrum, dipole, response, penalties)
        x, field = irfftn(chi_spectrum, box.shape), irfftn(field_spectrum, box.shape)
        residual = variation.update(x)
        variation.pull(asked)
        _confine(x, inside, penalties, variation.relaxation, w_support, asked)
        _fit(field, trust, measured, variation.relaxation, w_field)
        return residual

    status, history = iterate(step, tolerance=tolerance, max_iterations=max_iterations)
    return box.restore(Solution(x, status, len(history), history).accept("tv"), mask)


def _weight(field_sd: FloatArray | None, mask: BoolArray) -> FloatArray:
    """Return W: what a voxel's field counts, between 0 and 1."""
    if field_sd is None:
        return mask.astype(np.float32)
    known = mask & (field_sd > 0)
    if not known.any():
        raise InputError("field_sd is nowhere positive inside the mask; give one in ppm, or leave it out")
    weight = np.zeros_like(field_sd)
    weight[known] = np.minimum(np.median(field_sd[known]) / field_sd[known], 1)
    return weight


def _edges(magnitude: FloatArray, mask: BoolArray, grid: Grid, share: float) -> BoolArray:
    """Return the voxels of the mask in which the magnitude, root sum of squares over echoes, is steepest."""
    combined = np.sqrt(np.sum(magnitude * magnitude, axis=-1))
    steepness = np.linalg.norm(gradient(combined, grid.voxel_size), axis=0)
    steep: BoolArray = mask & (steepness > np.quantile(steepness[mask], 1 - share))
    return steep


# Field and support each keep a state w, as `TotalVariation` does for the gradient, and ask χ for its
# reflection 2z − w.


@parallel
def _solve(chi, field, dipole, response, penalties):  # type: ignore[no-untyped-def]
    """Turn what is asked, in k-space, into χ and its field."""
    for i in prange(chi.shape[0]):
        for j in range(chi.shape[1]):
            for k in range(chi.shape[2]):
                d = dipole[i, j, k]
                x = response[i, j, k] * (chi[i, j, k] + penalties[1] * d * field[i, j, k])
                chi[i, j, k] = x
                field[i, j, k] = d * x


@parallel
def _confine(x, inside, penalties, relaxation, w, asked):  # type: ignore[no-untyped-def]
    """Step w of the support, whose z is w inside and zero outside; join what it and the gradient ask."""
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                z = w[i, j, k] if inside[i, j, k] else relaxation - relaxation
                new = w[i, j, k] + relaxation * (x[i, j, k] - z)
                w[i, j, k] = new
                reflected = new if inside[i, j, k] else -new
                asked[i, j, k] = penalties[0] * asked[i, j, k] + penalties[2] * reflected


@parallel
def _fit(field, trust, measured, relaxation, w):  # type: ignore[no-untyped-def]
    """Step w of the field, whose z is measured + (1 − trust) w, and replace the field by what is asked."""
    one = relaxation / relaxation
    for i in prange(field.shape[0]):
        for j in range(field.shape[1]):
            for k in range(field.shape[2]):
                keep = one - trust[i, j, k]
                z = measured[i, j, k] + keep * w[i, j, k]
                new = w[i, j, k] + relaxation * (field[i, j, k] - z)
                w[i, j, k] = new
                z = measured[i, j, k] + keep * new
                field[i, j, k] = z + z - new
