"""From a folder of DICOM to checked BIDS on the command line."""

import pytest

from vendor_scan import make_scan


@pytest.fixture(scope="module")
def dicom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scanner") / "dicom"
    scan = make_scan((10, 12, 8))
    scan.write(folder / "first")
    scan.again().write(folder / "again", first_series=9)
    return folder


@pytest.fixture(scope="module")
def dataset(qsmkit, dicom):
    out = dicom.parent / "bids"
    ran = qsmkit("convert", dicom, out)
    assert ran.status == 0, ran.err
    return out


def listing(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_dry_run_says_what_would_be_done(qsmkit, dicom, tmp_path):
    ran = qsmkit("convert", dicom, tmp_path / "bids", "--dry-run", "--json")
    assert ran.status == 0
    assert {r["outcome"] for r in ran.json} == {"planned"}
    assert sum(len(r["files"]) for r in ran.json) == 12
    assert listing(tmp_path) == []


def test_the_list_of_files(dataset):
    images = [
        f"sub-01/anat/sub-01_{run}echo-{e}_part-{p}_MEGRE{end}"
        for run in ("", "run-2_") for e in (1, 2, 3) for p in ("mag", "phase") for end in (".json", ".nii.gz")
    ]  # fmt: skip
    assert listing(dataset) == sorted([".bidsignore", "README", "dataset_description.json", *images])


def test_the_table_tells_what_became_of_every_series(qsmkit, dicom, dataset):
    ran = qsmkit("convert", dicom, dataset)
    assert ran.status == 0
    for words in ("gradient echo, magnitude", "gradient echo, phase", "there already", "sub-01_run-2_echo-*_part-mag"):
        assert words in ran.out


def test_nothing_to_convert_is_a_failure_with_the_table(qsmkit, tmp_path, dicom):
    (tmp_path / "odd").mkdir()
    damaged = next((dicom / "first").iterdir()).read_bytes()[:400]
    (tmp_path / "odd" / "a.dcm").write_bytes(damaged)
    ran = qsmkit("convert", tmp_path / "odd", tmp_path / "bids")
    assert ran.status == 1
    assert "refused" in ran.out
    assert "nothing could be converted" in ran.err


def test_runs_are_reconstructed_apart_and_filters_choose(qsmkit, dataset, tmp_path):
    ran = qsmkit("recon", dataset, tmp_path / "out", "participant", "--dry-run", "--json")
    assert [s["scan"] for s in ran.json] == ["sub-01", "sub-01_run-2"]
    (tmp_path / "filter.json").write_text('{"megre": {"run": 2}}')
    ran = qsmkit(
        "recon", dataset, tmp_path / "out", "participant", "--participant-label", "01", "--bids-filter-file",
        tmp_path / "filter.json", "--dry-run", "--json",
    )  # fmt: skip
    assert [s["scan"] for s in ran.json] == ["sub-01_run-2"]
    ran = qsmkit("recon", dataset, tmp_path / "out", "--session-label", "9", "--dry-run")
    assert ran.status == 1
    assert "session 9" in ran.err


def test_the_acquisition_is_checked_scan_by_scan(qsmkit, dataset, tmp_path):
    ran = qsmkit("check", dataset, "--json", "--out", tmp_path / "report")
    assert ran.status == 0, ran.err
    assert [s["scan"] for s in ran.json] == ["sub-01", "sub-01_run-2"]
    assert {s["outcome"] for s in ran.json} <= {"PASS", "WARN"}
    page = (tmp_path / "report" / "acquisition.html").read_text()
    assert "echo spacing" in page
    assert "Research use only" in page
    assert "http" not in page
    assert listing(tmp_path / "report") == ["acquisition.html", "acquisition.json"]


def test_a_folder_that_holds_something_else_is_refused(qsmkit, dicom, tmp_path):
    (tmp_path / "letters.txt").write_text("private")
    ran = qsmkit("convert", dicom, tmp_path)
    assert ran.status == 1
    assert "neither empty nor a BIDS data set" in ran.err
    assert listing(tmp_path) == ["letters.txt"]


def test_maps_that_were_exported_as_dicom_are_no_scans(qsmkit, dataset, tmp_path):
    image = dataset / "sub-01" / "anat" / "sub-01_echo-1_part-mag_MEGRE.nii.gz"
    ran = qsmkit("export", "dicom", image, tmp_path / "dicom", "--anisotropic")
    assert ran.status == 0, ran.err
    ran = qsmkit("convert", tmp_path / "dicom", tmp_path / "bids", "--json")
    assert {r["outcome"] for r in ran.json} == {"left"}
