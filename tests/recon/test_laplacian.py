"""Laplacian unwrapping: exact for the discrete Laplacian, changed only by a harmonic background."""

import math

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from qsmkit.grid import Grid
from qsmkit.recon.unwrap.laplacian import laplacian

GRID = Grid.tilted((21, 18, 25), (0.7, 1.0, 2.2), tilt=15)


def wrapped(angle):
    return np.angle(np.exp(1j * angle)).astype(angle.dtype)


def smooth_phase(dtype=np.float64):
    x, y, z = np.moveaxis(GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1)), -1, 0)
    steep = 1.1 * x - 0.7 * y + 0.03 * x * y + 0.006 * z**2 + 2 * np.exp(-(x**2 + y**2 + z**2) / 20)
    return np.stack([steep, 2 * steep], axis=-1).astype(dtype)


def differences(phase, function):
    """Σ over the six neighbours of function(difference) / h², mirrored at the faces."""
    total = np.zeros_like(phase)
    for axis in range(3):
        step = function(np.diff(phase, axis=axis)) / GRID.voxel_size[axis] ** 2
        inner, outer = [slice(None)] * 3, [slice(None)] * 3
        inner[axis], outer[axis] = slice(None, -1), slice(1, None)
        total[tuple(inner)] += step
        total[tuple(outer)] -= step
    return total


def ball(radius):
    at = GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1))
    return np.linalg.norm(at, axis=-1) < radius


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-4), (np.float64, 1e-9)])
def test_a_smooth_phase_is_recovered(dtype, tolerance):
    truth = smooth_phase(dtype)
    assert np.ptp(truth[..., 0]) > 6 * math.pi
    for axis in range(3):
        assert np.abs(np.diff(truth, axis=axis)).max() < math.pi
    result = laplacian(wrapped(truth), GRID)
    assert result.dtype == dtype
    shift = (result - truth).reshape(-1, 2).mean(axis=0)
    np.testing.assert_allclose(shift / (2 * math.pi), np.round(shift / (2 * math.pi)), atol=tolerance)
    np.testing.assert_allclose(result - shift, truth, atol=tolerance)


def test_sines_solve_the_published_equation(rng):
    phase = rng.uniform(-math.pi, math.pi, (*GRID.shape, 1))
    result = laplacian(phase, GRID, differences="sine")[..., 0]
    sine, cosine = np.sin(phase[..., 0]), np.cos(phase[..., 0])
    published = cosine * differences(sine, np.asarray) - sine * differences(cosine, np.asarray)
    np.testing.assert_allclose(differences(result, np.asarray), published, atol=1e-9)
    assert np.abs(result - laplacian(phase, GRID)[..., 0]).max() > 1


def test_a_mask_changes_the_harmonic_background_only():
    truth, mask = smooth_phase(), ball(7)
    result = laplacian(wrapped(truth), GRID, mask)
    assert not result[~mask].any()
    change = (result - truth)[..., 0]
    inner = binary_erosion(mask)
    assert np.ptp(change[inner]) > 1  # not congruent, and not merely shifted
    np.testing.assert_allclose(differences(change, np.asarray)[inner], 0, atol=1e-9)


def test_axes_may_be_permuted_and_flipped(rng):
    phase, mask = rng.uniform(-math.pi, math.pi, (*GRID.shape, 1)), ball(8)
    turned = Grid((25, 21, 18), GRID.affine[:, [2, 0, 1, 3]])
    result = laplacian(phase.transpose(2, 0, 1, 3)[::-1], turned, mask.transpose(2, 0, 1)[::-1])
    np.testing.assert_allclose(result[::-1].transpose(1, 2, 0, 3), laplacian(phase, GRID, mask), atol=1e-9)


def test_whole_turns_in_the_input_do_not_matter(rng):
    phase = rng.uniform(-3, 3, (*GRID.shape, 1))
    turns = 2 * math.pi * rng.integers(-3, 4, phase.shape)
    np.testing.assert_allclose(laplacian(phase + turns, GRID), laplacian(phase, GRID), atol=1e-8)
