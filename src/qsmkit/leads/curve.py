"""A curve in space, by arc length."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """A polygon so fine that it stands for a smooth curve.

    Attributes
    ----------
    points : (N, 3) array
        Its corners, mm, in order.
    """

    points: Points

    @cached_property
    def arc(self) -> Points:
        """Length of the curve up to each corner, mm: (N,)."""
        steps = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        arc: Points = np.concatenate([[0.0], np.cumsum(steps)])
        return arc

    @property
    def length(self) -> float:
        """Of the whole curve, mm."""
        return float(self.arc[-1])

    def at(self, s: npt.ArrayLike) -> Points:
        """Return the points at arc lengths `s` in mm: (…, 3); beyond an end the curve goes on straight."""
        s = np.asarray(s, np.float64)
        inside = np.clip(s, 0.0, self.length)
        point = np.stack([np.interp(inside, self.arc, x) for x in self.points.T], -1)
        result: Points = point + (s - inside)[..., None] * self.tangent(inside)
        return result

    def tangent(self, s: npt.ArrayLike) -> Points:
        """Return the unit vectors along the curve at arc lengths `s` in mm: (…, 3)."""
        slopes = np.gradient(self.points, self.arc, axis=0)
        direction = np.stack([np.interp(np.asarray(s, np.float64), self.arc, x) for x in slopes.T], -1)
        unit: Points = direction / np.linalg.norm(direction, axis=-1, keepdims=True)
        return unit

    def moved(self, transform: Points) -> "Curve":
        """Return the curve after a rigid transform (4, 4)."""
        return Curve(self.points @ transform[:3, :3].T + transform[:3, 3])

    def followed_by(self, points: Points) -> "Curve":
        """Return the curve continued through further points (M, 3), mm."""
        return Curve(np.concatenate([self.points, points]))


def resampled(polygon: Points, step: float) -> Points:
    """Return points (N, 3) about `step` mm apart along a polygon, its ends kept."""
    rough = Curve(polygon)
    return rough.at(np.linspace(0.0, rough.length, max(2, round(rough.length / step) + 1)))


def bow(start: Points, end: Points, sag: Points, step: float = 0.1) -> Curve:
    """Return the arc c(u) = start + u (end − start) + 4 u (1 − u) sag.

    Parameters
    ----------
    start, end : (3,) array
        Its ends, mm.
    sag : (3,) array
        How far its middle lies from the chord's, mm.
    step : float
        Distance of its corners, mm.
    """
    u = np.linspace(0.0, 1.0, max(2, round(float(np.linalg.norm(end - start)) / step) + 1))[:, None]
    return Curve(start + u * (end - start) + 4 * u * (1 - u) * sag)
