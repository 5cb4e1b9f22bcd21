"""`qsmkit target` from files to numbers."""

import nibabel as nib
import numpy as np
import pytest

from deep_grey_heads import bend, patient
from qsmkit.clinical.nuclei.atlas import AC, PC


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(1)
    labels = np.zeros((20, 20, 20), np.int16)
    labels[2:9, 2:18, 2:18], labels[10:17, 2:18, 2:18] = 18, 23
    t1w = 500 - 60 * (labels == 18) + rng.normal(0, 40, labels.shape)
    chi = 0.10 * (labels == 18) - 0.03 * (labels == 23) + rng.normal(0, 0.06, labels.shape)
    for name, data in (("t1w", t1w), ("chi", chi), ("labels", labels)):
        dtype = np.int16 if name == "labels" else np.float32
        nib.save(nib.Nifti1Image(data.astype(dtype), np.eye(4)), tmp_path / f"{name}.nii.gz")
    return tmp_path


def test_the_hybrid_image_is_better_than_either_and_says_its_weights(qsmkit, images):
    hybrid = images / "hybrid.nii.gz"
    sources = (images / "t1w.nii.gz", images / "chi.nii.gz")
    marks = ("--labels", images / "labels.nii.gz", "--pair", "18:23")
    ran = qsmkit("target", "hybrid", *sources, *marks, "--out", hybrid, "--json")
    assert ran.status == 0, ran.err
    assert ran.json["Weights"]["t1w"] < 0 < ran.json["Weights"]["chi"]
    ratios = ran.json["ContrastToNoise"]["18:23"]
    assert ratios["hybrid"] == ratios["hybrid_fitted_here"]
    assert ratios["hybrid"] > max(ratios["t1w"], ratios["chi"])
    assert (images / "hybrid.json").is_file()
    found = qsmkit("target", "cnr", *sources, hybrid, *marks, "--json")
    assert found.status == 0, found.err
    best = {r["image"]: r["value"] for r in found.json if r["statistic"] == "cnr_mean_variance"}
    assert best["hybrid"] == pytest.approx(ratios["hybrid"], rel=1e-3)
    assert max(best, key=best.get) == "hybrid"


@pytest.fixture
def cohort(tmp_path):
    """Four heads: two sides each, pallidal parts bright on χ and dark on T1w, with noise of their own."""
    for n in range(4):
        rng = np.random.default_rng(n)
        labels = np.zeros((40, 16, 16), np.int16)
        for side in (slice(2, 14), slice(26, 38)):
            labels[side, 2:8, 2:14], labels[side, 8:14, 2:14] = 18, 17
        shared = rng.normal(0, 30, labels.shape)
        t1w = 500 - 40 * (labels == 18) + rng.normal(0, 30, labels.shape) + shared
        chi = 0.05 * (labels == 18) + rng.normal(0, 0.04, labels.shape) - 0.001 * shared
        for name, data in (("T1w", t1w), ("Chimap", chi), ("dseg", labels)):
            kind = np.int16 if name == "dseg" else np.float32
            nib.save(nib.Nifti1Image(data.astype(kind), np.eye(4)), tmp_path / f"sub-{n}_{name}.nii.gz")
    (tmp_path / "names.tsv").write_text("index\tname\n17\tgpe\n18\tgpi\n")
    return tmp_path


def test_weights_from_other_subjects_and_the_cohort_s_report(qsmkit, cohort):
    def sources(n):
        return tuple(cohort / f"sub-{n}_{name}.nii.gz" for name in ("T1w", "Chimap"))

    def marks(n):
        return ("--labels", cohort / f"sub-{n}_dseg.nii.gz", "--names", cohort / "names.tsv", "--pair", "gpi:gpe",
                "--by-side")  # fmt: skip

    for n in range(4):
        ran = qsmkit("target", "hybrid", *sources(n), *marks(n), "--out", cohort / f"sub-{n}_fitted.nii.gz")
        assert ran.status == 0, ran.err
    for n in range(4):
        others = [cohort / f"sub-{k}_fitted.json" for k in range(4) if k != n]
        out = cohort / f"sub-{n}_hybrid.nii.gz"
        ran = qsmkit("target", "hybrid", *sources(n), *marks(n), "--fit-on", *others, "--out", out, "--json")
        assert ran.status == 0, ran.err
        assert ran.json["OutOfSample"]
        for ratios in ran.json["ContrastToNoise"].values():
            assert max(ratios["t1w"], ratios["chi"]) < ratios["hybrid"]
            assert ratios["hybrid_fitted_on_other_side"] < ratios["hybrid_fitted_here"] * 1.02
        sides = ran.json["ContrastToNoise"].values()
        assert np.mean([r["hybrid"] / r["hybrid_fitted_here"] for r in sides]) < 1.01
        table = ("--out", cohort / "tables" / f"sub-{n}_cnr.tsv", "--image-names", "T1w", "QSM", "hybrid")
        ran = qsmkit("target", "cnr", *sources(n), out, *marks(n), *table)
        assert ran.status == 0, ran.err
    ran = qsmkit("target", "cohort", cohort / "tables", "--out", cohort / "report", "--json")
    assert ran.status == 0, ran.err
    assert len(ran.json["means"]) == 3
    assert all(r["value"] > 0 for r in ran.json["mixed_model"])
    page = (cohort / "report" / "report.html").read_text()
    assert "hybrid has more than" in page
    ran = qsmkit("target", "cohort", cohort / "tables", "--images", "QSM", "T1w", "--formula", "cnr_pooled")
    assert ran.status == 0, ran.err
    assert "Not a medical device" in ran.out


def test_a_cohort_that_cannot_be_compared_gets_one_clear_line(qsmkit, cohort):
    empty = cohort / "none"
    empty.mkdir()
    marks = ("--labels", cohort / "sub-0_dseg.nii.gz", "--pair", "18:17")
    table = cohort / "sub-0_cnr.csv"
    assert qsmkit("target", "cnr", cohort / "sub-0_T1w.nii.gz", *marks, "--out", table).status == 0
    (cohort / "wrong.json").write_text("{}")
    sources = (cohort / "sub-0_T1w.nii.gz", cohort / "sub-0_Chimap.nii.gz")
    hybrid = ("hybrid", *sources, *marks, "--out", cohort / "h.nii.gz")
    for flags, words in (
        (("cohort", empty), "no …_cnr.tsv"), (("cohort", table), "of 1 subjects"),
        (("cohort", table, "--formula", "snr"), "holds no snr"),
        (("cohort", table, "--images", "FLAIR"), "image FLAIR"),
        ((*hybrid, "--fit-on", cohort / "wrong.json"), "no sidecar"),
    ):  # fmt: skip
        ran = qsmkit("target", *flags)
        assert ran.status == 1
        assert words in ran.err
        assert ran.err.count("\n") == 1


def test_contrast_is_of_the_voxels_that_have_a_susceptibility(qsmkit, images):
    chi = nib.load(images / "chi.nii.gz").get_fdata(dtype=np.float32)
    marks = ("--labels", images / "labels.nii.gz", "--pair", "18:23")
    there = np.zeros(chi.shape, np.uint8)
    there[:, 2:5] = 1
    for name, data in (("sub-01_Chimap", np.where(there, chi, 0)), ("sub-01_desc-qsm_mask", there)):
        nib.save(nib.Nifti1Image(data, np.eye(4)), images / f"{name}.nii.gz")
    ran = qsmkit("target", "cnr", images / "sub-01_Chimap.nii.gz", *marks, "--json")
    (found,) = (r for r in ran.json if r["statistic"] == "difference")
    assert found["value"] == pytest.approx(0.13, abs=0.02)
    sources = (images / "t1w.nii.gz", images / "sub-01_Chimap.nii.gz")
    ran = qsmkit("target", "hybrid", *sources, *marks, "--out", images / "hybrid.nii.gz")
    assert ran.status == 0, ran.err
    assert "Not a medical device" in ran.out


def test_points_go_to_acpc_and_back(qsmkit, tmp_path):
    (tmp_path / "p.csv").write_text("name,x,y,z\nstn,12,-1,4\n")
    marks = ("--ac", 0, 14, 9, "--pc", 0, -11, 8, "--midline", 0, 0, 60)
    there = tmp_path / "acpc.csv"
    files = ("--points", tmp_path / "p.csv", "--out", there)
    ran = qsmkit("target", "acpc", *marks, *files, "--transform", tmp_path / "t.tfm")
    assert ran.status == 0, ran.err
    assert "AC–PC 25.02 mm" in ran.out
    back = qsmkit("target", "acpc", *marks, "--points", there, "--back", "--json")
    assert [back.json["points"][0][a] for a in "xyz"] == pytest.approx([12, -1, 4], abs=1e-8)
    assert qsmkit("target", "acpc", *marks, *files).status == 1


def test_frame_angles(qsmkit):
    ran = qsmkit("target", "frame", "--target", 100, 100, 100, "--entry", 100, 100, 30, "--mounting", "lateral-right",
                 "--leksell", "--json")  # fmt: skip
    assert ran.status == 0, ran.err
    assert (ran.json["ring_deg"], ran.json["arc_deg"], ran.json["depth_mm"]) == pytest.approx((90, 90, 70))


def test_errors_of_a_cohort(qsmkit, tmp_path):
    names = [f"{n}_{a}" for n in ("target", "entry", "reached", "reached_entry") for a in "xyz"]
    rows = ["lead," + ",".join(names), "a,0,0,0,0,0,70,3,4,-2,3,4,68", "b,0,0,0,0,0,70,0,0,1,0,0,71"]
    (tmp_path / "leads.csv").write_text("\n".join(rows) + "\n")
    ran = qsmkit("target", "errors", tmp_path / "leads.csv", "--json", "--out", tmp_path / "errors.csv")
    assert ran.status == 0, ran.err
    assert [e["radial"] for e in ran.json["leads"]] == pytest.approx([5, 0])
    assert [e["depth"] for e in ran.json["leads"]] == pytest.approx([2, -1])
    assert ran.json["cohort"]["radial"]["mean"]["value"] == pytest.approx(2.5)
    assert "SEM" in qsmkit("target", "errors", tmp_path / "leads.csv").out
    lines = (tmp_path / "leads.csv").read_text().splitlines()
    (tmp_path / "twice.csv").write_text("\n".join([*lines, lines[1]]) + "\n")
    assert "twice" in qsmkit("target", "errors", tmp_path / "twice.csv").err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("frame", "--target", 1, 1, 1, "--entry", 1, 1, 1, "--mounting", "lateral-left"), "two different points"),
        (("acpc", "--ac", 0, -12, 0, "--pc", 0, 12, 0, "--midline", 0, 0, 50), "in front of PC"),
        (("errors", "none.csv"), "none.csv"),
    ],
)
def test_impossible_input_gets_one_clear_line(qsmkit, flags, words):
    ran = qsmkit("target", *flags)
    assert ran.status == 1
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_pairs_that_are_none_are_refused(qsmkit, images):
    for pair, words in (("18", "18:23"), ("18:99", "label 99")):
        ran = qsmkit("target", "cnr", images / "chi.nii.gz", "--labels", images / "labels.nii.gz", "--pair", pair)
        assert ran.status == 1
        assert words in ran.err


def test_marks_that_are_not_given_need_images_to_be_found_in(qsmkit, tmp_path):
    ran = qsmkit("target", "acpc", "--ac", 0, 14, 9)
    assert ran.status == 1
    assert "--pc, --midline is not given" in ran.err
    marks = ("--ac", 0, 14, 9, "--pc", 0, -11, 8, "--midline", 0, 0, 60)
    ran = qsmkit("target", "acpc", *marks, "--mni", tmp_path / "mni.json")
    assert ran.status == 1
    assert "no template was laid" in ran.err


@pytest.mark.slow
def test_commissures_are_found_by_the_template(qsmkit, tmp_path):
    _, magnitude, *_, to_atlas = patient(3.0)
    brain = (magnitude.data > 40).astype(np.uint8)
    for name, data in (("brain", brain), ("magnitude", magnitude.data)):
        nib.save(nib.Nifti1Image(data, magnitude.grid.affine), tmp_path / f"{name}.nii.gz")
    images = ("--image", tmp_path / "magnitude.nii.gz", "--brain", tmp_path / "brain.nii.gz")
    ran = qsmkit("target", "acpc", *images, "--mni", tmp_path / "mni.json", "--json")
    assert ran.status == 0, ran.err
    for name, at in (("ac", AC), ("pc", PC)):
        mark = ran.json["marks"][name]
        apart = np.linalg.norm(bend(to_atlas.apply(mark["point"])) - at)
        assert apart < 2.5 * mark["sd_mm"]
        assert 0.9 < mark["sd_mm"] < 3
    assert (tmp_path / "mni.json").is_file()
