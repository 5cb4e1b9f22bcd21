"""`qsmkit roi` and `qsmkit quantify` from files to numbers."""

import nibabel as nib
import numpy as np
import pytest


@pytest.fixture
def maps(tmp_path):
    rng, affine = np.random.default_rng(1), np.diag([1.0, 1.0, 1.5, 1.0])
    labels = np.zeros((12, 12, 12), np.int16)
    labels[1:6, 1:11, 1:11], labels[7:11, 1:11, 1:11] = 3, 10
    chi = (0.12 * (labels == 3) + 0.02 * (labels == 10)).astype(np.float32)
    repeats = rng.normal(0, 0.01, (*chi.shape, 8)).astype(np.float32)
    arrays = {"sub-01_Chimap": chi, "sub-01_R2starmap": 40 * (chi > 0.1), "sub-01_dseg": labels,
              "sub-01_desc-repeats_Chimap": repeats}  # fmt: skip
    for name, array in arrays.items():
        dtype = np.int16 if name.endswith("dseg") else np.float32
        nib.save(nib.Nifti1Image(array.astype(dtype), affine), tmp_path / f"{name}.nii.gz")
    (tmp_path / "sub-01_dseg.tsv").write_text("index\tname\n3\tputamen\n10\tcsf\n")
    return tmp_path


def test_regions_of_two_maps_with_names_units_and_intervals(qsmkit, maps):
    out = maps / "regions.tsv"
    images = (maps / "sub-01_Chimap.nii.gz", maps / "sub-01_R2starmap.nii.gz", "--labels", maps / "sub-01_dseg.nii.gz")
    repeats = ("--repeats", maps / "sub-01_desc-repeats_Chimap.nii.gz")
    ran = qsmkit("roi", *images, *repeats, "--reference", 10, "--out", out, "--json")
    assert ran.status == 0, ran.err
    chi, r2star = ran.json
    assert (chi["name"], chi["unit"], r2star["unit"]) == ("putamen", "ppm", "1/s")
    assert chi["mean"] == pytest.approx(0.1, abs=1e-3)
    assert chi["low"] < chi["mean"] < chi["high"]
    assert chi["volume_mm3"] == pytest.approx(5 * 10 * 10 * 1.5)
    assert len(out.read_text().splitlines()) == 3
    assert '"ReferenceLabel": 10' in out.with_suffix(".json").read_text()
    assert qsmkit("roi", *images, "--out", out).status == 1


def test_labels_elsewhere_are_refused_with_the_distance(qsmkit, maps):
    moved = np.diag([1.0, 1.0, 1.5, 1.0])
    moved[0, 3] = 7
    nib.save(nib.Nifti1Image(np.ones((12, 12, 12), np.int16), moved), maps / "far.nii.gz")
    ran = qsmkit("roi", maps / "sub-01_Chimap.nii.gz", "--labels", maps / "far.nii.gz")
    assert ran.status == 1
    assert "7" in ran.err
    assert "mm" in ran.err


def test_a_unit_that_cannot_be_told_is_asked_for(qsmkit, maps):
    (maps / "sub-01_Chimap.nii.gz").rename(maps / "thing.nii.gz")
    ran = qsmkit("roi", maps / "thing.nii.gz", "--labels", maps / "sub-01_dseg.nii.gz")
    assert ran.status == 1
    assert "say --unit" in ran.err


def test_a_site_s_calibration_is_kept_and_used(qsmkit, tmp_path):
    scatter = {0: 0.01, 1: -0.01, 2: 0, 4: 0.01, 8: -0.01}
    rows = "".join(f"{c},{0.33 * c - 0.02 + e}\n" for c, e in scatter.items())
    (tmp_path / "phantom.csv").write_text("concentration,chi\n" + rows)
    line = tmp_path / "gd.json"
    about = ("--unit", "mM", "--source", "site", "--temperature", 20)
    ran = qsmkit("quantify", "calibrate", tmp_path / "phantom.csv", *about, "--out", line, "--json")
    assert ran.status == 0, ran.err
    assert ran.json["slope"] == pytest.approx(0.33, abs=0.01)
    found = qsmkit("quantify", "gadolinium", "--post", 0.4, "--post-se", 0.01, "--calibration", line, "--json")
    assert found.status == 0, found.err
    assert found.json["gadolinium"]["value"] == pytest.approx(0.42 / (0.33 * 293.15 / 310.15), rel=0.05)
    assert found.json["detection_limit"]["unit"] == "mM"


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        (("iron", "--chi", 0.11, "--region", "pallidum", "--age", 60), "iron", 100),
        (("oxygen", "--chi", 0.44007, "--haematocrit", 0.4), "venous_saturation", 0.65),
        (("spio", "--total", 46.1, "--b0", 3, "--dose", 50), "dose_fraction", 2),
    ],
)
def test_every_species_prints_value_unit_and_method(qsmkit, flags, name, value):
    ran = qsmkit("quantify", *flags, "--json")
    assert ran.status == 0, ran.err
    assert ran.json[name]["value"] == pytest.approx(value, rel=0.01)
    assert ran.json[name]["method"]
    assert "Research use only" in qsmkit("quantify", *flags).out


@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        (("spio", "--total", 46.1), 2, "--b0"),
        (("spio",), 2, "--total"),
        (("iron", "--chi", 0.1, "--se", -1), 1, "negative"),
        (("iron", "--chi", 0.1, "--region", "moon", "--age", 50), 1, "moon"),
        (("oxygen", "--chi", 0.4, "--haematocrit", 42), 1, "such as 0.42"),
        (("calcium", "--chi", -0.1, "--calibration", "missing.json"), 1, "missing.json"),
    ],
)
def test_bad_numbers_get_one_clear_line(qsmkit, flags, status, words):
    ran = qsmkit("quantify", *flags)
    assert ran.status == status
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_voxels_without_a_susceptibility_do_not_pull_means_to_zero(qsmkit, maps):
    chi = nib.load(maps / "sub-01_Chimap.nii.gz")
    there = np.ones(chi.shape, np.uint8)
    there[:4] = 0
    values = np.where(there, chi.get_fdata(), 0).astype(np.float32)
    nib.save(nib.Nifti1Image(values, chi.affine), maps / "sub-01_Chimap.nii.gz")
    arguments = ("roi", maps / "sub-01_Chimap.nii.gz", "--labels", maps / "sub-01_dseg.nii.gz", "--json")
    blind = qsmkit(*arguments)
    assert "300 of 900 labelled voxels are exactly 0" in blind.err
    nib.save(nib.Nifti1Image(there, chi.affine), maps / "sub-01_desc-qsm_mask.nii.gz")
    ran = qsmkit(*arguments)
    assert (ran.json[0]["mean"], ran.json[0]["dropped"]) == (pytest.approx(0.12), 300)
    assert "300 of 900 labelled voxels have no value" in ran.err
    (maps / "sub-01_desc-qsm_mask.nii.gz").rename(maps / "mine.nii.gz")
    assert qsmkit(*arguments, "--mask", maps / "mine.nii.gz").json == ran.json
    plain = qsmkit(*arguments[:-1])
    assert "Not a medical device" in plain.out


@pytest.mark.parametrize(("chi", "said"), [("nan", "not a number"), (130, "no tissue's susceptibility; give ppm")])
def test_a_value_in_ppb_or_none_at_all_is_refused(qsmkit, chi, said):
    ran = qsmkit("quantify", "iron", "--chi", chi)
    assert (ran.status, ran.out) == (1, "")
    assert said in ran.err
