"""Echo times in seconds: the unit is decided by what is plausible, and refused where it is not plain."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from qsmkit.errors import MetadataError
from qsmkit.io.sidecar import number

Source = Literal["sidecar", "argument"]

PLAUSIBLE_MS = (0.5, 100.0)
"""Echo times of gradient echoes in ms; the two readings of a number never overlap."""

PLAUSIBLE_S = {"sidecar": (1e-5, 0.25), "argument": (5e-4, 0.1)}
"""The same in s; a sidecar is in seconds by its standard, so that more is believed."""


def to_seconds(values: Sequence[float], *, source: Source, name: str) -> tuple[npt.NDArray[np.float64], str]:
    """Return echo times in s, in the order given.

    Parameters
    ----------
    values : sequence of float
        Echo times, all in s or all in ms.
    source : {"sidecar", "argument"}
        Where they come from: BIDS sidecars ought to be in s, arguments may be in either.
    name : str
        What to call the scan in messages.

    Returns
    -------
    seconds : (E,) array
        Echo times in s.
    decision : str
        The unit decided on and why.

    Raises
    ------
    MetadataError
        A time is not positive, two are equal, or the unit is ambiguous.
    """
    times = np.asarray(values, np.float64)
    listed = ", ".join(f"{t:g}" for t in times)
    if times.ndim != 1 or not times.size or not np.isfinite(times).all() or times.min() <= 0:
        raise MetadataError(f"{name}: echo times {listed or 'none'} are not all positive; give one an echo")
    if len(np.unique(times)) < len(times):
        raise MetadataError(f"{name}: echo times {listed} are not all different; give one an echo")
    s_low, s_high = PLAUSIBLE_S[source]
    ms_low, ms_high = PLAUSIBLE_MS
    if s_low <= times.min() and times.max() <= s_high:
        return times, f"{listed} are seconds, from the {source}"
    if ms_low <= times.min() and times.max() <= ms_high:
        return times / 1000, f"{listed} are milliseconds by their size, from the {source}"
    raise MetadataError(
        f"{name}: echo times {listed} are plausible neither in s ({s_low:g} to {s_high:g}) nor in ms "
        f"({ms_low:g} to {ms_high:g}); correct them"
    )


def sidecar_times(metadata: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """Return `EchoTime` of each file's sidecar, as written; the list of times of a single 4-D file.

    Empty if a file has none.

    Raises
    ------
    MetadataError
        An `EchoTime` is not a number.
    """
    if len(metadata) == 1 and isinstance(values := metadata[0].get("EchoTime"), list):
        return [number({"EchoTime": v}, "EchoTime", name) or 0.0 for v in values]
    times = [number(m, "EchoTime", name) for m in metadata]
    return [] if None in times else [t for t in times if t is not None]
