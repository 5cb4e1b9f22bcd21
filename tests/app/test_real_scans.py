"""Scans of real scanners by the default recipe, from files to report."""

import nibabel as nib
import numpy as np
import pytest

from qsmkit.units import radians_per_ppm


class Reconstruction:
    """The images that a reconstruction left in a folder."""

    def __init__(self, out):
        (self.report,) = out.glob("*_report.html")
        self.anat = next(out.glob("sub-*/anat"))

    def __getitem__(self, suffix):
        (path,) = self.anat.glob(f"*_{suffix}.nii.gz")
        return nib.load(path).get_fdata()

    def has(self, suffix):
        return any(self.anat.glob(f"*_{suffix}.nii.gz"))


def torn(field, mask, field_strength, spacing):
    """Share of neighbours in the mask whose total field differs by more than half a turn within the echo spacing."""
    phase = field * radians_per_ppm(field_strength, spacing)
    pairs = jumps = 0
    for axis in range(3):
        both = np.diff(mask.astype(int), axis=axis) == 0
        both &= np.take(mask, range(1, mask.shape[axis]), axis=axis)
        jumps += (np.abs(np.diff(phase, axis=axis))[both] > np.pi).sum()
        pairs += both.sum()
    return jumps / pairs


@pytest.fixture
def crop(shared_data):
    folder = shared_data / "gre-3echo-crop"
    return ("--phase", folder / "Phase.nii.gz", "--magnitude", folder / "Mag.nii.gz", "--te", 4, 8, 12, "--b0", 3)


def test_brain_crop_is_refused_until_its_scale_is_stated(qsmkit, crop, tmp_path):
    ran = qsmkit("recon", *crop, tmp_path / "out")
    assert ran.status == 1
    (line,) = ran.err.splitlines()
    assert "-0.0036744 to 0.0036744" in line
    assert "--phase-max" in line
    assert not (tmp_path / "out").exists()


def test_brain_crop_has_no_wraps_left_and_bright_veins(qsmkit, crop, tmp_path):
    ran = qsmkit("recon", *crop, "--phase-max", 0.003674, tmp_path, "--no-cache")
    assert ran.status == 0, ran.err
    made = Reconstruction(tmp_path)
    mask, chi = made["desc-brain_mask"] > 0, made["Chimap"]
    assert mask.mean() > 0.8, "it is nearly all brain"
    assert torn(made["desc-total_fieldmap"], mask, 3.0, 0.004) <= 1e-3
    low, high = np.percentile(chi[mask], (1, 99))
    assert -0.3 < low < -0.05
    assert 0.05 < high < 0.3
    veins = mask & (made["R2starmap"] > np.percentile(made["R2starmap"][mask], 95))
    assert veins.sum() > 1000
    assert np.percentile(chi[veins], 90) > 1.5 * np.percentile(chi[mask], 90)


def test_voxels_that_are_nan_are_left_out_and_reported(qsmkit, shared_data, tmp_path):
    phase = shared_data / "gre-3echo-crop" / "phase_with_nan.nii.gz"
    ran = qsmkit("recon", "--phase", phase, "--te", 4, 8, "--b0", 3, tmp_path, "--no-cache")
    assert ran.status == 0, ran.err
    assert "640 of 81920 voxels are NaN" in ran.err
    made = Reconstruction(tmp_path)
    lost = ~np.isfinite(nib.load(phase).get_fdata()).all(axis=-1)
    for suffix in ("Chimap", "desc-total_fieldmap", "desc-local_fieldmap", "desc-brain_mask"):
        assert np.isfinite(made[suffix]).all()
        assert not made[suffix][lost].any()
    assert made["Chimap"].any()
    assert not made.has("R2starmap"), "there is no magnitude"
    assert "640" in made.report.read_text()


@pytest.mark.parametrize(
    ("stem", "spacing", "volume_ml"),
    [("philips-ingenia-3t/nifti/2001_fcMRI_Field_Mapping", 0.0023, (1000, 2000)),
     ("philips-achieva-dualecho-phantom/1301_Dual-echo_iso", 0.003, (1500, 3000))],
)  # fmt: skip
def test_two_echoes_as_loose_files_with_their_sidecars(qsmkit, shared_data, tmp_path, stem, spacing, volume_ml):
    phase = [shared_data / f"{stem}_e{e}_ph.nii.gz" for e in (1, 2)]
    magnitude = [shared_data / f"{stem}_e{e}.nii.gz" for e in (1, 2)]
    ran = qsmkit("recon", tmp_path, "--phase", *phase, "--magnitude", *magnitude, "--no-cache")
    assert ran.status == 0, ran.err
    made = Reconstruction(tmp_path)
    mask = made["desc-brain_mask"] > 0
    voxel_ml = np.prod(nib.load(phase[0]).header.get_zooms()[:3]) / 1000
    assert volume_ml[0] < mask.sum() * voxel_ml < volume_ml[1]
    assert torn(made["desc-total_fieldmap"], mask, 3.0, spacing) <= 1e-3
    assert np.abs(np.median(made["Chimap"][mask])) < 0.02
    if "phantom" in stem:
        assert made["Chimap"][mask].std() < 0.03, "water is uniform"


def test_phase_difference_is_refused(qsmkit, shared_data, tmp_path):
    phase = shared_data / "siemens-prisma-xa30" / "nifti" / "9_gre_field_mapping_e2_ph.nii.gz"
    ran = qsmkit("recon", "--phase", phase, "--b0", 3, tmp_path / "out")
    assert ran.status == 1
    assert "phase difference" in ran.err
    assert not (tmp_path / "out").exists()
