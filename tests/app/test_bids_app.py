"""The contract of a BIDS-App: valid data in, valid derivatives out, one set of results a scan."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

VALIDATOR = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent)) or shutil.which(
    "bids-validator-deno"
)


def valid(root):
    if VALIDATOR is None:
        pytest.skip("bids-validator-deno is not installed")
    done = subprocess.run([VALIDATOR, str(root), "--ignoreWarnings"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return True


def listing(folder):
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return {f for f in files if not f.startswith(".qsmkit-cache/")}


def test_a_simulated_head_and_its_truth_are_valid(head):
    assert valid(head)
    assert valid(head / "derivatives" / "truth")


def test_results_are_valid_derivatives(results):
    assert valid(results)


@pytest.mark.slow
def test_results_of_a_real_scan_are_valid_derivatives(qsmkit, shared_data, tmp_path):
    assert qsmkit("convert", shared_data / "philips-ingenia-3t", tmp_path / "bids").status == 0
    ran = qsmkit("recon", tmp_path / "bids", tmp_path / "out", "participant", "--no-cache")
    assert ran.status == 0, ran.err
    assert valid(tmp_path / "out")


@pytest.mark.slow
def test_runs_and_acquisitions_have_results_of_their_own(qsmkit, head, results, tmp_path):
    root = tmp_path / "bids"
    stems = ("sub-01_ses-1_run-1", "sub-01_ses-1_run-2", "sub-01_ses-2_acq-low")
    for stem in stems:
        folder = root / "sub-01" / stem.split("_")[1] / "anat"
        folder.mkdir(parents=True, exist_ok=True)
        for path in (head / "sub-01" / "anat").iterdir():
            shutil.copy(path, folder / path.name.replace("sub-01", stem))
    shutil.copy(head / "dataset_description.json", root)
    shutil.copy(head / "README", root)
    assert valid(root)
    ran = qsmkit("recon", root, tmp_path / "out", "participant", "--recipe", "fast")
    assert ran.status == 0, ran.err
    made = listing(tmp_path / "out")
    wanted = {".bidsignore", "dataset_description.json"}
    for stem in stems:
        session = stem.split("_")[1]
        for name in listing(results) - wanted:
            wanted.add(name.replace("sub-01/anat", f"sub-01/{session}/anat").replace("sub-01_", f"{stem}_"))
    assert made == wanted
    assert valid(tmp_path / "out")
