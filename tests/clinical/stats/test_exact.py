import math

import numpy as np
import pytest

from qsmkit.clinical.stats.diagnostic import Crosstab, clustered_shares, roc
from qsmkit.clinical.stats.exact import clustered_share, rate, rate_ratio_p, share
from qsmkit.clinical.stats.repeatability import SPAN, false_flags, repeatability
from qsmkit.clinical.stats.turnbull import happened_by, turnbull
from qsmkit.errors import InputError, ParameterError


def per_cent(measure):
    return [round(100 * v, 1) for v in (measure.value, measure.low, measure.high)]


def test_the_published_cohort_by_patient():
    """Zeineddine 2018: five events, all flagged, among sixteen patients of whom ten were flagged."""
    table = Crosstab(tp=5, fn=0, fp=5, tn=6)
    found = table.shares()
    assert per_cent(found["sensitivity"]) == [100.0, 47.8, 100.0]
    assert per_cent(found["specificity"])[0] == 54.5
    assert per_cent(found["PPV"])[0] == 50.0
    assert table.mcnemar() == 0.0625
    assert Crosstab.of([1] * 10 + [0] * 6, [1] * 5 + [0] * 11) == table


def test_the_trial_readiness_cohort_by_epoch():
    found = Crosstab(tp=14, fn=3, fp=51, tn=75).shares()
    assert [per_cent(found[name])[0] for name in ("sensitivity", "specificity", "PPV")] == [82.4, 59.5, 21.5]
    assert per_cent(Crosstab(tp=7, fn=0, fp=58, tn=78).shares()["PPV"])[0] == 10.8


@pytest.mark.parametrize(
    ("events", "years", "expected"),
    [(5, 22, (0.2273, 0.0738, 0.5304)), (10, 22, (0.4545, 0.2180, 0.8359)), (21, 178.3, (0.1178, 0.0729, 0.1800))],
)
def test_published_rates(events, years, expected):
    found = rate(events, years)
    assert (round(found.value, 4), round(found.low, 4), round(found.high, 4)) == expected


def test_no_event_has_an_upper_end():
    found = rate(0, 10)
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(-math.log(0.025) / 10)
    assert math.isnan(share(0, 0).value)


def test_two_rates():
    assert rate_ratio_p((10, 5), (22, 22)) == pytest.approx(0.3018, abs=5e-5)


@pytest.mark.parametrize("call", [lambda: share(3, 2), lambda: share(-1, 2), lambda: rate(-1, 2), lambda: rate(2, 0)])
def test_counts_that_are_none_are_refused(call):
    with pytest.raises(InputError, match=";"):
        call()


def test_confidence_out_of_range_is_refused():
    with pytest.raises(ParameterError, match="confidence"):
        share(1, 2, confidence=95)


def test_exact_intervals_cover():
    rng = np.random.default_rng(1)
    for p, n in ((0.1, 20), (0.5, 15)):
        inside = [(m := share(int(x), n)).low <= p <= m.high for x in rng.binomial(n, p, 400)]
        assert np.mean(inside) >= 0.95


def test_clusters_widen_a_share():
    hit = np.repeat([1, 0, 1, 1, 0, 1], 4)
    alone, whole = share(16, 24), clustered_share(hit, np.repeat(np.arange(6), 4))
    assert whole.value == alone.value
    assert whole.high - whole.low > 1.4 * (alone.high - alone.low)
    assert clustered_share([1, 0, 1], np.arange(3)) == share(2, 3)
    assert math.isnan(clustered_share([1, 0], np.zeros(2, int)).low)


def test_clustered_shares_of_patients_once_each_are_exact():
    positive, event = np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 0, 1, 1], bool)
    assert clustered_shares(positive, event, np.arange(5)) == Crosstab.of(positive, event).shares()


def test_the_curve_of_thresholds():
    values, event = [9, 8, 2, 1, 7, 3], [1, 1, 0, 0, 0, 1]
    found = roc(values, event, list("aabbcc"), samples=200)
    assert found.area.value == pytest.approx(8 / 9)
    assert found.best == 8
    assert found.youden == pytest.approx(2 / 3)
    assert found.sensitivity[-1] == 1
    assert found.specificity[-1] == 0
    assert found.area.low <= found.area.value <= found.area.high
    assert roc(values, event, list("aabbcc"), samples=200).area == found.area


def test_a_chosen_threshold_is_optimistic():
    rng = np.random.default_rng(4)
    values, event = rng.normal(size=60), rng.random(60) < 0.3
    found = roc(values, event, np.arange(60), samples=200)
    assert found.youden > 0
    assert found.optimism > 0.03


def test_a_curve_needs_both():
    with pytest.raises(InputError, match="some with and some without"):
        roc([1, 2], [1, 1], [0, 1])
    with pytest.raises(InputError, match="missing"):
        roc([1, math.nan], [1, 0], [0, 1])


FIRST = (0.212, 0.305, 0.418, 0.150, 0.267, 0.390)
SECOND = (0.208, 0.311, 0.409, 0.154, 0.271, 0.401)


def test_repeatability_of_the_worked_example():
    found = repeatability(FIRST, SECOND)
    assert found.sd.value == pytest.approx(0.00488194, abs=5e-9)
    assert found.coefficient.value == pytest.approx(0.0135320, abs=5e-7)
    assert found.cv.value == pytest.approx(1.55543, abs=5e-6)
    assert 2.77 * found.cv.value == pytest.approx(4.3085, abs=5e-5)
    assert found.coefficient_percent.value == pytest.approx(SPAN * found.cv.value)


def test_six_per_cent_against_noise():
    assert round(6 / SPAN, 3) == 2.165
    expected = {2: (1.7, 3.4), 3: (7.9, 15.1), 4: (14.4, 26.8), 5: (19.8, 35.7)}
    for cv, (once, ever) in expected.items():
        assert round(100 * false_flags(cv, 6), 1) == once
        assert round(100 * false_flags(cv, 6, 2), 1) == ever


@pytest.mark.parametrize("pairs", [([1], [1]), ([1, 2], [1]), ([1, math.nan], [1, 2]), ([1, -1], [1, 1])])
def test_unfit_pairs_are_refused(pairs):
    with pytest.raises(InputError):
        repeatability(*pairs)


def test_turnbull_without_censoring_is_the_empirical_distribution():
    found = turnbull([0, 1, 1, 2], [1, 2, 2, 3])
    np.testing.assert_allclose(found.mass, [0.25, 0.5, 0.25])
    assert found.happened(2) == (0.75, 0.75)
    assert found.median() == (1, 2)


def test_turnbull_right_censored_is_kaplan_meier():
    times, seen = np.array([1, 2, 2, 3, 4, 5.0]), np.array([1, 1, 0, 1, 0, 1], bool)
    left, right = np.where(seen, times - 1e-9, times), np.where(seen, times, np.inf)
    found = turnbull(left, right)
    survival, expected = 1.0, []
    for t in (1, 2, 3, 5):
        survival *= 1 - ((times == t) & seen).sum() / (times >= t).sum()
        expected.append(1 - survival)
    np.testing.assert_allclose([found.happened(t)[1] for t in (1, 2, 3, 5)], expected, atol=1e-6)


def test_turnbull_maximises_the_likelihood():
    left, right = np.array([0, 0, 2, 3, 1.0]), np.array([2, 4, 5, np.inf, 3])
    found = turnbull(left, right)
    may = (left[:, None] <= found.left) & (found.right <= right[:, None])
    best = np.log(may @ found.mass).sum()
    rng = np.random.default_rng(2)
    for _ in range(200):
        assert np.log(may @ rng.dirichlet(np.ones(len(found.mass)))).sum() <= best + 1e-6
    assert found.mass.sum() == pytest.approx(1)


def test_time_to_an_event_has_an_interval_over_patients():
    found = happened_by([0, 0, 1, 1, 0], [1, 1, 2, math.inf, math.inf], list("aabcd"), 1, samples=100)
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize("ends", [([], []), ([1], [1]), ([2], [1]), ([-1], [1]), ([math.nan], [1]), ([0, 1], [1])])
def test_intervals_that_are_none_are_refused(ends):
    with pytest.raises(InputError, match="give"):
        turnbull(*ends)


def test_one_patient_gives_no_interval():
    area = roc([1.0, 2, 3, 4], [0, 1, 0, 1], list("aaaa"), samples=20).area
    assert area.value == 0.75
    assert math.isnan(area.low)
    assert "no interval" in area.method
    found = happened_by([0, 1, 1], [1, 2, math.inf], list("aaa"), 1.5, samples=20)
    assert math.isnan(found.high)
    assert "no interval" in found.method


def test_whole_separation_gives_no_interval_of_no_width():
    area = roc([1, 2, 3, 4], [0, 0, 1, 1], list("abcd"), samples=50).area
    assert area.value == 1
    assert math.isnan(area.low)
    assert "separate events wholly" in area.method
