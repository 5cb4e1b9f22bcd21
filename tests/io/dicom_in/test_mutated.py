"""Damaged bytes: whatever is flipped in a file of a scan, its images are right, or they are not written."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from qsmkit.errors import InputError
from qsmkit.io.dicom_in.convert import convert
from qsmkit.io.dicom_vendor import Exam, write_gradient_echo
from qsmkit.simulate.encoding import encode
from vendor_scan import make_scan

TOLD = ("EchoTime", "ImagingFrequency", "MagneticFieldStrength", "RepetitionTime", "FlipAngle", "Units", "Manufacturer")


def images(root):
    return {p.name: nib.load(p) for p in sorted(root.glob("sub-*/**/*.nii.gz"))}


def sidecars(root):
    return {p.name: json.loads(p.read_text()) for p in sorted(root.glob("sub-*/**/*.json"))}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A single echo of few slices, converted: fast enough to be damaged a thousand times."""
    folder = tmp_path_factory.mktemp("whole")
    scan = make_scan((12, 10, 5), times=(0.02,))
    files = write_gradient_echo(
        folder / "dicom", encode(scan.magnitude, scan.phase, "siemens"), scan.grid, (0.02,), Exam("siemens")
    )
    convert(folder / "dicom", folder / "bids")
    return folder, files, images(folder / "bids"), sidecars(folder / "bids")


def damage(path, rng):
    """Flip up to three bytes, mostly of the header; return how many are of the pixels."""
    content = bytearray(path.read_bytes())
    first_pixel = len(content) - 12 * 10 * 2
    hit = 0
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(128, first_pixel) if rng.random() < 0.9 else rng.integers(first_pixel, len(content)))
        content[place] ^= int(rng.integers(1, 256)) if rng.random() < 0.5 else 1 << int(rng.integers(8))
        hit += place >= first_pixel
    path.write_bytes(content)
    return hit


def check(whole, folder, seed):
    """Damage a copy of the scan, convert it, and compare what was written with the undamaged images."""
    source, files, good, told = whole
    rng = np.random.default_rng(seed)
    shutil.copytree(source / "dicom", folder / "dicom")
    hit = damage(folder / "dicom" / files[rng.integers(len(files))].name, rng)
    try:
        convert(folder / "dicom", folder / "bids")
    except InputError as error:
        return f"refused: {error}"
    made, said = images(folder / "bids"), sidecars(folder / "bids")
    changed = 0
    for name, image in made.items():
        (twin,) = [n for n in good if n.split("part-")[-1] == name.split("part-")[-1]]
        assert image.shape == good[twin].shape, f"seed {seed}: {name} has another shape"
        np.testing.assert_allclose(image.affine, good[twin].affine, atol=0.02, err_msg=f"seed {seed}: {name}")
        differ = np.asarray(image.dataobj) != np.asarray(good[twin].dataobj)
        changed += differ.sum()
        own, other = (sides[n.replace(".nii.gz", ".json")] for sides, n in ((said, name), (told, twin)))
        for key in TOLD:
            there, meant = own.get(key), other.get(key)
            same = abs(there - meant) <= 2e-4 * meant if isinstance(meant, float) else there == meant
            assert same, f"seed {seed}: {key} of {name} is {there}, not {meant}"
    assert changed <= hit, f"seed {seed}: {changed} voxels differ, though {hit} bytes of pixels were damaged"
    return f"{len(made)} of {len(good)} images"


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_never_make_a_wrong_image(whole, tmp_path, seed):
    check(whole, tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("tens", range(40, 1040, 10))
def test_a_thousand_damaged_files(whole, tmp_path, tens):
    for seed in range(tens, tens + 10):
        folder = tmp_path / str(seed)
        folder.mkdir()
        check(whole, folder, seed)
        shutil.rmtree(folder)
