"""The official validator has no objection to what is written: raw data from three scanners, and results."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qsmkit.artifacts import ARTIFACTS
from qsmkit.grid import Grid
from qsmkit.io.derivatives import write_artifact, write_description
from qsmkit.io.dicom_in.convert import convert
from qsmkit.io.dicom_vendor import write_volume
from qsmkit.volume import Scan
from vendor_scan import make_scan

VALIDATOR = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent)) or shutil.which(
    "bids-validator-deno"
)

pytestmark = pytest.mark.skipif(VALIDATOR is None, reason="bids-validator-deno is not installed")


def valid(root):
    done = subprocess.run([VALIDATOR, str(root), "--ignoreWarnings"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERROR" not in done.stdout
    return True


@pytest.mark.parametrize(
    "files",
    [
        "philips-ingenia-3t/gre_enhanced.dcm.gz",
        "siemens-prisma-xa30/*.dcm.gz",
        "philips-achieva-b0-hz/IM_0027_fMAP.dcm.gz",
    ],
)
def test_converted_scans_of_real_scanners(shared_data, tmp_path, files):
    (tmp_path / "dicom").mkdir()
    for path in shared_data.glob(files):
        (tmp_path / "dicom" / path.name).symlink_to(path)
    convert(tmp_path / "dicom", tmp_path / "bids")
    assert valid(tmp_path / "bids")


def test_everything_that_conversion_may_write(tmp_path):
    scan = make_scan((8, 10, 6))
    scan.write(tmp_path / "dicom", "ge")
    for number, weighting in enumerate(("T1w", "T2w", "CT"), 20):
        write_volume(tmp_path / "dicom", scan.magnitude[..., number % 3], scan.grid, weighting, series=number)
    convert(tmp_path / "dicom", tmp_path / "bids", session="1")
    assert len(list((tmp_path / "bids").rglob("*.nii.gz"))) == 9
    assert valid(tmp_path / "bids")


def test_every_result_that_may_be_written(tmp_path):
    grid = Grid.tilted((6, 7, 8))
    scan = Scan(
        np.ones((*grid.shape, 2), np.float32), None, np.array([0.004, 0.008]), 3.0, grid,
        name="sub-01_ses-2_acq-qsm_run-1", sources=("bids:raw:sub-01/ses-2/anat/x.nii.gz",),
    )  # fmt: skip
    out = tmp_path / "out"
    write_description(out, tmp_path)
    for row in ARTIFACTS.values():
        if row.bids:
            shape = (*grid.shape, 2) if row.kind in ("series", "ensemble") else grid.shape
            write_artifact(out, scan, row.name, np.ones(shape, np.bool_ if row.kind == "mask" else np.float32))
    assert valid(out)
