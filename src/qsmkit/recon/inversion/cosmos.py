"""Inversion of fields measured in several orientations of the head."""

import warnings
from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import DataWarning, InputError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.solvers import cg
from qsmkit.physics.box import Box
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import convolve, irfftn, rfftn
from qsmkit.recon.inversion.splitting import data_weight

WEAK, MOST_WEAK = 0.05, 0.01
"""Where the root mean square of the kernels over orientations is below the first, a cone is left; a larger share of
k-space than the second is warned of."""


@method("inversion", produces="chi", cite="Liu2009", rev=1)
def cosmos(
    local_fields: FloatArray,
    b0_directions: npt.NDArray[np.float64],
    mask: BoolArray,
    grid: Grid,
    field_sds: FloatArray | None = None,
    *,
    weighted: bool = True,
    regularisation: Annotated[float, Gt(0)] = 3e-3,
    tolerance: Annotated[float, Gt(0), Lt(1)] = 0.01,
    max_iterations: Annotated[int, Ge(1)] = 50,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Least squares over several orientations of the head, whose cones hardly meet.

        χ = argmin Σᵢ ‖Wᵢ (Dᵢ χ − Bᵢ)‖² + λ ‖χ‖²

    Unweighted, in closed form (COSMOS, Liu 2009): χ(k) = Σᵢ Dᵢ Bᵢ / (Σᵢ Dᵢ² + λ). Weighted, χ and the data are
    confined to the mask, outside which fields are not zero but unknown, and counted by their noise; conjugate
    gradients, preconditioned by the closed form, take about ten steps of one pair of transforms for every
    orientation and two more.

    Parameters
    ----------
    local_fields : (X, Y, Z, N) array
        Local fields in ppm, orientation last, registered to one grid.
    b0_directions : (N, 3) array
        Unit vector of B0 in the voxel axes of that grid, one a row.
    mask : (X, Y, Z) bool array
        Voxels in which every local field is known.
    grid : Grid
        Geometry; its own direction of B0 is not used.
    field_sds : (X, Y, Z, N) array, optional
        Standard deviation of each field in ppm; where it is zero or less, nothing was measured.
    weighted : bool
        Confine to the mask and weight by noise; else the closed form.
    regularisation : float
        λ, dimensionless: what is left of the cones, and the mean of χ, is held small.
    tolerance : float
        Stop when the residual of the normal equations is this small a part of their right side.
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
        Fewer than two orientations are given, or a standard deviation is nowhere positive.

    Warns
    -----
    DataWarning
        The orientations are so alike that their cones meet.
    ConvergenceWarning
        The tolerance was not reached.
    """
    turns, dtype = range(len(b0_directions)), local_fields.dtype
    if len(turns) < 2:
        raise InputError("cosmos needs two orientations at least, and three to be well-posed; for one, use tv")
    box = Box.around(mask, grid, margin)
    dipoles = [dipole_kernel(grid, box.shape, kind=kernel, direction=b, dtype=dtype) for b in b0_directions]
    normal_symbol = sum((d * d for d in dipoles), np.zeros_like(dipoles[0]))
    weak = float(np.mean(normal_symbol < len(turns) * WEAK**2))
    if weak > MOST_WEAK:
        warnings.warn(
            f"cosmos: {100 * weak:.1f} % of k-space is nearly hidden in every orientation; turn the head further, or "
            "add orientations",
            DataWarning,
            stacklevel=2,
        )
    normal_symbol += dtype.type(regularisation)
    inverse = np.reciprocal(normal_symbol, out=normal_symbol)
    fields = [box.pad(local_fields[..., i] * mask) for i in turns]

    def combined(data: list[FloatArray]) -> FloatArray:
        """Return Σᵢ Dᵢ dataᵢ."""
        spectrum = np.zeros(inverse.shape, np.result_type(dtype, np.complex64))
        for field, dipole in zip(data, dipoles, strict=True):
            spectrum += rfftn(field) * dipole
        return irfftn(spectrum, box.shape)

    if not weighted:
        return box.restore(convolve(combined(fields), inverse, box.shape), mask)

    inside, weights = box.pad(mask), []
    for i in turns:
        weight = box.pad(data_weight(None if field_sds is None else field_sds[..., i], mask).astype(dtype))
        weights.append(weight * weight)

    def normal(x: FloatArray) -> FloatArray:
        spectrum = rfftn(x)
        y = combined([irfftn(spectrum * d, box.shape) * w for d, w in zip(dipoles, weights, strict=True)])
        y += dtype.type(regularisation) * x
        y *= inside
        return y

    def precondition(r: FloatArray) -> FloatArray:
        z = convolve(r, inverse, box.shape)
        z *= inside
        return z

    b = combined([w * f for w, f in zip(weights, fields, strict=True)])
    b *= inside
    solution = cg(normal, b, precondition=precondition, tolerance=tolerance, max_iterations=max_iterations)
    return box.restore(solution.accept("cosmos"), mask)
