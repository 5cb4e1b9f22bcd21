"""Linear operators."""

import numpy as np
import pytest

from qsmkit.errors import ShapeError
from qsmkit.optim.linop import LinearOperator, diagonal, dot_test, identity
from qsmkit.physics.derivatives import gradient, gradient_adjoint

SHAPE = (5, 6, 7)
VOXEL = (1.0, 1.2, 2.0)


def matrix(a):
    return LinearOperator((a.shape[1],), (a.shape[0],), lambda x: a @ x, lambda y: a.T @ y)


def difference():
    return LinearOperator(
        SHAPE, (3, *SHAPE), lambda x: gradient(x, VOXEL), lambda g: gradient_adjoint(g, VOXEL)
    )


def test_algebra_equals_that_of_matrices(rng):
    a, b = rng.standard_normal((2, 4, 5))
    c = rng.standard_normal((5, 3))
    combined = 2.0 * (matrix(a) + matrix(b)) @ matrix(c)
    expected = 2 * (a + b) @ c
    x, y = rng.standard_normal(3), rng.standard_normal(4)
    np.testing.assert_allclose(combined(x), expected @ x)
    np.testing.assert_allclose(combined.T(y), expected.T @ y)
    assert (combined.domain, combined.range) == ((3,), (4,))


def test_dot_test_passes_true_adjoints_and_fails_others(rng):
    weights = rng.random((3, *SHAPE))
    assert dot_test(difference(), rng) < 1e-12
    assert dot_test(diagonal(weights) @ difference() @ identity(SHAPE), rng) < 1e-12
    periodic = LinearOperator(
        SHAPE, (3, *SHAPE), difference().forward, lambda g: gradient_adjoint(g, VOXEL, boundary="periodic")
    )
    assert dot_test(periodic, rng) > 1e-3


def test_norm_is_the_largest_singular_value(rng):
    a = rng.standard_normal((6, 9))
    assert matrix(a).norm(rng, iterations=200) == pytest.approx(np.linalg.norm(a, 2), rel=1e-6)
    assert matrix(np.zeros((3, 3))).norm(rng) == 0
    bound = 2 * np.sqrt(sum(1 / h**2 for h in VOXEL))
    assert 0.8 * bound < difference().norm(rng) < bound


def test_shapes_are_checked(rng):
    a = matrix(rng.standard_normal((4, 5)))
    with pytest.raises(ShapeError, match=r"\(5,\)"):
        a(np.zeros(4))
    with pytest.raises(ShapeError, match="chain"):
        a @ a
    with pytest.raises(ShapeError, match="add"):
        a + a.T
