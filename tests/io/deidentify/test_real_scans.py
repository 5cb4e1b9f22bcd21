"""Real scans: their voxels, places, echoes and parts are the same after de-identification, for the usual converter."""

import gzip
import json
import subprocess

import dcm2niix
import nibabel as nib
import numpy as np
import pytest

from qsmkit.io.deidentify.folder import deidentify
from qsmkit.io.deidentify.header import Rules
from qsmkit.io.deidentify.key import Key

SCANS = {
    "Siemens XA30": ("siemens-prisma-xa30", "*.dcm.gz", 3),
    "Philips enhanced": ("philips-ingenia-3t", "*enhanced.dcm.gz", 4),
    "Philips field map in Hz": ("philips-achieva-b0-hz", "*.dcm.gz", 2),
}
NEEDED = ("EchoTime", "MagneticFieldStrength", "ImagingFrequency", "ImageType", "Manufacturer", "RepetitionTime",
          "PhilipsRescaleSlope", "PhilipsRescaleIntercept", "FlipAngle", "SoftwareVersions", "ManufacturersModelName",
          "SliceTiming", "NonlinearGradientCorrection")  # fmt: skip


def converted(folder, out):
    out.mkdir()
    command = [dcm2niix.bin, "-f", "%s_%e", "-b", "y", "-ba", "n", "-z", "n", "-o", out, folder]
    assert subprocess.run(command, capture_output=True).returncode == 0
    images = {}
    for path in out.glob("*.nii"):
        said = json.loads(path.with_suffix(".json").read_text())
        images[said["SeriesNumber"], said.get("EchoTime"), str(said["ImageType"])] = nib.load(path), said
    return images


@pytest.mark.parametrize("name", SCANS)
def test_the_converter_sees_the_same_scan(shared_data, tmp_path, name):
    folder, pattern, count = SCANS[name]
    (tmp_path / "in").mkdir()
    for path in (shared_data / folder).glob(pattern):
        (tmp_path / "in" / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    outcome = deidentify(tmp_path / "in", tmp_path / "out", Rules(Key(b"a secret of the tests, long enough")))
    assert outcome.left_out == []
    before, after = converted(tmp_path / "in", tmp_path / "a"), converted(tmp_path / "out", tmp_path / "b")
    assert len(before) == count
    assert before.keys() == after.keys()
    for key, (image, said) in before.items():
        other, says = after[key]
        assert np.array_equal(image.dataobj, other.dataobj)
        assert np.array_equal(image.affine, other.affine)
        assert {k: said.get(k) for k in NEEDED} == {k: says.get(k) for k in NEEDED}
