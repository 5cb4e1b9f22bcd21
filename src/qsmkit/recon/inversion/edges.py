"""Where the magnitude has edges: there, an inversion may let the susceptibility have some for nothing."""

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.physics.derivatives import gradient
from qsmkit.physics.smv import clearance


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


def contrasted(magnitude: FloatArray, mask: BoolArray, grid: Grid, contrast: float, depth: float) -> BoolArray:
    """Return the voxels of the mask in which the magnitude changes beyond what is usual in it: its edges.

    The squared gradient of every echo, per voxel, in units of its median over the mask, averaged over echoes. Most of a
    brain is no edge, so that the median is what noise, coil sensitivity and texture make.

    Parameters
    ----------
    magnitude : (X, Y, Z, E) array
        Magnitude, echo last, arbitrary units.
    mask : (X, Y, Z) bool array
        Voxels to look at.
    grid : Grid
        Geometry.
    contrast : float
        Times the median from which a voxel is an edge.
    depth : float
        How far below the mask's edge edges begin, mm: at the rim, the magnitude is steep because the head ends.

    Returns
    -------
    (X, Y, Z) bool array
        The edges.
    """
    energy = np.zeros(mask.shape, magnitude.dtype)
    for e in range(magnitude.shape[-1]):
        slope = gradient(np.ascontiguousarray(magnitude[..., e]), (1.0, 1.0, 1.0))
        square = np.sum(slope * slope, axis=0)
        energy += square / max(float(np.median(square[mask])), np.finfo(square.dtype).tiny)
    edges: BoolArray = mask & (energy > contrast * magnitude.shape[-1])
    return edges & (clearance(mask, grid.voxel_size, depth + max(grid.voxel_size)) > depth)
