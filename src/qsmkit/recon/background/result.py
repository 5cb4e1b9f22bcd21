"""What every background-removal method returns."""

from typing import NamedTuple

from qsmkit.arrays import BoolArray, FloatArray


class LocalField(NamedTuple):
    """The field of the sources in the mask.

    Attributes
    ----------
    local_field : (X, Y, Z) array
        ppm, zero outside `mask`.
    mask : (X, Y, Z) bool array
        Voxels in which the local field is valid: the given mask, or what is left of it.
    """

    local_field: FloatArray
    mask: BoolArray
