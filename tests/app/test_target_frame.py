"""`qsmkit target localise` and `convert` from files to coordinates."""

import json

import nibabel as nib
import numpy as np
import pytest
from tests.clinical.target.test_localiser import POSE, TARGETS, leksell, picture

from qsmkit.simulate.stereotactic import Localiser


@pytest.fixture(scope="module")
def ct(tmp_path_factory):
    image = picture(leksell(), sag={"left rear upright": (2.0, 2.0, 0.0)})
    path = tmp_path_factory.mktemp("frame") / "ct.nii.gz"
    nib.save(nib.Nifti1Image(image.data.astype(np.int16), image.grid.affine), path)
    return path


def test_scanner_points_become_frame_coordinates_and_go_back(qsmkit, ct, tmp_path):
    out = tmp_path / "frame.json"
    ran = qsmkit("target", "localise", ct, "--out", out)
    assert ran.status == 0, ran.err
    assert "REVIEW" in ran.out
    assert "rod left rear upright" in ran.out
    assert "Not a medical device" in ran.out
    assert json.loads(out.read_text())["verdict"] == "REVIEW"
    scanner = POSE.apply(TARGETS)
    rows = "\n".join(",".join(map(str, ("t", *p))) for p in scanner)
    (tmp_path / "points.csv").write_text(f"name,x,y,z\n{rows}\n")
    there = tmp_path / "leksell.csv"
    files = ("--frame", out, "--out", there)
    ran = qsmkit("target", "convert", tmp_path / "points.csv", "--from", "scanner", "--to", "leksell", *files)
    assert ran.status == 0, ran.err
    back = qsmkit("target", "convert", there, "--from", "leksell", "--to", "scanner", "--frame", out, "--json")
    assert np.array([[p[a] for a in "xyz"] for p in back.json["points"]]) == pytest.approx(scanner, abs=1e-6)
    found = [[float(v) for v in line.split(",")[1:]] for line in there.read_text().splitlines()[1:]]
    truth = Localiser(POSE.matrix).coordinates(scanner)
    assert np.linalg.norm(np.array(found) - truth, axis=1).max() < 0.3


def test_a_frame_that_does_not_fit_is_not_written(qsmkit, ct, tmp_path):
    rods = {n: (100 + e * (-1, 1, -1) * (1, 0.9, 1)).tolist() for n, e in leksell().items()}
    (tmp_path / "rods.json").write_text(json.dumps(rods))
    ran = qsmkit("target", "localise", ct, "--rods", tmp_path / "rods.json", "--out", tmp_path / "no.json")
    assert ran.status == 1
    assert not (tmp_path / "no.json").exists()
    (tmp_path / "rods.json").write_text('{"rod": [1, 2]}')
    ran = qsmkit("target", "localise", ct, "--rods", tmp_path / "rods.json")
    assert ran.status == 1
    assert "two ends" in ran.err


def test_spaces_are_joined_in_one_command(qsmkit, tmp_path):
    (tmp_path / "p.csv").write_text("name,x,y,z\nstn,12,-3,-4\n")
    marks = ("--ac", 1, 14, 9, "--pc", 0, -11, 8, "--midline", 0, 0, 60)
    assert qsmkit("target", "acpc", *marks, "--transform", tmp_path / "acpc.json").status == 0
    (tmp_path / "frame.json").write_text(json.dumps({"matrix": POSE.inverse().matrix.tolist()}))
    spaces = ("--acpc", tmp_path / "acpc.json", "--frame", tmp_path / "frame.json", "--mni", tmp_path / "frame.json")
    for middle in ("leksell", "crw", "mni", "scanner"):
        out = tmp_path / f"{middle}.csv"
        ran = qsmkit("target", "convert", tmp_path / "p.csv", "--from", "acpc", "--to", middle, *spaces, "--out", out)
        assert ran.status == 0, ran.err
        back = qsmkit("target", "convert", out, "--from", middle, "--to", "acpc", *spaces, "--json").json["points"]
        assert [back[0][a] for a in "xyz"] == pytest.approx([12, -3, -4], abs=1e-6)
        assert back[0]["name"] == "stn"
    ran = qsmkit("target", "convert", tmp_path / "p.csv", "--from", "acpc", "--to", "leksell", *spaces[:2])
    assert ran.status == 1
    assert "give --frame" in ran.err
