"""One scan in the dialect of every vendor comes back as the same scan."""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from qsmkit.io import bids
from qsmkit.io.dicom_in.convert import convert
from qsmkit.io.dicom_vendor import Exam, write_gradient_echo, write_volume
from qsmkit.simulate.encoding import StoredPart, encode
from vendor_scan import TIMES, converted, make_scan

HOW = {
    "siemens": {"vendor": "siemens"},
    "siemens in one series": {"vendor": "siemens", "series_per": "scan"},
    "siemens without rescale tags": {"vendor": "siemens", "rescale_tags": False, "series_per": "echo"},
    "siemens enhanced": {"vendor": "siemens", "layout": "enhanced"},
    "ge": {"vendor": "ge"},
    "ge in one series": {"vendor": "ge", "series_per": "scan"},
    "ge, a series an echo": {"vendor": "ge", "series_per": "echo"},
    "philips": {"vendor": "philips"},
    "philips, a series an echo": {"vendor": "philips", "series_per": "echo"},
    "philips enhanced, mixed": {"vendor": "philips", "layout": "enhanced", "series_per": "scan"},
}


def apart(a, b):
    return np.abs(np.angle(np.exp(1j * (a - b))))


@pytest.mark.parametrize("how", HOW)
def test_phase_magnitude_times_and_place_come_back(scanned, tmp_path, how):
    scanned.write(tmp_path / "dicom", **HOW[how])
    scan, rows = converted(tmp_path / "dicom", tmp_path / "bids")
    assert {r.outcome for r in rows} <= {"converted", "left"}
    assert scan.echo_times == pytest.approx(TIMES)
    assert scan.field_strength == pytest.approx(3.0, rel=1e-6)
    mine = align(scan, scanned.grid)
    error = apart(mine["phase"], scanned.phase)
    if how.startswith("ge"):  # slices that alternate are told up to one constant
        error = apart(mine["phase"] - np.median(np.angle(np.exp(1j * (mine["phase"] - scanned.phase)))), scanned.phase)
    assert error.max() < 2 * np.pi / 4096 + 1e-3
    ratio = mine["magnitude"] / scanned.magnitude
    assert np.ptp(ratio) / ratio.mean() < 0.05


def align(scan, grid):
    """Return the scan's images on the axes of another grid, after asserting that voxels lie in the same places."""
    turn = np.linalg.solve(scan.grid.affine, grid.affine)
    index = np.indices(grid.shape).reshape(3, -1)
    places = turn[:3, :3] @ index + turn[:3, 3:]
    assert np.abs(places - np.rint(places)).max() < 1e-3
    where = tuple(np.rint(places).astype(int))
    return {n: getattr(scan, n)[where].reshape(*grid.shape, -1) for n in ("phase", "magnitude")}


def test_ge_phase_is_repaired_and_said_to_be(scanned, tmp_path):
    scanned.write(tmp_path / "dicom", "ge")
    converted(tmp_path / "dicom", tmp_path / "bids")
    sidecar = json.loads((tmp_path / "bids/sub-01/anat/sub-01_echo-1_part-phase_MEGRE.json").read_text())
    assert sidecar["PhaseNegated"] is True
    assert sidecar["Repairs"] == [
        "sign of every second slice turned back", "phase negated, for GE counts it backwards"
    ]
    assert sidecar["Units"] == "rad"


def test_ge_slices_that_do_not_alternate_are_left_as_they_are(scanned, tmp_path):
    parts = encode(scanned.magnitude, scanned.phase, "ge")
    for part in parts[1:]:
        part.pixels[:, :, 1::2] *= -1
    write_gradient_echo(tmp_path / "dicom", parts, scanned.grid, TIMES, Exam("ge"))
    scan, _ = converted(tmp_path / "dicom", tmp_path / "bids")
    assert apart(align(scan, scanned.grid)["phase"], scanned.phase).max() < 0.01
    assert scan.metadata["Repairs"] == ["phase negated, for GE counts it backwards"]


def test_ge_phase_in_milliradians_is_repaired_too(scanned, tmp_path):
    alternating = np.where(np.arange(scanned.grid.shape[2]) % 2, np.pi, 0)[:, None]
    stored = np.rint(1000 * np.angle(np.exp(1j * (alternating - scanned.phase)))).astype(np.int16)
    phase = StoredPart("phase", stored, rescaled=False)
    strength = encode(scanned.magnitude, scanned.phase, "ge")[0]
    write_gradient_echo(tmp_path / "dicom", [strength, phase], scanned.grid, TIMES, Exam("ge"), series_per="scan")
    scan, _ = converted(tmp_path / "dicom", tmp_path / "bids")
    mine = align(scan, scanned.grid)["phase"]
    constant = np.median(np.angle(np.exp(1j * (mine - scanned.phase))))
    assert apart(mine - constant, scanned.phase).max() < 0.003
    assert len(scan.metadata["Repairs"]) == 2


@pytest.mark.parametrize("how", [{"vendor": "siemens"}, {"vendor": "philips", "layout": "enhanced"}])
def test_single_coils_become_one_image_each(scanned, tmp_path, how):
    coils = np.exp(1j * np.array([0.0, 1.0, 2.5])) * np.array([1.0, 0.7, 0.4])
    signal = (scanned.magnitude * np.exp(1j * scanned.phase))[..., None] * coils
    parts = encode(np.abs(signal).astype(np.float32), np.angle(signal).astype(np.float32), how["vendor"])
    write_gradient_echo(
        tmp_path / "dicom", parts, scanned.grid, TIMES, Exam(how["vendor"]), layout=how.get("layout", "classic")
    )
    rows = convert(tmp_path / "dicom", tmp_path / "bids")
    names = {f.rpartition("/")[2] for r in rows for f in r.files}
    assert names == {
        f"sub-01_rec-coil{c}_echo-{e}_part-{p}_MEGRE.nii.gz"
        for c in (1, 2, 3) for e in (1, 2, 3) for p in ("mag", "phase")
    }  # fmt: skip
    means = [
        nib.load(tmp_path / f"bids/sub-01/anat/sub-01_rec-coil{c}_echo-1_part-mag_MEGRE.nii.gz").get_fdata().mean()
        for c in (1, 2, 3)
    ]
    assert np.array(means) / means[0] == pytest.approx(np.abs(coils), rel=0.01)


def test_distortion_corrected_and_uncorrected_images_are_not_mixed(scanned, tmp_path):
    for number, correction in ((5, "ND"), (15, "DIS2D")):
        kind = ["ORIGINAL", "PRIMARY", "{}", correction]
        scan = scanned.again(number)
        parts = encode(scan.magnitude, scan.phase, "siemens")
        for offset, part in enumerate(parts if number == 5 else parts[:1]):
            letter = "MP"[offset]
            extra = {"ImageType": [letter if k == "{}" else k for k in kind]}
            write_gradient_echo(
                tmp_path / "dicom", [part], scanned.grid, TIMES, Exam("siemens", extra=extra),
                first_series=number + offset,
            )
    convert(tmp_path / "dicom", tmp_path / "bids")
    stems = {p.name.split("_echo")[0] for p in (tmp_path / "bids/sub-01/anat").glob("*.nii.gz")}
    assert len(stems) == 2
    with pytest.warns(match="has no part-phase image"):
        (files,) = bids.find_scans(tmp_path / "bids")
    assert "DIS2D" not in files.stem


@pytest.mark.parametrize(
    ("image_type", "description"),
    [(["ORIGINAL", "PRIMARY", "P", "FIL"], "swi_pha"), (["DERIVED", "PRIMARY", "P", "SWI"], "Pha_Images")],
)
def test_phase_that_the_scanner_filtered_is_refused_with_the_reason(scanned, tmp_path, image_type, description):
    parts = encode(scanned.magnitude, scanned.phase, "siemens")
    write_gradient_echo(
        tmp_path / "dicom", parts[1:], scanned.grid, TIMES, Exam("siemens", extra={"ImageType": image_type}),
        description=description,
    )
    rows = convert(tmp_path / "dicom", tmp_path / "bids")
    assert {r.outcome for r in rows} == {"left"}
    assert "filtered" in rows[0].reason
    assert not (tmp_path / "bids").exists()


def test_two_runs_are_two_scans_and_two_visits_two_sessions(scanned, tmp_path):
    scanned.write(tmp_path / "dicom" / "a", first_series=5)
    scanned.again().write(tmp_path / "dicom" / "b", first_series=7)
    scanned.again(2).write(tmp_path / "dicom" / "c", exam=Exam("siemens", study="2", date="20210101"))
    write_volume(tmp_path / "dicom" / "d", scanned.magnitude[..., 0], scanned.grid, "CT", Exam("siemens", study="3"))
    rows = convert(tmp_path / "dicom", tmp_path / "bids")
    assert "sub-01/ses-1/ct/sub-01_ses-1_ct.nii.gz" in {f for r in rows for f in r.files}, "another study of that day"
    stems = [f.stem for f in bids.find_scans(tmp_path / "bids")]
    assert stems == ["sub-01_ses-1", "sub-01_ses-1_run-2", "sub-01_ses-2"]


def test_weighted_images_and_ct_have_their_names(scanned, tmp_path):
    volume = scanned.magnitude[..., 0]
    write_volume(tmp_path / "dicom", volume, scanned.grid, "T1w", series=2)
    write_volume(tmp_path / "dicom", volume[::-1], scanned.grid, "T2w", series=3)
    write_volume(tmp_path / "dicom", volume * 1500 - 1000, scanned.grid, "CT", series=4)
    rows = convert(tmp_path / "dicom", tmp_path / "bids", participant="p7", session="pre")
    files = {f for r in rows for f in r.files}
    assert files == {
        "sub-p7/ses-pre/anat/sub-p7_ses-pre_T1w.nii.gz",
        "sub-p7/ses-pre/anat/sub-p7_ses-pre_T2w.nii.gz",
        "sub-p7/ses-pre/ct/sub-p7_ses-pre_ct.nii.gz",
    }
    ct = nib.load(tmp_path / "bids/sub-p7/ses-pre/ct/sub-p7_ses-pre_ct.nii.gz").get_fdata()
    assert (ct.min(), ct.max()) == pytest.approx((volume.min() * 1500 - 1000, volume.max() * 1500 - 1000), abs=1)


def test_patients_are_told_apart_and_not_named(tmp_path):
    scan = make_scan((8, 8, 6))
    for patient in ("Smith^Anna", "Jones^Bob"):
        scan.again(len(patient)).write(tmp_path / "dicom" / patient[:5], exam=Exam("siemens", patient=patient))
    rows = convert(tmp_path / "dicom", tmp_path / "bids")
    assert {f.split("/")[0] for r in rows for f in r.files} == {"sub-01", "sub-02"}
    written = b"".join(p.read_bytes() for p in (tmp_path / "bids").rglob("*.json"))
    for name in (b"Smith", b"Jones", b"Anna"):
        assert name not in written
    with pytest.raises(ValueError, match="2 patients"):
        convert(tmp_path / "dicom", tmp_path / "other", participant="01")
    with pytest.raises(ValueError, match="letters and digits"):
        convert(tmp_path / "dicom" / "Smith", tmp_path / "other", participant="sub-0_1")


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", RLELossless])
@pytest.mark.parametrize("vendor", ["ge", "philips"])
def test_transfer_syntaxes_make_no_difference(tmp_path, syntax, vendor):
    scan = make_scan((8, 10, 6), times=(0.006, 0.015))
    for path in scan.write(tmp_path / "dicom", vendor):
        data = pydicom.dcmread(path)
        if syntax == RLELossless:
            data.compress(RLELossless, generate_instance_uid=False)
        elif syntax == "1.2.840.10008.1.2.2":
            data.PixelData = np.frombuffer(data.PixelData, "<u2").byteswap().tobytes()
        data.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
        implicit, little = syntax == "1.2.840.10008.1.2", syntax != "1.2.840.10008.1.2.2"
        pydicom.dcmwrite(path, data, implicit_vr=implicit, little_endian=little, force_encoding=True)
    again, _ = converted(tmp_path / "dicom", tmp_path / "bids")
    assert apart(align(again, scan.grid)["phase"], scan.phase).max() < 0.01


def test_a_multi_echo_mprage_is_one_image(scanned, tmp_path):
    extra = {"ScanningSequence": ["GR", "IR"], "InversionTime": "900"}
    scanned.write(tmp_path / "dicom", exam=Exam("siemens", extra=extra), description="t1_mprage")
    rows = convert(tmp_path / "dicom", tmp_path / "bids")
    assert [f for r in rows for f in r.files] == ["sub-01/anat/sub-01_T1w.nii.gz"]
    assert any("first echo" in r.reason for r in rows)


def test_series_of_single_echoes_with_their_own_names_are_one_scan(scanned, tmp_path):
    parts = encode(scanned.magnitude, scanned.phase, "siemens")
    for echo, time in enumerate(TIMES):
        for number, part in enumerate(parts):
            one = replace(part, pixels=part.pixels[..., echo : echo + 1])
            name = f"gre_te{echo + 1}_{'mag' if number == 0 else 'pha'}"
            write_gradient_echo(
                tmp_path / "dicom", [one], scanned.grid, (time,), first_series=2 * echo + number, description=name
            )
    scan, _ = converted(tmp_path / "dicom", tmp_path / "bids")
    assert scan.echo_times == pytest.approx(TIMES)


def test_phase_of_only_some_echoes_is_refused(scanned, tmp_path):
    parts = encode(scanned.magnitude, scanned.phase, "siemens")
    write_gradient_echo(tmp_path / "dicom", parts[:1], scanned.grid, TIMES, first_series=3)
    last = replace(parts[1], pixels=parts[1].pixels[..., 2:])
    write_gradient_echo(tmp_path / "dicom", [last], scanned.grid, TIMES[2:], first_series=4)
    rows = convert(tmp_path / "dicom", tmp_path / "bids")
    assert {r.outcome for r in rows} == {"refused"}
    assert "phase has echoes 14 ms, magnitude 4, 9, 14 ms" in rows[0].reason


def test_a_data_set_inside_of_the_folder_is_no_source(tmp_path):
    make_scan((8, 10, 6)).write(tmp_path / "series")
    convert(tmp_path, tmp_path / "bids")
    rows = convert(tmp_path, tmp_path / "bids")
    assert {r.outcome for r in rows} == {"there already"}


def test_images_that_were_lost_are_added_and_others_left_as_they_are(tmp_path):
    make_scan((8, 10, 6)).write(tmp_path / "dicom")
    convert(tmp_path / "dicom", tmp_path / "bids")
    anat = tmp_path / "bids" / "sub-01" / "anat"
    (anat / "sub-01_echo-2_part-mag_MEGRE.nii.gz").unlink()
    edited = anat / "sub-01_echo-1_part-mag_MEGRE.json"
    edited.write_text(json.dumps(json.loads(edited.read_text()) | {"Note": "mine"}))
    before = {p: p.read_bytes() for p in anat.iterdir()}
    convert(tmp_path / "dicom", tmp_path / "bids")
    after = {p: p.read_bytes() for p in anat.iterdir()}
    assert before.items() <= after.items()
    assert len(after) == 12
    convert(tmp_path / "dicom", tmp_path / "bids", overwrite=True)
    assert "Note" not in json.loads(edited.read_text())
