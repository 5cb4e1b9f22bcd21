from dataclasses import dataclass, field

import numpy as np
import pytest

from qsmkit.errors import OutputError
from qsmkit.grid import Grid
from qsmkit.io import patient as store
from qsmkit.io.sidecar import as_json
from qsmkit.io.tables import read_table

GRID = Grid.tilted((4, 5, 6))


@dataclass
class Picture:
    ending: str
    data: np.ndarray = field(default_factory=lambda: np.ones(GRID.shape, np.int16))
    grid: Grid = GRID
    sidecar: dict = field(default_factory=lambda: {"EchoTime": 0.004})
    folder: str = "anat"


def write(out, label="01", age=50, images=()):
    with store.participant(out, label) as writer:
        writer.images("a", [Picture("T1w"), Picture("ct", folder="ct", sidecar={}), *images], truth=False)
        writer.images("a", [Picture("space-T1w_desc-brain_mask")], truth=True)
        writer.table("a", "lesions", [{"name": "L01", "chi": 0.25, "iron": None}])
        writer.table(None, "leads", [])
        writer.json("a", "transforms", {"matrix": np.eye(4)})
        writer.record({"Seed": 1, "Subject": {"age": age, "sex": "F", "disease": "healthy"}})


def test_a_participant_lands_whole_in_raw_and_truth(tmp_path):
    out = tmp_path / "bids"
    store.prepare(out, "Test", {1: "caudate"})
    write(out)
    found = {str(p.relative_to(out)) for p in out.rglob("sub-01*") if p.is_file()}
    truth = "derivatives/truth/sub-01"
    assert found == {
        "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz", "sub-01/ses-a/anat/sub-01_ses-a_T1w.json",
        "sub-01/ses-a/ct/sub-01_ses-a_ct.nii.gz",
        f"{truth}/ses-a/anat/sub-01_ses-a_space-T1w_desc-brain_mask.nii.gz",
        f"{truth}/ses-a/anat/sub-01_ses-a_space-T1w_desc-brain_mask.json",
        f"{truth}/ses-a/sub-01_ses-a_lesions.tsv", f"{truth}/ses-a/sub-01_ses-a_transforms.json",
        f"{truth}/sub-01_scenario.json",
    }  # fmt: skip
    assert store.recorded(out, "01")["Seed"] == 1
    assert store.recorded(out, "02") is None
    assert not list(out.glob(".partial*"))


def test_tables_are_gathered_over_participants(tmp_path):
    store.prepare(tmp_path, "Test", {1: "caudate"})
    write(tmp_path, "01")
    write(tmp_path, "02", age=61)
    store.gather(tmp_path)
    people = read_table(tmp_path / "participants.tsv")
    assert people.text("participant_id") == ["sub-01", "sub-02"]
    assert people.numbers("age") == [50, 61]
    lesions = (tmp_path / store.TRUTH / "lesions.tsv").read_text().splitlines()
    assert lesions == ["participant_id\tname\tchi\tiron", "sub-01\tL01\t0.25\tn/a", "sub-02\tL01\t0.25\tn/a"]
    assert not (tmp_path / store.TRUTH / "leads.tsv").exists()


def test_what_breaks_leaves_nothing_and_keeps_what_was_there(tmp_path):
    store.prepare(tmp_path, "Test", {1: "caudate"})
    write(tmp_path)
    with pytest.raises(OutputError, match="does not end a BIDS name"):
        write(tmp_path, images=[Picture("T2w"), Picture("T2 w")])
    assert not list(tmp_path.rglob("*T2w*"))
    assert not list(tmp_path.glob(".partial*"))
    assert store.recorded(tmp_path, "01")
    write(tmp_path, age=70)
    assert store.recorded(tmp_path, "01")["Subject"]["age"] == 70


def test_truth_without_images_is_no_participant(tmp_path):
    store.prepare(tmp_path, "Test", {1: "caudate"})
    write(tmp_path)
    (tmp_path / "sub-01").rename(tmp_path / ".gone")
    assert store.recorded(tmp_path, "01") is None


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="is not empty, and no dataset"):
        store.prepare(tmp_path, "Test", {1: "caudate"})
    (tmp_path / "dataset_description.json").write_text(as_json({"Name": "other"}))
    with pytest.raises(OutputError, match="qsmkit did not make"):
        store.prepare(tmp_path, "Test", {1: "caudate"})


def test_the_same_is_written_as_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        store.prepare(tmp_path / name, "Test", {1: "caudate"})
        write(tmp_path / name)
        store.gather(tmp_path / name)
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    assert len(files) > 12
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
