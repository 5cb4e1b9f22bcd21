"""Where the magnitude has edges: there, an inversion may let the susceptibility have some for nothing."""

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.physics.derivatives import gradient


def steepest(magnitude: FloatArray, mask: BoolArray, grid: Grid, share: float) -> BoolArray:
    """Return the voxels of the mask in which the magnitude, root sum of squares over echoes, is steepest.

    Parameters
    ----------
    magnitude : (X, Y, Z, E) array
        Magnitude, echo last, arbitrary units.
    mask : (X, Y, Z) bool array
        Voxels to look at.
    grid : Grid
        Geometry.
    share : float
        Share of the mask's voxels that are returned, 0 to 1.

    Returns
    -------
    (X, Y, Z) bool array
        The edges.
    """
    combined = np.sqrt(np.sum(magnitude * magnitude, axis=-1))
    steepness = np.linalg.norm(gradient(combined, grid.voxel_size), axis=0)
    steep: BoolArray = mask & (steepness > np.quantile(steepness[mask], 1 - share))
    return steep
