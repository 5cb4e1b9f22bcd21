"""The Laplacian of the field, from wrapped phase, and its inverse."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_erosion

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.physics.box import Box
from qsmkit.physics.derivatives import gradient_symbol
from qsmkit.physics.fft import Shape, convolve
from qsmkit.recon.background.outer import solid_harmonics
from qsmkit.recon.background.result import LocalField
from qsmkit.recon.unwrap.laplacian import wrapped_laplacian
from qsmkit.units import radians_per_ppm


def field_laplacian(
    phase: FloatArray,
    echo_times: npt.NDArray[np.float64],
    field_strength: float,
    mask: BoolArray,
    grid: Grid,
    magnitude: FloatArray | None,
) -> FloatArray:
    """Return Σ_e w_e ∇²φ_e / Σ_e w_e c_e, with w_e = m_e² c_e and c_e the phase in rad that 1 ppm makes in echo e.

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Wrapped or unwrapped phase in rad.
    echo_times : (E,) array
        Echo times in s.
    field_strength : float
        Main field in T.
    mask : (X, Y, Z) bool array
        Voxels in which the phase is known.
    grid : Grid
        Geometry.
    magnitude : (X, Y, Z, E) array or None
        Magnitude m in arbitrary units; 1 without it.

    Returns
    -------
    (X, Y, Z) array
        Laplacian in ppm/mm², zero where a neighbour lies outside the mask.
    """
    known = binary_erosion(mask)
    total, weights = np.zeros_like(phase[..., 0]), np.zeros_like(phase[..., 0])
    for e, echo_time in enumerate(echo_times):
        per_ppm = phase.dtype.type(radians_per_ppm(field_strength, echo_time))
        weight = per_ppm * (1 if magnitude is None else magnitude[..., e] ** 2)
        total += weight * wrapped_laplacian(phase[..., e], known, grid)
        weights += weight * per_ppm
    np.divide(total, weights, out=total, where=known & (weights > 0))
    total[~known] = 0
    return total


def inverse_laplacian(shape: Shape, grid: Grid, dtype: npt.DTypeLike) -> FloatArray:
    """Return the spectrum of the periodic inverse of the 7-point Laplacian in mm², zero for the constant."""
    symbol = gradient_symbol(shape, grid.voxel_size, dtype=dtype)
    symbol[0, 0, 0] = 1
    inverse = -1 / symbol
    inverse[0, 0, 0] = 0
    return inverse


def integrate(source: FloatArray, box: Box, mask: BoolArray, grid: Grid) -> LocalField:
    """Return the field in ppm whose Laplacian on the box is `source`, less the solid harmonics of degree up to two.

    The periodic volume leaves such harmonics in the mask.
    """
    field = box.restore(convolve(source, inverse_laplacian(box.shape, grid, source.dtype), box.shape), mask)
    field -= solid_harmonics(field, mask, np.ones(np.count_nonzero(mask), field.dtype), grid)
    return LocalField(field, mask.copy())
