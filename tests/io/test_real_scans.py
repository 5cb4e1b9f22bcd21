"""Scans from real scanners."""

import numpy as np
import pytest

from qsmkit.errors import DataWarning, InputError, ScaleError
from qsmkit.io.loose import load_scan


def test_arbitrary_scale_is_refused_until_it_is_stated(shared_data):
    files = [shared_data / "gre-3echo-crop" / "Phase.nii.gz"], [shared_data / "gre-3echo-crop" / "Mag.nii.gz"]
    with pytest.raises(ScaleError, match=r"-0\.0036744 to 0\.0036744.*--phase-max"):
        load_scan(*files, [4, 8, 12], 3)
    scan = load_scan(*files, [4, 8, 12], 3, phase_max=0.003674)
    assert scan.phase.shape == (51, 51, 41, 3)
    assert np.pi * 0.999 < np.abs(scan.phase).max() <= np.pi * (1 + 1e-6)
    np.testing.assert_allclose(scan.grid.voxel_size, (0.469, 0.469, 1), atol=1e-3)


def test_nan_voxels_are_counted_and_masked(shared_data):
    with pytest.warns(DataWarning) as caught:
        scan = load_scan([shared_data / "gre-3echo-crop" / "phase_with_nan.nii.gz"], [], [4, 8], 3)
    messages = " | ".join(str(w.message) for w in caught)
    for said in ("640 of 81920 voxels", "no orientation", "wrapped again", "no magnitude"):
        assert said in messages
    assert (~scan.valid).sum() == 640
    assert not scan.valid[0].any()
    assert not scan.phase[~scan.valid].any()
    assert np.abs(scan.phase).max() <= np.pi * (1 + 1e-6)


@pytest.mark.parametrize(
    ("stem", "times", "tilt"),
    [("philips-ingenia-3t/nifti/2001_fcMRI_Field_Mapping", (0.0023, 0.0046), 4.1),
     ("philips-achieva-dualecho-phantom/1301_Dual-echo_iso", (0.007001, 0.010), 0)],
)  # fmt: skip
def test_philips_phase_is_in_radians_once_its_slope_is_applied(shared_data, stem, times, tilt):
    phase = [shared_data / f"{stem}_e{e}_ph.nii.gz" for e in (1, 2)]
    magnitude = [shared_data / f"{stem}_e{e}.nii.gz" for e in (1, 2)]
    scan = load_scan(phase, magnitude)
    np.testing.assert_allclose(scan.echo_times, times)
    assert scan.field_strength == pytest.approx(3.0, abs=0.002)
    assert np.rad2deg(np.arccos(scan.grid.b0_direction[2])) == pytest.approx(tilt, abs=1)
    assert scan.metadata["decisions"]["phase"].startswith("radians")
    assert -np.pi <= scan.phase.min() < -3.14 < 3.14 < scan.phase.max() <= np.pi
    with pytest.raises(InputError, match="is not phase"):
        load_scan(magnitude, phase)


def test_siemens_phase_difference_is_refused(shared_data):
    folder = shared_data / "siemens-prisma-xa30" / "nifti"
    with pytest.raises(InputError, match="phase difference of two echoes"):
        load_scan([folder / "9_gre_field_mapping_e2_ph.nii.gz"], [folder / "8_gre_field_mapping_e2.nii.gz"])
