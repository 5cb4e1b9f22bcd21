import math
from datetime import date

import pytest

from qsmkit.errors import InputError
from qsmkit.io.store.column import columns
from qsmkit.io.store.rows import ROWS, Event, Lesion, Link, Observation, Patient, Recon, Series, Session


@pytest.mark.parametrize("pseudonym", ["P012", "001", "CCM-0045", "sub-001", "QABCDEFGHIJKL", "GPI3-0002"])
def test_a_pseudonym_passes(pseudonym):
    assert Patient(id=pseudonym).id == pseudonym


@pytest.mark.parametrize(
    "name", ["Smith", "Doe^Jane", "Jane Doe", "Smith1970", "12345678", "P0123456", "19700131", "Lee", "a@b", "", "P1\n"]
)
def test_what_may_be_a_name_or_record_number_is_no_pseudonym(name):
    with pytest.raises(InputError, match=r"may identify a person|missing"):
        Patient(id=name)


@pytest.mark.parametrize(
    ("made", "values", "words"),
    [
        (Patient, {"id": "P1", "sex": "x"}, "sex = 'x' is none of F, M"),
        (Patient, {"id": "P1", "height": 180}, "patient has no column 'height'"),
        (Patient, {}, "patient: id is missing"),
        (Session, {"patient": "P1", "visit": "m00", "date": "31.1.2025"}, "is no date"),
        (Session, {"patient": "P1", "visit": "m00", "date": "2025-01-31", "hematocrit": 45}, "at most 1"),
        (Session, {"patient": "P1", "visit": "m 00", "date": "2025-01-31"}, "visit = 'm 00' is no label"),
        (Observation, {"lesion": "a", "recon": "b", "mean": "0,3"}, "no finite number"),
        (Observation, {"lesion": "a", "recon": "b", "mean": math.inf}, "no finite number"),
        (Observation, {"lesion": "a", "recon": "b", "voxels": 2.5}, "no whole number"),
        (Observation, {"lesion": "a", "recon": "b", "mask": "/home/jane/mask.nii.gz"}, "leads out of the data set"),
        (Lesion, {"id": "L1", "patient": "P1", "label": "L1", "kind": "cavernoma"}, "is no UUID"),
        (Series, {"id": "1.2.x", "session": "s"}, "no DICOM UID"),
        (Recon, {"session": "s", "pipeline": "Doe^Jane", "version": "1"}, "caret"),
        (Recon, {"session": "s", "pipeline": "=HYPERLINK(1)", "version": "1"}, "a formula to spreadsheets"),
        (Recon, {"session": "s", "pipeline": "p", "version": "1", "parameters": {"a": math.nan}}, "no JSON object"),
        (Link, {"after": "s", "relation": "new"}, "links nothing"),
    ],
)
def test_a_bad_row_is_refused_in_one_line(made, values, words):
    with pytest.raises(InputError, match=words) as caught:
        made.of(values)
    assert "\n" not in str(caught.value)


def test_values_are_stored_in_one_form():
    session = Session(patient="P1", visit="m00", date="2025-01-31")
    assert (session.id, session.date) == ("P1-m00", date(2025, 1, 31))
    seen = Observation(lesion="a", recon="b", mean=1, voxels=3.0, sd=math.nan)
    assert (type(seen.mean), type(seen.voxels), seen.sd) == (float, int, None)
    assert len({Lesion(patient="P1", label="L1", kind="depot").id for _ in range(9)}) == 9
    assert Event(patient="P1", type="death", onset="2025-01-31", adjudicators=["A"]).adjudicators == ("A",)


def test_cells_and_plain_values_give_the_row_back():
    row = Series(id="2.25.7", session="s", echo_times=(0.004, 1 / 3), voxel=(1, 1, 1))
    cells = {c.name: c.write(getattr(row, c.name)) for c in columns(Series)}
    assert Series.read(cells) == row
    assert Series.of(row.plain()) == row
    recon = Recon(session="s", pipeline="p", version="1", parameters={"b": [1, 2.5], "a": None})
    assert Recon.read({c.name: c.write(getattr(recon, c.name)) for c in columns(Recon)}) == recon


@pytest.mark.parametrize("made", ROWS.values(), ids=ROWS)
def test_every_column_is_described_and_refers_to_an_earlier_table(made):
    earlier = list(ROWS)[: list(ROWS).index(made.table)]
    for column in columns(made):
        assert column.meaning, column.name
        assert column.refers is None or column.refers in earlier
