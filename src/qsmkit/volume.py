"""Arrays with their place in the world: `Volume` is one image, `Scan` a multi-echo gradient-echo acquisition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import AnyArray, BoolArray, FloatArray
from qsmkit.errors import MetadataError, ShapeError
from qsmkit.grid import Grid


@dataclass(frozen=True, eq=False)
class Volume:
    """An image and its grid.

    Parameters
    ----------
    data : (X, Y, Z) or (X, Y, Z, E) array
        Values; echo last.
    grid : Grid
        Geometry of the first three axes.
    unit : str
        Unit of the values; "1" for a pure number, "a.u." for arbitrary units.

    Raises
    ------
    ShapeError
        The data do not lie on the grid.
    """

    data: AnyArray
    grid: Grid
    unit: str = "a.u."

    def __post_init__(self) -> None:
        if self.data.ndim not in (3, 4) or self.data.shape[:3] != self.grid.shape:
            raise ShapeError(f"data of shape {self.data.shape} do not lie on a grid of shape {self.grid.shape}")


@dataclass(frozen=True, eq=False)
class Scan:
    """A gradient-echo scan in physical units, ready to be reconstructed.

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Wrapped phase in rad, echo last; a paramagnetic source gives positive phase.
    magnitude : (X, Y, Z, E) array or None
        Magnitude in arbitrary units.
    echo_times : (E,) array
        Echo times in s, ascending and positive.
    field_strength : float
        Main field in T, from the imaging frequency where that is known.
    grid : Grid
        Geometry.
    bipolar : bool
        Whether the readout gradient alternated in polarity from echo to echo.
    valid : (X, Y, Z) bool array or None
        False where an echo had no finite value (those voxels hold zeros and are excluded from every mask).
    name : str
        BIDS stem of the scan (`sub-01_ses-1_…`), or a file's name.
    sources : tuple of str
        Files that the scan was read from.
    metadata : dict
        Sidecar of the first echo, and what the reader decided (scale of the phase, unit of the echo times).
    notes : tuple of str
        What was odd about the files, for whoever reads the result.
    contradictions : tuple of str
        Those of the notes that say how two sources disagree about the scan: the result wants a look.

    Raises
    ------
    ShapeError
        Arrays disagree with each other, with the grid or with the number of echo times.
    MetadataError
        Echo times are not positive and ascending, or the field strength is not positive.
    """

    phase: FloatArray
    magnitude: FloatArray | None
    echo_times: npt.NDArray[np.float64]
    field_strength: float
    grid: Grid
    bipolar: bool = False
    valid: BoolArray | None = None
    name: str = "scan"
    sources: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        times = np.atleast_1d(np.asarray(self.echo_times, np.float64))
        object.__setattr__(self, "echo_times", times)
        expected = (*self.grid.shape, len(times))
        for name in ("phase", "magnitude"):
            array = getattr(self, name)
            if array is not None and array.shape != expected:
                raise ShapeError(
                    f"{name} has shape {array.shape}, but grid and {len(times)} echo times ask for {expected}; "
                    "give one volume per echo time"
                )
        if self.valid is not None and self.valid.shape != self.grid.shape:
            raise ShapeError(f"valid has shape {self.valid.shape}, but the grid is {self.grid.shape}")
        if not np.isfinite(times).all() or times.min() <= 0 or (np.diff(times) <= 0).any():
            raise MetadataError(f"echo times {times.tolist()} s are not positive and ascending; check the sidecars")
        if not (np.isfinite(self.field_strength) and self.field_strength > 0):
            raise MetadataError(f"field strength {self.field_strength} T is not positive; give it in tesla")
