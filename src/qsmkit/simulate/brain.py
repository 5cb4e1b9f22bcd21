"""The brain's outside: lobes, their envelope, and the folding of the cortex.

Coordinates are mm from the centre of the image; the anterior commissure lies near (0, 14, 0). Shapes and
sizes are modelled on an adult brain; no atlas was used.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from qsmkit.arrays import FloatArray
from qsmkit.simulate.shapes import Ellipsoid, Tube, union
from qsmkit.simulate.space import LATTICE, Space, lattice_noise
from qsmkit.simulate.tissue import Label

FRONTAL = Ellipsoid((21, 35, 15), (35, 44, 41))
PARIETAL = Ellipsoid((24, -10, 25), (38, 57, 42))
OCCIPITAL = Ellipsoid((20, -50, 9), (33, 31, 34))
TEMPORAL = Ellipsoid((43, 2, -24), (18, 38, 17), (-12, 0, 8))
CEREBELLUM = Ellipsoid((22, -45, -37), (28, 25, 21), (0, 0, 12))
VERMIS = Ellipsoid((0, -43, -32), (15, 24, 23))
MIDBRAIN = Ellipsoid((0, -7, -12), (15, 12, 12))
PONS = Ellipsoid((0, -3, -30), (16, 13, 13))
MEDULLA = Tube(((0, -9, -36, 11), (0, -14, -48, 9), (0, -19, -58, 7), (0, -22, -68, 6)))
PEDUNCLE = Tube(((10, -6, -30, 8), (16, -18, -33, 7), (20, -36, -36, 6)))
DIENCEPHALON = Ellipsoid((0, 2, 5), (21, 31, 16))
CISTERNS = (
    Ellipsoid((0, -8, -16), (34, 27, 15)),
    Ellipsoid((0, -44, -22), (46, 28, 14)),
    Ellipsoid((0, -4, 18), (20, 74, 45)),
)
"""CSF that a brain extraction takes along: about the stem, at the tentorium, between the hemispheres."""

CORTEX_THICKNESS = 2.8
"""Of the cerebrum, mm."""

FAR = 8.0
"""Distances from a sulcus are cut off here, mm."""

FOLIUM = 4.6
"""Distance from one fissure of the cerebellum to the next, mm."""


@dataclass(frozen=True, eq=False)
class Envelope:
    """Signed distances on the lattice, mm, negative inside: (X, Y, Z) each.

    Attributes
    ----------
    cerebrum, cerebellum, stem : array
        The three parts of the brain, sulci filled.
    hull : array
        Their common envelope as a brain extraction finds it.
    """

    cerebrum: FloatArray
    cerebellum: FloatArray
    stem: FloatArray
    hull: FloatArray


def envelope(position: FloatArray) -> Envelope:
    """Return the brain's parts and hull at points (3, …) in mm."""
    x, y, z = np.abs(position[0]), position[1], position[2]
    right = np.stack([x, y, z])
    cerebrum = union(FRONTAL.distance(right), PARIETAL.distance(right), 16)
    cerebrum = union(cerebrum, OCCIPITAL.distance(right), 14)
    tentorium = -6 - 0.28 * x + 0.20 * (y + 26) - 2.5 * np.maximum(y + 20, 0)
    cerebrum = union(cerebrum, TEMPORAL.distance(right), 7)
    cerebrum = np.maximum(cerebrum, np.where(y < 0, 0.9 * (tentorium + 0.8 - z), -99))
    cerebrum = np.maximum(cerebrum, 0.9 - x)

    cerebellum = union(CEREBELLUM.distance(right), VERMIS.distance(right), 6)
    cerebellum = np.maximum(cerebellum, 0.9 * (z - tentorium + 0.8))
    stem = union(MIDBRAIN.distance(position), PONS.distance(position), 6)
    stem = union(stem, MEDULLA.distance(position), 4)
    stem = union(stem, PEDUNCLE.distance(right), 4)
    hull = union(union(cerebrum, cerebellum, 12), stem, 8)
    for cistern in CISTERNS:
        hull = union(hull, cistern.distance(right), 8)
    return Envelope(cerebrum, cerebellum, stem, hull)


def draw_brain(
    space: Space, parts: Envelope, position: FloatArray, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], FloatArray]:
    """Return labels and hull of the folded brain.

    Parameters
    ----------
    space : Space
        Where to draw.
    parts : Envelope
        On the lattice.
    position : (3, X, Y, Z) array
        The lattice's points in the undeformed brain, mm.
    rng : Generator
        Source of randomness.

    Returns
    -------
    labels : (X, Y, Z) uint8 array
        Grey matter, white matter and CSF inside the hull, zero outside.
    hull : (X, Y, Z) array
        Signed distance from the hull, mm.
    """
    hull = space.interpolate(parts.hull)
    labels = np.where(hull < 0, Label.CSF, 0).astype(np.uint8)
    for depth, thickness in (
        (_folded_cerebrum(space, parts.cerebrum, position, rng), CORTEX_THICKNESS),
        (_folded_cerebellum(space, parts.cerebellum, position), 1.5),
    ):
        labels[depth > 0] = Label.GREY_MATTER
        labels[depth > thickness] = Label.WHITE_MATTER
    labels[space.interpolate(union(parts.stem, DIENCEPHALON.distance(position), 3)) < 0] = Label.WHITE_MATTER
    return labels, hull


def _folded_cerebrum(
    space: Space, outside: FloatArray, position: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Return the depth below the folded surface, mm.

    Sulci are sheets along which a random function of direction, seen from the middle of the hemisphere, is
    zero: they run inwards at right angles to the surface and end at a depth that varies from place to place.
    """
    side = np.where(position[0] < 0, np.float32(-1), np.float32(1))
    wobble = np.stack([lattice_noise(rng, 30.0) for _ in range(3)]) * np.float32(1.6)
    middle = np.stack([22 * side, np.full_like(side, -4), np.full_like(side, 8)])
    ray = position + wobble - middle
    radii = np.array([36, 66, 50], np.float32)[:, None, None, None]
    outwards = np.sqrt(((ray / radii) ** 2).sum(0)) + np.float32(1e-3)
    sheet = _first_order_distance(_sample(lattice_noise(rng, 20.0, 0.22), ray / outwards + middle))
    sheet[outwards < 0.4] = FAR
    reach = np.clip(12 + 5 * lattice_noise(rng, 40.0), 4, 20)

    depth = -space.interpolate(outside)
    beyond = np.maximum(depth - space.interpolate(reach), 0)
    sulcus = np.hypot(space.interpolate(sheet), beyond) - (0.45 + 0.5 * np.exp(-np.maximum(depth, 0) / 4))
    sylvian = space.interpolate(_sylvian_fissure(position)) - np.float32(0.9)
    folded: FloatArray = np.minimum(np.minimum(depth, sulcus), sylvian)
    return folded


def _sylvian_fissure(position: FloatArray) -> FloatArray:
    """Return the distance, mm, from the sheets between temporal and frontal lobe and over the insula."""
    x, y, z = np.abs(position[0]), position[1], position[2]
    level = z + 3 + 0.40 * (y - 2)
    along = np.maximum(np.maximum(y - 30, -34 - y), 0)
    floor = 41 - 0.011 * (y - 4) ** 2 - 0.02 * (level - 4) ** 2
    lateral = np.sqrt(level**2 + np.maximum(floor - x, 0) ** 2 + along**2)
    above, beyond = np.maximum(np.abs(level - 4) - 12, 0), np.maximum(np.abs(y - 4) - 22, 0)
    insular = np.sqrt((x - floor) ** 2 + above**2 + beyond**2)
    nearest: FloatArray = np.minimum(lateral, insular)
    return nearest


def _folded_cerebellum(space: Space, outside: FloatArray, position: FloatArray) -> FloatArray:
    """Return the depth below the folia, mm: fissures fan out from the fourth ventricle."""
    x, y, z = position
    away = np.hypot(y + 30, z + 34)
    fan = (np.arctan2(z + 34, -(y + 30)) + 0.006 * np.abs(x)) * 21 / FOLIUM
    depth = -space.interpolate(outside)
    sheet = np.abs(np.sin(np.float32(np.pi) * space.interpolate(fan.astype(np.float32))))
    sheet *= np.float32(FOLIUM / np.pi) * space.interpolate(np.clip(away / 21, 0.4, 1.6).astype(np.float32))
    folded: FloatArray = np.minimum(depth, np.hypot(sheet, np.maximum(depth - 9, 0)) - 0.25)
    return folded


def _first_order_distance(values: FloatArray) -> FloatArray:
    """Return the signed distance, mm, from the zero surface of values on the lattice, to first order."""
    slope = np.sqrt(sum(np.gradient(values, s, axis=d) ** 2 for d, s in enumerate(LATTICE.step)))
    return np.clip(values / np.maximum(slope, 1e-3), -FAR, FAR).astype(np.float32)


def _sample(values: FloatArray, position: FloatArray) -> FloatArray:
    """Return lattice values at points (3, …) in mm, by cubic interpolation."""
    origin = np.array([a[0] for a in LATTICE.axes], np.float32)[:, None, None, None]
    step = np.array(LATTICE.step, np.float32)[:, None, None, None]
    sampled: FloatArray = map_coordinates(values, (position - origin) / step, order=3, mode="nearest")
    return sampled
