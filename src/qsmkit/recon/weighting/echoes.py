"""One magnitude and one phase from all echoes, with the most contrast per noise between tissues of similar R2*."""

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import InputError


def echo_weights(
    magnitude: FloatArray, echo_times: npt.NDArray[np.float64], mask: BoolArray
) -> npt.NDArray[np.float64]:
    """Return the weights of echoes whose sum shows small differences of R2* best; they sum to 1.

    A small change of R2* changes the echoes by −TE m, in noise that is the same for all: the matched filter is TE m,
    with m the mean over the mask.

    Parameters
    ----------
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    echo_times : (E,) array
        Echo times in s.
    mask : (X, Y, Z) bool array
        Voxels whose mean tells how the signal decays.

    Raises
    ------
    InputError
        There is no signal in the mask.
    """
    weights: npt.NDArray[np.float64] = echo_times * magnitude[mask].mean(axis=0, dtype=np.float64)
    if not weights.sum() > 0:
        raise InputError("the magnitude is zero throughout the mask; check that both are of the same scan")
    weights /= weights.sum()
    return weights


def combined_magnitude(
    magnitude: FloatArray, echo_times: npt.NDArray[np.float64], mask: BoolArray
) -> tuple[FloatArray, float]:
    """Return the weighted sum of the echoes, and the echo time in s that it is nearest to in contrast.

    A single echo is returned as it is.

    Parameters
    ----------
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    echo_times : (E,) array
        Echo times in s.
    mask : (X, Y, Z) bool array
        Voxels whose mean tells how the signal decays.

    Returns
    -------
    tuple
        The magnitude, (X, Y, Z), in the unit of the echoes; the mean of the echo times by the same weights.
    """
    weights = echo_weights(magnitude, echo_times, mask)
    return magnitude @ weights.astype(magnitude.dtype), float(weights @ echo_times)


def combined_phase(
    unwrapped_phase: FloatArray, magnitude: FloatArray, echo_times: npt.NDArray[np.float64], echo_time: float
) -> FloatArray:
    """Return the phase in rad at one echo time of the line through the origin that fits all echoes best.

    φ = TE₀ Σ m² TE φ / Σ m² TE², zero where there is no signal.

    Parameters
    ----------
    unwrapped_phase : (X, Y, Z, E) array
        Phase in rad, unwrapped; what it holds at echo time zero stays in, and must be smooth.
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    echo_times : (E,) array
        Echo times in s.
    echo_time : float
        TE₀ in s.
    """
    times = (echo_times / echo_time).astype(magnitude.dtype)
    squared = magnitude * magnitude
    size = squared @ (times * times)
    moment = np.einsum("...e,...e,e->...", squared, unwrapped_phase, times)
    phase: FloatArray = np.divide(moment, size, out=np.zeros_like(size), where=size > 0)
    return phase
