"""`qsmkit target leads` from a CT to a table."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest

from qsmkit.simulate.lead_scene import scene
from qsmkit.transform import Transform

POSE = Transform.rigid((5, -8, 12), (2, -3, 4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A CT whose head is turned against the image's, labels in the image's space, and the transform between them."""
    here = tmp_path_factory.mktemp("leads")
    case = scene("Medtronic 3387", 1.0, pose=POSE, seed=8)
    nib.save(nib.Nifti1Image(case.ct.data, case.ct.grid.affine), here / "ct.nii.gz")
    (here / "to_ct.json").write_text(json.dumps({"matrix": POSE.matrix.tolist()}))
    at = POSE.inverse().apply(case.truth.contacts[1].centre)
    labels = np.zeros((60, 60, 60), np.int16)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = np.round(at) - 30
    labels[30:, :, :] = 18
    nib.save(nib.Nifti1Image(labels, affine), here / "labels.nii.gz")
    nib.save(nib.Nifti1Image(np.full((60, 60, 60), 0.4, np.float32), affine), here / "gpi.nii.gz")
    (here / "labels.tsv").write_text("index\tname\n18\tgpi\n")
    (here / "truth.json").write_text(json.dumps([POSE.inverse().apply(c.centre).tolist() for c in case.truth.contacts]))
    return here


def test_contacts_in_every_space_with_structures(qsmkit, folder):
    out = folder / "leads.tsv"
    ran = qsmkit(
        "target", "leads", folder / "ct.nii.gz", "--transform", folder / "to_ct.json", "--transform-error", 0.5,
        "--ac", 0, 12, 0, "--pc", 0, -12, 0, "--midline", 0, 0, 50, "--labels", folder / "labels.nii.gz",
        "--probability", f"GPi={folder / 'gpi.nii.gz'}", "--out", out, "--json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    (lead,) = ran.json["leads"]
    assert lead["model"] == "Medtronic 3387"
    assert "PINS L302" in lead["alike"]
    truth = json.loads((folder / "truth.json").read_text())
    for contact, true in zip(lead["contacts"], truth, strict=True):
        np.testing.assert_allclose(contact["places"]["image"]["position_mm"], true, atol=0.4)
        np.testing.assert_allclose(contact["places"]["acpc"]["position_mm"], true, atol=0.4)
        assert contact["structures"]["GPi"] == pytest.approx(0.4, abs=1e-6)
        assert contact["structures"].get("gpi", 0) + contact["structures"].get("none", 0) == pytest.approx(1)
    assert len(ran.json["inputs"][0]["sha256"]) == 64
    assert ran.json["disclaimer"].startswith("Research use only")
    with out.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 4 * 3
    assert {r["space"] for r in rows} == {"ct", "image", "acpc"}
    assert float(rows[-1]["radius_95"]) > float(rows[0]["radius_95"])
    assert json.loads(out.with_suffix(".json").read_text()) == ran.json
    again = qsmkit("target", "leads", folder / "ct.nii.gz", "--out", out)
    assert again.status == 1
    assert "there already" in again.err


def test_the_plain_output_says_what_it_is_not(qsmkit, folder):
    ran = qsmkit("target", "leads", folder / "ct.nii.gz", "--model", "pins l302")
    assert ran.status == 0, ran.err
    assert "cannot tell it from Medtronic 3387" in ran.out
    assert ran.out.rstrip().endswith("Not a medical device.")
    partial = qsmkit("target", "leads", folder / "ct.nii.gz", "--ac", 0, 1, 2)
    assert partial.status == 1
    assert "all three" in partial.err


def test_a_head_without_leads_is_refused(qsmkit, folder, tmp_path):
    image = nib.load(folder / "ct.nii.gz")
    nib.save(nib.Nifti1Image(np.minimum(np.asarray(image.dataobj), 900), image.affine), tmp_path / "before.nii.gz")
    ran = qsmkit("target", "leads", tmp_path / "before.nii.gz", "--out", tmp_path / "leads.tsv")
    assert ran.status == 1
    assert "no metal in the brain" in ran.err
    assert not (tmp_path / "leads.tsv").exists()


def test_a_transform_counts_in_the_direction_in_which_it_was_made(qsmkit, folder):
    (folder / "from_ct.json").write_text(json.dumps({"matrix": POSE.inverse().matrix.tolist()}))
    known = ("target", "leads", folder / "ct.nii.gz", "--model", "Medtronic 3387", "--json", "--transform")
    to_ct, from_ct = qsmkit(*known, folder / "to_ct.json"), qsmkit(*known, folder / "from_ct.json", "--ct-fixed")
    truth = json.loads((folder / "truth.json").read_text())
    for ran in (to_ct, from_ct):
        assert ran.status == 0, ran.err
        places = [c["places"]["image"]["position_mm"] for c in ran.json["leads"][0]["contacts"]]
        np.testing.assert_allclose(places, truth, atol=0.4)


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (("--ct-fixed",), "give --transform too"), (("--names", "labels.tsv"), "give --labels too"),
        (("--transform-error", -0.5), "no standard deviation"),
    ],
)  # fmt: skip
def test_options_that_would_do_nothing_or_harm_are_refused(qsmkit, folder, extra, told):
    ran = qsmkit("target", "leads", folder / "ct.nii.gz", *extra)
    assert ran.status == 1
    assert told in ran.err
