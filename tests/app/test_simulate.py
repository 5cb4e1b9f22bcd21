"""`qsmkit simulate patient`, `cohort` and `scenarios`, on a head that is a ball."""

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bodies import ball_body
from qsmkit.io.tables import read_table
from qsmkit.simulate import patient as simulated

SMALL = {"voxel_size": [5, 5, 5]}
TREE = {
    "version": 1,
    "name": "tiny",
    "subject": {"anatomy": "parametric", "step": 4},
    "lesions": [{"kind": "cavernoma", "diameter": 18, "region": "lobar", "history": {"events": [
        {"kind": "haemorrhage", "day": 100, "chi": 0.4, "volume": 0.3}]}}],
    "leads": [{"model": "Medtronic 3389", "side": "left", "target": [12, -2, -4], "entry": [33, 22, 36], "day": 400}],
    "visits": [
        {"name": "a", "day": 0, "scans": [{"kind": "gre", **SMALL, "echo_times": [0.005, 0.015]},
                                          {"kind": "FGATIR", **SMALL}]},
        {"name": "b", "day": 401, "scans": [{"kind": "ct", "voxel_size": [3, 3, 4]}]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated, "draw_body", lambda **_: ball_body(step=4.0))
        yield


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    path = tmp_path_factory.mktemp("scenario") / "tiny.json"
    path.write_text(json.dumps(TREE))
    return path


@pytest.fixture(scope="module")
def dataset(quick, qsmkit, scenario, tmp_path_factory):
    out = tmp_path_factory.mktemp("patient") / "bids"
    ran = qsmkit("simulate", "patient", scenario, out, "--seed", 3, "--dicom", "ge")
    assert ran.status == 0, ran.err
    assert ran.out == ""
    assert "step 3/3 b ct" in ran.err
    assert "2 visits, 3 scans, 1 lesion, 1 lead" in ran.err
    return out


def test_images_are_as_a_scanner_stores_them(dataset):
    anat = dataset / "sub-01" / "ses-a" / "anat"
    phase = nib.load(anat / "sub-01_ses-a_echo-2_part-phase_MEGRE.nii.gz")
    assert phase.get_data_dtype() == np.int16
    assert json.loads((anat / "sub-01_ses-a_echo-2_part-phase_MEGRE.json").read_text())["EchoTime"] == 0.015
    assert (anat / "sub-01_ses-a_acq-FGATIR_T1w.nii.gz").is_file()
    ct = np.asanyarray(nib.load(dataset / "sub-01" / "ses-b" / "ct" / "sub-01_ses-b_ct.nii.gz").dataobj)
    assert ct.min() < -900
    assert ct.max() > 1000


def test_truth_has_every_table(dataset):
    truth = dataset / "derivatives" / "truth"
    assert read_table(truth / "events.tsv").text("kind") == ["haemorrhage", "implantation"]
    assert read_table(truth / "contacts.tsv").text("contact") == ["1", "2", "3", "4"]
    assert read_table(truth / "leads.tsv").text("model") == ["Medtronic 3389"]
    assert read_table(truth / "lesions.tsv").numbers("volume")[0] == pytest.approx(np.pi / 6 * 18**3, rel=0.02)
    transform = json.loads((truth / "sub-01" / "ses-b" / "sub-01_ses-b_space-ct_transforms.json").read_text())
    assert (transform["from"], transform["to"]) == ("head", "ct")
    columns = json.loads((truth / "columns.json").read_text())
    known = {name.strip() for names in columns for name in names.split(",")}
    assert set(read_table(truth / "lesions.tsv").columns) <= known


def test_the_same_command_again_does_nothing_and_another_seed_is_refused(quick, qsmkit, scenario, dataset):
    again = qsmkit("simulate", "patient", scenario, dataset, "--seed", 3, "--dicom", "ge")
    assert (again.status, "done already" in again.err) == (0, True)
    other = qsmkit("simulate", "patient", scenario, dataset, "--seed", 4)
    assert other.status == 1
    assert "made from another scenario or seed" in other.err


def test_dicom_converts_back_to_the_same_phase(dataset, qsmkit, tmp_path):
    ran = qsmkit("convert", dataset / "sourcedata" / "dicom" / "sub-01", tmp_path / "bids")
    assert ran.status == 0, ran.err
    name = "echo-2_part-phase_MEGRE.nii.gz"
    straight = nib.as_closest_canonical(nib.load(dataset / "sub-01" / "ses-a" / "anat" / f"sub-01_ses-a_{name}"))
    (path,) = (tmp_path / "bids").rglob(f"*{name}")
    through = nib.as_closest_canonical(nib.load(path))
    np.testing.assert_allclose(straight.affine, through.affine, atol=1e-3)
    apart = np.angle(np.exp(1j * (straight.get_fdata() * np.pi / 4096 - through.get_fdata())))
    assert np.percentile(np.abs(apart), 90) < 0.005
    assert len(list((tmp_path / "bids").rglob("*_ct.nii.gz"))) == 1


@pytest.mark.parametrize("part", [".", "derivatives/truth"])
def test_the_official_validator_has_no_complaint(dataset, part):
    validator = Path(sys.executable).with_name("bids-validator-deno")
    if not validator.exists():
        pytest.skip("bids-validator-deno is not installed")
    ran = subprocess.run([validator, "--json", dataset / part], capture_output=True, text=True, check=False)
    issues = json.loads(ran.stdout)["issues"]["issues"]
    assert [i for i in issues if i["severity"] == "error"] == []


@pytest.mark.slow
def test_what_was_simulated_can_be_reconstructed(dataset, qsmkit, tmp_path):
    ran = qsmkit("recon", dataset, tmp_path / "out", "participant", "--recipe", "fast")
    assert ran.status == 0, ran.err
    assert (tmp_path / "out" / "sub-01" / "ses-a" / "anat" / "sub-01_ses-a_Chimap.nii.gz").is_file()


def test_a_cohort_goes_on_where_it_stopped(quick, qsmkit, scenario, tmp_path):
    tree = TREE | {"leads": [], "subject": {"age": {"uniform": [30, 60]}, "anatomy": "parametric"}, "visits": [
        {"name": name, "day": day, "scans": [{"kind": "T1w", **SMALL}]} for name, day in (("a", 0), ("b", 365))]}
    path, out = tmp_path / "scenario.json", tmp_path / "bids"
    path.write_text(json.dumps(tree))
    arguments = ("simulate", "cohort", "--scenario", path, "--out", out, "--years", 0)
    first = qsmkit(*arguments, "--n", 1)
    assert first.status == 0, first.err
    before = (out / "sub-001" / "ses-a" / "anat" / "sub-001_ses-a_T1w.nii.gz").stat().st_mtime_ns
    second = qsmkit(*arguments, "--n", 2)
    assert "2 of 2 participants, 1 of them done before" in second.err
    assert (out / "sub-001" / "ses-a" / "anat" / "sub-001_ses-a_T1w.nii.gz").stat().st_mtime_ns == before
    assert not (out / "sub-001" / "ses-b").exists()
    people = read_table(out / "participants.tsv")
    assert people.text("participant_id") == ["sub-001", "sub-002"]
    assert len(set(people.numbers("age"))) == 2


def test_one_that_fails_does_not_stop_the_others(quick, qsmkit, tmp_path):
    place = {"choice": [[0, 20, 10], [0, 0, 110]]}
    tree = TREE | {"leads": [], "lesions": [{"kind": "microbleed", "diameter": 5, "position": place}],
                   "visits": [{"name": "a", "day": 0, "scans": [{"kind": "T1w", **SMALL}]}]}  # fmt: skip
    path, out = tmp_path / "scenario.json", tmp_path / "bids"
    path.write_text(json.dumps(tree))
    ran = qsmkit("simulate", "cohort", "--scenario", path, "--n", 3, "--out", out, "--seed", 0)
    made = len(list(out.glob("sub-*")))
    assert ran.status == 1
    assert made == 2
    assert ran.err.count("lies outside the brain; move it") == 1
    assert "2 of 3 participants" in ran.err


def test_scenarios_are_listed_and_shown(qsmkit, tmp_path):
    listed = qsmkit("simulate", "scenarios")
    assert listed.status == 0
    assert all(name in listed.out for name in ("ccm", "dbs-gpi", "dbs-stn", "gadolinium", "microbleeds", "nanodrug"))
    assert qsmkit("simulate", "scenarios", "--show", "ccm").json["name"] == "ccm"


@pytest.mark.parametrize(("arguments", "message"), [
    (("patient", "dbs", "OUT"), "no scenario is called 'dbs'"),
    (("patient", "absent.json", "OUT"), "absent.json cannot be read"),
    (("patient", "ccm", "OUT", "--label", "a_b"), "--label 'a_b' is no participant's label"),
    (("cohort", "--scenario", "ccm", "--n", "0", "--out", "OUT"), "--n 0 is out of range"),
    (("cohort", "--scenario", "ccm", "--n", "1", "--out", "OUT", "--years", "-1"), "--years -1.0 is out of range"),
])
def test_wrong_use_is_named_and_writes_nothing(qsmkit, tmp_path, arguments, message):
    out = tmp_path / "out"
    ran = qsmkit("simulate", *(out if a == "OUT" else a for a in arguments))
    assert ran.status == 1
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert not out.exists()
