"""Candidates for microbleeds and calcifications: small, round, compact spots of a susceptibility map.

Spots are extrema over space and scale of s² times the Laplacian of the map smoothed by a Gaussian of deviation s
(Lindeberg 1998), of either sign. Each is grown to half its height above the tissue around, and then has to be a spot:
a vein goes on beyond it, a nucleus is large and faint, the rim of the mask is no place to be sure of. What is not
rejected is a candidate, no more: a reader decides.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import MaskError, ParameterError, ShapeError
from qsmkit.grid import Grid

Reason = Literal["vein", "nucleus", "rim of the mask", "too large", "too faint", "halo of a stronger source"]

SCALES = (0.7, 1.0, 1.5, 2.2, 3.2)
"""s in mm; a ball of radius r answers most at r/√3: radii from 1.2 to 5.5 mm."""

ROOM = 12.0
"""Half the edge (mm) of the box around a spot in which it is looked at."""

BEYOND = 3.0
"""How far (mm) beyond a spot's own radius a vein still goes on and a spot no longer does."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What makes a spot a candidate. All values are modelling choices, set on digital patients.

    Attributes
    ----------
    contrast : float
        Least height above (or depth below) the tissue around, ppm.
    noise : float
        The same in robust standard deviations of that tissue.
    continuity : float
        Largest share of its height at which a spot may go on to `BEYOND` mm outside it.
    elongation : float
        Largest ratio of its longest to its shortest axis.
    largest : float
        Diameter, mm: microbleeds are 2 … 10 mm across.
    nucleus : tuple of float
        Iron of a nucleus: wider than the first, mm, and lower than the second, ppm.
    depth : float
        Least distance of its middle from the rim of the mask, mm.
    """

    contrast: float = 0.12
    noise: float = 4.0
    continuity: float = 0.35
    elongation: float = 3.0
    largest: float = 10.0
    nucleus: tuple[float, float] = (4.0, 0.2)
    depth: float = 2.0

    def __post_init__(self) -> None:
        if not (self.contrast > 0 and self.noise >= 0 and self.largest > 0 and self.depth >= 0):
            raise ParameterError(
                f"contrast {self.contrast} ppm, noise {self.noise}, largest {self.largest} mm, depth {self.depth} mm; "
                "give positive numbers"
            )
        if not (0 < self.continuity <= 1 and self.elongation >= 1):
            raise ParameterError(
                f"continuity {self.continuity}, elongation {self.elongation}; give a share up to 1 and a ratio from 1"
            )


@dataclass(frozen=True, eq=False, slots=True)
class Spot:
    """A spot of the map.

    Attributes
    ----------
    box : tuple of slice
        Where its voxels are.
    voxels : (x, y, z) bool array
        Those of the box that stand out by more than half its height.
    background : (x, y, z) bool array
        Tissue around it, in the same box.
    centre : (3,) array
        RAS mm.
    contrast : float
        Height above the tissue around, ppm; negative for a diamagnetic spot.
    noise : float
        Robust standard deviation of that tissue, ppm.
    volumes : tuple of float
        mm³ where it stands out by more than 70, 50 and 30 % of its height.
    continuity, elongation, depth : float
        See `Rules`.
    """

    box: Box
    voxels: BoolArray
    background: BoolArray
    centre: npt.NDArray[np.float64]
    contrast: float
    noise: float
    volumes: tuple[float, float, float]
    continuity: float
    elongation: float
    depth: float

    @property
    def diameter(self) -> float:
        """Of the ball of its volume, mm."""
        return float(np.cbrt(6 * self.volumes[1] / math.pi))


@dataclass(frozen=True, eq=False)
class Detection:
    """What was found.

    Attributes
    ----------
    spots : list of Spot
        Candidates, strongest first.
    rejected : list of (Spot, str)
        The others and why, those that are too faint left out.
    faint : int
        How many were too faint.
    """

    spots: list[Spot]
    rejected: list[tuple[Spot, Reason]]
    faint: int = 0
    rules: Rules = field(default_factory=Rules)

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many were rejected for which reason, most frequent first."""
        return dict(Counter(reason for _, reason in self.rejected).most_common())

    def sentence(self) -> str:
        """Return what was found and what was not, and why."""
        total = len(self.rejected)
        why = ", ".join(f"{count} {reason}" for reason, count in self.reasons.items())
        because = f"{total} spots rejected because {why}" if total else "no spot rejected"
        number = len(self.spots)
        found = "none found" if not number else f"{number} candidate{'' if number == 1 else 's'}"
        return f"{found}, {because}; {self.faint} too faint to look at"


def detect(
    chi: FloatArray, inside: BoolArray, grid: Grid, *, nuclei: BoolArray | None = None, rules: Rules | None = None
) -> Detection:
    """Return the candidates of a map of susceptibility.

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility, ppm.
    inside : (X, Y, Z) bool array
        Voxels of the brain that have a susceptibility.
    grid : Grid
        Geometry.
    nuclei : (X, Y, Z) bool array, optional
        Voxels of iron-rich nuclei; without it, they are told by size and height.
    rules : Rules, optional
        What makes a spot a candidate.

    Raises
    ------
    ShapeError
        The arrays differ in shape.
    MaskError
        The mask is empty.
    """
    for name, array in (("inside", inside), ("nuclei", nuclei)):
        if array is not None and array.shape != chi.shape:
            raise ShapeError(f"{name} has shape {array.shape} but the map {chi.shape}; resample it first")
    inside = inside & np.isfinite(chi)
    if not inside.any():
        raise MaskError("the mask holds no voxel with a susceptibility; give the brain's mask")
    rules = rules or Rules()
    values = np.where(inside, chi, np.float32(np.median(chi[inside])))
    depth = _depth(inside, grid)
    taken = {1: np.zeros(chi.shape, np.bool_), -1: np.zeros(chi.shape, np.bool_)}
    spots: list[Spot] = []
    rejected: list[tuple[Spot, Reason]] = []
    faint = 0
    for index, sign in _extrema(values, inside, grid, rules.contrast):
        if taken[sign][index]:
            continue
        spot = _grown(sign * values, inside, depth, grid, index, sign)
        if spot is None or abs(spot.contrast) < max(rules.contrast, rules.noise * spot.noise):
            faint += 1
            continue
        taken[sign][spot.box] |= ndimage.binary_dilation(spot.voxels)
        reason = _reason(spot, nuclei, [*spots, *(s for s, _ in rejected)], rules)
        if reason is None:
            spots.append(spot)
        else:
            rejected.append((spot, reason))
    spots.sort(key=lambda s: -abs(s.contrast) * s.volumes[1])
    return Detection(spots, rejected, faint, rules)


def _depth(inside: BoolArray, grid: Grid) -> FloatArray:
    padded = np.pad(inside, 1)
    distance: FloatArray = ndimage.distance_transform_edt(padded, sampling=grid.voxel_size)[1:-1, 1:-1, 1:-1]
    return distance.astype(np.float32)


def _extrema(
    values: FloatArray, inside: BoolArray, grid: Grid, contrast: float
) -> Iterator[tuple[tuple[int, int, int], int]]:
    """Yield voxels where the scale-space answer is extreme, strongest first, with their sign."""
    (box,) = ndimage.find_objects(inside.astype(np.uint8))
    part = values[box].astype(np.float32, copy=False)
    answer = np.zeros(part.shape, np.float32)
    for s in SCALES:
        sigma = [s / h for h in grid.voxel_size]
        smooth = ndimage.gaussian_filter(part, sigma, truncate=3)
        bend = sum(
            np.float32((s / h) ** 2) * ndimage.correlate1d(smooth, (1, -2, 1), axis=axis)
            for axis, h in enumerate(grid.voxel_size)
        )
        np.copyto(answer, -bend, where=np.abs(bend) > np.abs(answer))
    # A ball answers by some 0.6 of its height at its own scale; smaller ones by less.
    strong = inside[box] & (np.abs(answer) > contrast / 4)
    peak = strong & (
        (answer == ndimage.maximum_filter(answer, 3)) | (answer == ndimage.minimum_filter(answer, 3))
    )  # fmt: skip
    start = np.array([b.start for b in box])
    for index in sorted(map(tuple, np.argwhere(peak)), key=lambda i: -abs(float(answer[i]))):
        i, j, k = (int(v) for v in index + start)
        yield (i, j, k), 1 if answer[index] > 0 else -1


def _grown(
    values: FloatArray, inside: BoolArray, depth: FloatArray, grid: Grid, index: tuple[int, int, int], sign: int
) -> Spot | None:
    """Return the spot around a voxel of a map in which it is bright, or None if it does not stand out at all."""
    size = np.array(grid.voxel_size)
    room = np.ceil(ROOM / size).astype(int)
    low = np.maximum(np.array(index) - room, 0)
    high = np.minimum(np.array(index) + room + 1, values.shape)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    box: Box = (x, y, z)
    part, here = values[box], inside[box]
    place = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij"), -1)
    away = np.linalg.norm((place - np.array(index)) * size, axis=-1)
    near = here & (away <= 1.01 * size.max())
    top = np.unravel_index(np.argmax(np.where(near, part, -np.inf)), part.shape)
    peak, radius = float(part[top]), 2.0
    mask, background, level, spread = near, near, 0.0, 0.0
    for _ in range(3):  # the tissue around is known when the spot is, and the other way round
        background = here & (away > radius + 1) & (away <= radius + 4)
        if background.sum() < 20:
            return None
        level = float(np.median(part[background]))
        spread = 1.4826 * float(np.median(np.abs(part[background] - level)))
        if peak - level <= spread:
            return None
        mask = _connected(here & (part - level > 0.5 * (peak - level)), top)
        radius = min(float(np.cbrt(3 * mask.sum() * grid.voxel_volume / (4 * math.pi))), ROOM - 5)
    height, rise = peak - level, part - level
    weight = rise[mask]
    middle = (place[mask] * weight[:, None]).sum(0) / weight.sum()
    outer = np.linalg.norm((place - middle) * size, axis=-1) > radius + BEYOND
    volumes = [_connected(here & (rise > share * height), top).sum() * grid.voxel_volume for share in (0.7, 0.5, 0.3)]
    return Spot(
        box, mask, background & ~mask, grid.world(middle), sign * height, spread,
        (float(volumes[0]), float(volumes[1]), float(volumes[2])),
        _continuity(here & (rise > 0), rise / height, outer, top),
        _elongation(place[mask] * size, size), float(depth[tuple(np.rint(middle).astype(int))]),
    )  # fmt: skip


def _connected(mask: BoolArray, seed: tuple[np.intp, ...]) -> BoolArray:
    labels = ndimage.label(mask, np.ones((3, 3, 3)))[0]
    found: BoolArray = labels == labels[seed]
    return found


def _continuity(here: BoolArray, share: FloatArray, outer: BoolArray, seed: tuple[np.intp, ...]) -> float:
    """Return the largest share of the height at which the spot still reaches the outer voxels."""
    for level in np.arange(0.9, 0.15, -0.1):
        if (_connected(here & (share > level), seed) & outer).any():
            return float(level)
    return 0.0


def _elongation(points: FloatArray, size: npt.NDArray[np.float64]) -> float:
    """Return the ratio of the longest to the shortest axis, a voxel's own extent counted."""
    spread = np.cov(points.T) if len(points) > 1 else np.zeros((3, 3))
    axes = np.linalg.eigvalsh(spread + np.diag(size**2) / 12)
    return float(np.sqrt(axes[-1] / axes[0]))


def _reason(spot: Spot, nuclei: BoolArray | None, others: list[Spot], rules: Rules) -> Reason | None:
    if spot.depth < rules.depth:
        return "rim of the mask"
    if spot.continuity > rules.continuity or spot.elongation > rules.elongation:
        return "vein"
    if nuclei is not None and (nuclei[spot.box] & spot.voxels).sum() > 0.5 * spot.voxels.sum():
        if abs(spot.contrast) < rules.nucleus[1]:
            return "nucleus"
    elif spot.diameter > rules.nucleus[0] and abs(spot.contrast) < rules.nucleus[1]:
        return "nucleus"
    if spot.diameter > rules.largest:
        return "too large"
    for other in others:
        apart = float(np.linalg.norm(spot.centre - other.centre))
        reach = other.diameter / 2 + BEYOND
        if spot.contrast * other.contrast < 0 and apart < reach and abs(spot.contrast) < 0.4 * abs(other.contrast):
            return "halo of a stronger source"
    return None
