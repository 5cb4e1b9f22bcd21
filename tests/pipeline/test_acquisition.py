"""The consensus' list, held against scans that break its items one by one."""

import json
import shutil
import warnings

import numpy as np
import pytest

from qsmkit.io import bids
from qsmkit.io.dicom_in.convert import convert
from qsmkit.pipeline.acquisition import check_acquisition
from vendor_scan import make_scan

GOOD = {
    "MRAcquisitionType": "3D", "ScanningSequence": "GR", "SequenceName": "*fl3d", "RepetitionTime": 0.05,
    "FlipAngle": 15, "PixelBandwidth": 300, "ImagingFrequency": 123.2, "MagneticFieldStrength": 3, "PartialFourier": 1,
    "ParallelReductionFactorInPlane": 2, "CoilCombinationMethod": "Adaptive Combine", "ImageType": "ND",
    "ReconMatrixPE": 14, "AcquisitionMatrixPE": 14,
}  # fmt: skip


def dataset(folder, times=(0.005, 0.010, 0.015, 0.020), voxel=(0.8, 0.8, 1.0), ramp=0.0):
    scan = make_scan((14, 16, 6), voxel, times)
    scan.phase[..., 1::2] += np.linspace(-ramp, ramp, 14, dtype=np.float32)[:, None, None, None]
    scan.phase[:] = np.angle(np.exp(1j * scan.phase))
    scan.write(folder / "dicom")
    convert(folder / "dicom", folder / "bids")
    return folder / "bids"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("good"))


@pytest.fixture
def checked(tmp_path, good):
    """Check a scan of which something is changed; return the rows by name."""

    def checked(*, images=None, **changed):
        if images:
            dataset(tmp_path, **images)
        else:
            shutil.copytree(good, tmp_path / "bids")
        for path in (tmp_path / "bids").glob("sub-01/anat/*.json"):
            own = json.loads(path.read_text())
            keys = {"EchoTime": own["EchoTime"], "Manufacturer": "SIEMENS"} | GOOD | changed
            keys["ImageType"] = ["P" if "part-phase" in path.name else "M", keys["ImageType"]]
            path.write_text(json.dumps({k: v for k, v in keys.items() if v is not None}))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            (files,) = bids.find_scans(tmp_path / "bids")
            found = check_acquisition(files)
        return found, {i.name: i for i in found.items}

    return checked


def test_a_scan_as_the_consensus_asks_passes(checked):
    found, _ = checked()
    assert found.outcome == "PASS", [i for i in found.items if i.outcome != "PASS"]


@pytest.mark.parametrize(
    ("changed", "name", "words"),
    [
        ({"MRAcquisitionType": "2D"}, "dimensions", "3D"),
        ({"ScanningSequence": ["GR", "EP"]}, "sequence", "follow the field"),
        ({"PartialFourier": 0.75}, "partial Fourier", "avoided"),
        ({"ScanOptions": "PFF"}, "partial Fourier", "avoided"),
        ({"FlipAngle": None}, "flip angle", "FlipAngle"),
        ({"ImagingFrequency": None}, "centre frequency", "4 %"),
        ({"ReconMatrixPE": 28}, "matrix", "interpolation"),
        ({"CoilCombinationMethod": "Sum of Squares"}, "coil combination", "open fringes"),
        ({"ImageType": "DIS2D"}, "distortion correction", "wraps"),
        ({"images": {"voxel": (0.5, 0.5, 2.0)}}, "voxel size", "long voxels"),
        ({"images": {"times": (0.005, 0.010)}}, "echoes", "three or more"),
        ({"images": {"times": (0.005,)}}, "echoes", "scan several"),
        ({"images": {"times": (0.005, 0.010, 0.018)}}, "echo spacing", "not even"),
        ({"images": {"times": (0.005, 0.015, 0.025)}}, "echo spacing", "wraps between echoes"),
        ({"images": {"ramp": 1.0}}, "readout polarity", "--bipolar"),
    ],
)
def test_what_departs_from_it_is_named(checked, changed, name, words):
    found, rows = checked(**changed)
    assert rows[name].outcome == "WARN"
    assert words in rows[name].advice
    assert found.outcome == "WARN"


@pytest.mark.parametrize(
    ("changed", "name"), [({"ScanningSequence": "SE"}, "sequence"), ({"ImageType": "FIL"}, "phase")]
)
def test_what_is_of_no_use_fails(checked, changed, name):
    found, rows = checked(**changed)
    assert rows[name].outcome == found.outcome == "FAIL"
    assert found.as_dict()["outcome"] == "FAIL"
