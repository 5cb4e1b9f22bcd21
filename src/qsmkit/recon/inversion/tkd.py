"""Inversion by truncated k-space division."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.physics.box import Box
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import irfftn, rfftn


@method("inversion", produces="chi", cite=("Shmueli2009", "Schweser2013"), rev=2)
def tkd(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    *,
    threshold: Annotated[float, Gt(0), Le(2 / 3)] = 0.15,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Divide by the dipole kernel, truncated where it is small.

    χ(k) = B(k) / D(k) where |D(k)| ≥ t, and B(k) sign(D(k)) / t elsewhere (Shmueli 2009). The result is
    divided by the mean over k of what this makes of a point source, the factor by which truncation shrinks χ
    (Schweser 2013).

    Parameters
    ----------
    local_field : (X, Y, Z) array
        Local field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the local field is known.
    grid : Grid
        Geometry.
    threshold : float
        Smallest magnitude of the kernel, t, that is divided by.
    margin : float
        Room in mm between the mask and its periodic images.
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.

    Returns
    -------
    (X, Y, Z) array
        Susceptibility in ppm, zero outside the mask.
    """
    box = Box.around(mask, grid, margin)
    dipole = dipole_kernel(grid, box.shape, kind=kernel, dtype=local_field.dtype)
    inverse = np.copysign(1 / np.maximum(np.abs(dipole), dipole.dtype.type(threshold)), dipole)
    inverse[0, 0, 0] = 0
    inverse /= _mean(dipole * inverse, box.shape[2])
    spectrum = rfftn(box.crop(local_field * mask), box.shape)
    spectrum *= inverse
    return box.restore(irfftn(spectrum, box.shape), mask)


def _mean(half: FloatArray, length: int) -> float:
    """Return the mean of a whole real, even spectrum: all planes of its half but k = 0 and Nyquist count twice."""
    twice = half[:, :, 1 : (length + 1) // 2].sum(dtype=np.float64)
    return float((half.sum(dtype=np.float64) + twice) / (half.shape[0] * half.shape[1] * length))
