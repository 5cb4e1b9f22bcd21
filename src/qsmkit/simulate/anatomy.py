"""The digital head's anatomy, as lists of solids, and how they are put together.

Coordinates are mm from the centre of the image, x to the right; paired structures are given on the right.
Later entries are drawn over earlier ones. Positions follow common stereotactic tables, rounded: a modelling
choice, no atlas was used.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.simulate.brain import draw_brain, envelope
from qsmkit.simulate.shapes import Ellipsoid, Shape, Tube
from qsmkit.simulate.skull import draw_skull
from qsmkit.simulate.space import LATTICE, Space, lattice_noise
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.veins import venous_tree

MIDLINE: tuple[tuple[Label, Shape], ...] = (
    (Label.WHITE_MATTER, Tube(  # corpus callosum
        ((0, 33, -1, 1.2), (0, 42, 1, 2.2), (0, 46, 11, 3.4), (0, 40, 20, 2.6), (0, 20, 27, 2.2),
         (0, -6, 29, 2.2), (0, -26, 25, 2.4), (0, -37, 17, 3.6), (0, -33, 11, 2.4)), stretch=(4.5, 1, 1))),
    (Label.CSF, Ellipsoid((0, 3, 1), (1.7, 13, 8.5), (8, 0, 0))),  # third ventricle
    (Label.CSF, Tube(((0, -9, -6, 0.9), (0, -15, -14, 0.8), (0, -20, -22, 1.2)))),  # aqueduct
    (Label.CSF, Ellipsoid((0, -23, -32), (7, 4.5, 9), (-14, 0, 0))),  # fourth ventricle
)

LATERAL_VENTRICLE: tuple[Tube, ...] = (
    Tube(((5, 37, 4, 2.2), (6, 34, 9, 4.6), (7, 24, 13, 4.6), (8, 6, 18, 3.8), (11, -12, 20, 4.2),
          (17, -29, 16, 5.6), (26, -37, 6, 5.0), (31, -28, -6, 2.6), (33, -12, -14, 2.0), (31, 2, -18, 1.6)),
         stretch=(0.8, 1, 1.1)),
    Tube(((23, -36, 8, 4.5), (23, -50, 6, 2.8), (20, -61, 5, 0.8))),
)

PAIRED: tuple[tuple[Label, Ellipsoid | Tube], ...] = (
    *((Label.CSF, part) for part in LATERAL_VENTRICLE),
    (Label.CAUDATE, Tube(
        ((9, 30, 1, 2.5), (12.5, 28, 7, 5.6), (14.5, 18, 14, 4.6), (17, 4, 19, 3.0), (20, -14, 20, 2.2),
         (26, -30, 14, 1.6), (33, -30, 2, 1.2), (35, -18, -7, 1.0)), stretch=(0.9, 1, 1.1))),
    (Label.THALAMUS, Ellipsoid((10.5, -3, 7), (7.6, 13.5, 7.8), (0, 0, -28))),
    (Label.THALAMUS, Ellipsoid((15, -15, 7), (6.5, 6, 6))),  # pulvinar
    (Label.PUTAMEN, Ellipsoid((26, 15, 3), (4.6, 15.5, 9.5), (6, -12, -14))),
    (Label.WHITE_MATTER, Ellipsoid((20.5, 11, 0.5), (5.0, 11, 7.4), (0, -16, -24))),  # its laminae
    (Label.PALLIDUM, Ellipsoid((20.6, 11, 0.6), (3.9, 9.6, 6.3), (0, -16, -24))),
    (Label.WHITE_MATTER, Ellipsoid((19.4, 9.5, -0.5), (0.5, 8, 5.5), (0, -22, -30))),  # between its segments
    (Label.GREY_MATTER, Ellipsoid((20, 6, -18), (7, 8, 6))),  # amygdala
    (Label.GREY_MATTER, Tube(((25, -2, -19, 4.0), (28, -14, -14, 3.4), (26, -26, -5, 2.6)))),  # hippocampus
    (Label.RED_NUCLEUS, Ellipsoid((4.9, -5, -8), (3.0, 3.1, 4.0))),
    (Label.NIGRA_STN, Ellipsoid((9.6, -3.5, -11.5), (6.4, 5.6, 1.9), (24, 34, 34))),
    (Label.NIGRA_STN, Ellipsoid((10.6, 1.0, -5.8), (4.6, 3.2, 1.8), (12, 32, 30))),
)

DRAINED = (Label.WHITE_MATTER, Label.GREY_MATTER, Label.CSF)
"""What veins are drawn over."""

WARP = 2.2
"""Largest typical displacement, mm, by which one head differs from the next."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A head drawn in labels.

    Attributes
    ----------
    labels : (X, Y, Z) uint8 array
        `Label` of every sample.
    brain : (X, Y, Z) bool array
        Samples inside the hull of the brain.
    texture : (X, Y, Z) float32 array
        Smooth random values of mean 0 and standard deviation 1, which make tissue uneven.
    """

    labels: npt.NDArray[np.uint8]
    brain: BoolArray
    texture: FloatArray


def draw_head(space: Space, rng: np.random.Generator) -> Anatomy:
    """Draw the head that `rng` determines, at the samples of `space`."""
    cortex, bones, vessels, details = rng.spawn(4)
    warp = WARP / 2 * np.stack([lattice_noise(rng, 70.0) for _ in range(3)])
    position = LATTICE.position + warp.astype(np.float32)
    texture = space.interpolate(lattice_noise(rng, 9.0, 0.6))
    parts = envelope(position)
    labels, hull = draw_brain(space, parts, position, cortex)
    draw_skull(space, labels, hull, bones)

    drawing = space.position + np.stack([space.interpolate(w) for w in warp.astype(np.float32)])
    for label, shape in MIDLINE:
        _paint(labels, space, drawing, shape, label)
    for label, shape in PAIRED:
        for side in (shape, shape.mirrored()):
            _paint(labels, space, drawing, side, label)
    for sign in (1, -1):
        _paint_dentate(labels, space, drawing, texture, sign)
    for shape in venous_tree(envelope, vessels):
        for piece in shape.pieces():
            _paint(labels, space, drawing, piece, Label.VEIN, over=DRAINED)
    x, y, z = (float(v) for v in details.normal((22, -30, 28), 3))
    _paint(labels, space, drawing, Ellipsoid((x, y, z), (2.4, 2.9, 2.5)), Label.CALCIFICATION)
    return Anatomy(labels, hull < 0, texture)


def _paint(
    labels: npt.NDArray[np.uint8], space: Space, drawing: FloatArray, shape: Shape, label: Label,
    over: tuple[Label, ...] = (),
) -> None:
    """Write `label` inside `shape`, everywhere or only `over` some labels."""
    low, high = shape.bounds()
    box = space.box(low - 3 * WARP, high + 3 * WARP)
    part = labels[box]
    if part.size == 0:
        return
    inside = shape.distance(drawing[:, *box]) < 0
    if over:
        inside &= np.isin(part, over)
    part[inside] = label


def _paint_dentate(
    labels: npt.NDArray[np.uint8], space: Space, drawing: FloatArray, texture: FloatArray, sign: int
) -> None:
    """Draw a crumpled sheet of grey matter, open towards the midline, with its white core."""
    bag = Ellipsoid((sign * 14.5, -38, -31), (7.5, 8, 4.6), (20, 0, sign * 24))
    box = space.box(*(corner + grow for corner, grow in zip(bag.bounds(), (-8, 8), strict=True)))
    part, distance = labels[box], bag.distance(drawing[:, *box])
    distance += np.float32(0.7) * texture[box]
    part[distance < 0] = Label.WHITE_MATTER
    open_end = sign * drawing[0][box] < 10
    part[(distance < 0) & (distance > -2.3) & ~open_end] = Label.DENTATE
