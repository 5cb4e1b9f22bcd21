"""The venous tree: sinuses of the dura, deep veins, and cortical and medullary veins of several calibres."""

from collections.abc import Callable, Iterator

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.simulate.brain import Envelope
from qsmkit.simulate.shapes import Points, Tube

DEEP: tuple[Tube, ...] = (
    # internal cerebral
    Tube(((1.6, 18, 12, 0.8), (1.8, 4, 14, 0.9), (1.6, -14, 15, 1.1), (0.5, -26, 12, 1.4), (0, -33, 7, 1.8))),
    # septal
    Tube(((7, 27, 14, 0.6), (4, 22, 13, 0.7), (1.6, 18, 12, 0.8))),
    # thalamostriate
    Tube(((19, -10, 20, 0.6), (15, 6, 18, 0.8), (8, 15, 14, 0.8), (1.6, 18, 12, 0.8))),
    # basal
    Tube(((16, 18, -16, 0.8), (14, 4, -17, 0.9), (17, -8, -14, 1.0), (15, -20, -8, 1.1), (6, -29, 2, 1.3),
          (0, -33, 7, 1.7))),
)
STRAIGHT_SINUS = Tube(((0, -33, 7, 1.9), (0, -44, 2, 2.2), (0, -62, -8, 2.6), (0, -80, -16, 3.0)))
TRANSVERSE_SINUS = Tube(
    ((0, -80, -16, 3.2), (20, -75, -22, 3.4), (42, -54, -26, 3.6), (50, -32, -34, 3.6), (40, -20, -50, 3.4))
)

CORTICAL, MEDULLARY = 26, 30
"""How many veins of the convexity and of the deep white matter to draw in a hemisphere."""

CORNERS = 9
"""Corners of a cortical vein's polygon."""

MIDDLE = np.array([0.0, -6.0, 8.0])
"""Whence directions are reckoned, mm."""


def venous_tree(envelope: Callable[[FloatArray], Envelope], rng: np.random.Generator) -> Iterator[Tube]:
    """Yield all veins of a head; cortical and medullary ones are drawn at random.

    Parameters
    ----------
    envelope : callable
        Signed distances of the brain at points (3, …) in mm.
    rng : Generator
        Source of randomness.
    """
    angle = np.deg2rad(np.linspace(20, 205, 26))
    sagittal = np.stack([np.zeros_like(angle), np.cos(angle), np.sin(angle)], 1)
    trunks = np.stack([_climb(side, rng) for side in (-1, 1) for _ in range(CORTICAL)])
    depths = 1.2 + 1.5 * rng.random((len(trunks), 1)) * np.sin(np.pi * np.linspace(0, 1, CORNERS))
    along = _below(envelope, np.concatenate([sagittal, trunks.reshape(-1, 3)]),
                   np.concatenate([np.full(len(angle), 0.5), depths.ravel()]))

    yield _tube(along[: len(angle)], np.linspace(1.6, 3.6, len(angle)))
    yield STRAIGHT_SINUS
    for tube in (TRANSVERSE_SINUS, *DEEP):
        yield tube
        yield tube.mirrored()
    for trunk in along[len(angle) :].reshape(-1, CORNERS, 3):
        yield from _cortical_vein(trunk, rng)
    for side in (-1, 1):
        for _ in range(MEDULLARY):
            yield _medullary_vein(side, rng)


def _below(envelope: Callable[[FloatArray], Envelope], directions: Points, depth: Points) -> Points:
    """Return where rays from the middle of the brain are `depth` mm below its hull: (N, 3)."""
    reach = np.full(len(directions), 60.0)
    for _ in range(15):
        point = directions * reach[:, None] + MIDDLE
        reach -= 0.9 * (envelope(point.T.astype(np.float32)).hull.astype(np.float64) + depth)
    below: Points = directions * reach[:, None] + MIDDLE
    return below


def _climb(side: int, rng: np.random.Generator) -> Points:
    """Return the directions, from the middle of the brain, of a vein that climbs to the sagittal sinus."""
    elevation = np.deg2rad(np.linspace(rng.uniform(-15, 50), rng.uniform(82, 88), CORNERS))
    azimuth = np.deg2rad(rng.uniform(15, 165)) + np.cumsum(rng.normal(0, 0.08, CORNERS))
    flat = np.cos(elevation)
    return np.stack([side * flat * np.sin(azimuth), flat * np.cos(azimuth), np.sin(elevation)], 1)


def _cortical_vein(trunk: Points, rng: np.random.Generator) -> Iterator[Tube]:
    """Yield a vein of the convexity and a tributary that dips into the brain."""
    calibre = rng.uniform(0.55, 1.15)
    yield _tube(trunk, calibre * np.linspace(0.6, 1.1, CORNERS))
    knot = trunk[rng.integers(2, 6)]
    inwards = (MIDDLE - knot) / np.linalg.norm(MIDDLE - knot)
    reach = np.linspace(0, rng.uniform(8, 20), 5)[:, None]
    bend = np.cumsum(rng.normal(0, 0.9, (5, 3)), 0) * (reach > 0)
    yield _tube(knot + reach * inwards + bend, np.linspace(0.8, 0.5, 5) * calibre)


def _medullary_vein(side: int, rng: np.random.Generator) -> Tube:
    """Return a thin vein that runs through white matter down to the wall of the lateral ventricle."""
    y = rng.uniform(-36, 30)
    wall = np.array([side * (10 + 0.008 * (y - 20) ** 2), y, 18 - 0.006 * (y - 5) ** 2])
    away = np.array([side * rng.uniform(0.4, 1.0), rng.normal(0, 0.35), rng.uniform(0.2, 1.0)])
    t = np.linspace(0, 1, 6)[:, None]
    straight = wall + t * away / np.linalg.norm(away) * rng.uniform(16, 30)
    return _tube(straight + np.cumsum(rng.normal(0, 0.6, (6, 3)), 0), np.linspace(0.65, 0.35, 6))


def _tube(points: Points, radii: Points) -> Tube:
    nodes = np.column_stack([points, radii]).tolist()
    return Tube(tuple((x, y, z, r) for x, y, z, r in nodes))
