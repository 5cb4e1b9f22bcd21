"""Solvers against answers known without them, and what they say when they fail."""

import numpy as np
import pytest

from qsmkit.errors import ConvergenceWarning
from qsmkit.optim import prox
from qsmkit.optim.linop import LinearOperator, identity
from qsmkit.optim.solution import Solution
from qsmkit.optim.solvers import admm, cg, fista, iterate, lsmr, pdhg
from qsmkit.optim.total_variation import TotalVariation
from qsmkit.physics.derivatives import gradient, gradient_adjoint, gradient_symbol
from qsmkit.physics.fft import irfftn, rfftn


def matrix(a):
    return LinearOperator((a.shape[1],), (a.shape[0],), lambda x: a @ x, lambda y: a.T @ y)


@pytest.fixture
def least_squares(rng):
    return rng.standard_normal((40, 20)), rng.standard_normal(40)


@pytest.fixture
def lasso(rng):
    """An orthogonal matrix, for which the lasso is a soft threshold of Aᵀb."""
    a, _ = np.linalg.qr(rng.standard_normal((30, 30)))
    b = rng.standard_normal(30)
    return a, b, prox.l1(0.5)(a.T @ b, 1.0)


def test_cg_solves_normal_equations(least_squares):
    a, b = least_squares
    solution = cg(lambda x: a.T @ (a @ x), a.T @ b, tolerance=1e-12)
    assert solution.status == "converged"
    np.testing.assert_allclose(solution.x, np.linalg.lstsq(a, b)[0], atol=1e-8)


def test_cg_start_and_preconditioner_save_iterations(rng):
    diagonal = np.geomspace(1, 1e4, 50)
    b = rng.standard_normal(50)
    plain = cg(lambda x: diagonal * x, b, tolerance=1e-8, max_iterations=200)
    preconditioned = cg(lambda x: diagonal * x, b, precondition=lambda r: r / diagonal, tolerance=1e-8)
    assert preconditioned.iterations == 1 < plain.iterations
    warm = cg(lambda x: diagonal * x, b, x0=plain.x, tolerance=1e-6)
    assert warm.iterations <= 1
    np.testing.assert_allclose(plain.x, b / diagonal, atol=1e-7)


def test_cg_says_when_the_matrix_is_not_positive():
    assert cg(lambda x: -x, np.ones(3)).status == "stagnated"
    assert cg(lambda x: np.inf * x, np.ones(3)).status == "diverged"


@pytest.mark.parametrize("damping", [0.0, 2.0])
def test_lsmr_equals_damped_least_squares(least_squares, damping):
    a, b = least_squares
    solution = lsmr(matrix(a), b, damping=damping, tolerance=1e-12)
    assert solution.status == "converged"
    expected = np.linalg.solve(a.T @ a + damping**2 * np.eye(20), a.T @ b)
    np.testing.assert_allclose(solution.x, expected, atol=1e-9)


def test_lsmr_criterion_is_the_true_one_and_the_normal_residual_falls(least_squares):
    a, b = least_squares
    normal = []
    for iterations in range(1, 9):
        solution = lsmr(matrix(a), b, tolerance=0, max_iterations=iterations)
        residual = b - a @ solution.x
        normal.append(np.linalg.norm(a.T @ residual))
        # The norm of A is only estimated, as the Frobenius norm of what was seen of it.
        true = normal[-1] / (np.linalg.norm(a, 2) * np.linalg.norm(residual))
        assert 0.3 * true < solution.history[-1] < 3 * true
    assert (np.diff(normal) <= 0).all()


def test_lsmr_on_consistent_and_empty_systems(rng):
    a, x = rng.standard_normal((10, 10)), rng.standard_normal(10)
    np.testing.assert_allclose(lsmr(matrix(a), a @ x, tolerance=1e-13).x, x, atol=1e-7)
    nothing = lsmr(matrix(a), np.zeros(10))
    assert (nothing.status, nothing.iterations, nothing.x.any()) == ("converged", 0, np.False_)
    exact = lsmr(identity((10,)), x)
    assert exact.iterations == 1
    np.testing.assert_allclose(exact.x, x)


def test_fista_solves_the_lasso(lasso, least_squares):
    a, b, expected = lasso
    solution = fista(lambda x: a.T @ (a @ x - b), prox.l1(0.5), np.zeros(30), lipschitz=1.0)
    assert solution.status == "converged"
    np.testing.assert_allclose(solution.x, expected, atol=1e-10)
    a, b = least_squares
    square = np.linalg.norm(a, 2) ** 2
    solution = fista(lambda x: a.T @ (a @ x - b), prox.box(), np.zeros(20), lipschitz=square, tolerance=1e-10)
    np.testing.assert_allclose(solution.x, np.linalg.lstsq(a, b)[0], atol=1e-6)


def test_admm_solves_the_lasso(lasso):
    a, b, expected = lasso
    solution = admm(lambda v: (a.T @ b + 2 * v) / 3, prox.l1(0.5), identity((30,)), np.zeros(30),
                    penalty=2.0, tolerance=1e-10)
    assert solution.status == "converged"
    np.testing.assert_allclose(solution.x, expected, atol=1e-8)


def test_pdhg_solves_the_lasso(lasso):
    a, b, expected = lasso
    solution = pdhg(prox.l1(0.5), prox.conjugate(prox.squared_l2(1.0, b)), matrix(a), np.zeros(30),
                    norm=1.0, tolerance=1e-10)
    assert solution.status == "converged"
    np.testing.assert_allclose(solution.x, expected, atol=1e-8)


# Denoising, min ½‖x − b‖² + λ Σ|∇x|. A step that is constant in the plane, on a periodic volume, has a known
# answer: each plateau, of n voxels, moves towards the other by 2λ/n, one λ for each of its two ends.

WEIGHT = 0.3


@pytest.fixture
def step():
    b = np.zeros((12, 3, 4))
    b[:5] = 1
    expected = b.copy()
    expected[:5] -= 2 * WEIGHT / 5
    expected[5:] += 2 * WEIGHT / 7
    return b, expected


def periodic_gradient(shape):
    return LinearOperator(
        shape,
        (3, *shape),
        lambda x: gradient(x, (1, 1, 1), boundary="periodic"),
        lambda g: gradient_adjoint(g, (1, 1, 1), boundary="periodic"),
    )


def test_pdhg_denoises_a_step(step):
    b, expected = step
    k, dual = periodic_gradient(b.shape), prox.conjugate(prox.group_l2(WEIGHT))
    near, norm = prox.squared_l2(1.0, b), np.sqrt(12)
    solution = pdhg(near, dual, k, b, norm=norm, tolerance=1e-8, max_iterations=5000)
    assert solution.status == "converged"
    np.testing.assert_allclose(solution.x, expected, atol=1e-5)


def denoise(b, penalty):
    """Return the ADMM iterate x = argmin ½‖x − b‖² + ρ/2‖G x − v‖², as a function of Gᵀv."""
    response = 1 / (1 + penalty * gradient_symbol(b.shape, (1, 1, 1), dtype=b.dtype))
    return lambda pulled: irfftn(response * rfftn(b + penalty * pulled), b.shape)


def test_admm_denoises_a_step(step):
    b, expected = step
    k, solve = periodic_gradient(b.shape), denoise(b, 1.0)
    solution = admm(lambda v: solve(k.T(v)), prox.group_l2(WEIGHT), k, b, penalty=1.0, tolerance=1e-8)
    assert solution.status == "converged"
    np.testing.assert_allclose(solution.x, expected, atol=1e-6)


def test_fused_total_variation_is_that_admm(rng):
    """The same iterates, in two passes, on odd anisotropic volumes and with a threshold that varies."""
    b, penalty, voxel_size = rng.standard_normal((5, 7, 6)), 0.8, (1, 1, 1)
    weight = rng.random(b.shape)
    k, solve = periodic_gradient(b.shape), denoise(b, penalty)
    expected = admm(lambda v: solve(k.T(v)), prox.group_l2(weight), k, np.zeros_like(b),
                    penalty=penalty, relaxation=1.6, tolerance=0, max_iterations=12)
    variation, pulled, history = TotalVariation(weight / penalty, voxel_size, 1.6), np.zeros_like(b), []
    for _ in range(12):
        x = solve(pulled)
        history.append(variation.update(x))
        variation.pull(pulled)
    np.testing.assert_allclose(x, expected.x, atol=1e-12)
    np.testing.assert_allclose(history, expected.history, rtol=1e-9)


def test_iterate_reports_every_outcome():
    criteria = iter([1.0, 0.5, 0.1, 0.01])
    seen = []
    status, history = iterate(lambda: next(criteria), tolerance=0.2, max_iterations=10,
                              callback=lambda *a: seen.append(a))
    assert (status, history, seen) == ("converged", [1.0, 0.5, 0.1], [(1, 1.0), (2, 0.5), (3, 0.1)])
    assert iterate(lambda: 1.0, tolerance=0.2, max_iterations=3) == ("max_iterations", [1.0] * 3)
    assert iterate(lambda: float("nan"), tolerance=0.2, max_iterations=3)[0] == "diverged"


def test_a_step_too_long_diverges():
    with np.errstate(all="ignore"):
        solution = fista(lambda x: 1e6 * x, prox.box(), np.ones(3), lipschitz=1.0, max_iterations=2000)
    assert solution.status == "diverged"


def test_too_few_iterations_are_reported(least_squares):
    a, b = least_squares
    dual = prox.conjugate(prox.squared_l2(1.0, b))
    for solution in (
        lsmr(matrix(a), b, tolerance=1e-12, max_iterations=2),
        cg(lambda x: a.T @ (a @ x), a.T @ b, tolerance=1e-12, max_iterations=2),
        pdhg(prox.box(), dual, matrix(a), np.zeros(20), norm=50, max_iterations=2),
    ):
        assert (solution.status, solution.iterations, len(solution.history)) == ("max_iterations", 2, 2)


def test_accepting_a_solution_warns_unless_it_converged():
    assert Solution(3.0, "converged", 4, [1e-7]).accept("test") == 3.0
    for status in ("max_iterations", "stagnated", "diverged"):
        solution = Solution(3.0, status, 4, [0.1])
        assert solution.advice
        with pytest.warns(ConvergenceWarning, match=status):
            assert solution.accept("test") == 3.0
