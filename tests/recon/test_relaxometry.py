"""How fast the signal decays."""

import numpy as np
import pytest

from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.recon.relaxometry import arlo, r2star_nonlinear

EVEN = np.array([0.004, 0.010, 0.016, 0.022, 0.028])
UNEVEN = np.array([0.004, 0.009, 0.017])
SHAPE = (17, 16, 15)
BOTH = pytest.mark.parametrize("method", [arlo, r2star_nonlinear])


def decay(times, *, low=5.0, high=60.0):
    """Rates in 1/s that rise along x, and the magnitudes of their decay."""
    grid = Grid.tilted(SHAPE, (1.0, 1.0, 3.0))
    rate = np.broadcast_to(np.linspace(low, high, SHAPE[0])[:, None, None], SHAPE).copy()
    magnitude = np.linspace(50, 150, SHAPE[2])[:, None] * np.exp(-rate[..., None] * times)
    mask = np.zeros(SHAPE, bool)
    mask[1:-1, 1:-1, 1:-1] = True
    return grid, mask, rate, magnitude


def rician(magnitude, sigma, rng):
    shape = magnitude.shape
    return np.abs(magnitude + sigma * (rng.normal(size=shape) + 1j * rng.normal(size=shape)))


def rotated(array):
    """The same volume with its first axis moved behind the others: a view that is not contiguous."""
    return np.moveaxis(array, 0, 2)


def test_a_nonlinear_fit_is_exact_without_noise():
    for times in (EVEN, UNEVEN, UNEVEN[:2]):
        grid, mask, rate, magnitude = decay(times)
        found = r2star_nonlinear(magnitude, times, mask, grid, noise_floor=False)
        np.testing.assert_allclose(found.r2star[mask], rate[mask], rtol=1e-4)


def test_arlo_is_as_good_as_simpsons_rule():
    grid, mask, rate, magnitude = decay(EVEN)
    found = arlo(magnitude, EVEN, mask, grid)
    # Simpson's error term: (Δ R2*)⁴/180 of the integral, to lowest order
    bound = 1e-9 + 2 * (0.006 * rate[mask]) ** 4 / 180
    assert (np.abs(found.r2star[mask] / rate[mask] - 1) < bound).all()


@BOTH
def test_rate_and_time_belong_together_and_end_at_the_mask(method, rng):
    grid, mask, _, magnitude = decay(EVEN)
    found = method(rician(magnitude, 1.0, rng).astype(np.float32), EVEN, mask, grid)
    np.testing.assert_allclose((found.r2star * found.t2star)[mask], 1, rtol=1e-5)
    assert not found.r2star[~mask].any()
    assert not found.t2star[~mask].any()
    assert found.r2star.dtype == found.t2star.dtype == np.float32


@BOTH
def test_noise_is_averaged_and_leaves_no_bias_at_fair_signal(method, rng):
    grid, mask, rate, magnitude = decay(EVEN, high=40)
    found = method(rician(magnitude, 1.0, rng), EVEN, mask, grid)
    error = (found.r2star - rate)[mask]
    assert abs(error.mean()) < 0.2
    assert error.std() < 2.5


def test_allowing_for_the_noise_floor_removes_its_bias(rng):
    grid, mask, rate, magnitude = decay(EVEN, low=80, high=120)
    noised = rician(magnitude, 4.0, rng)
    plain, aware = (r2star_nonlinear(noised, EVEN, mask, grid, noise_floor=f).r2star for f in (False, True))
    assert np.mean((plain - rate)[mask]) < -3
    assert abs(np.mean((aware - rate)[mask])) < 1.5


@BOTH
def test_what_does_not_decay_has_no_rate(method, rng):
    grid, mask, _, magnitude = decay(EVEN)
    magnitude[5, 5, 5] = 0
    magnitude[6, 6, 6] = magnitude[6, 6, 6, ::-1]
    found = method(rician(magnitude, 0.0, rng), EVEN, mask, grid)
    for voxel in ((5, 5, 5), (6, 6, 6)):
        assert found.r2star[voxel] == found.t2star[voxel] == 0


@BOTH
def test_unit_and_precision_of_the_magnitude_do_not_matter(method, rng):
    grid, mask, _, magnitude = decay(EVEN)
    noised = rician(magnitude, 1.0, rng)
    expected = method(noised, EVEN, mask, grid).r2star
    np.testing.assert_allclose(method(1e-3 * noised, EVEN, mask, grid).r2star, expected, rtol=1e-4, atol=1e-3)
    single = method(noised.astype(np.float32), EVEN, mask, grid).r2star
    np.testing.assert_allclose(single, expected, rtol=1e-3, atol=1e-2)


@BOTH
def test_the_order_of_the_axes_does_not_matter(method, rng):
    grid, mask, _, magnitude = decay(EVEN)
    noised = rician(magnitude, 1.0, rng)
    affine = grid.affine.copy()
    affine[:, :3] = affine[:, [1, 2, 0]]
    turned = method(rotated(noised), EVEN, rotated(mask), Grid((16, 15, 17), affine)).r2star
    np.testing.assert_allclose(rotated(method(noised, EVEN, mask, grid).r2star), turned, rtol=1e-6)


def test_arlo_refuses_what_simpson_cannot_integrate():
    grid, mask, _, magnitude = decay(UNEVEN)
    with pytest.raises(InputError, match="uneven; use r2star_nonlinear"):
        arlo(magnitude, UNEVEN, mask, grid)
    with pytest.raises(InputError, match="fewer than three"):
        arlo(magnitude[..., :2], UNEVEN[:2], mask, grid)


def test_one_echo_shows_no_decay():
    grid, mask, _, magnitude = decay(UNEVEN)
    with pytest.raises(InputError, match="two or more"):
        r2star_nonlinear(magnitude[..., :1], UNEVEN[:1], mask, grid)
