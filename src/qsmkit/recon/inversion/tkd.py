"""Inversion by truncated k-space division."""

from typing import Annotated

import numpy as np
from annotated_types import Gt, Le

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import convolve, fast_shape


@method("inversion", produces="chi", cite="Shmueli2009", rev=1)
def tkd(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    *,
    threshold: Annotated[float, Gt(0), Le(2 / 3)] = 0.15,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Divide by the dipole kernel, truncated where it is small.

    χ(k) = B(k) / D(k) where |D(k)| ≥ t, and B(k) sign(D(k)) / t elsewhere (Shmueli 2009). The result is divided by the
    mean of the truncated kernel's response, the factor by which truncation shrinks χ (Schweser 2013).

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
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.

    Returns
    -------
    (X, Y, Z) array
        Susceptibility in ppm, zero outside the mask.
    """
    shape = fast_shape(grid.shape)
    dipole = dipole_kernel(grid, shape, kind=kernel)
    truncated = np.where(np.abs(dipole) < threshold, np.copysign(threshold, dipole), dipole)
    inverse = 1 / truncated
    inverse[0, 0, 0] = 0
    inverse /= np.mean(dipole * inverse)
    return convolve(local_field * mask, inverse, shape) * mask
