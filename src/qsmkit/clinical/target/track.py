"""A straight track through labelled structures: where it enters and leaves each of them, and how sure that is.

Depths are mm above the target along the track, positive above, as in `qsmkit.clinical.mer.span`.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.clinical.mer.span import Span
from qsmkit.clinical.target.structure import Structure
from qsmkit.errors import InputError
from qsmkit.measure import Measure
from qsmkit.transform import Matrix

ABOVE, BELOW, STEP = 40.0, 15.0, 0.05
"""How far above and below the target spans are looked for, and the distance of samples along the track, mm."""

GAP = 0.5
"""Gaps up to this many mm do not end a span."""

PLACEMENT = 0.41
"""Standard deviation along each axis of where an instrument comes to lie, mm: a mean Euclidean error of 0.66 mm, as a
phantom-calibrated frame has, is 0.66 / √(8/π) along each axis."""

DRAWS = 400


@dataclass(frozen=True, eq=False)
class Track:
    """The straight line from an entry to a target.

    Attributes
    ----------
    target, entry : (3,) array
        Scanner RAS mm.

    Raises
    ------
    InputError
        A point is not finite, or both are the same.
    """

    target: Matrix
    entry: Matrix

    def __post_init__(self) -> None:
        for name in ("target", "entry"):
            point = np.array(getattr(self, name), np.float64)
            if point.shape != (3,) or not np.isfinite(point).all():
                raise InputError(f"{name} = {point.tolist()} is not a point; give three coordinates in mm")
            object.__setattr__(self, name, point)
        if not self.length > 1e-3:
            raise InputError(f"target and entry are both at {self.target.tolist()} mm; give two different points")

    @property
    def length(self) -> float:
        """Distance from entry to target, mm."""
        return float(np.linalg.norm(self.entry - self.target))

    @property
    def up(self) -> Matrix:
        """Unit vector from target to entry, scanner RAS."""
        direction: Matrix = (self.entry - self.target) / self.length
        return direction

    def at(self, depths: npt.ArrayLike) -> Matrix:
        """Return the points (…, 3), scanner RAS mm, that lie `depths` (…) mm above the target."""
        return self.target + np.asarray(depths, np.float64)[..., None] * self.up


@dataclass(frozen=True, slots=True)
class Passage:
    """A track and one structure.

    Attributes
    ----------
    name : str
        The structure.
    span : Span or None
        Entry, exit and length as planned, with intervals over draws of placement and of the structure's surface; None
        if the planned track misses it.
    chance : float
        Share of the draws that meet it.
    nearest : float
        Distance in mm of the planned track from its surface; negative if it is met: how deep inside the track comes.
    """

    name: str
    span: Span | None
    chance: float
    nearest: float

    def as_dict(self) -> dict[str, object]:
        """Return plain values: depths in mm above the target; None where it is missed."""
        found: dict[str, object] = {"structure": self.name, "chance": self.chance, "nearest_mm": self.nearest}
        for name in ("entry", "exit", "span"):
            found[name] = getattr(self.span, name).as_dict() if self.span else None
        return found


def passage(
    track: Track,
    structure: Structure,
    *,
    placement: float = PLACEMENT,
    draws: int = DRAWS,
    rng: int | np.random.Generator = 1,
) -> Passage:
    """Return where a track enters and leaves a structure.

    The track is sampled every 0.05 mm; it is inside where the chance of the structure is ½ or more; gaps up to 0.5 mm
    do not end a span, and of several the longest counts. The intervals hold 95 % of the draws: in each the track lies
    elsewhere by a normal error of `placement` along each axis, and the surface is that of another chance, the same all
    round: a nucleus that is larger above is larger below too, which is the wider of the possibilities.

    Parameters
    ----------
    track : Track
        The track, which is followed 15 mm beyond the target.
    structure : Structure
        What it may pass.
    placement : float
        Standard deviation of the error along each axis, mm.
    draws : int
        How many draws.
    rng : int or Generator
        Seed or source of randomness.
    """
    random = np.random.default_rng(rng)
    depths = np.arange(min(ABOVE, track.length), -BELOW, -STEP)
    points = track.at(depths)
    planned = structure.sample(points)
    nearest = float(structure.away(points).min())
    moves, levels = random.normal(0, placement, (draws, 3)), random.uniform(0.02, 0.98, draws)
    drawn = structure.sample(points + moves[:, None])
    ends = np.array([_longest(depths, row, level) for row, level in zip(drawn, levels, strict=True)])
    met = np.isfinite(ends[:, 0])
    intervals = _intervals(depths, planned, 0.5)
    if not intervals:
        return Passage(structure.name, None, float(met.mean()), nearest)
    top, bottom = max(intervals, key=lambda i: i[0] - i[1])
    how = f"{draws} draws: placement {placement:g} mm an axis, surface by its chance"
    entry, leave, length = (
        _measure(value, values[met], how)
        for value, values in ((top, ends[:, 0]), (bottom, ends[:, 1]), (top - bottom, ends[:, 0] - ends[:, 1]))
    )
    open_end = bool(bottom <= depths[-1] + STEP or top >= depths[0] - STEP)
    return Passage(structure.name, Span(entry, leave, length, open_end, tuple(intervals)), float(met.mean()), nearest)


def lamina(outer: Passage, inner: Passage) -> tuple[float, float] | None:
    """Return where a track leaves the GPe and enters the GPi below it, mm above the target, if it does both."""
    if outer.span is None or inner.span is None:
        return None
    ends = outer.span.exit.value, inner.span.entry.value
    return ends if ends[0] >= ends[1] else None


def _measure(value: float, drawn: npt.NDArray[np.float64], how: str) -> Measure:
    if len(drawn) < 2:
        return Measure(value, math.nan, math.nan, "mm", len(drawn), how)
    low, high = (float(v) for v in np.percentile(drawn, (2.5, 97.5)))
    return Measure(value, min(low, value), max(high, value), "mm", len(drawn), how)


def _longest(depths: Matrix, chance: FloatArray, level: float) -> tuple[float, float]:
    found = _intervals(depths, chance, level)
    return max(found, key=lambda i: i[0] - i[1]) if found else (math.nan, math.nan)


def _intervals(depths: Matrix, chance: FloatArray, level: float) -> list[tuple[float, float]]:
    """Return entry and exit of every stretch where the chance is at least `level`, uppermost first."""
    inside: BoolArray = np.concatenate([[False], chance >= level, [False]])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    found: list[tuple[float, float]] = []
    for first, after in edges.reshape(-1, 2):
        top, bottom = _crossing(depths, chance, level, first), _crossing(depths, chance, level, after)
        if found and found[-1][1] - top <= GAP:
            found[-1] = (found[-1][0], bottom)
        else:
            found.append((top, bottom))
    return found


def _crossing(depths: Matrix, chance: FloatArray, level: float, at: int) -> float:
    """Return where the chance passes `level` between samples `at` − 1 and `at`, or the end of the track."""
    if at == 0 or at == len(depths):
        return float(depths[min(at, len(depths) - 1)])
    a, b = float(chance[at - 1]), float(chance[at])
    return float(depths[at - 1] + (level - a) / (b - a) * (depths[at] - depths[at - 1]))
