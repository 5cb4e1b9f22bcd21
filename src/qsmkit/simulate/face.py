"""The base of the skull, face, orbits, ears and neck of a body, and the air within: solids in stereotactic coordinates.

MNI152 RAS mm, paired structures on the right; later entries are drawn over earlier ones. Positions are reckoned from
the template's brain and typical distances between it and the face: a modelling choice, no atlas was used.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import FloatArray
from qsmkit.simulate.shapes import Ellipsoid, Joined, Paired, Shape, Tube
from qsmkit.simulate.space import Space, lattice_noise
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.warp import BODY_LATTICE, Warp

OUTLINE: tuple[tuple[Shape, float], ...] = (
    (Ellipsoid((0, 30, -68), (64, 58, 72)), 20.0),  # face
    (Tube(((0, 84, -36, 7), (0, 92, -56, 11), (0, 93, -66, 13))), 10.0),  # nose
    (Tube(((0, -30, -60, 62), (0, -26, -150, 60))), 24.0),  # neck
)
"""What joins the scalp to the body's outline, and over how many mm the seams are filled."""

BASE: tuple[tuple[Label, Paired], ...] = (
    (Label.BONE, Tube(((20, -14, -38, 5), (34, -24, -40, 7), (52, -36, -42, 11)))),  # petrous bone and mastoid
    (Label.BONE, Tube(((0, 24, -38, 12), (0, 6, -40, 12), (0, -8, -44, 7), (0, -20, -64, 6)))),  # sphenoid, clivus
    (Label.DIPLOE, Tube(((0, -9, -46, 4), (0, -19, -62, 4)))),
    (Label.BONE, Tube(((14, 22, -30, 3.5), (28, 24, -26, 3), (40, 18, -22, 2.5)))),  # lesser wing
)
"""Bone that lies in clefts of the brain: drawn over CSF too."""

FACE: tuple[tuple[Label, Paired], ...] = (
    (Label.FAT, Ellipsoid((46, 34, -74), (13, 26, 22))),  # cheek
    (Label.MUSCLE, Tube(((54, 30, -30, 8), (52, 26, -56, 9), (50, 16, -90, 8)))),  # temporal muscle and masseter
    # jaw
    (Label.BONE, Tube(((48, 2, -54, 5), (50, 2, -72, 6), (48, 10, -98, 7), (28, 52, -110, 7), (0, 68, -114, 7)))),
    (Label.DIPLOE, Tube(((48, 10, -96, 3.5), (28, 52, -109, 4), (0, 67, -113, 4)))),
    (Label.BONE, Joined((Ellipsoid((24, 48, -66), (20, 22, 20)), Tube(((60, 2, -48, 3.5), (58, 34, -52, 4.5),
                                                                    (42, 60, -54, 7)))), 4.0)),  # maxilla, zygoma
    (Label.BONE, Tube(((22, 36, -86, 6), (17, 62, -87, 6), (0, 72, -87, 6)))),  # teeth
    (Label.BONE, Tube(((22, 38, -98, 5), (16, 60, -99, 5), (0, 68, -100, 5)))),
    (Label.BONE, Tube(((32, 66, -38, 21.5), (27, 44, -36, 15), (17, 24, -34, 6)))),  # walls of the orbit
    (Label.FAT, Tube(((33, 84, -38, 19), (32, 66, -38, 19), (27, 44, -36, 12.5), (17, 24, -34, 4)))),
    (Label.MUSCLE, Tube(((46, 66, -38, 2.2), (38, 46, -37, 2.6), (17, 26, -34, 1.8)))),  # straight muscles of the eye
    (Label.MUSCLE, Tube(((19, 66, -38, 2.2), (20, 46, -36, 2.6), (15, 26, -34, 1.8)))),
    (Label.MUSCLE, Tube(((32, 64, -24, 2.2), (28, 46, -26, 2.6), (16, 26, -32, 1.8)))),
    (Label.MUSCLE, Tube(((32, 64, -51, 2.2), (28, 46, -46, 2.6), (16, 26, -36, 1.8)))),
    (Label.WHITE_MATTER, Tube(((31, 54, -38, 2.0), (24, 40, -35, 2.0), (10, 16, -27, 2.2)))),  # optic nerve
    (Label.SKIN, Ellipsoid((32, 67, -38), (13.6, 13.6, 13.6))),  # sclera
    (Label.VITREOUS, Ellipsoid((32, 67, -38), (12.6, 12.6, 12.6))),
    (Label.MUSCLE, Ellipsoid((32, 76.5, -38), (4.8, 2.4, 4.8))),  # lens
    (Label.BONE, Ellipsoid((0, 46, -75), (24, 30, 3))),  # hard palate
    (Label.SKIN, Ellipsoid((74, -26, -42), (5, 15, 28), (0, 10, 0))),  # auricle
)
NECK: tuple[tuple[Label, Paired], ...] = (
    (Label.FAT, Tube(((0, -92, -70, 12), (0, -82, -130, 14)))),
    (Label.BONE, Tube(((0, -46, -76, 16), (0, -49, -150, 17)))),  # arches of the vertebrae
    (Label.BONE, Tube(((0, -30, -78, 9), (0, -31, -150, 11)))),  # bodies
    (Label.DIPLOE, Tube(((0, -30, -84, 6), (0, -31, -150, 9)))),
    (Label.BONE, Tube(((0, -42, -82, 10), (26, -40, -84, 7)))),  # atlas
    (Label.CSF, Tube(((0, -45, -66, 10), (0, -48, -150, 9)))),
    (Label.WHITE_MATTER, Tube(((0, -44, -64, 5.5), (0, -48, -150, 4.8)), stretch=(1.3, 1, 1))),
)
AIR: tuple[Paired, ...] = (
    Ellipsoid((10, 75, -9), (12, 4, 10)),  # frontal sinus
    Ellipsoid((8, 52, -36), (6.5, 17, 9)),  # ethmoid cells
    Ellipsoid((8, 18, -38), (8.5, 10, 9)),  # sphenoid sinus
    Ellipsoid((28, 48, -62), (13, 16, 15)),  # maxillary sinus
    Ellipsoid((6, 56, -62), (5, 28, 12)),  # nasal cavity
    Tube(((92, -18, -46, 4), (66, -20, -44, 3.4), (50, -21, -42, 3.2), (44, -22, -39, 4.5))),  # ear canal, middle ear
)
MIDLINE_AIR: tuple[Paired, ...] = (
    Tube(((0, 26, -60, 9), (0, 6, -66, 8), (0, 0, -90, 7), (0, 4, -150, 8))),  # pharynx
)
TURBINATES: tuple[Paired, ...] = (
    Tube(((6, 72, -66, 2.6), (6, 42, -66, 2.8))), Tube(((5, 68, -55, 2.2), (5, 40, -55, 2.4))),
)
MASTOID, CELLS = (56.0, -38.0, -48.0), 26
"""Middle of the mastoid's air cells, and how many there are on a side."""

INNER, SKULL = 1.4, 2.8
"""Distance from the brain's hull of the skull's inside, and of the nearest air or soft tissue, mm."""

WALL, ROUGH = 1.3, 1.2
"""Thickness of the bone about air, and roughness of the walls, mm."""


def draw_face(
    space: Space, warp: Warp, labels: npt.NDArray[np.uint8], hull: FloatArray, rng: np.random.Generator
) -> None:
    """Draw base, face, neck and cavities into the labels of a head whose brain and vault are drawn, in place.

    Parameters
    ----------
    space : Space
        Samples in the head, mm.
    warp : Warp
        From the head to the template.
    labels : (X, Y, Z) uint8 array
        No sample is zero.
    hull : (X, Y, Z) float32 array
        Signed distance from the brain's hull, mm.
    rng : Generator
        Source of randomness: walls of the sinuses, cells of the mastoid.
    """
    for label, shape in _both(BASE):
        _draw(space, warp, labels, shape, label, over=(Label.CSF, Label.MUSCLE, Label.FAT, Label.DIPLOE, Label.BONE))
    soft = (Label.MUSCLE, Label.FAT, Label.SKIN, Label.BONE, Label.DIPLOE, Label.VITREOUS)
    free = hull > SKULL
    for label, shape in _both(FACE):
        within = (*soft, Label.AIR) if label == Label.SKIN else soft
        _draw(space, warp, labels, shape, label, over=within, where=free)
    for label, shape in _both(NECK):
        _draw(space, warp, labels, shape, label, over=(*soft, Label.CSF), where=hull > -1.0)
    _hollow(space, warp, labels, hull, rng)
    for shape in TURBINATES:
        for side in (shape, shape.mirrored()):
            _draw(space, warp, labels, side, Label.MUSCLE, over=(Label.AIR,))


def _hollow(
    space: Space, warp: Warp, labels: npt.NDArray[np.uint8], hull: FloatArray, rng: np.random.Generator
) -> None:
    """Draw air with its bony walls."""
    rough = (ROUGH * lattice_noise(rng, 12.0, lattice=BODY_LATTICE)).astype(np.float32)
    cells: list[Shape] = []
    for side in (-1, 1):
        for x, y, z in np.array(MASTOID) * (side, 1, 1) + np.clip(rng.normal(0, 1, (CELLS, 3)), -2, 2) * (4, 7, 8):
            cells.append(Ellipsoid((float(x), float(y), float(z)), (2.8, 2.8, 2.8)))
    paired = [side for shape in AIR for side in (shape, shape.mirrored())]
    for limit, label in ((WALL, Label.BONE), (0.0, Label.AIR)):
        for shape in (*paired, *cells, *MIDLINE_AIR):
            if label == Label.BONE and shape in MIDLINE_AIR:
                continue
            box, distance = warp.distance(shape, space)
            distance = distance + space.part(box).interpolate(rough, BODY_LATTICE)
            here = (distance < limit) & (hull[box] > (INNER if label == Label.BONE else SKULL))
            here &= labels[box] != Label.VITREOUS
            here &= (labels[box] != Label.AIR) | (label == Label.AIR)
            labels[box][here] = label


def _both(parts: tuple[tuple[Label, Paired], ...]) -> Iterator[tuple[Label, Paired]]:
    for label, shape in parts:
        yield label, shape
        yield label, shape.mirrored()


def _draw(
    space: Space, warp: Warp, labels: npt.NDArray[np.uint8], shape: Shape, label: Label, over: tuple[Label, ...],
    where: npt.NDArray[np.bool_] | None = None,
) -> None:
    box, distance = warp.distance(shape, space)
    part = labels[box]
    inside = (distance < 0) & np.isin(part, over)
    if where is not None:
        inside &= where[box]
    part[inside] = label
