"""Mask of everything that gives signal."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import MaskError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.mask.homogeneity import homogenised
from qsmkit.recon.mask.morphology import filled, largest, opened
from qsmkit.recon.mask.otsu import tissue_threshold


@method("mask", produces="mask", cite=("Otsu1979", "Eckstein2019"), rev=1)
def threshold_mask(
    magnitude: FloatArray,
    grid: Grid,
    *,
    fraction: Annotated[float | None, Gt(0), Lt(1)] = None,
    smoothing: Annotated[float, Gt(0)] = 7.0,
    opening: Annotated[float, Ge(0)] = 1.0,
    keep_largest: bool = True,
    fill: bool = True,
) -> BoolArray:
    """Threshold the magnitude, corrected for its slow variation.

    The echoes are combined as the root of their sum of squares and divided by the signal of the surrounding
    tissue, a Gaussian average over the voxels that give signal. Otsu's threshold of the quotient, or a stated
    fraction, is the border; where the quotient has one mode, as in a crop within the brain, it lies three
    robust standard deviations below the median, and a warning says so. The skull is dark, so the largest
    connected part is the brain where no bridge leads to the scalp, and the head elsewhere.

    Parameters
    ----------
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units, echo last.
    grid : Grid
        Geometry.
    fraction : float, optional
        Threshold as a fraction of the surrounding tissue's signal; found by Otsu's method without it.
    smoothing : float
        Standard deviation of the Gaussian that averages the surrounding tissue, in mm.
    opening : float
        Radius of the opening that cuts thin bridges, in mm; at least the shortest voxel edge is taken, 0
        omits it.
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
        The magnitude is constant, or nothing is left.

    Warns
    -----
    DataWarning
        There is no air in view.
    """
    combined = np.sqrt(np.einsum("...e,...e", magnitude, magnitude))
    corrected = homogenised(combined, grid, smoothing, "threshold_mask")
    threshold = tissue_threshold(corrected, "threshold_mask") if fraction is None else fraction
    mask = corrected >= threshold
    if opening:
        mask = opened(mask, opening, grid.voxel_size) if mask.any() else mask
    if not mask.any():
        raise MaskError(
            f"threshold_mask: threshold {threshold:.3g} with opening = {opening:g} mm leaves no voxel; "
            "lower fraction or opening"
        )
    if keep_largest:
        mask = largest(mask)
    return filled(mask) if fill else mask
