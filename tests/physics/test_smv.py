"""Spherical means against the properties that define them."""

import itertools

import numpy as np
import pytest

from qsmkit.errors import ParameterError
from qsmkit.physics.fft import irfftn, rfftn
from qsmkit.physics.smv import ball, clearance, smv_kernel

VOXELS = [(1.0, 1.0, 1.0), (0.8, 0.8, 2.4), (2.4, 0.9, 1.3)]


def whole(octant):
    """The ball of all offsets, from its octant of non-negative ones."""
    for axis in range(3):
        mirrored = np.flip(octant.take(range(1, octant.shape[axis]), axis), axis)
        octant = np.concatenate([mirrored, octant], axis)
    return octant


def offsets(shape, voxel_size):
    axes = [(np.arange(n) - n // 2) * h for n, h in zip(shape, voxel_size, strict=True)]
    return np.meshgrid(*axes, indexing="ij")


@pytest.mark.parametrize("voxel_size", VOXELS)
@pytest.mark.parametrize("radius", [2.4, 4.0, 7.3])
def test_mean_of_a_harmonic_polynomial_is_its_centre(voxel_size, radius):
    weights = whole(ball(radius, voxel_size))
    x, y, z = (o / radius for o in offsets(weights.shape, voxel_size))
    assert weights.sum() == pytest.approx(1)
    for polynomial in (
        x, y * z, x**2 - z**2, 2 * z**2 - x**2 - y**2, x**3 - 3 * x * y**2, x * y * z,
        x**4 - 6 * x**2 * z**2 + z**4, 8 * z**4 - 24 * z**2 * (x**2 + y**2) + 3 * (x**2 + y**2) ** 2,
        x**5 - 10 * x**3 * y**2 + 5 * x * y**4,
    ):  # fmt: skip
        assert abs((weights * polynomial).sum()) < 1e-9
    assert (weights * (x**2 + y**2 + z**2)).sum() > 0.3  # not harmonic: 3/5 for a solid ball


def test_even_a_ball_shorter_than_a_voxel_has_equal_second_moments():
    weights = whole(ball(0.8, (1.2, 1.0, 1.1)))
    moments = [(weights * o**2).sum() for o in offsets(weights.shape, (1.2, 1.0, 1.1))]
    np.testing.assert_allclose(moments, moments[0], rtol=1e-9)
    assert moments[0] > 0


@pytest.mark.parametrize("voxel_size", VOXELS)
def test_field_of_a_dipole_outside_the_ball_is_removed(voxel_size, rng):
    weights = whole(ball(6.0, voxel_size))
    for direction in rng.normal(size=(10, 3)):
        source = direction / np.linalg.norm(direction) * 10
        d = [o - s for o, s in zip(offsets(weights.shape, voxel_size), source, strict=True)]
        square = sum(c**2 for c in d)
        field = (3 * d[2] ** 2 / square - 1) / square**1.5
        centre = field[tuple(n // 2 for n in field.shape)]
        assert abs((weights * field).sum() - centre) < 0.01 * 2 / 10**3


def test_weights_approach_the_ball_of_the_continuum():
    assert ball(9.0, (1, 1, 1))[0, 0, 0] == pytest.approx(1 / (4 / 3 * np.pi * 9**3), rel=0.02)


@pytest.mark.parametrize("shape", [(20, 22, 24), (19, 23, 21)])
def test_spectrum_is_the_transform_of_the_weights(shape):
    weights = ball(3.1, (0.9, 1.0, 1.4))
    volume = np.zeros(shape)
    for signs in itertools.product((1, -1), repeat=3):
        for index in np.ndindex(weights.shape):
            volume[tuple(s * i for s, i in zip(signs, index, strict=True))] = weights[index]
    kernel = smv_kernel(3.1, (0.9, 1.0, 1.4), shape, dtype=np.float64)
    np.testing.assert_allclose(kernel, rfftn(volume), atol=1e-12)
    single = smv_kernel(3.1, (0.9, 1.0, 1.4), shape)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, kernel, atol=1e-6)


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 1, 0)])
def test_permuted_axes_give_permuted_weights(order):
    voxel_size = (0.9, 1.0, 1.4)
    turned = ball(3.1, tuple(voxel_size[i] for i in order))
    np.testing.assert_allclose(turned, ball(3.1, voxel_size).transpose(order), atol=1e-12)


@pytest.mark.parametrize("voxel_size", VOXELS)
def test_clearance_is_the_distance_to_the_nearest_face_outside(voxel_size, rng):
    mask = rng.random((9, 6, 7)) < 0.97
    found = clearance(mask, voxel_size, 4.0)
    outside = np.argwhere(~np.pad(mask, 6))
    for index in np.argwhere(mask):
        gap = np.maximum(np.abs(outside - index - 6) - 0.5, 0) * voxel_size
        assert found[tuple(index)] == pytest.approx(min(np.linalg.norm(gap, axis=1).min(), 4.0), rel=1e-5)
    assert not found[~mask].any()


def test_ball_fits_exactly_where_the_clearance_says_so(rng):
    mask = np.zeros((24, 24, 20), bool)
    mask[2:-2, 2:-2, 2:-2] = rng.random((20, 20, 16)) < 0.998
    voxel_size, radius = (1.0, 1.2, 1.5), 3.3
    kernel = smv_kernel(radius, voxel_size, mask.shape, dtype=np.float64)
    share = irfftn(rfftn(mask.astype(float)) * kernel, mask.shape)
    weights = ball(radius, voxel_size)
    fits = clearance(mask, voxel_size, 5.0) >= radius
    assert fits.any()
    assert (share[fits] > 1 - 1e-9).all()
    assert (share[mask & ~fits] < 1 - 0.5 * weights[weights > 0].min()).mean() > 0.95


@pytest.mark.parametrize("radius", [0.5, 1.2])
def test_ball_without_neighbours_is_refused(radius):
    with pytest.raises(ParameterError, match="holds no neighbour"):
        ball(radius, (1.0, 1.0, 2.4))
