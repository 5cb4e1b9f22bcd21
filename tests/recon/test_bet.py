"""Brain extraction: the surface, its forces and the mask, on heads with known truth and on real ones."""

import nibabel as nib
import numpy as np
import pytest

from qsmkit.errors import DataWarning, GeometryError, MaskError, ParameterError
from qsmkit.grid import Grid
from qsmkit.recon.mask.bet import bet
from qsmkit.recon.mask.surface import icosphere, inside, intersects_itself

PERMUTATION = (2, 0, 1)


def at(grid):
    return grid.world(np.moveaxis(np.indices(grid.shape), 0, -1))


def ellipsoid(grid, radii, centre=(0.0, 0.0, 0.0)):
    return (((at(grid) - centre) / radii) ** 2).sum(axis=-1) < 1


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def head(grid, rng, centre=(0.0, 0.0, 0.0)):
    """Magnitude of brain, fluid, dark skull and scalp, the second echo without contrast; and the brain."""
    brain = ellipsoid(grid, (60, 75, 62), centre)
    signal = 1.0 * brain
    signal[ellipsoid(grid, (56, 71, 58), centre)] = 0.8
    signal[ellipsoid(grid, (20, 22, 9), centre)] = 1.0
    signal[ellipsoid(grid, (78, 93, 80), centre) & ~ellipsoid(grid, (70, 85, 72), centre)] = 0.7
    signal *= np.exp(-(((at(grid) - (40, -40, 20)) / 160) ** 2).sum(axis=-1))
    noisy = signal + 0.01 * (rng.normal(size=grid.shape) + 1j * rng.normal(size=grid.shape))
    return np.stack([np.abs(noisy), np.full(grid.shape, 1.0)], axis=-1), brain


GRIDS = [
    Grid.tilted((60, 70, 60), (3.0, 3.0, 3.0)),
    Grid.tilted((61, 75, 37), (3.0, 3.0, 5.0), tilt=25),
    Grid.tilted((60, 48, 61), (3.0, 4.5, 3.0), tilt=-40, axis=2),
]


@pytest.mark.parametrize("subdivisions", [0, 1, 4])
def test_icosphere_is_a_closed_outward_surface(subdivisions):
    sphere = icosphere(subdivisions)
    count = 10 * 4**subdivisions + 2
    assert sphere.vertices.shape == (count, 3)
    assert sphere.faces.shape == (2 * count - 4, 3)
    assert np.allclose(np.linalg.norm(sphere.vertices, axis=1), 1)
    a, b, c = sphere.vertices[sphere.faces].transpose(1, 0, 2)
    assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), a) > 0).all()
    assert ((sphere.rings >= 0).sum(axis=1) == 5).sum() == 12
    for vertex in (0, count - 1):
        ring = sphere.rings[vertex][sphere.rings[vertex] >= 0]
        around = {tuple(np.roll(f, -list(f).index(vertex))[1:]) for f in sphere.faces.tolist() if vertex in f}
        assert around == set(zip(ring.tolist(), np.roll(ring, -1).tolist(), strict=True))


def test_voxels_inside_a_sphere_on_tilted_flipped_and_permuted_grids():
    sphere = icosphere(4)
    base = Grid.tilted((40, 36, 25), (1.5, 1.5, 2.5), tilt=20)
    flipped = base.affine.copy()
    flipped[:3, 3] += flipped[:3, 0] * (base.shape[0] - 1)
    flipped[:3, 0] *= -1
    for grid in (base, Grid(base.shape, flipped)):
        found = inside(sphere.vertices * 20, sphere.faces, grid)
        distance = np.linalg.norm(at(grid), axis=-1)
        assert found[distance < 19.9].all()
        assert not found[distance > 20].any()


def test_voxels_inside_a_surface_that_leaves_the_volume():
    sphere = icosphere(3)
    grid = Grid.tilted((12, 10, 8))
    assert inside(sphere.vertices * 50, sphere.faces, grid).all()
    assert not inside(sphere.vertices * 5 + 100, sphere.faces, grid).any()


def test_a_surface_through_voxel_centres_does_not_leak():
    sphere = icosphere(0)
    found = inside(np.rint(sphere.vertices * 8), sphere.faces, Grid.tilted((21, 21, 21)))
    assert found.any()
    assert np.abs(np.diff(np.pad(found, 1).astype(int), axis=2)).sum(axis=2).max() == 2


def test_self_intersection_is_seen():
    sphere = icosphere(3)
    assert not intersects_itself(sphere.vertices, sphere.faces)
    assert not intersects_itself(sphere.vertices * (2, 1, 0.3), sphere.faces)
    pierced = sphere.vertices.copy()
    pierced[7] *= -1.2
    assert intersects_itself(pierced, sphere.faces)


@pytest.mark.parametrize("grid", GRIDS, ids=["isotropic", "tilted", "turned"])
def test_bet_finds_the_brain(grid, rng):
    magnitude, brain = head(grid, rng, (4.0, -6.0, 3.0))
    mask = bet(magnitude.astype(np.float32), grid)
    assert mask.dtype == bool
    assert dice(mask, brain) > 0.97


def test_bet_depends_neither_on_scale_nor_on_precision_nor_on_the_order_of_axes(rng):
    grid = GRIDS[1]
    magnitude, _ = head(grid, rng)
    mask = bet(magnitude, grid, subdivisions=3)
    assert dice(mask, bet((magnitude * 2e4).astype(np.float32), grid, subdivisions=3)) > 0.999
    affine = grid.affine.copy()
    affine[:, :3] = affine[:, list(PERMUTATION)]
    other = Grid(tuple(grid.shape[a] for a in PERMUTATION), affine)
    turned = bet(magnitude.transpose(*PERMUTATION, 3), other, subdivisions=3)
    assert dice(mask.transpose(PERMUTATION), turned) > 0.999


def test_a_larger_fraction_gives_a_smaller_brain_and_the_gradient_tips_it(rng):
    grid = GRIDS[0]
    magnitude, _ = head(grid, rng)
    large, level, small = (bet(magnitude, grid, fraction=f, subdivisions=3) for f in (0.1, 0.5, 0.9))
    assert large.sum() > level.sum() > small.sum()
    above = at(grid)[..., 2] > 0
    tipped = bet(magnitude, grid, gradient=0.3, subdivisions=3)
    assert tipped[above].sum() / tipped[~above].sum() < 0.98 * level[above].sum() / level[~above].sum()


def test_bet_keeps_its_shape_where_the_volume_ends(rng):
    whole = GRIDS[0]
    magnitude, brain = head(whole, rng)
    crop = np.s_[:, :, 15:45]
    mask = bet(np.ascontiguousarray(magnitude[crop]), whole.cropped((0, 0, 15), (60, 70, 30)))
    assert dice(mask, brain[crop]) > 0.95


def test_bet_takes_all_of_a_crop_within_the_brain(rng):
    whole = GRIDS[0]
    magnitude, brain = head(whole, rng)
    crop = np.s_[20:40, 25:45, 20:40]
    assert brain[crop].all()
    with pytest.warns(DataWarning, match="no air or bone is in view"):
        mask = bet(np.ascontiguousarray(magnitude[crop]), whole.cropped((20, 25, 20), (20, 20, 20)))
    assert mask.all()


def test_unfit_input_is_refused(rng):
    grid = Grid.tilted((24, 24, 24), (2, 2, 2))
    empty = np.zeros((24, 24, 24, 2), np.float32)
    with pytest.raises(MaskError, match="all values are 0"):
        bet(empty, grid)
    with pytest.raises(MaskError, match="magnitude is 5 nearly everywhere"):
        bet(empty + 5, grid, smoothing=0)
    with pytest.raises(ParameterError, match="echo = 3, but there are 2"):
        bet(empty, grid, echo=3)
    with pytest.raises(GeometryError, match="4 mm thick"):
        bet(rng.random((64, 64, 1, 1)), Grid.tilted((64, 64, 1), (3, 3, 4)))
    magnitude, _ = head(GRIDS[0], rng)
    with pytest.raises(MaskError):
        bet(magnitude, GRIDS[0], echo=2)
    with pytest.raises(MaskError, match="no intermediate intensities"):
        bet(np.sign(magnitude[..., :1] - 0.2).clip(0), GRIDS[0], smoothing=0)


@pytest.mark.parametrize(
    ("folder", "name", "litres"),
    [
        ("philips-ingenia-3t", "2001_fcMRI_Field_Mapping_e1", (1.3, 1.8)),
        ("siemens-prisma-xa30", "8_gre_field_mapping_e1", (1.0, 1.6)),
    ],
)
def test_a_real_brain_is_of_a_brain_s_size(shared_data, folder, name, litres):
    image = nib.load(shared_data / folder / "nifti" / f"{name}.nii.gz")
    grid = Grid(image.shape, image.affine)
    mask = bet(image.get_fdata(dtype=np.float32)[..., None], grid)
    assert litres[0] < mask.sum() * grid.voxel_volume / 1e6 < litres[1]
