import pytest

from bodies import ball_body
from qsmkit.errors import OutputError
from qsmkit.pipeline import patients
from qsmkit.pipeline.patients import cohort, is_done, make, make_all, order, prepare
from qsmkit.simulate import patient as simulated

TREE = {
    "version": 1,
    "name": "tiny",
    "subject": {"age": {"uniform": [30, 60]}, "anatomy": "parametric", "step": 4},
    "lesions": [{"kind": "microbleed", "diameter": 6, "region": "lobar"}],
    "visits": [{"name": "a", "day": 0, "scans": [{"kind": "T1w", "voxel_size": [6, 6, 6]}]}],
}
OUTSIDE = TREE | {"lesions": [{"kind": "microbleed", "diameter": 6, "position": [0, 0, 110]}]}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(simulated, "draw_body", lambda **_: ball_body(step=4.0))


def test_a_cohort_grows_without_changing(tmp_path):
    small, large = cohort(TREE, 3, 7), cohort(TREE, 5, 7)
    assert [o.label for o in large] == ["001", "002", "003", "004", "005"]
    assert [o.record for o in small] == [o.record for o in large[:3]]
    assert len({o.scenario.subject.age for o in large}) == 5
    assert small[0].record != cohort(TREE, 1, 8)[0].record


def test_a_participant_is_made_once_and_not_replaced_unasked(tmp_path, quick):
    prepare(tmp_path, "Test")
    wanted = order(TREE, "01", 1)
    assert not is_done(tmp_path, wanted)
    make(tmp_path, wanted)
    assert is_done(tmp_path, wanted)
    assert not is_done(tmp_path, wanted, overwrite=True)
    with pytest.raises(OutputError, match="sub-01 made from another scenario or seed"):
        is_done(tmp_path, order(TREE, "01", 2))


@pytest.mark.slow
def test_several_at_a_time_are_the_same_as_one_by_one(tmp_path):
    orders = cohort(TREE, 2, 7)
    broken = patients.order(OUTSIDE, "003", 1)
    for name in ("one", "two"):
        prepare(tmp_path / name, "Test")
    make(tmp_path / "one", orders[0])
    ended = {wanted.label: error for wanted, error in make_all(tmp_path / "two", [*orders, broken], 2)}
    assert ended["001"] is ended["002"] is None
    assert "lies outside the brain" in str(ended["003"])
    assert not (tmp_path / "two" / "sub-003").exists()
    for file in (tmp_path / "one" / "sub-001").rglob("*.nii.gz"):
        assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes()
