"""Proposals of a lesion's mask: grown from a seed, or carried over from another visit. A reader decides."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.clinical.register import resample
from qsmkit.errors import MaskError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.transform import Transform
from qsmkit.volume import Volume

# Modelling choices; no cut-off in ppm has consensus (100 to 150 ppb are in use).
FLOOR = 0.1
"""Susceptibility, ppm above the surroundings, below which nothing counts as a lesion."""

FRACTION = 0.3
"""Of the lesion's height above its surroundings, at which its edge is drawn: it scales with χ, so that a rise of χ
leaves the mask as it was."""

AROUND, NEAR = 15.0, 3.0
"""Radius, mm, of the surroundings, and distance in which a seed finds its lesion."""

LARGEST = 20.0
"""Distance from the seed, mm, beyond which growth has leaked into something else."""

STEPS = 12
"""Times that the level is raised, by a tenth each, to stop a leak."""


SMALL = 400.0
"""Volume, mm³, below which the edge that software draws moves the mean by about 5 % (SD) from visit to visit; in larger
lesions by 1 %. Measured on digital patients: benchmarks/cavernoma."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A mask that software drew.

    Attributes
    ----------
    mask : (X, Y, Z) bool array
        The lesion.
    level : float
        Susceptibility in ppm at which its edge was drawn; NaN if none was.
    source : str
        How it came about, for the record.
    notes : tuple of str
        What a reader should look at.
    """

    mask: BoolArray
    level: float
    source: str
    notes: tuple[str, ...] = ()


def grow(
    chi: FloatArray, grid: Grid, seed: npt.ArrayLike, *, sign: int = 1, level: float | None = None,
    fraction: float = FRACTION, dark: FloatArray | None = None, within: BoolArray | None = None,
    largest: float = LARGEST,
) -> Proposal:
    """Grow a lesion from a seed.

    The edge is at background + `fraction` (top − background), with top the 95th percentile of what exceeds the noise
    around the seed; holes are filled. Where that reaches further than `largest`, the level is raised in steps; where a
    vein is attached, what an opening by one voxel cuts off is dropped.

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility in ppm, NaN where it has none.
    grid : Grid
        Geometry.
    seed : (3,) array
        A point in the lesion, RAS+ mm.
    sign : int
        +1 for what is paramagnetic, −1 for calcium.
    level : float, optional
        Susceptibility in ppm of the edge, in place of the rule above; negative for sign −1.
    fraction : float
        See above.
    dark : (X, Y, Z) array, optional
        T2-weighted image or magnitude on the same grid: voxels darker than the surroundings by three robust standard
        deviations join at half the level.
    within : (X, Y, Z) bool array, optional
        Where the lesion may reach.
    largest : float
        In mm.

    Raises
    ------
    MaskError
        No voxel near the seed exceeds the surroundings, or growth leaks at every level.
    ParameterError
        A setting is out of range, or the seed lies outside the map.
    """
    if sign not in (1, -1) or not 0 < fraction < 1 or not largest > 0:
        raise ParameterError(f"sign {sign}, fraction {fraction:g}, largest {largest:g} mm: give ±1, 0 … 1, above 0 mm")
    if dark is not None and dark.shape != chi.shape:
        raise ShapeError(f"the image has shape {dark.shape}, the map {chi.shape}; resample it first")
    there = np.asarray(seed, np.float64)
    index = np.rint(grid.voxel(there)).astype(int)
    if not np.all((index >= 0) & (index < chi.shape)):
        raise ParameterError(f"seed {there.tolist()} mm lies outside the map; give RAS+ mm of this visit's scan")
    box = _box(index, grid, largest + AROUND)
    part = sign * chi[box].astype(np.float32)
    allowed = np.isfinite(part) & (True if within is None else within[box])
    far = _distance(index, grid, box)
    height, background, noise = _surroundings(part, far, np.isfinite(part))
    near = allowed & (far <= NEAR)
    if not (near & (height > noise)).any():
        top = float(height[near].max()) if near.any() else float("nan")
        raise MaskError(
            f"no voxel within {NEAR:g} mm of {there.tolist()} mm exceeds its surroundings by {1000 * noise:.0f} ppb "
            f"(largest: {1000 * top:.0f}); move the seed, or draw the mask"
        )
    edge = _edge(height, far, allowed, noise, fraction) if level is None else sign * level - background
    darker = None if dark is None else _darker(dark[box], far)
    for step in range(STEPS):
        raised = edge * 1.1**step
        mask = _component(height, raised, allowed, far, darker)
        if mask is not None and far[mask].max() < largest:
            break
        if level is not None or mask is None:
            break
    else:
        mask = None
    if mask is None or far[mask].max() >= largest:
        raise MaskError(f"growth from {there.tolist()} mm reaches further than {largest:g} mm at every level; draw the "
                        "mask, or give a level")  # fmt: skip
    whole = np.zeros(chi.shape, bool)
    whole[box] = mask
    notes = [f"the level was raised {step} times to stop a leak"] if step else []
    if darker is not None:
        notes.append(f"{100 * float(darker[mask].mean()):.0f} % of it is dark in the other image")
    volume = float(mask.sum()) * grid.voxel_volume
    if volume < SMALL:
        notes.append(f"{volume:.0f} mm³ are few: redrawing alone changes its mean by about 5 %; have a reader draw it")
    at = sign * (background + raised)
    return Proposal(whole, at, f"grown at {1000 * at:.0f} ppb", tuple(notes))


def carry(mask: BoolArray, grid: Grid, onto: Grid, transform: Transform) -> Proposal:
    """Carry a mask over to another visit.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        The lesion at the other visit.
    grid : Grid
        Its geometry.
    onto : Grid
        Geometry of this visit's map.
    transform : Transform
        From this visit's space to that of the mask: the one in which that visit's image is resampled onto this one.

    Raises
    ------
    MaskError
        The mask is empty, or falls outside this visit's map.
    """
    if not mask.any():
        raise MaskError("a mask without voxels cannot be carried over; draw it first")
    moved = np.asarray(resample(Volume(mask.astype(np.float32), grid), onto, transform).data) >= 0.5
    if not moved.any():  # smaller than a voxel: its centre
        centre = transform.inverse().apply(grid.world(np.argwhere(mask).mean(0)))
        index = np.rint(onto.voxel(centre)).astype(int)
        if not np.all((index >= 0) & (index < onto.shape)):
            raise MaskError(f"the mask falls outside this visit's map, at {np.round(centre, 1).tolist()} mm; check the "
                            "registration")  # fmt: skip
        moved[tuple(index)] = True
    return Proposal(moved, float("nan"), "carried over")


def follow(
    chi: FloatArray, grid: Grid, carried: BoolArray, *, sign: int = 1, fraction: float = FRACTION, room: float = 5.0,
    dark: FloatArray | None = None,
) -> Proposal:
    """Grow a lesion anew about a mask that was carried over; raise as `grow`.

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility in ppm.
    grid : Grid
        Geometry.
    carried : (X, Y, Z) bool array
        The mask from another visit.
    sign, fraction, dark
        As in `grow`.
    room : float
        How far, mm, the lesion may reach beyond it.
    """
    signed = np.where(carried & np.isfinite(chi), sign * chi, -np.inf)
    if not np.isfinite(signed).any():
        raise MaskError("the mask that was carried over holds no voxel with a susceptibility; check the registration")
    peak = np.unravel_index(int(signed.argmax()), signed.shape)
    reach = ndimage.distance_transform_edt(~carried, sampling=grid.voxel_size) <= room
    extent = float(np.linalg.norm(grid.world(np.argwhere(carried)) - grid.world(np.array(peak)), axis=1).max())
    found = grow(chi, grid, grid.world(np.array(peak)), sign=sign, fraction=fraction, within=reach, dark=dark,
                 largest=extent + 2 * room)  # fmt: skip
    return Proposal(found.mask, found.level, f"carried over, {found.source}", found.notes)


def _box(index: npt.NDArray[np.int_], grid: Grid, reach: float) -> tuple[slice, ...]:
    room = np.ceil(reach / np.array(grid.voxel_size)).astype(int)
    return tuple(slice(max(0, i - r), min(n, i + r + 1)) for i, r, n in zip(index, room, grid.shape, strict=True))


def _distance(index: npt.NDArray[np.int_], grid: Grid, box: tuple[slice, ...]) -> FloatArray:
    """Return the distance of each voxel of a box from a voxel, mm."""
    axes = [((np.arange(s.start, s.stop) - i) * v) ** 2 for s, i, v in zip(box, index, grid.voxel_size, strict=True)]
    far: FloatArray = np.sqrt(axes[0][:, None, None] + axes[1][:, None] + axes[2])
    return far


def _surroundings(part: FloatArray, far: FloatArray, known: BoolArray) -> tuple[FloatArray, float, float]:
    """Return height above the surroundings, their median, and what exceeds them: three robust SDs, at least `FLOOR`."""
    about = part[known & (far <= AROUND + NEAR)]
    background = float(np.median(about)) if about.size else 0.0
    spread = 1.4826 * float(np.median(np.abs(about - background))) if about.size else 0.0
    height = np.where(known, part - background, -np.inf).astype(np.float32)
    return height, background, max(FLOOR, 3 * spread)


def _edge(height: FloatArray, far: FloatArray, allowed: BoolArray, noise: float, fraction: float) -> float:
    """Return the height at which the edge is drawn."""
    piece = _component(height, noise, allowed & (far <= AROUND), far, None)
    top = float(np.percentile(height[piece], 95)) if piece is not None else noise
    return max(fraction * top, 0.5 * noise)


def _component(
    height: FloatArray, edge: float, allowed: BoolArray, far: FloatArray, darker: BoolArray | None
) -> BoolArray | None:
    """Return the filled piece nearest to the seed, without what hangs on it by a thread."""
    above = allowed & (height > edge)
    if darker is not None:
        above |= allowed & darker & (height > edge / 2)
    piece = _nearest(above, far)
    if piece is None:
        return None
    piece = ndimage.binary_fill_holes(piece) & allowed
    opened = _nearest(ndimage.binary_opening(piece), far) if piece.sum() > 60 else None
    if opened is None:
        return piece
    return piece & ndimage.binary_dilation(opened, iterations=1)


def _nearest(mask: BoolArray, far: FloatArray) -> BoolArray | None:
    pieces, count = ndimage.label(mask, ndimage.generate_binary_structure(3, 2))
    if not count:
        return None
    near = np.where(mask, far, np.inf)
    if not near.min() <= 2 * NEAR:
        return None
    piece: BoolArray = pieces == pieces[np.unravel_index(int(near.argmin()), near.shape)]
    return piece


def _darker(image: FloatArray, far: FloatArray) -> BoolArray:
    about = image[(far <= AROUND) & np.isfinite(image)]
    middle = np.median(about)
    dark: BoolArray = image < middle - 3 * 1.4826 * np.median(np.abs(about - middle))
    return dark
