"""Phase offset at echo time zero: what is smooth is removed, what belongs to the field stays."""

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from qsmkit.errors import InputError, ParameterError
from qsmkit.grid import Grid
from qsmkit.recon.field.mcpc3ds import mcpc3ds
from qsmkit.recon.field.smooth_phase import smooth_phase, wrapped
from qsmkit.recon.field.weighted_fit import weighted_fit
from qsmkit.recon.unwrap.romeo import romeo
from qsmkit.units import radians_per_ppm

UNEVEN = np.array([0.004, 0.012, 0.020])  # TE₁/(TE₂ − TE₁) = 1/2: the phase difference must be unwrapped
EVEN = np.array([0.004, 0.008, 0.012])


def head(shape, voxel_size, rng, times=UNEVEN, *, noise=0.02, tilt=0.0, dtype=np.float32):
    """A ball of tissue with a field, a receive phase of several radians and noise in the air around it."""
    grid = Grid.tilted(shape, voxel_size, tilt=tilt)
    x, y, z = np.moveaxis(grid.world(np.moveaxis(np.indices(shape), 0, -1)), -1, 0) / 40
    mask = x**2 + y**2 + z**2 < 0.8
    offset = 0.8 + 1.5 * x - 0.9 * y + 0.7 * z + 0.6 * x * y - 0.5 * x**2
    field = 0.25 * z + 0.3 * y * z + 0.05 * np.exp(-((x - 0.2) ** 2 + y**2 + z**2) / 0.01)
    angle = radians_per_ppm(3, 1) * field[..., None] * times + offset[..., None]
    signal = mask[..., None] * np.exp(1j * angle - 20 * times)
    signal = signal + noise * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape))
    return grid, mask, offset, field, np.angle(signal).astype(dtype), np.abs(signal).astype(dtype)


def rotated(array):
    """The same volume with its third axis moved to the front."""
    return np.ascontiguousarray(np.moveaxis(array, 2, 0))


def blurred(array, sigma, grid):
    """A Gaussian average, sigma in mm."""
    return gaussian_filter(array, [sigma / h for h in grid.voxel_size], mode="constant", truncate=6)


def error_in(mask, estimate, truth):
    """RMS of a phase difference, whole turns and the sign of the branch apart."""
    return np.sqrt(np.mean(wrapped((estimate - truth)[mask]) ** 2))


@pytest.mark.parametrize("times", [UNEVEN, EVEN])
@pytest.mark.parametrize(("voxel_size", "tilt"), [((2.0, 2.0, 2.0), 0), ((1.6, 2.0, 3.1), 25)])
def test_a_smooth_offset_is_found_up_to_the_edge(rng, times, voxel_size, tilt):
    shape = tuple(int(92 / h) for h in voxel_size)
    grid, mask, offset, _, phase, magnitude = head(shape, voxel_size, rng, times, tilt=tilt)
    found = mcpc3ds(phase, times, grid, magnitude, mask)
    assert error_in(mask, found.phase_offset, offset) < 0.03
    assert found.phase_offset.dtype == found.phase.dtype == np.float32


def test_more_passes_straighten_the_edge_that_the_published_pass_bends(rng):
    grid, mask, offset, _, phase, magnitude = head((46, 46, 46), (2, 2, 2), rng)
    once, often = (mcpc3ds(phase, UNEVEN, grid, magnitude, mask, passes=n).phase_offset for n in (1, 4))
    assert error_in(mask, often, offset) < 0.4 * error_in(mask, once, offset)


def test_air_does_not_bleed_in_when_only_the_magnitude_tells_it_apart(rng):
    grid, mask, offset, _, phase, magnitude = head((46, 46, 46), (2, 2, 2), rng)
    assert error_in(mask, mcpc3ds(phase, UNEVEN, grid, magnitude).phase_offset, offset) < 0.03


def test_the_field_survives(rng):
    grid, mask, _, field, phase, magnitude = head((46, 47, 45), (2, 2, 2), rng)
    clean = mcpc3ds(phase, UNEVEN, grid, magnitude, mask).phase
    unwrapped = romeo(clean, UNEVEN, mask, grid, magnitude)
    error = 1000 * (weighted_fit(unwrapped, UNEVEN, 3.0, mask, grid, magnitude).total_field - field)[mask]
    assert np.sqrt(np.mean(error**2)) < 4  # ppb; noise alone gives 2


def test_turns_added_to_the_phase_change_nothing(rng):
    grid, mask, *_, phase, magnitude = head((30, 31, 32), (3, 3, 3), rng, dtype=np.float64)
    turned = phase + 2 * np.pi * rng.integers(-2, 3, phase.shape)
    a, b = (mcpc3ds(p, UNEVEN, grid, magnitude, mask) for p in (phase, turned))
    assert np.abs(wrapped(a.phase - b.phase)).max() < 1e-6
    assert np.abs(wrapped(a.phase_offset - b.phase_offset)).max() < 1e-6


def test_the_order_of_the_axes_does_not_matter(rng):
    grid, mask, *_, phase, magnitude = head((30, 24, 36), (3, 3.5, 2.5), rng)
    affine = grid.affine.copy()
    affine[:, :3] = affine[:, [2, 0, 1]]
    other = Grid((36, 30, 24), affine)
    a = mcpc3ds(phase, UNEVEN, grid, magnitude, mask).phase_offset
    b = mcpc3ds(rotated(phase), UNEVEN, other, rotated(magnitude), rotated(mask)).phase_offset
    assert np.abs(wrapped(rotated(a) - b)[rotated(mask)]).max() < 1e-3


def test_single_precision_is_enough(rng):
    grid, mask, *_, phase, magnitude = head((30, 31, 32), (3, 3, 3), rng)
    single = mcpc3ds(phase, UNEVEN, grid, magnitude, mask).phase_offset
    double = mcpc3ds(phase.astype(float), UNEVEN, grid, magnitude.astype(float), mask).phase_offset
    assert double.dtype == np.float64
    assert error_in(mask, single, double) < 1e-4


def test_echoes_can_be_chosen(rng):
    grid, mask, offset, _, phase, magnitude = head((46, 46, 46), (2, 2, 2), rng)
    phase[..., 0] += 1.0  # a first echo that does not belong to the train, as with flow compensation
    spoilt, sound = (mcpc3ds(phase, UNEVEN, grid, magnitude, mask, echoes=e) for e in ((1, 2), (2, 3)))
    assert error_in(mask, spoilt.phase_offset, offset) > 0.5
    assert error_in(mask, sound.phase_offset, offset) < 0.1


@pytest.mark.parametrize("echoes", [(1, 1), (2, 1), (0, 2), (1, 4)])
def test_unusable_echoes_are_refused(rng, echoes):
    grid, mask, *_, phase, magnitude = head((8, 8, 8), (10, 10, 10), rng)
    with pytest.raises(ParameterError, match="ascending"):
        mcpc3ds(phase, UNEVEN, grid, magnitude, mask, echoes=echoes)


def test_one_echo_is_refused(rng):
    grid, mask, *_, phase, magnitude = head((8, 8, 8), (10, 10, 10), rng)
    with pytest.raises(InputError, match="leave this step out"):
        mcpc3ds(phase[..., :1], UNEVEN[:1], grid, magnitude[..., :1], mask)


def test_one_pass_is_a_gaussian_of_the_complex_exponential(rng):
    grid = Grid.tilted((20, 17, 23), (2.0, 1.0, 3.0))
    phase, weight = rng.uniform(0, 2, grid.shape), rng.uniform(0, 1, grid.shape)
    sigma = 4.0
    real, imaginary = (blurred(weight * f(phase), sigma, grid) for f in (np.cos, np.sin))
    expected = real + 1j * imaginary
    found = smooth_phase(phase, weight, grid, sigma=sigma)
    assert np.abs(np.exp(1j * found) - expected / np.abs(expected)).max() < 1e-3


def test_nothing_known_is_smoothed_to_zero():
    grid = Grid.tilted((4, 5, 6))
    assert not smooth_phase(np.ones(grid.shape), np.zeros(grid.shape), grid, sigma=3.0).any()


def test_a_philips_scan_with_an_offset_per_echo(shared_data):
    stem = str(shared_data / "philips-ingenia-3t" / "nifti" / "2001_fcMRI_Field_Mapping_e")
    images = {part: nib.load(f"{stem}{part}.nii.gz") for part in ("1", "2", "1_ph", "2_ph")}
    volumes = {part: np.asarray(image.dataobj, np.float32) for part, image in images.items()}
    magnitude = np.stack([volumes["1"], volumes["2"]], -1)
    phase = np.stack([volumes["1_ph"], volumes["2_ph"]], -1)
    grid = Grid(images["1"].shape, images["1"].affine)
    mask = magnitude[..., 0] > 0.15 * np.percentile(magnitude[..., 0], 99)
    found = mcpc3ds(phase, np.array([0.0023, 0.0046]), grid, magnitude, mask)
    # without an offset, the second echo has twice the phase of the first
    doubled = [np.exp(1j * (2 * p[..., 0] - p[..., 1])[mask]) for p in (phase, found.phase)]
    assert np.abs(doubled[0].mean()) < 0.8
    assert np.abs(doubled[1].mean()) > 0.95
