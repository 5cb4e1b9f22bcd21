import csv
import itertools
import math

import numpy as np
import pytest

from qsmkit.errors import ParameterError
from qsmkit.leads.electrodes import RING, electrode, models

SAME = {  # a word of the reference table's name, and ours
    "DB-2201": "Boston Scientific Vercise DB-2201", "DB-2202": "Boston Scientific Vercise Directed DB-2202",
    "6146-6149": "Abbott ActiveTip 6146", "6142-6145": "Abbott ActiveTip 6142", "6172": "Abbott Infinity 6172",
    "6173": "Abbott Infinity 6173", "Aleva": "Aleva directSTIM", "D08": "DIXI D08-10AM",
}


def reference_models(shared_data):
    with (shared_data / "dbs-leads" / "electrode_geometry.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            own = next((ours for word, ours in SAME.items() if word in row["model"]), row["model"])
            yield row, electrode(own)


def test_every_model_of_the_reference_table_is_there(shared_data):
    found = [model.model for _, model in reference_models(shared_data)]
    assert len(found) == len(set(found)) == 22
    assert set(found) <= set(models())


def test_geometry_agrees_with_the_reference_table(shared_data):
    for row, model in reference_models(shared_data):
        if "DIXI" not in row["model"]:
            assert sum(len(level.segments) for level in model.levels) == int(row["n_contacts"]), model.model
            assert len(model.levels) == int(row["n_levels"])
        assert model.levels[0].middle == pytest.approx(float(row["tip_to_first_contact_centre_mm"]), abs=0.11)
        assert model.tip_is_contact == (row["tip_is_contact"] == "1")
        first = float(row["centre_to_centre_mm"].split()[0])
        pitch = np.diff([level.middle for level in model.levels])
        assert pitch[-1 if model.tip_is_contact else 0] == pytest.approx(first), model.model
        if row["marker_centre_pos_mm"]:
            assert model.marker.centre == float(row["marker_centre_pos_mm"].split()[0])


@pytest.mark.parametrize("model", models())
def test_contacts_and_gaps_add_up_to_the_published_array(model):
    lead = electrode(model)
    span = lead.levels[-1].top - lead.levels[0].bottom
    if lead.array is not None:
        assert span == pytest.approx(lead.array)
    gaps = [b.bottom - a.top for a, b in itertools.pairwise(lead.levels)]
    assert min(gaps) >= 0.5
    assert span == pytest.approx(sum(level.length for level in lead.levels) + sum(gaps))
    assert 0.8 <= lead.diameter <= 1.4


@pytest.mark.parametrize("model", models())
def test_every_number_has_its_source(model):
    assert {"diameter", "tip", "segments", "lengths", "gaps"} <= set(electrode(model).sources)
    assert all(electrode(model).sources.values())


def test_published_arrays_are_checked_for_six_models():
    assert sum(electrode(m).array is not None for m in models()) == 6


def test_gaps_may_differ_within_a_model():
    levels = electrode("SceneRay SR1242").levels
    assert [b.bottom - a.top for a, b in itertools.pairwise(levels)] == [2, 4, 4]


def test_segments_leave_three_gaps_of_thirty_degrees():
    ring, segments = electrode("Abbott Infinity 6172").levels[:2]
    assert ring.segments == (RING,)
    assert [s.middle for s in segments.segments] == [0, 120, 240]
    assert sum(s.width for s in segments.segments) == 270


def test_a_pair_of_markers_looks_along_a_above_and_along_b_below():
    lower, upper = electrode("Medtronic SenSight B33005").marker.bands()
    assert (lower.segments[0].middle, upper.segments[0].middle) == (120, 0)
    assert lower.top < upper.bottom
    assert math.isclose(upper.top - lower.bottom, 2.3)


@pytest.mark.parametrize(("wanted", "named"), [
    ("3389", "did you mean Medtronic 3389"), ("Medtronic 3398", "Medtronic 3389"), ("banana", "choose from"),
    ("", "choose from"),
])
def test_an_unknown_model_names_similar_ones(wanted, named):
    with pytest.raises(ParameterError, match=named):
        electrode(wanted)


def test_names_may_be_in_lower_case():
    assert electrode("medtronic  3389") is electrode("Medtronic 3389")
