"""`qsmkit nuclei` from files to files."""

import hashlib
import json

import nibabel as nib
import numpy as np
import pytest

from deep_grey_heads import patient
from qsmkit.clinical.nuclei.structures import structures


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patient")
    chi, magnitude, *_ = patient(3.0)
    for name, volume in (("sub-01_Chimap", chi), ("sub-01_magnitude", magnitude)):
        nib.save(nib.Nifti1Image(volume.data, volume.grid.affine), folder / f"{name}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def ran(qsmkit, files):
    inputs = (files / "sub-01_Chimap.nii.gz", "--magnitude", files / "sub-01_magnitude.nii.gz")
    return qsmkit("nuclei", *inputs, "--out", files / "out", "--picture", "--json"), inputs


def test_labels_names_probabilities_table_record_and_picture_are_written(ran, files):
    result, _ = ran
    assert result.status == 0, result.err
    out = files / "out"
    labels = nib.load(out / "dseg.nii.gz")
    chi = nib.load(files / "sub-01_Chimap.nii.gz")
    assert np.allclose(labels.affine, chi.affine, atol=1e-4)
    numbers = set(np.unique(labels.get_fdata()).astype(int)) - {0}
    assert numbers <= {s.label for s in structures().values()}
    assert {17, 18, 3, 1, 7} <= numbers
    assert len(list(out.glob("label-*_probseg.nii.gz"))) == len(structures())
    assert len((out / "nuclei.tsv").read_text().splitlines()) == 1 + 2 * len(structures())
    assert (out / "nuclei_chi.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads((out / "nuclei.json").read_text())
    assert record["Verdict"] == result.json["Verdict"]
    assert record["Disclaimer"].startswith("Research use only")
    assert record["Inputs"]["chi"]["sha256"] == hashlib.sha256(
        (files / "sub-01_Chimap.nii.gz").read_bytes()).hexdigest()  # fmt: skip
    row = next(n for n in record["Nuclei"] if (n["name"], n["side"]) == ("gpe", "R"))
    assert row["chi"]["low"] < row["chi"]["value"] < row["chi"]["high"]
    assert row["chi"]["unit"] == "ppm"


def test_results_are_not_overwritten_unasked(qsmkit, ran, files):
    again = qsmkit("nuclei", *ran[1], "--out", files / "out", "--json")
    assert again.status == 1
    assert "--overwrite" in again.err


def test_an_atlas_without_names_is_refused(qsmkit, ran, files):
    refused = qsmkit("nuclei", *ran[1], "--atlas", files / "sub-01_Chimap.nii.gz", "--out", files / "other")
    assert refused.status == 1
    assert "sub-01_Chimap.tsv" in refused.err
    assert not (files / "other").exists()


def test_nothing_is_downloaded_without_a_checksum(qsmkit, ran, files):
    refused = qsmkit("nuclei", *ran[1], "--atlas", "https://example.org/a.nii.gz", "--out", files / "other")
    assert refused.status == 1
    assert "--atlas-sha256" in refused.err


def test_two_of_three_points_are_not_a_frame(qsmkit, ran, files):
    refused = qsmkit("nuclei", *ran[1], "--ac", 0, 2, -4, "--out", files / "other")
    assert refused.status == 1
    assert "--midline" in refused.err


def test_a_map_in_ppb_is_refused_before_anything_is_written(qsmkit, files, tmp_path):
    image = nib.load(files / "sub-01_Chimap.nii.gz")
    nib.save(nib.Nifti1Image(1000 * image.get_fdata(dtype=np.float32), image.affine), tmp_path / "ppb.nii.gz")
    result = qsmkit("nuclei", tmp_path / "ppb.nii.gz", "--out", tmp_path / "out")
    assert result.status == 1
    assert "give a map in ppm, not ppb" in result.err
    assert not (tmp_path / "out").exists()
