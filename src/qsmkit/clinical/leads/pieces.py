"""What a model of lead looks like in a CT: its metal in small pieces, each spread by the scanner's blur.

Contacts and marker are thin shells, the conductors a bundle about the axis. How dense each is in a CT is not known
beforehand: each kind of metal is an image of its own, whose strength is fitted.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import FloatArray
from qsmkit.compiled import serial
from qsmkit.leads.curve import Points
from qsmkit.leads.electrodes import RING, Electrode, Level

CONTACT, CONDUCTOR, MARKER = 0, 1, 2
"""Kinds of metal."""

STEP = 0.25
"""Distance of the pieces along the lead, mm."""

AROUND = 12
"""Pieces about a whole ring."""

SHELL = 0.8
"""Radius of contacts and marker, over the lead's (modelling choice: the middle of a wall a fifth of it thick)."""

BUNDLE = 0.44
"""Radius over the lead's at which four wires spread like the disc of the conductors (modelling choice)."""

REACH = 3.5
"""A piece is spread this many standard deviations far."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """A lead's metal in its own coordinates.

    Attributes
    ----------
    s : (N,) array
        Arc length above the lead's end, mm.
    radius : (N,) array
        Distance from the axis, mm.
    angle : (N,) array
        Direction from the axis, rad from the marker's.
    weight : (N,) array
        Length that the piece stands for times its share of a ring, mm.
    kind : (N,) int array
        `CONTACT`, `CONDUCTOR` or `MARKER`.
    """

    s: Points
    radius: Points
    angle: Points
    weight: Points
    kind: npt.NDArray[np.int64]


def pieces_of(model: Electrode, length: float) -> Pieces:
    """Return the metal of the lowest `length` mm of a lead."""
    parts = [_wires(model.tip, length, BUNDLE * model.radius)]
    parts += [_shell(level, SHELL * model.radius, CONTACT) for level in model.levels]
    if model.marker:
        parts += [_shell(band, SHELL * model.radius, MARKER) for band in model.marker.bands()]
    s, radius, angle, weight, kind = (np.concatenate(column) for column in zip(*parts, strict=True))
    keep = s <= length
    if model.tip_is_contact:  # a dome: half a sphere has as much surface in every slice as the cylinder about it
        radius *= np.sqrt(1 - np.clip(1 - s / model.radius, 0, 1) ** 2)
    return Pieces(s[keep], radius[keep], angle[keep], weight[keep], kind[keep].astype(np.int64))


Part = tuple[Points, Points, Points, Points, npt.NDArray[np.int64]]


def _wires(bottom: float, top: float, radius: float) -> Part:
    count = max(1, round((top - bottom) / STEP))
    step = (top - bottom) / count
    s: Points = np.repeat(bottom + step * (np.arange(count, dtype=np.float64) + 0.5), 4)
    turn: Points = np.tile(np.pi / 2 * np.arange(4.0), count)
    return s, np.full(s.size, radius), turn, np.full(s.size, step / 4), np.full(s.size, CONDUCTOR)


def _shell(level: Level, radius: float, kind: int) -> Part:
    count = max(1, round(level.length / STEP))
    step = level.length / count
    s: Points = level.bottom + step * (np.arange(count, dtype=np.float64) + 0.5)
    angles, weights = [], []
    for segment in level.segments:
        n = AROUND if segment == RING else max(2, round(AROUND * segment.width / 360) + 1)
        angles.append(np.deg2rad(segment.start + segment.width * (np.arange(n) + 0.5) / n))
        weights.append(np.full(n, segment.width / 360 / n))
    angle, weight = np.concatenate(angles), np.concatenate(weights)
    around = len(angle)
    s, angle, weight = np.repeat(s, around), np.tile(angle, count), np.tile(weight, count) * step
    return s, np.full(s.size, radius), angle, weight, np.full(s.size, kind)


@serial
def spread(place: Points, weight: Points, kind: npt.NDArray[np.int64], sigma: Points, out: FloatArray) -> None:
    """Add pieces at voxel places (N, 3) to one image a kind (3, X, Y, Z), by Gaussians of widths (3,) in voxels."""
    norm = 1.0 / ((2 * np.pi) ** 1.5 * sigma[0] * sigma[1] * sigma[2])
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    slope = np.empty((3, 64))
    for n in range(len(place)):
        seen = True
        for d in range(3):
            low[d] = max(0, int(np.ceil(place[n, d] - REACH * sigma[d])))
            high[d] = min(min(out.shape[d + 1], int(np.floor(place[n, d] + REACH * sigma[d])) + 1), low[d] + 64)
            if high[d] <= low[d]:
                seen = False
            for i in range(low[d], high[d]):
                slope[d, i - low[d]] = np.exp(-0.5 * ((i - place[n, d]) / sigma[d]) ** 2)
        if not seen:
            continue
        for i in range(low[0], high[0]):
            a = weight[n] * norm * slope[0, i - low[0]]
            for j in range(low[1], high[1]):
                b = a * slope[1, j - low[1]]
                for k in range(low[2], high[2]):
                    out[kind[n], i, j, k] += b * slope[2, k - low[2]]
