"""One head, exported by every vendor's scanner, has one susceptibility."""

import re

import nibabel as nib
import numpy as np
import pytest

from qsmkit.io.dicom_in.convert import convert
from qsmkit.io.dicom_vendor import Exam, write_gradient_echo
from qsmkit.io.load import load
from qsmkit.simulate.coils import sensitivities
from qsmkit.simulate.encoding import encode

DIALECTS = {
    "siemens": {},
    "siemens unscaled, a series an echo": {"rescale_tags": False, "series_per": "echo"},
    "siemens enhanced": {"layout": "enhanced"},
    "ge": {},
    "ge mixed": {"series_per": "scan"},
    "siemens, by coil": {"coils": 3},
    "philips": {},
    "philips enhanced mixed": {"layout": "enhanced", "series_per": "scan"},
}

ROUNDING, COMBINING = 0.001, 0.004
"""Standard deviation in ppm of what rounding to stored integers, and combining coils, may change: below the noise."""


@pytest.fixture(scope="module")
def direct(results):
    """The susceptibility reconstructed from the simulated images themselves, and its mask."""
    anat = results / "sub-01" / "anat"
    mask = nib.load(anat / "sub-01_desc-qsm_mask.nii.gz")
    return nib.load(anat / "sub-01_Chimap.nii.gz"), mask


def on_grid_of(image, other):
    """Return an image's values in the voxel order of another one in the same place."""
    turn = np.linalg.solve(image.affine, other.affine)
    index = np.indices(other.shape).reshape(3, -1)
    places = np.rint(turn[:3, :3] @ index + turn[:3, 3:]).astype(int)
    return image.get_fdata()[tuple(places)].reshape(other.shape)


def check(qsmkit, head, direct, folder, dialect):
    scan = load(head)
    vendor, how = re.match("[a-z]+", dialect)[0], dict(DIALECTS[dialect])
    magnitude, phase = scan.magnitude, scan.phase
    if coils := how.pop("coils", 0):
        seen = sensitivities(coils, scan.grid, (0, 0, 0), np.random.default_rng(5))[..., None, :]
        signal = (magnitude * np.exp(1j * phase))[..., None] * seen
        magnitude, phase = np.abs(signal), np.angle(signal)
    parts = encode(magnitude, phase, vendor, rescale_tags=how.pop("rescale_tags", True))
    exam = Exam(vendor, field_strength=scan.field_strength)
    write_gradient_echo(folder / "dicom", parts, scan.grid, scan.echo_times, exam, **how)
    convert(folder / "dicom", folder / "bids")
    ran = qsmkit("recon", folder / "bids", folder / "out", "--recipe", "fast", "--no-cache")
    assert ran.status == 0, ran.err
    made = nib.load(folder / "out/sub-01/anat/sub-01_Chimap.nii.gz")
    chi, mask = direct
    inside = (mask.get_fdata() > 0) & (on_grid_of(made, chi) != 0)
    assert inside.sum() > 0.97 * (mask.get_fdata() > 0).sum()
    difference = (on_grid_of(made, chi) - chi.get_fdata())[inside]
    assert difference.std() < (COMBINING if coils else ROUNDING), f"{dialect}: {difference.std():.4f} ppm"
    assert np.corrcoef(on_grid_of(made, chi)[inside], chi.get_fdata()[inside])[0, 1] > 0.98
    return difference.std()


def test_ge_has_the_same_susceptibility(qsmkit, head, direct, tmp_path):
    check(qsmkit, head, direct, tmp_path, "ge")


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_has_the_same_susceptibility(qsmkit, head, direct, tmp_path, dialect):
    print(dialect, check(qsmkit, head, direct, tmp_path, dialect))
