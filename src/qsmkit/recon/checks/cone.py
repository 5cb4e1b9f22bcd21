"""Power on the dipole's zero cone in k-space, where the field tells nothing about χ, and χ nothing about the field."""

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.physics.box import Box
from qsmkit.physics.dipole import dipole_kernel
from qsmkit.physics.fft import frequencies, rfftn
from qsmkit.physics.smv import clearance

TAPER = 12.0
"""Distance from the mask's edge in mm over which the volume is faded in: a sharp edge would blur the spectrum."""

BAND = (0.06, 0.15)
"""Spatial frequencies that count, in cycles/mm: structure of 3 to 8 mm, which is neither background nor noise."""

ON, BESIDE = 0.06, (0.12, 0.2)
"""Magnitude of the dipole kernel up to which a frequency is on the cone, and between which it is beside it."""


def cone_power(volume: FloatArray, mask: BoolArray, grid: Grid) -> float:
    """Return the mean power on the cone over that beside it; NaN where the volume is too thin to tell.

    Parameters
    ----------
    volume : (X, Y, Z) array
        χ or local field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which it is known.
    grid : Grid
        Geometry.

    Returns
    -------
    float
        About 1 for structure without direction.
    """
    box = Box.around(mask, grid, TAPER)
    fade = np.sin(clearance(mask, grid.voxel_size, TAPER) * (np.pi / 2 / TAPER)) ** 2
    weights = fade[mask]
    mean = np.average(volume[mask], weights=weights) if weights.any() else 0.0
    faded = np.where(mask, (volume - mean) * fade, 0)
    power = np.abs(rfftn(box.pad(faded.astype(np.float32)))) ** 2
    kernel = np.abs(dipole_kernel(grid, box.shape))
    x, y, z = frequencies(box.shape, grid.voxel_size)
    square = x**2 + y**2 + z**2
    band = (square > BAND[0] ** 2) & (square < BAND[1] ** 2)
    on, beside = (power[band & (kernel < ON)], power[band & (kernel > BESIDE[0]) & (kernel < BESIDE[1])])
    return float(on.mean() / beside.mean()) if on.size and beside.size and beside.any() else float("nan")
