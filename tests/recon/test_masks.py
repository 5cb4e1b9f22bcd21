"""Masks from magnitude and phase quality, and the morphology that mends them."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from qsmkit.errors import DataWarning, MaskError, ParameterError
from qsmkit.grid import Grid
from qsmkit.recon.mask.homogeneity import homogenised
from qsmkit.recon.mask.magnitude import threshold_mask
from qsmkit.recon.mask.morphology import (
    ball,
    centroid,
    close,
    dilate,
    erode,
    fill_holes,
    largest,
    largest_component,
)
from qsmkit.recon.mask.otsu import otsu
from qsmkit.recon.mask.phase_mask import quality_mask

SIZES = [(1.0, 1.0, 1.0), (0.8, 0.8, 2.4), (0.47, 0.6, 1.0)]
PERMUTATION = (2, 0, 1)


def ellipsoid(grid, radii, centre=(0.0, 0.0, 0.0)):
    """Voxels of an ellipsoid along the world axes, in mm."""
    at = grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)) - centre
    return ((at / radii) ** 2).sum(axis=-1) < 1


def permuted(grid):
    """The same grid stored with its axes in another order."""
    affine = grid.affine.copy()
    affine[:, :3] = affine[:, list(PERMUTATION)]
    return Grid(tuple(grid.shape[a] for a in PERMUTATION), affine)


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.fixture
def blob(rng):
    """A ragged mask that touches one face of the volume."""
    blob = ndimage.gaussian_filter(rng.normal(size=(41, 36, 29)), 2) > 0.05
    blob[:3] = False
    assert blob[-1].any()
    return blob


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("radius", [0.3, 1.0, 2.0, 5.0])
def test_erosion_and_dilation_are_thresholds_of_the_distance(blob, size, radius):
    grid = Grid.tilted(blob.shape, size, tilt=15)
    reach = max(radius, min(size)) * (1 + 1e-5)
    outside = ndimage.distance_transform_edt(~blob, size)
    assert np.array_equal(dilate(blob, grid, radius=radius), outside <= reach)
    inside = ndimage.distance_transform_edt(blob, size)
    if (inside > reach).any():
        assert np.array_equal(erode(blob, grid, radius=radius), inside > reach)
    else:
        with pytest.raises(MaskError, match=f"radius = {radius:g} mm leaves nothing"):
            erode(blob, grid, radius=radius)


@pytest.mark.parametrize("size", SIZES)
def test_closing_knows_no_edge_of_the_volume(blob, size):
    grid = Grid.tilted(blob.shape, size)
    roomy = np.pad(blob, 12)
    reach = 2.0 * (1 + 1e-5)
    grown = ndimage.distance_transform_edt(~roomy, size) <= reach
    expected = (ndimage.distance_transform_edt(grown, size) > reach)[12:-12, 12:-12, 12:-12]
    closed = close(blob, grid, radius=2.0)
    assert np.array_equal(closed, expected)
    assert (closed >= blob).all()
    assert closed.sum() > blob.sum()


def test_the_edge_of_the_volume_is_not_eroded():
    whole = np.ones((5, 6, 7), bool)
    grid = Grid.tilted(whole.shape)
    assert erode(whole, grid, radius=2.0).all()
    half = whole.copy()
    half[:2] = False
    assert np.array_equal(erode(half, grid, radius=1.0), np.arange(5)[:, None, None] + 0 * half > 2)


def test_morphology_follows_permuted_axes(blob):
    grid = Grid.tilted(blob.shape, (0.8, 1.1, 2.4))
    turned, other = blob.transpose(PERMUTATION), permuted(grid)
    for step in (erode, dilate, close):
        expected = step(blob, grid, radius=2.4).transpose(PERMUTATION)
        assert np.array_equal(step(turned, other, radius=2.4), expected)


def test_holes_are_filled_up_to_a_volume(blob):
    grid = Grid.tilted((30, 30, 30), (1, 1, 2))
    shell = ellipsoid(grid, (13, 13, 26))
    small, large = ellipsoid(grid, (2, 2, 4), (5, 0, 0)), ellipsoid(grid, (4, 4, 8), (-5, 0, 0))
    mask = shell & ~small & ~large
    assert np.array_equal(fill_holes(mask, grid), shell)
    assert np.array_equal(fill_holes(mask, grid, max_volume=small.sum() * 2.0), shell & ~large)
    assert np.array_equal(fill_holes(mask, grid, max_volume=small.sum() * 2.0 - 1), mask)
    assert np.array_equal(fill_holes(blob, Grid.tilted(blob.shape)), ndimage.binary_fill_holes(blob))


def test_a_cavity_open_to_the_edge_of_the_volume_is_no_hole():
    mask = np.ones((9, 9, 9), bool)
    mask[4, 4, 4:] = False
    assert np.array_equal(fill_holes(mask, Grid.tilted(mask.shape)), mask)


def test_the_largest_component_does_not_hang_on_by_a_corner():
    mask = np.zeros((8, 8, 8), bool)
    mask[1:4, 1:4, 1:4] = True
    mask[4:6, 4:6, 4:6] = True
    kept = largest_component(mask, Grid.tilted(mask.shape))
    assert kept.sum() == 27
    assert kept[1:4, 1:4, 1:4].all()
    assert np.array_equal(largest(mask, 2), mask)
    assert np.array_equal(largest(mask, 5), mask)


def test_centroid_and_ball_are_in_world_millimetres():
    grid = Grid.tilted((31, 24, 19), (1, 1.3, 2), tilt=25)
    centre = np.array([3.0, -2.0, 1.0])
    found = ball(grid, centre, 9.0)
    assert np.array_equal(found, ellipsoid(grid, (9, 9, 9), centre))
    assert np.allclose(centroid(found, grid), centre, atol=0.1)


def test_otsu_finds_the_valley_between_two_modes_and_says_when_there_is_none(rng):
    two = np.concatenate([rng.normal(0, 1, 30000), rng.normal(10, 1, 10000)]).astype(np.float32)
    split = otsu(two, "test")
    assert 4 < split.threshold < 6
    assert split.separability > 0.9
    assert split.valley < 0.05
    one = otsu(rng.normal(0, 1, 40000).astype(np.float32), "test")
    assert one.separability == pytest.approx(2 / np.pi, abs=0.02)
    assert one.valley > 0.9
    assert otsu(two * 1e-6 + 3, "test").threshold == pytest.approx(split.threshold * 1e-6 + 3, rel=1e-5)
    two[:10] = 1e6
    assert 4 < otsu(two, "test").threshold < 6


def head(grid, rng, noise=0.02):
    """Magnitude of brain, dark skull and scalp under an uneven coil in two echoes; and the brain."""
    brain = ellipsoid(grid, (60, 75, 62))
    scalp = ellipsoid(grid, (78, 93, 80)) & ~ellipsoid(grid, (70, 85, 72))
    at = grid.world(np.moveaxis(np.indices(grid.shape), 0, -1))
    coil = np.exp(-(((at - (40, -40, 20)) / 130) ** 2).sum(axis=-1))
    signal = (brain * (1 + 0.1 * np.sin(at / 9).sum(axis=-1)) + 0.8 * scalp) * coil
    echoes = np.stack([signal, 0.6 * signal], axis=-1)
    echoes = echoes + noise * (rng.normal(size=echoes.shape) + 1j * rng.normal(size=echoes.shape))
    return np.abs(echoes), brain


GRIDS = [
    Grid.tilted((60, 70, 60), (3.0, 3.0, 3.0)),
    Grid.tilted((61, 75, 37), (3.0, 3.0, 5.0), tilt=25),
    Grid.tilted((60, 48, 61), (3.0, 4.5, 3.0), tilt=-40, axis=2),
]


@pytest.mark.parametrize("grid", GRIDS, ids=["isotropic", "tilted", "turned"])
def test_threshold_mask_finds_the_brain_under_an_uneven_coil(grid, rng):
    magnitude, brain = head(grid, rng)
    mask = threshold_mask(magnitude.astype(np.float32), grid)
    assert mask.dtype == bool
    assert dice(mask, brain) > 0.98
    assert dice(threshold_mask(magnitude, grid, fraction=0.5), brain) > 0.97


def test_threshold_mask_depends_neither_on_scale_nor_on_precision_nor_on_the_order_of_axes(rng):
    grid = GRIDS[1]
    magnitude, _ = head(grid, rng)
    mask = threshold_mask(magnitude, grid)
    assert dice(mask, threshold_mask((magnitude * 3e4).astype(np.float32), grid)) > 0.999
    turned = threshold_mask(magnitude.transpose(*PERMUTATION, 3), permuted(grid))
    assert dice(mask.transpose(PERMUTATION), turned) > 0.999


def test_homogenised_magnitude_is_one_in_tissue(rng):
    grid = GRIDS[0]
    magnitude, brain = head(grid, rng)
    even = homogenised(magnitude[..., 0], grid, 10.0, "test")
    deep = erode(brain, grid, radius=6.0)
    assert magnitude[deep, 0].std() / magnitude[deep, 0].mean() > 0.2
    assert even[deep].mean() == pytest.approx(1, abs=0.05)
    assert even[deep].std() < 0.15


def test_threshold_mask_of_a_single_slice():
    grid = Grid.tilted((40, 44, 1), (2, 2, 4))
    disc = ellipsoid(grid, (25, 30, 10))
    assert dice(threshold_mask(disc[..., None] + np.float32(0.02), grid), disc) > 0.95


def test_its_steps_can_be_left_out(rng):
    grid = GRIDS[0]
    magnitude, brain = head(grid, rng)
    speckled = magnitude.copy()
    speckled[2, 2, 2] = speckled.max()
    raw = threshold_mask(speckled, grid, opening=0, keep_largest=False, fill=False)
    assert raw[2, 2, 2]
    assert not threshold_mask(speckled, grid)[2, 2, 2]
    hollow = np.where(ellipsoid(grid, (8, 8, 8))[..., None], 0, magnitude)
    assert dice(threshold_mask(hollow, grid), brain) > 0.98
    assert not threshold_mask(hollow, grid, fill=False)[30, 35, 30]


@pytest.mark.parametrize("level", [0.0, 7.0])
def test_a_constant_magnitude_is_refused(level):
    with pytest.raises(MaskError, match=f"threshold_mask: all values are {level:g}"):
        threshold_mask(np.full((8, 8, 8, 1), level, np.float32), Grid.tilted((8, 8, 8)))


def test_threshold_mask_keeps_a_crop_without_air(rng):
    magnitude, brain = head(GRIDS[0], rng)
    crop = np.s_[18:42, 22:48, 20:40]
    assert brain[crop].all()
    with pytest.warns(DataWarning, match="no air seems to be in view"):
        mask = threshold_mask(magnitude[crop], GRIDS[0].cropped((18, 22, 20), (24, 26, 20)))
    assert mask.mean() > 0.97


def test_a_mask_that_vanishes_is_refused():
    grid = Grid.tilted((12, 12, 12))
    dots = np.zeros((12, 12, 12, 1), np.float32)
    dots[::4, ::4, ::4] = 1
    with pytest.raises(MaskError, match="opening = 1 mm leaves no voxel"):
        threshold_mask(dots, grid)
    with pytest.raises(ParameterError, match="fraction"):
        threshold_mask(dots, grid, fraction=1.0)


def quality(brain, rng):
    """Phase quality: near one in tissue, low and broad in noise."""
    return np.where(brain, 1 - rng.beta(1.5, 20, brain.shape), rng.beta(2, 6, brain.shape)).astype(np.float32)


@pytest.mark.parametrize("grid", GRIDS, ids=["isotropic", "tilted", "turned"])
def test_quality_mask_parts_tissue_from_noise(grid, rng):
    _, brain = head(grid, rng)
    values = quality(brain, rng)
    values[ellipsoid(grid, (7, 7, 7))] = 0.1
    mask = quality_mask(values, grid)
    assert dice(mask, brain) > 0.98
    assert mask[ellipsoid(grid, (7, 7, 7))].all()
    assert not quality_mask(values, grid, closing=0, fill=False)[ellipsoid(grid, (7, 7, 7))].any()


def test_quality_mask_keeps_a_crop_without_air(rng):
    grid = Grid.tilted((40, 40, 30))
    values = quality(np.ones(grid.shape, bool), rng)
    with pytest.warns(DataWarning, match="one mode"):
        mask = quality_mask(values, grid, fill=False)
    assert mask.mean() > 0.98
    vein = ellipsoid(grid, (4, 4, 9), (5, 5, 0))
    values[vein] = 0.2
    mask = quality_mask(values, grid, fill=False, closing=0, opening=0)
    assert not mask[vein].any()
    assert mask[~vein].mean() > 0.99


def test_quality_mask_takes_a_stated_threshold(rng):
    grid = Grid.tilted((20, 20, 20))
    values = quality(np.ones(grid.shape, bool), rng)
    raw = quality_mask(values, grid, threshold=0.9, opening=0, closing=0, keep_largest=False, fill=False)
    assert np.array_equal(raw, values >= 0.9)
    with pytest.raises(MaskError, match=r"threshold 0\.999"):
        quality_mask(np.minimum(values, 0.99), grid, threshold=0.999)
    with pytest.raises(MaskError, match="all values are 0"):
        quality_mask(np.zeros(grid.shape), grid)


def test_masks_of_a_real_head_are_of_a_head_s_size(shared_data):
    stem = shared_data / "philips-ingenia-3t/nifti/2001_fcMRI_Field_Mapping_"
    images = [nib.load(f"{stem}e{echo}.nii.gz") for echo in (1, 2)]
    grid = Grid(images[0].shape, images[0].affine)
    magnitude = np.stack([i.get_fdata(dtype=np.float32) for i in images], axis=-1)
    mask = threshold_mask(magnitude, grid)
    assert 2.0e6 < mask.sum() * grid.voxel_volume < 3.5e6
