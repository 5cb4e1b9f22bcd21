"""Scans of real scanners, from the files that they export to a BIDS data set."""

import json

import nibabel as nib
import numpy as np
import pytest

from qsmkit.io import bids
from qsmkit.io.dicom_in.convert import convert


def by_outcome(rows, outcome):
    return {r.shows: r for r in rows if r.outcome == outcome}


@pytest.fixture(scope="module")
def philips(shared_data, tmp_path_factory):
    """The same Philips scan exported as single slices and as one object, converted apart."""
    folder = tmp_path_factory.mktemp("philips")
    made = {}
    for name, file in (("classic", "gre_classic.tar.gz"), ("enhanced", "gre_enhanced.dcm.gz")):
        source = folder / name
        source.mkdir()
        (source / file).symlink_to(shared_data / "philips-ingenia-3t" / file)
        made[name] = convert(source, folder / f"bids-{name}")
    return folder, made


def images(root):
    return {p.name: p for p in sorted(root.glob("sub-*/**/*.nii.gz"))}


def test_classic_and_enhanced_export_give_the_same_images(philips):
    folder, made = philips
    classic, enhanced = images(folder / "bids-classic"), images(folder / "bids-enhanced")
    assert list(classic) == list(enhanced)
    assert list(classic) == [f"sub-01_echo-{e}_part-{p}_MEGRE.nii.gz" for e in (1, 2) for p in ("mag", "phase")]
    for name in classic:
        a, b = nib.load(classic[name]), nib.load(enhanced[name])
        assert np.array_equal(a.get_fdata(), b.get_fdata())
        np.testing.assert_allclose(a.affine, b.affine, atol=1e-5)
    assert all(r.outcome == "converted" for rows in made.values() for r in rows)


def test_philips_phase_is_read_in_radians_with_its_exact_field(philips):
    folder, _ = philips
    scan = bids.load_scan(bids.find_scans(folder / "bids-classic")[0])
    assert scan.echo_times == pytest.approx([0.0023, 0.0046])
    assert scan.field_strength == pytest.approx(127.748512 / 42.577478518)
    assert (scan.phase.min(), scan.phase.max()) == pytest.approx((-np.pi, np.pi), abs=2e-3)


def test_both_exports_together_are_one_scan(philips, shared_data, tmp_path):
    rows = convert(shared_data / "philips-ingenia-3t", tmp_path / "bids", dry_run=True)
    assert len([f for r in rows for f in r.files]) == 4
    assert {r.reason for r in rows if r.outcome == "left" and r.series} == {
        "the same voxels are there in another file"
    }
    assert not (tmp_path / "bids").exists(), "a dry run writes nothing"


def test_converting_again_adds_and_never_destroys(philips, shared_data):
    folder, _ = philips
    root = folder / "bids-classic"
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}
    rows = convert(folder / "enhanced", root)
    assert {r.outcome for r in rows} == {"there already"}
    convert(shared_data / "siemens-prisma-xa30", root)
    after = {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}
    assert before.items() <= after.items()
    assert len(after) > len(before)


def test_siemens_phase_difference_is_named_as_such(shared_data, tmp_path):
    rows = convert(shared_data / "siemens-prisma-xa30", tmp_path / "bids")
    fmap = tmp_path / "bids" / "sub-01" / "fmap"
    sidecar = json.loads((fmap / "sub-01_phasediff.json").read_text())
    assert (sidecar["EchoTime1"], sidecar["EchoTime2"]) == pytest.approx((0.01, 0.01246))
    assert len(list(fmap.glob("*_magnitude?.nii.gz"))) == 2
    assert not (tmp_path / "bids" / "sub-01" / "anat").exists(), "no phase of an echo is there"
    assert "phase difference of two echoes" in {r.shows for r in rows}
    assert {r.description for r in rows if r.outcome == "left"} == {
        p.name for p in (shared_data / "siemens-prisma-xa30" / "nifti").glob("*.nii.gz")
    }


def test_philips_field_map_in_hz_is_no_phase(shared_data, tmp_path):
    convert(shared_data / "philips-achieva-b0-hz", tmp_path / "bids")
    image = tmp_path / "bids" / "sub-01" / "fmap" / "sub-01_fieldmap.nii.gz"
    assert json.loads(image.with_suffix("").with_suffix(".json").read_text())["Units"] == "Hz"
    values = nib.load(image).get_fdata()
    assert -500 <= values.min() < -300
    assert 300 < values.max() <= 500


def test_sidecars_tell_nothing_of_patient_and_place(philips):
    folder, _ = philips
    for path in (folder / "bids-classic").glob("sub-01/anat/*.json"):
        content = json.loads(path.read_text())
        assert not {k for k in content if k.startswith(("Patient", "Institution", "Station", "Study"))} - {
            "PatientPosition"
        }
        assert not [k for k in content if k.endswith(("Date", "UID", "DateTime"))]


@pytest.mark.parametrize("folder", ["gre-3echo-crop", "head-phantom-ct", "cit168-nuclei"])
def test_folders_of_nifti_are_left_with_a_reason(shared_data, tmp_path, folder):
    rows = convert(shared_data / folder, tmp_path / "bids")
    assert rows
    assert {r.outcome for r in rows} == {"left"}
    assert not (tmp_path / "bids").exists()
