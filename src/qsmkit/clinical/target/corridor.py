"""The search for a safe entry: every direction within reach is tried, and the reasons against each are counted.

The risk of an entry is the worst ratio of what is asked to what is kept,

    r = max_k m_k / d_k

with d_k the track's smallest distance from obstacle k and m_k its margin: 1 touches a margin, ½ keeps
twice all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import BoolArray
from qsmkit.clinical.target.obstacles import STEP, Obstacle
from qsmkit.clinical.target.rules import Side
from qsmkit.clinical.target.structure import Structure, interpolate
from qsmkit.clinical.target.track import STEP as FINE
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.transform import Matrix, Transform
from qsmkit.volume import Volume

LONGEST = 110.0
"""Longest track from the brain's surface to a target, mm (modelling choice)."""

APART = 4.0
"""Entries that are proposed lie at least this far apart, mm."""

NO_RISK = 0.25
"""Ratio below which all entries are as good: four times every margin is kept."""


@dataclass(frozen=True, slots=True)
class Window:
    """Angles that are tried, degrees.

    Attributes
    ----------
    coronal : (float, float)
        Outward from the midline, seen from the front.
    sagittal : (float, float)
        Forward from the plane of the commissures, seen from the side: 90 is straight up.
    step : float
        From one direction to the next.
    around : float
        So much is tried beyond either end, to show what is there; such entries are never proposed.
    """

    coronal: tuple[float, float]
    sagittal: tuple[float, float]
    step: float = 1.0
    around: float = 5.0


WINDOWS: Mapping[str, Window] = {  # about the typical angles; recalled, widths are modelling choices
    "STN": Window((10.0, 35.0), (48.0, 76.0)),
    "GPi": Window((0.0, 25.0), (50.0, 80.0)),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that is proposed.

    Attributes
    ----------
    point : tuple of float
        On the brain's surface, scanner RAS mm.
    coronal, sagittal : float
        Angles, degrees.
    length : float
        From entry to target, mm.
    risk : float
        See the module; 1 touches a margin.
    span : float
        Length of the track inside the nucleus, mm.
    """

    point: tuple[float, float, float]
    coronal: float
    sagittal: float
    length: float
    risk: float
    span: float


@dataclass(frozen=True, eq=False)
class Corridor:
    """All entries that were tried, and the ones that are safe.

    Attributes
    ----------
    entries : tuple of Entry
        Safe ones that lie apart, best first; none if there is none.
    coronal, sagittal : (n,), (m,) array
        Angles of the map, degrees.
    risk : (n, m) array
        Risk of each direction; NaN where it meets no surface.
    safe : (n, m) bool array
        Whether nothing speaks against it.
    surface : (n, m, 3) array
        Where each direction leaves the brain, scanner RAS mm; NaN where it does not.
    rejected : dict of str to int
        How many directions each reason speaks against; one direction may have several.
    """

    entries: tuple[Entry, ...]
    coronal: npt.NDArray[np.float64]
    sagittal: npt.NDArray[np.float64]
    risk: npt.NDArray[np.float64]
    safe: BoolArray
    surface: Matrix
    rejected: dict[str, int]

    @property
    def summary(self) -> str:
        """What was found and what was not, in a sentence."""
        reasons = ", ".join(f"{n} {why}" for why, n in self.rejected.items() if n) or "no reason"
        found = f"{int(self.safe.sum())} safe entries" if self.safe.any() else "no safe entry: none found"
        against = int((~self.safe).sum())
        return f"{self.safe.size} entries tried, {found}; {against} rejected because ({reasons})"

    def rows(self) -> list[dict[str, object]]:
        """Return a row for each direction that was tried: the risk map as a table."""
        return [
            {
                "coronal_deg": float(c), "sagittal_deg": float(s), "risk": float(self.risk[i, j]),
                "safe": int(self.safe[i, j]), **dict(zip("xyz", map(float, self.surface[i, j]), strict=True)),
            }
            for i, c in enumerate(self.coronal)
            for j, s in enumerate(self.sagittal)
        ]  # fmt: skip


def directions(coronal: npt.ArrayLike, sagittal: npt.ArrayLike, side: Side) -> Matrix:
    """Return unit vectors (…, 3) from target to entry, AC–PC, for angles in degrees."""
    out, ahead = np.deg2rad(coronal), np.deg2rad(sagittal)
    sign = 1 if side == "right" else -1
    out, ahead = np.broadcast_arrays(out, ahead)
    vectors = np.stack([sign * np.tan(out), 1 / np.tan(ahead), np.ones_like(out)], -1)
    unit: Matrix = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


def bearing(direction: Matrix, side: Side) -> tuple[float, float]:
    """Return coronal and sagittal angle, degrees, of a direction (3,) from target to entry, AC–PC."""
    x, y, z = direction
    sign = 1 if side == "right" else -1
    return float(np.rad2deg(np.arctan2(sign * x, z))), float(np.rad2deg(np.arctan2(z, y)))


def hull(brain: BoolArray, grid: Grid, radius: float = 8.0) -> BoolArray:
    """Return the brain with its sulci filled: closed by a ball of `radius` mm."""
    room = [int(np.ceil(radius / v)) + 1 for v in grid.voxel_size]
    padded = np.pad(brain, [(r, r) for r in room])
    wide = ndimage.distance_transform_edt(~padded, grid.voxel_size) <= radius
    closed = ndimage.distance_transform_edt(wide, grid.voxel_size) > radius
    filled: BoolArray = closed[tuple(slice(r, -r) for r in room)] | brain
    return filled


def reach(
    target: Matrix, frame: Transform, side: Side, window: Window, grid: Grid, room: float = 8.0
) -> tuple[slice, ...]:
    """Return the part of a grid that all tracks of a window run in, and `room` mm about it."""
    _, _, way = _fan(frame, side, window)
    ends = np.concatenate([target[None], (target + LONGEST * way).reshape(-1, 3)])
    index = grid.voxel(ends)
    more = room / np.array(grid.voxel_size)
    low = np.clip(np.floor(index.min(0) - more), 0, np.array(grid.shape) - 1).astype(int)
    high = np.clip(np.ceil(index.max(0) + more) + 1, low + 1, grid.shape).astype(int)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def search(
    target: Matrix,
    surface: Volume,
    obstacles: Sequence[Obstacle],
    frame: Transform,
    side: Side,
    window: Window,
    nucleus: Structure,
    *,
    least_span: float = 0.0,
    proposals: int = 5,
) -> Corridor:
    """Try the directions of a window and return which are safe.

    Parameters
    ----------
    target : (3,) array
        Scanner RAS mm.
    surface : Volume
        Distance from the filled brain's surface, mm, negative inside.
    obstacles : sequence of Obstacle
        What to keep away from.
    frame : Transform
        From scanner RAS to the AC–PC frame.
    side : {"left", "right"}
        Side of the target.
    window : Window
        Directions.
    nucleus : Structure
        The one that is aimed at.
    least_span : float
        Length, mm, that the track must have in it.
    proposals : int
        How many entries to propose at most.

    Raises
    ------
    InputError
        The target is not inside the brain.
    """
    if not float(interpolate(surface, target[None], outside=np.inf)[0]) < 0:
        raise InputError(
            f"the target {np.round(target, 1).tolist()} lies outside the brain mask; check mask and target"
        )
    coronal, sagittal, way = _fan(frame, side, window)
    depths = np.arange(0, LONGEST, STEP)
    points = target + depths[:, None] * way[..., None, :]
    height = interpolate(surface, points, outside=np.inf)
    first = (height > 0).argmax(-1)
    out_at = np.take_along_axis(height, first[..., None], -1)[..., 0]
    length = np.where((out_at > 0) & np.isfinite(out_at), depths[first], np.nan)
    below = length[..., None] - depths
    ratios, rejected = [np.full(length.shape, NO_RISK)], {}
    for o in obstacles:
        nearest = np.where(below >= 0, o.along(points, depths, below), np.inf).min(-1)
        ratios.append(o.margin.least / np.maximum(nearest, 0.1))
        rejected[f"closer than {o.margin.least:g} mm to {o.name}"] = nearest < o.margin.least
    span = _spans(target, way, nucleus)
    if least_span:
        rejected[f"span in {nucleus.name} below {least_span:g} mm"] = span < least_span
    rejected["leave the brain nowhere in the image"] = np.isnan(length)
    usual = [
        (angles >= low - 1e-9) & (angles <= high + 1e-9)
        for angles, (low, high) in ((coronal, window.coronal), (sagittal, window.sagittal))
    ]
    rejected["outside the usual angles"] = ~(usual[0][:, None] & usual[1])
    risk = np.where(np.isnan(length), np.nan, np.max(ratios, 0))
    safe = ~np.any(list(rejected.values()), 0)
    places = target + length[..., None] * way
    entries = [
        Entry(
            (x, y, z), float(coronal[i]), float(sagittal[j]), float(length[i, j]), float(risk[i, j]), float(span[i, j])
        )
        for i, j in _apart(risk, length, safe, places, proposals)
        for x, y, z in (places[i, j].tolist(),)
    ]
    counts = {why: int(np.sum(against)) for why, against in rejected.items()}
    return Corridor(tuple(entries), coronal, sagittal, risk, safe, places, counts)


def _fan(frame: Transform, side: Side, window: Window) -> tuple[Matrix, Matrix, Matrix]:
    """Return the angles of a window, degrees, and the unit vectors (n, m, 3) from target to entry, scanner RAS."""
    coronal, sagittal = (
        np.arange(low - window.around, high + window.around + window.step / 2, window.step)
        for low, high in (window.coronal, window.sagittal)
    )
    way = directions(coronal[:, None], sagittal, side) @ frame.matrix[:3, :3]
    return coronal, sagittal, way


def _spans(target: Matrix, way: Matrix, nucleus: Structure) -> npt.NDArray[np.float64]:
    """Return the length (mm) of each direction's track inside a nucleus."""
    depths = np.arange(-15.0, 15.0, 5 * FINE)
    inside = nucleus.sample(target + depths[:, None] * way[..., None, :]) >= 0.5
    spans: npt.NDArray[np.float64] = inside.sum(-1) * 5 * FINE
    return spans


def _apart(risk: Matrix, length: Matrix, safe: BoolArray, places: Matrix, proposals: int) -> list[tuple[int, int]]:
    """Return the safe directions of least risk, then least length, that lie apart."""
    order = sorted(map(tuple, np.argwhere(safe)), key=lambda at: (round(float(risk[at]), 2), float(length[at])))
    chosen: list[tuple[int, int]] = []
    for i, j in order:
        if len(chosen) == proposals:
            break
        if all(np.linalg.norm(places[i, j] - places[at]) >= APART for at in chosen):
            chosen.append((int(i), int(j)))
    return chosen
