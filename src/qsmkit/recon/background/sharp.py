"""Background removal by SHARP."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.background.high_pass import HighPass, divide
from qsmkit.recon.background.result import LocalField


@method("background", cite="Schweser2011", rev=1)
def sharp(
    total_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    *,
    radius: Annotated[float, Gt(0)] = 6.0,
    threshold: Annotated[float, Ge(0), Lt(1)] = 0.1,
) -> LocalField:
    """Subtract the spherical mean, and deconvolve.

    b_L = F⁻¹[F(M_r (δ − ρ) ⋆ b) / (1 − F ρ)], where M_r holds the voxels around which the ball ρ lies in the mask, and
    frequencies at which |1 − F ρ| is below the threshold are dropped (Schweser 2011).

    The high-pass is set to zero outside M_r, where it is not known; `resharp` leaves it open.

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
    threshold : float
        Smallest |1 − F ρ| that is divided by.

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
    high = high_pass(high_pass.box.pad(total_field * mask))
    return LocalField(divide(high, high_pass, mask, grid, threshold), high_pass.valid)
