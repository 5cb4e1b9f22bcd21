"""The veins of a body: sinuses of the dura, deep veins, and cortical and medullary veins of calibres down to 0.4 mm.

Courses are polygons in stereotactic coordinates, rounded off; sinuses of the convexity and cortical veins follow the
hull of the brain. Radii are mm in the head: typical values (recalled). A vein thinner than a sample fills a share:

    share = w clip(1/2 − d / 2s, 0, 1),

with d the distance from its wall, s three quarters of the distance between samples, and w such that its cross-section
π r² is kept: w = r² / (r² + s²/3) if r ≥ s, 6 s r² / (r + s)³ if not.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from qsmkit.arrays import FloatArray
from qsmkit.simulate.shapes import Points, Tube
from qsmkit.simulate.space import Space
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.warp import BODY_LATTICE, Warp

Course = tuple[tuple[float, float, float, float], ...]

DEEP: tuple[Course, ...] = (
    ((2.0, -3, 9, 0.6), (2.2, -15, 13, 0.8), (1.8, -26, 10, 1.0), (0.8, -36, 5, 1.3)),  # internal cerebral
    ((7, 26, 6, 0.4), (4, 13, 9, 0.5), (2.6, 3, 10, 0.6), (2.0, -3, 9, 0.6)),  # septal
    ((18, -24, 18, 0.4), (15, -9, 17.5, 0.6), (9, 1, 13, 0.7), (3, -1, 10, 0.7), (2.0, -3, 9, 0.7)),  # thalamostriate
    ((13, 2, -19, 0.6), (16, -11, -15, 0.7), (18, -23, -8, 0.8), (11, -34, -2, 1.0), (1, -38, 3, 1.2)),  # basal
    ((10, -48, -2, 0.5), (5, -44, 0, 0.6), (0, -40, 4, 0.8)),  # internal occipital
)
MIDDLE: tuple[Course, ...] = (
    ((0, -36, 5, 1.6), (0, -41, 6, 2.0), (0, -48, 4, 2.0)),  # great vein
    ((0, -48, 4, 1.8), (0, -66, 0, 2.0), (0, -84, -5, 2.3), (0, -99, -8, 2.6)),  # straight sinus
)
TRANSVERSE: Course = ((2, -100, -8, 2.8), (22, -95, -18, 3.0), (44, -82, -26, 3.2), (58, -62, -30, 3.2))
SIGMOID: Course = ((56, -48, -38, 3.2), (50, -40, -52, 3.3), (38, -36, -62, 3.4),
                   (32, -26, -76, 4.0), (34, -24, -130, 4.5))
"""Along the hull, then down to the neck. One side is wider than the other."""

CORTICAL, MEDULLARY, CORNERS = 30, 45, 9
"""Veins of the convexity and of the deep white matter on a side, and corners of the former's polygon."""

CENTRE = np.array([0.0, -18.0, 14.0])
"""Whence directions over the convexity are reckoned, template mm."""

DRAINED = (Label.WHITE_MATTER, Label.GREY_MATTER, Label.CSF, Label.INTERNAL_CAPSULE)
SINUS_BED = (*DRAINED, Label.BONE, Label.DIPLOE, Label.MUSCLE, Label.FAT)
"""What veins, and what sinuses are drawn over."""


def draw_veins(
    space: Space, warp: Warp, labels: npt.NDArray[np.uint8], hull: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Draw the veins that fill more than half of a sample into `labels`, in place, and return the others.

    Parameters
    ----------
    space : Space
        Samples in the head, mm.
    warp : Warp
        From the head to the template.
    labels : (X, Y, Z) uint8 array
        Of everything but veins.
    hull : (X, Y, Z) float32 array
        Signed distance from the brain's hull, mm, on `BODY_LATTICE`.
    rng : Generator
        Source of randomness: courses and calibres of small veins, the wider side.

    Returns
    -------
    (X, Y, Z) float32 array
        Share, 0 … 1, that veins have in samples of other labels.
    """
    share = np.zeros(space.shape, np.float32)
    for over, tubes in ((SINUS_BED, _sinuses(warp, hull, rng)), (DRAINED, _veins(warp, hull, rng))):
        for tube in tubes:
            for piece in tube.pieces():
                pour(share, space, labels, piece, over)
    vein = share > 0.5
    labels[vein] = Label.VEIN
    share[vein] = 0
    return share


def pour(share: FloatArray, space: Space, labels: npt.NDArray[np.uint8], tube: Tube, over: tuple[Label, ...]) -> None:
    """Raise the share that veins have, in place, by a straight or bent piece of a vein, where `labels` are `over`."""
    soft = 0.75 * float(np.mean(space.step))
    low, high = tube.bounds()
    box = space.box(low - soft, high + soft)
    if share[box].size == 0:
        return
    r = float(np.mean([p[3] for p in tube.points]))
    kept = 6 * soft * r**2 / (r + soft) ** 3 if r < soft else r**2 / (r**2 + soft**2 / 3)
    distance = tube.distance(space.part(box).position)
    filled = np.float32(kept) * np.clip(np.float32(0.5) - distance / np.float32(2 * soft), 0, 1)
    filled *= np.isin(labels[box], over)
    np.maximum(share[box], filled, out=share[box])


def _sinuses(warp: Warp, hull: FloatArray, rng: np.random.Generator) -> Iterator[Tube]:
    angle = np.deg2rad(np.linspace(-14, 186, 32))
    midline = np.stack([np.zeros_like(angle), np.cos(angle), np.sin(angle)], 1)
    along = _below(warp, hull, midline, np.full(len(angle), 0.3))
    yield _tube(along, np.linspace(1.2, 3.0, len(angle)))
    for course in MIDDLE:
        yield _in_head(course, warp)
    wide = rng.choice((-1, 1))
    for side in (-1, 1):
        calibre = 1.0 if side == wide else rng.uniform(0.55, 0.9)
        over, down = np.array(TRANSVERSE), np.array(SIGMOID)
        ray = over[:, :3] * (side, 1, 1) - CENTRE
        points = [_below(warp, hull, ray, np.full(len(ray), 0.6)), warp.head(down[:, :3] * (side, 1, 1))]
        yield _tube(np.concatenate(points), calibre * np.concatenate([over[:, 3], down[:, 3]]))


def _veins(warp: Warp, hull: FloatArray, rng: np.random.Generator) -> Iterator[Tube]:
    for course in DEEP:
        for side in (-1, 1):
            yield _in_head(course, warp, side, float(rng.uniform(0.85, 1.15)))
    for side in (-1, 1):
        for _ in range(CORTICAL):
            yield from _cortical_vein(warp, hull, side, rng)
        for _ in range(MEDULLARY):
            yield _medullary_vein(warp, side, rng)


def _cortical_vein(warp: Warp, hull: FloatArray, side: int, rng: np.random.Generator) -> Iterator[Tube]:
    """Yield a vein that climbs to the sagittal sinus, and a tributary that dips into a sulcus."""
    elevation = np.deg2rad(np.linspace(rng.uniform(-15, 50), rng.uniform(82, 88), CORNERS))
    azimuth = np.deg2rad(rng.uniform(10, 165)) + np.cumsum(rng.normal(0, 0.10, CORNERS))
    flat = np.cos(elevation)
    ray = np.stack([side * flat * np.sin(azimuth), flat * np.cos(azimuth), np.sin(elevation)], 1)
    depth = 0.6 + rng.uniform(0.3, 1.6) * np.sin(np.pi * np.linspace(0, 1, CORNERS))
    trunk = _below(warp, hull, ray, depth)
    calibre = rng.uniform(0.5, 1.3)
    yield _tube(trunk, calibre * np.linspace(0.55, 1.1, CORNERS))
    knot = trunk[rng.integers(2, 6)]
    centre = warp.head(CENTRE)[0]
    inwards = (centre - knot) / np.linalg.norm(centre - knot)
    reach = np.linspace(0, rng.uniform(8, 20), 5)[:, None]
    bend = np.cumsum(rng.normal(0, 0.9, (5, 3)), 0) * (reach > 0)
    yield _tube(knot + reach * inwards + bend, calibre * np.linspace(0.7, 0.35, 5))


def _medullary_vein(warp: Warp, side: int, rng: np.random.Generator) -> Tube:
    """Return a thin vein that runs through white matter down to the wall of the lateral ventricle."""
    y = rng.uniform(-48, 30)
    wall = np.array([side * (13 + 0.007 * (y - 10) ** 2), y, 22 - 0.006 * (y + 5) ** 2])
    away = np.array([side * rng.uniform(0.4, 1.0), rng.normal(0, 0.35), rng.uniform(0.1, 1.0)])
    t = np.linspace(0, 1, 6)[:, None]
    course = wall + t * away / np.linalg.norm(away) * rng.uniform(14, 28) + np.cumsum(rng.normal(0, 0.6, (6, 3)), 0)
    return _tube(warp.head(course), rng.uniform(0.8, 1.2) * np.linspace(0.42, 0.2, 6))


def _below(warp: Warp, hull: FloatArray, ray: Points, depth: Points) -> Points:
    """Return where rays (N, 3) from `CENTRE`, template directions, are `depth` mm below the hull: head mm (N, 3)."""
    centre = warp.head(CENTRE)[0]
    direction = warp.head(CENTRE + 40 * ray / np.linalg.norm(ray, axis=1, keepdims=True)) - centre
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    start = np.array([axis[0] for axis in BODY_LATTICE.axes])
    reach = np.full(len(ray), 70.0)
    for _ in range(25):
        index = (centre + direction * reach[:, None] - start) / BODY_LATTICE.step
        reach -= 0.8 * (map_coordinates(hull, index.T, np.float64, order=1, mode="nearest") + depth)
    points: Points = centre + direction * reach[:, None]
    return points


def _in_head(course: Course, warp: Warp, side: int = 1, calibre: float = 1.0) -> Tube:
    points = np.array(course)
    return _tube(warp.head(points[:, :3] * (side, 1, 1)), calibre * points[:, 3])


def _tube(points: Points, radii: Points) -> Tube:
    nodes = np.column_stack([points, radii]).tolist()
    return Tube(tuple((x, y, z, r) for x, y, z, r in nodes))
