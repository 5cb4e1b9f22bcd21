"""Background removal by regularised SHARP."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.background.high_pass import HighPass, deconvolve
from qsmkit.recon.background.result import LocalField


@method("background", cite="Sun2014", rev=1)
def resharp(
    total_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    *,
    radius: Annotated[float, Gt(0)] = 6.0,
    regularisation: Annotated[float, Gt(0)] = 1e-3,
    tolerance: Annotated[float, Gt(0), Lt(1)] = 1e-3,
    max_iterations: Annotated[int, Ge(1)] = 100,
) -> LocalField:
    """Find the smallest local field whose deviation from its spherical mean is that of the total field.

    minimise ‖M (δ − ρ) ⋆ (b − b_L)‖² + λ ‖b_L‖², by conjugate gradients, where M holds the voxels around
    which the ball ρ lies in the mask (Sun & Wilman 2014).

    Noise is a part of b_L: it is deconvolved with the local field, not suppressed, and its variance does not
    enter.

    Parameters
    ----------
    total_field : (X, Y, Z) array
        Total field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the total field is known.
    grid : Grid
        Geometry.
    radius : float
        Radius of the ball in mm, by which the mask is eroded.
    regularisation : float
        λ, dimensionless. More suppresses background that leaks in, and slow variations of the local field
        with it.
    tolerance : float
        Relative residual of the normal equations at which iterations stop.
    max_iterations : int
        Most iterations to do.

    Returns
    -------
    LocalField
        Local field in ppm, and the mask eroded by the ball.

    Raises
    ------
    ParameterError
        The radius is too small for the voxels.
    MaskError
        The ball does not fit into the mask.
    """
    high_pass = HighPass.of(mask, grid, [radius], total_field.dtype)
    solution = deconvolve(
        high_pass,
        total_field * mask,
        [1.0],
        regularisation,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    return LocalField(high_pass.box.restore(solution.accept("resharp"), high_pass.valid), high_pass.valid)
