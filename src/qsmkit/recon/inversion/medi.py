"""Morphology-enabled dipole inversion."""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.solution import Solution
from qsmkit.optim.solvers import cg, iterate
from qsmkit.optim.weighted_gradient import WeightedGradient
from qsmkit.physics.box import Box
from qsmkit.physics.derivatives import gradient_symbol
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import convolve
from qsmkit.physics.smv import clearance, smv_kernel
from qsmkit.recon.inversion.edges import steepest
from qsmkit.recon.inversion.regularisation import variation_strength
from qsmkit.recon.inversion.splitting import data_weight
from qsmkit.recon.inversion.tikhonov import tikhonov

SMOOTHING = 2e-3
"""ε in ppm/mm: |∇χ| is √(|∇χ|² + ε²), whose derivative exists everywhere."""
INNER_TOLERANCE, INNER_ITERATIONS = 0.25, 20
"""A linear problem is solved no further than this: the next one is another."""
OUTLIER = 6.0
"""Model error reduction: residuals above this many of their standard deviations lose weight."""


@method("inversion", produces="chi", cite=("Liu2012", "Liu2013", "Liu2018"), rev=1)
def medi(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    magnitude: FloatArray | None = None,
    reference_mask: BoolArray | None = None,
    *,
    regularisation: Annotated[float | None, Gt(0)] = None,
    edges: Annotated[float, Ge(0), Lt(1)] = 0.08,
    phase_scale: Annotated[float, Gt(0)] = 6.3,
    merit: bool = False,
    smv_radius: Annotated[float, Ge(0)] = 0.0,
    uniformity: Annotated[float, Ge(0)] = 0.1,
    tolerance: Annotated[float, Gt(0)] = 0.03,
    max_iterations: Annotated[int, Ge(1)] = 15,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Fit the complex signal, with least total variation where the magnitude has no edge.

        χ = argmin ½ ‖W (exp(i s D χ) − exp(i s B)) / s‖² + λ Σ m |∇χ| + ½ μ Σ_R (χ − χ̄_R)²

    with m = 0 on the edges of the magnitude and 1 elsewhere (MEDI, Liu 2012), the phase s B of the field in a complex
    data term, so that a whole turn costs nothing (Liu 2013), and R a region of cerebrospinal fluid that is kept uniform
    and then made zero (MEDI+0, Liu 2018). Solved by Gauss–Newton steps, each a linear problem that conjugate gradients
    solve roughly.

    Other than published, χ is confined to the mask; the start is not zero but the closed form of `tikhonov`, which
    keeps strong sources from settling a whole turn away; conjugate gradients are preconditioned with the mean of the
    problem in k-space, which halves their number; and λ is told from the noise.

    Parameters
    ----------
    local_field : (X, Y, Z) array
        Local field B in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the local field is known and that hold its sources.
    grid : Grid
        Geometry.
    field_sd : (X, Y, Z) array, optional
        Standard deviation of the field in ppm; W is as in `tv`.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude, echo last, arbitrary units; without one there are no edges.
    reference_mask : (X, Y, Z) bool array, optional
        R, the fluid of the ventricles, as `reference_csf` finds it.
    regularisation : float, optional
        λ, in ppm mm; by the rule of `qsmkit.recon.inversion.regularisation.variation_strength` if not given.
    edges : float
        Share of the mask's voxels, those with the steepest magnitude, whose gradient costs nothing (m = 0).
    phase_scale : float
        s, phase of a field of 1 ppm in rad: 6.3 at 3 T and 7.8 ms. It matters where the field is wrong by turns.
    merit : bool
        Lower the weight of voxels that the model cannot explain after each step, W ← W / (r/6σ_r)² (Liu 2013).
    smv_radius : float
        Radius in mm of spherical mean values that are taken from field and model, against what is left of background
        fields; the field nearer than that to the mask's edge is not used. 0 for none.
    uniformity : float
        μ, dimensionless; used with a reference mask only.
    tolerance : float
        Stop when a step changes χ by this small a part.
    max_iterations : int
        Most Gauss–Newton steps.
    margin : float
        Room in mm between the mask and its periodic images.
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.

    Returns
    -------
    (X, Y, Z) array
        Susceptibility in ppm, zero outside the mask; its mean over the reference mask is zero if there is one.

    Raises
    ------
    InputError
        The reference mask or, by its radius, the spherical mean leaves no voxel of the mask; or the field's standard
        deviation is nowhere positive.

    Warns
    -----
    ConvergenceWarning
        The tolerance was not reached.
    """
    box, dtype = Box.around(mask, grid, margin), local_field.dtype
    inside = box.pad(mask)
    if regularisation is None:
        regularisation = variation_strength(field_sd, mask, grid.voxel_size)
    morphology = inside.astype(dtype)
    if edges and magnitude is not None:
        morphology[box.pad(steepest(magnitude, mask, grid, edges))] = 0
    morphology *= dtype.type(regularisation)
    region = None if reference_mask is None else box.pad(reference_mask & mask)
    if region is not None and not region.any():
        raise InputError("medi: no reference voxel lies in the mask; give a reference_mask in the same space")

    field, weight = box.pad(local_field * mask), box.pad(data_weight(field_sd, mask).astype(dtype))
    dipole = dipole_kernel(grid, box.shape, kind=kernel, dtype=dtype)
    if smv_radius:
        rest = 1 - smv_kernel(smv_radius, grid.voxel_size, box.shape, dtype=dtype)
        field = convolve(field, rest, box.shape)
        dipole *= rest
        weight *= box.pad(clearance(mask, grid.voxel_size, smv_radius)) >= smv_radius
        if not weight.any():
            raise InputError(f"medi: no ball of smv_radius = {smv_radius:g} mm fits into the mask; use a smaller one")
    weight *= weight
    scale, mu = dtype.type(phase_scale), dtype.type(uniformity)
    variation = WeightedGradient(box.shape, grid.voxel_size, dtype)
    symbol = gradient_symbol(box.shape, grid.voxel_size, dtype=dtype)
    x = box.pad(tikhonov(local_field, mask, grid, margin=margin, kernel=kernel))

    def derivative(b: FloatArray, p: FloatArray) -> FloatArray:
        """Return D b plus what the priors make of p, inside the mask."""
        y = convolve(b, dipole, box.shape)
        variation.add_normal(p, inside, y)
        if region is not None:
            y[region] += mu * (p[region] - p[region].mean(dtype=np.float64).astype(dtype))
        return y

    def normal(p: FloatArray) -> FloatArray:
        b = convolve(p, dipole, box.shape)
        b *= weight
        return derivative(b, p)

    def step() -> float:
        nonlocal x
        variation.lag(x, morphology, SMOOTHING)
        residual = convolve(x, dipole, box.shape)
        residual -= field
        if merit:
            _reduce(weight, residual, scale)
        downhill = derivative(weight * np.sin(scale * residual) / -scale, -x)
        del residual
        response = symbol * variation.weight[inside].mean(dtype=np.float64).astype(dtype)
        response += dipole * dipole * weight[inside].mean(dtype=np.float64).astype(dtype) + dtype.type(1e-3)
        np.reciprocal(response, out=response)

        def precondition(r: FloatArray) -> FloatArray:
            z = convolve(r, response, box.shape)
            z *= inside
            return z

        change = cg(
            normal, downhill, precondition=precondition, tolerance=INNER_TOLERANCE, max_iterations=INNER_ITERATIONS
        ).x
        x = x + change
        return float(np.linalg.norm(change) / max(np.linalg.norm(x), np.finfo(dtype).tiny))

    status, history = iterate(step, tolerance=tolerance, max_iterations=max_iterations)
    chi = box.restore(Solution(x, status, len(history), history).accept("medi"), mask)
    if reference_mask is not None:
        chi[mask] -= chi[reference_mask & mask].mean(dtype=np.float64).astype(dtype)
    return chi


def _reduce(weight: FloatArray, residual: FloatArray, scale: np.floating[Any]) -> None:
    """Lower the squared weight of voxels with a residual of their phase far beyond the others."""
    used = weight > 0
    chord = np.abs(2 * np.sin(scale / 2 * residual[used]))
    weight[used] /= np.maximum(chord / (OUTLIER * chord.std()), 1) ** 4
