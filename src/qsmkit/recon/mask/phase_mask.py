"""Mask of the voxels whose phase can be trusted."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import MaskError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.mask.morphology import closed, filled, largest, opened
from qsmkit.recon.mask.otsu import tissue_threshold


@method("mask", produces="mask", cite=("Stewart2022", "Otsu1979"), rev=1)
def quality_mask(
    phase_quality: FloatArray,
    grid: Grid,
    *,
    threshold: Annotated[float | None, Gt(0), Lt(1)] = None,
    opening: Annotated[float, Ge(0)] = 1.0,
    closing: Annotated[float, Ge(0)] = 1.0,
    keep_largest: bool = True,
    fill: bool = True,
) -> BoolArray:
    """Threshold the quality of the phase.

    The threshold is Otsu's where the quality has two modes, tissue and noise, as a volume with air around the
    head has. Where it has one mode there is no noise to part from (a crop within the brain); the threshold is
    then the median less three robust standard deviations (1.4826 × the median absolute deviation), and a
    warning says so. Opening cuts off grains of noise, closing and filling restore voxels around veins and
    other strong sources (Stewart 2022).

    Parameters
    ----------
    phase_quality : (X, Y, Z) array
        Reliability of the phase, 0 to 1.
    grid : Grid
        Geometry.
    threshold : float, optional
        Smallest quality to keep, 0 to 1; found from the data without it.
    opening : float
        Radius of the opening that cuts off grains, in mm; at least the shortest voxel edge is taken, 0 omits
        it.
    closing : float
        Radius of the closing that mends gaps, in mm; at least the shortest voxel edge is taken, 0 omits it.
    keep_largest : bool
        Keep only the largest connected part.
    fill : bool
        Fill the holes.

    Returns
    -------
    (X, Y, Z) bool array
        Mask.

    Raises
    ------
    MaskError
        The quality is constant, or nothing is left.

    Warns
    -----
    DataWarning
        The quality has a single mode.
    """
    level = tissue_threshold(phase_quality, "quality_mask") if threshold is None else threshold
    mask = phase_quality >= level
    if opening and mask.any():
        mask = opened(mask, opening, grid.voxel_size)
    if not mask.any():
        raise MaskError(
            f"quality_mask: threshold {level:.3g} with opening = {opening:g} mm leaves no voxel; "
            "lower them, or check the phase"
        )
    if keep_largest:
        mask = largest(mask)
    if closing:
        mask = closed(mask, closing, grid.voxel_size)
    return filled(mask) if fill else mask
