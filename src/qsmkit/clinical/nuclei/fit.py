"""The atlas on the patient: an affine start on the whole brain, then a deformation of the deep brain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.clinical.nuclei.atlas import TISSUES, Atlas
from qsmkit.clinical.nuclei.contrasts import Contrast, at_points, fitted_means, points_of, pooled, shares
from qsmkit.clinical.nuclei.demons import Stiffness, deform, warped
from qsmkit.clinical.nuclei.structures import structures
from qsmkit.grid import Grid
from qsmkit.transform import Transform

TISSUE_CHI = ((-0.03, 0.01), (0.01, 0.015), (0.01, 0.02))
"""Expected susceptibility of white matter, grey matter and CSF and its spread, ppm (recalled)."""


@dataclass(frozen=True, slots=True)
class Level:
    """One round: voxel size, mm; smoothing of images and atlas, SD in mm; steps. Means are fitted anew before it."""

    size: float
    blur: float
    steps: int


LEVELS = (Level(3.0, 2.0, 30), Level(2.0, 0.8, 25), Level(1.5, 0.0, 15))

RESAMPLED = 0.35
"""Smoothing of the patient's images against aliasing, SD in voxels of the level."""

INVERSIONS = 30
"""Steps of the fixed-point iteration that inverts a displacement."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Where the patient's deep brain lies in the atlas.

    Attributes
    ----------
    affine : Transform
        From the patient's (χ) to MNI152 space, RAS mm.
    grid : Grid
        Of the displacement, MNI RAS mm.
    field : (3, X, Y, Z) float32 array
        Displacement, mm: the point at affine(y) = x belongs to x + u(x) of the atlas.
    means, noise : mapping of str to array, float
        Of each contrast: fitted mean of every class of the atlas (nuclei, then tissues), and residual SD, in its unit.
    """

    affine: Transform
    grid: Grid
    field: FloatArray
    means: Mapping[str, FloatArray]
    noise: Mapping[str, float]

    def into_atlas(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return where points of the patient, RAS mm, (…, 3), lie in the atlas, MNI RAS mm."""
        x = self.affine.apply(points)
        index = self.grid.voxel(x).reshape(-1, 3)
        u = np.stack([at_points(c, index, mode="nearest") for c in self.field], -1)
        there: npt.NDArray[np.float64] = x + u.reshape(x.shape)
        return there

    def from_atlas(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return where points of the atlas, MNI RAS mm, (…, 3), lie in the patient, RAS mm."""
        back = self.affine.inverse()
        wanted = back.apply(points)
        guess = wanted
        for _ in range(INVERSIONS):
            guess = guess + wanted - back.apply(self.into_atlas(guess))
        return guess


def fit(
    contrasts: Sequence[Contrast], atlas: Atlas, affine: Transform, inside: Contrast, stiffness: Stiffness | None = None
) -> Fit:
    """Deform the atlas onto the patient.

    Parameters
    ----------
    contrasts : sequence of Contrast
        The patient's images, χ first.
    atlas : Atlas
        The atlas.
    affine : Transform
        From the patient's (χ) to MNI152 space.
    inside : Contrast
        1 where χ has a value, 0 elsewhere.
    stiffness : Stiffness, optional
        Of the atlas.
    """
    grid = _coarser(atlas.grid, LEVELS[0].size)
    made = Fit(affine, grid, np.zeros((3, *grid.shape), np.float32), {}, {})
    for level in LEVELS:
        made = _deformed(made, level, contrasts, atlas, inside, stiffness or Stiffness())
    return made


def _deformed(
    made: Fit, level: Level, contrasts: Sequence[Contrast], atlas: Atlas, inside: Contrast, stiffness: Stiffness
) -> Fit:
    """Return the fit after one round more."""
    grid = _coarser(atlas.grid, level.size)
    points = made.affine.inverse().apply(points_of(grid))
    blur = float(np.hypot(level.blur, RESAMPLED * level.size)) / level.size
    images = [ndimage.gaussian_filter(c.at(points), blur) for c in contrasts]
    weight = (inside.at(points) > 0.5).astype(np.float32)
    field = _on(made.field, made.grid, grid) / np.float32(level.size)
    parts = shares(_on(atlas.distances, atlas.grid, grid), _on(atlas.tissues, atlas.grid, grid), level.size)
    parts = np.stack([ndimage.gaussian_filter(p, level.blur / level.size) for p in parts])
    here = np.stack([warped(p, field) for p in parts])
    fitted = {c.name: _means(c.name, i, here, weight > 0, atlas) for c, i in zip(contrasts, images, strict=True)}
    moving = [np.tensordot(means, parts, 1) for means, _ in fitted.values()]
    noise = [sd for _, sd in fitted.values()]
    field = deform(images, moving, noise, weight, field, level.size, level.steps, stiffness)
    return replace(
        made, grid=grid, field=field * np.float32(level.size), means={n: m for n, (m, _) in fitted.items()},
        noise={n: sd for n, (_, sd) in fitted.items()},
    )  # fmt: skip


def _means(
    name: str, image: FloatArray, parts: FloatArray, inside: BoolArray, atlas: Atlas
) -> tuple[FloatArray, float]:
    """Return the mean of every class in an image; both sides of a nucleus have one."""
    names = list(structures())
    groups = [names.index(n) for n, _ in atlas.classes] + [len(names) + t for t in range(len(TISSUES))]
    if name == "chi":
        expected, spread = np.array([(s.chi, s.chi_sd) for s in structures().values()] + list(TISSUE_CHI)).T
    else:  # a contrast of no known scale: weighted means, and a tenth of its range
        joined = pooled(parts, groups)[:, inside].astype(np.float64)
        expected = (joined**2 @ image[inside]) / np.maximum((joined**2).sum(1), 1e-6)
        spread = np.full(len(expected), 0.1 * float(np.ptp(np.percentile(image[inside], (2, 98)))))
    return fitted_means(image, parts, inside, groups, expected, spread)


def _coarser(grid: Grid, size: float) -> Grid:
    """Return the grid of voxels of `size` mm with the same first voxel."""
    affine = grid.affine.copy()
    affine[:3, :3] = np.eye(3) * size
    x, y, z = (int(np.ceil(n / size)) for n in grid.shape)
    return Grid((x, y, z), affine)


def _on(maps: FloatArray, grid: Grid, onto: Grid) -> FloatArray:
    """Return (K, X, Y, Z) maps on a grid with the same first voxel."""
    scale = [onto.voxel_size[0] / grid.voxel_size[0]] * 3
    return np.stack([
        ndimage.affine_transform(m, scale, output_shape=onto.shape, order=1, mode="nearest") for m in maps
    ])  # fmt: skip
