"""The scanner: coil, echoes, readout, noise, and the integers that it stores."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import FloatArray
from qsmkit.physics.signal import gradient_echo
from qsmkit.simulate.resample import average, crop_kspace
from qsmkit.simulate.space import Space
from qsmkit.units import radians_per_ppm

PHASE_LEVELS = 4096
"""Integers per π of stored phase, as one large vendor does: −4096 … 4095."""

MAGNITUDE_MAX = 30000
"""Largest integer of the stored magnitude."""

COIL_SCALE = 80.0
"""Length, mm, over which the coil's sensitivity and phase vary."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is set at the console.

    Attributes
    ----------
    field_strength : float
        Main field, T.
    echo_times : tuple of float
        In s, ascending.
    snr : float
        Bright signal of the first echo over the noise's standard deviation in the real and in the imaginary
        channel.
    bipolar : bool
        Whether every second echo is read backwards, which turns the eddy currents' phase ramp round.
    """

    field_strength: float
    echo_times: tuple[float, ...]
    snr: float
    bipolar: bool


class Acquisition(NamedTuple):
    """What the scanner measures, and the phase that is not the field's.

    Attributes
    ----------
    magnitude, phase : (x, y, z, E) array
        Arbitrary units; wrapped phase in rad.
    phase_offset : (x, y, z) array
        Phase at echo time zero, rad, not wrapped; without the ramps of a bipolar readout.
    """

    magnitude: FloatArray
    phase: FloatArray
    phase_offset: FloatArray


def acquire(
    amplitude: FloatArray, r2star: FloatArray, field: FloatArray, space: Space, shape: tuple[int, int, int],
    protocol: Protocol, rng: np.random.Generator,
) -> Acquisition:
    """Scan the head.

    The signal of every sample is summed within voxels by cropping k-space, whence dephasing and ringing; then
    comes noise.

    Parameters
    ----------
    amplitude : (X, Y, Z) array
        Signal at echo time zero, arbitrary units.
    r2star : (X, Y, Z) array
        Effective transverse relaxation rate, 1/s.
    field : (X, Y, Z) array
        Field shift in ppm, after the shim.
    space : Space
        Positions of the samples.
    shape : tuple of int
        Of the scan.
    protocol : Protocol
        Field strength, echoes, noise.
    rng : Generator
        Source of randomness: coil and noise.

    Returns
    -------
    Acquisition
        Magnitude, wrapped phase and the phase at echo time zero.
    """
    coil, receiver = rng.spawn(2)
    sensitivity, offset = _receive(space, coil)
    seen = amplitude * sensitivity
    ramp = 0.25 + 0.6 * (space.axes[0] / COIL_SCALE)[:, None, None].astype(np.float32)
    magnitude = np.empty((*shape, len(protocol.echo_times)), np.float32)
    phase = np.empty_like(magnitude)
    sigma = 0.0
    for echo, time in enumerate(protocol.echo_times):
        start = offset + (ramp if echo % 2 == 0 else -ramp) if protocol.bipolar else offset
        c = radians_per_ppm(protocol.field_strength, time)
        fine = gradient_echo(seen, r2star, field, start, echo_time=time, radians_per_ppm=c)
        signal = crop_kspace(fine, shape)
        if echo == 0:
            sigma = float(np.percentile(np.abs(signal), 99.5)) / protocol.snr
        noise = receiver.standard_normal((*shape, 2), np.float32) * np.float32(sigma)
        signal += noise.view(np.complex64)[..., 0]
        magnitude[..., echo] = np.abs(signal)
        phase[..., echo] = np.angle(signal)
    return Acquisition(magnitude, phase, average(offset, shape))


def encode_phase(phase: FloatArray) -> npt.NDArray[np.int16]:
    """Return wrapped phase in rad as the integers −4096 … 4095 that a scanner stores; π becomes −4096."""
    levels: npt.NDArray[np.int16] = np.rint(phase * (PHASE_LEVELS / np.pi)).astype(np.int16)
    levels[levels >= PHASE_LEVELS] -= 2 * PHASE_LEVELS
    return levels


def decode_phase(levels: npt.NDArray[np.int16]) -> FloatArray:
    """Return the phase in rad of integers made by `encode_phase`: float32."""
    return levels * np.float32(np.pi / PHASE_LEVELS)


def encode_magnitude(magnitude: FloatArray) -> npt.NDArray[np.int16]:
    """Return magnitude as integers 0 … 30000, one scale for all echoes."""
    stored: npt.NDArray[np.int16] = np.rint(magnitude * (MAGNITUDE_MAX / magnitude.max())).astype(np.int16)
    return stored


def _receive(space: Space, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return a coil's sensitivity and its phase, rad: smooth, of second order."""
    x, y, z = space.scaled(COIL_SCALE)
    cx, cy, cz = rng.normal(0, 0.2, 3).astype(np.float32)
    sensitivity: FloatArray = np.exp(np.float32(-0.35) * ((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2))
    a = np.array([0.8, 1.5, -0.9, 0.7, 1.1, -0.9, 0.6]) * (1 + 0.3 * rng.normal(size=7))
    terms: tuple[FloatArray, ...] = (np.ones((1, 1, 1), np.float32), x, y, z, x * y, x * x + y * y, y * z)
    phase = np.zeros(space.shape, np.float32)
    for weight, term in zip(a, terms, strict=True):
        phase += np.float32(weight) * term
    return sensitivity, phase
