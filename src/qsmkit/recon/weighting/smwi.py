"""Susceptibility-map-weighted imaging."""

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.method import method
from qsmkit.recon.weighting.echoes import combined_magnitude
from qsmkit.recon.weighting.fade import faded


@method("weighting", produces="smwi", cite="Gho2014", rev=1)
def smwi(
    magnitude: FloatArray,
    echo_times: npt.NDArray[np.float64],
    chi: FloatArray,
    mask: BoolArray,
    *,
    sources: Literal["paramagnetic", "diamagnetic"] = "paramagnetic",
    threshold: Annotated[float, Gt(0)] = 1.0,
    power: Annotated[float, Gt(0)] = 4.0,
) -> FloatArray:
    """Darken the magnitude in proportion to the susceptibility of either sign.

    SMWI = m fⁿ with f = 1 − χ/χ_t for χ from 0 to the threshold χ_t, 1 below and 0 above; for diamagnetic sources −χ
    takes the place of χ (Gho 2014). With its gentle ramp it shows nigrosome and nuclei. Echoes are first combined to
    one, see `qsmkit.recon.weighting.echoes`.

    Parameters
    ----------
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    echo_times : (E,) array
        Echo times in s.
    chi : (X, Y, Z) array
        Susceptibility in ppm, referenced.
    mask : (X, Y, Z) bool array
        Voxels to weight; outside, the magnitude stays.
    sources : {"paramagnetic", "diamagnetic"}
        What is made dark: iron and blood, or calcium and myelin.
    threshold : float
        χ_t in ppm, where the image is black.
    power : float
        n.

    Returns
    -------
    (X, Y, Z) array
        In the unit of the magnitude.

    Raises
    ------
    InputError
        There is no signal in the mask.
    """
    image, _ = combined_magnitude(magnitude, echo_times, mask)
    size = chi if sources == "paramagnetic" else -chi
    image *= faded(size * mask, 0, threshold, power)
    return image
