"""Paramagnetic and diamagnetic sources told apart."""

import numpy as np
import pytest

from qsmkit.errors import ConvergenceWarning, DataWarning, InputError, ScaleError
from qsmkit.grid import Grid
from qsmkit.metrics import calc_leak, dia_leak, iron_leak, nrmse, para_leak
from qsmkit.physics.dipole import forward_field
from qsmkit.recon import chi_separation, chi_separation_closed, r2prime, r2star_qsm, tv
from qsmkit.simulate.anatomy import draw_head
from qsmkit.simulate.resample import fine_samples
from qsmkit.simulate.tissue import TISSUES, spread

DIAMAGNETIC = {1: 0.009, 2: 0.013, 3: 0.009, 4: 0.011, 5: 0.016, 6: 0.011, 7: 0.031, 8: 0.036, 9: 0.019, 10: 0.009}
"""Size of χ⁻ in each tissue of the head, ppm."""

RELAXIVITY, TESLA = 137.0, 3.0


class Brain:
    """A digital head with sources of both signs: field and relaxation, both with noise."""

    def __init__(self, tilt):
        rng = np.random.default_rng(5)
        space, self.grid = fine_samples(Grid.tilted((64, 76, 56), (2.5, 2.5, 3.0), tilt=tilt), 1, 3)
        anatomy = draw_head(space, rng)
        self.mask, self.labels = anatomy.brain, anatomy.labels
        chi = spread(self.labels, {label: t.chi for label, t in TISSUES.items()}) * self.mask
        table = np.zeros(17, np.float32)
        table[list(DIAMAGNETIC)] = list(DIAMAGNETIC.values())
        self.dia = np.maximum(table[self.labels], -chi) * self.mask
        self.para = chi + self.dia

        def noisy(x, sd):
            return ((x + sd * rng.standard_normal(x.shape)) * self.mask).astype(np.float32)

        self.local_field = noisy(forward_field(chi, self.grid), 0.001)
        self.r2 = spread(self.labels, {label: t.r2 for label, t in TISSUES.items()}) * self.mask
        rate = RELAXIVITY * (self.para + self.dia)
        self.r2prime, self.r2star = np.maximum(noisy(rate, 1.5), 0), np.maximum(noisy(rate + self.r2, 1), 0)

    def errors(self, found):
        return [nrmse(x[self.mask], t[self.mask]) for x, t in zip(found, (self.para, self.dia), strict=True)]


@pytest.fixture(scope="module", params=[0, 25], ids=["axial", "oblique"])
def brain(request):
    return Brain(request.param)


@pytest.fixture(scope="module")
def chi(brain):
    return tv(brain.local_field, brain.mask, brain.grid)


def test_the_joint_inversion_beats_the_closed_form_and_both_beat_no_spin_echo(brain, chi):
    closed = chi_separation_closed(chi, brain.r2prime, TESLA, brain.mask)
    joint = chi_separation(brain.local_field, brain.r2prime, TESLA, brain.mask, brain.grid)
    alone = r2star_qsm(chi, brain.r2star, TESLA, brain.mask)
    errors = {name: brain.errors(x) for name, x in (("closed", closed), ("joint", joint), ("alone", alone))}
    assert errors["joint"][0] < 0.95 * errors["closed"][0] < 25
    assert errors["joint"][1] < 0.8 * errors["closed"][1] < 19
    assert errors["closed"][0] < errors["alone"][0] < 30
    sources = brain.para, brain.dia, brain.mask
    assert abs(para_leak(joint.chi_para, *sources)) < abs(para_leak(alone.chi_para, *sources))
    for x in (closed, joint):
        assert abs(para_leak(x.chi_para, *sources)) < 0.15
        assert abs(dia_leak(x.chi_dia, *sources)) < 0.1
        assert iron_leak(x.chi_dia, brain.labels, brain.mask) < 0.03
        assert calc_leak(x.chi_para, brain.labels, brain.mask) < 0.2


def test_what_is_found_is_not_negative_ends_at_the_mask_and_keeps_its_type(brain, chi):
    for made in (
        chi_separation_closed(chi, brain.r2prime, TESLA, brain.mask),
        r2star_qsm(chi, brain.r2star, TESLA, brain.mask),
        chi_separation(brain.local_field, brain.r2prime, TESLA, brain.mask, brain.grid, tolerance=0.1),
    ):
        for x in made:
            assert x.dtype == np.float32
            assert x.min() == 0
            assert not x[~brain.mask].any()


# --- closed forms


def test_the_closed_form_is_exact_where_both_equations_hold(rng):
    shape = (4, 5, 6)
    para, dia = rng.uniform(0, 0.2, (2, *shape))
    mask = np.ones(shape, bool)
    for high, low, tesla in ((137.0, 137.0, 3.0), (114.0, 30.0, 7.0)):
        rate = (high * para + low * dia) * tesla / 3
        made = chi_separation_closed(para - dia, rate, tesla, mask, relaxivity_para=high, relaxivity_dia=low)
        np.testing.assert_allclose(made, (para, dia), atol=1e-12)
        star = r2star_qsm(para - dia, rate + 13, tesla, mask, relaxivity_para=high, relaxivity_dia=low)
        np.testing.assert_allclose(star, (para, dia), atol=1e-12)


def test_without_an_exact_answer_the_closed_form_is_the_best_that_is_not_negative(rng):
    shape = (4, 5, 6)
    chi, rate = rng.normal(0, 0.2, shape), rng.uniform(0, 20, shape)
    high, low = 150.0, 100.0
    made = chi_separation_closed(chi, rate, 3.0, np.ones(shape, bool), relaxivity_para=high, relaxivity_dia=low)

    def cost(para, dia):
        return (para - dia - chi) ** 2 + ((high * para + low * dia - rate) / 125) ** 2

    best = cost(*made)
    for step in 1e-3 * np.array([(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)]):
        assert (cost(*(np.maximum(x + s, 0) for x, s in zip(made, step, strict=True))) >= best - 1e-12).all()


def test_rates_in_milliseconds_are_refused(brain, chi):
    wrong = brain.r2prime / 1000
    for call in (
        lambda: chi_separation_closed(chi, wrong, TESLA, brain.mask),
        lambda: r2star_qsm(chi, wrong, TESLA, brain.mask),
        lambda: chi_separation(brain.local_field, wrong, TESLA, brain.mask, brain.grid),
        lambda: r2prime(brain.r2star, brain.r2 / 1000, brain.mask),
    ):
        with pytest.raises(ScaleError, match="1/ms"):
            call()


def test_r2prime_is_the_difference_and_says_where_it_is_negative():
    star, r2 = np.full((4, 4, 5), 20.0), np.full((4, 4, 5), 12.0)
    mask = np.ones(star.shape, bool)
    mask[0] = False
    np.testing.assert_array_equal(r2prime(star, r2, mask), np.where(mask, 8, 0))
    r2[1, :3, 0] = 30
    with pytest.warns(DataWarning, match=r"R2 exceeds R2\* in 5 % of the mask"):
        made = r2prime(star, r2, mask)
    assert (made[mask] == 0).sum() == 3


# --- the joint inversion


def two_balls(tilt=30.0):
    """One paramagnetic and one diamagnetic ball, and one that is both, with their field and R2′."""
    grid = Grid.tilted((40, 38, 36), (1.0, 1.0, 1.2), tilt=tilt)
    world = grid.world(np.moveaxis(np.indices(grid.shape), 0, -1))

    def ball(centre, radius):
        return (np.linalg.norm(world - np.array(centre), axis=-1) < radius).astype(np.float32)

    mask = ball((0, 0, 0), 16) > 0
    mixed = ball((0, 7, 3), 4)
    para = 0.1 * ball((7, -3, 0), 4) + 0.06 * mixed
    dia = 0.08 * ball((-7, -3, 0), 4) + 0.06 * mixed
    return grid, mask, para, dia, forward_field(para - dia, grid) * mask, RELAXIVITY * (para + dia)


def test_without_noise_the_joint_inversion_finds_both_sources_even_where_they_cancel():
    grid, mask, para, dia, field, rate = two_balls()
    found = chi_separation(field, rate, TESLA, mask, grid, regularisation=2e-5, tolerance=3e-3)
    for x, truth in zip(found, (para, dia), strict=True):
        assert nrmse(x[mask], truth[mask]) < 5
    mixed = (para > 0) & (dia > 0)
    assert found.chi_para[mixed].mean() == pytest.approx(0.06, rel=0.05)


def test_flipping_the_field_exchanges_the_sources():
    grid, mask, _, _, field, rate = two_balls()
    settings = {"relaxivity_para": 150.0, "relaxivity_dia": 120.0}
    exchanged = {"relaxivity_para": 120.0, "relaxivity_dia": 150.0}
    para, dia = chi_separation(field, rate, TESLA, mask, grid, **settings)
    other_dia, other_para = chi_separation(-field, rate, TESLA, mask, grid, **exchanged)
    np.testing.assert_allclose(para, other_para, atol=1e-4)
    np.testing.assert_allclose(dia, other_dia, atol=1e-4)


def test_single_equals_double_precision_and_the_scanner_strength_cancels():
    grid, mask, _, _, field, rate = two_balls()
    single = chi_separation(field, rate, TESLA, mask, grid)
    double = chi_separation(field.astype(np.float64), rate.astype(np.float64), TESLA, mask, grid)
    stronger = chi_separation(field, rate * 7 / 3, 7.0, mask, grid)
    assert double.chi_para.dtype == np.float64
    for i in range(2):
        np.testing.assert_allclose(single[i], double[i], atol=1e-4)
        np.testing.assert_allclose(single[i], stronger[i], atol=1e-4)


def test_a_constant_in_the_field_does_not_matter():
    grid, mask, _, _, field, rate = two_balls()
    for a, b in zip(*(chi_separation(field + c, rate, TESLA, mask, grid) for c in (0, 0.02)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_what_was_not_measured_does_not_matter(rng):
    grid, mask, _, _, field, rate = two_balls()
    sd = np.full(field.shape, 0.001, np.float32)
    sd[18:20, 18:20, 18:20] = 0
    spoiled = np.where((sd > 0) & mask, field, rng.standard_normal(field.shape)).astype(np.float32)
    elsewhere = np.where(mask, rate, 50).astype(np.float32)
    first = chi_separation(field, rate, TESLA, mask, grid, sd)
    second = chi_separation(spoiled, elsewhere, TESLA, mask, grid, sd)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)
    with pytest.raises(InputError, match="nowhere positive"):
        chi_separation(field, rate, TESLA, mask, grid, 0 * sd)


def test_it_says_when_it_has_not_converged():
    grid, mask, _, _, field, rate = two_balls()
    with pytest.warns(ConvergenceWarning, match="chi_separation: max_iterations after 2"):
        chi_separation(field, rate, TESLA, mask, grid, max_iterations=2)
