"""The signal of a sequence: steady state, preparation, decay and phase."""

from typing import TypeVar

import numpy as np

from qsmkit.arrays import ComplexArray, FloatArray
from qsmkit.compiled import parallel, prange

Values = TypeVar("Values", float, FloatArray)

RELAXIVITY = 137.0
"""R2′ at 3 T per susceptibility of its sources, of either sign, 1/s per ppm (Shin 2021); it grows with the field."""

T1_OF_WATER = 4.3
"""Longitudinal relaxation time of free water at body temperature, s, at any field (recalled)."""

T1_EXPONENT = 0.376
"""By how much tissue's own relaxation slows down with the field (Rooney 2007, recalled)."""


def t1_at(t1: Values, field_strength: float) -> Values:
    """Return a longitudinal relaxation time at another field: 1/T1 − 1/T1(water) ∝ B0^−0.376.

    Parameters
    ----------
    t1 : float or array
        Longitudinal relaxation time at 3 T, s.
    field_strength : float
        Main field B0, T.
    """
    slower = (field_strength / 3) ** -T1_EXPONENT
    changed: Values = 1 / (slower / t1 + (1 - slower) / T1_OF_WATER)
    return changed


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


def prepared_gradient_echo(
    density: Values, t1: Values,
    *, repetition_time: float, inversion_time: float, flip_angle: float, echo_spacing: float, echoes: int, centre: int,
) -> Values:
    """Return the transverse magnetisation at the centre of k-space of an inversion-prepared train of small pulses.

    Inversion turns M into −M; M recovers to the first pulse; each pulse leaves M cos α, and M recovers to the next;
    after the train it recovers to the next inversion (MPRAGE, Mugler & Brookeman 1990; its steady state, Deichmann
    2000). All this is affine in M, so the steady state is the solution of one linear equation, and

        S = ρ sin α M(centre),   negative where M has not yet passed zero

    Parameters
    ----------
    density : float or array
        Proton density ρ, arbitrary units.
    t1 : float or array
        Longitudinal relaxation time, s.
    repetition_time : float
        From inversion to inversion, s.
    inversion_time : float
        From inversion to the pulse at the centre of k-space, s.
    flip_angle : float
        α in degrees.
    echo_spacing : float
        From pulse to pulse, s.
    echoes, centre : int
        Number of pulses in a train, and of those before the centre of k-space.
    """
    alpha = np.deg2rad(flip_angle)
    cosine, sine = float(np.cos(alpha)), float(np.sin(alpha))
    before = np.exp(-(inversion_time - centre * echo_spacing) / t1)
    between = np.exp(-echo_spacing / t1)
    after = np.exp(-(repetition_time - inversion_time - (echoes - centre) * echo_spacing) / t1)
    settled = (1 - between) / (1 - cosine * between)  # what pulses without end would leave
    early, late = (cosine * between) ** centre, (cosine * between) ** echoes
    steady = (1 - after + after * (settled + late * (1 - before - settled))) / (1 + after * late * before)
    signal: Values = density * sine * (settled + early * (1 - before * (1 + steady) - settled))
    return signal


def spin_echo(
    density: Values, t1: Values, r2: Values,
    *, repetition_time: float, echo_time: float, inversion_time: float | None = None,
) -> Values:
    """Return the transverse magnetisation of a spin echo, with an inversion before it if a time is given.

    S = ρ (1 − 2 e^{−TI/T1} + e^{−TR/T1}) e^{−TE R2}, without inversion S = ρ (1 − e^{−TR/T1}) e^{−TE R2}

    Parameters
    ----------
    density : float or array
        Proton density ρ, arbitrary units.
    t1 : float or array
        Longitudinal relaxation time, s.
    r2 : float or array
        Irreversible transverse relaxation rate, 1/s.
    repetition_time, echo_time : float
        TR and the (effective) TE in s.
    inversion_time : float or None
        TI in s.
    """
    left = np.exp(-repetition_time / t1)
    recovered = 1 - left if inversion_time is None else 1 - 2 * np.exp(-inversion_time / t1) + left
    signal: Values = density * recovered * np.exp(-echo_time * r2)
    return signal


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
