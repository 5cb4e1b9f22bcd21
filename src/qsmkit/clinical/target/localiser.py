"""From the rods of a frame's localiser in an image to the frame's coordinates.

A plate's upright rods A and C and its oblique rod B from the top of A to the foot of C make an N. A slice meets them at
a, b, c, and however it is tilted (Brown 2013):

    f = |ab| / |ac|,    P = A_top + f (C_foot − A_top)

is the point of the oblique rod, in the frame's coordinates, that is seen at b. Over all slices these points give the
rigid transform by least squares; from there on the distances of all spots from their rods are minimised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from qsmkit.arrays import BoolArray
from qsmkit.clinical.registration.gates import Gate, Verdict
from qsmkit.clinical.target.rods import Line, lines
from qsmkit.clinical.target.spots import Indices, Spots, spots
from qsmkit.errors import InputError
from qsmkit.transform import Matrix, Transform
from qsmkit.volume import Volume

Rods = Mapping[str, Matrix]

WIDE, DEEP = 190.0, 120.0
"""Leksell: distance of the side plates, and depth and height of each, mm."""

FARTHEST = 45.0
"""A frame is turned against the scanner by less than this, degrees: the N alone cannot tell it from one upside down."""

MEAN_LIMIT = 0.8
"""Largest mean distance of spots from their rods, mm."""

BEND_LIMIT = 0.4
"""Largest mean distance of a rod's spots from their own straight line, mm (modelling choice)."""

GATHER, OUTLIER = 4.0, 3.0
"""Spots this near to a rod are its own, and the largest distance that passes, mm."""

FEWEST, FEWEST_RODS = 8, 5
"""Spots that make a rod, and rods that make a frame."""

DOUBT = 0.7
"""If leaving out a second rod gains this share of what leaving out the first does, it cannot be told which is wrong."""

Status = Literal["kept", "rejected", "missing"]


def leksell() -> dict[str, Matrix]:
    """Return the rods of a Leksell localiser of two side plates: ends (2, 3), frame-aligned RAS mm about the centre."""
    rods = {}
    half = DEEP / 2
    plate = {
        "front upright": ((half, -half), (half, half)), "oblique": ((half, half), (-half, -half)),
        "rear upright": ((-half, -half), (-half, half)),
    }  # fmt: skip
    for side, x in (("right", WIDE / 2), ("left", -WIDE / 2)):
        for name, ends in plate.items():
            rods[f"{side} {name}"] = np.array([(x, *end) for end in ends])
    return rods


@dataclass(frozen=True, slots=True)
class Rod:
    """What became of one rod.

    Attributes
    ----------
    name : str
        Which.
    status : {"kept", "rejected", "missing"}
        Whether the fit rests on it.
    spots : int
        How many spots it left.
    mean, largest : float
        Distance of its spots from it, mm, in the final fit; NaN if missing.
    bend : float
        Mean distance of its spots from a straight line of their own, mm; NaN if missing.
    """

    name: str
    status: Status
    spots: int
    mean: float
    largest: float
    bend: float


@dataclass(frozen=True, eq=False)
class Localisation:
    """Where the frame lies in the image.

    Attributes
    ----------
    transform : Transform
        From scanner RAS to frame-aligned RAS mm about the frame's centre.
    rods : tuple of Rod
        The rods.
    gates : tuple of Gate
        The tests.
    slices : int
        How many slices show the localiser.
    without : tuple of Transform
        The fits without half a rod each.
    """

    transform: Transform
    rods: tuple[Rod, ...]
    gates: tuple[Gate, ...]
    slices: int
    without: tuple[Transform, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the gates."""
        order: tuple[Verdict, ...] = ("PASS", "REVIEW", "FAIL")
        return max((g.verdict for g in self.gates), key=order.index)

    def spread(self, point: Matrix) -> float:
        """Return the standard error (mm, all axes together) of a scanner point's frame coordinates, by the jackknife.

        That is √((n − 1)/n Σ |pᵢ − p|²) over the fits without one half i of a rod.
        """
        return _jackknife(self.without, self.transform, point)


def localise(image: Volume, rods: Rods | None = None, *, threshold: float | None = None, seed: int = 1) -> Localisation:
    """Find a frame's localiser in an image.

    Parameters
    ----------
    image : Volume
        CT in HU or MR, (X, Y, Z), with the localiser on.
    rods : mapping of str to (2, 3) array, optional
        Ends of each rod, frame-aligned RAS mm about the frame's centre; Leksell's side plates if omitted.
    threshold : float, optional
        From where on a voxel may be rod, in the image's unit.
    seed : int
        Of the search for straight lines.

    Returns
    -------
    Localisation
        Also if it FAILs: the caller decides, and is told which rod is wrong.

    Raises
    ------
    InputError
        No two upright rods and an oblique one are found that fit the localiser.
    """
    return locate(spots(image, threshold=threshold), leksell() if rods is None else rods, seed=seed)


def locate(found: Spots, rods: Rods, *, seed: int = 1) -> Localisation:
    """Find a frame's localiser among spots; see `localise`."""
    names, ends = list(rods), np.stack([np.asarray(r, np.float64) for r in rods.values()])
    pose = _guess(found, ends, lines(found, seed=seed))
    for _ in range(2):
        owner = _owners(found.points, ends, pose, GATHER)
        start = _by_fractions(found, ends, owner) or pose
        pose = _fit(found.points, ends, owner, start)
    owner = _owners(found.points, ends, pose, GATHER)
    there = [i for i in range(len(ends)) if (owner == i).sum() >= FEWEST]
    bends = {i: _bend(found.points[owner == i]) for i in there}
    straight = [i for i in there if bends[i] <= BEND_LIMIT]
    kept, doubtful = _kept(found.points, ends, owner, straight, pose)
    used = np.isin(owner, kept)
    pose = _fit(found.points, ends, np.where(used, owner, -1), pose)
    half = 2 * owner + _upper(found, owner, kept)
    parts = [2 * i + upper for i in kept for upper in (0, 1)]
    without = tuple(_fit(found.points, ends, np.where(used & (half != part), owner, -1), pose) for part in parts)
    apart = _distances(found.points, ends, owner, pose)
    told = []
    for i, name in enumerate(names):
        own = apart[owner == i]
        status: Status = "kept" if i in kept else "rejected" if i in there else "missing"
        far = (float(own.mean()), float(own.max())) if i in there else (float("nan"), float("nan"))
        told.append(Rod(name, status, len(own), *far, bends.get(i, float("nan"))))
    gates = _gates(told, apart[used], found, ends, owner, used, pose, without)
    if doubtful:
        text = "disagree: one of them is bent or displaced, and the others cannot tell which"
        gates.append(Gate(f"rods {' and '.join(names[i] for i in doubtful)}", MEAN_LIMIT, "mm", "FAIL", text))
    return Localisation(pose, tuple(told), tuple(gates), len(np.unique(found.slices[used])), without)


def fraction_point(a: Matrix, b: Matrix, c: Matrix, oblique: Matrix) -> Matrix:
    """Return the frame coordinates (…, 3), mm, of the points seen at `b`, by the N's fraction.

    Parameters
    ----------
    a, b, c : (…, 3) array
        Where a slice meets the upright at the oblique rod's first end, the oblique rod, and the other upright; mm, any
        space.
    oblique : (2, 3) array
        Ends of the oblique rod, frame-aligned RAS mm.
    """
    share = np.linalg.norm(b - a, axis=-1) / np.linalg.norm(c - a, axis=-1)
    point: Matrix = oblique[0] + share[..., None] * (oblique[1] - oblique[0])
    return point


def _guess(found: Spots, ends: Matrix, there: Sequence[Line]) -> Transform:
    """Return the pose that puts most spots near rods, over all pairs of lines that two uprights can be."""
    way = ends[:, 1] - ends[:, 0]
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    upright = [i for i in range(len(ends)) if abs(way[i, 2]) > 0.999]
    slanted = [i for i in range(len(ends)) if i not in upright]
    best: tuple[int, Transform] | None = None
    for one in there:
        for other in there:
            if one is other or one.direction @ other.direction < np.cos(np.deg2rad(3)):
                continue
            up = one.direction + other.direction
            up /= np.linalg.norm(up)
            gap = other.middle - one.middle
            gap = gap - (gap @ up) * up
            for i in upright:
                for j in upright:
                    apart = ends[j, 0] - ends[i, 0]
                    apart[2] = 0
                    if i == j or abs(np.linalg.norm(apart) - np.linalg.norm(gap)) > 4:
                        continue
                    pose = _pose(one.middle, gap, up, ends[i].mean(0), apart)
                    if pose is None:
                        continue
                    for shift in _shifts(pose.apply(found.points), ends[slanted]):
                        moved = Transform(np.array(pose.matrix) + np.pad([[shift]], ((2, 1), (3, 0))))
                        count = int((_owners(found.points, ends, moved, 2.5) >= 0).sum())
                        if best is None or count > best[0]:
                            best = (count, moved)
    if best is None or best[0] < 3 * FEWEST:
        raise InputError(
            f"no localiser is found: {len(found)} spots outside the head make {len(there)} straight rods, of which no "
            "two uprights and an oblique one fit; check that the localiser is in the image, or give --threshold"
        )
    return best[1]


def _pose(place: Matrix, gap: Matrix, up: Matrix, rod: Matrix, apart: Matrix) -> Transform | None:
    """Return the pose that turns `up` and `gap` into the frame's z and `apart`; None if it is turned too far."""
    here = np.stack([gap / np.linalg.norm(gap), np.cross(up, gap / np.linalg.norm(gap)), up])
    flat = apart / np.linalg.norm(apart)
    there = np.stack([flat, np.cross((0, 0, 1), flat), (0, 0, 1)])
    rotation = there.T @ here
    if np.trace(rotation) < 1 + 2 * np.cos(np.deg2rad(FARTHEST)):
        return None
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, rod - rotation @ place
    return Transform(matrix)


def _shifts(points: Matrix, slanted: Matrix) -> list[float]:
    """Return how far along z spots must move to lie on oblique rods: what most of them agree on, for each rod."""
    shifts = []
    for first, last in slanted:
        flat = (last - first) * (1, 1, 0)
        share = (points - first) @ flat / (flat @ flat)
        beside = np.linalg.norm((points - first) * (1, 1, 0) - share[:, None] * flat, axis=1)
        near = (beside < 4) & (share > 0.04) & (share < 0.96)
        if near.sum() >= FEWEST:
            wanted = first[2] + share[near] * (last - first)[2] - points[near, 2]
            counts, edges = np.histogram(wanted, np.arange(wanted.min() - 4, wanted.max() + 4, 4.0))
            at = int(np.argmax(counts))
            close = (wanted > edges[at] - 2) & (wanted < edges[at + 1] + 2)
            shifts.append(float(np.median(wanted[close])))
    return shifts


def _owners(points: Matrix, ends: Matrix, pose: Transform, reach: float) -> Indices:
    """Return the rod (index) that each spot lies within `reach` mm of, −1 if none; rods end where they end."""
    away = np.linalg.norm(_offsets(pose.apply(points), ends), axis=-1)
    nearest = away.argmin(1)
    return np.where(away.min(1) <= reach, nearest, -1)


def _offsets(points: Matrix, ends: Matrix) -> Matrix:
    """Return the vectors (n, rods, 3) from the nearest point of each rod to frame points (n, 3), mm."""
    way = ends[:, 1] - ends[:, 0]
    along = points[:, None] - ends[None, :, 0]
    share = np.clip(np.einsum("nri,ri->nr", along, way) / np.einsum("ri,ri->r", way, way), -0.03, 1.03)
    offsets: Matrix = along - share[..., None] * way
    return offsets


def _distances(points: Matrix, ends: Matrix, owner: Indices, pose: Transform) -> Matrix:
    """Return the distance (n,) of each spot from its rod, mm; of one without a rod, from the nearest."""
    away = np.linalg.norm(_offsets(pose.apply(points), ends), axis=-1)
    own: Matrix = np.where(owner >= 0, away[np.arange(len(points)), owner], away.min(1))
    return own


def _by_fractions(found: Spots, ends: Matrix, owner: Indices) -> Transform | None:
    """Return the rigid transform of the points that the fractions of two N's or more give; None of fewer."""
    seen, known, plates = [], [], set()
    for i, (first, last) in enumerate(ends):
        if abs((last - first)[2]) > 0.999 * np.linalg.norm(last - first):
            continue
        mates = [j for j in range(len(ends)) if j != i]
        a = min(mates, key=lambda j: np.linalg.norm(_offsets(first[None], ends[[j]])))
        c = min(mates, key=lambda j: np.linalg.norm(_offsets(last[None], ends[[j]])))
        for at in np.unique(found.slices[owner == i]):
            spot = [np.flatnonzero((owner == rod) & (found.slices == at)) for rod in (a, i, c)]
            if all(len(s) == 1 for s in spot):
                front, middle, rear = (found.points[s[0]] for s in spot)
                seen.append(middle)
                known.append(fraction_point(front, middle, rear, ends[i]))
                plates.add(i)
    if len(plates) < 2:
        return None
    here, there = np.array(seen), np.array(known)
    rotation, _ = Rotation.align_vectors(there - there.mean(0), here - here.mean(0))
    matrix = np.eye(4)
    matrix[:3, :3] = rotation.as_matrix()
    matrix[:3, 3] = there.mean(0) - matrix[:3, :3] @ here.mean(0)
    turned = np.trace(matrix[:3, :3]) < 1 + 2 * np.cos(np.deg2rad(FARTHEST))
    return None if turned else Transform(matrix)


def _fit(points: Matrix, ends: Matrix, owner: Indices, start: Transform) -> Transform:
    """Return the rigid transform that brings spots nearest to their own rods' lines."""
    own = owner >= 0
    seen, rod = points[own], ends[owner[own]]
    way = rod[:, 1] - rod[:, 0]
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    centre = seen.mean(0)

    def moved(pose: Matrix) -> Transform:
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_rotvec(pose[:3]).as_matrix() @ start.matrix[:3, :3]
        matrix[:3, 3] = start.apply(centre) + pose[3:] - matrix[:3, :3] @ centre
        return Transform(matrix)

    def misses(pose: Matrix) -> Matrix:
        off = moved(pose).apply(seen) - rod[:, 0]
        apart: Matrix = (off - (off * way).sum(1, keepdims=True) * way).ravel()
        return apart

    return moved(least_squares(misses, np.zeros(6), loss="soft_l1", f_scale=0.5, x_scale=[0.01] * 3 + [1.0] * 3).x)


def _kept(
    points: Matrix, ends: Matrix, owner: Indices, there: list[int], pose: Transform
) -> tuple[list[int], list[int]]:
    """Return the rods that fit, and two of which only one does if it cannot be told which.

    As long as a rod misses the limit where the others lead, the worst one goes. A rod is left out only if an oblique
    one and two uprights remain: nothing else holds the frame.
    """
    steep = np.abs(ends[:, 1, 2] - ends[:, 0, 2]) > 0.999 * np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    kept = list(there)
    while len(kept) > FEWEST_RODS - 1:
        gain, misses = {}, {}
        for i in kept:
            others = [j for j in kept if j != i]
            if all(steep[others]) or sum(steep[others]) < 2:
                continue
            rest = np.isin(owner, others)
            away = _distances(points, ends, owner, _fit(points, ends, np.where(rest, owner, -1), pose))
            misses[i] = float(away[owner == i].mean())
            gain[i] = misses[i] - float(away[rest].mean())
        worst = sorted(gain, key=lambda i: -gain[i])
        if not worst or misses[worst[0]] <= MEAN_LIMIT:
            return kept, []
        if len(worst) > 1 and misses[worst[1]] > MEAN_LIMIT and gain[worst[1]] > DOUBT * gain[worst[0]]:
            return kept, sorted(worst[:2])
        kept.remove(worst[0])
    return kept, []


def _bend(points: Matrix) -> float:
    """Return the mean distance of points (n, 3) from their own straight line, mm."""
    off = points - points.mean(0)
    way = np.linalg.svd(off, full_matrices=False)[2][0]
    return float(np.linalg.norm(off - (off @ way)[:, None] * way, axis=1).mean())


def _upper(found: Spots, owner: Indices, kept: Sequence[int]) -> Indices:
    """Return 1 for the spots (n,) of each rod's upper half, 0 for the others."""
    upper = np.zeros(len(found), np.int64)
    for i in kept:
        own = owner == i
        upper[own] = found.slices[own] > np.median(found.slices[own])
    return upper


def _gates(
    rods: Sequence[Rod], apart: Matrix, found: Spots, ends: Matrix, owner: Indices, used: BoolArray, pose: Transform,
    without: Sequence[Transform],
) -> list[Gate]:  # fmt: skip
    mean, largest = float(apart.mean()), float(apart.max())
    gates = [
        Gate("mean distance", mean, "mm", "PASS" if mean <= MEAN_LIMIT else "FAIL", "of spots from the rods kept"),
        Gate("largest distance", largest, "mm", "PASS" if largest <= OUTLIER else "REVIEW", "of a spot from its rod"),
    ]
    for rod in rods:
        if rod.status == "rejected":
            what = f"bent by {rod.bend:.1f} mm on average" if rod.bend > BEND_LIMIT else "displaced"
            text = f"{what} ({rod.spots} spots): left out"
            gates.append(Gate(f"rod {rod.name}", rod.mean, "mm", "REVIEW" if mean <= MEAN_LIMIT else "FAIL", text))
        elif rod.status == "missing":
            text = f"seen in {rod.spots} slices, {FEWEST} are needed: left out"
            gates.append(Gate(f"rod {rod.name}", float(rod.spots), "1", "REVIEW", text))
        elif rod.mean > MEAN_LIMIT:
            gates.append(Gate(f"rod {rod.name}", rod.mean, "mm", "FAIL", "mean distance of its spots"))
    kept = sum(r.status == "kept" for r in rods)
    enough: Verdict = "PASS" if kept >= FEWEST_RODS else "FAIL"
    gates.append(Gate("rods", float(kept), "1", enough, f"kept of {len(rods)}; {FEWEST_RODS} are needed"))
    here = pose.apply(found.points[used])
    there = here - _offsets(here, ends)[np.arange(len(here)), owner[used]]
    middle = ends[owner[used]].mean((0, 1))
    scale = float(((there - middle) * (here - middle)).sum() / ((here - middle) ** 2).sum())
    verdict: Verdict = "PASS" if abs(scale - 1) < 0.005 else "REVIEW"
    gates.append(Gate("scale", scale, "1", verdict, "size of the rods over that in the image: distortion"))
    error = _jackknife(without, pose, pose.inverse().apply(np.zeros(3)))
    verdict = "PASS" if error < 0.5 else "REVIEW" if error < 1 else "FAIL"
    return [*gates, Gate("centre", error, "mm", verdict, "standard error of the centre, by leaving half rods out")]


def _jackknife(without: Sequence[Transform], pose: Transform, point: Matrix) -> float:
    here = pose.apply(point)
    apart = np.array([np.linalg.norm(t.apply(point) - here) for t in without])
    n = len(apart)
    return float(np.sqrt((n - 1) / n * (apart**2).sum())) if n > 1 else float("nan")
