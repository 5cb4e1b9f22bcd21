"""The mask that darkens an image where a quantity is large: SWI, tSWI and SMWI differ in the quantity."""

import numpy as np

from qsmkit.arrays import FloatArray


def faded(values: FloatArray, low: float, high: float, power: float) -> FloatArray:
    """Return ((high − v) / (high − low))ⁿ between `low` and `high`, 1 below and 0 above: dimensionless.

    Parameters
    ----------
    values : array
        v, phase in rad or susceptibility in ppm.
    low, high : float
        Where darkening begins, and where it is complete, in the same unit.
    power : float
        n, as if the image were multiplied by a straight ramp so many times.
    """
    mask: FloatArray = np.clip((high - values) / (high - low), 0, 1)
    mask **= power
    return mask
