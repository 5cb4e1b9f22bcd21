"""Susceptibility-weighted imaging with even brightness, from many echoes."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.mask.homogeneity import homogenised
from qsmkit.recon.weighting.echoes import combined_magnitude
from qsmkit.recon.weighting.phase import weighting_phase

VEINS = 99
"""Percentile of the phase that stands for veins, which fill about a hundredth of the brain."""


@method("weighting", produces="clear_swi", cite="Eckstein2021", rev=1)
def clear_swi(
    magnitude: FloatArray,
    echo_times: npt.NDArray[np.float64],
    mask: BoolArray,
    grid: Grid,
    local_field: FloatArray | None = None,
    field_strength: float | None = None,
    unwrapped_phase: FloatArray | None = None,
    *,
    strength: Annotated[float, Gt(0)] = 1.5,
    sensitivity: Annotated[float, Gt(0)] = 7.0,
    high_pass: Annotated[float, Gt(0)] = 4.0,
) -> FloatArray:
    """Weight a magnitude, freed of coil shading, with a smooth mask that adapts to the phase.

        SWI = m / m̄ · (1 + tanh(1 − φ/φ₀)) / (1 + tanh 1),    φ₀ = φ₉₉ / s

    with m the combined echoes, m̄ the magnitude around each voxel, φ their combined phase, φ₉₉ the 99th percentile of
    it, and s the strength, in the manner of CLEAR-SWI (Eckstein 2021). The mask has no kink and no fixed scale, so
    that it serves at every field strength and echo time. Different from the paper, echoes are weighted for contrast
    in R2*, φ comes from the local field if that is at hand, as in `swi`, the mask is 1 at φ = 0, and its scale is
    that of veins, not a median of the phases: at short echo times that is noise.

    Parameters
    ----------
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    echo_times : (E,) array
        Echo times in s.
    mask : (X, Y, Z) bool array
        Voxels to weight; outside, only the shading is removed.
    grid : Grid
        Geometry.
    local_field : (X, Y, Z) array, optional
        Local field in ppm.
    field_strength : float, optional
        Main field in T; needed with the local field.
    unwrapped_phase : (X, Y, Z, E) array, optional
        Unwrapped phase in rad; used without the local field.
    strength : float
        s; the larger, the darker are veins.
    sensitivity : float
        Standard deviation in mm of the Gaussian over which the magnitude is averaged to tell the coil's shading.
    high_pass : float
        Standard deviation in mm of the Gaussian that the filter subtracts; the larger, the larger sources stay.

    Returns
    -------
    (X, Y, Z) array
        Dimensionless, about 1 in tissue.

    Raises
    ------
    InputError
        There is neither a local field nor an unwrapped phase, or no signal in the mask.
    MetadataError
        There is a local field, but no field strength.
    MaskError
        The magnitude is constant.
    """
    image, echo_time = combined_magnitude(magnitude, echo_times, mask)
    phase = weighting_phase(
        magnitude, echo_times, echo_time, mask, grid, local_field, field_strength, unwrapped_phase,
        sigma=high_pass, who="clear_swi",
    )  # fmt: skip
    image = homogenised(image, grid, sensitivity, "clear_swi")
    image *= _mask(phase, mask, strength)
    return image


def _mask(phase: FloatArray, mask: BoolArray, strength: float) -> FloatArray:
    """Return the sigmoid, 1 where the phase is zero, and everywhere if no more than 1 % of phases are raised."""
    scale = float(np.percentile(phase[mask], VEINS)) / strength
    if not scale > 0:
        return np.ones_like(phase)
    sigmoid: FloatArray = np.tanh(1 - phase / phase.dtype.type(scale))
    sigmoid += 1
    sigmoid /= 1 + np.tanh(1.0)
    return sigmoid
