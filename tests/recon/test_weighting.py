"""Susceptibility-weighted images: what they make dark, and what not."""

import nibabel as nib
import numpy as np
import pytest

from qsmkit.errors import InputError, MetadataError, ParameterError
from qsmkit.grid import Grid
from qsmkit.physics.dipole import forward_field
from qsmkit.recon import clear_swi, minip, romeo, smwi, swi, tswi
from qsmkit.recon.weighting.echoes import combined_magnitude, combined_phase, echo_weights
from qsmkit.recon.weighting.fade import faded
from qsmkit.recon.weighting.high_pass import high_passed
from qsmkit.units import radians_per_ppm

TIMES, TESLA = np.array([0.008, 0.016, 0.024]), 3.0


class Scene:
    """Tissue with a vein along B0, one across it, and a calcification; the signal decays alike everywhere."""

    def __init__(self, voxel_size=(0.8, 0.8, 1.2), tilt=20.0):
        self.grid = Grid.tilted((48, 44, 36), voxel_size, tilt=tilt)
        world = self.grid.world(np.moveaxis(np.indices(self.grid.shape), 0, -1))
        x, y, z = np.moveaxis(world, -1, 0)
        self.mask = np.linalg.norm(world / (17, 16, 18), axis=-1) < 1
        self.along = (np.hypot(x - 6, y) < 1.5) & (abs(z) < 12) & self.mask
        self.across = (np.hypot(y - 5, z) < 1.5) & (abs(x) < 8) & self.mask & ~self.along
        self.calcium = np.linalg.norm(world - (-6, -4, 0), axis=-1) < 2.5
        near = (np.hypot(x - 6, y) < 6) & (np.hypot(x - 6, y) > 4) & (abs(z) < 8)
        self.beside = near & ~self.across & ~self.calcium
        self.chi = (0.3 * (self.along | self.across) - 1.0 * self.calcium).astype(np.float32)
        self.local_field = (forward_field(self.chi, self.grid) * self.mask).astype(np.float32)
        signal = np.where(self.mask, 100, 2)[..., None] * np.exp(-20 * TIMES)
        self.magnitude = signal.astype(np.float32)
        background = 0.02 * x - 0.004 * y * z + 0.001 * x * x
        turns = np.array([radians_per_ppm(TESLA, t) for t in TIMES])
        phase = self.local_field[..., None] * turns + background[..., None] * (1 + 60 * TIMES)
        self.unwrapped_phase = phase.astype(np.float32)
        self.plain, self.echo_time = combined_magnitude(self.magnitude, TIMES, self.mask)

    def by_field(self, method, **settings):
        return method(self.magnitude, TIMES, self.mask, self.grid, self.local_field, TESLA, **settings)

    def by_phase(self, method, **settings):
        return method(
            self.magnitude, TIMES, self.mask, self.grid, unwrapped_phase=self.unwrapped_phase, **settings
        )


@pytest.fixture(scope="module")
def scene():
    return Scene()


BY_PHASE = pytest.mark.parametrize("way", [Scene.by_field, Scene.by_phase], ids=["field", "phase"])
BY_CHI = pytest.mark.parametrize("method", [tswi, smwi])
BY_FIELD = pytest.mark.parametrize("method", [swi, clear_swi])


# --- what is dark


@BY_FIELD
@BY_PHASE
def test_a_vein_along_the_field_is_darker_than_its_surround(scene, method, way):
    image = way(scene, method)
    assert image[scene.along].mean() < 0.5 * image[scene.beside].mean()
    assert np.median(image[scene.calcium]) > 0.95 * image[scene.beside].mean()


@BY_CHI
def test_veins_at_every_angle_are_dark_and_calcium_is_not(scene, method):
    image = method(scene.magnitude, TIMES, scene.chi, scene.mask)
    for vein in (scene.along, scene.across):
        assert image[vein].mean() < 0.4 * image[scene.beside].mean()
    rest = ~(scene.along | scene.across)
    np.testing.assert_array_equal(image[rest], scene.plain[rest])


def test_diamagnetic_weighting_shows_calcium_and_no_vein(scene):
    image = smwi(scene.magnitude, TIMES, scene.chi, scene.mask, sources="diamagnetic")
    assert not image[scene.calcium].any()
    np.testing.assert_array_equal(image[~scene.calcium], scene.plain[~scene.calcium])


@BY_FIELD
def test_turning_the_phase_over_takes_the_vein_away(scene, method):
    image = method(scene.magnitude, TIMES, scene.mask, scene.grid, -scene.local_field, TESLA)
    assert image[scene.along].mean() > 0.95 * image[scene.beside].mean()


@BY_FIELD
def test_the_local_field_is_preferred_and_both_look_alike(scene, method):
    both = method(
        scene.magnitude, TIMES, scene.mask, scene.grid, scene.local_field, TESLA, scene.unwrapped_phase
    )  # fmt: skip
    np.testing.assert_array_equal(both, scene.by_field(method))
    difference = (both - scene.by_phase(method))[scene.mask] / both[scene.beside].mean()
    assert np.sqrt(np.mean(difference**2)) < 0.05


def test_without_a_raised_field_swi_is_the_magnitude(scene):
    flat = np.zeros(scene.grid.shape, np.float32)
    np.testing.assert_array_equal(swi(scene.magnitude, TIMES, scene.mask, scene.grid, flat, TESLA), scene.plain)
    weighted = scene.by_field(swi)
    np.testing.assert_array_equal(weighted[~scene.mask], scene.plain[~scene.mask])


def test_constants_of_the_papers():
    """(1 − φ/π)⁴ for the phase, (1 − χ/0.45)² for tSWI, (1 − χ)⁴ for SMWI."""
    shape = (1, 1, 5)
    chi = np.array([-0.2, 0.0, 0.09, 0.225, 0.6]).reshape(shape)
    magnitude, mask = np.ones((*shape, 1)), np.ones(shape, bool)
    made = tswi(magnitude, [0.02], chi, mask).ravel()
    np.testing.assert_allclose(made, [1, 1, 0.64, 0.25, 0])
    made = smwi(magnitude, [0.02], chi, mask).ravel()
    np.testing.assert_allclose(made, [1, 1, 0.91**4, 0.775**4, 0.4**4])
    np.testing.assert_allclose(faded(np.pi * np.array([-1, 0, 0.5, 1, 2]), 0, np.pi, 4), [1, 1, 1 / 16, 0, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(scene, dtype):
    magnitude, field, chi = (x.astype(dtype) for x in (scene.magnitude, scene.local_field, scene.chi))
    for image in (
        swi(magnitude, TIMES, scene.mask, scene.grid, field, TESLA),
        clear_swi(magnitude, TIMES, scene.mask, scene.grid, field, TESLA),
        tswi(magnitude, TIMES, chi, scene.mask),
        smwi(magnitude, TIMES, chi, scene.mask),
        minip(scene.grid, magnitude[..., 0], mask=scene.mask),
    ):
        assert image.dtype == dtype
        assert np.isfinite(image).all()


@BY_FIELD
def test_axes_may_be_stored_in_any_order(scene, method):
    order = (2, 0, 1)
    turned = Grid(tuple(scene.grid.shape[i] for i in order), scene.grid.affine[:, [*order, 3]])

    def turn(x):
        return np.ascontiguousarray(x.transpose(*order, *range(3, x.ndim)))

    there = method(turn(scene.magnitude), TIMES, turn(scene.mask), turned, turn(scene.local_field), TESLA)
    here = scene.by_field(method)
    np.testing.assert_allclose(there, turn(here), atol=1e-4 * here.max())


# --- CLEAR-SWI


def test_coil_shading_is_removed(scene):
    i = np.indices(scene.grid.shape)[0] / scene.grid.shape[0]
    shaded = scene.magnitude * (0.4 + 1.2 * i).astype(np.float32)[..., None]
    even = clear_swi(shaded, TIMES, scene.mask, scene.grid, 0 * scene.local_field, TESLA)
    assert even[scene.mask].std() / even[scene.mask].mean() < 0.1
    assert even[scene.mask].mean() == pytest.approx(1, abs=0.1)


def test_unit_of_the_magnitude_and_scanner_strength_do_not_matter(scene):
    image = scene.by_field(clear_swi)
    other = clear_swi(7 * scene.magnitude, TIMES, scene.mask, scene.grid, scene.local_field, 7.0)
    np.testing.assert_allclose(other, image, atol=1e-4)


def test_more_strength_is_darker(scene):
    gentle, strong = (scene.by_field(clear_swi, strength=s) for s in (1, 3))
    assert strong[scene.along].mean() < 0.5 * gentle[scene.along].mean()


# --- echoes and filter


def test_echoes_are_weighted_for_contrast_in_decay(rng):
    magnitude = np.broadcast_to(np.exp(-25 * TIMES), (3, 3, 3, 3))
    weights = echo_weights(magnitude, TIMES, np.ones((3, 3, 3), bool))
    assert weights.sum() == pytest.approx(1)

    def contrast(w):
        return w @ (TIMES * np.exp(-25 * TIMES)) / np.linalg.norm(w)

    assert all(contrast(weights) > contrast(weights + 0.1 * rng.standard_normal(3)) for _ in range(50))


def test_one_echo_stays_as_it_is(scene):
    image, time = combined_magnitude(scene.magnitude[..., :1], TIMES[:1], scene.mask)
    np.testing.assert_array_equal(image, scene.magnitude[..., 0])
    assert time == TIMES[0]


def test_phases_are_combined_to_the_line_through_them(rng):
    slope, magnitude = rng.normal(size=(3, 4, 5)), rng.uniform(1, 2, (3, 4, 5, 3))
    magnitude[0, 0, 0] = 0
    made = combined_phase(slope[..., None] * TIMES, magnitude, TIMES, 0.02)
    slope[0, 0, 0] = 0
    np.testing.assert_allclose(made, 0.02 * slope)


@pytest.mark.parametrize("voxel_size", [(1.0, 1.0, 1.0), (0.7, 0.7, 2.0)])
def test_the_filter_keeps_what_is_thin_and_removes_what_is_smooth_up_to_the_edge(voxel_size):
    shape = tuple(int(40 / v) for v in voxel_size)
    grid = Grid.tilted(shape, voxel_size)
    x, y, z = np.moveaxis(grid.world(np.moveaxis(np.indices(shape), 0, -1)), -1, 0)
    mask = x**2 + y**2 + z**2 < 16**2
    smooth, thin = 0.05 * x + 0.002 * y * z + 1, 0.5 * ((abs(x) < 1) & (abs(y) < 1))
    spoiled = np.where(mask, smooth + thin, 50)
    rest = high_passed(spoiled, np.ones(shape), mask, grid, 4.0)
    assert not rest[~mask].any()
    assert np.sqrt(np.mean((rest - thin)[mask] ** 2)) < 0.06 * smooth[mask].std()
    thick = mask & (thin > 0)
    assert rest[thick].mean() == pytest.approx(0.5, abs=0.05)


# --- minIP


def test_slabs_are_millimetres_thick_along_the_axis_nearest_to_the_field():
    image = np.ones((9, 10, 11))
    image[4, 5, 6] = 0
    axial = Grid.tilted(image.shape, (1.0, 1.0, 2.0), tilt=15)
    dark = np.argwhere(minip(axial, image) == 0)
    np.testing.assert_array_equal(dark, [(4, 5, k) for k in range(4, 9)])
    sagittal = Grid(image.shape, axial.affine[:, [1, 2, 0, 3]])
    dark = np.argwhere(minip(sagittal, image, slab=6.5) == 0)
    np.testing.assert_array_equal(dark, [(4, j, 6) for j in (4, 5, 6)])
    dark = np.argwhere(minip(axial, image, axis=0, slab=3) == 0)
    np.testing.assert_array_equal(dark, [(i, 5, 6) for i in (3, 4, 5)])
    np.testing.assert_array_equal(minip(axial, image, slab=0.5), image)


def test_air_does_not_darken_the_head_but_a_vein_left_out_of_the_mask_does():
    grid = Grid.tilted((20, 20, 24), (1.0, 1.0, 1.0))
    mask = np.zeros(grid.shape, bool)
    mask[4:16, 4:16, 4:20] = True
    image = np.where(mask, 1.0, 0.05)
    mask[9:11, 9:11] = False
    image[9:11, 9:11] = 0.2
    made = minip(grid, image, mask=mask, slab=9)
    assert (made[mask] == 1).all()
    assert (made[9:11, 9:11, 4:20] == 0.2).all()
    assert not made[:4].any()


def test_one_image_is_projected_and_it_is_said_which(scene):
    grid, a, b = scene.grid, scene.plain, 2 * scene.plain
    with pytest.raises(InputError, match="make one of swi"):
        minip(grid)
    with pytest.raises(InputError, match="swi, tswi are at hand"):
        minip(grid, a, tswi=b)
    with pytest.raises(InputError, match="smwi is not at hand"):
        minip(grid, a, image="smwi")
    np.testing.assert_array_equal(minip(grid, a, tswi=b, image="tswi"), minip(grid, tswi=b))


# --- bad input


@BY_FIELD
def test_what_is_missing_is_named(scene, method):
    with pytest.raises(InputError, match=f"{method.__name__}: there is neither local_field nor unwrapped_phase"):
        method(scene.magnitude, TIMES, scene.mask, scene.grid)
    with pytest.raises(MetadataError, match=f"{method.__name__}: local_field needs field_strength"):
        method(scene.magnitude, TIMES, scene.mask, scene.grid, scene.local_field)
    with pytest.raises(InputError, match="zero throughout the mask"):
        method(0 * scene.magnitude, TIMES, scene.mask, scene.grid, scene.local_field, TESLA)


def test_thresholds_the_wrong_way_round_are_refused(scene):
    with pytest.raises(ParameterError, match=r"high = 0\.1 ppm is not above low = 0\.2 ppm"):
        tswi(scene.magnitude, TIMES, scene.chi, scene.mask, low=0.2, high=0.1)


# --- real veins


def test_a_vein_of_a_real_brain_is_darkened_and_the_tissue_on_both_sides_is_not(shared_data):
    stored = {n: nib.load(shared_data / "gre-3echo-crop" / f"{n}.nii.gz") for n in ("Phase", "Mag")}
    phase = (np.pi / 0.003674 * stored["Phase"].get_fdata()).astype(np.float32)
    magnitude = stored["Mag"].get_fdata().astype(np.float32)
    times, grid = np.array([0.004, 0.008, 0.012]), Grid(phase.shape[:3], stored["Mag"].affine)
    mask = magnitude[..., 0] > 0.3 * np.median(magnitude[..., 0])
    unwrapped = romeo(phase, times, mask, grid, magnitude)
    plain, _ = combined_magnitude(magnitude, times, mask)
    vein, beside = (np.array([45, 46, 46, 47, 47, 48]) + d for d in (0, -3))
    y = np.array([9, 8, 7, 6, 5, 4])
    assert plain[vein, y, 20].mean() < plain[beside, y, 20].mean(), "it is seen in the magnitude too"

    def weight(sign, x):
        image = swi(magnitude, times, mask, grid, unwrapped_phase=sign * unwrapped)
        return (image / plain)[x, y, 20]

    assert weight(1, vein).max() < 0.75
    assert weight(1, beside).min() > 0.9
    assert weight(-1, vein).min() > 0.9, "with the phase turned over it would not be"
