"""Which file is what."""

import json

import nibabel as nib
import numpy as np
import pytest

from qsmkit.errors import InputError
from qsmkit.pipeline.target_case import find_case


def touch(root, name, folder="anat", **content):
    path = root / "sub-01" / name.split("_")[1] / folder / f"{name}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.float32), np.eye(4)), path)
    path.with_name(f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def dataset(tmp_path):
    (tmp_path / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    for part in ("mag", "phase"):
        touch(tmp_path, f"sub-01_ses-pre_echo-1_part-{part}_MEGRE", EchoTime=0.01, MagneticFieldStrength=3.0)
    return tmp_path


def test_images_are_told_by_name_session_and_suffix(dataset):
    touch(dataset, "sub-01_ses-pre_acq-t1mprage_T1w")
    touch(dataset, "sub-01_ses-pre_acq-t1fgatir_T1w")
    touch(dataset, "sub-01_ses-pre_T2w")
    touch(dataset, "sub-01_ses-pre_ct", "ct")
    found = find_case(dataset)
    assert found.participant == "sub-01"
    assert found.fgatir.name == "sub-01_ses-pre_acq-t1fgatir_T1w.nii.gz"
    assert found.t1w.name == "sub-01_ses-pre_acq-t1mprage_T1w.nii.gz"
    assert found.ct_after.name == "sub-01_ses-pre_ct.nii.gz", "the only CT is that after the operation"


def test_the_ct_after_the_operation_is_that_of_a_later_session(dataset):
    touch(dataset, "sub-01_ses-pre_ct", "ct")
    touch(dataset, "sub-01_ses-post_ct", "ct")
    touch(dataset, "sub-01_ses-late_ct", "ct")
    (dataset / "sub-01" / "sub-01_sessions.tsv").write_text(
        "session_id\tacq_time\nses-pre\t2024-01-01\nses-late\t2025-01-01\nses-post\t2024-02-01\n"
    )
    found = find_case(dataset)
    assert found.ct_before.name == "sub-01_ses-pre_ct.nii.gz"
    assert found.ct_after.name == "sub-01_ses-late_ct.nii.gz"
    assert found.t1w is None
    assert set(found.images()) == {"ct_before", "ct_after"}


def test_two_scans_must_be_chosen_from(dataset):
    for part in ("mag", "phase"):
        touch(dataset, f"sub-01_ses-q_echo-1_part-{part}_MEGRE", EchoTime=0.01, MagneticFieldStrength=3.0)
    with pytest.raises(InputError, match="--session-label"):
        find_case(dataset)
    assert find_case(dataset, session="pre").scan.name.entities["ses"] == "pre"
