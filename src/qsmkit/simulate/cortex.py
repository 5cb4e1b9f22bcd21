"""The brain of a body from a template: folded cortex, white matter, ventricles.

An average brain is blurred where brains differ. Its white matter still has the gyri: sharpened, warped and given an
uneven threshold, it is the white matter of one person. The cortex is then what lies within a cortex' thickness of white
matter; where the banks of two gyri meet, halfway between, runs the CSF of a sulcus.
"""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.simulate.cubic import sampled
from qsmkit.simulate.distances import closed, distance_from, steepness
from qsmkit.simulate.folia import fold_cerebellum
from qsmkit.simulate.nuclei import Nucleus
from qsmkit.simulate.shapes import Ellipsoid, Paired, Tube
from qsmkit.simulate.space import Box, Space, lattice_noise
from qsmkit.simulate.template import Template
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.warp import BODY_LATTICE, Warp

CLOSING = 8.0
"""Clefts of the brain narrower than twice this, mm, belong to its hull."""

THICKNESS, THICKNESS_SPREAD, THICKER = 2.9, 0.25, 1.6
"""Of the cortex, mm: mean (2.5 mm, recalled, and part of a sample), standard deviation from place to place, and how
much more where the template is sure of grey matter."""

SHARPENING, BLUR = 0.9, 2.0
"""How much of what a Gaussian of standard deviation `BLUR` mm takes from the white matter is added to it."""

WHITE, CROWN, CROWN_DEPTH, WHITE_SPREAD = 0.62, 0.25, 7.0, 0.07
"""Sharpened probability from which on there is white matter: deep down; how much less at the hull, where crowns of gyri
are blurred most; over how many mm the one becomes the other; and its spread from place to place."""

REACH = 9
"""Samples beyond which a distance from white matter is not computed."""

CSF_T1 = 0.42
"""T1-weighted intensity of the template halfway between CSF and grey matter."""

STEM: tuple[Paired, ...] = (
    Ellipsoid((0, -22, -10), (17, 16, 14)),
    Ellipsoid((0, -26, -32), (21, 16, 18)),
    Tube(((0, -34, -40, 13), (0, -40, -55, 10), (0, -45, -72, 8))),
)
VENTRICLES: tuple[Paired, ...] = (
    Tube(((5, 33, 0, 5), (8, 28, 8, 8), (9, 12, 16, 10), (12, -8, 22, 10), (17, -26, 20, 9), (24, -40, 12, 8))),
    Tube(((24, -40, 10, 7), (25, -55, 8, 5), (22, -66, 8, 3))),
)
"""Where there is no cortex: the average's grey rim of stem and ventricles is white matter."""

LARGE, WIDE, NARROW = (Label.PUTAMEN, Label.GPE, Label.GPI, Label.THALAMUS), 3.0, 1.0
"""So is what the average has of grey matter within `WIDE` mm of these nuclei, and `NARROW` mm of others."""

SOLID_GREY: tuple[Paired, ...] = (
    Ellipsoid((23, -4, -19), (8, 8, 7)),  # amygdala
    Ellipsoid((5, -5, -9), (5.5, 9, 8)),  # hypothalamus
    Ellipsoid((14, 4, -13), (10, 6, 4), (0, 12, 0)),  # basal forebrain
    Tube(((24, -12, -21, 4.5), (29, -20, -16, 4.2), (30, -30, -8, 3.6), (25, -37, -1, 2.6))),  # hippocampus
)
"""Grey matter thicker than cortex, without sulci."""

SULCUS, STEEP, INNERMOST = 0.5, 0.55, 1.1
"""A sulcus is where the distance from white matter, smoothed over `SULCUS` mm, rises by less than `STEEP` per mm, but
not within `INNERMOST` mm of white matter."""


def hull_of(template: Template, warp: Warp) -> FloatArray:
    """Return the signed distance, mm, from the hull of the template's brain in a head, on `BODY_LATTICE`.

    The hull is the brain with its clefts closed, smoothed.
    """
    mask = (template.t1.data > 0).astype(np.float32)
    (brain,) = sampled(mask[..., None], _voxels(template, warp.template(BODY_LATTICE)))
    hull: FloatArray = gaussian_filter(closed(brain > 0.5, CLOSING, BODY_LATTICE.step), 1.0)
    return hull


def draw_template_brain(
    space: Space, warp: Warp, template: Template, nuclei: list[Nucleus], rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], FloatArray]:
    """Return labels and hull of a brain.

    Parameters
    ----------
    space : Space
        Samples in the head, mm.
    warp : Warp
        From the head to the template.
    template : Template
        Whose brain it is.
    nuclei : list of Nucleus
        About them there is white matter.
    rng : Generator
        Source of randomness: where gyri are broad or thin, how thick the cortex is.

    Returns
    -------
    labels : (X, Y, Z) uint8 array
        Grey matter, white matter and CSF inside the hull, zero outside.
    hull : (X, Y, Z) float32 array
        Signed distance from the hull, mm, negative inside, on `BODY_LATTICE`.
    """
    hull = hull_of(template, warp)
    inside = np.argwhere(hull < 2)
    low, high = (np.array([a[i] for a, i in zip(BODY_LATTICE.axes, corner, strict=True)])
                 for corner in (inside.min(0), inside.max(0)))
    box = space.box(low, high)
    part = space.part(box)
    uneven, broad = (part.interpolate(lattice_noise(rng, w, 0.4, BODY_LATTICE), BODY_LATTICE) for w in (9.0, 25.0))

    position = warp.template(part)
    outside = part.interpolate(hull, BODY_LATTICE)
    t1, grey, likely = sampled(_sharpened(template), _voxels(template, position))
    deep = _deep(part, warp, box, nuclei)
    fluid = (t1 < CSF_T1) | (~deep & (grey + likely < 0.5))
    needed = np.float32(WHITE) - np.float32(CROWN) * np.exp(outside / np.float32(CROWN_DEPTH))
    white = (deep | (likely > needed + np.float32(WHITE_SPREAD) * uneven)) & ~fluid

    away = np.float32(space.step[0]) * distance_from(white, REACH)
    cortex = _cortex(away, grey, fluid, broad, space.step[0])
    for shape in SOLID_GREY:
        for side in (shape, shape.mirrored()):
            there, distance = warp.distance(side, part)
            solid = (distance < 0) & ~fluid[there] & ~deep[there]
            cortex[there] |= solid
            white[there] &= ~solid
    fold_cerebellum(part, warp, position, cortex, white, away, uneven)

    drawn = np.where(outside < 0, Label.CSF, 0).astype(np.uint8)
    drawn[cortex & (outside < 0) & ~deep] = Label.GREY_MATTER
    drawn[white] = Label.WHITE_MATTER
    labels = np.zeros(space.shape, np.uint8)
    labels[box] = drawn
    return labels, hull


def _cortex(away: FloatArray, grey: FloatArray, fluid: BoolArray, broad: FloatArray, step: float) -> BoolArray:
    """Return the cortex: near white matter, but not halfway between two banks of a sulcus."""
    thickness = np.float32(THICKNESS) + np.float32(THICKNESS_SPREAD) * broad
    thickness += np.float32(THICKER) * np.clip((grey - np.float32(0.6)) / np.float32(0.3), 0, 1)
    rising = steepness(gaussian_filter(away, SULCUS / step, truncate=2.5), step) > STEEP
    cortex: BoolArray = (away < thickness) & ((away <= INNERMOST) | rising) & (~fluid | (away < 1.5 * INNERMOST))
    return cortex


def _voxels(template: Template, position: FloatArray) -> FloatArray:
    """Return stereotactic coordinates (3, …) in voxels of the template, whose axes are right, anterior, superior."""
    affine = template.t1.grid.affine
    out = np.empty_like(position)
    for i in range(3):
        out[i] = (position[i] - np.float32(affine[i, 3])) / np.float32(affine[i, i])
    return out


def _sharpened(template: Template) -> FloatArray:
    """Return T1-weighted intensity, grey and sharpened white matter side by side: (X, Y, Z, 3)."""
    white = template.wm.data.astype(np.float32)
    white = white + np.float32(SHARPENING) * (white - gaussian_filter(white, BLUR))
    return np.stack([template.t1.data, template.gm.data, white], -1).astype(np.float32)


def _deep(part: Space, warp: Warp, box: Box, nuclei: list[Nucleus]) -> BoolArray:
    """Return where there is no cortex: about a nucleus, in the stem, about the ventricles."""
    deep = np.zeros(part.shape, bool)
    for nucleus in nuclei:
        here = tuple(slice(n.start - b.start, n.stop - b.start) for n, b in zip(nucleus.box, box, strict=True))
        deep[here] |= nucleus.distance < (WIDE if nucleus.label in LARGE else NARROW)
    for shape in (*STEM, *VENTRICLES, *(v.mirrored() for v in VENTRICLES)):
        there, distance = warp.distance(shape, part)
        deep[there] |= distance < 0
    return deep
