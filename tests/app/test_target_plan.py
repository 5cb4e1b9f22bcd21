"""`qsmkit target plan` from files to a sheet."""

import json

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from tests.clinical.target.heads import TURN, head

AC, PC, MIDLINE, ENTRY = (TURN.apply(p).tolist() for p in ((0.0, 12, 0), (0.0, -12, 0), (0.0, 0, 50), (25.0, 30, 40)))
MARKS = ("--ac", *AC, "--pc", *PC, "--midline", *MIDLINE)
GPI = ("--structure", "GPi", "--side", "right", *MARKS)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("head")
    labels, brain, own = head(step=1.5)
    marked = labels.data.copy()
    marked[np.linalg.norm(own[..., ::2] - (22, 28), axis=-1) < 2] = 11
    marked[np.linalg.norm(own - (8, 10, 18), axis=-1) < 5] = 1
    wall = np.abs(np.linalg.norm(own - (18.0, 3.0, -6.0), axis=-1) - 22) < 1.5
    for name, data in (("labels", marked), ("brain", brain.data), ("wall", wall)):
        nib.save(nib.Nifti1Image(data.astype(np.uint8), labels.grid.affine), folder / f"{name}.nii.gz")
    return folder


def test_a_plan_is_printed_and_written(qsmkit, files, tmp_path):
    labels = files / "labels.nii.gz"
    (tmp_path / "frame.json").write_text(json.dumps({"matrix": np.eye(4).tolist()}))
    frame = ("--frame", tmp_path / "frame.json", "--mounting", "lateral-right")
    masks = ("--brain", files / "brain.nii.gz", "--veins", f"{labels}:11", "--avoid", f"caudate={labels}:1")
    out = ("--out", tmp_path / "plan", "--image", labels)
    ran = qsmkit("target", "plan", labels, *GPI, *masks, *frame, *out, "--margin", "veins=3", "caudate=1")
    assert ran.status == 0, ran.err
    assert "GPi RIGHT (the patient's right)" in ran.out
    assert "closer than 3 mm to veins" in ran.out
    assert "Check the setting on the phantom base" in ran.out
    assert "sulci: not checked" in ran.out
    assert "caudate: " in ran.out
    assert "Not a medical device" in ran.out
    names = {p.name for p in (tmp_path / "plan").iterdir()}
    assert {"report.html", "plan.json", "plan.txt", "coordinates.csv", "spans.csv", "risk_map.csv"} <= names
    assert {"track_coronal.png", "track_sagittal.png", "probes_eye.png", "along_track.png", "risk_map.png"} <= names
    page = (tmp_path / "plan/report.html").read_text()
    assert ">RIGHT</span>" in page
    assert "Ring" in page
    again = qsmkit("target", "plan", labels, *GPI, *masks, *out)
    assert again.status == 1
    assert "there already" in again.err
    kept = json.loads((tmp_path / "plan/plan.json").read_text())
    assert kept["side"] == "right"
    assert kept["frame"]["mounting"] == "lateral-right"


def test_a_plan_s_span_is_joined_with_the_microelectrode_s(qsmkit, files, tmp_path):
    labels = files / "labels.nii.gz"
    ran = qsmkit("target", "plan", labels, *GPI, "--entry", *ENTRY, "--out", tmp_path / "plan", "--json")
    assert ran.status == 0, ran.err
    (gpi,) = (s for s in ran.json["spans"] if s["structure"] == "GPi")
    row = (tmp_path / "plan/spans.csv").read_text().splitlines()
    at = row[0].split(",").index("span_mm")
    (line,) = (r.split(",") for r in row if ",GPi," in r)
    assert float(line[at]) == pytest.approx(gpi["span"]["value"])
    assert float(line[at]) == pytest.approx(gpi["entry"]["value"] - gpi["exit"]["value"])


def test_the_folder_of_nuclei_brings_labels_probabilities_and_commissures(qsmkit, files, tmp_path):
    labels = nib.load(files / "labels.nii.gz")
    nib.save(labels, tmp_path / "dseg.nii.gz")
    chance = ndimage.gaussian_filter((np.asarray(labels.dataobj) == 18).astype(np.float32), 1)
    nib.save(nib.Nifti1Image(chance, labels.affine), tmp_path / "label-gpi_probseg.nii.gz")
    (tmp_path / "nuclei.json").write_text(json.dumps({"Commissures": {"ac": AC, "pc": PC, "midline": MIDLINE}}))
    lead = ("--structure", "GPi", "--side", "right", "--entry", *ENTRY, "--json")
    whole = qsmkit("target", "plan", tmp_path, *lead)
    assert whole.status == 0, whole.err
    assert "check them on the images" in whole.err
    plain = qsmkit("target", "plan", files / "labels.nii.gz", *lead, *MARKS)
    sd = [r.json["target"]["sd_mm"] for r in (whole, plain)]
    assert np.linalg.norm(sd[0]) > 1.2 * np.linalg.norm(sd[1])
    refused = qsmkit("target", "plan", files / "labels.nii.gz", *lead)
    assert refused.status == 1
    assert "--ac, --pc, --midline is not given" in refused.err


def test_no_safe_entry_is_an_answer_with_reasons_and_status_1(qsmkit, files, tmp_path):
    masks = ("--brain", files / "brain.nii.gz", "--veins", files / "wall.nii.gz")
    ran = qsmkit("target", "plan", files / "labels.nii.gz", *GPI, *masks, "--out", tmp_path / "none")
    assert ran.status == 1
    assert "none found" in ran.out
    assert "NO TRACK" in ran.out
    assert "No entry is safe" in (tmp_path / "none/report.html").read_text()
    assert not (tmp_path / "none/spans.csv").exists()


def test_rules_are_editable(qsmkit, files, tmp_path):
    rule = {"lateral": [0, 0.5], "anterior": [0, 1], "superior": [0, 1], "source": "the medial half"}
    (tmp_path / "rules.json").write_text(json.dumps({"GPi": rule}))
    plain, medial = (
        qsmkit("target", "plan", files / "labels.nii.gz", *GPI, "--entry", *ENTRY, "--json", *more).json
        for more in ((), ("--rules", tmp_path / "rules.json"))
    )
    assert medial["target"]["how"] == "the medial half"
    x = [next(p["x"] for p in r["points"] if p["space"].startswith("AC")) for r in (plain, medial)]
    assert x[0] - x[1] > 1.5


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--margin", "veins"), "not NAME=VALUE"),
        (("--margin", "rocks=3"), "nothing is called that"),
        (("--margin", "veins=far"), "no distance"),
        (("--veins", "nowhere.nii.gz:3"), "nowhere.nii.gz"),
        (("--veins", "LABELS:99"), "no voxel"),
    ],
)
def test_wrong_options_get_one_clear_line(qsmkit, files, flags, words):
    labels = files / "labels.nii.gz"
    flags = (flag.replace("LABELS", str(labels)) for flag in flags)
    ran = qsmkit("target", "plan", labels, *GPI, "--entry", *ENTRY, *flags)
    assert ran.status == 1
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_labels_that_are_not_there(qsmkit, tmp_path):
    ran = qsmkit("target", "plan", tmp_path / "nuclei", "--structure", "STN", "--side", "left")
    assert ran.status == 1
    assert "nuclei does not exist" in ran.err
