"""Metal in the brain of a CT, and the tracks that leads leave there.

The brain is the largest piece of soft tissue that is thick, closed where streaks and air have torn it; metal is what is
dense inside. Wires, coils and anchors lie outside, on or in the skull. Several tracks in one piece of metal are told
apart by taking the best curve c(u) = c0 + c1 u + c2 u² out of the metal, again and again.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.clinical.leads.slices import across, along
from qsmkit.errors import DataWarning, InputError, ShapeError
from qsmkit.leads.curve import Curve, Points
from qsmkit.volume import Volume

METAL, CERTAIN = 300.0, 1000.0
"""CT numbers, HU, of voxels that belong to metal, and that one of them reaches; calcifications are less dense."""

SOFT = (-20.0, 110.0)
"""CT numbers of brain on coarse voxels, HU."""

COARSE = 1.5
"""Size of the voxels on which the brain is found, mm."""

THICK, TORN, BESIDE_BONE = 6.0, 5.0, 3.0
"""Brain is soft tissue that holds a ball of this radius; tears up to this radius are closed; metal so close to the
brain's surface is not looked at (mm)."""

SHORTEST = 25.0
"""Least length of a track in the brain, mm: a lead's contacts and enough of its shaft to tell which way it runs."""

NEAR, TAKEN = 1.5, 2.5
"""Metal that belongs to a curve, and that is taken out with it, mm off."""

AROUND, BESIDE = 5.0, 0.2
"""About a lead, at this distance in mm, less than this share is dense: more is bone."""

WIDE, THIN = 3.0, 1.2
"""Half the width of slices in which a track's thickness is measured, and the greatest root mean square distance of a
lead's metal from its middle there, mm; of a ridge of bone it is 1.4 or more."""

GAP = 4.0
"""Longest interruption of a track, mm: streaks, and crossings with another lead."""

TRIALS = 300
"""Straight lines that are tried through a piece of metal."""

BLIND = 3.0
"""A track that ends so close to the image's edge is cut off, mm."""


@dataclass(frozen=True, eq=False)
class Track:
    """Metal along a curve, from the end that is free in the brain upwards.

    Attributes
    ----------
    curve : Curve
        Rough axis, CT RAS mm.
    cut : bool
        Whether the upper end lies at the image's edge.
    """

    curve: Curve
    cut: bool


def check_ct(ct: Volume) -> None:
    """Refuse what is no CT of a head in HU.

    Raises
    ------
    ShapeError
        The image is not 3-D.
    InputError
        Its values are not HU.
    """
    if ct.data.ndim != 3:
        raise ShapeError(f"the CT has shape {ct.data.shape}; give one 3-D volume, such as the thinnest reconstruction")
    low, high = float(np.nanmin(ct.data)), float(np.nanmax(ct.data))
    if not np.isfinite(ct.data).all():
        raise InputError("the CT holds values that are not finite; give it as the scanner stored it")
    tissue = ct.data[::3, ::3, ::3]
    share = float(((tissue > SOFT[0]) & (tissue < SOFT[1])).mean())
    if low > -50 or high < 150 or share < 0.02:
        raise InputError(
            f"values from {low:g} to {high:g}, {share:.0%} of them between {SOFT[0]:g} and {SOFT[1]:g}, are not a CT "
            "of a head in HU (air −1000, water 0); give a CT, with rescale slope and intercept applied"
        )


def find_tracks(ct: Volume) -> tuple[Track, ...]:
    """Return every lead's track, longest first.

    Parameters
    ----------
    ct : Volume
        (X, Y, Z), HU, in any pose.

    Raises
    ------
    ShapeError, InputError
        The image is no CT of a head in HU; no metal lies in the brain; no piece of it is long enough; or the only
        lead's lower end is outside the image.

    Warns
    -----
    DataWarning
        There is another lead whose lower end is outside the image.
    """
    check_ct(ct)
    brain = brain_of(ct)
    metal = (ct.data > METAL) & brain
    if not (ct.data[metal] > CERTAIN).any():
        outside = int((ct.data > CERTAIN).sum())
        raise InputError(
            f"no metal in the brain: none of its voxels exceeds {CERTAIN:g} HU ({outside} elsewhere do: bone, wires, "
            "anchors); give the CT after the implantation"
        )
    pieces, count = ndimage.label(metal, np.ones((3, 3, 3)))
    tracks: list[Curve] = []
    for index, box in enumerate(ndimage.find_objects(pieces, count), 1):
        inside = pieces[box] == index
        extent = (np.array(inside.shape) * ct.grid.voxel_size).max()
        if extent > SHORTEST / 2 and (ct.data[box][inside] > CERTAIN).any():
            tracks += _peeled(ct.grid.world(np.argwhere(inside) + [s.start for s in box]))
    alone = [curve for curve in tracks if _stands_alone(curve, ct)]
    judged = [_oriented(curve, ct) for curve in alone]
    found = [track for track in judged if isinstance(track, Track)]
    trouble = [text for text in judged if isinstance(text, str)]
    if not found:
        raise InputError(
            trouble[0] if trouble else
            f"no lead: of {count} pieces of metal in the brain {len(tracks)} hold a track of {SHORTEST:g} mm or more, "
            f"{len(alone)} of them thin and away from bone; give a CT that holds a whole lead"
        )
    for text in trouble:
        warnings.warn(DataWarning(text), stacklevel=2)
    return tuple(sorted(found, key=lambda t: -t.curve.length))


def brain_of(ct: Volume) -> BoolArray:
    """Return the inside of the skull, less a margin beside bone: (X, Y, Z).

    Raises
    ------
    InputError
        There is no thick piece of soft tissue.
    """
    block = np.maximum(1, np.round(COARSE / np.array(ct.grid.voxel_size))).astype(int)
    coarse = _averaged(np.asarray(ct.data, np.float32), block)
    size = block * ct.grid.voxel_size
    soft = (coarse > SOFT[0]) & (coarse < SOFT[1])
    thick = _distance(soft, size) > THICK
    pieces, count = ndimage.label(thick)
    if count == 0:
        raise InputError(
            f"no brain: no soft tissue ({SOFT[0]:g} … {SOFT[1]:g} HU) holds a ball of {THICK:g} mm; give a CT of a head"
        )
    largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    # What is at the image's edge goes on beyond it.
    rim = [(int(np.ceil((THICK + TORN + BESIDE_BONE) / s)) + 1,) * 2 for s in size]
    grown = _distance(np.pad(pieces != largest, rim, mode="edge"), size) < THICK + TORN
    inside = (_distance(grown, size) > TORN + BESIDE_BONE)[tuple(slice(a, -b) for a, b in rim)]
    where = [np.minimum(np.arange(n) // b, m - 1) for n, b, m in zip(ct.data.shape, block, inside.shape, strict=True)]
    result: BoolArray = inside[np.ix_(*where)]
    return result


def _averaged(data: FloatArray, block: npt.NDArray[np.int64]) -> FloatArray:
    """Return the means of blocks of voxels; those left over at the end are dropped."""
    n = np.maximum(1, np.array(data.shape) // block)
    part = data[tuple(slice(0, a * b) for a, b in zip(n, block, strict=True))]
    shape = [v for a, b in zip(n, block, strict=True) for v in (a, min(b, part.size))]
    averaged: FloatArray = part.reshape(shape).mean((1, 3, 5))
    return averaged


def _distance(mask: BoolArray, size: Points) -> FloatArray:
    """Return how far each voxel of a mask is from the nearest outside, mm; the image's edge is no outside."""
    if mask.all():
        return np.full(mask.shape, np.inf, np.float32)
    distance: FloatArray = ndimage.distance_transform_edt(mask, sampling=size.tolist())
    return distance


def _peeled(points: Points) -> list[Curve]:
    """Return the curves that metal at points (N, 3), mm, consists of."""
    rng, curves = np.random.default_rng(0), []
    left = points
    while len(left) > 10 and np.ptp(left, axis=0).max() > SHORTEST / 2:
        coefficients = _best_curve(left, rng)
        if coefficients is None:
            break
        u, off = _along(left, coefficients)
        near = off < NEAR
        start, end = _longest_run(u[near])
        inside = (u > start - TAKEN) & (u < end + TAKEN)
        if end - start >= SHORTEST:
            at = np.linspace(start, end, max(2, round(2 * (end - start))))
            curves.append(Curve(_evaluate(coefficients, at)))
        left = left[~((off < TAKEN) & inside)]
    return curves


Bow = tuple[Points, Points, Points]
"""Origin, unit direction, and coefficients (3, 3) of u⁰, u¹, u² of what is added to the straight line."""


def _best_curve(points: Points, rng: np.random.Generator) -> Bow | None:
    """Return the curve that holds most of the metal's length, by random sampling and refinement."""
    sample = points[rng.choice(len(points), min(len(points), 1500), replace=False)]
    best, most = None, 0
    for one, other in rng.integers(len(sample), size=(TRIALS, 2)):
        direction = sample[other] - sample[one]
        length = float(np.linalg.norm(direction))
        if length < SHORTEST / 2:
            continue
        bow = (sample[one], direction / length, np.zeros((3, 3)))
        u, off = _along(sample, bow)
        covered = len(np.unique(np.rint(u[off < NEAR + 0.5])))
        if covered > most:
            best, most = bow, covered
    if best is None:
        return None
    for _ in range(6):
        u, off = _along(points, best)
        near = off < NEAR
        if near.sum() < 10:
            return best
        _, direction, _ = best
        middle = points[near].mean(0)
        _, _, axes = np.linalg.svd(points[near] - middle, full_matrices=False)
        direction = axes[0] * np.sign(axes[0] @ direction)
        v = (points[near] - middle) @ direction
        rest = points[near] - middle - v[:, None] * direction
        coefficients: Points = np.polynomial.polynomial.polyfit(v, rest, 2)
        best = (middle, direction, coefficients)
    return best


def _along(points: Points, bow: Bow) -> tuple[Points, Points]:
    """Return positions along a curve and distances from it, mm: (N,) each."""
    origin, direction, _ = bow
    u = (points - origin) @ direction
    return u, np.linalg.norm(points - _evaluate(bow, u), axis=1)


def _evaluate(bow: Bow, u: Points) -> Points:
    origin, direction, coefficients = bow
    bent = np.asarray(np.polynomial.polynomial.polyval(u, coefficients), np.float64).T
    return origin + u[:, None] * direction + bent


def _longest_run(u: Points) -> tuple[float, float]:
    """Return the ends of the longest stretch without a gap."""
    ordered = np.sort(u)
    breaks = np.flatnonzero(np.diff(ordered) > GAP)
    starts, ends = np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [len(ordered) - 1]])
    longest = int(np.argmax(ordered[ends] - ordered[starts]))
    return float(ordered[starts[longest]]), float(ordered[ends[longest]])


def _stands_alone(curve: Curve, ct: Volume) -> bool:
    """Whether metal along a curve's middle half is thin, as a lead is, and has tissue around it, not bone."""
    s = np.arange(curve.length / 4, 3 * curve.length / 4, 0.5)
    cut = along(ct, curve, s, width=WIDE, step=0.25)
    dense = np.clip(cut.values - METAL, 0, None)
    total = np.maximum(dense.sum((0, 1)), 1e-6)
    spread: Points = np.zeros(len(s))
    for offset in (cut.offset[:, None, None], cut.offset[None, :, None]):
        middle = (dense * offset).sum((0, 1)) / total
        spread += (dense * (offset - middle) ** 2).sum((0, 1)) / total
    if np.median(np.sqrt(spread)) > THIN:
        return False
    front, left = across(curve, s)
    turn = np.deg2rad(np.arange(0, 360, 20))[:, None, None]
    ring = curve.at(s) + AROUND * (np.cos(turn) * front + np.sin(turn) * left)
    index = np.clip(np.rint(ct.grid.voxel(ring)).astype(int), 0, np.array(ct.data.shape) - 1)
    return bool((ct.data[tuple(np.moveaxis(index, -1, 0))] > METAL).mean() < BESIDE)


def _oriented(curve: Curve, ct: Volume) -> Track | str:
    """Return a track from the end beyond which there is no metal, or what is wrong with it."""
    down, up = Curve(curve.points[::-1]), curve
    below, above = _beyond(down, ct), _beyond(up, ct)
    free = [beyond is not None and beyond < METAL / 2 for beyond in (below, above)]
    if not any(free):
        return (
            f"a lead's lower end is not in the CT: metal at {np.round(curve.at(curve.length / 2), 1).tolist()} mm runs "
            f"on at both ends of its {curve.length:.0f} mm; give a CT that holds the whole lead"
        )
    lowest_first = curve.points[0, 2] < curve.points[-1, 2]
    upwards = free[0] if free[0] != free[1] else lowest_first
    return Track(up, above is None) if upwards else Track(down, below is None)


def _beyond(curve: Curve, ct: Volume) -> float | None:
    """Return the median CT number 3 to 8 mm beyond a curve's end, HU; None if that is outside the image."""
    points = curve.at(curve.length + np.arange(3.0, 8.0, 0.5))
    index = np.rint(ct.grid.voxel(points)).astype(int)
    inside = np.all((index >= 0) & (index < ct.data.shape), axis=1)
    if not inside[np.arange(3.0, 8.0, 0.5) <= 3.0 + BLIND].all():
        return None
    # The brightest voxel within 1 mm: the track's end is rough and the lead may turn.
    reach = [np.arange(-k, k + 1) for k in np.maximum(1, np.rint(1.0 / np.array(ct.grid.voxel_size)).astype(int))]
    block = np.stack(np.meshgrid(*reach, indexing="ij"), -1).reshape(-1, 3)
    around = np.clip(index[inside][:, None] + block, 0, np.array(ct.data.shape) - 1)
    return float(np.median(ct.data[tuple(np.moveaxis(around, -1, 0))].max(1)))
