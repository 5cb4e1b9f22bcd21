"""Background removal against analytic fields: spheres outside the mask and inside, and shims."""

from functools import partial

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from qsmkit.errors import MaskError, ParameterError
from qsmkit.grid import Grid
from qsmkit.physics.dipole import forward_field
from qsmkit.physics.fft import convolve
from qsmkit.physics.smv import clearance, smv_kernel
from qsmkit.recon.background.extended_resharp import extended_resharp
from qsmkit.recon.background.harperella import harperella
from qsmkit.recon.background.iharperella import iharperella
from qsmkit.recon.background.ismv import ismv
from qsmkit.recon.background.lbv import lbv
from qsmkit.recon.background.msmv import msmv
from qsmkit.recon.background.pdf import pdf
from qsmkit.recon.background.resharp import resharp
from qsmkit.recon.background.revsharp import revsharp
from qsmkit.recon.background.sdf import sdf
from qsmkit.recon.background.sharp import sharp
from qsmkit.recon.background.vsharp import vsharp
from qsmkit.units import radians_per_ppm

CUBES = (44, 41, 46), (1.5, 1.5, 1.5), 0.0
OBLIQUE = (64, 60, 25), (0.8, 0.8, 2.4), 32.0

small_resharp = partial(resharp, radius=4.5)
small_sharp = partial(sharp, radius=4.5)
small_ismv = partial(ismv, radius=4.5)
extended = partial(extended_resharp, radius=6.0, tolerance=2e-4, max_iterations=600)
fine_pdf = partial(pdf, local_sd=1e-4, tolerance=1e-4, max_iterations=500)
fine_extended = partial(extended, core_sd=1e-4, local_sd=1e-4, tolerance=1e-4, max_iterations=500)

METHODS = pytest.mark.parametrize(
    "method",
    [vsharp, small_sharp, small_resharp, revsharp, small_ismv, pdf, msmv, extended, lbv],
    ids=["vsharp", "sharp", "resharp", "revsharp", "ismv", "pdf", "msmv", "extended_resharp", "lbv"],
)
SCANS = pytest.mark.parametrize("scan", [CUBES, OBLIQUE], ids=["cubes", "oblique"])


def positions(grid):
    return grid.world(np.moveaxis(np.indices(grid.shape), 0, -1))


def head(scan):
    """A grid and an ellipsoid on it, its semi-axes 38 % of the field of view."""
    shape, voxel_size, tilt = scan
    grid = Grid.tilted(shape, voxel_size, tilt=tilt)
    extent = np.array(shape) * voxel_size
    scaled = (np.moveaxis(np.indices(shape), 0, -1) - (np.array(shape) - 1) / 2) / (0.38 * np.array(shape))
    return grid, (scaled**2).sum(-1) < 1, 0.38 * extent


def sphere_field(grid, centre, radius, chi):
    """Field of a sphere at voxel-axis position `centre` in mm: zero inside, a dipole's outside (ppm)."""
    d = positions(grid) - grid.axes @ centre
    square = (d**2).sum(-1)
    outside = chi / 3 * radius**3 * (3 * d[..., 2] ** 2 - square) / np.maximum(square, radius**2) ** 2.5
    return np.where(square > radius**2, outside, 0)


def background(grid, semi_axes):
    """Air-like sources at half as far again as the edge, an offset and a shim (ppm)."""
    field = sum(
        sphere_field(grid, np.array(direction) / np.linalg.norm(direction) * semi_axes * 1.6, 6.0, chi)
        for direction, chi in (((1, 2, 0), 4.0), ((-2, 1, 1), -3.0), ((0.2, -0.5, -1), 6.0))
    )
    x, y, z = np.moveaxis(positions(grid) / 50, -1, 0)
    return field + 0.3 + 0.2 * x - 0.1 * z + 0.3 * (x**2 - y**2) + 0.2 * y * z


def local(grid):
    """Three spheres deep inside (ppm)."""
    return (
        sphere_field(grid, np.array([3.0, 0.0, 0.0]), 3.0, 0.2)
        + sphere_field(grid, np.array([-4.0, 5.0, 2.0]), 2.5, -0.15)
        + sphere_field(grid, np.array([0.0, -5.0, -4.0]), 3.5, 0.1)
    )


def relative(field, truth, mask):
    return np.linalg.norm((field - truth)[mask]) / np.linalg.norm(truth[mask])


@SCANS
@pytest.mark.parametrize(
    ("method", "most"),
    [
        (vsharp, 0.02), (small_sharp, 0.01), (small_resharp, 0.005), (revsharp, 0.01), (small_ismv, 0.01),
        (fine_pdf, 0.01), (fine_extended, 0.01), (lbv, 0.01),
    ],
    ids=["vsharp", "sharp", "resharp", "revsharp", "ismv", "pdf", "extended_resharp", "lbv"],
)
def test_field_of_sources_outside_is_removed(method, most, scan):
    grid, mask, semi_axes = head(scan)
    field = background(grid, semi_axes)
    found = method(field, mask, grid)
    variation = np.linalg.norm((field - field[mask].mean())[found.mask])
    assert np.linalg.norm(found.local_field[found.mask]) < most * variation


@SCANS
@pytest.mark.parametrize(
    ("method", "most"),
    [
        (vsharp, 0.5), (small_sharp, 0.5), (small_resharp, 0.2), (revsharp, 0.2), (small_ismv, 0.3),
        (pdf, 0.25), (msmv, 0.3), (extended, 0.35), (lbv, 0.2),
    ],
    ids=["vsharp", "sharp", "resharp", "revsharp", "ismv", "pdf", "msmv", "extended_resharp", "lbv"],
)
def test_field_of_sources_inside_is_kept(method, most, scan):
    grid, mask, semi_axes = head(scan)
    truth = local(grid)
    found = method(truth + background(grid, semi_axes), mask, grid)
    truth -= truth[found.mask].mean()
    found.local_field[found.mask] -= found.local_field[found.mask].mean()
    assert relative(found.local_field, truth, found.mask) < most


@METHODS
def test_constant_field_is_removed(method):
    grid, mask, _ = head(CUBES)
    found = method(np.full(grid.shape, 2.0), mask, grid)
    assert np.abs(found.local_field).max() < 1e-4


@METHODS
def test_field_outside_the_mask_does_not_matter(method, rng):
    grid, mask, semi_axes = head(CUBES)
    field = local(grid) + background(grid, semi_axes)
    other = np.where(mask, field, rng.normal(size=field.shape))
    np.testing.assert_array_equal(method(other, mask, grid).local_field, method(field, mask, grid).local_field)


@METHODS
def test_twice_the_field_is_twice_the_local_field(method):
    grid, mask, semi_axes = head(CUBES)
    field = local(grid) + background(grid, semi_axes)
    once, twice = method(field, mask, grid), method(2 * field, mask, grid)
    np.testing.assert_allclose(twice.local_field, 2 * once.local_field, atol=1e-9)


@METHODS
@pytest.mark.parametrize("order", [(1, 2, 0), (2, 1, 0)])
def test_permuted_axes_give_a_permuted_local_field(method, order):
    grid, mask, semi_axes = head(OBLIQUE)
    field = local(grid) + background(grid, semi_axes)
    affine = grid.affine.copy()
    affine[:, :3] = affine[:, list(order)]
    turned = Grid(tuple(grid.shape[i] for i in order), affine)
    found = method(field.transpose(order), mask.transpose(order), turned)
    expected = method(field, mask, grid)
    np.testing.assert_array_equal(found.mask, expected.mask.transpose(order))
    assert relative(found.local_field, expected.local_field.transpose(order), found.mask) < 1e-3


PRECISE = [vsharp, small_sharp, small_resharp, revsharp, small_ismv, partial(pdf, tolerance=1e-4), lbv]


# Two systems in a row: what rounding leaves in the core is continued to the edge, and grows on the way.
@pytest.mark.parametrize(("method", "most"), [*((method, 1e-3) for method in PRECISE), (extended, 2e-3)])
def test_single_precision_agrees_with_double(method, most):
    grid, mask, semi_axes = head(CUBES)
    field = local(grid) + background(grid, semi_axes)
    double, single = method(field, mask, grid), method(field.astype(np.float32), mask, grid)
    assert single.local_field.dtype == np.float32
    assert double.local_field.dtype == np.float64
    assert relative(single.local_field, double.local_field, single.mask) < most


@METHODS
def test_mask_is_a_part_of_the_given_one_and_the_field_zero_outside(method):
    grid, mask, semi_axes = head(CUBES)
    given = mask.copy()
    found = method(background(grid, semi_axes), mask, grid)
    np.testing.assert_array_equal(mask, given)
    assert found.mask.any()
    assert not (found.mask & ~mask).any()
    assert not found.local_field[~found.mask].any()
    assert found.mask is not mask


def test_mask_that_fills_the_volume_is_worked_on():
    grid = Grid.tilted((20, 21, 22), (1.0, 1.0, 1.0))
    x, y, _ = np.moveaxis(positions(grid) / 10, -1, 0)
    for method in (vsharp, small_resharp, revsharp, lbv):
        found = method(x**2 - y**2, np.ones(grid.shape, bool), grid)
        assert found.mask.sum() < found.mask.size
        assert np.abs(found.local_field).max() < 0.02


def test_voxels_of_large_variance_hardly_count_in_pdf(rng):
    grid, mask, semi_axes = head(CUBES)
    truth = local(grid)
    field = truth + background(grid, semi_axes)
    noisy = (rng.random(grid.shape) < 0.1) & mask
    field[noisy] += rng.normal(0, 0.05, noisy.sum())
    plain = pdf(field, mask, grid)
    weighted = pdf(field, mask, grid, np.where(noisy, 0.05, 0.001))
    good = mask & ~noisy
    assert (weighted.local_field - truth)[good].std() < 0.5 * (plain.local_field - truth)[good].std()


def test_ismv_finds_the_limit_of_the_published_iteration(rng):
    grid, mask, _ = head(CUBES)
    field = rng.normal(size=grid.shape)
    found = ismv(field, mask, grid, radius=4.5, tolerance=1e-8)
    kernel = smv_kernel(4.5, grid.voxel_size, grid.shape, dtype=float)
    background = (field - found.local_field) * mask
    mean = convolve(background, kernel, grid.shape)
    np.testing.assert_allclose(mean[found.mask], background[found.mask], atol=1e-6)


def cortex(grid, mask, rng):
    """Field of sources in the whole mask, up to its edge, smooth over 3 mm (ppm)."""
    chi = gaussian_filter(rng.normal(size=grid.shape), [3 / h for h in grid.voxel_size]) * mask
    return forward_field(0.05 / chi[mask].std() * chi, grid)


def test_extended_resharp_keeps_the_core_of_resharp_and_fills_the_rim(rng):
    grid, mask, semi_axes = head(CUBES)
    truth = cortex(grid, mask, rng)
    field = truth + background(grid, semi_axes)
    core = resharp(field, mask, grid, radius=6.0, regularisation=1e-4)
    found = extended_resharp(field, mask, grid, radius=6.0, core_sd=1e-4)
    np.testing.assert_array_equal(found.mask, mask)
    difference = found.local_field - core.local_field
    assert difference[core.mask].std() < 0.05 * truth[core.mask].std()
    rim = mask & ~core.mask
    assert np.corrcoef(extended(field, mask, grid).local_field[rim], truth[rim])[0, 1] > 0.4


def test_voxels_of_large_variance_hardly_count_in_the_rim_of_extended_resharp(rng):
    grid, mask, semi_axes = head(CUBES)
    truth = local(grid)
    field = truth + background(grid, semi_axes)
    noisy = mask & ~small_resharp(field, mask, grid).mask & (rng.random(grid.shape) < 0.2)
    field[noisy] += rng.normal(0, 0.1, noisy.sum())
    plain = extended(field, mask, grid)
    weighted = extended(field, mask, grid, np.where(noisy, 0.1, 0.001))
    good = mask & ~noisy
    assert (weighted.local_field - truth)[good].std() < 0.8 * (plain.local_field - truth)[good].std()


def test_msmv_changes_only_what_is_too_large_next_to_the_edge(rng):
    grid, mask, semi_axes = head(CUBES)
    field = cortex(grid, mask, rng) + background(grid, semi_axes)
    projected, found = pdf(field, mask, grid).local_field, msmv(field, mask, grid, quantile=0.9)
    deep = clearance(mask, grid.voxel_size, 9.0) > 5.0
    np.testing.assert_array_equal(found.local_field[deep], projected[deep])
    changed = found.local_field != projected
    assert changed.any()
    assert np.abs(projected[changed]).min() > np.quantile(np.abs(projected[deep]), 0.89)
    assert np.linalg.norm(found.local_field[changed]) < np.linalg.norm(projected[changed])


def test_msmv_needs_a_core():
    grid = Grid.tilted((20, 20, 20))
    mask = np.zeros(grid.shape, bool)
    mask[7:13, 7:13, 7:13] = True
    with pytest.raises(MaskError, match="below the edge"):
        msmv(np.zeros(grid.shape), mask, grid)


@SCANS
def test_sdf_removes_what_is_even_and_keeps_what_is_fine(scan):
    grid, mask, _ = head(scan)
    fine = sphere_field(grid, np.zeros(3), 2.5, 0.2)
    found = sdf(fine + 3.0, mask, grid)
    assert found.mask.sum() == mask.sum()
    assert relative(found.local_field, fine - fine[mask].mean(), mask) < 0.2
    assert np.abs(sdf(np.full(grid.shape, 3.0), mask, grid).local_field).max() < 1e-9


def test_sdf_is_a_gaussian_high_pass_deep_in_the_mask(rng):
    grid = Grid.tilted((40, 40, 40))
    mask = np.ones(grid.shape, bool)
    field = gaussian_filter(rng.normal(size=grid.shape), 2)
    found = sdf(field, mask, grid, sigma=2.0, radius=4.0)
    expected = field - gaussian_filter(field, 2.0, truncate=8)
    assert relative(found.local_field, expected, clearance(mask, grid.voxel_size, 20) > 16) < 1e-6


def test_smallest_ball_erodes_by_the_voxels_that_it_touches():
    grid = Grid.tilted((15, 15, 15))
    mask = np.zeros(grid.shape, bool)
    mask[3:12, 3:12, 3:12] = True
    whole = vsharp(np.zeros(grid.shape), mask, grid, max_radius=3.0)
    assert whole.mask.sum() == 7**3
    larger = vsharp(np.zeros(grid.shape), mask, grid, max_radius=3.0, min_radius=1.6)
    assert larger.mask.sum() == 5**3


def test_truncation_threshold_of_vsharp_drops_slow_variations():
    grid, mask, semi_axes = head(CUBES)
    field = local(grid) + background(grid, semi_axes)
    low, high = (vsharp(field, mask, grid, threshold=t).local_field for t in (0.05, 0.8))
    assert np.linalg.norm(high) < np.linalg.norm(low)


def test_more_regularisation_shrinks_the_local_field():
    grid, mask, _ = head(CUBES)
    field = local(grid)
    for method in (small_resharp, revsharp):
        weak, strong = (method(field, mask, grid, regularisation=v).local_field for v in (1e-3, 0.1))
        assert np.linalg.norm(strong) < 0.95 * np.linalg.norm(weak)


def test_lbv_solves_its_boundary_value_problem(rng):
    grid, mask, _ = head(OBLIQUE)
    field = rng.normal(size=grid.shape)
    found = lbv(field, mask, grid, tolerance=1e-10)
    removed = field - found.local_field
    residue = sum(
        (np.roll(removed, 1, axis) + np.roll(removed, -1, axis) - 2 * removed) / h**2
        for axis, h in enumerate(grid.voxel_size)
    )
    assert np.abs(residue[found.mask]).max() < 1e-6
    np.testing.assert_array_equal(removed[mask & ~found.mask], field[mask & ~found.mask])


def test_lbv_peels_layers():
    grid = Grid.tilted((15, 15, 15))
    mask = np.zeros(grid.shape, bool)
    mask[2:13, 2:13, 2:13] = True
    assert lbv(np.zeros(grid.shape), mask, grid).mask.sum() == 9**3
    assert lbv(np.zeros(grid.shape), mask, grid, peel=2).mask.sum() == 5**3
    with pytest.raises(MaskError, match="peel fewer"):
        lbv(np.zeros(grid.shape), mask, grid, peel=6)


def test_lbv_converges_as_fast_on_slabs_of_thick_slices():
    grid = Grid.tilted((60, 60, 9), (0.7, 0.7, 4.0))
    mask = np.zeros(grid.shape, bool)
    mask[2:-2, 2:-2, 1:-1] = True
    x, y, z = np.moveaxis(positions(grid), -1, 0)
    lbv(np.sin(x / 3) * np.cos(y / 5) + z, mask, grid, max_iterations=12)


@pytest.mark.parametrize("radius", np.linspace(3.0, 5.0, 9) + 0.0123)
def test_any_radius_fits_deep_in_the_mask(radius):
    grid, mask, _ = head(CUBES)
    assert resharp(np.zeros(grid.shape), mask, grid, radius=radius).mask[22, 20, 23]


@pytest.mark.parametrize("method", [vsharp, sharp, resharp, revsharp, ismv, extended_resharp])
def test_mask_without_room_for_a_ball_is_refused(method):
    grid = Grid.tilted((20, 20, 20))
    mask = np.zeros(grid.shape, bool)
    mask[10, 5:15, 5:15] = True
    with pytest.raises(MaskError, match="fits into the mask"):
        method(np.zeros(grid.shape), mask, grid)


@pytest.mark.parametrize("method", [vsharp, revsharp])
def test_radii_in_the_wrong_order_are_refused(method):
    grid, mask, _ = head(CUBES)
    with pytest.raises(ParameterError, match="below the least"):
        method(np.zeros(grid.shape), mask, grid, max_radius=3.0, min_radius=4.0)


PHASE_METHODS = pytest.mark.parametrize("method", [harperella, iharperella])
TIMES, B0 = np.array([0.004, 0.012]), 3.0


def phases(field):
    """Wrapped phase of a field in ppm at two echo times."""
    per_ppm = np.array([radians_per_ppm(B0, t) for t in TIMES])
    return np.angle(np.exp(1j * field[..., None] * per_ppm))


@PHASE_METHODS
@SCANS
def test_field_of_sources_inside_is_found_from_wrapped_phase(method, scan):
    grid, mask, semi_axes = head(scan)
    truth = local(grid)
    phase = phases(truth + background(grid, semi_axes))
    assert np.abs(np.diff(phase[..., 1], axis=0)[mask[1:] & mask[:-1]]).max() > np.pi  # it does wrap
    found = method(phase, TIMES, B0, mask, grid)
    np.testing.assert_array_equal(found.mask, mask)
    assert np.corrcoef(found.local_field[mask], truth[mask])[0, 1] > 0.9
    assert relative(found.local_field, truth - truth[mask].mean(), mask) < 0.6


@PHASE_METHODS
def test_phase_outside_the_mask_and_whole_turns_do_not_matter(method, rng):
    grid, mask, semi_axes = head(CUBES)
    phase = phases(local(grid) + background(grid, semi_axes))
    expected = method(phase, TIMES, B0, mask, grid).local_field
    other = np.where(mask[..., None], phase + 2 * np.pi * rng.integers(-2, 3, phase.shape), 1.0)
    np.testing.assert_allclose(method(other, TIMES, B0, mask, grid).local_field, expected, atol=1e-9)


@PHASE_METHODS
def test_harmonic_phase_is_removed(method):
    grid, mask, _ = head(OBLIQUE)
    x, y, z = np.moveaxis(positions(grid) / 50, -1, 0)
    found = method(phases(2 + x - z + x**2 - y**2 + 0.5 * y * z), TIMES, B0, mask, grid)
    assert np.abs(found.local_field).max() < 1e-6


@PHASE_METHODS
def test_echoes_without_signal_do_not_count(method, rng):
    grid, mask, semi_axes = head(CUBES)
    phase = phases(local(grid) + background(grid, semi_axes))
    expected = method(phase[..., :1], TIMES[:1], B0, mask, grid).local_field
    phase[..., 1] = rng.uniform(-np.pi, np.pi, grid.shape)
    magnitude = np.stack([np.ones(grid.shape), np.zeros(grid.shape)], -1)
    np.testing.assert_allclose(method(phase, TIMES, B0, mask, grid, magnitude).local_field, expected, atol=1e-9)
