"""Separation of sources in one inversion of field and R2′ together."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.solution import Solution
from qsmkit.optim.solvers import iterate
from qsmkit.optim.total_variation import TotalVariation
from qsmkit.physics.box import Box
from qsmkit.physics.derivatives import gradient_symbol
from qsmkit.physics.dipole import Kernel
from qsmkit.physics.fft import irfftn, rfftn
from qsmkit.physics.signal import RELAXIVITY
from qsmkit.recon.inversion.splitting import Penalties, SplitField, data_weight
from qsmkit.recon.separation.relaxivity import Separated, relaxivity, require_per_second

# Penalties of the three splittings. They set how fast the iteration converges, not what it converges to.
THRESHOLD = 0.01
"""κ = λ/ρ in ppm/mm: gradients below it are zero in the split variable."""
FIELD_PENALTY = 0.1
SOURCE_PENALTY = 0.03


@method("separation", cite=("Shin2021", "Bilgic2014", "Milovic2018"), rev=2)
def chi_separation(
    local_field: FloatArray,
    r2prime: FloatArray,
    field_strength: float,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    *,
    relaxivity_para: Annotated[float, Gt(0)] = RELAXIVITY,
    relaxivity_dia: Annotated[float, Gt(0)] = RELAXIVITY,
    relaxation_weight: Annotated[float, Ge(0)] = 0.005,
    regularisation: Annotated[float, Gt(0)] = 2e-4,
    tolerance: Annotated[float, Gt(0)] = 0.01,
    max_iterations: Annotated[int, Ge(1)] = 100,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> Separated:
    """Find paramagnetic and diamagnetic sources that make both the field and R2′.

        χ⁺, χ⁻ = argmin ½ ‖W (D (χ⁺ − χ⁻) − B)‖² + ½ μ ‖(D⁺ χ⁺ + D⁻ χ⁻ − R2′) / D̄‖² + λ Σ |∇χ⁺| + λ Σ |∇χ⁻|

    with χ⁺, χ⁻ ≥ 0 inside the mask and zero outside, D̄ the mean of D⁺ and D⁻, and W as in `tv` (Shin 2021, whose
    prior spares the edges of the magnitude; here none are spared, which measures better). Solved by ADMM with both
    gradients (Bilgic 2014), the field (Milovic 2018) and both sources split off: three pairs of real transforms an
    iteration. The field is taken without its weighted mean: that of a brain's own field is nearly zero, and what
    background removal leaves would bend all sources.

    Parameters
    ----------
    local_field : (X, Y, Z) array
        Local field in ppm.
    r2prime : (X, Y, Z) array
        Reversible relaxation rate in 1/s.
    field_strength : float
        Main field in T.
    mask : (X, Y, Z) bool array
        Voxels in which field and R2′ are known and that hold the sources.
    grid : Grid
        Geometry.
    field_sd : (X, Y, Z) array, optional
        Standard deviation of the field in ppm; where it is zero or less, nothing was measured.
    relaxivity_para, relaxivity_dia : float
        D⁺ and D⁻ in Hz/ppm at 3 T; they grow in proportion to the field.
    relaxation_weight : float
        μ, what R2′ counts against the field, dimensionless: about the ratio of their variances, both in ppm.
        Small, as R2′ of a fit errs most where veins and fluid share a voxel with tissue.
    regularisation : float
        λ, in ppm mm.
    tolerance : float
        Stop when the fixed-point residual is this small a part of the gradient, for both sources.
    max_iterations : int
        Most iterations to do.
    margin : float
        Room in mm between the mask and its periodic images.
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.

    Returns
    -------
    Separated
        Susceptibility of paramagnetic sources and size of that of diamagnetic ones in ppm, neither negative, zero
        outside the mask.

    Raises
    ------
    InputError
        The field's standard deviation is nowhere positive.
    ScaleError
        R2′ seems to be given in 1/ms.

    Warns
    -----
    ConvergenceWarning
        The tolerance was not reached.
    """
    require_per_second(r2prime, mask, "chi_separation", "R2′")
    box, dtype = Box.around(mask, grid, margin), local_field.dtype
    positive, negative = (relaxivity(r, field_strength) for r in (relaxivity_para, relaxivity_dia))
    mean = (positive + negative) / 2
    inside, total = box.pad(mask), box.pad((r2prime / mean).astype(dtype))
    threshold = np.full(box.shape, THRESHOLD, dtype)
    variations = [TotalVariation(threshold, grid.voxel_size) for _ in range(2)]
    rho, alpha = Penalties(regularisation / THRESHOLD, FIELD_PENALTY, SOURCE_PENALTY), variations[0].relaxation
    # Difference and sum of the sources are independent: of χ⁺² + χ⁻², each makes one half.
    halved = Penalties(rho.gradient / 2, rho.field, rho.source / 2)
    weight = data_weight(field_sd, mask).astype(dtype)
    offset = np.average(local_field, weights=weight * weight).astype(dtype)
    data = SplitField(box.pad(local_field - offset), box.pad(weight), grid, halved, alpha, kernel=kernel)
    response = gradient_symbol(box.shape, grid.voxel_size, dtype=dtype)
    response *= rho.gradient / 2
    response += rho.source / 2
    np.reciprocal(response, out=response)
    constants = np.array([*rho, alpha, relaxation_weight, positive / mean, negative / mean], dtype)
    w_para, w_dia, asked_difference, asked_sum = (np.zeros(box.shape, dtype) for _ in range(4))
    para, dia = w_para, w_dia

    def solve_sum() -> FloatArray:
        spectrum = rfftn(asked_sum)
        spectrum *= response
        return irfftn(spectrum, box.shape)

    def step() -> float:
        nonlocal para, dia
        para, dia = w_para, w_dia  # lets go of the last ones
        para, dia = solve_sum(), data.solve(asked_difference)
        _part(para, dia)
        residual = max(v.update(x) for v, x in zip(variations, (para, dia), strict=True))
        for variation, pull in zip(variations, (asked_difference, asked_sum), strict=True):
            variation.pull(pull)
        _join(para, dia, total, inside, constants, w_para, w_dia, asked_difference, asked_sum)
        return residual

    status, history = iterate(step, tolerance=tolerance, max_iterations=max_iterations)
    solution = Solution(Separated(para, dia), status, len(history), history).accept("chi_separation")
    return Separated(*(box.restore(np.maximum(x, 0), mask) for x in solution))


@parallel
def _part(total, difference):  # type: ignore[no-untyped-def]
    """Turn sum and difference of the sources into the paramagnetic and the diamagnetic ones, in place."""
    half = total.dtype.type(0.5)
    for i in prange(total.shape[0]):
        for j in range(total.shape[1]):
            for k in range(total.shape[2]):
                para = half * (total[i, j, k] + difference[i, j, k])
                difference[i, j, k] = para - difference[i, j, k]
                total[i, j, k] = para


@parallel
def _join(para, dia, total, inside, constants, w_para, w_dia, difference, half_sum):  # type: ignore[no-untyped-def]
    """Step w of the sources, and replace what their gradients ask by half of the difference and sum of all.

    z of the sources is argmin ½ μ (a z⁺ + b z⁻ − R)² + ½ ρ ‖z − w‖² over z ≥ 0 inside, and zero outside.
    """
    pull_gradient, _, pull_source, relaxation, mu, a, b = constants
    mu = mu / pull_source
    half, zero = total.dtype.type(0.5), total.dtype.type(0)
    one = half + half
    both, only_a, only_b = one / (one + mu * (a * a + b * b)), one / (one + mu * a * a), one / (one + mu * b * b)
    for i in prange(total.shape[0]):
        for j in range(total.shape[1]):
            for k in range(total.shape[2]):
                p, n = w_para[i, j, k], w_dia[i, j, k]
                for step in range(2):
                    zp = zn = zero
                    if inside[i, j, k]:
                        r = total[i, j, k]
                        excess = mu * both * (a * p + b * n - r)
                        zp, zn = p - a * excess, n - b * excess
                        if zp < zero:
                            zp, zn = zero, max(zero, only_b * (n + mu * b * r))
                        elif zn < zero:
                            zp, zn = max(zero, only_a * (p + mu * a * r)), zero
                    if step == 0:
                        p += relaxation * (para[i, j, k] - zp)
                        n += relaxation * (dia[i, j, k] - zn)
                w_para[i, j, k], w_dia[i, j, k] = p, n
                asks_p = pull_gradient * difference[i, j, k] + pull_source * (zp + zp - p)
                asks_n = pull_gradient * half_sum[i, j, k] + pull_source * (zn + zn - n)
                difference[i, j, k] = half * (asks_p - asks_n)
                half_sum[i, j, k] = half * (asks_p + asks_n)
