"""The straight line through the phase of a voxel's echoes: its fit, what it leaves over, what it is worth."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import serial
from qsmkit.errors import InputError
from qsmkit.recon.field.noise import sigma_from_detail, sigma_from_misfit
from qsmkit.units import radians_per_ppm

DEGENERATE = 1e-12
"""A line's determinant, over its largest possible value, below which it has no slope."""

UNKNOWN = 1e30
"""Stands for the spread of a slope that nothing is known about; `as_field` caps it."""


class FieldFit(NamedTuple):
    """A field, how sure it is, and how well the model of a steady field explains the echoes."""

    total_field: FloatArray
    field_sd: FloatArray
    fit_residual: FloatArray


class Maps(NamedTuple):
    """What a kernel writes into: one value a voxel, zero outside the mask."""

    slope: FloatArray
    """dφ/dTE in rad/s."""
    intercept: FloatArray
    """Phase at echo time zero in rad."""
    spread: FloatArray
    """SD of the slope for noise of SD 1 in the unit of the magnitude."""
    misfit: FloatArray
    """Sum over echoes of squared magnitude times squared phase residual."""
    residual: FloatArray
    """Norm of the complex residual over the norm of the signal, 0 to 2."""

    @classmethod
    def zeros(cls, like: FloatArray) -> "Maps":
        """Return maps of the shape and type of one echo of `like`."""
        return cls(*(np.zeros(like.shape[:3], like.dtype) for _ in cls._fields))


def degrees_of_freedom(who: str, echoes: int, *, offset: bool) -> int:
    """Return echoes minus fitted parameters, or raise InputError if that is negative."""
    if offset and echoes < 2:
        raise InputError(f"{who}: {echoes} echo cannot tell offset from field; set offset = false")
    return echoes - 1 - offset


def contiguous(phase: FloatArray, magnitude: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Return phase and magnitude (ones where there is none) with the echoes of a voxel next to each other."""
    phase = np.ascontiguousarray(phase)
    return phase, np.ones_like(phase) if magnitude is None else np.ascontiguousarray(magnitude, phase.dtype)


def noise_of(maps: Maps, phase: FloatArray, magnitude: FloatArray, mask: BoolArray, freedom: int) -> float:
    """Return σ from the misfit if the fit left any freedom, else from the detail of the first echo."""
    if freedom > 0:
        return sigma_from_misfit(maps.misfit, mask, freedom)
    return sigma_from_detail(phase[..., 0], magnitude[..., 0], mask)


def as_field(
    maps: Maps,
    sigma: float,
    echo_times: npt.NDArray[np.float64],
    field_strength: float,
    mask: BoolArray,
    *,
    offset: bool,
) -> FieldFit:
    """Return a fit in ppm, its SD never above that of phases that are uniformly random."""
    scale = 1 / radians_per_ppm(field_strength, 1.0)
    times = echo_times - echo_times.mean() if offset else echo_times
    ceiling = math.pi / math.sqrt(3 * float(np.sum(times**2)))
    sd = np.minimum(maps.spread * sigma, ceiling) * mask
    return FieldFit(maps.slope * scale, sd * scale, maps.residual)


@serial
def line(values, weights, times, offset):  # type: ignore[no-untyped-def]
    """Return slope and intercept of the weighted line; without `offset` it runs through the origin."""
    s = st = stt = sv = stv = 0.0
    for e in range(times.size):
        w, t = weights[e], times[e]
        s += w
        st += w * t
        stt += w * t * t
        sv += w * values[e]
        stv += w * t * values[e]
    if not offset:
        return (stv / stt if stt > 0 else 0.0), 0.0
    determinant = s * stt - st * st
    if determinant <= DEGENERATE * s * stt:  # fewer than two echoes have signal
        return 0.0, 0.0
    return (s * stv - st * sv) / determinant, (stt * sv - st * stv) / determinant


@serial
def spread(weights, times, offset):  # type: ignore[no-untyped-def]
    """Return the SD of the slope of a line whose weights are the inverse variances of its values."""
    s = st = stt = 0.0
    for e in range(times.size):
        w, t = weights[e], times[e]
        s += w
        st += w * t
        stt += w * t * t
    lever = stt - st * st / s if offset and s > 0 else stt
    return 1 / math.sqrt(lever) if lever > DEGENERATE * stt else UNKNOWN


@serial
def leftover(phases, magnitudes, times, slope, intercept):  # type: ignore[no-untyped-def]
    """Return Σ m² r² with the residuals r wrapped, and ‖m (e^{iφ} − e^{iθ})‖ / ‖m‖."""
    misfit = chord = power = 0.0
    for e in range(times.size):
        r = phases[e] - intercept - slope * times[e]
        r -= 2 * math.pi * math.floor(r / (2 * math.pi) + 0.5)
        m2 = magnitudes[e] * magnitudes[e]
        misfit += m2 * r * r
        chord += m2 * 4 * math.sin(r / 2) ** 2
        power += m2
    return misfit, math.sqrt(chord / power) if power > 0 else 0.0
