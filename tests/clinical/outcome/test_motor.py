"""Motor outcome: arithmetic by hand, recovery of what was simulated, and what is refused."""

import numpy as np
import pytest

from qsmkit.clinical.outcome.ledd import ledd
from qsmkit.clinical.outcome.mixed import mixed_model
from qsmkit.clinical.outcome.motor import Visit, compare, levodopa_response, relation, stimulation_effect
from qsmkit.clinical.outcome.scales import MDS_UPDRS_III, UPDRS_III, scale
from qsmkit.clinical.outcome.study import study
from qsmkit.errors import DataWarning, InputError


def cohort(rng, n=30, effect=0.5, per_mm=0.0, noise=2.0):
    visits, distance = [], {}
    for i in range(n):
        patient, baseline = f"P{i}", rng.normal(45, 8)
        distance[patient] = float(rng.uniform(0.2, 3))
        visits.append(Visit(patient, 0, "off", "", round(baseline)))
        visits.append(Visit(patient, 0, "on", "", round(0.5 * baseline)))
        for month in (6, 12):
            score = baseline * (1 - effect + per_mm * distance[patient]) + rng.normal(0, noise)
            visits.append(Visit(patient, month, "off", "on", round(max(score, 0))))
            visits.append(Visit(patient, month, "off", "off", round(baseline)))
    return visits, distance


def test_two_patients_by_hand():
    visits = [Visit("a", 0, "off", "", 40), Visit("b", 0, "off", "", 20),
              Visit("a", 6, "off", "on", 20), Visit("b", 6, "off", "on", 18)]  # fmt: skip
    (found,) = compare(visits, UPDRS_III)
    assert [c.percent for c in found.changes] == [50, 10]
    assert [c.grade for c in found.changes] == ["large", "unchanged"]
    assert [c.responder for c in found.changes] == [True, False]
    assert found.statistics["mean_percent"].value == 30
    assert found.statistics["percent_of_means"].value == pytest.approx(100 * 22 / 60)
    assert found.statistics["responders"].value == 0.5


def test_what_was_put_in_comes_out():
    rng = np.random.default_rng(4)
    visits, _ = cohort(rng)
    found = {(c.month, c.stimulation): c.statistics for c in compare(visits, UPDRS_III)}
    for month in (6, 12):
        m = found[month, "on"]["percent_of_means"]
        assert m.low < 50 < m.high
        assert m.high - m.low < 8
        assert found[month, "off"]["change"].value == pytest.approx(0, abs=1)
    response = levodopa_response(visits)
    assert response is not None
    assert response.value == pytest.approx(50, abs=1)
    effects = list(stimulation_effect(visits))
    assert [(month, state) for month, state, _ in effects] == [(6, "off"), (12, "off")]
    put_in = 0.5 * np.mean([v.score for v in visits if v.month == 0 and v.medication == "off"])
    assert all(m.value == pytest.approx(put_in, abs=1.2) for _, _, m in effects)


def test_intervals_of_the_improvement_cover_it():
    covered = 0
    for seed in range(200):
        visits, _ = cohort(np.random.default_rng(seed), n=15, noise=5)
        m = next(c for c in compare(visits, UPDRS_III) if c.stimulation == "on").statistics["percent_of_means"]
        covered += m.low <= 50 <= m.high
    assert 0.90 < covered / 200 < 0.99


def test_the_mixed_model_agrees_with_the_means_when_nothing_is_missing_and_uses_what_is_there_when_it_is():
    visits, _ = cohort(np.random.default_rng(2))
    model = mixed_model(visits, "off", "on")
    means = {c.month: c.statistics["change"].value for c in compare(visits, UPDRS_III) if c.stimulation == "on"}
    assert model.keys() == means.keys()
    assert all(model[m].value == pytest.approx(means[m], abs=1e-3) for m in means)
    thinned = [v for v in visits if not (v.patient in {"P1", "P2", "P3"} and v.month == 12)]
    assert mixed_model(thinned, "off", "on")[12].value == pytest.approx(means[12], abs=1.5)


def test_outcome_falls_with_distance_as_simulated():
    visits, distance = cohort(np.random.default_rng(9), n=60, per_mm=0.08)
    comparison = next(c for c in compare(visits, UPDRS_III) if c.stimulation == "on")
    found = relation(comparison, distance, unit="mm")
    assert found["slope"].low < -8 < found["slope"].high
    assert found["slope"].high < 0
    assert found["pearson"].value < -0.5
    assert found["slope"].unit == "%/mm"


def test_a_study_has_everything_and_says_it():
    visits, distance = cohort(np.random.default_rng(1))
    doses = {(v.patient, v.month): 1000.0 if v.month == 0 else 600.0 + len(v.patient) for v in visits}
    found = study(visits, UPDRS_III, distance=distance, ledd=doses)
    assert set(found.ledd_change) == {6, 12}
    assert found.ledd_change[6].value == pytest.approx(-397.3, abs=0.5)
    words = " ".join(found.sentences())
    assert "improved by 30 % or more" in words
    assert "what matters to patients" in words


@pytest.mark.parametrize(
    ("change", "words"), [(-2.4, "unchanged"), (-2.5, "minimal"), (-5.2, "moderate"), (-11, "large"), (2.5, "worse")]
)
def test_grades_of_the_older_scale(change, words):
    assert UPDRS_III.grade(change) == words


def test_grades_of_the_newer_scale_are_asymmetric():
    assert MDS_UPDRS_III.grade(-3.25) == "minimal"
    assert MDS_UPDRS_III.grade(4.0) == "unchanged"
    assert MDS_UPDRS_III.grade(4.63) == "worse"


def test_scales_are_known_by_their_usual_spellings():
    assert scale("updrs iii") is scale("UPDRS-3") is scale("UPDRS part III") is UPDRS_III
    assert scale("MDS-UPDRS part 3") is MDS_UPDRS_III
    with pytest.raises(InputError, match="never mixed"):
        scale("UPDRS")


def test_ledd_by_hand():
    assert ledd({"levodopa": 400, "levodopa_controlled_release": 200, "pramipexole_salt": 2.1}) == pytest.approx(760)
    assert ledd({"levodopa": 600, "entacapone": 800}) == pytest.approx(798)
    assert ledd({"levodopa": 600, "opicapone": 50}) == pytest.approx(900)


@pytest.mark.parametrize("doses", [{"aspirin": 1}, {"levodopa": -1}, {"entacapone": 200},
                                   {"levodopa": 1, "entacapone": 1, "tolcapone": 1}])  # fmt: skip
def test_impossible_doses_are_refused(doses):
    with pytest.raises(InputError):
        ledd(doses)


@pytest.mark.parametrize(
    ("visits", "words"),
    [
        ([Visit("a", 0, "off", "", 120)], "another scale"),
        ([Visit("a", 0, "off", "", 40), Visit("a", 0, "off", "", 41)], "twice"),
        ([Visit("a", 0, "off", "", 40), Visit("a", 0, "off", "off", 41)], "twice"),
        ([Visit("a", -3, "off", "", 40)], "negative"),
        ([Visit("a", 0, "off", "on", 40)], "before surgery"),
        ([Visit("a", 6, "off", "on", 40)], "month 0"),
        ([Visit("a", 0, "off", "", 40), Visit("a", 6, "off", "on", 30)], "fewer than two"),
    ],
)
def test_impossible_visits_are_refused(visits, words):
    with pytest.raises(InputError, match=words):
        compare(visits, UPDRS_III)


def test_a_score_of_zero_before_surgery_makes_no_responder_and_no_failure():
    visits = [Visit(p, m, "off", "on" if m else "", s) for p, first, last in (("a", 40, 20), ("b", 50, 45), ("c", 0, 0))
              for m, s in ((0, first), (6, last))]  # fmt: skip
    (found,) = compare(visits, UPDRS_III)
    assert (found.statistics["responders"].value, found.statistics["responders"].n) == (0.5, 2)
    nothing = [Visit(p, m, "off", "on" if m else "", 0) for p in "ab" for m in (0, 6)]
    assert np.isnan(compare(nothing, UPDRS_III)[0].statistics["responders"].value)
    words = " ".join(study(nothing, UPDRS_III).sentences())
    assert "nan" not in words
    assert "0 % of 2 patients by what matters" in words


def test_equal_changes_have_a_rank_test():
    visits = [Visit(str(i), m, "off", "on" if m else "", 40 - m) for i in range(6) for m in (0, 6)]
    (found,) = compare(visits, UPDRS_III)
    assert np.isnan(found.p_t)
    assert found.p_wilcoxon == pytest.approx(2 / 2**6)


def test_two_visits_of_few_patients_have_the_interval_of_the_paired_t_test():
    before, after = [52, 44, 38, 61, 47], [30, 20, 22, 33, 31]
    visits = [Visit(str(i), m, "off", "on" if m else "", s) for i, pair in enumerate(zip(before, after, strict=True))
              for m, s in zip((0, 6), pair, strict=True)]  # fmt: skip
    found, paired = mixed_model(visits, "off", "on")[6], compare(visits, UPDRS_III)[0].statistics["change"]
    assert (found.low, found.high) == pytest.approx((paired.low, paired.high), rel=0.01)


def test_a_condition_that_too_few_patients_reach_is_left_out_aloud():
    visits, distance = cohort(np.random.default_rng(3), n=5)
    few = [v for v in visits if v.month < 12 or v.patient in {"P0", "P1"}]
    with pytest.warns(DataWarning, match="12 months.*no relation"):
        found = study(few, UPDRS_III, distance=distance)
    assert len(found.relations) == 2
    lost = [Visit(v.patient, v.month, v.medication, v.stimulation, np.nan if v.patient == "P2" else v.score)
            for v in visits if v.patient in {"P0", "P1", "P2"}]  # fmt: skip
    with pytest.warns(DataWarning, match="left out"):
        assert study(lost, UPDRS_III).models == {}


def test_scores_without_a_baseline_are_left_out_aloud():
    visits, _ = cohort(np.random.default_rng(1), n=5)
    with pytest.warns(DataWarning, match="1 scores have no baseline"):
        found = compare([*visits, Visit("new", 6, "off", "on", 20)], UPDRS_III)
    assert found[0].statistics["score"].n == 5
