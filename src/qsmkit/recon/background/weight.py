"""How much each voxel's field counts."""

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import InputError

MOST = 10.0
"""Largest weight: standard deviations are estimates, and a few that are too small must not decide alone."""


def inverse_variance(field_sd: FloatArray | None, mask: BoolArray) -> FloatArray:
    """Return the inverse variance of the field relative to its median in the mask.

    Parameters
    ----------
    field_sd : (X, Y, Z) array or None
        Standard deviation of the field in ppm; every voxel counts the same without it.
    mask : (X, Y, Z) bool array
        Voxels that count.

    Returns
    -------
    (X, Y, Z) array
        Weights between 0 and 10, dimensionless; zero outside the mask.

    Raises
    ------
    InputError
        A standard deviation in the mask is not positive.
    """
    weight: FloatArray = mask.astype(np.float32)
    if field_sd is not None:
        sd = field_sd[mask]
        if sd.min() <= 0:
            raise InputError(
                f"field_sd is {sd.min():g} ppm somewhere in the mask; it must be positive; mask those out"
            )
        weight[mask] = np.minimum((np.median(sd) / sd) ** 2, MOST)
    return weight
