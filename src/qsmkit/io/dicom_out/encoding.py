"""Values ↔ stored integers: 12 bits, the quantity baked in, the same for every slice of a series."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import AnyArray
from qsmkit.artifacts import ARTIFACTS
from qsmkit.errors import InputError, ParameterError
from qsmkit.io import bids_name

LARGEST = 4095
"""Largest integer of 12 bits."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """stored = round(value · scale + offset), clipped to 0 … 4095.

    A station that knows no rescaling shows `stored`, in which one step is a round number of `unit`; one that does shows
    stored · slope + intercept, in `unit`.

    Attributes
    ----------
    title : str
        What the series is called.
    quantity : str
        Name of the artifact, or "image".
    unit : str
        Unit in which readers of DICOM see the values; "a.u." for arbitrary units.
    ucum : str
        Code of that unit.
    per_unit : float
        How many `unit` make one unit of the file.
    scale : float
        Stored steps per unit of the file.
    offset : float
        Stored value of zero.
    window : tuple of float
        Lowest and highest value that a display should tell apart, in `unit`.
    """

    title: str
    quantity: str
    unit: str
    ucum: str
    per_unit: float
    scale: float
    offset: float
    window: tuple[float, float]

    @property
    def slope(self) -> float:
        """Rescale Slope: `unit` per stored step."""
        return self.per_unit / self.scale

    @property
    def intercept(self) -> float:
        """Rescale Intercept, in `unit`."""
        return -self.offset * self.slope

    @property
    def stored_window(self) -> tuple[float, float]:
        """Centre and width of the window in stored values."""
        low, high = ((v - self.intercept) / self.slope for v in self.window)
        return (low + high) / 2, high - low

    @property
    def shown_window(self) -> tuple[float, float]:
        """Centre and width of the window in `unit`."""
        low, high = self.window
        return (low + high) / 2, high - low


@dataclass(frozen=True, eq=False, slots=True)
class Stored:
    """Integers, and what was lost in making them.

    Attributes
    ----------
    pixels : (…) uint16 array
        Stored values, 0 … 4095.
    clipped : float
        Per cent of the voxels whose value lies outside the range.
    not_finite : float
        Per cent of the voxels that are NaN or infinite; they are stored as zero.
    """

    pixels: npt.NDArray[np.uint16]
    clipped: float
    not_finite: float


_PPB = ("ppb", "[ppb]", 1e3, 1e3, 2048.0)
_RATE = ("1/s", "/s", 1.0, 10.0, 0.0)
_TABLE: dict[str, tuple[str, tuple[str, str, float, float, float]]] = {
    "chi": ("QSM", _PPB),
    "chi_para": ("QSM paramagnetic", _PPB),
    "chi_dia": ("QSM diamagnetic", _PPB),
    "sigma_chi": ("QSM standard deviation", ("ppb", "[ppb]", 1e3, 1e5, 0.0)),
    "total_field": ("Total field", _PPB),
    "local_field": ("Local field", _PPB),
    "r2star": ("R2*", _RATE),
    "r2": ("R2", _RATE),
    "r2prime": ("R2'", _RATE),
    "t2star": ("T2*", ("ms", "ms", 1e3, 1e4, 0.0)),
}
"""Artifact → title, and unit, its code, units per unit of the file, stored steps per unit of the file, stored zero."""


def quantity_of(filename: str) -> str | None:
    """Return the artifact that a BIDS file name says it holds, or None."""
    name = bids_name.parse(filename)
    if name is None:
        return None
    fitting = []
    for artifact in ARTIFACTS.values():
        ending = bids_name.parse(artifact.bids) if artifact.bids else None
        if ending and ending.suffix == name.suffix and ending.entities.items() <= name.entities.items():
            fitting.append((len(ending.entities), artifact.name))
    best = max(fitting, default=None)
    described = {"desc", "part"} & set(name.entities)
    return best[1] if best and (best[0] or not described) else None


def encoding_for(
    quantity: str,
    data: AnyArray,
    *,
    title: str | None = None,
    scale: float | None = None,
    offset: float | None = None,
    window: tuple[float, float] | None = None,
) -> Encoding:
    """Return how the values of an artifact are stored.

    Susceptibility and fields: 1 ppb a step, zero at 2048. Rates: 0.1 1/s a step. T2*: 0.1 ms a step. Everything else is
    in arbitrary units or a power of ten of them, and its range fills the 12 bits.

    Parameters
    ----------
    quantity : str
        Name of the artifact; one without a row of its own has arbitrary units.
    data : (X, Y, Z) array
        Values, in the artifact's unit.
    title : str, optional
        What the series is called.
    scale, offset : float, optional
        Stored steps per unit of the file, and stored value of zero, in place of the table's.
    window : tuple of float, optional
        Lowest and highest value to tell apart, in the unit that readers see.

    Raises
    ------
    ParameterError
        A number is out of range.
    InputError
        No value is finite.
    """
    finite = data[np.isfinite(data)]
    if finite.size == 0:
        raise InputError(f"none of the {data.size} values is finite; reconstruct the map again")
    if quantity in _TABLE:
        name, (unit, ucum, per_unit, usual_scale, usual_offset) = _TABLE[quantity]
        low, high = (v * per_unit for v in ARTIFACTS[quantity].window)
        made = Encoding(name, quantity, unit, ucum, per_unit, usual_scale, usual_offset, (low, high))
    else:
        made = _arbitrary(quantity, finite)
    changes = {"title": title, "scale": scale, "offset": offset, "window": window}
    made = replace(made, **{k: v for k, v in changes.items() if v is not None})  # type: ignore[arg-type]
    if not (np.isfinite(made.scale) and made.scale > 0):
        raise ParameterError(f"scale = {made.scale} is out of range; it must be greater than 0")
    if not (0 <= made.offset <= LARGEST):
        raise ParameterError(f"offset = {made.offset} is not between 0 and {LARGEST}; choose the stored value of zero")
    if not (np.isfinite(made.window).all() and made.window[0] + 1 <= made.window[1]):
        raise ParameterError(f"window = {made.window} {made.unit} is not a lower and a higher value at least 1 apart")
    return made


def encode(data: AnyArray, encoding: Encoding) -> Stored:
    """Return the stored integers of an array, and how many values did not fit.

    Parameters
    ----------
    data : array
        Values in the file's unit.
    encoding : Encoding
        How they are stored.
    """
    steps = np.rint(data.astype(np.float64) * encoding.scale + encoding.offset)
    finite = np.isfinite(steps)
    outside = finite & ((steps < 0) | (steps > LARGEST))
    steps[~finite] = encoding.offset
    pixels = np.clip(steps, 0, LARGEST).astype(np.uint16)
    return Stored(pixels, 100 * float(outside.mean()), 100 * float(1 - finite.mean()))


def _arbitrary(quantity: str, finite: AnyArray) -> Encoding:
    lowest, highest = min(float(finite.min()), 0.0), float(finite.max())
    if highest <= lowest:
        highest = lowest + 1
    scale = LARGEST / (highest - lowest)
    inside = finite[finite != 0]
    low, high = np.percentile(inside, (1, 99)) if inside.size else (lowest, highest)
    low, high = (float(low), float(high)) if low < high else (lowest, highest)
    # A window may not be narrower than 1 (PS3.3 C.11.2.1.2), so small numbers are read in a smaller unit.
    power = max(0, math.ceil(2 - math.log10(high - low)))
    unit = "a.u." if power == 0 else f"1e-{power} a.u."
    title = quantity.replace("_", " ")
    title = title.upper() if "swi" in title.lower() else title.capitalize()
    window = (low * 10.0**power, high * 10.0**power)
    return Encoding(title, quantity, unit, "1", 10.0**power, scale, -lowest * scale, window)
