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
        Depths in mm above the target; their intervals reach from the last quiet site to the first loud one, and have no
        ends where it was not seen.
    span : Measure
        Length in mm, entry minus exit, with the interval ± 1.96 σ, σ² = (step² at the entry + step² at the exit)/12;
        without ends where entry or exit was not seen.
    open_end : bool
        Whether entry or exit was not seen, as the uppermost site is loud or too few quiet ones follow: the span is a
        lower bound.
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
    first, last = stretches[longest]
    entry = _boundary(d, first, seen=first > 0)
    end = _boundary(d, last + 1, seen=last + consecutive < len(d))
    length = entry.value - end.value
    if math.isnan(entry.low) or math.isnan(end.low):
        span = Measure(length, math.nan, math.nan, "mm", len(d), "an end was not seen: a lower bound")
        return Span(entry, end, span, True, tuple(edges))
    reach = 1.96 * math.hypot(entry.high - entry.low, end.high - end.low) / math.sqrt(12)
    span = Measure(length, max(0.0, length - reach), length + reach, "mm", len(d), "± 1.96 √(Σ step²/12)")
    return Span(entry, end, span, False, tuple(edges))


def _boundary(depth: npt.NDArray[np.float64], below: int, *, seen: bool) -> Measure:
    """Return the boundary above site `below`, between that site and the one above it."""
    value, n = _edge(depth, below), len(depth)
    if not seen:
        return Measure(value, math.nan, math.nan, "mm", n, "not seen: where the loud sites end")
    how = "threshold on the normalised RMS; half a step to either side"
    return Measure(value, float(depth[below]), float(depth[below - 1]), "mm", n, how)


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
