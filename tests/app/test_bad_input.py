"""What cannot be used ends in one clear line, exit status 1 or 2, and no half-written result."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.physics.dipole import forward_field
from qsmkit.units import radians_per_ppm

TIMES = (0.004, 0.009, 0.014)
GRID = Grid.tilted((18, 20, 16), (4, 4, 4), tilt=10)

RECIPE = """
name = "tiny"
description = "Quick, for small volumes"
step = [
  {method = "threshold_mask", fraction = 0.3},
  {method = "romeo"},
  {method = "weighted_fit"},
  {method = "vsharp", max_radius = 8.0},
  {method = "tkd"},
  {method = "reference_brain"},
]
"""


class Patient:
    """A tiny BIDS dataset that a test spoils, and a command that reconstructs it."""

    def __init__(self, folder):
        self.folder = folder
        self.bids = folder / "bids"
        self.out = folder / "out"
        self.recipe = folder / "tiny.toml"
        self.anat = self.bids / "sub-01" / "anat"

    def image(self, part, echo):
        return self.anat / f"sub-01_echo-{echo}_part-{part}_MEGRE.nii.gz"

    def data(self, part, echo):
        return np.asanyarray(nib.load(self.image(part, echo)).dataobj)

    def write(self, part, echo, data, affine=GRID.affine):
        write(self.image(part, echo), data, affine)

    def edit(self, **keys):
        """Change keys of all sidecars; `...` takes a key away."""
        for path in self.anat.glob("*.json"):
            content = json.loads(path.read_text()) | keys
            path.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))

    def recon(self, *more):
        return ("recon", self.bids, self.out, "--recipe", self.recipe, *more)

    def loose(self, *more, phase=(), magnitude=()):
        phase = phase or [self.image("phase", e) for e in (1, 2, 3)]
        files = ["--phase", *phase, *(["--magnitude", *magnitude] if magnitude else [])]
        return ("recon", self.out, *files, "--recipe", self.recipe, *more)


def write(path, data, affine=GRID.affine):
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    nib.save(image, path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    patient = Patient(tmp_path_factory.mktemp("tiny"))
    patient.recipe.write_text(RECIPE)
    patient.anat.mkdir(parents=True)
    (patient.bids / "dataset_description.json").write_text('{"Name": "tiny", "BIDSVersion": "1.10.0"}')
    distance = np.linalg.norm(GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1)), axis=-1)
    field = 0.2 + forward_field(np.where(distance < 8, 0.3, 0).astype(np.float32), GRID)
    for echo, time in enumerate(TIMES, 1):
        phase = np.angle(np.exp(1j * field * radians_per_ppm(3.0, time)))
        phase[0, 0, :2] = -np.pi, np.pi  # background noise fills the range of the scanner's integers
        patient.write("phase", echo, np.rint(phase * (4095 / np.pi)).astype(np.int16))
        patient.write("mag", echo, np.where(distance < 28, 900, 10).astype(np.int16))
        for part in ("phase", "mag"):
            sidecar = {"EchoTime": time, "ImagingFrequency": 127.73, "MagneticFieldStrength": 3}
            patient.image(part, echo).with_suffix("").with_suffix(".json").write_text(json.dumps(sidecar))
    return patient


@pytest.fixture
def patient(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "p")
    return Patient(tmp_path / "p")


CASES = {}


def case(*said, status=1):
    """Register a function that spoils the patient and returns the command; `said` must be in the line on stderr."""

    def register(function):
        CASES[function.__name__] = (function, said, status)
        return function

    return register


# --- values of images


@case("-234", "234", "--phase-max")
def phase_in_degrees_of_an_odd_scale(p):
    for e in (1, 2, 3):
        p.write("phase", e, (p.data("phase", e) / 4095 * 234).astype(np.float32))
    return p.recon()


@case("--phase-max 99", "stored value that stands for π")
def stated_scale_does_not_fit(p):
    return p.recon("--phase-max", 99)


@case("--phase-max -1")
def stated_scale_is_negative(p):
    return p.recon("--phase-max=-1")


@case("echo 2 is constant (7)")
def phase_is_constant(p):
    p.write("phase", 2, np.full(GRID.shape, 7, np.int16))
    return p.recon()


@case("echo 3 has no finite value")
def echo_of_nan(p):
    p.write("phase", 3, np.full(GRID.shape, np.nan, np.float32))
    return p.recon()


@case("no voxel with a finite measurement")
def no_voxel_is_finite_in_every_echo(p):
    for e, half in ((1, slice(None, 9)), (2, slice(9, None))):
        data = p.data("phase", e).astype(np.float32)
        data[half] = np.nan
        p.write("phase", e, data)
    return p.recon()


@case("magnitude of echo 1 is constant (0)")
def magnitude_is_zero(p):
    p.write("mag", 1, np.zeros(GRID.shape, np.int16))
    return p.recon()


@case("swapped")
def phase_in_place_of_magnitude(p):
    for e in (1, 2, 3):
        shutil.copy(p.image("phase", e), p.image("mag", e))
    return p.recon()


@case("10 to 900", "no known encoding")
def magnitude_and_phase_swapped(p):
    for e in (1, 2, 3):
        phase, magnitude = p.image("phase", e), p.image("mag", e)
        phase.rename(p.folder / "kept.nii.gz")
        magnitude.rename(phase)
        (p.folder / "kept.nii.gz").rename(magnitude)
    return p.recon()


@case("field map in Hz")
def phase_in_hz(p):
    p.edit(Units="Hz")
    return p.recon()


@case("phase difference")
def phase_difference(p):
    p.edit(EchoTime1=0.004, EchoTime2=0.009)
    return p.recon()


# --- shapes and places


@case("single slice", "(18, 20, 1)")
def single_slice(p):
    for part in ("phase", "mag"):
        for e in (1, 2, 3):
            p.write(part, e, p.data(part, e)[..., :1])
    return p.recon()


@case("(18, 20, 15)")
def shapes_differ(p):
    p.write("phase", 2, p.data("phase", 2)[..., :15])
    return p.recon()


@case("echo-3_part-mag", "lies elsewhere", "mm")
def affines_differ(p):
    moved = GRID.affine.copy()
    moved[:3, 3] += 3
    p.write("mag", 3, p.data("mag", 3), moved)
    return p.recon()


@case("4-D with 3 volumes")
def one_of_several_files_is_4d(p):
    p.write("phase", 2, np.stack([p.data("phase", e) for e in (1, 2, 3)], -1))
    return p.recon()


@case("voxel size")
def affine_is_zero(p):
    for part in ("phase", "mag"):
        for e in (1, 2, 3):
            image = nib.Nifti1Image(p.data(part, e), None)
            image.header["sform_code"], image.header["qform_code"] = 1, 0
            nib.save(image, p.image(part, e))
    return p.recon()


@case("3 phase files", "2 of magnitude")
def fewer_magnitudes_than_phases(p):
    made = [p.image("mag", e) for e in (1, 2)]
    return p.loose(magnitude=made)


@case("magnitude has 1, 3")
def an_echo_is_missing(p):
    p.image("mag", 2).unlink()
    return p.recon()


# --- files


@case("damaged or cut short", "echo-2_part-phase")
def truncated_file(p):
    content = p.image("phase", 2).read_bytes()
    p.image("phase", 2).write_bytes(content[: len(content) // 2])
    return p.recon()


@case("echo-1_part-phase")
def not_a_nifti_file(p):
    p.image("phase", 1).write_bytes(b"GIF89a" * 100)
    return p.recon()


@case("notes.txt", "NIfTI")
def file_of_another_kind(p):
    path = p.folder / "notes.txt"
    path.write_text("hello")
    return p.loose("--te", 4, "--b0", 3, phase=[path])


@case("missing.nii.gz does not exist")
def file_does_not_exist(p):
    return p.loose("--te", 4, "--b0", 3, phase=[p.folder / "missing.nii.gz"])


@case("nowhere is not a folder")
def dataset_does_not_exist(p):
    return ("recon", p.folder / "nowhere", p.out)


@case("no sub-* folders")
def dataset_is_empty(p):
    (p.folder / "empty").mkdir()
    return ("recon", p.folder / "empty", p.out)


@case("no chosen participant has phase images", "part-phase")
def dataset_without_phase(p):
    for e in (1, 2, 3):
        p.image("phase", e).unlink()
        p.image("mag", e).unlink()
    return p.recon()


# --- metadata


@case("no EchoTime", "sub-01_echo-1_part-phase_MEGRE.json")
def echo_time_missing(p):
    p.edit(EchoTime=...)
    return p.recon()


@case("--te")
def echo_time_missing_for_loose_files(p):
    p.edit(EchoTime=...)
    return p.loose()


@case("-4", "not all positive")
def echo_time_negative(p):
    return p.loose("--te=-4", "--te", 9, "--te", 14)


@case("4, 4, 9", "not all different")
def echo_time_twice(p):
    return p.loose("--te", 4, 4, 9)


@case("0.2, 0.3, 0.4", "neither in s", "nor in ms")
def echo_times_of_no_plausible_unit(p):
    return p.loose("--te", 0.2, 0.3, 0.4)


@case("2 echo times (4, 9 ms)")
def fewer_echo_times_than_echoes(p):
    return p.loose("--te", 4, 9)


@case("not valid JSON", "echo-1")
def sidecar_is_no_json(p):
    (p.anat / "sub-01_echo-1_part-phase_MEGRE.json").write_text('{"EchoTime": 0.004,')
    return p.recon()


@case("no field strength")
def field_strength_missing(p):
    p.edit(ImagingFrequency=..., MagneticFieldStrength=...)
    return p.recon()


@case("-3 T")
def field_strength_negative(p):
    return p.loose("--b0=-3")


@case("1.2773e+08 MHz", "BIDS wants MHz")
def imaging_frequency_in_hz(p):
    p.edit(ImagingFrequency=127.73e6)
    return p.recon()


# --- mask


@case("mask.nii.gz is empty")
def mask_is_empty(p):
    write(p.folder / "mask.nii.gz", np.zeros(GRID.shape, np.uint8))
    return p.recon("--mask", p.folder / "mask.nii.gz")


@case("mask.nii.gz does not lie where sub-01 does", "resample")
def mask_lies_elsewhere(p):
    write(p.folder / "mask.nii.gz", np.ones(GRID.shape, np.uint8), np.diag((4, 4, 4, 1)))
    return p.recon("--mask", p.folder / "mask.nii.gz")


@case("mask.nii.gz", "(18, 20, 8)")
def mask_of_another_shape(p):
    write(p.folder / "mask.nii.gz", np.ones((18, 20, 8), np.uint8))
    return p.recon("--mask", p.folder / "mask.nii.gz")


@case("not a 3-D volume of finite values")
def mask_with_nan(p):
    write(p.folder / "mask.nii.gz", np.full(GRID.shape, np.nan, np.float32))
    return p.recon("--mask", p.folder / "mask.nii.gz")


# --- where results go


@case("cannot be written", "choose another place")
def output_folder_is_a_file(p):
    p.out.write_text("not a folder")
    return p.recon()


@case("cannot be written", "choose another place")
def output_below_a_file(p):
    (p.folder / "file").write_text("not a folder")
    return ("recon", p.bids, p.folder / "file" / "out", "--recipe", p.recipe)


@case("not made by qsmkit", "choose another folder")
def output_holds_another_data_set(p):
    p.out.mkdir()
    (p.out / "dataset_description.json").write_text('{"Name": "raw", "BIDSVersion": "1.10.0"}')
    return p.recon()


@case("holds raw data", "choose another folder")
def output_is_the_dataset_itself(p):
    made = {"Name": "x", "DatasetType": "raw", "GeneratedBy": [{"Name": "qsmkit"}]}
    (p.bids / "dataset_description.json").write_text(json.dumps(made))
    return ("recon", p.bids, p.bids, "--recipe", p.recipe)


@case("cache folder", "cannot be written")
def work_folder_is_a_file(p):
    (p.folder / "file").write_text("not a folder")
    return p.recon("--work", p.folder / "file")


# --- what was asked for


@case("no participant '07'", "there are: 01")
def participant_unknown(p):
    return p.recon("--participant-label", "07")


@case("session 9")
def session_unknown(p):
    return p.recon("--session-label", "9")


@case("'quick'", "consensus, default, fast")
def recipe_unknown(p):
    return ("recon", p.bids, p.out, "--recipe", "quick")


@case("tiny.toml", "cannot be read")
def recipe_file_missing(p):
    p.recipe.unlink()
    return p.recon()


@case("not valid TOML")
def recipe_is_no_toml(p):
    p.recipe.write_text("name = ")
    return p.recon()


@case("step 5", "no method is called 'tkb'")
def recipe_with_an_unknown_method(p):
    p.recipe.write_text(RECIPE.replace("tkd", "tkb"))
    return p.recon()


@case("step 3 (tkd) needs local_field", "vsharp")
def recipe_that_lacks_a_step(p):
    lines = RECIPE.splitlines(keepends=True)
    p.recipe.write_text("".join(s for s in lines if "vsharp" not in s and "weighted" not in s))
    return p.recon()


@case("threshold = -1", "out of range")
def setting_out_of_range(p):
    return p.recon("--set", "tkd.threshold=-1")


@case("threshold = 'high'", "is not")
def setting_of_another_type(p):
    return p.recon("--set", "tkd.threshold=high")


@case("no parameter 'thresh'", "threshold")
def setting_unknown(p):
    return p.recon("--set", "tkd.thresh=0.1")


@case("no step 'tv' to change")
def setting_of_a_step_that_is_not_there(p):
    return p.recon("--set", "tv.regularisation=0.1")


@case("--set 'threshold:0.1'", "METHOD.SETTING=VALUE", status=2)
def setting_malformed(p):
    return p.recon("--set", "threshold:0.1")


@case("one output folder", "recon OUT --phase", status=2)
def output_folder_swallowed_by_the_files(p):
    return ("recon", "--phase", p.image("phase", 1), p.out)


@case("needed, not", "group", status=2)
def analysis_level_unknown(p):
    return ("recon", p.bids, p.out, "group")


@case("--te", "go with --phase", status=2)
def echo_times_with_a_dataset(p):
    return p.recon("--te", 4, 9, 14)


@case("--recipee", status=2)
def option_unknown(p):
    return p.recon("--recipee", "fast")


@case("--b0", "three", status=2)
def option_of_another_type(p):
    return p.loose("--b0", "three")


@case("recno", status=2)
def command_unknown(p):
    return ("recno", p.bids, p.out)


# --- the commands of single methods


@case("mask.nii.gz does not lie where", "mm apart")
def command_given_volumes_of_two_places(p):
    write(p.folder / "field.nii.gz", np.zeros(GRID.shape, np.float32))
    write(p.folder / "mask.nii.gz", np.ones(GRID.shape, np.uint8), np.diag((4, 4, 4, 1)))
    return ("invert", "tkd", "--local-field", p.folder / "field.nii.gz", "--mask", p.folder / "mask.nii.gz",
            "--out", p.out / "chi.nii.gz")  # fmt: skip


@case("--out", ".nii.gz")
def command_told_to_write_something_else(p):
    write(p.folder / "field.nii.gz", np.zeros(GRID.shape, np.float32))
    return ("invert", "tkd", "--local-field", p.folder / "field.nii.gz", "--mask", p.folder / "field.nii.gz",
            "--out", p.out / "chi.mat")  # fmt: skip


@case("phase.nii.gz", "--phase-max")
def command_given_phase_of_unknown_scale(p):
    write(p.folder / "phase.nii.gz", (p.data("phase", 1) / 4095 * 234).astype(np.float32))
    return ("unwrap", "laplacian", "--phase", p.folder / "phase.nii.gz", "--out", p.out / "u.nii.gz")


@case("(18, 20, 16)", "(18, 20, 8)")
def score_of_two_shapes(p):
    write(p.folder / "a.nii.gz", np.zeros(GRID.shape, np.float32))
    write(p.folder / "b.nii.gz", np.zeros((18, 20, 8), np.float32))
    return ("score", p.folder / "a.nii.gz", p.folder / "b.nii.gz", "--mask", p.folder / "a.nii.gz")


@case("'inverse'", "stages are")
def stage_unknown(p):
    return ("methods", "inverse")


def test_what_the_cases_spoil_is_fine_before(made, qsmkit):
    patient = Patient(made.folder)
    ran = qsmkit(*patient.recon("--no-cache"))
    assert ran.status == 0, ran.err
    assert (patient.out / "sub-01" / "anat" / "sub-01_Chimap.nii.gz").is_file()
    shutil.rmtree(patient.out)


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_clear_line(patient, qsmkit, name):
    spoil, said, status = CASES[name]
    arguments = spoil(patient)
    before = snapshot(patient.folder)
    ran = qsmkit(*arguments)
    assert ran.status == status, ran.err
    assert ran.out == ""
    (line,) = [s for s in ran.err.splitlines() if not is_progress(s)]
    assert line.startswith("qsmkit: ")
    for words in said:
        assert words in line
    assert "Traceback" not in ran.err
    left = [p for p in snapshot(patient.folder) - before if is_result(p)]
    assert not left, "no half-written result stays"


def snapshot(folder):
    return set(folder.rglob("*"))


def is_progress(line):
    return ": warning: " in line or ": step " in line


def is_result(path: Path):
    return path.name.endswith((".nii", ".nii.gz", ".html", "_record.json")) or path.name.startswith(".partial-")
