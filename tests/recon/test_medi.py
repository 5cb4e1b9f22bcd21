"""Gauss–Newton inversion with morphology, and the two-level and streak-removing inversions."""

import numpy as np
import pytest

from qsmkit.errors import ConvergenceWarning, InputError, ParameterError
from qsmkit.grid import Grid
from qsmkit.optim.weighted_gradient import WeightedGradient
from qsmkit.physics.derivatives import gradient, gradient_adjoint
from qsmkit.physics.dipole import forward_field
from qsmkit.recon.inversion.edges import steepest
from qsmkit.recon.inversion.ilsqr import ilsqr
from qsmkit.recon.inversion.medi import medi
from qsmkit.recon.inversion.star import star
from qsmkit.recon.inversion.tikhonov import tikhonov
from qsmkit.recon.inversion.tv import tv

SHAPE = (36, 40, 34)
GRID = Grid.tilted(SHAPE, tilt=20)
PLACE = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in SHAPE], indexing="ij"), axis=-1)
MASK = np.sum((PLACE / (15, 17, 14)) ** 2, axis=-1) < 1
BALLS = [np.linalg.norm(PLACE - c, axis=-1) < r for c, r in (((4, 2, 0), 5), ((-6, 4, 3), 4), ((0, -8, -2), 3.5))]
CHI = sum(v * b for v, b in zip((0.1, -0.08, 0.2), BALLS, strict=True)).astype(np.float32)
FIELD = forward_field(CHI, GRID) * MASK
SD = np.full_like(FIELD, 0.002)


@pytest.fixture
def noisy(rng):
    return (FIELD + SD * rng.standard_normal(SHAPE, np.float32)) * MASK


def error(x, chi=CHI, mask=MASK):
    x, chi = (v[mask] - v[mask].mean() for v in (x, chi))
    return float(np.linalg.norm(x - chi) / np.linalg.norm(chi))


def test_weighted_gradient_is_what_it_says(rng):
    h, shape = (1.0, 0.8, 2.0), (5, 6, 7)
    weighted, x = WeightedGradient(shape, h, np.float64), rng.standard_normal(shape)
    m, inside = rng.random(shape), rng.random(shape) > 0.3
    g = gradient(x, h, boundary="periodic")
    weighted.lag(x, m, 0.1)
    np.testing.assert_allclose(weighted.weight, m / np.sqrt((g * g).sum(0) + 0.01))
    start = rng.standard_normal(shape)
    out = start.copy()
    weighted.add_normal(x, inside, out)
    expected = (start + gradient_adjoint(weighted.weight * g, h, boundary="periodic")) * inside
    np.testing.assert_allclose(out, expected, atol=1e-12)


def test_edges_are_the_steepest_voxels():
    magnitude = np.stack([1.0 + BALLS[0], 2.0 + BALLS[0]], axis=-1)
    edges = steepest(magnitude, MASK, GRID, 0.02)
    assert 0 < edges.sum() <= 0.02 * MASK.sum()
    distance = np.abs(np.linalg.norm(PLACE - (4, 2, 0), axis=-1) - 5)
    assert distance[edges].max() < 1.8


def test_medi_beats_the_closed_form_and_edges_help(noisy):
    magnitude = np.stack([1 + CHI, 0.8 + CHI], axis=-1)
    plain = error(medi(noisy, MASK, GRID, SD))
    assert plain < 0.5 * error(tikhonov(noisy, MASK, GRID))
    strong = {"regularisation": 3e-4}
    informed = error(medi(noisy, MASK, GRID, SD, magnitude, edges=0.06, **strong))
    assert informed < 0.9 * error(medi(noisy, MASK, GRID, SD, **strong))


def test_whole_turns_of_the_phase_cost_nothing(noisy):
    """Voxels that unwrapping left a turn away: the complex data term does not see them, the linear one does."""
    turned = noisy.copy()
    turned[16:19, 12:14, 20] += 0.5
    settings = {"phase_scale": 2 * np.pi / 0.5, "tolerance": 1e-3, "max_iterations": 30}
    right = medi(noisy, MASK, GRID, SD, **settings)
    assert error(medi(turned, MASK, GRID, SD, **settings), right) < 0.1
    assert error(medi(turned, MASK, GRID, SD, phase_scale=0.1, tolerance=1e-3, max_iterations=30), right) > 0.5


def test_merit_protects_from_what_the_model_cannot_explain(noisy, rng):
    spoiled = noisy.copy()
    at = rng.permutation(np.argwhere(MASK))[:25]
    spoiled[tuple(at.T)] += 0.25
    settings = {"phase_scale": 1.0, "max_iterations": 30}
    plain, reduced = (error(medi(spoiled, MASK, GRID, SD, merit=m, **settings)) for m in (False, True))
    assert reduced < 0.5 * plain


def test_spherical_means_remove_what_is_left_of_the_background(noisy):
    """A harmonic field across the head belongs to no source inside."""
    left = noisy + (0.002 * PLACE[..., 0] * MASK).astype(np.float32)
    deep = np.sum((PLACE / (11, 13, 10)) ** 2, axis=-1) < 1
    plain, filtered = (error(medi(left, MASK, GRID, SD, smv_radius=r), mask=deep) for r in (0, 4))
    assert filtered < 0.6 * plain
    with pytest.raises(InputError, match="smv_radius"):
        medi(noisy, MASK, GRID, SD, smv_radius=40)


def test_reference_region_becomes_even_and_zero(noisy):
    """A region of even susceptibility that streaks and noise make uneven."""
    region = BALLS[1]
    free = medi(noisy, MASK, GRID, SD)
    held = medi(noisy, MASK, GRID, SD, None, region)
    assert held[region].std() < 0.5 * free[region].std()
    assert held[region].mean() == pytest.approx(0, abs=1e-6)
    assert not held[~MASK].any()
    with pytest.raises(InputError, match="reference voxel"):
        medi(noisy, MASK, GRID, SD, None, ~MASK)


def test_unfinished_medi_warns(noisy):
    with pytest.warns(ConvergenceWarning, match="max_iterations"):
        medi(noisy, MASK, GRID, SD, max_iterations=1)


def test_regularisation_follows_the_noise(noisy):
    """Ten times field and noise: ten times χ."""
    x = medi(noisy, MASK, GRID, SD, phase_scale=0.1)
    assert error(medi(10 * noisy, MASK, GRID, 10 * SD, phase_scale=0.01) / 10, x) < 0.15


def test_ilsqr_removes_streaks(noisy):
    x = ilsqr(noisy, MASK, GRID, SD)
    assert error(x) < 0.8 * error(tikhonov(noisy, MASK, GRID))
    with pytest.raises(ParameterError, match="below steep"):
        ilsqr(noisy, MASK, GRID, flat=0.9, steep=0.5)
    with pytest.warns(ConvergenceWarning, match="max_iterations"):
        ilsqr(noisy, MASK, GRID, max_iterations=1)


def test_star_finds_more_of_a_bleeding_and_spoils_no_weak_source(rng):
    """A bleeding whose field is partly unknown, as its signal is gone, among sources a twentieth as strong."""
    bleeding = np.linalg.norm(PLACE - (0, 6, -3), axis=-1) < 2.5
    chi = np.where(bleeding, np.float32(1.5), CHI)
    sd = np.where(np.linalg.norm(PLACE - (0, 6, -3), axis=-1) < 4, np.float32(0.05), SD)
    field = (forward_field(chi, GRID) + sd * rng.standard_normal(SHAPE, np.float32)) * MASK
    elsewhere = MASK & (np.linalg.norm(PLACE - (0, 6, -3), axis=-1) > 5)
    two, one = star(field, MASK, GRID, sd), tv(field, MASK, GRID, sd, regularisation=1.3e-4)
    assert error(two, chi, elsewhere) < 1.05 * error(one, chi, elsewhere)
    assert 1.1 * one[bleeding].mean() < two[bleeding].mean() < 1.5
