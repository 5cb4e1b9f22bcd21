"""How noisy the phase is: σ of the complex signal, estimated from the data.

Noise of SD σ on real and imaginary part gives phase noise of SD σ/m where the magnitude m is well above σ. So
σ has the unit of the magnitude, or is the SD of the phase in rad where there is none (m = 1).
"""

import math

import numpy as np
from scipy.stats import chi2

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import MaskError

GAUSSIAN_MAD = 1.482602
"""SD of a normal distribution over its median absolute deviation."""


def sigma_from_misfit(misfit: FloatArray, mask: BoolArray, freedom: int) -> float:
    """Return σ from the squared residuals Σ m² r² of a fit in each voxel.

    Their median over the mask is σ² times the median of a χ² distribution: voxels in which the model is wrong
    (flow, wraps, steep gradients) do not count as long as they are the fewer.

    Parameters
    ----------
    misfit : (X, Y, Z) array
        Sum over echoes of squared magnitude times squared phase residual.
    mask : (X, Y, Z) bool array
        Voxels that were fitted.
    freedom : int
        Degrees of freedom: echoes minus fitted parameters; at least 1.

    Returns
    -------
    float
        σ in the unit of the magnitude.
    """
    return math.sqrt(float(np.median(misfit[mask])) / float(chi2.median(freedom)))


def sigma_from_detail(volume: FloatArray, strength: FloatArray | None, mask: BoolArray) -> float:
    """Return σ from the finest detail of a volume whose noise has the SD σ/strength.

    Detail is the mixed difference over blocks of two voxels along every axis, blind to anything that varies
    along fewer axes than that; its median is nearly all noise (Donoho 1995). Where the scanner interpolated
    or filtered, noise is shared between neighbours and σ comes out too small; several echoes give a better
    estimate, see `sigma_from_misfit`.

    Parameters
    ----------
    volume : (X, Y, Z) array
        Unwrapped phase in rad of one echo, with its magnitude as strength; or a magnitude, with none.
    strength : (X, Y, Z) array or None
        Magnitude in arbitrary units; one everywhere if None.
    mask : (X, Y, Z) bool array
        Voxels to use.

    Returns
    -------
    float
        σ in the unit of volume times strength.

    Raises
    ------
    MaskError
        No block of neighbours lies in the mask.
    """
    variance = np.ones_like(volume)
    if strength is not None:
        mask = mask & (strength > 0)
        np.divide(1, strength * strength, out=variance, where=mask)
    detail = volume
    for axis in range(3):
        if volume.shape[axis] > 1:
            low, high = [(slice(None),) * axis + (s,) for s in (slice(None, -1), slice(1, None))]
            detail = detail[high] - detail[low]
            variance = variance[high] + variance[low]
            mask = mask[high] & mask[low]
    if not mask.any():
        raise MaskError("no block of 2×2×2 voxels lies in the mask to estimate the noise from; enlarge it")
    return GAUSSIAN_MAD * float(np.median(np.abs(detail[mask]) / np.sqrt(variance[mask])))
