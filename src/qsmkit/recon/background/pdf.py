"""Background removal by projection onto dipole fields."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.background.outer import fit_outer_sources
from qsmkit.recon.background.result import LocalField


@method("background", cite="Liu2011", rev=1)
def pdf(
    total_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    *,
    margin: Annotated[float, Gt(0)] = 20.0,
    local_sd: Annotated[float, Gt(0)] = 0.01,
    source_sd: Annotated[float, Gt(0)] = 1.0,
    tolerance: Annotated[float, Gt(0), Lt(1)] = 1e-3,
    max_iterations: Annotated[int, Ge(1)] = 200,
) -> LocalField:
    """Fit the field of dipoles outside the mask to the field inside, and subtract it.

    minimise ‖W (b − D M̄ χ)‖² + ‖χ‖² / σ_χ², b_L = b − D M̄ χ, with M̄ the voxels outside the mask (Liu 2011), by
    conjugate gradients. The mask is kept whole.

    Beyond the paper: solid harmonics of degree up to two, which shim coils and far sources make and nearby
    dipoles fit slowly, are fitted and subtracted first; the fit leaves noise *and* the local field as its
    residual, so that W² = 1 / (σ² + σ_L²) holds the variance of both; and the prior σ_χ keeps sources next to
    the edge from growing without bound to fit the noise.

    Parameters
    ----------
    total_field : (X, Y, Z) array
        Total field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the total field is known.
    grid : Grid
        Geometry.
    field_sd : (X, Y, Z) array, optional
        Standard deviation σ of the total field in ppm; where it is zero or less, nothing was measured. Every voxel
        counts the same without it.
    margin : float
        Room for sources around the mask in mm. The volume continues periodically; the images of a source lie
        outside the mask too, so that more room serves only to place sources.
    local_sd : float
        Standard deviation σ_L of the local field to be expected, in ppm.
    source_sd : float
        Standard deviation σ_χ of the susceptibility outside to be expected, in ppm.
    tolerance : float
        Relative residual of the normal equations at which iterations stop.
    max_iterations : int
        Most iterations to do.

    Returns
    -------
    LocalField
        Local field in ppm, and the mask as given.
    """
    weight = mask.astype(total_field.dtype)
    if field_sd is not None:
        weight *= (field_sd > 0) / (1 + (field_sd / local_sd) ** 2)
    solution = fit_outer_sources(
        total_field,
        mask,
        weight,
        grid,
        margin=margin,
        penalty=(local_sd / source_sd) ** 2,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    return LocalField((total_field - solution.accept("pdf")) * mask, mask.copy())
