"""The signal of a gradient echo: steady state, decay and phase."""

from typing import TypeVar

import numpy as np

from qsmkit.arrays import ComplexArray, FloatArray
from qsmkit.compiled import parallel, prange

Values = TypeVar("Values", float, FloatArray)


def spoiled_steady_state(density: Values, t1: Values, *, repetition_time: float, flip_angle: float) -> Values:
    """Return the transverse magnetisation just after the pulse of a spoiled gradient-echo sequence.

    M = ρ sin α (1 − E) / (1 − E cos α) with E = exp(−TR / T1) (Ernst & Anderson 1966, `Ernst1966`).

    Parameters
    ----------
    density : float or array
        Proton density ρ, arbitrary units.
    t1 : float or array
        Longitudinal relaxation time, s.
    repetition_time : float
        TR in s.
    flip_angle : float
        α in degrees.
    """
    e, alpha = np.exp(-repetition_time / t1), np.deg2rad(flip_angle)
    magnetisation: Values = density * float(np.sin(alpha)) * (1 - e) / (1 - e * float(np.cos(alpha)))
    return magnetisation


def gradient_echo(
    amplitude: FloatArray, r2star: FloatArray, field: FloatArray, offset: FloatArray,
    *, echo_time: float, radians_per_ppm: float,
) -> ComplexArray:
    """Return the complex signal of one echo, A exp(−TE R2*) exp(i (c ΔB + φ0)).

    Parameters
    ----------
    amplitude : (X, Y, Z) float32 array
        Signal at echo time zero, A, arbitrary units.
    r2star : (X, Y, Z) float32 array
        Effective transverse relaxation rate, 1/s.
    field : (X, Y, Z) float32 array
        Field shift ΔB in ppm.
    offset : (X, Y, Z) float32 array
        Phase at echo time zero, φ0, rad.
    echo_time : float
        TE in s.
    radians_per_ppm : float
        Phase per field shift at this echo, c, rad/ppm (`qsmkit.units.radians_per_ppm`).

    Returns
    -------
    (X, Y, Z) complex64 array
        Signal in the unit of the amplitude.
    """
    signal = np.empty(amplitude.shape, np.complex64)
    _gradient_echo(
        amplitude.ravel(), r2star.ravel(), field.ravel(), offset.ravel(),
        np.float32(echo_time), np.float32(radians_per_ppm), signal.ravel(),
    )
    return signal


@parallel
def _gradient_echo(
    amplitude: FloatArray, r2star: FloatArray, field: FloatArray, offset: FloatArray,
    echo_time: np.float32, radians_per_ppm: np.float32, signal: ComplexArray,
) -> None:
    for i in prange(amplitude.size):
        size = amplitude[i] * np.exp(-echo_time * r2star[i])
        phase = radians_per_ppm * field[i] + offset[i]
        signal[i] = complex(size * np.cos(phase), size * np.sin(phase))
