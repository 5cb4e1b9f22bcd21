"""Inversions by splitting whose data term is not least squares, and those of the complex signal."""

import numpy as np
import pytest

from qsmkit.errors import ConvergenceWarning, InputError
from qsmkit.grid import Grid
from qsmkit.physics.dipole import forward_field
from qsmkit.recon import fansi, hdqsm, l1qsm, ndi, tv, weak_harmonic
from qsmkit.recon.inversion.fidelity import Fidelity
from qsmkit.units import radians_per_ppm

SCALE = 16.0


def fansi_tv(*inputs, **settings):
    return fansi(*inputs, phase_scale=SCALE, **settings)


def fansi_tgv(*inputs, **settings):
    return fansi(*inputs, prior="tgv", phase_scale=SCALE, **settings)


def harmonic(*inputs, **settings):
    return weak_harmonic(*inputs, phase_scale=SCALE, **settings).chi


def descent(*inputs, **settings):
    return ndi(*inputs, phase_scale=SCALE, **settings)


BOUNDS = {fansi_tv: 0.06, fansi_tgv: 0.12, l1qsm: 0.06, hdqsm: 0.06, harmonic: 0.25, descent: 0.55}
EVERY = pytest.mark.parametrize("method", BOUNDS, ids=lambda m: m.__name__)
SPLIT = pytest.mark.parametrize("method", [m for m in BOUNDS if m is not descent], ids=lambda m: m.__name__)


def scene(shape, voxel_size, tilt):
    grid = Grid.tilted(shape, voxel_size, tilt=tilt)
    place = (np.moveaxis(np.indices(shape), 0, -1) - (np.array(shape) - 1) / 2) * voxel_size
    extent = np.array(shape) * voxel_size

    def ball(centre, radius):
        return np.linalg.norm(place - np.array(centre) * extent, axis=-1) < radius

    mask = np.sum((place / (0.42 * extent)) ** 2, axis=-1) < 1
    chi = 0.1 * ball((0.1, 0.05, 0), 5) - 0.08 * ball((-0.15, 0.1, 0.1), 4) + 0.2 * ball((0, -0.2, -0.05), 3.5)
    chi = (chi * mask).astype(np.float32)
    return chi, forward_field(chi, grid) * mask, mask, grid


@pytest.fixture(scope="module")
def isotropic():
    return scene((40, 44, 42), (1.0, 1.0, 1.0), 20)


@pytest.fixture(scope="module")
def oblique():
    return scene((45, 43, 19), (0.9, 1.0, 2.2), 35)


def error(x, truth, mask):
    a, b = x[mask] - x[mask].mean(), truth[mask] - truth[mask].mean()
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@EVERY
@pytest.mark.parametrize("case", ["isotropic", "oblique"])
def test_recovers_susceptibility(method, case, request):
    chi, field, mask, grid = request.getfixturevalue(case)
    x = method(field, mask, grid)
    assert x.dtype == np.float32
    assert not x[~mask].any()
    assert error(x, chi, mask) < BOUNDS[method]


@EVERY
def test_single_equals_double_precision(isotropic, method):
    _, field, mask, grid = isotropic
    double = method(field.astype(np.float64), mask, grid)
    assert double.dtype == np.float64
    assert np.abs(method(field, mask, grid) - double).max() < 2e-3 * np.abs(double).max()


@EVERY
def test_what_is_unknown_is_not_looked_at(isotropic, rng, method):
    _, field, mask, grid = isotropic
    sd = np.full_like(field, 0.001)
    sd[18:21, 20, 20] = 0
    spoiled = np.where(mask & (sd > 0), field, rng.standard_normal(field.shape)).astype(np.float32)
    np.testing.assert_array_equal(method(spoiled, mask, grid, sd), method(field, mask, grid, sd))


@EVERY
def test_field_of_nothing_is_nothing(isotropic, method):
    _, field, mask, grid = isotropic
    assert not method(np.zeros_like(field), mask, grid).any()


@EVERY
def test_unfinished_iteration_warns(isotropic, method):
    _, field, mask, grid = isotropic
    with pytest.warns(ConvergenceWarning, match="max_iterations"):
        method(field, mask, grid, max_iterations=2)


@SPLIT
def test_looser_iteration_is_near_the_minimum(isotropic, rng, method):
    _, field, mask, grid = isotropic
    noisy = field + (0.002 * rng.standard_normal(field.shape)).astype(np.float32)
    settings = {"first_iterations": 100} if method is hdqsm else {}
    exact = method(noisy, mask, grid, tolerance=5e-4, max_iterations=1000, **settings)
    assert error(method(noisy, mask, grid, **settings), exact, mask) < 0.08


@pytest.mark.parametrize("method", [fansi_tv, fansi_tgv, harmonic, l1qsm, hdqsm], ids=lambda m: m.__name__)
def test_edges_need_and_use_the_magnitude(isotropic, rng, method):
    chi, field, mask, grid = isotropic
    with pytest.raises(InputError, match="magnitude"):
        method(field, mask, grid, edges=0.1)
    noisy = field + (0.002 * rng.standard_normal(field.shape)).astype(np.float32)
    magnitude, strong = np.stack([1 + chi, 0.8 + chi], axis=-1), {l1qsm: 0.3}.get(method, 4e-4)
    plain = method(noisy, mask, grid, regularisation=strong)
    informed = method(noisy, mask, grid, None, magnitude, regularisation=strong, edges=0.05)
    assert error(informed, chi, mask) < 0.95 * error(plain, chi, mask)


# --- the phase --------------------------------------------------------------------------------------------


def test_small_phase_makes_it_linear(isotropic, rng):
    _, field, mask, grid = isotropic
    noisy = field + (0.002 * rng.standard_normal(field.shape)).astype(np.float32)
    exact = {"tolerance": 1e-3, "max_iterations": 400, "regularisation": 1e-4}
    linear = tv(noisy, mask, grid, **exact)
    assert error(fansi(noisy, mask, grid, phase_scale=0.1, **exact), linear, mask) < 0.01


@pytest.mark.parametrize("method", [fansi_tv, fansi_tgv, harmonic, descent], ids=lambda m: m.__name__)
def test_whole_turns_of_phase_cost_nothing(isotropic, rng, method):
    chi, field, mask, grid = isotropic
    turns = rng.integers(-1, 2, field.shape) * (rng.random(field.shape) < 0.02)
    wrapped = (field + turns * 2 * np.pi / SCALE).astype(np.float32)
    assert error(method(wrapped, mask, grid), method(field, mask, grid), mask) < 0.06
    assert error(tv(wrapped, mask, grid), chi, mask) > 0.5


def test_phase_is_scaled_by_the_mean_echo_time_unless_set(isotropic):
    _, field, mask, grid = isotropic
    by_scan = fansi(field, mask, grid, echo_times=np.array([0.01, 0.03]), field_strength=3.0)
    by_scale = fansi(field, mask, grid, phase_scale=radians_per_ppm(3.0, 0.02))
    np.testing.assert_array_equal(by_scan, by_scale)
    for method in (fansi, weak_harmonic, ndi):
        with pytest.raises(InputError, match="echo_times"):
            method(field, mask, grid, field_strength=3.0)
        with pytest.raises(InputError, match="field_strength"):
            method(field, mask, grid, echo_times=np.array([0.01]))


# --- data terms -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cost", ["squares", "wrapped", "absolute"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_split_field_is_the_minimiser(rng, cost, dtype):
    """One step from D x = z leaves w, so what is asked next, 2z − w, gives z; compared with a search."""
    shape, penalty, scale = (4, 5, 6), 0.7, 9.0
    measured, weight = rng.uniform(-0.5, 0.5, shape).astype(dtype), rng.uniform(0, 1, shape).astype(dtype)
    fidelity = Fidelity(measured, weight, penalty, 1.0, cost=cost, phase_scale=scale)
    target = rng.uniform(-0.5, 0.5, shape).astype(dtype)
    asked = target.copy()
    fidelity.step(asked)  # α = 1 and w = z = B: w becomes the target
    z = (asked + target) / 2
    trial = np.linspace(-1.2, 1.2, 24001)
    r = trial - measured[..., None]
    w = weight[..., None].astype(np.float64)
    wrapped = w**2 * (1 - np.cos(scale * r)) / scale**2
    costs = {"squares": (w * r) ** 2 / 2, "absolute": w * np.abs(r), "wrapped": wrapped}
    total = costs[cost] + penalty / 2 * (trial - target[..., None]) ** 2
    least = total.min(axis=-1)
    at_z = np.take_along_axis(total, np.searchsorted(trial, z)[..., None], -1)[..., 0]
    np.testing.assert_allclose(at_z, least, atol=1e-3 * least.max())


@pytest.mark.parametrize("method", [l1qsm, hdqsm])
def test_outliers_make_no_streaks(isotropic, rng, method):
    chi, field, mask, grid = isotropic
    wild = rng.random(field.shape) < 0.01
    spoiled = (field + wild * rng.standard_normal(field.shape) * 0.2).astype(np.float32)
    assert error(method(spoiled, mask, grid), chi, mask) < 0.5 * error(tv(spoiled, mask, grid), chi, mask)


@pytest.mark.parametrize("case", ["isotropic", "oblique"])
def test_harmonic_background_is_told_from_sources(case, request):
    chi, field, mask, grid = request.getfixturevalue(case)
    x, y, z = np.moveaxis(grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)), -1, 0)
    x, y, z = (a - a[mask].mean() for a in (x, y, z))
    background = (4e-4 * z + 4e-5 * (x * x - y * y) + 3e-5 * x * z).astype(np.float32)
    made = weak_harmonic(field + background, mask, grid, phase_scale=SCALE)
    assert error(made.chi, chi, mask) < 0.5 * error(fansi_tv(field + background, mask, grid), chi, mask)
    assert np.std((made.local_field - field)[mask]) < 0.2 * np.std(background[mask])
    assert not made.local_field[~mask].any()


def test_descent_lowers_the_misfit_until_it_is_stopped(isotropic):
    _, field, mask, grid = isotropic

    def misfit(tolerance):
        x = descent(field, mask, grid, tolerance=tolerance)
        return np.linalg.norm((forward_field(x, grid) - field)[mask])

    assert misfit(0.03) < 0.7 * misfit(0.12) < 0.7 * misfit(0.4)


def test_descent_starts_near_a_source_that_turns_the_phase_several_times(isotropic):
    chi, _, mask, grid = isotropic
    stone = chi.copy()
    stone[19:22, 19:22, 19:22] = -3
    found = ndi(forward_field(stone, grid), mask, grid, phase_scale=13.0)
    assert found[20, 20, 20] < -2
    assert error(found, stone, mask) < 0.3


@pytest.mark.parametrize("method", [fansi_tv, harmonic], ids=lambda m: m.__name__)
def test_regularisation_follows_the_noise_unless_set(isotropic, method):
    _, field, mask, grid = isotropic
    sd = np.full_like(field, 0.002)
    by_rule = method(field, mask, grid, sd)
    np.testing.assert_array_equal(by_rule, method(field, mask, grid, sd, regularisation=0.065 * 0.002))
