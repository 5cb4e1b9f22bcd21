"""Agreement statistics against published data, invariances, and simulated coverage."""

import numpy as np
import pytest
from scipy import stats

from qsmkit.clinical.stats import bland_altman, concordance, fractions, regression
from qsmkit.clinical.stats.agreement import agreement
from qsmkit.clinical.stats.icc import icc_of_pairs
from qsmkit.clinical.stats.paired import Paired, pair
from qsmkit.clinical.stats.variance import spread
from qsmkit.errors import InputError, ParameterError, ShapeError

WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
"""Bland & Altman 1986, Lancet i:307: peak expiratory flow rate, l/min, first readings with two meters."""

DEMING_X = [7, 8.3, 10.5, 9, 5.1, 8.2, 10.2, 10.3, 7.1, 5.9]
DEMING_Y = [7.9, 8.2, 9.6, 9, 6.5, 7.3, 10.2, 10.6, 6.3, 5.2]
"""A widely printed example, after Linnet 1990: slope 1.001194, intercept −0.08974 if V(x)/V(y) = 4."""


@pytest.fixture
def peak_flow():
    return pair(WRIGHT, MINI, unit="l/min", x_name="Wright", y_name="mini")


def draw(rng, patients, sides, between, difference, bias=0.0, within_patient=0.5):
    """Draw pairs whose cases and errors are correlated between the sides of a patient."""
    share = within_patient if sides > 1 else 0.0

    def component(sd):
        return sd * (
            np.sqrt(share) * rng.normal(size=(patients, 1)) + np.sqrt(1 - share) * rng.normal(size=(patients, sides))
        )

    truth, error = component(between), difference / np.sqrt(2)
    x, y = (6 + truth + bias + component(error)).ravel(), (6 + truth + component(error)).ravel()
    cluster = None if sides == 1 else np.repeat(np.arange(patients), sides)
    return Paired(x, y, tuple(map(str, range(x.size))), cluster, "mm")


def test_peak_flow_has_the_published_bias_and_spread(peak_flow):
    found = bland_altman.bland_altman(peak_flow)
    assert found.bias.value == pytest.approx(-2.1, abs=0.05)
    assert found.sd.value == pytest.approx(38.8, abs=0.05)
    assert concordance.pearson(peak_flow).value == pytest.approx(0.94, abs=0.005)
    # published: 95 % interval of the bias −22.0 … 17.8
    assert (found.bias.low, found.bias.high) == pytest.approx((-22.0, 17.8), abs=0.1)


def test_exact_limits_are_wider_than_the_usual_approximation_and_contain_it(peak_flow):
    found = bland_altman.bland_altman(peak_flow)
    n, s = peak_flow.n, found.sd.value
    error = s * np.sqrt(1 / n + 1.96**2 / (2 * (n - 1)))
    upper = found.upper_limit
    assert upper.value - upper.low < upper.high - upper.value
    assert upper.high - upper.low == pytest.approx(2 * stats.t.ppf(0.975, n - 1) * error, rel=0.1)


def test_deming_gives_the_printed_line_and_is_the_inverse_of_itself_with_methods_swapped():
    line = regression.deming(pair(DEMING_X, DEMING_Y), error_ratio=0.25)
    assert line.slope.value == pytest.approx(1.001194, abs=1e-6)
    assert line.intercept.value == pytest.approx(-0.08974, abs=1e-5)
    back = regression.deming(pair(DEMING_Y, DEMING_X), error_ratio=4)
    assert back.slope.value == pytest.approx(1 / line.slope.value)


def test_deming_tends_to_least_squares_when_x_does_not_err(peak_flow):
    line = regression.deming(peak_flow, error_ratio=1e9)
    assert line.slope.value == pytest.approx(stats.linregress(peak_flow.x, peak_flow.y).slope, rel=1e-6)


def test_passing_bablok_is_exact_on_a_line_ignores_one_outlier_and_may_be_turned_round():
    rng = np.random.default_rng(5)
    x = np.arange(1.0, 31)
    y = 2 * x + 3
    y[7] = 500
    line = regression.passing_bablok(pair(x, y))
    assert (line.slope.value, line.intercept.value) == pytest.approx((2, 3))
    noisy = pair(x + rng.normal(0, 0.3, 30), 0.8 * x + 1 + rng.normal(0, 0.3, 30))
    turned = regression.passing_bablok(Paired(noisy.y, noisy.x, noisy.case))
    assert turned.slope.value == pytest.approx(1 / regression.passing_bablok(noisy).slope.value, rel=1e-9)


def test_passing_bablok_holds_below_zero_and_has_no_end_that_is_no_order_statistic():
    rng = np.random.default_rng(6)
    x = rng.normal(-5, 1, 20)
    line = regression.passing_bablok(pair(x, x + rng.normal(0, 0.3, 20)))
    assert line.intercept.low < line.intercept.value < line.intercept.high
    few = regression.passing_bablok(pair([1.0, 2, 2, 3, 2.5], [1.0, 3, 1, 3, 0.5]))
    assert few.slope.low == -np.inf
    assert np.isnan(few.intercept.low)


def test_passing_bablok_is_undefined_where_one_method_falls():
    line = regression.passing_bablok(pair([1.0, 2, 3, 4], [12.0, 10, 8.1, 6]))
    assert np.isnan(line.slope.value)
    assert "falls" in line.slope.method


def test_ccc_is_pearson_times_the_loss_by_shift_and_scale(peak_flow):
    x, y = peak_flow.x, peak_flow.y
    v, u2 = x.std() / y.std(), (x.mean() - y.mean()) ** 2 / (x.std() * y.std())
    loss = 2 / (v + 1 / v + u2)
    assert concordance.ccc(peak_flow).value == pytest.approx(concordance.pearson(peak_flow).value * loss)


def test_spearman_shares_tied_ranks():
    p = pair([1, 2, 2, 3, 5], [1, 3, 2, 2, 9])
    assert concordance.spearman(p).value == pytest.approx(stats.spearmanr(p.x, p.y).statistic)


def test_fractions_count_the_boundary_and_have_wilson_intervals():
    p = pair([1.0, 1.0, 1.0, 0.3], [1.1, 1.5, 3.0, 0.2], unit="mm")
    found = fractions.agreement_fraction(p, 0.1)
    assert found.value == 0.5
    low, high = stats.binomtest(2, 4).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((low, high))


def test_total_deviation_index_holds_its_share_of_a_normal_population():
    rng = np.random.default_rng(2)
    x, y = rng.normal(0.4, 1, 20000), np.zeros(20000)
    p = Paired(x[:4000], y[:4000], tuple(map(str, range(4000))))
    index = fractions._folded_quantile(0.4, 1.0, 0.9)
    assert np.mean(np.abs(x) <= index) == pytest.approx(0.9, abs=0.006)
    assert fractions._folded_quantile(float(p.x.mean()), float(p.x.std()), 0.9) == pytest.approx(index, rel=0.05)


def test_equivalence_needs_the_interval_inside_the_margin(peak_flow):
    wide, p_wide = fractions.equivalence(peak_flow, 40)
    _, p_tight = fractions.equivalence(peak_flow, 10)
    assert p_wide < 0.05 < p_tight
    assert -40 < wide.low < wide.high < 40


def test_the_commentary_s_case_low_icc_and_the_fractions_readers_ask_for():
    rng = np.random.default_rng(2018)
    found = [agreement(draw(rng, 50, 1, 0.5, 1.9)) for _ in range(40)]
    mean = {name: np.mean([a.statistics[name].value for a in found]) for name in found[0].statistics}
    assert mean["ICC(A,1)"] == pytest.approx(0.12, abs=0.05)
    for t, share in ((0.1, 0.04), (0.5, 0.20), (1, 0.40), (2, 0.71)):
        assert mean[f"fraction_within_{t:g}"] == pytest.approx(share, abs=0.03)
    words = " ".join(found[0].sentences)
    assert "poor" in words
    assert "cannot tell the cases apart" in words
    assert "within 0.5 mm" in words


def test_what_the_spreads_imply_is_the_consistency_icc(peak_flow):
    found = agreement(peak_flow, thresholds=(10, 50))
    assert found.spread.implied_icc == pytest.approx(found.statistics["ICC(C,1)"].value)


def test_swapping_the_methods_turns_only_signs_and_slopes(peak_flow):
    there = agreement(peak_flow, thresholds=(10, 50)).statistics
    back = agreement(Paired(peak_flow.y, peak_flow.x, peak_flow.case), thresholds=(10, 50)).statistics
    for name in ("pearson", "ICC(A,1)", "CCC", "TDI", "fraction_within_50"):
        assert back[name].value == pytest.approx(there[name].value)
    assert back["bias"].value == pytest.approx(-there["bias"].value)
    assert back["upper_limit"].value == pytest.approx(-there["lower_limit"].value)


def test_normalising_hides_a_bias_that_the_raw_limits_show(peak_flow):
    shifted = Paired(peak_flow.x, peak_flow.y * 2 + 100, peak_flow.case)
    found = agreement(shifted, thresholds=(10, 50), normalise="z")
    assert abs(found.bland_altman.bias.value) > 100
    assert found.normalised is not None
    assert abs(found.normalised[1].bias.value) < 1e-9


@pytest.mark.parametrize(("patients", "sides"), [(25, 1), (50, 1), (25, 2), (50, 2)])
def test_intervals_cover_what_they_say(patients, sides):
    runs = 300
    between, difference, bias = 1.0, 1.0, 0.3
    total = between**2 + difference**2 / 2
    truth = {
        "ICC(C,1)": between**2 / total,
        "ICC(A,1)": between**2 / (total + bias**2 / 2),
        "CCC": 2 * between**2 / (2 * total + bias**2),
        "lower_limit": bias - 1.96 * difference,
        "upper_limit": bias + 1.96 * difference,
        "fraction": stats.norm.cdf(1 - bias) - stats.norm.cdf(-1 - bias),
    }
    rng, covered = np.random.default_rng(20261125), dict.fromkeys(truth, 0)
    for _ in range(runs):
        p = draw(rng, patients, sides, between, difference, bias)
        limits = bland_altman._exact(p, 0.95) if sides == 1 else bland_altman._components(p, 0.95)
        found = icc_of_pairs(p) | {
            "CCC": concordance.ccc(p),
            "lower_limit": limits[2],
            "upper_limit": limits[3],
            "fraction": fractions.agreement_fraction(p, 1.0),
        }
        for name, value in truth.items():
            covered[name] += found[name].low <= value <= found[name].high
    # 95 % ± 2 points, and as much again as 300 draws scatter (three standard errors)
    slack = 0.02 + 3 * np.sqrt(0.95 * 0.05 / runs)
    assert all(abs(c / runs - 0.95) < slack for c in covered.values()), covered


@pytest.mark.parametrize("sizes", [[2] * 15, [1, 2, 3, 4, 1] * 4, [2] + [1] * 19])
def test_clustered_limits_and_spread_cover_also_where_sides_oppose_or_clusters_are_unequal(sizes):
    rng, runs, covered = np.random.default_rng(3), 200, np.zeros(3)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    place = np.concatenate([np.arange(s) for s in sizes])
    for _ in range(runs):
        # the second side of a patient errs the other way: between patients the differences vary less than within
        shared = rng.normal(size=len(sizes))[cluster] * np.where(place % 2, -1, 1)
        error = np.sqrt(0.6) * shared + np.sqrt(0.4) * rng.normal(size=cluster.size)
        truth = 6 + np.sqrt(0.5) * (rng.normal(size=len(sizes))[cluster] + rng.normal(size=cluster.size))
        p = Paired(truth + error / 2, truth - error / 2, tuple(map(str, range(cluster.size))), cluster)
        _, sd, lower, upper = bland_altman._components(p, 0.95)
        covered += [m.low <= t <= m.high for m, t in ((sd, 1), (lower, -1.96), (upper, 1.96))]
    assert (covered / runs > 0.95 - 0.02 - 3 * np.sqrt(0.95 * 0.05 / runs)).all(), covered / runs


def test_the_spread_between_cases_is_covered_where_sides_resemble_each_other():
    rng, runs, covered = np.random.default_rng(4), 200, 0
    for _ in range(runs):
        p = draw(rng, 20, 2, 1.0, 1.0, within_patient=0.9)
        between = spread(p, bland_altman.bland_altman(p).sd).between
        covered += between.low <= 1 <= between.high
    assert covered / runs > 0.95 - 0.03 - 3 * np.sqrt(0.95 * 0.05 / runs)


def test_missing_values_are_named_and_left_out():
    found = agreement(pair([1, 2, np.nan, 4, 5], [1, 2, 3, np.nan, 5], case=list("abcde")))
    assert found.pairs.dropped == ("c", "d")
    assert any("c, d" in w for w in found.warnings)


def test_one_constant_method_leaves_correlations_undefined_and_says_so():
    found = agreement(pair([1.0, 1, 1, 1, 1], [1.0, 1.2, 0.9, 1.1, 1]))
    assert np.isnan(found.statistics["pearson"].value)
    assert found.statistics["fraction_within_0.1"].value == pytest.approx(0.8)
    assert any("in every case" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("x", "y"), [([1.0, 2, 3, 4, 5, 6], [3.0] * 6), ([1.0, 2, 3, 4, 5, 6], [1.5, 3, 4.5, 6, 7.5, 9]),
                 ([1.0, 2, 3, 4, 5, 6], [1.0, 2, 3, 4, 5, 7]), ([1.0, 2, 3, 4, 5, 6], [1.0, 2, 3, 4, 5, 6])],
)  # fmt: skip
@pytest.mark.parametrize("cluster", [None, [0, 0, 1, 1, 2, 2]])
def test_degenerate_columns_are_analysed_without_an_absurd_interval(x, y, cluster):
    found = agreement(pair(x, y, cluster=cluster)).statistics
    assert not np.isinf(found["TDI"].high)
    assert found["bias"].value == pytest.approx(np.mean(x) - np.mean(y))


def test_the_sentence_blames_a_systematic_difference_only_where_there_is_one():
    rng = np.random.default_rng(12)
    truth = rng.normal(6, 1, 60)
    x, y = truth + rng.normal(0, 0.7, 60), truth + rng.normal(0, 0.7, 60)
    y += x.mean() - y.mean()
    assert "systematic" not in " ".join(agreement(pair(x, y)).sentences)
    assert "systematic" in " ".join(agreement(pair(x, y + 2)).sentences)


def test_the_margin_of_equivalence_is_said(peak_flow):
    found = agreement(peak_flow, thresholds=(10, 50), margin=40)
    assert "within ± 40" in found.statistics["equivalence"].method
    assert any("shown to be of no consequence" in s and "± 40" in s for s in found.sentences)


def test_two_cases_are_analysed_with_what_they_allow():
    found = agreement(pair([1.0, 2.0], [1.1, 2.4]))
    assert np.isnan(found.statistics["pearson"].low)
    assert found.statistics["bias"].low < found.statistics["bias"].value < found.statistics["bias"].high


def test_equal_columns_agree_perfectly():
    found = agreement(pair([1.0, 2, 3, 4, 5], [1.0, 2, 3, 4, 5])).statistics
    assert found["ICC(A,1)"].value == found["CCC"].value == found["fraction_within_0.1"].value == 1
    assert found["sd_difference"].value == 0


def test_the_mean_difference_is_said_with_its_sign_and_interval(peak_flow):
    words = " ".join(agreement(peak_flow).sentences)
    assert "Wright minus mini is -2.118 [-22.05, 17.81] l/min on average" in words


def test_pure_numbers_have_no_unit_in_words():
    found = agreement(pair([1.0, 2, 3, 5], [1.1, 2.2, 2.9, 5.1]), resolution=1)
    assert not any("0.5 1" in w or "of 1 1" in w for w in (*found.warnings, *found.sentences))


def test_thresholds_finer_than_the_step_are_warned_of(peak_flow):
    assert any("finer" in w for w in agreement(peak_flow, thresholds=(1, 50), resolution=10).warnings)


@pytest.mark.parametrize(
    ("columns", "settings", "error", "words"),
    [
        (([1.0, 2], [1.0]), {}, ShapeError, "one length"),
        (([1.0, np.nan], [1.0, 2]), {}, InputError, "at least 2"),
        (([1.0, np.inf], [1.0, 2]), {}, InputError, "infinite"),
        (([1.0, 2], [1.0, 2]), {"case": ["a", "a"]}, InputError, "twice"),
        (([1.0, 2], [1.0, 2]), {"cluster": ["a", ""]}, InputError, "no cluster"),
        (([1.0, 2], [1.0, 2]), {"cluster": ["a", "a"]}, InputError, "at least 2 clusters"),
        (([0.5, 0.6, 0.7], [5.2, 6.1, 6.8]), {}, InputError, "cm and mm"),
    ],
)
def test_bad_columns_are_refused_with_the_reason(columns, settings, error, words):
    with pytest.raises(error, match=words):
        pair(*columns, **settings)


def test_a_tenfold_difference_is_accepted_when_vouched_for():
    assert pair([0.5, 0.6, 0.7], [5.2, 6.1, 6.8], same_unit=True).n == 3


@pytest.mark.parametrize(
    "settings", [{"thresholds": ()}, {"thresholds": (-1,)}, {"confidence": 95}, {"error_ratio": 0}, {"normalise": "x"},
                 {"margin": 0}, {"tdi_share": 1}],
)  # fmt: skip
def test_bad_settings_are_refused(peak_flow, settings):
    with pytest.raises(ParameterError):
        agreement(peak_flow, **settings)
