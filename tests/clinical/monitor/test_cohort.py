import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from clinical.monitor.lesions import BEGIN, SAME, seen
from qsmkit.clinical.monitor.cohort import annual_means, cohort
from qsmkit.clinical.monitor.error_model import ErrorModel
from qsmkit.clinical.monitor.events import Event, classify, counted, ends, parse_date, rates
from qsmkit.clinical.monitor.models import annual_change
from qsmkit.errors import DataWarning, InputError


def event(patient="P1", years=0.5, kind="symptomatic_haemorrhage", **more):
    return Event(patient=patient, type=kind, onset=seen(0, years).day, **more)


def published():
    """Sixteen patients, 22 patient-years: ten flagged, five of them with an event."""
    observations, events = [], []
    for i in range(16):
        patient, visits = f"P{i:02d}", 3 if i < 6 else 2
        rise = 1.10 if i < 10 else 1.01
        observations += [seen(0.3 * rise**v, v, patient=patient, index=True) for v in range(visits)]
        if i < 5:
            events.append(event(patient, 0.5))
    return observations, events


def test_the_published_cohort_from_its_measurements():
    found = cohort(*published())
    assert sum(found.exposure.values()) == pytest.approx(22, abs=0.02)
    table = found.by_patient
    assert (table.tp, table.fn, table.fp, table.tn) == (5, 0, 5, 6)
    assert round(100 * found.shares["sensitivity"].low, 1) == 47.8
    assert table.mcnemar() == 0.0625
    assert found.rates["symptomatic_haemorrhage"].value == pytest.approx(5 / 22, rel=1e-3)
    assert found.rates["symptomatic_haemorrhage"].high == pytest.approx(0.5304, rel=1e-3)
    assert found.rates["flagged epoch"].value == pytest.approx(16 / 22, rel=1e-3)
    assert found.curve is not None
    assert found.to_flag.happened(1.1)[0] == pytest.approx(10 / 16)


def test_three_means_of_one_change():
    observations = [
        seen(0.300, patient="A"), seen(0.330, 1.0, patient="A"), seen(0.250, patient="B"),
        seen(0.245, 1.1, patient="B"), seen(0.400, patient="C"), seen(0.452, 0.9, patient="C"),
    ]  # fmt: skip
    exact = annual_means([10, -2, 13], [1.0, 1.1, 0.9], ["A", "B", "C"])
    assert (round(exact["pooled"].value, 3), round(exact["mean"].value, 3)) == (7.000, 7.542)
    means = cohort(observations).means  # of whole days: 1.1 and 0.9 years are 402 and 329 of them
    assert means["pooled"].value == pytest.approx(7.000, abs=0.01)
    assert means["mean"].value == pytest.approx(7.542, abs=0.01)
    assert means["change score"].value == pytest.approx(7.542, abs=0.01)
    assert means["pooled"].low < 7 < means["pooled"].high
    assert "patient-year" in means["pooled"].method


def test_the_change_score_gives_each_patient_one_vote():
    observations = [seen(0.3, t, patient="A") for t in (0, 1, 2)] + [seen(0.3, patient="B"), seen(0.36, 1, patient="B")]
    means = cohort(observations).means
    assert means["mean"].value == pytest.approx(20 / 3, abs=0.02)
    assert means["change score"].value == pytest.approx(10, abs=0.02)


def test_a_patient_with_one_positive_value_is_none_of_a_model():
    observations = [seen(v, t, patient=p) for p, first in (("A", 0.3), ("B", 0.2), ("C", -0.1))
                    for v, t in ((first, 0), (0.33, 1))]  # fmt: skip
    with pytest.raises(InputError, match="there are 2"):
        annual_change(observations, "gee")


def test_one_patient_has_means_without_interval():
    for found in cohort([seen(0.3), seen(0.33, 1)]).means.values():
        assert found.value == pytest.approx(10, abs=0.02)
        assert math.isnan(found.low)
        assert "one patient only: no interval" in found.method


def test_zero_events_are_said_and_have_an_upper_end():
    observations, _ = published()
    found = cohort(observations)
    assert found.rates["growth"].value == 0
    assert found.rates["growth"].high == pytest.approx(-math.log(0.025) / 22, rel=1e-3)
    assert math.isnan(found.shares["sensitivity"].value)
    assert found.curve is None
    assert any("no event" in note for note in found.notes)


def test_single_visits_have_no_follow_up():
    observations, events = published()
    found = cohort([*observations, seen(0.3, patient="alone")], events)
    assert "1 patients have one visit" in found.notes[0]
    with pytest.raises(InputError, match="none of 1 patients has two visits"):
        cohort([seen(0.3)])


def test_treatment_ends_follow_up():
    observations, events = published()
    cut = cohort(observations, [*events, event("P00", 1.2, "surgery")])
    assert cut.exposure["P00"] == pytest.approx(1.2, abs=3e-3)
    assert sum(c.before.patient == "P00" for c in cut.changes) == 1


def test_only_index_lesions_are_primary():
    observations, events = published()
    other = [seen(0.2 * 1.5**t, t, patient="P15", lesion="L02") for t in (0, 1)]
    assert cohort([*observations, *other], events).by_patient.fp == 6
    assert cohort([*observations, *other], events, index_only=True).by_patient.fp == 5
    with pytest.raises(InputError, match="no index lesion"):
        cohort(other, index_only=True)


def test_what_may_not_be_compared_is_left_out_and_said():
    observations, events = published()
    bad = [seen(-0.1, t, patient="P20") for t in (0, 1)]
    found = cohort([*observations, *bad], events)
    assert any("1 of 23 epochs have no relative change" in note for note in found.notes)
    assert any("1 patients have follow-up but no epoch" in note for note in found.notes)


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ({"symptoms": True, "recent_blood": True}, "symptomatic_haemorrhage"),
        ({"symptoms": False, "recent_blood": True}, "asymptomatic_change"),
        ({"symptoms": True, "recent_blood": False, "growth": True}, "growth"),
        ({"symptoms": True, "recent_blood": True, "rim_only": True}, "focal_deficit"),
        ({"symptoms": False, "recent_blood": False, "rim_only": True}, None),
        ({"symptoms": True, "recent_blood": False}, "focal_deficit"),
    ],
)
def test_growth_or_a_rim_alone_is_no_haemorrhage(findings, expected):
    assert classify(**findings) == expected


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("2024-05-17", date(2024, 5, 17), date(2024, 5, 17)), ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
     ("2023", date(2023, 1, 1), date(2023, 12, 31))],
)  # fmt: skip
def test_dates_are_as_exact_as_they_are_written(text, first, last):
    onset, precision = parse_date(text)
    assert Event(patient="P", type="seizure", onset=onset, precision=precision).span() == (first, last)


@pytest.mark.parametrize("text", ["", "17.05.2024", "2024-13", "2024-02-30", "24-01-01", "soon"])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(InputError, match="is no date"):
        parse_date(text)


def test_a_vague_date_is_said():
    observations, _ = published()
    found = cohort(observations, [Event(patient="P00", type="growth", onset=date(2023, 1, 1), precision="year")])
    assert any("too vague" in note for note in found.notes)


def test_judges_decide_what_counts():
    events = [event(adjudication=a) for a in ("pending", "confirmed", "rejected")]
    assert len(counted(events)) == 2
    assert len(counted(events, confirmed=True)) == 1
    assert ends([event(kind="surgery", adjudication="rejected")]) == {}
    with pytest.raises(InputError, match="'bleed' of P1 is unknown"):
        event(kind="bleed")


def test_events_outside_follow_up_do_not_count():
    events = [event(years=t) for t in (-0.5, 0.5, 0.7, 3)]
    found = rates(events, {"P1": 2.0}, {"P1": BEGIN})["symptomatic_haemorrhage"]
    assert found.value == 1.0
    once = rates(events, {"P1": 2.0}, {"P1": BEGIN}, first_only=True)["symptomatic_haemorrhage"]
    assert once.value == 0.5


def test_an_event_on_the_day_of_the_first_scan_is_before_follow_up():
    observations, _ = published()
    found = cohort(observations, [event("P12", 0.0)])
    assert found.rates["symptomatic_haemorrhage"].value == 0
    assert (found.by_patient.fn, found.by_epoch.fn) == (0, 0)


def test_a_treatment_before_the_first_scan_does_not_end_follow_up():
    observations, _ = published()
    before = event("P00", -3, "surgery")
    assert cohort(observations, [before]).exposure == cohort(observations).exposure
    cut = cohort(observations, [before, event("P00", 1.2, "surgery")])
    assert cut.exposure["P00"] == pytest.approx(1.2, abs=0.01)


def test_an_epoch_that_cannot_be_judged_is_not_one_without_a_flag():
    other = replace(SAME, scanner="other")
    observations = [seen(0.30), seen(0.30, 1, context=other), seen(0.36, 2, context=other), seen(0.30, patient="P2"),
                    seen(0.30, 1, patient="P2", context=other)]  # fmt: skip
    found = cohort(observations).to_flag
    assert (found.n, found.events) == (1, 1)
    assert found.left[0] == 0  # between the first scan and the third, for all that is known
    assert found.right[0] == pytest.approx(2, abs=0.01)


def test_models_take_no_change_of_scanner_for_a_change_of_lesion():
    pairs = [(f"P{p}", t) for p in range(6) for t in (0, 1)]
    observations = [seen(0.3 * (1 + 0.01 * i) * 1.05**t, t, patient=p) for i, (p, t) in enumerate(pairs)]
    apart = [seen(0.6, 2, patient=p, context=replace(SAME, scanner="other")) for p, t in pairs if t]
    with pytest.warns(DataWarning, match="6 of 18 measurements were made unlike"):
        found = annual_change(observations + apart, "gee")
    assert found == annual_change(observations, "gee")


@pytest.mark.filterwarnings("ignore:the mixed model is doubtful")
@pytest.mark.parametrize("model", ["mixed", "gee"])
def test_models_find_the_annual_change(model):
    rng, observations = np.random.default_rng(1), []
    for p in range(24):
        for lesion in range(1 + p % 3):
            start = 0.3 * math.exp(0.3 * rng.standard_normal())
            observations += [
                seen(start * 1.07**t * math.exp(0.03 * rng.standard_normal()), t, patient=f"P{p}", lesion=f"L{lesion}")
                for t in (0, 1, 2)
            ]
    found = annual_change(observations, model)
    assert found.low < 7 < found.high
    assert found.value == pytest.approx(7, abs=0.8)
    assert found.high - found.low < 3


def test_a_model_needs_three_patients():
    with pytest.raises(InputError, match="needs 3"):
        annual_change([seen(0.3), seen(0.3, 1)])


def test_the_error_model_says_what_it_holds():
    assert "was not" not in ErrorModel(2.0).sentence()
    assert "5.54 %" in ErrorModel(2.0).sentence()
    assert "no test–retest" in ErrorModel().sentence()
