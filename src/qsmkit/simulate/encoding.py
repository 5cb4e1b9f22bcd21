"""Integers as scanners store them: what each vendor makes of a complex signal.

Siemens stores phase as 0 … 4095, whose rescaling gives −4096 … 4094 in steps of 2 (4096 is π); older software leaves
the rescaling out. Philips stores 0 … 4095 too, with a rescaling to milliradians and a private scale to radians. GE
stores real and imaginary parts, counts phase backwards, and negates every second slice.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import AnyArray, FloatArray
from qsmkit.errors import ParameterError, ShapeError

Vendor = Literal["siemens", "ge", "philips"]
Part = Literal["magnitude", "phase", "real", "imaginary"]

LEVELS = 4096
"""Stored values of a turn in 12 bits."""

GE_MAX = 16000
"""Largest real or imaginary part: a modelling choice within 16 bits."""

PHILIPS_PI = 3142.0
"""What Philips' milliradians have for π."""


@dataclass(frozen=True, eq=False, slots=True)
class StoredPart:
    """One part of a complex image as a scanner stores it.

    Attributes
    ----------
    part : {"magnitude", "phase", "real", "imaginary"}
        Which.
    pixels : (X, Y, Z, E) or (X, Y, Z, E, C) int16 or uint16 array
        Stored values; echo fourth, coil last.
    slope, intercept : float
        Rescaling in the header: pixels · slope + intercept.
    rescaled : bool
        Whether the header has that rescaling at all.
    private_scale : float
        Philips' private scale: (pixels · slope + intercept) / (slope · private_scale) is the floating-point value, for
        phase in rad. 0 for other vendors.
    """

    part: Part
    pixels: npt.NDArray[np.int16] | npt.NDArray[np.uint16]
    slope: float = 1.0
    intercept: float = 0.0
    rescaled: bool = True
    private_scale: float = 0.0


def encode(
    magnitude: FloatArray, phase: FloatArray, vendor: Vendor, *, rescale_tags: bool = True
) -> tuple[StoredPart, ...]:
    """Return a signal as a vendor's scanner stores it.

    Parameters
    ----------
    magnitude, phase : (X, Y, Z, E) or (X, Y, Z, E, C) array
        Arbitrary units, one scale for all; wrapped phase in rad, a paramagnetic source giving positive phase.
    vendor : {"siemens", "ge", "philips"}
        Whose scanner.
    rescale_tags : bool
        Siemens: whether the header says how stored phase is rescaled.

    Returns
    -------
    tuple of StoredPart
        Magnitude and phase; for GE magnitude, real and imaginary part.

    Raises
    ------
    ShapeError
        The two arrays differ in shape, or are not of 4 or 5 dimensions.
    ParameterError
        The vendor is unknown, or the magnitude zero everywhere.
    """
    if magnitude.shape != phase.shape or magnitude.ndim not in (4, 5):
        raise ShapeError(f"magnitude of shape {magnitude.shape} and phase of shape {phase.shape} are no echoes alike")
    largest = float(magnitude.max())
    if not largest > 0:
        raise ParameterError("the magnitude is zero everywhere; there is nothing to store")
    strength = np.rint(magnitude * ((LEVELS - 1) / largest)).astype(np.uint16)
    if vendor == "siemens":
        stored = np.rint((phase + np.pi) * (LEVELS / (2 * np.pi))).astype(np.int32) % LEVELS
        scale = (2.0, -4096.0) if rescale_tags else (1.0, 0.0)
        return (
            StoredPart("magnitude", strength, rescaled=False),
            StoredPart("phase", stored.astype(np.uint16), *scale, rescaled=rescale_tags),
        )
    if vendor == "philips":
        slope = 2 * PHILIPS_PI / (LEVELS - 1)
        stored = np.rint((phase * (PHILIPS_PI / np.pi) + PHILIPS_PI) / slope)
        turned = stored.clip(0, LEVELS - 1).astype(np.uint16)
        step = largest / (LEVELS - 1)
        return (
            StoredPart("magnitude", strength, step, private_scale=1 / step),
            StoredPart("phase", turned, slope, -PHILIPS_PI, private_scale=PHILIPS_PI / np.pi / slope),
        )
    if vendor == "ge":
        signal = magnitude * (GE_MAX / largest) * np.exp(-1j * phase)
        signal[:, :, 1::2] *= -1
        return (
            StoredPart("magnitude", strength, rescaled=False),
            StoredPart("real", _signed(signal.real), rescaled=False),
            StoredPart("imaginary", _signed(signal.imag), rescaled=False),
        )
    raise ParameterError(f"vendor = {vendor!r} is unknown; it may be siemens, ge or philips")


def decode(part: StoredPart) -> AnyArray:
    """Return what the header's rescaling makes of the stored values, float32."""
    return part.pixels * np.float32(part.slope) + np.float32(part.intercept)


def _signed(values: FloatArray) -> npt.NDArray[np.int16]:
    stored: npt.NDArray[np.int16] = np.rint(values).astype(np.int16)
    return stored
