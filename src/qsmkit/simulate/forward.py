"""From susceptibility to field: the head in the magnet, and the shim."""

from typing import NamedTuple

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.physics.dipole import dipole_kernel
from qsmkit.physics.fft import convolve, fast_shape
from qsmkit.simulate.space import Space

NECK = 50.0
"""How far the lowest slice is continued below the image, mm: a cut neck would disturb the field."""

SHIM_SCALE = 80.0
"""Length, mm, that makes the shim's polynomials well conditioned."""


class Fields(NamedTuple):
    """Field shifts on the samples of the head, ppm: (X, Y, Z) each."""

    total: FloatArray
    local: FloatArray


def fields(chi: FloatArray, brain: BoolArray, outside: float, grid: Grid) -> Fields:
    """Return the field of the whole head and of the brain alone.

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility relative to water in ppm; the neck leaves the volume at its low z end.
    brain : (X, Y, Z) bool array
        The sources of the local field.
    outside : float
        Susceptibility of what surrounds the head, ppm.
    grid : Grid
        Geometry of the samples.

    Returns
    -------
    Fields
        Total and local field in ppm.
    """
    neck = round(NECK / grid.voxel_size[2])
    shape = fast_shape(grid.shape, grid.shape)
    kernel = dipole_kernel(grid, shape, dtype=chi.dtype)
    local = convolve(chi * brain, kernel, shape).copy()
    longer = np.pad(chi - chi.dtype.type(outside), ((0, 0), (0, 0), (neck, 0)), mode="edge")
    total = convolve(longer, kernel, shape)[:, :, neck:].copy()
    return Fields(total, local)


def shim(field: FloatArray, brain: BoolArray, space: Space) -> FloatArray:
    """Return the field, ppm, left over by a second-order shim over the brain.

    The solid harmonics up to second order are fitted to every third sample by least squares and subtracted
    everywhere.

    Parameters
    ----------
    field : (X, Y, Z) array
        Field shift in ppm.
    brain : (X, Y, Z) bool array
        Where the field is to be even.
    space : Space
        Positions of the samples.
    """
    thin = (slice(None, None, 3),) * 3
    terms = [np.broadcast_to(h, field.shape) for h in _solid_harmonics(space)]
    system = np.stack([h[thin][brain[thin]] for h in terms], 1)
    weights, *_ = np.linalg.lstsq(system, field[thin][brain[thin]].astype(np.float64), rcond=None)
    left = field.copy()
    for weight, harmonic in zip(weights, terms, strict=True):
        left -= np.float32(weight) * harmonic
    return left


def _solid_harmonics(space: Space) -> list[FloatArray]:
    x, y, z = space.scaled(SHIM_SCALE)
    one = np.ones((1, 1, 1), np.float32)
    return [one, x, y, z, x * x - y * y, x * y, 2 * z * z - x * x - y * y, y * z, x * z]
