"""Scans that are not whole: refused with the reason, or repaired and said so; never a wrong volume."""

import shutil

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGLosslessSV1

from qsmkit.grid import Grid
from qsmkit.io.dicom_in import converter
from qsmkit.io.dicom_in.convert import convert
from qsmkit.io.dicom_vendor import Exam, write_volume
from vendor_scan import converted, make_scan


@pytest.fixture
def folder(tmp_path):
    """A scan of two series: magnitude 005 and phase 006, two echoes of six slices each."""
    make_scan((8, 10, 6), times=(0.006, 0.015)).write(tmp_path / "dicom")
    return tmp_path / "dicom"


@pytest.fixture
def t1w(tmp_path):
    scan = make_scan((8, 10, 10), times=(0.003,))
    write_volume(tmp_path / "dicom", scan.magnitude[..., 0], scan.grid, "T1w")
    return tmp_path / "dicom"


def edit(path, **elements):
    data = pydicom.dcmread(path)
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    data.save_as(path)


def refused(folder, reason):
    rows = convert(folder, folder.parent / "bids")
    assert "converted" not in {r.outcome for r in rows}
    assert not (folder.parent / "bids").exists(), "nothing is written"
    reasons = {r.reason for r in rows if r.outcome == "refused"}
    assert any(reason in r for r in reasons), reasons
    return True


def test_a_file_cut_short_in_its_pixels(t1w):
    path = t1w / "002_00010.dcm"
    path.write_bytes(path.read_bytes()[:-100])
    assert refused(t1w, "bytes of pixels, not what its header says")


def test_a_file_cut_short_in_its_header(t1w):
    path = t1w / "002_00010.dcm"
    path.write_bytes(path.read_bytes()[:600])
    assert refused(t1w, "a damaged file lies beside")


def test_an_empty_file(t1w):
    (t1w / "002_00001.dcm").write_bytes(b"")
    assert refused(t1w, "a damaged file lies beside")


@pytest.mark.parametrize("number", [1, 4, 6])
def test_a_slice_that_is_missing_from_one_echo(folder, number):
    (folder / f"006_{number:05d}.dcm").unlink()
    assert refused(folder, "slices are missing" if number == 4 else "do not have the same slices")


def test_slices_that_are_missing_from_the_only_volume(t1w):
    (t1w / "002_00004.dcm").unlink()
    (t1w / "002_00005.dcm").unlink()
    assert refused(t1w, "2 slices are missing")


def test_exact_copies_of_slices_are_left_out_and_said_so(folder):
    whole, _ = converted(folder, folder.parent / "whole")
    for path in list(folder.glob("005*.dcm"))[:5]:
        shutil.copy(path, folder / f"copy of {path.name}")
    scan, rows = converted(folder, folder.parent / "bids")
    assert np.array_equal(scan.magnitude, whole.magnitude)
    assert any("exact copies" in r.reason for r in rows)


def test_two_different_slices_in_one_place(t1w):
    place = pydicom.dcmread(t1w / "002_00005.dcm").ImagePositionPatient
    edit(t1w / "002_00004.dcm", ImagePositionPatient=place)
    assert refused(t1w, "lie where another one does")


def test_two_patients_in_one_series(t1w):
    edit(t1w / "002_00004.dcm", PatientID="somebody else")
    assert refused(t1w, "2 different patients")


def test_slices_that_are_unevenly_spaced(t1w):
    position = pydicom.dcmread(t1w / "002_00010.dcm").ImagePositionPatient
    edit(t1w / "002_00010.dcm", ImagePositionPatient=[position[0], position[1], float(position[2]) + 0.6])
    assert refused(t1w, "unevenly spaced")


def test_a_slice_that_is_shifted_in_its_plane(t1w):
    position = pydicom.dcmread(t1w / "002_00005.dcm").ImagePositionPatient
    edit(t1w / "002_00005.dcm", ImagePositionPatient=[float(position[0]) + 3, position[1], position[2]])
    assert refused(t1w, "shifted against each other")


@pytest.mark.parametrize(
    ("element", "value", "named"),
    [
        ("PixelSpacing", [1.6, 1.6], "spacing"),
        ("ImageOrientationPatient", [1, 0, 0, 0, 1, 0], "orientation"),
        ("BitsStored", 12, "bits stored"),
        ("RescaleSlope", "4", "slope"),
        ("ImagingFrequency", "63.8", "frequency"),
        ("FlipAngle", "70", "flip angle"),
    ],
)
def test_a_slice_that_disagrees_with_the_others(t1w, element, value, named):
    edit(t1w / "002_00003.dcm", **{element: value})
    assert refused(t1w, f"differ in {named}")


def test_a_slice_with_another_echo_time(folder):
    edit(folder / "006_00001.dcm", EchoTime="7")
    assert refused(folder, "do not have the same slices")


def test_a_slice_that_strayed_into_another_series(t1w):
    edit(t1w / "002_00010.dcm", SeriesInstanceUID="2.25.1")
    assert refused(t1w, "marked as another series")


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"])
def test_a_wrong_transfer_syntax(t1w, syntax):
    for path in t1w.glob("*.dcm"):
        content = path.read_bytes()
        head, tail = content.split(b"1.2.840.10008.1.2.1\0", 1)
        length = len(syntax) + len(syntax) % 2
        start = head[: -2] + length.to_bytes(2, "little") + str(syntax).encode().ljust(length, b"\0")
        place = start.index(b"\x02\x00\x00\x00UL\x04\x00") + 8
        group = int.from_bytes(start[place : place + 4], "little") + length - 20
        path.write_bytes(start[:place] + group.to_bytes(4, "little") + start[place + 4 :] + tail)
    rows = convert(t1w, t1w.parent / "bids")
    assert {r.outcome for r in rows} <= {"refused", "left"}
    assert not (t1w.parent / "bids").exists()


def egg(world):
    """Values in HU of a striped ellipsoid, and where one is well inside of it."""
    radius = np.linalg.norm((world - (3, 5, 2)) / (22, 26, 20), axis=-1)
    return 1000.0 * (radius < 1) * (1 + 0.3 * np.sin(world[..., 0] / 4)) - 500, radius < 0.85


def test_the_gantry_of_a_ct_was_tilted(tmp_path):
    # Planes stand oblique, but follow each other along the table.
    plane = Grid.tilted((40, 44, 24), (1.5, 1.5, 2.0), tilt=18)
    sheared = plane.affine.copy()
    sheared[:3, 2] = 0, 0, 2.0
    values, _ = egg(nib.affines.apply_affine(sheared, np.moveaxis(np.indices(plane.shape), 0, -1)))
    files = write_volume(
        tmp_path / "dicom", values, plane, "CT", Exam("siemens", extra={"GantryDetectorTilt": "18"})
    )
    for path in files:
        position = np.array(pydicom.dcmread(path).ImagePositionPatient, float) * (-1, -1, 1)
        voxel = np.rint(np.linalg.solve(plane.affine, [*position, 1]))
        place = (sheared @ voxel)[:3] * (-1, -1, 1)
        edit(path, ImagePositionPatient=[f"{v:.6f}" for v in place], SliceThickness=f"{2 * np.cos(np.deg2rad(18)):.6f}")
    (row,) = convert(tmp_path / "dicom", tmp_path / "bids")
    assert row.outcome == "converted", row
    assert "gantry tilted by 18.0°: straightened" in row.reason
    image = nib.load(tmp_path / "bids" / row.files[0])
    axes = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    assert axes.T @ axes == pytest.approx(np.eye(3), abs=1e-4), "no shear is left"
    truth, inside = egg(nib.affines.apply_affine(image.affine, np.moveaxis(np.indices(image.shape), 0, -1)))
    assert inside.sum() > 1000
    assert np.abs(image.get_fdata() - truth)[inside].mean() < 15


def test_a_converter_that_hangs_is_ended(t1w, monkeypatch, tmp_path):
    script = tmp_path / "slow"
    script.write_text("#!/bin/sh\nexec sleep 30\n")
    script.chmod(0o755)
    monkeypatch.setattr(converter.dcm2niix, "bin", str(script))
    monkeypatch.setattr(converter, "TIMEOUT", 0.2)
    assert refused(t1w, "did not finish within")


def test_a_converter_that_lies_is_caught(t1w, monkeypatch):
    run = converter.run

    def swapped(*files, **how):
        made = run(*files, **how)
        for one in made:
            image = nib.load(one.image)
            values = np.asarray(image.dataobj).copy()
            values[3, 4, 5] += 1
            nib.save(nib.Nifti1Image(values, image.affine, image.header), one.image)
        return made

    monkeypatch.setattr(converter, "run", swapped)
    assert refused(t1w, "voxel values differ")


def test_a_folder_without_dicom(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(ValueError, match="holds no DICOM image"):
        convert(tmp_path, tmp_path / "bids")
