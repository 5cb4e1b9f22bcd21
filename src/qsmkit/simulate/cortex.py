"""The brain of a body from a template: folded cortex, white matter, ventricles, folia of the cerebellum.

An average brain is blurred where brains differ. Its white matter still has the gyri: sharpened, warped and given an
uneven threshold, it is the white matter of one person. The cortex is then what lies within a cortex' thickness of white
matter; where the banks of two gyri meet, halfway between, runs the CSF of a sulcus.
"""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt, gaussian_filter

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.simulate.cubic import sampled
from qsmkit.simulate.nuclei import Nucleus, around
from qsmkit.simulate.shapes import Ellipsoid, Paired, Tube, union
from qsmkit.simulate.space import Box, Space, lattice_noise
from qsmkit.simulate.template import Template
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.warp import BODY_LATTICE, Warp

CLOSING = 8.0
"""Clefts of the brain narrower than twice this, mm, belong to its hull."""

THICKNESS, THICKNESS_SPREAD, THICKER = 2.9, 0.25, 1.6
"""Of the cortex, mm: mean (2.5 mm, recalled, and part of a sample), standard deviation from place to place, and how much
more where the template is sure of grey matter."""

SHARPENING, BLUR = 0.9, 2.0
"""How much of what a Gaussian of standard deviation `BLUR` mm takes from the white matter is added to it."""

WHITE, CROWN, CROWN_DEPTH = 0.62, 0.25, np.float32(7.0)
"""Sharpened probability from which on there is white matter: deep down, how much less at the hull, where crowns of gyri
are blurred most, and over how many mm the one becomes the other."""

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

SOLID_GREY: tuple[Paired, ...] = (
    Ellipsoid((23, -4, -19), (8, 8, 7)),  # amygdala
    Tube(((24, -12, -21, 4.5), (29, -20, -16, 4.2), (30, -30, -8, 3.6), (25, -37, -1, 2.6))),  # hippocampus
)
"""Grey matter thicker than cortex, without sulci."""

SULCUS, STEEP = 0.5, 0.55
"""A sulcus is where the distance from white matter, smoothed over `SULCUS` mm, rises by less than `STEEP` per mm."""

CEREBELLUM = (Ellipsoid((26, -62, -38), (30, 29, 22), (0, 0, 12)), Ellipsoid((0, -60, -30), (16, 28, 27)))
FASTIGIUM = (0.0, -40.0, -33.0)
FOLIUM = 3.6
"""Distance between the fissures of the cerebellum, mm."""


def hull_of(template: Template, warp: Warp) -> FloatArray:
    """Return the signed distance, mm, from the hull of the template's brain in a head, on `BODY_LATTICE`.

    The hull is the brain with its clefts closed, smoothed.
    """
    mask = (template.t1.data > 0).astype(np.float32)
    (brain,) = sampled(mask[..., None], _voxels(template, warp.template(BODY_LATTICE)))
    step = BODY_LATTICE.step
    wide = distance_transform_edt(brain < 0.5, step) < CLOSING
    signed = distance_transform_edt(~wide, step) - distance_transform_edt(wide, step) + CLOSING
    hull: FloatArray = gaussian_filter(signed.astype(np.float32), 1.0)
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
    t1, grey, white = sampled(_sharpened(template), _voxels(template, position))
    deep = _deep(part, warp, box, nuclei)
    fluid = (grey + white < 0.5) | (t1 < CSF_T1)
    outside = part.interpolate(hull, BODY_LATTICE)
    core = white > np.float32(WHITE) - np.float32(CROWN) * np.exp(outside / CROWN_DEPTH) + np.float32(0.07) * uneven
    core |= deep
    core &= ~(deep & (t1 < CSF_T1)) & ~(fluid & ~deep)
    away = np.float32(space.step[0]) * _distance(core)
    thickness = np.float32(THICKNESS) + np.float32(THICKNESS_SPREAD) * broad
    thickness += np.float32(THICKER) * np.clip((grey - np.float32(0.6)) / np.float32(0.3), 0, 1)
    cortex = away < thickness
    smooth = gaussian_filter(away, SULCUS / space.step[0], truncate=2.5)
    cortex &= (away <= 1.1) | (_slope(smooth, space.step[0]) > STEEP)
    cortex &= ~fluid | (away < 1.5)
    within = outside < 0
    for shape in SOLID_GREY:
        for side in (shape, shape.mirrored()):
            there = part.box(*around(side.bounds(), warp, 3.0))
            cortex[there] |= (side.distance(warp.template(part.part(there))) < 0) & (t1[there] > CSF_T1)
    _fold_cerebellum(part, warp, position, cortex, core, away, uneven)
    labels = np.where(within, Label.CSF, 0).astype(np.uint8)
    labels[cortex & within & ~deep] = Label.GREY_MATTER
    labels[core] = Label.WHITE_MATTER
    whole = np.zeros(space.shape, np.uint8)
    whole[box] = labels
    return whole, hull


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
    """Return where there is no cortex: within 3 mm of a nucleus, in the stem, about the ventricles."""
    deep = np.zeros(part.shape, bool)
    for nucleus in nuclei:
        here = tuple(slice(n.start - b.start, n.stop - b.start) for n, b in zip(nucleus.box, box, strict=True))
        deep[here] |= nucleus.distance < (1.2 if nucleus.label == Label.CAUDATE else 3.0)
    for shape in (*STEM, *VENTRICLES, *(v.mirrored() for v in VENTRICLES)):
        there = part.box(*around(shape.bounds(), warp, 3.0))
        deep[there] |= shape.distance(warp.template(part.part(there))) < 0
    return deep


def _fold_cerebellum(
    part: Space, warp: Warp, position: FloatArray, cortex: BoolArray, core: BoolArray, away: FloatArray,
    uneven: FloatArray,
) -> None:
    """Cut fissures into the cerebellum's cortex and draw white matter within its folia, in place.

    Fissures fan out from the roof of the fourth ventricle.
    """
    low = np.min([shape.bounds()[0] for shape in CEREBELLUM], 0)
    high = np.max([shape.bounds()[1] for shape in CEREBELLUM], 0)
    low[0] = -high[0]
    box = part.box(*around((low, high), warp, 3.0))
    x, y, z = np.abs(position[0][box]), position[1][box], position[2][box]
    right = np.stack([x, y, z])
    radius = np.hypot(y - np.float32(FASTIGIUM[1]), z - np.float32(FASTIGIUM[2]))
    inside = union(CEREBELLUM[0].distance(right), CEREBELLUM[1].distance(right), 6) < 2
    inside &= (radius > 12) & (z < -7 - 0.36 * x - 0.1 * np.maximum(-60 - y, 0))
    angle = np.arctan2(z - np.float32(FASTIGIUM[2]), np.float32(FASTIGIUM[1]) - y) + np.float32(0.006) * x
    angle += np.float32(0.02) * uneven[box]
    phase = np.sin(np.float32(np.pi * 24 / FOLIUM) * angle)
    across = np.float32(FOLIUM / np.pi / 24) * np.maximum(radius, 8)
    fissure = inside & (np.abs(phase) * across < 0.33) & (away[box] > 1.0)
    leaf = inside & (np.abs(phase) > 0.93) & (away[box] < 4.5) & cortex[box]
    cortex[box] |= inside & (away[box] < 6)
    cortex[box] &= ~fissure
    core[box] |= leaf


def _slope(values: FloatArray, step: float) -> FloatArray:
    """Return |∇v|, 1/mm, by central differences."""
    slope: FloatArray = _gradient_norm(values, np.float32(0.5 / step))
    return slope


@parallel
def _gradient_norm(values, scale):  # type: ignore[no-untyped-def]
    nx, ny, nz = values.shape
    out = np.ones_like(values)
    for i in prange(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                dx = values[i + 1, j, k] - values[i - 1, j, k]
                dy = values[i, j + 1, k] - values[i, j - 1, k]
                dz = values[i, j, k + 1] - values[i, j, k - 1]
                out[i, j, k] = scale * np.sqrt(dx * dx + dy * dy + dz * dz)
    return out


def _distance(core: BoolArray) -> FloatArray:
    """Return the distance in samples from the nearest sample of `core`, at most `REACH`."""
    square = np.where(core, np.float32(0), np.float32(REACH**2))
    for axis in range(3):
        square = np.moveaxis(_widened(np.ascontiguousarray(np.moveaxis(square, axis, 0)), REACH), 0, axis)
    return np.sqrt(np.minimum(square, np.float32(REACH**2)))


@parallel
def _widened(square, reach):  # type: ignore[no-untyped-def]
    """Return min over k of square[i + k] + k² along the first axis."""
    n, m, p = square.shape
    out = np.empty_like(square)
    for i in prange(n):
        out[i] = square[i]
        for k in range(1, reach):
            add = np.float32(k * k)
            for there in (i - k, i + k):
                if 0 <= there < n:
                    for j in range(m):
                        for h in range(p):
                            out[i, j, h] = min(out[i, j, h], square[there, j, h] + add)
    return out
