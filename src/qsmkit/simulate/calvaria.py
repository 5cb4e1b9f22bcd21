"""The skull's vault, the scalp, the face, the air within, and the neck, about the hull of a body's brain.

Stereotactic RAS mm; paired structures are given on the right. The vault has two tables of compact bone with diploë
between, of a thickness that varies from place to place. Positions are read off the template or typical: a modelling
choice.
"""

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import FloatArray
from qsmkit.simulate.shapes import Ellipsoid, Shape, Tube, union
from qsmkit.simulate.space import Space, lattice_noise
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.warp import BODY_LATTICE, Warp

FACE = Ellipsoid((0, 40, -62), (62, 52, 66))
NECK = Tube(((0, -28, -60, 60), (0, -26, -150, 58)))
SUBARACHNOID, SCALP, TABLE, WALL = 1.5, 5.5, 1.5, 1.2
"""Thickness of the CSF over the hull, of the scalp, of a table of compact bone, and of the bone about air, mm."""


def draw_surroundings(
    space: Space, warp: Warp, labels: npt.NDArray[np.uint8], hull: FloatArray, rng: np.random.Generator
) -> None:
    """Fill the samples outside the brain (label 0) of `labels`, in place.

    Parameters
    ----------
    space : Space
        Samples in the head, mm.
    warp : Warp
        From the head to the template.
    labels : (X, Y, Z) uint8 array
        Zero outside the brain.
    hull : (X, Y, Z) float32 array
        Signed distance from the brain's hull, mm.
    rng : Generator
        Source of randomness: thickness of the vault, walls of cavities, mastoid cells.
    """
    outside = labels == 0
    thickness = space.interpolate(
        np.clip(6.2 + 1.0 * lattice_noise(rng, 60.0, lattice=BODY_LATTICE), 3.5, 9).astype(np.float32), BODY_LATTICE)
    outer = hull - np.float32(SUBARACHNOID) - thickness
    soft = union(union(outer - np.float32(SCALP), _whole(FACE, space, warp), 18), _whole(NECK, space, warp), 22)
    fill = np.full(labels.shape, Label.AIR, np.uint8)
    fill[soft < 0] = Label.SKIN
    fill[soft < -2.0] = Label.FAT
    fill[soft < -4.5] = Label.MUSCLE
    fill[outer < 0] = Label.BONE
    fill[(outer < -TABLE) & (hull > SUBARACHNOID + TABLE)] = Label.DIPLOE
    fill[hull < SUBARACHNOID] = Label.CSF
    labels[outside] = fill[outside]


def _whole(shape: Shape, space: Space, warp: Warp) -> FloatArray:
    """Return the distance from a large smooth shape, by way of the lattice."""
    return space.interpolate(shape.distance(warp.template(BODY_LATTICE)), BODY_LATTICE)

