"""Removal of the phase that alternates with the polarity of the readout."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.field.echoes import even_spacing
from qsmkit.recon.field.smooth_phase import smooth_phase, wrapped


@method("field", produces="phase", cite=("Li2015", "Eckstein2018"), rev=1)
def bipolar(
    phase: FloatArray,
    echo_times: npt.NDArray[np.float64],
    grid: Grid,
    magnitude: FloatArray | None = None,
    mask: BoolArray | None = None,
    *,
    sigma: Annotated[float, Gt(0)] = 10.0,
) -> FloatArray:
    """Remove the phase that alternates between echoes read out forwards and backwards.

    φ_e = φ₀ + ω TE_e ± g for odd and even echoes; of three equally spaced echoes φ₁ − 2φ₂ + φ₃ = 4g, free of
    offset and field (Eckstein 2018). Delays of the gradients make g linear in space (Li 2015), eddy currents
    bend it slightly. So the ramp of e^{4ig} is found first, from the phase between neighbours, and what
    remains, which no longer wraps, is smoothed; all triplets of echoes contribute.

    g is known up to multiples of π/2. That is no loss: π/2 in alternation is, wraps apart, the same as a
    field that is uniform.

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Wrapped phase in rad of echoes that alternate in polarity.
    echo_times : (E,) array
        Echo times in s; at least three, equally spaced.
    grid : Grid
        Geometry.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude in arbitrary units; without it all voxels weigh the same.
    mask : (X, Y, Z) bool array, optional
        Voxels from which g is estimated; all where it is left out.
    sigma : float
        Standard deviation, in mm, of the Gaussian that smooths what is not linear in g.

    Returns
    -------
    (X, Y, Z, E) array
        Wrapped phase in rad, as if all echoes had been read out with the mean of both polarities.

    Raises
    ------
    InputError
        There are fewer than three echoes, or they are not equally spaced.
    """
    count = len(echo_times)
    if count < 3:
        raise InputError(
            f"bipolar: {count} echoes cannot tell polarity from field; give three, or leave this step out"
        )
    if even_spacing(echo_times) is None:
        raise InputError(
            f"bipolar: echo times {echo_times.tolist()} s are not equally spaced; leave out the odd ones"
        )

    signal = np.zeros(grid.shape, np.result_type(phase.dtype, np.complex64))
    for e in range(count - 2):
        bend = phase[..., e] - 2 * phase[..., e + 1] + phase[..., e + 2]
        signal += _weight(magnitude, e) * np.exp(1j * (bend if e % 2 == 0 else -bend))
    if mask is not None:
        signal *= mask

    ramp = _ramp(signal)
    signal *= np.exp(-1j * ramp)
    constant = np.angle(signal.sum())
    rest = smooth_phase(np.angle(signal) - constant, np.abs(signal), grid, sigma=sigma, passes=2)
    alternating = (0.25 * (ramp + constant + rest)).astype(phase.dtype)
    sign = np.where(np.arange(count) % 2 == 0, 1, -1).astype(phase.dtype)
    return wrapped(phase - alternating[..., None] * sign)


def _weight(magnitude: FloatArray | None, e: int) -> FloatArray | float:
    """Return the inverse variance of φ₁ − 2φ₂ + φ₃ of the triplet from echo `e` on, in squared magnitudes."""
    if magnitude is None:
        return 1.0
    a, b, c = (magnitude[..., e + i] ** 2 for i in range(3))
    spread = b * c + 4 * a * c + a * b
    return np.divide(a * b * c, spread, out=np.zeros_like(a), where=spread > 0)


def _ramp(signal: npt.NDArray[np.complexfloating]) -> FloatArray:
    """Return the linear part, in rad, of a complex volume's phase, zero at the volume's weighted centre."""
    weight = np.abs(signal)
    ramp = np.zeros(signal.shape, weight.dtype)
    for axis, n in enumerate(signal.shape):
        along = [1, 1, 1]
        along[axis] = n
        profile = weight.sum(axis=tuple(a for a in range(3) if a != axis), dtype=np.float64)
        centre = float(profile @ np.arange(n) / profile.sum()) if profile.any() else 0.0
        low, high = [(slice(None),) * axis + (s,) for s in (slice(None, -1), slice(1, None))]
        slope = float(np.angle(np.vdot(signal[low], signal[high])))
        ramp += (slope * (np.arange(n) - centre)).astype(ramp.dtype).reshape(along)
    return ramp
