import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from clinical.monitor.lesions import BEGIN, SAME, seen
from qsmkit.clinical.monitor.change import Rule, change, changes, fieller
from qsmkit.clinical.monitor.error_model import ErrorModel, Estimate, satterthwaite
from qsmkit.clinical.monitor.observation import Observation, follow_up, series
from qsmkit.errors import InputError, ParameterError

QUIET = ErrorModel()


def test_the_worked_example_by_epoch_and_year():
    epochs = [(0.300, 0.330, 1.0, 10, 10), (0.250, 0.245, 1.1, -2, -1.818), (0.400, 0.452, 0.9, 13, 14.444)]
    for before, after, years, percent, annual in epochs:
        found = change(seen(before), seen(after, years))
        assert found.percent.value == pytest.approx(percent)
        assert found.annual == pytest.approx(annual, abs=0.02)  # whole days
        assert found.compound == pytest.approx(100 * ((after / before) ** (1 / found.years) - 1))


@pytest.mark.parametrize(("after", "flagged"), [(0.318, True), (0.31799, False), (0.31801, True)])
def test_six_per_cent_is_inclusive_and_unrounded(after, flagged):
    assert change(seen(0.3), seen(after, 1)).flagged is flagged


def test_a_flag_can_be_held_against_the_annual_change():
    two_years = seen(0.3), seen(0.33, 2)
    assert change(*two_years).flagged
    assert not change(*two_years, Rule(basis="annual")).flagged
    assert change(*two_years, Rule(basis="annual")).p_exceeds < 0.5


def test_the_verdict_stands_beside_the_flag():
    errors = {cv: ErrorModel(cv) for cv in (1.0, 5.0)}
    sure, unsure = (change(seen(0.3), seen(0.33, 1), errors=e) for e in errors.values())
    assert sure.flagged
    assert unsure.flagged
    assert (sure.verdict, unsure.verdict) == ("review: beyond noise", "review: within noise")
    assert sure.p_exceeds > 0.99
    assert unsure.p_exceeds < 0.75
    assert change(seen(0.3), seen(0.3, 1), errors=errors[1.0]).verdict == "below threshold"
    assert change(seen(0.3), seen(0.3, 1), errors=errors[5.0]).verdict == "below threshold, rise not excluded"
    assert change(seen(0.3, noise=math.nan), seen(0.33, 1)).verdict == "review: noise unknown"


def test_the_smallest_detectable_change_is_six_per_cent_at_a_cv_of_2165():
    found = change(seen(0.3, noise=0.0), seen(0.3, 1, noise=0.0), errors=ErrorModel(2.1646))
    assert found.detectable == pytest.approx(6.0, abs=1e-3)


def test_interval_and_probability_belong_together():
    """The one-sided probability at either end of the 95 % interval is 2.5 %."""
    one, two = seen(0.3, noise=0.01), seen(0.36, 1, noise=0.015)
    found = change(one, two)
    assert found.percent.low < 20 < found.percent.high
    for end, expected in ((found.percent.low, 0.975), (found.percent.high, 0.025)):
        assert change(one, two, Rule(threshold=end)).p_exceeds == pytest.approx(expected)


def test_repeats_tell_an_sd_no_better_than_they_are_many():
    few = change(seen(0.3, noise_degrees=3), seen(0.33, 1, noise_degrees=3))
    many = change(seen(0.3), seen(0.33, 1))
    assert few.percent.high - few.percent.low > 1.2 * (many.percent.high - many.percent.low)
    assert satterthwaite((1.0, 3), (1.0, 3)) == 6


def test_intervals_cover_when_noise_is_as_the_model_says():
    rng, inside, trials = np.random.default_rng(5), 0, 2000
    errors, truth = ErrorModel(3.0), 1.08
    before = 0.3 * (1 + 0.03 * rng.standard_normal(trials))
    after = 0.3 * truth * (1 + 0.03 * rng.standard_normal(trials))
    for a, b in zip(before, after, strict=True):
        one, two = errors.of(seen(a)), errors.of(seen(b))
        low, high = fieller(one, two, 0.95)
        inside += low <= truth <= high
    assert 0.935 < inside / trials < 0.965


def test_repeatability_holds_noise_already_unless_told():
    observation = seen(0.5, noise=0.004)
    assert ErrorModel(3).of(observation).sd == pytest.approx(0.015)
    assert ErrorModel(0.5).of(observation).sd == pytest.approx(0.004)
    assert ErrorModel(3, "beyond noise").of(observation).sd == pytest.approx(math.hypot(0.015, 0.004))
    assert ErrorModel(3, reference_sd=0.03).of(observation).sd == pytest.approx(math.hypot(0.03, 0.004))
    assert ErrorModel(reference_sd=0.003).of(observation).sd == pytest.approx(0.005)
    assert math.isnan(ErrorModel().of(seen(0.5, noise=math.nan)).sd)


def test_fieller_of_a_denominator_that_may_be_zero_is_unbounded():
    assert fieller(Estimate(0.01, 0.01), Estimate(0.3, 0.01), 0.95) == (-math.inf, math.inf)
    low, high = fieller(Estimate(1.0, 0.0), Estimate(2.0, 0.1), 0.95)
    reach = stats.norm.ppf(0.975) * 0.1
    assert (low, high) == pytest.approx((2 - reach, 2 + reach))


@pytest.mark.parametrize("value", [0.0, -0.1])
def test_no_relative_change_of_what_is_not_positive(value):
    found = change(seen(value), seen(0.1, 1))
    assert found.verdict == "undefined"
    assert math.isnan(found.percent.value)
    assert found.difference.value == pytest.approx(0.1 - value)
    assert "positive" in found.notes[0]
    assert not found.flagged


def test_no_relative_change_of_what_is_lost_in_the_reference():
    found = change(seen(0.05, reference_spread=0.02), seen(0.1, 1))
    assert found.verdict == "undefined"
    assert "3 SD of the reference (20 ppb)" in found.notes[0]
    assert found.p_rise > 0.99


@pytest.mark.parametrize("name", ["scanner", "protocol", "pipeline", "reference", "rule"])
def test_what_was_measured_otherwise_is_not_comparable(name):
    found = change(seen(0.3), seen(0.4, 1, context=replace(SAME, **{name: "another"})))
    assert found.verdict == "not comparable"
    assert name in found.notes[0]
    assert "remeasure" in found.notes[0]
    assert math.isnan(found.percent.value)
    assert not found.flagged


def test_what_was_not_recorded_is_said():
    found = change(seen(0.3), seen(0.4, 1, context=replace(SAME, scanner="")))
    assert found.flagged
    assert "not recorded, so taken for the same: scanner" in found.notes


@pytest.mark.parametrize(("years", "said"), [(1.0, False), (0.5, True), (1.4, True)])
def test_an_epoch_of_unusual_length_is_said(years, said):
    assert any("months apart" in note for note in change(seen(0.3), seen(0.3, years)).notes) is said


def test_epochs_follow_each_other_or_start_at_the_first():
    course = [seen(0.3), seen(0.33, 1), seen(0.33, 2)]
    assert [round(c.percent.value, 6) for c in changes(reversed(course))] == [10, 0]
    assert [round(c.percent.value, 6) for c in changes(course, Rule(epochs="baseline"))] == [10, 10]
    assert changes([seen(0.3)]) == []


def test_permeability_is_flagged_at_forty_per_cent():
    one, two = seen(0.3, permeability=1.0), seen(0.3, 1, permeability=1.5)
    found = changes([one, two], Rule.usual("permeability"), ErrorModel(70))
    assert found[0].flagged
    assert found[0].verdict == "review: within noise"
    assert changes([seen(0.3), seen(0.3, 1)], Rule.usual("permeability")) == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: change(seen(0.3, 1), seen(0.3)), "not later than"),
        (lambda: change(seen(0.3), seen(0.3, 1, lesion="L02")), "not one lesion"),
        (lambda: changes([]), "no measurement"),
        (lambda: changes([seen(0.3), seen(0.3)]), "measured twice"),
        (lambda: seen(0.3, kind="tumour"), "kind 'tumour' is unknown"),
        (lambda: Rule(threshold=0), "threshold = 0"),
        (lambda: Rule(confidence=95), "confidence"),
        (lambda: ErrorModel(-1), "wCV"),
        (lambda: ErrorModel(200), "wCV"),
        (lambda: ErrorModel(2, reference_sd=-1), "reference SD"),
    ],
)
def test_bad_input_is_told(call, words):
    with pytest.raises((InputError, ParameterError), match=words):
        call()


def test_patient_years_end_with_surgery():
    visits = [("P1", seen(0.3, t).day) for t in (0, 1, 2)] + [("P2", BEGIN)]
    assert follow_up(visits) == {"P1": pytest.approx(2, abs=2e-3), "P2": 0}
    assert follow_up(visits, {"P1": seen(0.3, 1.5).day})["P1"] == pytest.approx(1.5, abs=2e-3)
    assert follow_up(visits, {"P1": seen(0.3, -1).day})["P1"] == 0


def test_a_row_says_all():
    row = change(seen(0.3), seen(0.33, 1)).as_row()
    assert row["flag"] == "review"
    assert row["unit"] == "ppm"
    assert row["years"] == pytest.approx(1, abs=2e-3)


def test_series_are_by_date():
    assert [o.visit for o in series([seen(0.3, 1), seen(0.3)])["P1", "P1-L01"]] == ["m00", "m12"]
    assert isinstance(seen(0.3), Observation)
