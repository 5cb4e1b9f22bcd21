"""Contrast and hybrid images: formulas by hand, invariance, optimality, honesty of held-out weights."""

import numpy as np
import pytest

from qsmkit.clinical.target.contrast import FORMULAS, contrast
from qsmkit.clinical.target.hybrid import (
    VARIANCES,
    Pair,
    fisher_weights,
    fixed_weights,
    held_out_ratios,
    normalise,
    searched_weights,
)
from qsmkit.errors import InputError


def voxels(rng, mean, sd=0.01, n=400):
    return rng.normal(mean, sd, n)


def test_formulas_by_hand():
    rng = np.random.default_rng(1)
    roi, background, white = voxels(rng, 0.12, 0.02), voxels(rng, 0.04, 0.01), voxels(rng, 0, 0.005)
    found = contrast(roi, background, reference=white, unit="ppm")
    gap, a, b = roi.mean() - background.mean(), roi.std(ddof=1), background.std(ddof=1)
    assert found.difference.value == pytest.approx(gap)
    assert found.cnr["cnr_background"].value == pytest.approx(gap / b)
    assert found.cnr["cnr_pooled"].value == pytest.approx(gap / np.hypot(a, b))
    assert found.cnr["cnr_mean_variance"].value == pytest.approx(gap / np.hypot(a, b) * 2**0.5)
    assert found.cnr["cnr_reference"].value == pytest.approx(gap / white.std(ddof=1))
    assert set(found.cnr) == set(FORMULAS)
    assert all(m.low < m.value < m.high for m in found.cnr.values())


def test_ratios_do_not_change_with_the_grey_scale():
    rng = np.random.default_rng(2)
    roi, background = voxels(rng, 0.1), voxels(rng, 0.05)
    plain, scaled = contrast(roi, background), contrast(-3 * roi + 7, -3 * background + 7)
    for name, measure in plain.cnr.items():
        assert scaled.cnr[name].value == pytest.approx(measure.value)
        assert (scaled.cnr[name].low, scaled.cnr[name].high) == pytest.approx((measure.low, measure.high))


def test_intervals_cover_the_population_s_ratio():
    rng, covered = np.random.default_rng(3), 0
    for seed in range(150):
        found = contrast(voxels(rng, 0.03), voxels(rng, 0.0), rng=seed).cnr["cnr_background"]
        covered += found.low <= 3 <= found.high
    assert 0.90 < covered / 150 <= 1


@pytest.mark.parametrize(("roi", "words"), [(np.ones(50), "undefined"), (np.arange(9.0), "are needed"),
                                            (np.full(50, np.nan), "missing")])  # fmt: skip
def test_regions_without_a_ratio_are_refused(roi, words):
    with pytest.raises(InputError, match=words):
        contrast(roi, np.arange(50.0))


def subject(rng, gap=(1.0, 0.8), n=300):
    mix = np.array([[0.5, 0.2], [0.2, 0.7]])
    noise = rng.multivariate_normal((0, 0), mix, (2, n))
    return Pair.of(noise[0] + gap, noise[1])


def test_fisher_s_weights_are_the_closed_form_and_no_others_are_better():
    pair = subject(np.random.default_rng(4))
    best = fisher_weights(pair)
    assert np.abs(best).sum() == pytest.approx(1)
    closed = np.linalg.solve(pair.covariance, pair.difference)
    assert best == pytest.approx(closed / np.abs(closed).sum())
    top = pair.ratio(best)
    assert top**2 == pytest.approx(pair.difference @ np.linalg.solve(pair.covariance, pair.difference))
    for angle in np.linspace(0, np.pi, 50):
        assert pair.ratio((np.cos(angle), np.sin(angle))) <= top + 1e-12
    assert top >= max(pair.ratio((1, 0)), pair.ratio((0, 1)))
    assert best @ pair.difference > 0


def test_one_pair_s_best_worst_case_is_fisher_s_and_two_pairs_are_balanced():
    rng = np.random.default_rng(5)
    one, other = subject(rng, (1.0, 0.2)), subject(rng, (0.1, 1.0))
    assert searched_weights([one]) == pytest.approx(fisher_weights(one), abs=1e-3)
    weights = searched_weights([one, other])
    assert one.ratio(weights) == pytest.approx(other.ratio(weights), rel=1e-2)
    assert min(one.ratio(weights), other.ratio(weights)) > min(one.ratio((1, 0)), other.ratio((1, 0)))


def test_fixed_weights_make_opposite_contrasts_add():
    pair = subject(np.random.default_rng(6), (1.0, -0.8))
    weights = fixed_weights(pair)
    assert weights.tolist() == [0.5, -0.5]
    assert pair.ratio(weights) > pair.ratio(np.abs(weights))


def test_held_out_weights_are_no_better_than_one_s_own_and_better_than_single_images():
    rng = np.random.default_rng(7)
    pairs = [subject(rng, n=60) for _ in range(20)]
    honest, own = held_out_ratios(pairs)
    assert all(h <= o + 1e-12 for h, o in zip(honest, own, strict=True))
    assert np.mean(honest) > np.mean([p.ratio((1, 0)) for p in pairs])
    assert np.mean(honest) > np.mean([p.ratio((0, 1)) for p in pairs])


def test_normalising_brings_any_scale_to_one():
    rng = np.random.default_rng(8)
    image, region = rng.normal(300, 40, (20, 20, 20)), np.ones((20, 20, 20), bool)
    made = normalise(image, region)
    assert np.median(made) == pytest.approx(0, abs=1e-6)
    assert made.std() == pytest.approx(1, rel=0.03)
    assert normalise(0.001 * image - 5, region) == pytest.approx(made, abs=1e-5)
    with pytest.raises(InputError):
        normalise(np.ones((5, 5, 5)), np.ones((5, 5, 5), bool))
    with pytest.raises(InputError):
        normalise(image, ~region)


def test_a_search_finds_what_no_direction_beats_by_any_formula():
    pair = subject(np.random.default_rng(10), (1.0, -0.4))
    for formula in VARIANCES:
        found = searched_weights([pair], formula=formula)
        assert found @ pair.difference > 0
        tried = [pair.ratio((np.cos(a), np.sin(a)), formula) for a in np.linspace(0, np.pi, 400)]
        assert pair.ratio(found, formula) >= max(tried) - 1e-9
    rng = np.random.default_rng(11)
    roi, background = voxels(rng, 0.12, 0.02)[:, None], voxels(rng, 0.04)[:, None]
    plain = contrast(roi[:, 0], background[:, 0])
    for formula in VARIANCES:
        assert Pair.of(roi, background).ratio([1.0], formula) == pytest.approx(plain.cnr[formula].value)


@pytest.mark.parametrize("call", [
    lambda p: Pair.of(np.ones((2, 2)), np.ones((9, 2))),
    lambda p: fisher_weights(Pair(p.difference, np.ones((2, 2)), np.ones((2, 2)))),
    lambda p: searched_weights([]), lambda p: searched_weights([p], formula="cnr_reference"),
    lambda p: held_out_ratios([p]), lambda p: fixed_weights(p, 2), lambda p: Pair.mean([]),
])  # fmt: skip
def test_weights_that_cannot_be_found_are_refused(call):
    pair = subject(np.random.default_rng(9))
    with pytest.raises(InputError):
        call(pair)
