"""From susceptibility to field: the head in the magnet, and the shim."""

from typing import NamedTuple

import numpy as np
import scipy.fft

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange, thread_count
from qsmkit.grid import Grid
from qsmkit.physics.dipole import dipole_kernel
from qsmkit.physics.fft import convolve, fast_shape, frequencies
from qsmkit.simulate.space import Space

NECK = 50.0
"""How far the lowest slice is continued below the image, mm: a cut neck would disturb the field."""

SHIM_SCALE = 80.0
"""Length, mm, that makes the shim's polynomials well conditioned."""


SLAB = 16
"""Planes of the spectrum that are transformed along the first axis together."""


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


def lean_fields(chi: FloatArray, brain: BoolArray, outside: float, grid: Grid) -> Fields:
    """Return what `fields` returns, for a head of many samples: in a quarter of the memory and half the time.

    Parameters
    ----------
    chi : (X, Y, Z) float32 array
        Susceptibility relative to water in ppm; the neck leaves the volume at its low z end.
    brain : (X, Y, Z) bool array
        The sources of the local field.
    outside : float
        Susceptibility of what surrounds the head, ppm.
    grid : Grid
        Geometry of the samples; its pose gives the direction of B0.

    Returns
    -------
    Fields
        Total and local field in ppm.
    """
    neck = round(NECK / grid.voxel_size[2])
    longer = np.pad(chi - chi.dtype.type(outside), ((0, 0), (0, 0), (neck, 0)), mode="edge")
    total = np.ascontiguousarray(dipole_field(longer, grid)[:, :, neck:])
    return Fields(total, dipole_field(chi * brain, grid))


def dipole_field(chi: FloatArray, grid: Grid) -> FloatArray:
    """Return the field of a susceptibility volume with nothing around it, padded to twice its size.

    The same as `qsmkit.physics.dipole.forward_field`, but zeros are not transformed, the first axis is padded only
    slab by slab, and the kernel is never stored.

    Parameters
    ----------
    chi : (X, Y, Z) float32 array
        Susceptibility in ppm.
    grid : Grid
        Gives voxel size and B0 direction; its shape does not matter.

    Returns
    -------
    (X, Y, Z) float32 array
        Relative field shift in ppm.
    """
    x, y, z = chi.shape
    shape = fast_shape(chi.shape, chi.shape)
    kx, ky, kz = (k.ravel() for k in frequencies(shape, grid.voxel_size))
    workers = thread_count()
    spectrum = scipy.fft.rfft(chi, shape[2], axis=2, workers=workers)
    spectrum = scipy.fft.fft(spectrum, shape[1], axis=1, workers=workers)
    for start in range(0, shape[1], SLAB):
        part = slice(start, start + SLAB)
        slab = scipy.fft.fft(spectrum[:, part], shape[0], axis=0, workers=workers)
        _multiply_by_dipole(slab, kx, ky[part], kz, 0.5 / np.array(grid.voxel_size), grid.b0_direction)
        spectrum[:, part] = scipy.fft.ifft(slab, axis=0, workers=workers, overwrite_x=True)[:x]
    spectrum = scipy.fft.ifft(spectrum, axis=1, workers=workers, overwrite_x=True)[:, :y]
    field = scipy.fft.irfft(spectrum, shape[2], axis=2, workers=workers)
    return np.ascontiguousarray(field[:, :, :z])


@parallel
def _multiply_by_dipole(spectrum, kx, ky, kz, nyquist, b):  # type: ignore[no-untyped-def]
    """Multiply by D = 1/3 − (k·b)² / k²; products of an odd frequency vanish at its Nyquist frequency."""
    for i in prange(len(kx)):
        px = 0.0 if abs(abs(kx[i]) - nyquist[0]) < 1e-9 else kx[i]
        for j in range(len(ky)):
            py = 0.0 if abs(abs(ky[j]) - nyquist[1]) < 1e-9 else ky[j]
            for k in range(len(kz)):
                pz = 0.0 if abs(abs(kz[k]) - nyquist[2]) < 1e-9 else kz[k]
                square = kx[i] ** 2 + ky[j] ** 2 + kz[k] ** 2
                if square == 0:
                    spectrum[i, j, k] = 0
                    continue
                along = (b[0] * kx[i]) ** 2 + (b[1] * ky[j]) ** 2 + (b[2] * kz[k]) ** 2
                along += 2 * (b[0] * b[1] * px * py + b[0] * b[2] * px * pz + b[1] * b[2] * py * pz)
                spectrum[i, j, k] *= np.float32(1 / 3 - along / square)


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
