"""Total-field inversion: sources inside and outside the mask found together."""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.solution import Solution
from qsmkit.optim.solvers import iterate
from qsmkit.optim.total_variation import TotalVariation
from qsmkit.physics.box import Box
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import irfftn, rfftn
from qsmkit.physics.smv import clearance
from qsmkit.recon.background.extended_resharp import extended_resharp
from qsmkit.recon.background.pdf import pdf
from qsmkit.recon.inversion.edges import contrasted
from qsmkit.recon.inversion.splitting import Penalties, SplitField, data_weight

# Penalties of the three splittings. They set how fast the iteration converges, not what it converges to.
THRESHOLD = 0.02
"""κ = λ/ρ in ppm/mm: gradients below it are zero in the split variable."""
FIELD_PENALTY = 0.05
SOURCE_PENALTY = 0.002

LARGEST_BALL = 12.0
"""Radius in mm of the ball of regularised SHARP where the iteration starts from that."""


class Sources(NamedTuple):
    """What total-field inversion finds; names as in the artifact table."""

    chi: FloatArray
    local_field: FloatArray


@method("inversion", cite=("Liu2017", "Liu2011", "Liu2012", "Milovic2018"), rev=3)
def tfi(
    total_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    magnitude: FloatArray | None = None,
    *,
    regularisation: Annotated[float, Gt(0)] = 1e-4,
    smooth: Annotated[float, Ge(0)] = 0.0,
    contrast: Annotated[float, Ge(0)] = 4.0,
    edge_cost: Annotated[float, Ge(0), Le(1)] = 0.2,
    edge_depth: Annotated[float, Ge(0)] = 2.5,
    outside: Annotated[float, Ge(0)] = 1e-6,
    tolerance: Annotated[float, Gt(0)] = 0.003,
    max_iterations: Annotated[int, Ge(1)] = 200,
    start: Literal["pdf", "extended_resharp"] = "pdf",
    margin: Annotated[float, Gt(0)] = 20.0,
    kernel: Kernel = "continuous",
) -> Sources:
    """Find the sources inside and outside the mask together, varying least where the magnitude is even.

        χ, χ' = argmin ½ ‖W (D χ + D χ' − B)‖² + λ Σ m h_δ(|∇χ|) + ½ α ‖χ' − χ⁰‖²

    with χ inside the mask and χ' outside (total-field inversion, Liu 2017). χ⁰ comes from the projection onto dipole
    fields (Liu 2011), which gives away the field of inner sources as far as outer ones can make it; here it is won
    back. W is as in `tv`, and so is the solution by ADMM (Milovic 2018).

    m is 1, and less on edges of the magnitude (the morphology of Liu 2012). It matters more here than with a local
    field: a χ that changes with depth alone makes a field which outer sources can nearly make, and total variation,
    which charges for the contrast of cortex and white matter, would settle the doubt by levelling it. Edges that cost
    nothing are where errors of the field would go, and exaggerate every nucleus.

    h_δ(g) is g − δ/2 above δ and g²/2δ below (Huber 1964): texture is damped, not flattened. On one simulated head
    that is closer to the truth (δ = 0.008), on others it lets errors of the field in.

    Parameters
    ----------
    total_field : (X, Y, Z) array
        Total field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the total field is known, all of which are kept.
    grid : Grid
        Geometry.
    field_sd : (X, Y, Z) array, optional
        Standard deviation of the field in ppm; where it is zero or less, nothing was measured.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude, echo last, arbitrary units; without it there are no edges.
    regularisation : float
        λ, in ppm mm.
    smooth : float
        δ, in ppm/mm; 0 is total variation.
    contrast : float
        Times the usual squared gradient of the magnitude from which there is an edge, see `edges.contrasted`; 0 is
        none.
    edge_cost : float
        m on edges.
    edge_depth : float
        How far below the mask's edge edges of the magnitude begin to count, mm.
    outside : float
        α, what sources outside cost, dimensionless.
    tolerance : float
        Stop when the fixed-point residual is this small a part of the gradient.
    max_iterations : int
        Most iterations to do.
    start : {"pdf", "extended_resharp"}
        The background removal that gives χ⁰. The second costs more and starts nearer; its ball has a radius of
        12 mm, or three quarters of the largest that fits into the mask.
    margin : float
        Room in mm for sources outside, and between the mask and its periodic images.
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.

    Returns
    -------
    Sources
        Susceptibility and local field in ppm, zero outside the mask.

    Warns
    -----
    ConvergenceWarning
        The tolerance was not reached.
    """
    if start == "pdf":
        remaining = pdf(total_field, mask, grid, field_sd, margin=margin).local_field
    else:
        radius = min(LARGEST_BALL, 0.75 * float(clearance(mask, grid.voxel_size, 2 * LARGEST_BALL).max()))
        remaining = extended_resharp(total_field, mask, grid, field_sd, radius=radius, margin=margin).local_field
    box, dtype = Box.around(mask, grid, margin), total_field.dtype
    inside = box.pad(mask)
    threshold = _threshold(inside).astype(dtype)
    if contrast and magnitude is not None:
        threshold[box.pad(contrasted(magnitude, mask, grid, contrast, edge_depth))] *= dtype.type(edge_cost)
    variation = TotalVariation(threshold, grid.voxel_size, smooth=smooth)
    penalties = Penalties(regularisation / THRESHOLD, FIELD_PENALTY, SOURCE_PENALTY)
    weight = box.pad(data_weight(field_sd, mask).astype(dtype))
    data = SplitField(box.pad(remaining), weight, grid, penalties, variation.relaxation, kernel=kernel)
    pull_gradient, pull_source = dtype.type(penalties.gradient), dtype.type(penalties.source)
    kept = np.where(inside, 1, SOURCE_PENALTY / (SOURCE_PENALTY + outside)).astype(dtype)
    x, asked, w_source = (np.zeros(box.shape, dtype) for _ in range(3))

    def step() -> float:
        nonlocal x
        x = data.solve(asked)
        residual = variation.update(x)
        variation.pull(asked)
        _shrink(x, kept, pull_gradient, pull_source, variation.relaxation, w_source, asked)
        return residual

    status, history = iterate(step, tolerance=tolerance, max_iterations=max_iterations)
    x = Solution(x, status, len(history), history).accept("tfi")
    outer = rfftn(np.where(inside, 0, x))
    outer *= dipole_kernel(grid, box.shape, kind=kernel, dtype=dtype)
    return Sources(box.restore(x, mask), remaining - box.restore(irfftn(outer, box.shape), mask))


def _threshold(inside: BoolArray) -> FloatArray:
    """Return κ where both ends of every forward difference lie inside, and 0, no cost, elsewhere."""
    both = inside.copy()
    for axis in range(3):
        both &= np.roll(inside, -1, axis)
    return both * THRESHOLD


@parallel
def _shrink(x, kept, pull_gradient, pull_source, relaxation, w, asked):  # type: ignore[no-untyped-def]
    """Step w of the sources, whose z is kept · w; join what it and the gradient ask."""
    one = kept.dtype.type(1)
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                keep = kept[i, j, k]
                new = w[i, j, k] + relaxation * (x[i, j, k] - keep * w[i, j, k])
                w[i, j, k] = new
                asked[i, j, k] = pull_gradient * asked[i, j, k] + pull_source * (keep + keep - one) * new
