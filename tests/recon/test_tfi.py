import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.physics.derivatives import gradient
from qsmkit.physics.dipole import forward_field
from qsmkit.physics.smv import clearance
from qsmkit.recon import pdf, tfi, tv
from qsmkit.recon.inversion.edges import contrasted

SHAPE = (48, 44, 40)


@pytest.fixture(scope="module", params=[((2, 2, 2), 0), ((2, 2, 3), 25)], ids=["axial", "oblique"])
def scene(request):
    """Sources inside a ball, stronger ones outside, and the field of all."""
    voxel_size, tilt = request.param
    grid = Grid.tilted(SHAPE, voxel_size, tilt=tilt)
    world = grid.world(np.moveaxis(np.indices(SHAPE), 0, -1))

    def ball(centre, radius):
        return np.linalg.norm(world - np.array(centre), axis=-1) < radius

    mask = ball((0, 0, 0), 32)
    chi = 0.1 * ball((10, 4, 0), 7) - 0.05 * ball((-12, -6, 4), 8)
    chi = (chi + 0.08 * ball((0, 24, 0), 6)).astype(np.float32) * mask
    outside = (3.0 * ball((0, -38, 20), 6) * ~mask).astype(np.float32)
    local = forward_field(chi, grid)
    return grid, mask, chi, local, (local + forward_field(outside, grid)).astype(np.float32)


def error(x, truth, mask):
    a, b = x[mask] - x[mask].mean(), truth[mask] - truth[mask].mean()
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def test_it_wins_back_what_projection_onto_dipole_fields_gives_away(scene):
    grid, mask, chi, local, total = scene
    projected = pdf(total, mask, grid)
    two_steps = tv(projected.local_field, mask, grid)
    joint = tfi(total, mask, grid, tolerance=0.005, max_iterations=600)
    assert error(joint.chi, chi, mask) < 0.5 * error(two_steps, chi, mask)
    assert error(joint.local_field, local, mask) < 0.5 * error(projected.local_field, local, mask)


def test_it_keeps_the_whole_mask_and_its_type(scene):
    grid, mask, _, _, total = scene
    made = tfi(total, mask, grid, tolerance=0.05)
    assert made.chi.dtype == np.float32
    assert not made.chi[~mask].any()
    assert not made.local_field[~mask].any()
    assert (made.chi[mask] != 0).mean() > 0.99


def test_unknown_voxels_do_not_matter(scene):
    grid, mask, chi, _, total = scene
    sd = np.full(SHAPE, 0.001, np.float32)
    hole = np.zeros(SHAPE, bool)
    hole[20:23, 10:13, 18:21] = True
    sd[hole] = 0
    spoiled = np.where(hole, 5, total).astype(np.float32)
    first, second = (tfi(field, mask, grid, sd, tolerance=0.005) for field in (total, spoiled))
    np.testing.assert_allclose(first.chi, second.chi, atol=2e-5)
    assert error(second.chi, chi, mask & ~hole) < 0.25


def test_edges_of_the_magnitude_keep_contrast_that_flattening_would_take(scene):
    grid, mask, chi, _, total = scene
    strength = np.where(chi != 0, 0.6, 1.0) + 0.01 * np.random.default_rng(0).standard_normal(SHAPE)
    magnitude = strength.astype(np.float32)[..., None]
    plain = tfi(total, mask, grid, regularisation=2e-3, tolerance=0.02)
    guided = tfi(total, mask, grid, None, magnitude, regularisation=2e-3, tolerance=0.02)
    assert error(guided.chi, chi, mask) < 0.8 * error(plain.chi, chi, mask)


def test_the_magnitudes_edges_are_where_tissue_changes_and_not_at_the_rim(scene):
    grid, mask, chi, _, _ = scene
    strength = np.where(mask, np.where(chi != 0, 0.6, 1.0), 0)
    noise = 0.01 * np.random.default_rng(0).standard_normal(SHAPE)
    found = contrasted((strength + noise).astype(np.float32)[..., None], mask, grid, contrast=6.0, depth=3.0)
    steps = np.linalg.norm(gradient(strength, (1.0, 1.0, 1.0)), axis=0) > 0
    deep = clearance(mask, grid.voxel_size, 10.0) > 6.0
    assert found[steps & deep].mean() > 0.95
    assert found[~steps & deep].mean() < 0.05
    assert not found[mask & (clearance(mask, grid.voxel_size, 10.0) <= 3.0)].any()
