"""Background removal by a Gaussian high-pass that narrows towards the edge."""

from typing import Annotated

import numpy as np
from annotated_types import Gt, Le

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.physics.box import Box
from qsmkit.physics.fft import Shape, frequencies, irfftn, rfftn
from qsmkit.physics.smv import smv_kernel
from qsmkit.recon.background.result import LocalField

LEVELS = 8
"""Number of widths between the narrowest and the widest Gaussian, between which the mean is interpolated."""


@method("background", cite=("Ng2011", "Yaghmaie2021"), rev=1)
def sdf(
    total_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    *,
    sigma: Annotated[float, Gt(0)] = 10.0,
    radius: Annotated[float, Gt(0)] = 8.0,
    lowest: Annotated[float, Gt(0), Le(1)] = 0.6,
) -> LocalField:
    """Subtract a Gaussian mean over the mask whose width shrinks towards the edge.

    b_L = b − (G_s ⋆ M b) / (G_s ⋆ M), with s(x) = σ max(p(x), l) and p(x) the share of a ball around x that lies in
    the mask: the background changes fastest next to the edge (spatially dependent filtering, Ng 2011). Width, radius
    and least share are those with which QSMART (Yaghmaie 2021) uses it; its dependence on the curvature of the edge is
    left out.

    A high-pass, not a model: it removes slow variations of the local field too, and leaves background near the edge.

    Parameters
    ----------
    total_field : (X, Y, Z) array
        Total field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the total field is known.
    grid : Grid
        Geometry.
    sigma : float
        Standard deviation σ of the Gaussian deep in the mask, in mm.
    radius : float
        Radius in mm of the ball that senses the edge.
    lowest : float
        Smallest factor l by which σ shrinks.

    Returns
    -------
    LocalField
        Local field in ppm, and the mask as given.

    Raises
    ------
    ParameterError
        The radius is too small for the voxels.
    """
    box = Box.around(mask, grid, 3 * sigma)
    inside = box.pad(mask)
    ones = inside.astype(total_field.dtype)
    field = box.pad(total_field * mask)
    member, product = rfftn(ones), rfftn(field)
    share = irfftn(member * smv_kernel(radius, grid.voxel_size, box.shape, dtype=field.dtype), box.shape)
    place = (np.clip(share, lowest, 1) - lowest) * ((LEVELS - 1) / (1 - lowest) if lowest < 1 else 0)
    background = np.zeros_like(field)
    for level, width in enumerate(np.linspace(lowest, 1, LEVELS) * sigma if lowest < 1 else [sigma]):
        gauss = _gaussian(box.shape, grid, width).astype(field.dtype)
        weight = np.maximum(1 - np.abs(place - level), 0) * inside
        mean = irfftn(product * gauss, box.shape)
        mean /= np.where(inside, irfftn(member * gauss, box.shape), 1)
        background += weight * mean
    return LocalField(box.restore(field - background, mask), mask.copy())


def _gaussian(shape: Shape, grid: Grid, width: float) -> FloatArray:
    """Return the spectrum of a normalised Gaussian of standard deviation `width` mm on the half spectrum."""
    x, y, z = (np.exp(-2 * (np.pi * k * width) ** 2) for k in frequencies(shape, grid.voxel_size))
    spectrum: FloatArray = x * y * z
    return spectrum
