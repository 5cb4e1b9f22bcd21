import numpy as np
import pytest

from qsmkit.errors import ParameterError
from qsmkit.simulate.prescription import Prescription
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.transfer import rigid_motion, transfer


@pytest.mark.parametrize(("orientation", "slice_axis"), [("axial", 2), ("sagittal", 0), ("coronal", 1)])
def test_the_brain_is_covered_by_slices_of_the_orientation(patient, orientation, slice_axis):
    body, _ = patient
    prescription = Prescription(voxel_size=(2.0, 2.0, 4.0), orientation=orientation, angles=(4, -6, 3))
    grid = prescription.grid(body)
    np.testing.assert_allclose(grid.voxel_size, (2, 2, 4))
    assert np.abs(grid.axes[:, 2]).argmax() == slice_axis
    assert np.linalg.det(grid.axes) == pytest.approx(1)
    volume = transfer(body.brain, body.grid, grid, points=(1, 1, 2)).sum() * grid.voxel_volume
    assert volume == pytest.approx(body.brain.sum() * body.grid.voxel_volume, rel=2e-3)


def test_the_slices_hold_the_whole_head_with_air_around(patient):
    body, _ = patient
    grid = Prescription(voxel_size=(4.0, 4.0, 4.0)).grid(body)
    head = transfer(body.labels != Label.AIR, body.grid, grid)
    assert not head[[0, -1]].any()
    assert not head[:, [0, -1]].any()


def test_the_scan_follows_the_head(patient):
    body, _ = patient
    still = Prescription(voxel_size=(4.0, 4.0, 4.0)).grid(body)
    motion = rigid_motion((0, 0, 0), (8, -4, 12))
    shifted = Prescription(voxel_size=(4.0, 4.0, 4.0), motion=tuple(map(tuple, motion))).grid(body)
    np.testing.assert_allclose(shifted.affine[:3, 3] - still.affine[:3, 3], (8, -4, 12))


def test_angles_make_an_oblique_scan_and_the_matrix_is_obeyed(patient):
    grid = Prescription(angles=(20, 0, 0), matrix=(10, 12, 14)).grid(patient[0])
    assert grid.shape == (10, 12, 14)
    np.testing.assert_allclose(grid.b0_direction, (0, np.sin(np.deg2rad(20)), np.cos(np.deg2rad(20))), atol=1e-12)


@pytest.mark.parametrize(("settings", "message"), [
    ({"voxel_size": (1.0, 1.0)}, "voxel_size"),
    ({"voxel_size": (1.0, 1.0, 0.0)}, "voxel_size"),
    ({"matrix": (10, 10, 1)}, "matrix"),
    ({"orientation": "diagonal"}, "diagonal"),
    ({"angles": (0.0, np.nan, 0.0)}, "angles"),
    ({"field_strength": 0.0}, "field_strength"),
    ({"snr": -1.0}, "snr"),
    ({"oversampling": 9.0}, "oversampling"),
])
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ParameterError, match=message):
        Prescription(**settings)
