"""Susceptibility-weighted imaging."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.weighting.echoes import combined_magnitude
from qsmkit.recon.weighting.fade import faded
from qsmkit.recon.weighting.phase import weighting_phase


@method("weighting", produces="swi", cite="Haacke2004", rev=1)
def swi(
    magnitude: FloatArray,
    echo_times: npt.NDArray[np.float64],
    mask: BoolArray,
    grid: Grid,
    local_field: FloatArray | None = None,
    field_strength: float | None = None,
    unwrapped_phase: FloatArray | None = None,
    *,
    power: Annotated[float, Gt(0)] = 4.0,
    high_pass: Annotated[float, Gt(0)] = 4.0,
) -> FloatArray:
    """Darken the magnitude where the phase shows a raised field.

    SWI = m fⁿ with f = 1 − φ/π for phases φ from 0 to π, 1 below and 0 above (Haacke 2004): veins, iron and blood are
    dark where they raise their own field. Different from the paper, φ is a Gaussian high-pass of the local field if
    that is at hand, else of the unwrapped phase: it does not fail where the phase wraps quickly, as the homodyne
    filter does. Echoes are first combined to one, see `qsmkit.recon.weighting.echoes`.

    Parameters
    ----------
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    echo_times : (E,) array
        Echo times in s.
    mask : (X, Y, Z) bool array
        Voxels to weight; outside, the magnitude stays.
    grid : Grid
        Geometry.
    local_field : (X, Y, Z) array, optional
        Local field in ppm.
    field_strength : float, optional
        Main field in T; needed with the local field.
    unwrapped_phase : (X, Y, Z, E) array, optional
        Unwrapped phase in rad; used without the local field.
    power : float
        n.
    high_pass : float
        Standard deviation in mm of the Gaussian that the filter subtracts; the larger, the larger sources stay.

    Returns
    -------
    (X, Y, Z) array
        In the unit of the magnitude.

    Raises
    ------
    InputError
        There is neither a local field nor an unwrapped phase, or no signal in the mask.
    MetadataError
        There is a local field, but no field strength.
    """
    image, echo_time = combined_magnitude(magnitude, echo_times, mask)
    phase = weighting_phase(
        magnitude, echo_times, echo_time, mask, grid, local_field, field_strength, unwrapped_phase,
        sigma=high_pass, who="swi",
    )  # fmt: skip
    image *= faded(phase, 0, np.pi, power)
    return image
