"""What stored phase values mean in radians: decided from evidence, never stretched to fit.

A scale is accepted if the extremes over all echoes (which share one scale) fill the range of a known
encoding, if the sidecar states it, or if the user does. Everything else is refused with the range seen.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.errors import DataWarning, InputError, ParameterError, ScaleError

RADIAN_TOLERANCE = 0.1
"""How far, relative to 2π, extremes may be from those of wrapped radians (interpolation moves them)."""

INTEGER_TOLERANCE = 0.02
"""The same for encodings in integers, relative to their range."""

LEAST_SPAN = 0.02
"""Least part of 2π that each echo's values must span in the scale decided on."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A way to store phase: `low` stands for −π and `high` for π."""

    name: str
    low: float
    high: float
    manufacturer: str = ""

    @property
    def span(self) -> float:
        """The length of a full turn."""
        return self.high - self.low


RADIANS = Encoding("radians", -math.pi, math.pi)

INTEGERS = (
    Encoding("integers of which 4096 are π", -4096, 4096, "siemens"),
    Encoding("unsigned integers of which 4096 are 2π", 0, 4096, "siemens"),
    Encoding("integers of which 2048 are π", -2048, 2048),
    Encoding("milliradians", -1000 * math.pi, 1000 * math.pi, "ge"),
)


def to_radians(
    data: FloatArray, *, metadata: Mapping[str, Any], phase_max: float | None = None, name: str
) -> tuple[FloatArray, str]:
    """Convert stored phase to radians, in place.

    φ = π (v − c) / h, with centre c and half-range h of the encoding decided on, and wrapped into −π…π where
    values lie beyond.

    Parameters
    ----------
    data : (X, Y, Z) or (X, Y, Z, E) array
        Phase in its stored unit, all echoes together, echo last; overwritten. NaN and infinity stay.
    metadata : mapping
        Sidecar of the phase.
    phase_max : float, optional
        The stored value that stands for π (and its negative for −π); overrides all evidence.
    name : str
        What to call the data in messages.

    Returns
    -------
    data : array
        The same array, phase in rad.
    decision : str
        What was decided and why, for the record.

    Raises
    ------
    ScaleError
        The evidence decides for no scale, or contradicts the one stated.
    InputError
        An echo is constant or has no finite value.
    ParameterError
        `phase_max` is not a positive number.
    """
    echoes = data if data.ndim == 4 else data[..., None]
    extremes = [_extremes(echoes[..., e], f"{name}, echo {e + 1}") for e in range(echoes.shape[3])]
    low, high = min(a for a, _ in extremes), max(b for _, b in extremes)
    seen = f"{low:.5g} to {high:.5g}"
    if phase_max is not None:
        encoding, why = _stated(phase_max, low, high, name), "stated by the user"
    else:
        encoding, why = _decide(data, extremes, metadata, name)
    for e, (a, b) in enumerate(extremes, 1):
        if b - a < LEAST_SPAN * encoding.span:
            raise ScaleError(
                f"{name}, echo {e} spans only {a:.4g} to {b:.4g}, where {encoding.span:.4g} is 2π "
                f"({encoding.name}); give all echoes on one scale, and --phase-max if it is another"
            )
    centre = data.dtype.type((encoding.low + encoding.high) / 2)
    if centre:
        data -= centre
    if encoding is not RADIANS:
        data *= data.dtype.type(2 * math.pi / encoding.span)
    if max(abs(low - centre), abs(high - centre)) > encoding.span / 2 * (1 + 1e-6):
        turn = data.dtype.type(2 * math.pi)
        data -= turn * np.rint(data / turn)
    return data, f"{encoding.name}, {why} ({seen} seen)"


def _extremes(volume: FloatArray, name: str) -> tuple[float, float]:
    low, high = float(volume.min()), float(volume.max())
    if not math.isfinite(high - low):
        finite = volume[np.isfinite(volume)]
        if not finite.size:
            raise InputError(f"{name} has no finite value; convert it again, or leave that echo out")
        low, high = float(finite.min()), float(finite.max())
    if low == high:
        raise InputError(f"{name} is constant ({low:g}); it holds no phase: check which file it is")
    return low, high


_WHAT_TO_GIVE = "give the stored value that stands for π"


def _stated(phase_max: float, low: float, high: float, name: str) -> Encoding:
    if not (math.isfinite(phase_max) and phase_max > 0):
        raise ParameterError(f"--phase-max {phase_max} is not positive; {_WHAT_TO_GIVE}")
    peak = max(-low, high)
    if not LEAST_SPAN <= peak / phase_max <= 2 * (1 + RADIAN_TOLERANCE):
        raise ScaleError(
            f"{name} spans {low:.5g} to {high:.5g}, which does not fit --phase-max {phase_max:g}; "
            f"{_WHAT_TO_GIVE}"
        )
    return Encoding(f"π stored as {phase_max:g}", -phase_max, phase_max)


def _decide(
    data: FloatArray, extremes: list[tuple[float, float]], metadata: Mapping[str, Any], name: str
) -> tuple[Encoding, str]:
    low, high = min(a for a, _ in extremes), max(b for _, b in extremes)
    peak = max(-low, high)
    unit = str(metadata.get("Units", "")).strip().lower()
    if unit in ("rad", "radian", "radians"):
        if peak > 4 * math.pi:
            raise ScaleError(
                f"{name} spans {low:.5g} to {high:.5g}, but its sidecar says Units: {unit}; "
                "correct the sidecar, or pass --phase-max, the stored value that stands for π"
            )
        _warn_if_beyond(low, high, name)
        return RADIANS, "stated by the sidecar"
    wrapped = any(_fills(RADIANS, low - shift, high - shift, RADIAN_TOLERANCE) for shift in (0, math.pi))
    if wrapped and not _whole(data):
        return RADIANS, "by the range of the values"
    for encoding in INTEGERS:
        if _fills(encoding, low, high, INTEGER_TOLERANCE):
            return encoding, "by the range of the values"
    one_wrapped = any(_fills(RADIANS, a, b, RADIAN_TOLERANCE) for a, b in extremes)
    if one_wrapped and peak <= 2 * math.pi and not _whole(data):
        _warn_if_beyond(low, high, name)
        return RADIANS, "by the range of one echo"
    maker = str(metadata.get("Manufacturer", "")).strip()
    for encoding in INTEGERS:
        if _customary(encoding, maker, low, high) and _whole(data):
            warnings.warn(
                f"{name} spans only {low:.5g} to {high:.5g}; taken as {encoding.name}, which {maker} stores; "
                "pass --phase-max if not", DataWarning, stacklevel=4,
            )  # fmt: skip
            return encoding, f"by the manufacturer, {maker}"
    raise ScaleError(
        f"{name} spans {low:.5g} to {high:.5g}, which is no known encoding of phase (radians, milliradians, "
        "12-bit integers); pass --phase-max, the stored value that stands for π "
        f"({peak:.4g} if the phase fills its range)"
    )


def _fills(encoding: Encoding, low: float, high: float, tolerance: float) -> bool:
    slack = tolerance * encoding.span
    return (
        abs(low - encoding.low) <= slack
        and abs(high - encoding.high) <= slack
        and abs(high - low - encoding.span) <= slack
    )


def _customary(encoding: Encoding, maker: str, low: float, high: float) -> bool:
    """Return whether a manufacturer uses an encoding, and the values lie well within it."""
    slack = INTEGER_TOLERANCE * encoding.span
    return (
        encoding.manufacturer != ""
        and maker.lower().startswith(encoding.manufacturer)
        and (low < 0) == (encoding.low < 0)
        and encoding.low - slack <= low
        and high <= encoding.high + slack
        and high - low >= LEAST_SPAN * encoding.span
    )


def _whole(data: FloatArray) -> bool:
    """Return whether all values are integers."""
    return np.array_equal(data, np.rint(data), equal_nan=True)


def _warn_if_beyond(low: float, high: float, name: str) -> None:
    if high - low > 2 * math.pi * (1 + RADIAN_TOLERANCE):
        text = f"{name} spans {low:.4g} to {high:.4g} rad, more than 2π; it is wrapped again"
        warnings.warn(text, DataWarning, stacklevel=5)
