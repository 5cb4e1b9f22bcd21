import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from qsmkit.errors import InputError, OutputError
from qsmkit.grid import Grid
from qsmkit.io.derivatives import artifact_path, result_path, scan_stem, write_artifact, write_description
from qsmkit.io.nifti import load_volume
from qsmkit.volume import Scan

GRID = Grid.tilted((6, 5, 4), (1, 1, 2), tilt=20)


@pytest.fixture
def scan(rng):
    return Scan(
        phase=rng.uniform(-3, 3, (*GRID.shape, 2)).astype(np.float32),
        magnitude=None,
        echo_times=np.array([0.004, 0.008]),
        field_strength=2.895,
        grid=GRID,
        name="sub-01_ses-a_run-2",
        sources=("bids:raw:sub-01/ses-a/anat/x.nii.gz",),
    )


def test_description_makes_a_derivative_data_set(tmp_path):
    path = write_description(tmp_path / "out", tmp_path)
    content = json.loads(path.read_text())
    assert content["DatasetType"] == "derivative"
    assert content["BIDSVersion"] == "1.10.0"
    assert content["GeneratedBy"][0]["Name"] == "qsmkit"
    assert content["GeneratedBy"][0]["Version"]
    assert content["SourceDatasets"] == [{"URL": tmp_path.as_uri()}]
    assert content["DatasetLinks"] == {"raw": tmp_path.as_uri()}
    write_description(tmp_path / "out")


def test_foreign_data_sets_are_not_written_into(dataset):
    before = (dataset.root / "dataset_description.json").read_text()
    with pytest.raises(OutputError, match="not made by qsmkit"):
        write_description(dataset.root)
    assert (dataset.root / "dataset_description.json").read_text() == before


def test_names_follow_bids(tmp_path, scan):
    anat = tmp_path / "sub-01" / "ses-a" / "anat"
    stem = "sub-01_ses-a_run-2"
    assert artifact_path(tmp_path, scan, "chi") == anat / f"{stem}_Chimap.nii.gz"
    assert artifact_path(tmp_path, scan, "brain_mask") == anat / f"{stem}_desc-brain_mask.nii.gz"
    unwrapped = artifact_path(tmp_path, scan, "unwrapped_phase")
    assert unwrapped == anat / f"{stem}_part-phase_desc-unwrapped_MEGRE.nii.gz"
    assert result_path(tmp_path, scan, "desc-x_stat", ".tsv") == anat / f"{stem}_desc-x_stat.tsv"
    with pytest.raises(InputError, match="does not end a BIDS name"):
        result_path(tmp_path, scan, "chi map")


@pytest.mark.parametrize(
    ("name", "stem"),
    [("sub-01", "sub-01"), ("sub-01_acq-x", "sub-01_acq-x"), ("Phase", "sub-Phase"),
     ("2001_e1_ph", "sub-2001e1ph"), ("--", "sub-scan")],
)  # fmt: skip
def test_any_scan_has_a_bids_stem(scan, name, stem):
    assert scan_stem(replace(scan, name=name)) == stem


def test_artifact_comes_with_unit_and_sources(tmp_path, scan, rng):
    chi = rng.standard_normal(GRID.shape).astype(np.float32)
    path = write_artifact(tmp_path, scan, "chi", chi, metadata={"Reference": np.nan})
    back = load_volume(path)
    np.testing.assert_array_equal(back.data, chi)
    assert GRID.difference(back.grid) is None
    content = json.loads(path.with_name("sub-01_ses-a_run-2_Chimap.json").read_text())
    assert content["Units"] == "ppm"
    assert content["SkullStripped"] is True
    assert content["Sources"] == list(scan.sources)
    assert content["MagneticFieldStrength"] == 2.895
    assert content["Reference"] is None


def test_series_tell_their_echo_times_and_masks_their_type(tmp_path, scan):
    path = write_artifact(tmp_path, scan, "phase", scan.phase)
    content = json.loads((path.parent / "sub-01_ses-a_run-2_part-phase_MEGRE.json").read_text())
    assert content["EchoTime"] == [0.004, 0.008]
    assert content["SkullStripped"] is False
    path = write_artifact(tmp_path, scan, "reference_mask", np.ones(GRID.shape, bool))
    content = json.loads((path.parent / "sub-01_ses-a_run-2_desc-reference_mask.json").read_text())
    assert content["Type"] == "ROI"
    assert "Units" not in content
    assert nib.load(path).get_data_dtype() == np.uint8


def test_results_are_replaced_only_when_asked(tmp_path, scan):
    chi = np.zeros(GRID.shape, np.float32)
    path = write_artifact(tmp_path, scan, "chi", chi)
    with pytest.raises(OutputError, match="there already"):
        write_artifact(tmp_path, scan, "chi", chi + 1)
    assert not load_volume(path).data.any()
    write_artifact(tmp_path, scan, "chi", chi + 1, overwrite=True)
    assert load_volume(path).data.all()


def test_failed_image_leaves_no_sidecar(tmp_path, scan):
    path = artifact_path(tmp_path, scan, "chi")
    path.mkdir(parents=True)  # the image cannot be put in place
    with pytest.raises(OutputError):
        write_artifact(tmp_path, scan, "chi", np.zeros(GRID.shape, np.float32), overwrite=True)
    assert list(path.parent.iterdir()) == [path]


def test_unwritable_output_is_named(tmp_path, scan):
    (tmp_path / "file").touch()
    for attempt in (
        lambda out: write_description(out),
        lambda out: write_artifact(out, scan, "chi", np.zeros(GRID.shape, np.float32)),
    ):
        with pytest.raises(OutputError, match="cannot be written"):
            attempt(tmp_path / "file" / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["grid", "echo_times", "nonsense"])
def test_what_is_no_image_is_not_written(tmp_path, scan, name):
    with pytest.raises(InputError, match="not written as an image"):
        write_artifact(tmp_path, scan, name, np.zeros(GRID.shape))
