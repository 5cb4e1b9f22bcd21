"""Where a microelectrode's track enters and leaves the subthalamic nucleus, from how loud its sites are.

Depths are mm above the target along the track, positive above, so that a descending electrode counts down.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.errors import InputError
from qsmkit.measure import Measure

BASELINE = 5
"""Uppermost sites whose mean is the background that the others are divided by."""

RISE = 1.5
"""Normalised RMS from which a site counts as inside; 1.5 … 2 is used, recalled."""

CONSECUTIVE = 2
"""Loud sites in a row that make an entry; recalled."""


@dataclass(frozen=True, slots=True)
class Span:
    """A track's passage through the nucleus.

    Attributes
    ----------
    entry, exit : Measure
        Depths in mm above the target; their intervals are half a step to either side.
    span : Measure
        Length in mm, entry minus exit, with the interval ± 1.96 σ, σ = √2 step/√12.
    open_end : bool
        Whether the deepest site is still loud, so that the exit was not seen and the span is a lower bound.
    intervals : tuple of (float, float)
        Entry and exit of every loud stretch, uppermost first; the longest one is the span.
    """

    entry: Measure
    exit: Measure
    span: Measure
    open_end: bool
    intervals: tuple[tuple[float, float], ...]


def normalised_rms(depth: npt.ArrayLike, rms: npt.ArrayLike, *, baseline: int = BASELINE) -> npt.NDArray[np.float64]:
    """Return each site's RMS over the mean RMS of the uppermost sites: a pure number, sites from top to bottom.

    Parameters
    ----------
    depth : (n,) array
        Depths of the sites, mm above the target, in any order.
    rms : (n,) array
        Root mean square of the recording at each site, µV (any unit).
    baseline : int
        Number of uppermost sites that are the background.

    Raises
    ------
    InputError
        Lengths differ, a value is missing, a depth occurs twice, or there are too few sites or no background.
    """
    d, r = np.asarray(depth, np.float64), np.asarray(rms, np.float64)
    if d.ndim != 1 or d.shape != r.shape:
        raise InputError(f"{d.shape} depths but {r.shape} RMS values; give one for each site")
    if not (np.isfinite(d).all() and np.isfinite(r).all()):
        raise InputError("a depth or an RMS value is missing; leave that site out")
    if len(d) < baseline + CONSECUTIVE:
        raise InputError(f"{len(d)} sites are too few: {baseline} for the background and {CONSECUTIVE} more are needed")
    if len(np.unique(d)) < len(d):
        raise InputError("a depth occurs twice; analyse one channel at a time")
    order = np.argsort(-d)
    background = float(r[order][:baseline].mean())
    if not background > 0:
        raise InputError(f"the uppermost {baseline} sites have a mean RMS of {background:g}; the channel is silent")
    return r[order] / background


def propose_span(
    depth: npt.ArrayLike, rms: npt.ArrayLike, *, baseline: int = BASELINE, rise: float = RISE,
    consecutive: int = CONSECUTIVE,
) -> Span | None:
    """Propose entry and exit by a threshold on the normalised RMS, to be accepted or corrected by a reader.

    A boundary lies half way between the last quiet and the first loud site. Single quiet sites inside a loud stretch do
    not end it.

    Parameters
    ----------
    depth : (n,) array
        Depths of the sites, mm above the target.
    rms : (n,) array
        Root mean square of the recording at each site, µV.
    baseline : int
        Number of uppermost sites that are the background.
    rise : float
        Normalised RMS from which a site is loud.
    consecutive : int
        Loud sites in a row that make an entry, and quiet ones that make an exit.

    Returns
    -------
    Span or None
        None if no stretch is loud.

    Raises
    ------
    InputError
        As `normalised_rms`.
    """
    loud = normalised_rms(depth, rms, baseline=baseline) >= rise
    d = np.sort(np.asarray(depth, np.float64))[::-1]
    stretches = _stretches(loud, consecutive)
    if not stretches:
        return None
    edges = [(_edge(d, first), _edge(d, last + 1)) for first, last in stretches]
    longest = int(np.argmax([top - bottom for top, bottom in edges]))
    top, bottom = edges[longest]
    step = float(np.median(-np.diff(d)))
    reach = 1.96 * math.sqrt(2) * step / math.sqrt(12)
    how = "threshold on the normalised RMS; half a step to either side"
    length = Measure(
        top - bottom, max(0.0, top - bottom - reach), top - bottom + reach, "mm", len(d), "± 1.96 √2 step/√12"
    )
    return Span(
        Measure(top, top - step / 2, top + step / 2, "mm", len(d), how),
        Measure(bottom, bottom - step / 2, bottom + step / 2, "mm", len(d), how),
        length,
        stretches[longest][1] == len(d) - 1,
        tuple(edges),
    )


def _stretches(loud: npt.NDArray[np.bool_], consecutive: int) -> Sequence[tuple[int, int]]:
    """Return first and last site of each loud stretch."""
    found: list[tuple[int, int]] = []
    start, quiet, run = None, 0, 0
    for i, is_loud in enumerate(loud):
        run = run + 1 if is_loud else 0
        quiet = 0 if is_loud else quiet + 1
        if start is None and run == consecutive:
            start = i - consecutive + 1
        elif start is not None and quiet == consecutive:
            found.append((start, i - consecutive))
            start = None
    if start is not None:
        found.append((start, len(loud) - 1 - quiet))
    return found


def _edge(depth: npt.NDArray[np.float64], below: int) -> float:
    """Return the depth half way between site `below` − 1 and site `below`, or the end of the track."""
    if below == 0 or below == len(depth):
        return float(depth[min(below, len(depth) - 1)])
    return float((depth[below - 1] + depth[below]) / 2)
