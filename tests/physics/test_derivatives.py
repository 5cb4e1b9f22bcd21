"""Differences on the voxel grid."""

import numpy as np
import pytest

from qsmkit.physics.derivatives import gradient, gradient_adjoint, gradient_symbol, laplacian
from qsmkit.physics.fft import irfftn, rfftn

SHAPES = [(8, 9, 10), (7, 6, 5), (1, 4, 3), (5, 2, 1)]
VOXEL = (0.8, 1.0, 2.5)
BOUNDARIES = ["neumann", "periodic"]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_adjoint(rng, shape, boundary):
    x, g = rng.standard_normal(shape), rng.standard_normal((3, *shape))
    left = np.vdot(gradient(x, VOXEL, boundary=boundary), g)
    right = np.vdot(x, gradient_adjoint(g, VOXEL, boundary=boundary))
    assert left == pytest.approx(right, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_laplacian_is_minus_gradient_adjoint_of_gradient(rng, shape, boundary):
    x = rng.standard_normal(shape)
    expected = -gradient_adjoint(gradient(x, VOXEL, boundary=boundary), VOXEL, boundary=boundary)
    np.testing.assert_allclose(laplacian(x, VOXEL, boundary=boundary), expected, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_symbol_diagonalises_the_periodic_laplacian(rng, shape):
    x = rng.standard_normal(shape)
    filtered = irfftn(-gradient_symbol(shape, VOXEL, dtype=np.float64) * rfftn(x), shape)
    np.testing.assert_allclose(filtered, laplacian(x, VOXEL, boundary="periodic"), atol=1e-11)


def test_linear_and_quadratic_volumes():
    """Slope 2, 3, −1 per mm; curvature 2 per mm² along each axis: exact inside."""
    x, y, z = np.meshgrid(*[np.arange(n) * h for n, h in zip((6, 7, 8), VOXEL, strict=True)], indexing="ij")
    g = gradient(2 * x + 3 * y - z, VOXEL)
    for component, slope in zip(g, (2, 3, -1), strict=True):
        np.testing.assert_allclose(component[:-1, :-1, :-1], slope, atol=1e-12)
    assert not g[0, -1].any()
    assert not g[1, :, -1].any()
    assert not g[2, :, :, -1].any()
    np.testing.assert_allclose(laplacian(x**2 + y**2 + z**2, VOXEL)[1:-1, 1:-1, 1:-1], 6, atol=1e-10)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_constants_vanish_and_the_laplacian_keeps_the_sum(rng, boundary):
    assert not gradient(np.full((4, 5, 6), 3.0), VOXEL, boundary=boundary).any()
    assert abs(laplacian(rng.standard_normal((4, 5, 6)), VOXEL, boundary=boundary).sum()) < 1e-12


@pytest.mark.parametrize("order", [(1, 2, 0), (0, 2, 1)])
def test_permuted_axes_give_permuted_components(rng, order):
    x = rng.standard_normal((5, 6, 7))
    turned = gradient(np.ascontiguousarray(x.transpose(order)), tuple(VOXEL[i] for i in order))
    expected = gradient(x, VOXEL)[list(order)].transpose(0, *[1 + i for i in order])
    np.testing.assert_allclose(turned, expected, atol=1e-12)


def test_single_precision_is_kept(rng):
    x = rng.standard_normal((6, 7, 8))
    single = laplacian(x.astype(np.float32), VOXEL)
    assert single.dtype == gradient(x.astype(np.float32), VOXEL).dtype == np.float32
    np.testing.assert_allclose(single, laplacian(x, VOXEL), atol=1e-4)
