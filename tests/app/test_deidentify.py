"""`qsmkit deidentify`: what a user types, and what the program answers."""

import json

from pydicom import dcmread

from dicom_phantom import GRIDS, scanner_series
from qsmkit.io.dicom_out.series import read_series


def test_two_visits_with_one_key(qsmkit, tmp_path):
    grid = GRIDS["oblique"]
    for visit, day in (("a", "20230105"), ("b", "20240301")):
        scanner_series(tmp_path / "in" / visit, grid, echoes=1, spoil=lambda h, day=day: setattr(h, "StudyDate", day))
        ran = qsmkit(
            "deidentify", tmp_path / "in" / visit, tmp_path / visit, "--key-file", tmp_path / "key", "--json"
        )
        assert ran.status == 0, ran.err
        assert ran.json["written"] == {"DICOM": 26}
        assert ran.json["identifiers_found"] == 0
        assert ran.json["identifiers_looked_for"] > 30
    assert "a new key" not in ran.err  # the second time it is there
    one, two = (read_series(tmp_path / v)[0] for v in "ab")
    assert one.headers[0].PatientID == two.headers[0].PatientID != "H-4711"
    assert one.grid().difference(grid) is None
    assert one.headers[0].PatientName != "Doe^Jane"
    assert {p.name for p in tmp_path.iterdir()} == {"in", "a", "b", "key"}


def test_what_is_left_out_is_said_with_the_reason(qsmkit, tmp_path):
    scanner_series(tmp_path / "in", GRIDS["axial thick"], echoes=1)
    header = dcmread(tmp_path / "in" / "0-0.dcm")
    header.BurnedInAnnotation = "YES"
    header.save_as(tmp_path / "in" / "0-0.dcm", enforce_file_format=True)
    command = ("deidentify", tmp_path / "in", tmp_path / "out", "--key-file", tmp_path / "key")
    ran = qsmkit(*command, "--crosswalk", tmp_path / "who.tsv")
    assert ran.status == 0, ran.err
    assert "0-0.dcm" in ran.out
    assert "the pixels show text" in ran.out
    assert "25 DICOM of 1 patient " in ran.err
    assert "none of" in ran.err
    assert "Faces are not removed" in ran.err
    assert "H-4711" in (tmp_path / "who.tsv").read_text()
    again = qsmkit(*command)
    assert again.status == 1
    assert "not empty" in again.err
    assert qsmkit(*command, "--overwrite").status == 0


def test_keys_lie_apart_from_the_data(qsmkit, tmp_path):
    scanner_series(tmp_path / "in", GRIDS["axial thick"], echoes=1)
    for place in ("in", "out"):
        ran = qsmkit("deidentify", tmp_path / "in", tmp_path / "out", "--key-file", tmp_path / place / "key")
        assert ran.status == 2
        assert "keep it apart" in ran.err
    (tmp_path / "key").write_text("1234")
    ran = qsmkit("deidentify", tmp_path / "in", tmp_path / "out", "--key-file", tmp_path / "key")
    assert ran.status == 1
    assert "4 bytes can be guessed" in ran.err
    assert not (tmp_path / "out").exists()


def test_a_simulated_dataset_goes_through(qsmkit, head, tmp_path):
    ran = qsmkit("deidentify", head, tmp_path / "out", "--key-file", tmp_path / "key", "--json")
    assert ran.status == 0, ran.err
    assert ran.json["written"]["NIfTI"] > 8
    sidecars = [json.loads(p.read_text()) for p in (tmp_path / "out").rglob("*part-phase_MEGRE.json")]
    assert sorted(s["EchoTime"] for s in sidecars) == [0.004, 0.012, 0.02, 0.028]
    assert "dataset_description.json" in {e["file"] for e in ran.json["left_out"]}
