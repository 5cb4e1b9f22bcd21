"""A head made of the built-in atlas, bent by a known smooth displacement: what a registration has to find again."""

from functools import cache

import numpy as np
from scipy import ndimage

from qsmkit.clinical.nuclei.atlas import built_in
from qsmkit.clinical.nuclei.contrasts import points_of, shares
from qsmkit.clinical.nuclei.structures import structures
from qsmkit.grid import Grid
from qsmkit.io.template import load_template
from qsmkit.transform import Transform
from qsmkit.volume import Volume

SHIFT = 2.5
"""Greatest displacement, mm."""


@cache
def atlas():
    return built_in(load_template()["t1"])


def bend(x):
    """Return where a point x of the patient (already in MNI152 space) lies in the atlas."""
    waves = [np.sin(x[..., (a + 1) % 3] / 11.0 + a) * np.cos(x[..., (a + 2) % 3] / 14.0) for a in range(3)]
    return x + SHIFT * 0.7 * np.stack(waves, -1)


def patient(voxel=1.5, turn=(4.0, -3.0, 6.0), noise=0.008, seed=3):
    """Return χ, magnitude (a.u.), true labels and the transform from the patient to MNI152 space."""
    axes = Transform.rigid(turn, (3.0, -5.0, 4.0)).matrix
    size = tuple(int(n / voxel) for n in (170, 210, 170))
    tilted = np.eye(4)
    tilted[:3, :3] = axes[:3, :3] * voxel
    tilted[:3, 3] = axes[:3, :3] @ (-np.array(size) * voxel / 2) + np.array([0.0, -18.0, 10.0])
    grid = Grid(size, tilted)
    to_atlas = Transform.rigid((0.0, 5.0, 0.0), (2.0, 1.0, -3.0))
    x = bend(to_atlas.apply(points_of(grid)))
    made = atlas()
    template = made.template
    t1 = ndimage.map_coordinates(template.data, np.moveaxis(template.grid.voxel(x), -1, 0), order=1)
    index = np.moveaxis(made.grid.voxel(x), -1, 0)
    last = np.array(made.grid.shape)[:, None, None, None] - 1
    inside = ((index >= 0) & (index <= last)).all(0)
    distances = np.stack([ndimage.map_coordinates(d, index, order=1, mode="nearest") for d in made.distances])
    distances[:, ~inside] = 30
    nearest = distances.argmin(0)
    numbers = np.array([structures()[n].label for n, _ in made.classes])
    labels = np.where(distances.min(0) < 0, numbers[nearest], 0)
    sided = np.where(distances.min(0) < 0, nearest + 1, 0)
    tissue = np.stack([ndimage.map_coordinates(t, index, order=1, mode="nearest") for t in made.tissues])
    tissue[:, ~inside] = np.array([1, 0, 0])[:, None]
    parts = shares(distances, tissue)
    chi = np.array([structures()[n].chi for n, _ in made.classes] + [-0.03, 0.01, 0.01])
    rng = np.random.default_rng(seed)
    brain = t1 > 0.1
    image = np.tensordot(chi, parts, 1) + rng.normal(0, noise, size)
    magnitude = 400 * (t1 + 0.02 * rng.standard_normal(size))
    chi_map = np.where(brain, image, 0).astype(np.float32)
    return Volume(chi_map, grid, "ppm"), Volume(magnitude.astype(np.float32), grid), labels, sided, to_atlas
