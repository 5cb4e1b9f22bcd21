"""`qsmkit export`: what a user types, and what the program answers."""

import numpy as np
import pytest
from pydicom import dcmread

from dicom_phantom import GRIDS, letter, scanner_series
from qsmkit.io.nifti import save_volume


@pytest.fixture
def chi(tmp_path):
    path = tmp_path / "sub-07_Chimap.nii.gz"
    save_volume(path, letter(GRIDS["oblique"]), GRIDS["oblique"])
    return path


def test_a_map_goes_out_with_a_summary(qsmkit, chi, tmp_path):
    scanner_series(tmp_path / "scan", GRIDS["oblique"])
    ran = qsmkit("export", "dicom", chi, tmp_path / "out", "--source", tmp_path / "scan", "--json")
    assert (ran.status, ran.err) == (0, "")
    source, image = dcmread(tmp_path / "scan" / "0-0.dcm"), dcmread(tmp_path / "out" / "IM0001.dcm")
    assert ran.json["frame_uid"] == source.FrameOfReferenceUID == image.FrameOfReferenceUID
    assert ran.json["shares_space"] is True
    assert ran.json["files"] == len(list((tmp_path / "out").iterdir())) == 26
    assert ran.json["unit"] == "ppb"
    assert ran.json["clipped"] == 0
    assert image.PatientName == "Doe^Jane"


def test_without_a_source_the_participant_is_the_patient(qsmkit, chi, tmp_path):
    ran = qsmkit("export", "dicom", chi, tmp_path / "out", "--title", "Hybrid", "--uid-seed", "x")
    assert ran.status == 0
    assert "new, no source was named" in ran.err
    assert "verifies the fusion" in ran.err
    image = dcmread(tmp_path / "out" / "IM0001.dcm")
    assert image.PatientID == "07"
    assert image.SeriesDescription == "Hybrid ppb RESEARCH - NOT FOR DIAGNOSTIC USE"
    again = qsmkit("export", "dicom", chi, tmp_path / "two", "--uid-seed", "x", "--title", "Hybrid")
    assert again.status == 0
    assert dcmread(tmp_path / "two" / "IM0001.dcm").SOPInstanceUID == image.SOPInstanceUID


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["{chi}", "{out}", "--source", "{chi}"], 1, "no readable DICOM file"),
        (["{chi}", "{out}", "--source", "nowhere"], 1, "does not exist"),
        (["{plain}", "{out}"], 2, "does not say what it holds; add --quantity chi|r2star"),
        (["{plain}", "{out}", "--quantity", "chi"], 2, "give --source DICOM or --patient-id ID"),
        (["{chi}", "{out}", "--patient-id", "x" * 65], 1, "not 1 to 64 characters"),
        (["{chi}", "{out}", "--orientation", "coronal"], 1, "no square pixels in coronal slices"),
        (["{chi}", "{out}", "--title", "χ"], 1, "plain characters"),
        (["{four}", "{out}", "--quantity", "swi"], 1, "holds 2 volumes"),
    ],
)
def test_what_cannot_be_exported_is_refused(qsmkit, chi, tmp_path, arguments, status, said):
    plain, four = tmp_path / "map.nii.gz", tmp_path / "sub-1_x.nii.gz"
    save_volume(plain, np.zeros((3, 4, 5), np.float32), GRIDS["axial"].cropped((0, 0, 0), (3, 4, 5)))
    save_volume(four, np.zeros((3, 4, 5, 2), np.float32), GRIDS["axial"].cropped((0, 0, 0), (3, 4, 5)))
    names = {"chi": chi, "out": tmp_path / "out", "plain": plain, "four": four}
    ran = qsmkit("export", "dicom", *[a.format(**names) for a in arguments])
    assert ran.status == status, ran.err
    assert said in ran.err
    assert not (tmp_path / "out").exists()


def test_labels_measurements_and_surfaces_follow_the_map(qsmkit, chi, tmp_path):
    grid = GRIDS["oblique"]
    assert qsmkit("export", "dicom", chi, tmp_path / "chi").status == 0
    labels = tmp_path / "sub-07_dseg.nii.gz"
    data = np.zeros(grid.shape, np.uint8)
    data[5:9, 5:9, 5:9], data[15:20, 5:9, 5:9] = 1, 2
    save_volume(labels, data, grid)
    (tmp_path / "sub-07_dseg.tsv").write_text("index\tname\n1\tL STN\n2\tR STN\n")
    ran = qsmkit("export", "seg", labels, tmp_path / "seg.dcm", "--reference", tmp_path / "chi", "--json")
    assert [s["name"] for s in ran.json["segments"]] == ["L STN", "R STN"]
    assert [s["voxels"] for s in ran.json["segments"]] == [64, 80]
    (tmp_path / "m.json").write_text('[{"label": 2, "value": 0.1, "low": 0.09, "high": 0.12, "unit": "ppm", "n": 80}]')
    ran = qsmkit(
        "export", "sr", tmp_path / "m.json", tmp_path / "sr.dcm", "--reference", tmp_path / "chi",
        "--segmentation", tmp_path / "seg.dcm", "--labels", tmp_path / "sub-07_dseg.tsv", "--json",
    )  # fmt: skip
    assert (ran.status, ran.json["regions"]) == (0, 1), ran.err
    assert "R STN" in str(dcmread(tmp_path / "sr.dcm"))
    ran = qsmkit("roi", chi, "--labels", labels, "--json", "--out", tmp_path / "regions.tsv")
    (tmp_path / "printed.json").write_text(ran.out)
    for name in ("regions.tsv", "printed.json"):
        report = tmp_path / f"{name}.dcm"
        ran = qsmkit("export", "sr", tmp_path / name, report, "--reference", tmp_path / "chi", "--json")
        assert (ran.status, ran.json["regions"]) == (0, 2), ran.err
    ran = qsmkit("export", "stl", labels, tmp_path / "stl", "--source", tmp_path / "chi", "--json")
    assert [m["File"] for m in ran.json] == ["001_L-STN.stl", "002_R-STN.stl"]
    assert ran.json[0]["FrameOfReferenceUID"] == dcmread(tmp_path / "chi" / "IM0001.dcm").FrameOfReferenceUID
    for command in (["seg", labels, tmp_path / "seg.dcm"], ["sr", tmp_path / "m.json", tmp_path / "sr.dcm"]):
        again = qsmkit("export", *command, "--reference", tmp_path / "chi")
        assert again.status == 1
        assert "is there already" in again.err
    ran = qsmkit("export", "dicom", chi, tmp_path / "pm", "--format", "parametric-map")
    assert ran.status == 0, ran.err
    assert dcmread(tmp_path / "pm" / "PM0001.dcm").SOPClassUID.name == "Parametric Map Storage"
