"""Repeated measures: a textbook's numbers, other libraries', and how often a test cries wolf."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.anova import AnovaRM
from statsmodels.stats.multitest import multipletests

from qsmkit.clinical.stats.assumptions import assumptions, mauchly
from qsmkit.clinical.stats.intervals import partial_eta_squared, standardised_mean
from qsmkit.clinical.stats.nested import nested_model
from qsmkit.clinical.stats.post_hoc import comparisons, holm
from qsmkit.clinical.stats.repeated import (
    corrected_p,
    friedman,
    greenhouse_geisser,
    huynh_feldt,
    one_way_anova,
    repeated,
    repeated_anova,
)
from qsmkit.errors import InputError, ShapeError

CONTRASTS = ("T1w", "T2w", "FGATIR", "QSM", "hybrid")


def correlated(n, rng, cohorts=()):
    """Contrasts of one head that go together, the stronger ones spread wider: no difference of means."""
    spread = np.array([0.5, 0.6, 0.8, 1.4, 1.6])
    shared = rng.normal(size=(*cohorts, n, 1))
    return 4 + spread * (0.8 * shared + 0.6 * rng.normal(size=(*cohorts, n, 5)))


@pytest.fixture
def table():
    rng = np.random.default_rng(3)
    values = correlated(29, rng) + np.array([0, 0.1, 0.3, 0.8, 1.2])
    return repeated(values, tuple(f"s{i:02d}" for i in range(29)), CONTRASTS)


def test_analysis_of_variance_of_a_table_small_enough_for_paper():
    small = repeated([[1, 2, 3], [2, 4, 6], [3, 4, 8]], ("a", "b", "c"), ("x", "y", "z"))
    found = repeated_anova(small)
    grand = 33 / 9
    ss_c = 3 * sum((m - grand) ** 2 for m in (2, 10 / 3, 17 / 3))
    ss_s = 3 * sum((m - grand) ** 2 for m in (2, 4, 5))
    ss_e = sum((v - grand) ** 2 for v in (1, 2, 3, 2, 4, 6, 3, 4, 8)) - ss_c - ss_s
    assert found.statistic == pytest.approx(ss_c / 2 / (ss_e / 4))
    assert found.degrees == (2, 4)
    effects = dict(found.effects)
    assert effects["partial η²"].value == pytest.approx(ss_c / (ss_c + ss_e))
    assert effects["generalised η²"].value == pytest.approx(ss_c / (ss_c + ss_s + ss_e))


def test_other_libraries_agree(table):
    long = pd.DataFrame([
        {"subject": s, "contrast": c, "value": v}
        for s, row in zip(table.subjects, table.values, strict=True) for c, v in zip(CONTRASTS, row, strict=True)
    ])  # fmt: skip
    theirs = AnovaRM(long, "value", "subject", within=["contrast"]).fit().anova_table.iloc[0]
    ours = repeated_anova(table)
    assert ours.statistic == pytest.approx(theirs["F Value"])
    assert ours.degrees == (theirs["Num DF"], theirs["Den DF"])
    assert ours.p_uncorrected == pytest.approx(theirs["Pr > F"])
    assert ours.p > ours.p_uncorrected
    chi2, p = stats.friedmanchisquare(*table.values.T)
    ranks = friedman(table)
    assert (ranks.statistic, ranks.p) == pytest.approx((chi2, p))
    assert one_way_anova(table).statistic == pytest.approx(stats.f_oneway(*table.values.T)[0])
    p = [0.01, 0.04, 0.03, 0.005, 0.9]
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_two_conditions_are_a_paired_t_test(table):
    two = repeated(table.values[:, :2], table.subjects, CONTRASTS[:2])
    t, p = stats.ttest_rel(two.values[:, 0], two.values[:, 1])
    found = repeated_anova(two)
    assert (found.statistic, found.p, found.epsilon) == pytest.approx((t**2, p, 1.0))
    (only,) = comparisons(two)
    assert only.p_t == only.p_t_holm == pytest.approx(p)
    assert only.dz.value == pytest.approx(t / np.sqrt(29))
    assert only.dz.low < only.dz.value < only.dz.high


def test_a_shift_or_scale_of_the_values_changes_no_test(table):
    moved = repeated(7 - 3 * table.values, table.subjects, CONTRASTS)
    for test in (repeated_anova, one_way_anova):
        assert test(moved).p == pytest.approx(test(table).p)
    heads = repeated(table.values + np.arange(29.0)[:, None], table.subjects, CONTRASTS)
    assert repeated_anova(heads).p == pytest.approx(repeated_anova(table).p)
    assert friedman(heads).p == pytest.approx(friedman(table).p)
    assert one_way_anova(heads).p > one_way_anova(table).p


def test_unequal_spread_does_not_make_false_alarms():
    cohorts = correlated(29, np.random.default_rng(2026), (4000,))
    wrong = stats.f.sf(stats.f_oneway(*np.moveaxis(cohorts, -1, 0), axis=1).statistic, 4, 140)
    alarms = (corrected_p(cohorts) < 0.05).mean()
    assert 0.04 < alarms < 0.06
    assert (wrong < 0.05).mean() < 0.02, "taking measurements of one head for different people loses power"
    assert greenhouse_geisser(cohorts).mean() < 0.85


def test_sphericity():
    rng = np.random.default_rng(5)
    level = repeated(rng.normal(size=(400, 4)), tuple(map(str, range(400))), tuple("abcd"))
    assert greenhouse_geisser(level.values) == pytest.approx(1, abs=0.03)
    assert mauchly(level)[1] > 0.05
    uneven = repeated(level.values * [1, 1, 1, 4], level.subjects, level.conditions)
    assert mauchly(uneven)[1] < 1e-6
    assert 1 / 3 <= greenhouse_geisser(uneven.values) < 0.7
    assert huynh_feldt(1.0, 20, 4) == 1.0
    doubtful = {a.name: a for a in assumptions(uneven)}
    assert doubtful["equal variances"].p < 1e-6
    skewed = repeated(rng.exponential(size=(60, 3)) ** 2, tuple(map(str, range(60))), tuple("abc"))
    assert {a.name: a for a in assumptions(skewed)}["normal residuals"].p < 1e-3
    few = repeated(rng.normal(size=(4, 4)), tuple("1234"), tuple("abcd"))
    assert np.isnan(mauchly(few)[1])


def test_intervals_of_effects_hold_the_truth():
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(200):
        m = standardised_mean(rng.normal(0.8, 1, 29), 0.95)
        held += m.low <= 0.8 <= m.high
    assert 180 <= held <= 198
    low, high = partial_eta_squared(1.0, 4, 112, 0.95)
    assert low == 0
    assert high < 0.15


def test_intervals_of_bootstrapped_effects_come_again(table):
    first, second = (dict(repeated_anova(table, rng=4).effects)["generalised η²"] for _ in range(2))
    assert first == second
    assert 0 < first.low < first.value < first.high < 1
    w = dict(friedman(table).effects)["Kendall's W"]
    assert 0 <= w.low <= w.value <= w.high <= 1


def test_hemispheres_are_nested():
    rng = np.random.default_rng(8)
    rows = []
    for s in range(25):
        head = rng.normal(0, 1)
        for side in ("left", "right"):
            half = rng.normal(0, 0.5)
            for c, effect in (("T1w", 0.0), ("QSM", 1.0), ("hybrid", 1.5)):
                rows.append((5 + head + half + effect + rng.normal(0, 0.3), f"s{s}", side, c))
    found = nested_model(*zip(*rows, strict=True), "hybrid")
    for other, truth in (("T1w", 1.5), ("QSM", 0.5)):
        m = found.differences[other]
        assert m.low < truth < m.high
        assert m.n == 25
    assert found.subject_sd == pytest.approx(1, abs=0.35)
    assert found.hemisphere_sd == pytest.approx(0.5, abs=0.2)
    assert found.residual_sd == pytest.approx(0.3, abs=0.05)
    assert found.p < 1e-10
    incomplete = [r for i, r in enumerate(rows) if i % 7]
    found = nested_model(*zip(*incomplete, strict=True), "hybrid")
    assert found.differences["T1w"].value == pytest.approx(1.5, abs=0.15)


def test_bad_tables():
    with pytest.raises(ShapeError, match="2 subjects"):
        repeated(np.ones((3, 2)), ("a", "b"), ("x", "y"))
    with pytest.raises(InputError, match="2 of 3 subjects"):
        repeated([[1, 2], [3, 4], [5, np.nan]], ("a", "b", "c"), ("x", "y"))
    with pytest.raises(InputError, match="same amount"):
        repeated_anova(repeated([[1, 2], [3, 4], [5, 6]], ("a", "b", "c"), ("x", "y")))
    with pytest.raises(InputError, match="both sides"):
        nested_model([1, 2, 3], ["a", "b", "c"], ["left"] * 3, ["x", "y", "x"], "x")


def test_few_subjects_in_whom_little_differs():
    table = repeated([[1, 1, 1], [1, 2, 1], [1, 1, 2]], ("a", "b", "c"), ("x", "y", "z"))
    generalised = dict(repeated_anova(table).effects)["generalised η²"]
    assert 0 <= generalised.low <= generalised.value <= generalised.high <= 1
    assert huynh_feldt(1.0, 3, 3) == 1
