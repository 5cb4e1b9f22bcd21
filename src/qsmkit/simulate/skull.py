"""Everything around the brain: meninges, skull, face, scalp, air in sinuses and ears, the neck."""

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import FloatArray
from qsmkit.simulate.shapes import Ellipsoid, Shape, Tube, union
from qsmkit.simulate.space import Space, lattice_noise
from qsmkit.simulate.tissue import Label

VAULT = Ellipsoid((0, -2, 14), (70, 88, 63))
FACE = Ellipsoid((0, 46, -58), (56, 44, 62))
NECK = Tube(((0, -16, -50, 56), (0, -12, -120, 54)))
ORBIT = Ellipsoid((31, 68, -28), (17, 22, 15))
EYE = Ellipsoid((31, 76, -28), (12, 12, 12))
VERTEBRA = Tube(((0, -24, -72, 15), (0, -24, -120, 14)))
CORD = Tube(((0, -22, -66, 8), (0, -24, -120, 8)))

SINUSES: tuple[Ellipsoid, ...] = (
    Ellipsoid((9, 78, -12), (11, 5, 9)),  # frontal
    Ellipsoid((7, 58, -34), (6, 15, 8)),  # ethmoid
    Ellipsoid((8, 28, -37), (9, 10, 8)),  # sphenoid
    Ellipsoid((27, 56, -62), (13, 16, 16)),  # maxillary
)
AIRWAYS: tuple[Shape, ...] = (
    Ellipsoid((0, 60, -58), (10, 26, 17)),  # nose
    Tube(((0, 36, -54, 8), (0, 14, -62, 9), (0, 8, -80, 8), (0, 8, -120, 8))),  # pharynx
)
EAR_CANAL = Tube(((82, -12, -46, 4), (64, -12, -46, 3.2), (50, -11, -44, 3), (45, -11, -43, 5)))
MASTOID = (57.0, -27.0, -48.0)

SUBARACHNOID, SCALP, WALL = 2.2, 5.0, 1.4
"""Thickness of the CSF over the hull, of the scalp, and of the bone about air, mm."""

FAR = 6.0
"""Distances from a cavity are cut off here, mm."""


def draw_skull(
    space: Space, labels: npt.NDArray[np.uint8], hull: FloatArray, rng: np.random.Generator
) -> None:
    """Fill the voxels outside the brain (label 0) of `labels`, in place.

    Parameters
    ----------
    space : Space
        Where to draw.
    labels : (X, Y, Z) uint8 array
        Zero outside the brain.
    hull : (X, Y, Z) array
        Signed distance from the brain's hull, mm.
    rng : Generator
        Source of randomness: thickness of the skull, walls of the sinuses, mastoid cells.
    """
    position, outside = space.position, labels == 0
    thickness = space.interpolate(np.clip(5.5 + 0.7 * lattice_noise(rng, 60.0), 3.5, 8).astype(np.float32))
    skull = union(hull - SUBARACHNOID - thickness, VAULT.distance(position), 10)
    soft = union(union(skull - SCALP, FACE.distance(position), 18), NECK.distance(position), 20)
    cavity = _cavities(space, rng)

    fill = np.full(labels.shape, Label.AIR, np.uint8)
    fill[soft < 0] = Label.FAT
    fill[soft < -1.6] = Label.MUSCLE
    for label, shape in ((Label.FAT, ORBIT), (Label.CSF, EYE), (Label.BONE, VERTEBRA)):
        for side in (shape, shape.mirrored()):
            _write(fill, space, side, label)
    fill[skull < 0] = Label.BONE
    _write(fill, space, CORD, Label.CSF)
    apart = hull > SUBARACHNOID + 1
    fill[apart & (cavity < WALL) & (fill != Label.AIR)] = Label.BONE
    fill[apart & (cavity < 0)] = Label.AIR
    fill[hull < SUBARACHNOID] = Label.CSF
    labels[outside] = fill[outside]


def _cavities(space: Space, rng: np.random.Generator) -> FloatArray:
    """Return the distance, mm, from the rough walls of everything that holds air."""
    rough = space.interpolate(np.float32(1.1) * lattice_noise(rng, 14.0))
    cells: list[Shape] = []
    for side in (-1, 1):
        for x, y, z in np.array(MASTOID) * (side, 1, 1) + rng.normal(0, 1, (24, 3)) * (5, 7, 8):
            cells.append(Ellipsoid((float(x), float(y), float(z)), (2.6, 2.6, 2.6)))
    cavity = np.full(space.shape, FAR, np.float32)
    paired: tuple[Ellipsoid | Tube, ...] = (*SINUSES, EAR_CANAL)
    for shape in (*paired, *(s.mirrored() for s in paired), *AIRWAYS, *cells):
        low, high = shape.bounds()
        box = space.box(low - FAR, high + FAR)
        np.minimum(cavity[box], shape.distance(space.position[:, *box]) + rough[box], out=cavity[box])
    return cavity


def _write(fill: npt.NDArray[np.uint8], space: Space, shape: Shape, label: Label) -> None:
    box = space.box(*shape.bounds())
    fill[box][shape.distance(space.position[:, *box]) < 0] = label
