"""The field of sources outside the mask that fits a field inside best."""

from dataclasses import replace

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.optim.solution import Solution
from qsmkit.optim.solvers import cg
from qsmkit.physics.box import Box
from qsmkit.physics.dipole import dipole_kernel
from qsmkit.physics.fft import convolve


def fit_outer_sources(
    field: FloatArray,
    mask: BoolArray,
    weight: FloatArray,
    grid: Grid,
    *,
    margin: float,
    penalty: float,
    tolerance: float,
    max_iterations: int,
) -> Solution[FloatArray]:
    """Minimise Σ w (b − P c − D M̄ χ)² + p ‖χ‖² by conjugate gradients, with M̄ the voxels outside the mask.

    The solid harmonics P of degree up to two, which shim coils and far sources make and nearby dipoles fit slowly,
    are fitted first.

    Parameters
    ----------
    field : (X, Y, Z) array
        b in ppm.
    mask : (X, Y, Z) bool array
        Voxels without sources.
    weight : (X, Y, Z) array
        w, dimensionless, zero outside the mask.
    grid : Grid
        Geometry.
    margin : float
        Room for sources around the mask in mm. The volume continues periodically; the images of a source lie
        outside the mask too, so that more room serves only to place sources.
    penalty : float
        p, dimensionless.
    tolerance : float
        Relative residual of the normal equations at which iterations stop.
    max_iterations : int
        Most iterations to do.

    Returns
    -------
    Solution
        P c + D M̄ χ in ppm, (X, Y, Z), zero outside the mask.
    """
    box = Box.around(mask, grid, margin)
    outside = ~box.pad(mask)
    weight = box.pad(weight)
    harmonics = solid_harmonics(field, mask, weight[~outside], grid)
    dipole = dipole_kernel(grid, box.shape, dtype=field.dtype)

    def fields(chi: FloatArray) -> FloatArray:
        return convolve(chi, dipole, box.shape)

    def sources(b: FloatArray) -> FloatArray:
        b *= weight
        b = fields(b)
        b *= outside
        return b

    def normal(chi: FloatArray) -> FloatArray:
        y = sources(fields(chi))
        y += penalty * chi
        return y

    solution = cg(normal, sources(box.pad(field - harmonics)), tolerance=tolerance, max_iterations=max_iterations)
    return replace(solution, x=box.restore(fields(solution.x), mask) + harmonics)


def solid_harmonics(field: FloatArray, mask: BoolArray, weight: FloatArray, grid: Grid) -> FloatArray:
    """Return the solid harmonics of degree up to two that fit best inside, and zero outside."""
    index = np.nonzero(mask)
    x, y, z = ((i - i.mean()) * (h / 100) for i, h in zip(index, grid.voxel_size, strict=True))
    one = np.ones_like(x)
    basis = [one, x, y, z, x * y, y * z, z * x, x**2 - y**2, x**2 + y**2 - 2 * z**2]
    harmonics = np.stack(basis).astype(field.dtype)
    weighted = harmonics * weight
    coefficients = np.linalg.lstsq(weighted @ harmonics.T, weighted @ field[mask], rcond=None)[0]
    fitted = np.zeros_like(field)
    fitted[mask] = coefficients @ harmonics
    return fitted
