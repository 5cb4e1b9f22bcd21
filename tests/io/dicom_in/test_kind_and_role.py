"""Image types and protocols of many scanners, and what they are taken for."""

import pytest

from qsmkit.io.dicom_in.frame import Protocol
from qsmkit.io.dicom_in.kind import Kind, kind_of
from qsmkit.io.dicom_in.role import Role, role_of


@pytest.mark.parametrize(
    ("image_type", "more", "kind"),
    [
        ("ORIGINAL\\PRIMARY\\M\\ND", {}, Kind.MAGNITUDE),
        ("ORIGINAL\\PRIMARY\\P\\ND", {}, Kind.PHASE),
        ("ORIGINAL\\PRIMARY\\P\\ND\\PHASE", {}, Kind.PHASE),
        ("ORIGINAL\\PRIMARY\\PHASE MAP\\P\\FFE", {}, Kind.PHASE),
        ("ORIGINAL\\PRIMARY\\R_FFE\\R\\FFE", {}, Kind.REAL),
        ("ORIGINAL\\PRIMARY\\I_FFE\\I\\FFE", {}, Kind.IMAGINARY),
        ("ORIGINAL\\PRIMARY\\B0 MAP\\B0\\UNSPECIFIED", {}, Kind.FIELD_HZ),
        ("ORIGINAL\\PRIMARY\\T1\\FIELD_MAP", {"component": "REAL", "unit": "Hz"}, Kind.FIELD_HZ),
        ("ORIGINAL\\PRIMARY\\T1\\NONE", {"component": "PHASE"}, Kind.PHASE),
        ("ORIGINAL\\PRIMARY\\OTHER", {}, Kind.MAGNITUDE),
        ("ORIGINAL\\PRIMARY\\OTHER", {"ge": 1}, Kind.PHASE),
        ("ORIGINAL\\PRIMARY\\OTHER", {"ge": 2}, Kind.REAL),
        ("ORIGINAL\\PRIMARY\\OTHER", {"ge": 3}, Kind.IMAGINARY),
        ("ORIGINAL\\PRIMARY\\P\\FIL", {}, Kind.FILTERED_PHASE),
        ("ORIGINAL\\PRIMARY\\M\\FIL", {}, Kind.MAGNITUDE),
        ("ORIGINAL\\PRIMARY\\OTHER", {"ge": 1, "description": "FILT_PHA: Ax SWAN"}, Kind.FILTERED_PHASE),
        ("ORIGINAL\\PRIMARY\\M\\SWI\\NORM\\ND", {}, Kind.SWI),
        ("ORIGINAL\\PRIMARY\\MNIP\\SWI\\ND", {}, Kind.DERIVED),
        ("DERIVED\\SECONDARY\\MPR", {}, Kind.DERIVED),
        ("DERIVED\\SECONDARY\\M\\QSM", {}, Kind.DERIVED),
        ("DERIVED\\PRIMARY\\M\\DIS3D", {}, Kind.MAGNITUDE),
        ("ORIGINAL\\PRIMARY\\M", {"description": "mIP_Images(SW)"}, Kind.DERIVED),
    ],
)
def test_kinds(image_type, more, kind):
    assert kind_of(image_type.split("\\"), **more) == kind


def protocol(**changes):
    made = {
        "modality": "MR", "manufacturer": "SIEMENS", "description": "", "protocol": "", "sequence_name": "",
        "image_type": ("ORIGINAL", "PRIMARY", "M"), "sequence": frozenset({"GR"}), "scan_options": frozenset(),
        "distortion": "", "dimensions": "3D", "repetition_time": 30.0, "inversion_time": 0.0, "flip_angle": 15.0,
        "frequency": 123.2, "field_strength": 3.0, "tilt": 0.0,
    }  # fmt: skip
    return Protocol(**(made | changes))


SE = frozenset({"SE"})


@pytest.mark.parametrize(
    ("changes", "how", "role"),
    [
        ({"description": "qsm"}, {"has_phase": True, "echoes": 5}, Role.GRE),
        ({"description": "anything"}, {"has_phase": True}, Role.GRE),
        ({"description": "t2star_fl2d", "dimensions": "2D"}, {"echo_time": 20.0}, Role.GRE),
        ({"description": "gre"}, {"echo_time": 20.0}, Role.GRE),
        ({"description": "t1_mprage", "sequence": frozenset({"GR", "IR"})}, {"echo_time": 3.0}, Role.T1W),
        ({"description": "Ax 3D BRAVO"}, {"echo_time": 3.0}, Role.T1W),
        ({"description": "vibe"}, {"echo_time": 2.0}, Role.T1W),
        ({"description": "tof_3d"}, {"echo_time": 3.0}, Role.NONE),
        ({"description": "localizer"}, {"has_phase": True}, Role.NONE),
        ({"sequence": SE, "repetition_time": 3200.0}, {"echo_time": 400.0}, Role.T2W),
        ({"sequence": SE, "repetition_time": 500.0}, {"echo_time": 10.0}, Role.T1W),
        ({"sequence": SE, "repetition_time": 9000.0, "inversion_time": 2500.0}, {"echo_time": 90.0}, Role.FLAIR),
        ({"sequence": SE, "repetition_time": 3000.0}, {"echo_time": 15.0}, Role.NONE),
        ({"sequence": frozenset({"EP", "GR"}), "dimensions": "2D"}, {"has_phase": True}, Role.NONE),
        ({"sequence": frozenset({"EP", "GR"})}, {"has_phase": True}, Role.GRE),
        ({"modality": "CT"}, {}, Role.CT),
        ({"modality": "CT", "image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, {}, Role.NONE),
        ({}, {"kind": Kind.FILTERED_PHASE}, Role.NONE),
        ({}, {"kind": Kind.SWI}, Role.SWI),
        ({}, {"kind": Kind.DERIVED}, Role.NONE),
    ],
)
def test_roles(changes, how, role):
    arguments = {"kind": Kind.MAGNITUDE, "echo_time": 5.0, "has_phase": False, "echoes": 1} | how
    found, reason = role_of(protocol(**changes), arguments.pop("kind"), arguments.pop("echo_time"), **arguments)
    assert found == role
    assert bool(reason) == (role == Role.NONE)
