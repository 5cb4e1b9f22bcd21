"""How one head differs from the next: a size, a smooth random diffeomorphism, and a pose in the scanner.

Anatomy is described in stereotactic coordinates (MNI152, RAS mm). A head's own coordinates are mm along its right,
anterior and superior, from about the middle of the brain:

    template = ORIGIN + head / size + u(head).

What is drawn at a sample is looked up through this map; landmarks go the other way, by its inverse.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from qsmkit.arrays import FloatArray
from qsmkit.simulate.shapes import Shape
from qsmkit.simulate.space import Box, Space, lattice_noise

Points = npt.NDArray[np.float64]

ORIGIN = np.array([0.0, -18.0, 3.0])
"""Stereotactic position of the origin of every head, mm."""

SIZE, SIZE_SPREAD = 0.93, 0.018
"""Mean and standard deviation of a head's size over the template's along each axis. The template is larger than most
heads: its brain and sulci hold 1.9 l, an adult's about 1.5 l (recalled). The spread is a modelling choice."""

WAVES: tuple[tuple[float, float], ...] = ((90.0, 1.3), (34.0, 0.65))
"""Wavelength and standard deviation, mm, of the displacement along each axis: shape of the head, and of its gyri."""

CALM, CALM_RADII = np.array([0.0, -12.0, -4.0]), np.array([30.0, 32.0, 24.0])
"""About here, mm, the short wave fades: nuclei vary in place and size as published, not as gyri do."""


@dataclass(frozen=True, eq=False)
class Warp:
    """The map from a head to the template.

    Attributes
    ----------
    size : (3,) float64 array
        Lengths in the head over lengths in the template.
    shift : (3, X, Y, Z) float32 array
        u on `BODY_LATTICE`, mm.
    """

    size: Points
    shift: FloatArray

    def template(self, space: Space) -> FloatArray:
        """Return the stereotactic coordinates, mm, of all samples of a space in the head: (3, X, Y, Z) float32."""
        out = np.empty((3, *space.shape), np.float32)
        for i in range(3):
            out[i] = space.interpolate(self.shift[i], BODY_LATTICE)
            along = (ORIGIN[i] + space.axes[i] / self.size[i]).astype(np.float32)
            out[i] += along.reshape([-1 if d == i else 1 for d in range(3)])
        return out

    def head(self, template: npt.ArrayLike) -> Points:
        """Return the head's coordinates, mm, of stereotactic points (N, 3), to 1e-4 mm, by fixed-point iteration."""
        target = np.atleast_2d(np.asarray(template, np.float64))
        points: Points = (target - ORIGIN) * self.size
        for _ in range(200):
            change = (target - ORIGIN - self._shift_at(points)) * self.size - points
            points += change
            if np.abs(change).max() < 1e-7:
                break
        return points

    def distance(self, shape: Shape, space: Space, reach: float = 3.0) -> tuple[Box, FloatArray]:
        """Return the samples about a shape given in template mm, and the distance from its surface there.

        Parameters
        ----------
        shape : Shape
            In stereotactic coordinates.
        space : Space
            Samples in the head, mm.
        reach : float
            How far around the shape to look, mm.

        Returns
        -------
        box : tuple of slice
            Samples of the space; possibly none.
        distance : (X, Y, Z) float32 array
            At the samples of the box, template mm, negative inside.
        """
        corners = self.head(np.array(np.meshgrid(*np.transpose(shape.bounds()), indexing="ij")).reshape(3, -1).T)
        box = space.box(corners.min(0) - reach, corners.max(0) + reach)
        return box, shape.distance(self.template(space.part(box)))

    def jacobian(self) -> FloatArray:
        """Return det ∂template/∂head on the lattice: (X, Y, Z); positive wherever the map does not fold."""
        slope = np.stack([np.stack(np.gradient(u, *BODY_LATTICE.step)) for u in self.shift], 0)
        slope = np.moveaxis(slope, (0, 1), (-2, -1)) + np.diag(1 / self.size).astype(np.float32)
        determinant: FloatArray = np.linalg.det(slope)
        return determinant

    def _shift_at(self, points: Points) -> Points:
        start = np.array([axis[0] for axis in BODY_LATTICE.axes])
        index = ((points - start) / BODY_LATTICE.step).T
        along = [map_coordinates(u, index, np.float64, order=1, mode="nearest") for u in self.shift]
        shift: Points = np.stack(along, 1)
        return shift


def draw_warp(rng: np.random.Generator) -> Warp:
    """Return the size and diffeomorphism that `rng` determines."""
    size = SIZE * (1 + SIZE_SPREAD * np.clip(rng.standard_normal() + 0.5 * rng.standard_normal(3), -2.5, 2.5))
    away = [((p / SIZE + o - c) / r) ** 2 for p, o, c, r in zip(
        np.meshgrid(*BODY_LATTICE.axes, indexing="ij", sparse=True), ORIGIN, CALM, CALM_RADII, strict=True)]
    lively = 1 - 0.75 * np.exp(-0.5 * (away[0] + away[1] + away[2]))
    shift = np.zeros((3, *BODY_LATTICE.shape), np.float32)
    for wavelength, spread in WAVES:
        strength = spread * (lively if wavelength < 60 else np.ones_like(lively))
        for u in shift:
            u += (strength * lattice_noise(rng, wavelength, lattice=BODY_LATTICE)).astype(np.float32)
    return Warp(size, shift)


def draw_pose(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return a patient's usual place in the coil as head → scanner, 4×4: a few degrees and mm off the axes."""
    pitch, roll, yaw = np.deg2rad(np.clip(rng.standard_normal(3), -2, 2) * (4.0, 2.0, 2.5))
    pose = np.eye(4)
    for angle, (u, v) in ((pitch, (1, 2)), (roll, (2, 0)), (yaw, (0, 1))):
        turn = np.eye(4)
        turn[[u, u, v, v], [u, v, u, v]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        pose = turn @ pose
    pose[:3, 3] = np.clip(rng.standard_normal(3), -2, 2) * (2.0, 3.0, 3.0)
    return pose


def _body_lattice() -> Space:
    x, y, z = (np.arange(-reach, reach + 1, 2.0) for reach in (96.0, 118.0, 116.0))
    return Space((x, y, z))


BODY_LATTICE = _body_lattice()
"""Lattice, in the head, of everything smooth in a body: it holds head and upper neck."""
