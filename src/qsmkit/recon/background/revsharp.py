"""Background removal by regularised SHARP with several radii."""

import math
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.background.high_pass import HighPass, deconvolve, smallest_radius
from qsmkit.recon.background.result import LocalField


@method("background", cite="Kan2016", rev=1)
def revsharp(
    total_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    *,
    max_radius: Annotated[float, Gt(0)] = 12.0,
    min_radius: Annotated[float | None, Gt(0)] = None,
    regularisation: Annotated[float, Gt(0)] = 3e-3,
    tolerance: Annotated[float, Gt(0), Lt(1)] = 3e-3,
    max_iterations: Annotated[int, Ge(1)] = 100,
) -> LocalField:
    """Solve regularised SHARP with, around every voxel, the largest ball that fits into the mask.

    minimise Σ_r (r / r_max)² ‖M_r (δ − ρ_r) ⋆ (b − b_L)‖² + λ ‖b_L‖², where shell M_r holds the voxels around
    which r is the largest of the radii whose ball lies in the mask (REV-SHARP, Kan 2016). It keeps the mask
    nearly whole, as V-SHARP does, without V-SHARP's inconsistent deconvolution. Beyond the paper: the radii
    halve from one to the next, and smaller balls count less, as voxels are too coarse for the field next to
    the edge.

    Parameters
    ----------
    total_field : (X, Y, Z) array
        Total field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the total field is known.
    grid : Grid
        Geometry.
    max_radius : float
        Largest radius in mm.
    min_radius : float
        Smallest radius in mm, by which the mask is eroded; the longest edge of a voxel if not given. It must
        be longer than half of that.
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
        Local field in ppm, and the mask eroded by the smallest ball.

    Raises
    ------
    ParameterError
        The radii are in the wrong order, or too small for the voxels.
    MaskError
        No ball fits into the mask.
    """
    smallest = smallest_radius("revsharp", max_radius, min_radius, grid)
    radii = np.geomspace(max_radius, smallest, math.ceil(math.log2(max_radius / smallest)) + 1)
    high_pass = HighPass.of(mask, grid, radii.tolist(), total_field.dtype)
    weights = [(radius / high_pass.radii[0]) ** 2 for radius in high_pass.radii]
    solution = deconvolve(
        high_pass,
        total_field * mask,
        weights,
        regularisation,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    return LocalField(high_pass.box.restore(solution.accept("revsharp"), high_pass.valid), high_pass.valid)
