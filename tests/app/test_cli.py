"""The commands from end to end, and the same verbs in Python."""

import json
import re
import shutil

import nibabel as nib
import numpy as np
import pytest

import qsmkit as qk
import qsmkit.recon
from qsmkit.app.cli.commands import VERBS
from qsmkit.errors import OutputError
from qsmkit.method import METHODS, STAGES
from qsmkit.reports.html import DISCLAIMER

IMAGES = (
    "Chimap", "desc-brain_mask", "desc-local_fieldmap", "desc-offset_phase", "desc-qsm_mask", "desc-reference_mask",
    "desc-residual_fieldmap", "desc-sd_fieldmap", "desc-total_fieldmap",
)  # fmt: skip


def listing(folder):
    """Every file and its age, caches left out."""
    files = (p for p in folder.rglob("*") if p.is_file() and ".qsmkit-cache" not in p.parts)
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in files}


def images(head, part):
    return sorted((head / "sub-01" / "anat").glob(f"*part-{part}*.nii.gz"))


def truth(head, name):
    return head / "derivatives" / "truth" / "sub-01" / "anat" / f"sub-01_{name}.nii.gz"


def chi(folder, stem="sub-01"):
    return nib.load(folder / stem.split("_")[0] / "anat" / f"{stem}_Chimap.nii.gz").get_fdata()


# --- help and version


def test_version_and_help(qsmkit):
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", qsmkit("--version").out)
    ran = qsmkit("--help")
    assert ran.status == 0
    for command in ("demo", "recon", "simulate", "methods", "invert", "score", "doctor"):
        assert re.search(rf"\b{command}\b", ran.out)
    assert "Say what is installed" in ran.out  # a function's own words, though nothing was imported
    assert "Run one inversion method on files." in ran.out
    assert DISCLAIMER in ran.out


@pytest.mark.parametrize("command", ["recon", "demo", "methods", "score", "doctor", "simulate head"])
def test_every_command_has_help(qsmkit, command):
    ran = qsmkit(*command.split(), "--help")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: qsmkit {command}")


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_is_a_command_whose_help_names_its_settings(qsmkit, name):
    entry = METHODS[name]
    ran = qsmkit(VERBS.get(entry.stage, entry.stage), name.replace("_", "-"), "--help")
    assert (ran.status, ran.err) == (0, "")
    for setting in entry.parameters:
        assert f"--{setting.replace('_', '-')}" in ran.out
    assert "--out" in ran.out


# --- simulate


def test_simulated_head_is_a_bids_dataset_with_truth(head):
    assert len(images(head, "phase")) == len(images(head, "mag")) == 4
    description = json.loads((head / "dataset_description.json").read_text())
    assert description["BIDSVersion"]
    for name in ("Chimap", "desc-brain_mask", "desc-local_fieldmap", "desc-total_fieldmap", "dseg"):
        assert truth(head, name).is_file()


def test_simulating_again_needs_overwrite(qsmkit, head):
    before = listing(head)
    ran = qsmkit("simulate", "head", head)
    assert ran.status == 1
    assert "not empty" in ran.err
    assert listing(head) == before


# --- recon


def test_recon_writes_what_it_should_and_nothing_else(results):
    anat = [f"sub-01/anat/sub-01_{name}{end}" for name in IMAGES for end in (".nii.gz", ".json")]
    top = [".bidsignore", "dataset_description.json", "sub-01_report.html", "sub-01_record.json"]
    assert sorted(listing(results)) == sorted(anat + top)


def test_recon_finds_the_susceptibility(results, head):
    inside = nib.load(results / "sub-01/anat/sub-01_desc-qsm_mask.nii.gz").get_fdata() > 0
    true = nib.load(truth(head, "Chimap")).get_fdata()
    made = chi(results)
    assert not made[~inside].any()
    assert abs(made[inside].mean()) < 1e-6, "referenced to the whole brain"
    assert np.corrcoef(made[inside], true[inside])[0, 1] > 0.3, "5 mm voxels and the quickest recipe"


def test_sidecar_says_unit_method_and_reference(results):
    sidecar = json.loads((results / "sub-01/anat/sub-01_Chimap.json").read_text())
    assert sidecar["Units"] == "ppm"
    assert sidecar["Method"]
    assert sidecar["Reference"]["unit"] == "ppm"
    assert len(sidecar["Sources"]) == 8


def test_report_is_self_contained_and_says_what_it_is_not(results):
    page = (results / "sub-01_report.html").read_text()
    assert DISCLAIMER in page
    links = re.findall(r"""\b(?:src|href|url)\s*[=(]\s*["']?([^"'>)]{,30})""", page)
    assert len(links) >= 6
    assert {link.split(":")[0] for link in links if not link.startswith("#")} == {"data"}
    assert not re.search(r"https?://", page)
    assert page.count("data:image/png;base64,") >= 6
    for words in ("Wrapped phase", "Magnetic susceptibility", "Radiological convention", "Histogram", "MCPC-3D-S"):
        assert words in page


def test_running_again_finds_the_work_done(qsmkit, results, head):
    before = listing(results)
    ran = qsmkit("recon", head, results, "--recipe", "fast", "--json")
    assert ran.status == 0
    assert "done already" in ran.err
    assert ran.json[0]["scan"] == "sub-01"
    assert ran.json[0]["verdict"] in ("PASS", "REVIEW", "FAIL")
    assert listing(results) == before


def test_an_interrupted_run_is_resumed(qsmkit, head, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    command = ("recon", head, tmp_path, "--recipe", "fast")
    with monkeypatch.context() as patch:
        patch.setattr("qsmkit.app.cli.recon.write_report", interrupted)
        ran = qsmkit(*command)
    assert ran.status == 1
    assert ran.err.splitlines()[-1].startswith("qsmkit: interrupted")
    assert not (tmp_path / "sub-01_record.json").exists()
    assert qsmkit(*command).status == 0
    record = json.loads((tmp_path / "sub-01_record.json").read_text())
    assert all(s["FromCache"] for s in record["Steps"])


def test_results_of_other_settings_stay_until_overwriting_is_asked_for(qsmkit, results, head, tmp_path):
    out = shutil.copytree(results, tmp_path / "out")
    before = listing(out)
    change = ("recon", head, out, "--recipe", "fast", "--set", "rts.regularisation=0.002")
    refused = qsmkit(*change)
    assert refused.status == 1
    assert "--overwrite" in refused.err
    assert listing(out) == before
    assert qsmkit(*change, "--overwrite").status == 0
    record = json.loads((out / "sub-01_record.json").read_text())
    cached = {s["Method"]: s["FromCache"] for s in record["Steps"]}
    assert cached["revsharp"], "what does not depend on the setting is taken from the cache"
    assert not cached["rts"]
    assert chi(out).std() < chi(results).std(), "more regularisation, less contrast"


def test_overwriting_leaves_no_image_of_the_earlier_recipe(qsmkit, results, head, tmp_path):
    out = shutil.copytree(results, tmp_path / "out")
    recipe = tmp_path / "short.toml"
    recipe.write_text("""
        name = "short"
        description = "No offset is removed"
        step = [{method = "bet"}, {method = "laplacian"}, {method = "weighted_fit"}, {method = "vsharp"},
                {method = "tkd"}, {method = "reference_brain"}]
    """)
    assert qsmkit("recon", head, out, "--recipe", recipe, "--overwrite").status == 0
    assert sorted(set(listing(results)) - set(listing(out))) == [
        "sub-01/anat/sub-01_desc-offset_phase.json", "sub-01/anat/sub-01_desc-offset_phase.nii.gz",
    ]  # fmt: skip


def test_dry_run_says_the_steps_and_writes_nothing(qsmkit, head, tmp_path):
    ran = qsmkit("recon", head, tmp_path / "out", "--dry-run")
    assert ran.status == 0
    for words in ("sub-01: 4 echoes, 3 T, recipe default", "mcpc3ds", "skipped: bipolar"):
        assert words in ran.out
    listed = qsmkit("recon", head, tmp_path / "out", "--recipe", "fast", "--dry-run", "--json").json
    assert [s["method"] for s in listed[0]["steps"]][-2:] == ["rts", "reference_brain"]
    assert not (tmp_path / "out").exists()


def test_settings_show_in_the_plan(qsmkit, head, tmp_path):
    ran = qsmkit("recon", head, tmp_path, "--recipe", "fast", "--dry-run", "--json", "--set", "revsharp.max_radius=9",
                 "rts.regularisation=0.002")  # fmt: skip
    settings = {s["method"]: s["settings"] for s in ran.json[0]["steps"]}
    assert settings["revsharp"]["max_radius"] == 9
    assert settings["rts"]["regularisation"] == 0.002


def test_a_given_mask_takes_the_place_of_mask_steps(qsmkit, head, tmp_path):
    ran = qsmkit("recon", head, tmp_path, "--recipe", "fast", "--mask", truth(head, "desc-brain_mask"), "--no-cache")
    assert ran.status == 0
    assert "bet" not in ran.err
    made = nib.load(tmp_path / "sub-01/anat/sub-01_desc-brain_mask.nii.gz").get_fdata()
    np.testing.assert_array_equal(made, nib.load(truth(head, "desc-brain_mask")).get_fdata())
    assert not (tmp_path / ".qsmkit-cache").exists()


@pytest.fixture
def two(head, tmp_path):
    """The dataset with a second participant, who lost an echo of magnitude."""
    bids = tmp_path / "two"
    shutil.copytree(head / "sub-01", bids / "sub-01")
    shutil.copy(head / "dataset_description.json", bids)
    for path in (bids / "sub-01" / "anat").iterdir():
        target = bids / "sub-02" / "anat" / path.name.replace("sub-01", "sub-02")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (bids / "sub-02" / "anat" / "sub-02_echo-2_part-mag_MEGRE.nii.gz").unlink()
    return bids


def test_participants_can_be_chosen(qsmkit, two, tmp_path):
    ran = qsmkit("recon", two, tmp_path / "out", "--participant-label", "sub-01", "--dry-run", "--json")
    assert [s["scan"] for s in ran.json] == ["sub-01"]


def test_one_unusable_scan_does_not_stop_the_others(qsmkit, two, tmp_path):
    ran = qsmkit("recon", two, tmp_path / "out", "--recipe", "fast", "--json")
    assert ran.status == 1
    assert [s["scan"] for s in ran.json] == ["sub-01"]
    failures = [s for s in ran.err.splitlines() if s.startswith("qsmkit: ")]
    assert "sub-02" in failures[0]
    assert failures[1] == "qsmkit: 1 of 2 scans could not be reconstructed; the others are done"
    assert (tmp_path / "out" / "sub-01_report.html").is_file()
    assert not (tmp_path / "out" / "sub-02").exists()


def test_loose_files_give_the_same_map(qsmkit, results, head, tmp_path):
    ran = qsmkit("recon", tmp_path / "out", "--phase", *images(head, "phase"), "--magnitude", *images(head, "mag"),
                 "--recipe", "fast")  # fmt: skip
    assert ran.status == 0, ran.err
    np.testing.assert_array_equal(chi(tmp_path / "out"), chi(results))


def test_loose_files_with_everything_stated(qsmkit, results, head, tmp_path):
    for part in ("phase", "mag"):
        for number, path in enumerate(images(head, part), 1):
            shutil.copy(path, tmp_path / f"{part}{number}.nii.gz")
    ran = qsmkit("recon", "--phase", *sorted(tmp_path.glob("phase*")), "--magnitude", *sorted(tmp_path.glob("mag*")),
                 "--te", 4, 12, 20, 28, "--b0", 3, tmp_path / "out", "--recipe", "fast")  # fmt: skip
    assert ran.status == 0, ran.err
    np.testing.assert_allclose(chi(tmp_path / "out", "sub-phase1"), chi(results), atol=1e-3)


def test_echo_times_told_twice_and_differently_want_a_look(qsmkit, head, tmp_path):
    ran = qsmkit("recon", tmp_path, "--phase", *images(head, "phase"), "--magnitude", *images(head, "mag"),
                 "--te", 5, 13, 21, 29, "--recipe", "fast", "--json")  # fmt: skip
    assert ran.status == 0, ran.err
    first = ran.json[0]["checks"][0]
    assert first["name"] == "contradictions"
    assert first["verdict"] == "look"
    assert "5, 13, 21, 29 ms were given" in first["text"]


def test_flipped_phase_flips_the_map(qsmkit, head, results, tmp_path):
    ran = qsmkit("recon", head, tmp_path, "--recipe", "fast", "--flip-phase", "--mask", truth(head, "desc-brain_mask"))
    assert ran.status == 0
    both = (chi(tmp_path) != 0) & (chi(results) != 0)
    assert np.corrcoef(chi(tmp_path)[both], chi(results)[both])[0, 1] < -0.7


@pytest.mark.parametrize("recipe", ["default", "consensus", "fast"])
def test_a_scan_without_magnitude_can_be_reconstructed(qsmkit, head, tmp_path, recipe):
    ran = qsmkit("recon", tmp_path, "--phase", *images(head, "phase"), "--recipe", recipe)
    assert ran.status == 0, ran.err
    assert "no magnitude" in ran.err
    assert chi(tmp_path).any()


# --- single methods


def test_invert_tkd_on_files(qsmkit, head, tmp_path):
    field, mask = truth(head, "desc-local_fieldmap"), truth(head, "desc-brain_mask")
    command = ("invert", "tkd", "--local-field", field, "--mask", mask, "--out", tmp_path / "new" / "chi.nii.gz")
    ran = qsmkit(*command, "--threshold", 0.2)
    assert ran.status == 0, ran.err
    sidecar = json.loads((tmp_path / "new" / "chi.json").read_text())
    assert (sidecar["Units"], sidecar["Settings"]["threshold"]) == ("ppm", 0.2)
    inside = nib.load(mask).get_fdata() > 0
    made, true = (nib.load(p).get_fdata()[inside] for p in (tmp_path / "new" / "chi.nii.gz", truth(head, "Chimap")))
    assert np.corrcoef(made, true)[0, 1] > 0.7
    again = qsmkit(*command)
    assert again.status == 1
    assert "--overwrite" in again.err
    assert qsmkit(*command, "--overwrite").status == 0


def test_unwrap_romeo_on_files(qsmkit, head, tmp_path):
    scan = ("--phase", *images(head, "phase"), "--magnitude", *images(head, "mag"), "--te", 4, 12, 20, 28)
    mask = ("--mask", truth(head, "desc-brain_mask"))
    ran = qsmkit("unwrap", "romeo", *scan, *mask, "--out", tmp_path / "u.nii.gz")
    assert ran.status == 0, ran.err
    made = nib.load(tmp_path / "u.nii.gz").get_fdata()
    inside = nib.load(truth(head, "desc-brain_mask")).get_fdata() > 0
    stored = np.stack([nib.load(p).get_fdata() for p in images(head, "phase")], -1)
    turns = (made - stored * (np.pi / 4096))[inside] / (2 * np.pi)
    assert np.abs(turns - np.rint(turns)).max() < 1e-3, "whole turns away from what was measured"


def test_a_method_with_several_products_writes_a_folder(qsmkit, head, tmp_path):
    ran = qsmkit("background", "vsharp", "--total-field", truth(head, "desc-total_fieldmap"),
                 "--mask", truth(head, "desc-brain_mask"), "--out", tmp_path / "field")  # fmt: skip
    assert ran.status == 0, ran.err
    assert {p.name for p in (tmp_path / "field").iterdir()} == {
        "local_field.json", "local_field.nii.gz", "mask.json", "mask.nii.gz"
    }  # fmt: skip


def test_separate_on_files(qsmkit, head, tmp_path):
    maps = ("--chi", truth(head, "Chimap"), "--r2star", truth(head, "R2starmap"))
    mask = ("--mask", truth(head, "desc-brain_mask"), "--out", tmp_path / "sources")
    ran = qsmkit("separate", "r2star-qsm", *maps, "--b0", 3, *mask)
    assert ran.status == 0, ran.err
    para, dia = (nib.load(tmp_path / "sources" / f"chi_{name}.nii.gz").get_fdata() for name in ("para", "dia"))
    assert min(para.min(), dia.min()) == 0
    true = nib.load(truth(head, "Chimap")).get_fdata()
    assert np.corrcoef((para - dia).ravel(), true.ravel())[0, 1] > 0.95
    sidecar = json.loads((tmp_path / "sources" / "chi_dia.json").read_text())
    assert sidecar["Units"] == "ppm"
    assert "not negative" in sidecar["Description"]


def test_weighting_on_files(qsmkit, head, tmp_path):
    """From field to image to projection; without a field strength the reason is said, with none of it in the way."""
    scan = ("--magnitude", *images(head, "mag"), "--te", 4, 12, 20, 28, "--mask", truth(head, "desc-brain_mask"))
    field = ("--local-field", truth(head, "desc-local_fieldmap"))
    ran = qsmkit("weighting", "swi", *scan, *field, "--out", tmp_path / "swi.nii.gz")
    assert ran.status == 1
    assert "give it in T" in ran.err
    ran = qsmkit("weighting", "swi", *scan, *field, "--b0", 3, "--out", tmp_path / "swi.nii.gz")
    assert ran.status == 0, ran.err
    chi = ("--chi", truth(head, "Chimap"))
    ran = qsmkit("weighting", "tswi", *scan, *chi, "--out", tmp_path / "tswi.nii.gz")
    assert ran.status == 0, ran.err
    labels = nib.load(truth(head, "dseg")).get_fdata()
    weighted, again = (nib.load(tmp_path / f"{n}.nii.gz").get_fdata() for n in ("swi", "tswi"))
    assert again[labels == 2].mean() < 0.8 * again[labels == 7].mean(), "pallidum is darker than thalamus"
    ran = qsmkit("weighting", "minip", "--swi", tmp_path / "swi.nii.gz", "--out", tmp_path / "minip.nii.gz")
    assert ran.status == 0, ran.err
    lowest = nib.load(tmp_path / "minip.nii.gz").get_fdata()
    assert (lowest <= weighted).all()
    assert (lowest < weighted).mean() > 0.3
    assert json.loads((tmp_path / "minip.json").read_text())["Settings"]["slab"] == 10


def test_a_recipe_writes_weighted_images_and_separated_sources(qsmkit, head, tmp_path):
    recipe = tmp_path / "weighted.toml"
    recipe.write_text("""
        name = "weighted"
        description = "Images that a radiologist reads"
        step = [{method = "bet"}, {method = "mcpc3ds"}, {method = "romeo"}, {method = "weighted_fit"},
                {method = "vsharp"}, {method = "tkd"}, {method = "arlo"}, {method = "reference_brain"},
                {method = "r2star_qsm"}, {method = "swi"}, {method = "clear_swi"}, {method = "tswi"},
                {method = "smwi"}, {method = "minip", image = "clear_swi"}]
    """)
    ran = qsmkit("recon", head, tmp_path / "out", "--recipe", recipe)
    assert ran.status == 0, ran.err
    names = {p.name.removeprefix("sub-01_") for p in (tmp_path / "out" / "sub-01" / "anat").glob("*.nii.gz")}
    assert names >= {
        "swi.nii.gz", "desc-clear_swi.nii.gz", "desc-tswi_swi.nii.gz", "desc-smwi_swi.nii.gz", "minIP.nii.gz",
        "desc-paramagnetic_Chimap.nii.gz", "desc-diamagnetic_Chimap.nii.gz",
    }  # fmt: skip
    sidecar = json.loads((tmp_path / "out" / "sub-01" / "anat" / "sub-01_swi.json").read_text())
    assert sidecar["SkullStripped"] is False
    assert (sidecar["Method"], sidecar["Units"]) == ("swi", "arbitrary")


# --- methods, score, doctor


def test_methods_lists_every_method(qsmkit):
    listed = qsmkit("methods", "--json").json
    assert {m["name"] for m in listed} == set(METHODS)
    stages = [STAGES.index(m["stage"]) for m in listed]
    assert stages == sorted(stages)
    table = qsmkit("methods", "inversion")
    assert table.status == 0
    assert "Shmueli2009" in table.out
    assert "vsharp" not in table.out


def test_score_of_the_truth_is_perfect_and_of_the_map_is_not(qsmkit, head, results):
    against = (truth(head, "Chimap"), "--mask", truth(head, "desc-brain_mask"), "--labels", truth(head, "dseg"))
    perfect = qsmkit("score", truth(head, "Chimap"), *against, "--json").json
    assert perfect[0]["depth"] == 0
    assert perfect[0]["nrmse"] == pytest.approx(0, abs=1e-3)
    made = results / "sub-01/anat/sub-01_Chimap.nii.gz"
    scored = qsmkit("score", made, *against, "--json").json
    assert scored[0]["nrmse"] > 10
    assert 0.5 < scored[0]["coverage"] < 1
    assert "NRMSE %" in qsmkit("score", made, *against).out
    matched = qsmkit("score", made, *against, "--match", "--json").json
    assert matched[0]["nrmse"] == pytest.approx(scored[0]["nrmse"], rel=1e-3)
    assert matched[0]["xsim"] > scored[0]["xsim"]


def test_doctor_says_what_there_is(qsmkit):
    report = qsmkit("doctor", "--json").json
    assert report["methods"] == len(METHODS)
    assert report["software"]["qsmkit"]
    assert report["threads"] >= 1
    assert "numpy" in qsmkit("doctor").out


# --- Python


def test_python_gives_what_the_command_gives(head, results, tmp_path):
    scan = qk.load(head)
    result = qk.reconstruct(scan, "fast")
    np.testing.assert_array_equal(result.artifacts["chi"], chi(results).astype(np.float32))
    paths = qk.save(result, tmp_path)
    assert {p.name for p in paths} == {f"sub-01_{name}.nii.gz" for name in IMAGES}
    with pytest.raises(OutputError, match="overwrite=True"):
        qk.save(result, tmp_path)
    summary = qk.report(result, tmp_path / "report.html")
    assert summary["scan"] == "sub-01"
    assert DISCLAIMER in (tmp_path / "report.html").read_text()
    np.testing.assert_array_equal(qk.load(paths[0]).data, result.artifacts["chi"])


def test_the_fft_library_is_chosen_by_the_user(qsmkit, monkeypatch):
    monkeypatch.setenv("QSMKIT_FFT", "fastest")
    ran = qsmkit("methods")
    assert ran.status == 1
    assert "one of scipy, pyfftw" in ran.err
    monkeypatch.setenv("QSMKIT_FFT", "scipy")
    assert qsmkit("methods").status == 0


# --- uncertainty


def test_every_region_has_its_interval(qsmkit, head, tmp_path):
    ran = qsmkit("recon", head, tmp_path, "--recipe", "fast", "--uncertainty", 3, "--json")
    assert ran.status == 0, ran.err
    found = ran.json[0]["uncertainty"]
    assert found["Repeats"] == 3
    assert 0 < found["SD_ppm"]["median"] < 0.05
    files = [tmp_path / "sub-01/anat" / f"sub-01_{name}.nii.gz" for name in ("Chimap", "desc-repeats_Chimap")]
    sidecar = json.loads((tmp_path / "sub-01/anat/sub-01_desc-sd_Chimap.json").read_text())
    assert sidecar["Units"] == "ppm"
    assert sidecar["NoiseAddedTo"] == ["phase", "magnitude"]
    assert "Standard deviation of the susceptibility" in (tmp_path / "sub-01_report.html").read_text()
    rows = qsmkit("uncertainty", "regions", *files, truth(head, "dseg"), "--json").json
    assert {row["label"] for row in rows} >= {1, 3, 7, 8, 9}
    assert all(row["low"] < row["value"] < row["high"] and row["unit"] == "ppm" for row in rows)
    apart = qsmkit("uncertainty", "regions", *files, truth(head, "dseg"), "--minus", 8, "--json").json
    values = {row["label"]: row["value"] for row in rows}
    assert apart[0]["value"] == pytest.approx(values[1] - values[8], abs=1e-6)
    assert qsmkit("uncertainty", "regions", *files, truth(head, "dseg")).out.count("\n") >= len(rows)
    ran = qsmkit("uncertainty", "regions", files[0], files[0], truth(head, "dseg"))
    assert (ran.status, "not one for each repeat" in ran.err) == (1, True)
    ran = qsmkit("recon", head, tmp_path, "--recipe", "fast")
    assert ran.status == 1
    assert "made with other settings" in ran.err
