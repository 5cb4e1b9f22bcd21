"""The skull's vault and the scalp about the hull of a body's brain, and the outline of face and neck.

The vault has two tables of compact bone with diploë between where it is thick enough. It is thin at the temples and
thick at the back; its outside is smoother than the brain. Numbers without a source are a modelling choice.
"""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from qsmkit.arrays import FloatArray
from qsmkit.simulate.distances import closed
from qsmkit.simulate.face import OUTLINE
from qsmkit.simulate.shapes import union
from qsmkit.simulate.space import Space, lattice_noise
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.warp import BODY_LATTICE, Warp

SUBARACHNOID, TABLE, SKIN, SCALP = 1.4, 1.5, 2.0, 5.8
"""Thickness of the CSF over the hull, of a table of compact bone, of skin, and of the scalp with its skin, mm."""

THICKNESS, THICKNESS_SPREAD, THINNEST = 8.2, 0.8, 2.4
"""Of the vault, mm: on the average before its outside is smoothed, which leaves 6 to 7 mm (of adults, recalled); its
spread from place to place; the least."""

UNEVEN: tuple[tuple[tuple[float, float, float], float, float], ...] = (
    ((70, -8, -12), 26.0, -4.2),  # squama of the temporal bone
    ((0, -102, -12), 16.0, 4.0),  # occipital protuberance
    ((0, 74, 8), 22.0, 1.5),  # frontal bone
)
"""Where the vault is thinner or thicker: place in template mm (both sides), reach in mm, by how much in mm."""

FAT_PLANES = 0.17
"""Fat lies between muscles where a random function is less than this many standard deviations from zero."""

HOLLOWS, SMOOTH = 24.0, 9.0
"""Hollows of the brain's hull narrower than twice the first, and bumps over about the second, mm, do not show on the
skull's outside."""

BASE = (-42.0, -14.0)
"""Below and above these heights, template mm, the skull's outside is that of the base and of the vault."""


def draw_vault(
    space: Space, warp: Warp, labels: npt.NDArray[np.uint8], hull: FloatArray, rng: np.random.Generator
) -> None:
    """Fill the samples outside the brain (label 0) of `labels`, in place: skull, scalp, soft tissue, air around.

    Parameters
    ----------
    space : Space
        Samples in the head, mm.
    warp : Warp
        From the head to the template.
    labels : (X, Y, Z) uint8 array
        Zero outside the brain.
    hull : (X, Y, Z) float32 array
        Signed distance from the brain's hull, mm, on `BODY_LATTICE`.
    rng : Generator
        Source of randomness: thickness of the vault.
    """
    position = warp.template(BODY_LATTICE)
    thickness = _thickness(position, rng)
    low, high = BASE
    vault = np.clip((position[2] - low) / (high - low), 0, 1)
    outer = vault * _smoothed(hull) + (1 - vault) * hull - np.float32(SUBARACHNOID) - thickness
    outer = np.minimum(outer, hull - np.float32(SUBARACHNOID + THINNEST))
    soft = outer - np.float32(SCALP)
    for shape, blend in OUTLINE:
        soft = union(soft, shape.distance(position), blend)
    outside = labels == 0
    inner = space.interpolate(hull, BODY_LATTICE)
    depth = space.interpolate(soft.astype(np.float32), BODY_LATTICE)
    fill = np.full(labels.shape, Label.AIR, np.uint8)
    fill[depth < 0] = Label.SKIN
    fill[depth < -SKIN] = Label.FAT
    fill[depth < -SKIN - 3.2] = Label.MUSCLE
    plane = space.interpolate(np.abs(lattice_noise(rng, 26.0, 0.5, BODY_LATTICE)), BODY_LATTICE)
    fill[(depth < -SKIN - 6) & (plane < FAT_PLANES)] = Label.FAT
    depth = space.interpolate(outer.astype(np.float32), BODY_LATTICE)
    fill[depth < 0] = Label.BONE
    fill[(depth < -TABLE) & (inner > SUBARACHNOID + TABLE)] = Label.DIPLOE
    fill[inner < SUBARACHNOID] = Label.CSF
    labels[outside] = fill[outside]


def _smoothed(hull: FloatArray) -> FloatArray:
    """Return the signed distance from the brain's hull without its hollows and bumps, mm, on `BODY_LATTICE`."""
    filled = closed(hull < 0, HOLLOWS, BODY_LATTICE.step)
    smooth: FloatArray = gaussian_filter(filled, SMOOTH / BODY_LATTICE.step[0], truncate=3)
    return smooth


def _thickness(position: FloatArray, rng: np.random.Generator) -> FloatArray:
    thickness = THICKNESS + THICKNESS_SPREAD * lattice_noise(rng, 50.0, lattice=BODY_LATTICE)
    for (x, y, z), reach, more in UNEVEN:
        square = (np.abs(position[0]) - x) ** 2 + (position[1] - y) ** 2 + (position[2] - z) ** 2
        thickness += more * np.exp(-0.5 * square / reach**2)
    result: FloatArray = np.maximum(thickness, THINNEST).astype(np.float32)
    return result
