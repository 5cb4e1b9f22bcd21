import pytest

from qsmkit.clinical.nuclei.findings import confidence, dice, judged
from qsmkit.clinical.nuclei.solids import distance
from qsmkit.clinical.nuclei.structures import recognised, structures
from qsmkit.grid import Grid
from qsmkit.simulate.tissue import Label

GRID = Grid.tilted((41, 71, 46), (2.0, 2.0, 2.0))


def test_labels_are_those_of_the_digital_patient():
    assert {s.name.upper(): s.label for s in structures().values()} == {
        label.name: int(label) for label in Label if label.name.lower() in structures()
    }
    assert len(structures()) == 11


@pytest.mark.parametrize(
    ("called", "name", "side"),
    [("L Putamen", "putamen", "L"), ("R Globus Pallidus interna", "gpi", "R"), ("STN", "stn", None),
     ("R Substantia-Nigra-pars-reticulata ", "snr", "R"), ("right_red_nucleus", "red_nucleus", "R")],
)  # fmt: skip
def test_names_of_atlases_are_understood(called, name, side):
    structure, at = recognised(called)
    assert (structure.name, at) == (name, side)


def test_what_is_no_nucleus_here_is_not_taken_for_one():
    assert recognised("L Hypothalamus") is None
    assert recognised("Unknown") is None


@pytest.mark.parametrize("name", list(structures()))
def test_solids_are_on_their_side_and_as_large_as_such_a_nucleus_may_be(name):
    right, left = (distance(name, side, GRID) < 0 for side in "RL")
    low, high = structures()[name].volume
    assert 0.8 * low < 8 * right.sum() < 1.1 * high
    assert abs(int(right.sum()) - int(left.sum())) <= 0.02 * right.sum() + 2
    assert dice(right, left[::-1]) > 0.95  # the grid is symmetric about x = 0
    assert (right & left).sum() == 0


def test_distances_of_a_solid_grow_by_a_millimetre_a_millimetre():
    d = distance("red_nucleus", "R", GRID)
    i, j, k = GRID.voxel((4.8, -19.4, -9.3)).round().astype(int)
    line = d[i:, j, k]
    outside = line[line > 0.5][:4]
    assert abs((outside[-1] - outside[0]) / (3 * 2.0) - 1) < 0.25


def test_a_verdict_names_its_reasons():
    gpi = structures()["gpi"]
    seen = {"chi": 2.0}
    assert judged(gpi, 500, 0.1, seen, 0.9, 1.0) == ("PASS", ())
    assert judged(gpi, 900, 0.1, seen, 0.9, 1.0)[0] == "REVIEW"
    assert judged(gpi, 3000, 0.1, seen, 0.9, 1.0)[0] == "FAIL"
    verdict, reasons = judged(gpi, 500, 0.1, {"chi": 0.1, "t1w": 0.2}, 0.9, 1.0)
    assert verdict == "REVIEW"
    assert "not seen" in reasons[0]
    verdict, reasons = judged(gpi, 500, -0.1, seen, 0.9, 1.0)
    assert verdict == "REVIEW"
    assert "sign" in reasons[0]
    assert judged(gpi, 500, 0.1, seen, 0.9, 0.3)[0] == "FAIL"
    assert judged(gpi, 500, 0.1, seen, 0.4, 1.0)[0] == "FAIL"


def test_confidence_falls_where_voxels_or_runs_are_unsure():
    sure = confidence("gpi", 0.92, 0.96)
    assert 0.88 < sure < 0.92
    assert confidence("gpi", 0.92, 0.4) < sure - 0.15
    assert confidence("gpi", 0.6, 0.96) < 0.65
    assert confidence("gpi", 0.9, 0.0) == 0
    assert confidence("dentate", 1.0, 1.0) < 0.8
