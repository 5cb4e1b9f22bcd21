"""True susceptibility-weighted imaging: weighted by sources instead of their field."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import ParameterError
from qsmkit.method import method
from qsmkit.recon.weighting.echoes import combined_magnitude
from qsmkit.recon.weighting.fade import faded


@method("weighting", produces="tswi", cite="Liu2014", rev=1)
def tswi(
    magnitude: FloatArray,
    echo_times: npt.NDArray[np.float64],
    chi: FloatArray,
    mask: BoolArray,
    *,
    low: float = 0.0,
    high: float = 0.45,
    power: Annotated[float, Gt(0)] = 2.0,
) -> FloatArray:
    """Darken the magnitude where the susceptibility is raised: veins at every angle to the field.

    tSWI = m fⁿ with f = (χ₂ − χ) / (χ₂ − χ₁) for χ from χ₁ to χ₂, 1 below and 0 above (Liu 2014). Echoes are first
    combined to one, see `qsmkit.recon.weighting.echoes`.

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
    low : float
        χ₁ in ppm, from where on the image darkens.
    high : float
        χ₂ in ppm, where it is black.
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
    ParameterError
        `high` is not above `low`.
    """
    if not high > low:
        raise ParameterError(f"tswi: high = {high:g} ppm is not above low = {low:g} ppm; raise it")
    image, _ = combined_magnitude(magnitude, echo_times, mask)
    image *= faded(np.where(mask, chi, low).astype(chi.dtype), low, high, power)
    return image
