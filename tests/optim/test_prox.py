"""Proximal operators."""

import numpy as np
import pytest

from qsmkit.errors import ParameterError
from qsmkit.optim import prox

SHAPE = (3, 40)


def value(name, x):
    """The function g whose operator is tested."""
    return {
        "l1": lambda: 0.7 * np.abs(x).sum(),
        "group": lambda: 0.7 * np.linalg.norm(x, axis=0).sum(),
        "squared": lambda: 0.35 * ((x - 0.4) ** 2).sum(),
    }[name]()


OPERATORS = {"l1": prox.l1(0.7), "group": prox.group_l2(0.7), "squared": prox.squared_l2(0.7, 0.4)}


@pytest.mark.parametrize("name", OPERATORS)
def test_result_minimises_its_objective(rng, name):
    v, t = rng.standard_normal(SHAPE), 0.8
    best = OPERATORS[name](v, t)

    def objective(x):
        return value(name, x) + ((x - v) ** 2).sum() / (2 * t)

    for size in (1e-3, 1e-1):
        for _ in range(20):
            assert objective(best) <= objective(best + size * rng.standard_normal(SHAPE))


def test_closed_forms():
    v = np.array([-3.0, -0.5, 0.0, 0.5, 2.0])
    np.testing.assert_allclose(prox.l1(2.0)(v, 0.5), [-2, 0, 0, 0, 1])
    np.testing.assert_allclose(prox.group_l2()(np.array([[3.0, 0.3, 0.0], [4.0, 0.4, 0.0]]), 1.0),
                               [[2.4, 0, 0], [3.2, 0, 0]])
    np.testing.assert_allclose(prox.squared_l2(1.0, 2.0)(v, 1.0), (v + 2) / 2)
    np.testing.assert_allclose(prox.box(-1, 1)(v, 9.0), [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_allclose(prox.box(0)(v, 9.0), [0, 0, 0, 0.5, 2])
    np.testing.assert_allclose(prox.support(v > 0)(v, 9.0), [0, 0, 0, 0.5, 2])


def test_weights_vary_over_the_volume(rng):
    v, weight = rng.standard_normal((3, 4, 5)), rng.random((4, 5))
    each = np.stack([
        np.stack([prox.group_l2(weight[i, j])(v[:, i, j], 1.0) for j in range(5)], axis=-1) for i in range(4)
    ], axis=1)
    np.testing.assert_allclose(prox.group_l2(weight)(v, 1.0), each)


def test_conjugate_of_the_group_norm_projects_onto_its_ball(rng):
    v = 3 * rng.standard_normal(SHAPE)
    length = np.linalg.norm(v, axis=0)
    for t in (0.3, 1.0, 5.0):
        np.testing.assert_allclose(prox.conjugate(OPERATORS["group"])(v, t), v * np.minimum(1, 0.7 / length))


@pytest.mark.parametrize("name", OPERATORS)
def test_precision_is_kept(rng, name):
    assert OPERATORS[name](rng.standard_normal(SHAPE).astype(np.float32), 0.5).dtype == np.float32


def test_empty_box_is_refused():
    with pytest.raises(ParameterError, match="low"):
        prox.box(1, 0)
