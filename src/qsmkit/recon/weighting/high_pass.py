"""What varies quickly in an unwrapped phase."""

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.physics.box import Box
from qsmkit.physics.fft import frequencies, irfftn, rfftn

REACH = 3.0
"""Room in standard deviations of the Gaussian between the mask and its periodic images."""

ROUNDS = 3
"""How often to subtract the smooth part."""


def high_passed(phase: FloatArray, weight: FloatArray, mask: BoolArray, grid: Grid, sigma: float) -> FloatArray:
    """Return a phase less its smooth part, as good at the edge of the mask as inside.

    φ ← φ − G∗(w φ) / G∗w, three times, with a Gaussian G and w = 0 outside the mask. Later rounds remove what the
    first leaves at the edge, where the neighbourhood is one-sided ("twicing", Tukey 1977).

    Parameters
    ----------
    phase : (X, Y, Z) array
        Phase in rad, unwrapped.
    weight : (X, Y, Z) array
        What a voxel counts, in any unit, not negative.
    mask : (X, Y, Z) bool array
        Voxels in which the phase is known.
    grid : Grid
        Geometry.
    sigma : float
        Standard deviation of the Gaussian in mm.

    Returns
    -------
    (X, Y, Z) array
        Phase in rad, zero outside the mask.
    """
    box = Box.around(mask, grid, REACH * sigma)
    k = frequencies(box.shape, grid.voxel_size)
    x, y, z = (np.exp(-2 * (np.pi * sigma * axis) ** 2).astype(phase.dtype) for axis in k)

    def smooth(volume: FloatArray) -> FloatArray:
        spectrum = rfftn(volume)
        spectrum *= x * y
        spectrum *= z
        return irfftn(spectrum, box.shape)

    w, rest = box.pad(weight * mask), box.pad(phase)
    around = smooth(w)
    np.maximum(around, 1e-6 * around.max(), out=around)
    for _ in range(ROUNDS):
        rest -= smooth(w * rest) / around
    return box.restore(rest, mask)
