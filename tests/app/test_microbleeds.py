"""`qsmkit microbleeds` and `qsmkit quantify haematoma` from files to a page, a review, and a count."""

import nibabel as nib
import numpy as np
import pytest


@pytest.fixture
def maps(tmp_path):
    shape, affine = (40, 44, 36), np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = (-20, -22, -18)
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) + affine[:3, 3]
    inside = np.linalg.norm(points / (19, 21, 17), axis=-1) < 1
    chi = np.random.default_rng(3).normal(0, 0.008, shape)
    for centre, radius, value in (((-6, 5, 2), 2.0, 0.8), ((7, -6, 1), 1.8, -0.9)):
        chi += value * np.clip(radius + 0.5 - np.linalg.norm(points - centre, axis=-1), 0, 1)
    for name, array in {"sub-01_Chimap": chi * inside, "sub-01_desc-qsm_mask": inside, "mag": inside * 100.0}.items():
        nib.save(nib.Nifti1Image(array.astype(np.float32), affine), tmp_path / f"{name}.nii.gz")
    (tmp_path / "sub-01_Chimap.json").write_text('{"MagneticFieldStrength": 3.0}')
    return tmp_path


def test_from_a_map_to_a_review_to_a_count(qsmkit, maps):
    chi, out = maps / "sub-01_Chimap.nii.gz", maps / "out"
    ran = qsmkit("microbleeds", chi, "--magnitude", maps / "mag.nii.gz", "--out", out, "--json")
    assert ran.status == 0, ran.err
    assert ran.json["count"] == 1
    assert ran.json["others"]["calcification candidates"] == 1
    assert "not reviewed" in ran.json["status"]
    page = (out / "report.html").read_text()
    assert "ppm·mm³" in page
    assert "A·m²" in page
    assert "data:image/png" in page
    assert "Not a medical device" in page
    assert qsmkit("microbleeds", chi, "--out", out).status == 1  # nothing is overwritten unasked

    table = out / "candidates.tsv"
    lines = [line.split("\t") for line in table.read_text().splitlines()]
    accept, kind = lines[0].index("accept"), lines[0].index("kind")
    for line in lines[1:]:
        line[accept] = "yes" if line[kind] == "microbleed" else "no"
    table.write_text("\n".join("\t".join(line) for line in lines) + "\n")
    ran = qsmkit("microbleeds", "--reviewed", table, "--json")
    assert ran.status == 0, ran.err
    assert ran.json["count"] == 1
    assert ran.json["status"].startswith("reviewed: 1 accepted, 1 rejected")
    told = qsmkit("microbleeds", chi, "--reviewed", table, "--out", maps / "final")
    assert "reviewed" in told.out
    assert "accepted" in (maps / "final" / "report.html").read_text()


def test_nothing_found_says_why(qsmkit, maps):
    ran = qsmkit("microbleeds", maps / "sub-01_Chimap.nii.gz", "--contrast", 3, "--out", maps / "none")
    assert ran.status == 0, ran.err
    assert "none found" in ran.out
    assert "Research use only" in ran.out
    assert not (maps / "none" / "candidates.tsv").exists()


def test_what_is_missing_is_asked_for(qsmkit, maps):
    assert qsmkit("microbleeds").status == 2
    labels = maps / "labels.nii.gz"
    nib.save(nib.load(maps / "sub-01_desc-qsm_mask.nii.gz"), labels)
    ran = qsmkit("microbleeds", maps / "sub-01_Chimap.nii.gz", "--labels", labels)
    assert ran.status == 1
    assert "--names" in ran.err


def test_a_haematoma_from_a_seed(qsmkit, maps):
    chi, grown = maps / "sub-01_Chimap.nii.gz", maps / "grown.nii.gz"
    arguments = ("quantify", "haematoma", chi, "--b0", 3)
    ran = qsmkit(*arguments, "--seed", -6, 5, 2, "--out", grown, "--json")
    assert ran.status == 0, ran.err
    assert ran.json["volume"]["unit"] == "mL"
    assert ran.json["volume"]["low"] < ran.json["volume"]["value"] < ran.json["volume"]["high"]
    again = qsmkit(*arguments, "--mask", grown)
    assert "stage" in again.out
    assert "ABC/2" in again.out
    assert qsmkit(*arguments).status == 2
