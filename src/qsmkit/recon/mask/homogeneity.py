"""The slow variation of a magnitude, from coil and transmit fields, and its removal."""

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.grid import Grid
from qsmkit.physics.fft import fast_shape, frequencies, irfftn, rfftn
from qsmkit.recon.mask.otsu import otsu


def homogenised(signal: FloatArray, grid: Grid, sigma: float, who: str) -> FloatArray:
    """Return a magnitude in units of the tissue's signal around each voxel.

    In the manner of Eckstein 2019 (`Eckstein2019`), the surrounding signal is G(w m) / G(w) with a Gaussian G
    and w = 1 where the magnitude m exceeds half of Otsu's threshold, refined once with the quotient itself,
    so that air does not drag it down near the surface.

    Parameters
    ----------
    signal : (X, Y, Z) array
        Magnitude in arbitrary units.
    grid : Grid
        Geometry.
    sigma : float
        Standard deviation of the Gaussian in mm.
    who : str
        Name of the method that asks, for the message.

    Returns
    -------
    (X, Y, Z) array
        Dimensionless, about 1 in tissue.

    Raises
    ------
    MaskError
        The magnitude is constant.
    """
    margin = tuple(int(np.ceil(3 * sigma / h)) for h in grid.voxel_size)
    shape = fast_shape(grid.shape, margin)
    gauss = [np.exp(-2 * (np.pi * sigma * k) ** 2) for k in frequencies(shape, grid.voxel_size)]
    kernel = (gauss[0] * gauss[1] * gauss[2]).astype(signal.dtype)

    def smooth(x: FloatArray) -> FloatArray:
        spectrum = rfftn(x, shape)
        spectrum *= kernel
        return irfftn(spectrum, shape)[: x.shape[0], : x.shape[1], : x.shape[2]]

    tissue = signal > otsu(signal, who).threshold / 2
    for _ in range(2):
        level = signal[tissue].mean()
        weight = tissue.astype(signal.dtype)
        around = smooth(signal * weight) + 1e-2 * level
        around /= smooth(weight) + 1e-2
        corrected: FloatArray = signal / np.maximum(around, 1e-3 * level)
        tissue = corrected > otsu(corrected, who).threshold
    return corrected
