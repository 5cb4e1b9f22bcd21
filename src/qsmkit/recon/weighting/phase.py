"""The phase that weights an image: what small sources in the tissue make of it by one echo time."""

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import InputError, MetadataError
from qsmkit.grid import Grid
from qsmkit.recon.weighting.echoes import combined_phase
from qsmkit.recon.weighting.high_pass import high_passed
from qsmkit.units import radians_per_ppm


def weighting_phase(
    magnitude: FloatArray,
    echo_times: npt.NDArray[np.float64],
    echo_time: float,
    mask: BoolArray,
    grid: Grid,
    local_field: FloatArray | None,
    field_strength: float | None,
    unwrapped_phase: FloatArray | None,
    *,
    sigma: float,
    who: str,
) -> FloatArray:
    """Return the high-pass filtered phase, positive where the field is raised.

    It is made from the local field where that is at hand, else from the unwrapped phase. The filter serves both, but
    near air, where the background is steep, it cannot remove what background removal can.

    Parameters
    ----------
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    echo_times : (E,) array
        Echo times in s.
    echo_time : float
        Echo time in s at which to give the phase.
    mask : (X, Y, Z) bool array
        Voxels in which field or phase is known.
    grid : Grid
        Geometry.
    local_field : (X, Y, Z) array or None
        Local field in ppm.
    field_strength : float or None
        Main field in T, for the local field.
    unwrapped_phase : (X, Y, Z, E) array or None
        Unwrapped phase in rad.
    sigma : float
        Standard deviation in mm of the Gaussian whose result the filter subtracts.
    who : str
        Name of the method that asks, for the messages.

    Returns
    -------
    (X, Y, Z) array
        Phase in rad, zero outside the mask.

    Raises
    ------
    InputError
        There is neither a local field nor an unwrapped phase.
    MetadataError
        The field strength is missing.
    """
    if local_field is not None:
        if field_strength is None:
            raise MetadataError(f"{who}: local_field needs field_strength to become a phase; give it in T")
        phase: FloatArray = local_field * local_field.dtype.type(radians_per_ppm(field_strength, echo_time))
    elif unwrapped_phase is not None:
        phase = combined_phase(unwrapped_phase, magnitude, echo_times, echo_time)
    else:
        raise InputError(f"{who}: there is neither local_field nor unwrapped_phase; give one of them")
    weight = np.sqrt(np.einsum("...e,...e->...", magnitude, magnitude))
    return high_passed(phase, weight, mask, grid, sigma)
