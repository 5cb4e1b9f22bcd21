"""Background removal by SHARP with a variable radius."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.background.high_pass import HighPass, divide, smallest_radius
from qsmkit.recon.background.result import LocalField


@method("background", cite=("Schweser2011", "Li2011", "Wu2012"), rev=1)
def vsharp(
    total_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    *,
    max_radius: Annotated[float, Gt(0)] = 12.0,
    min_radius: Annotated[float | None, Gt(0)] = None,
    step: Annotated[float, Gt(0)] = 1.0,
    threshold: Annotated[float, Ge(0), Lt(1)] = 0.1,
) -> LocalField:
    """Subtract the mean over the largest ball that fits into the mask, and deconvolve.

    b′(x) = (δ − ρ_r(x)) ⋆ b, with r(x) the largest of the radii whose ball around x lies in the mask, and
    b_L = F⁻¹[F b′ / (1 − F ρ_max)], where frequencies at which |1 − F ρ_max| is below the threshold are
    dropped (Schweser 2011, Li 2011, Wu 2012).

    Deconvolving all voxels with the largest ball is wrong wherever a smaller one was subtracted: slow
    variations of the local field are damped there. `revsharp` solves the same equations consistently.

    Parameters
    ----------
    total_field : (X, Y, Z) array
        Total field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the total field is known.
    grid : Grid
        Geometry.
    max_radius : float
        Largest radius in mm, used deep in the mask and for the deconvolution; where it does not fit into the
        mask at all, the next radius that does takes its place.
    min_radius : float
        Bound in mm below which no radius lies; the longest edge of a voxel if not given. It must be longer
        than half of that. The last radius that the steps reach erodes the mask.
    step : float
        Difference between one radius and the next in mm.
    threshold : float
        Smallest |1 − F ρ_max| that is divided by.

    Returns
    -------
    LocalField
        Local field in ppm, and the mask eroded by the smallest ball.

    Raises
    ------
    ParameterError
        The radii are in the wrong order, or too small for the voxels.
    MaskError
        No ball fits into the mask.
    """
    smallest = smallest_radius("vsharp", max_radius, min_radius, grid)
    radii = np.arange(max_radius, smallest * (1 - 1e-9), -step)
    high_pass = HighPass.of(mask, grid, radii.tolist(), total_field.dtype)
    high = high_pass(high_pass.box.pad(total_field * mask))
    return LocalField(divide(high, high_pass, mask, grid, threshold), high_pass.valid)
