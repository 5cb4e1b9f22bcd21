"""Digital patients as a BIDS dataset, their truth as a derivative beside them.

A participant is written aside and moved into place when it is complete: truth first, images last. A participant that
is there is therefore whole, and one that was interrupted is made again.
"""

import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from qsmkit.arrays import AnyArray
from qsmkit.errors import OutputError
from qsmkit.grid import Grid
from qsmkit.io import bids_name
from qsmkit.io.atomic import write_text
from qsmkit.io.derivatives import BIDS_VERSION
from qsmkit.io.nifti import save_volume
from qsmkit.io.sidecar import as_json, read_sidecar, write_sidecar
from qsmkit.io.tables import read_table, write_table

TRUTH = Path("derivatives") / "truth"
SOURCE = Path("sourcedata") / "dicom"

TABLES = ("lesions", "events", "leads", "contacts", "landmarks")
"""Participants' tables, which are also gathered at the root of the truth."""

_IGNORED = ["ct", ".partial-*"]
_IGNORED_TRUTH = ["ct", *(f"*{name}.tsv" for name in TABLES), "columns.json", "*_transforms.json", "*_scenario.json",
                  "*_fieldmap.*", "*_phase.*"]  # fmt: skip
"""CT, tables and transforms have no place in BIDS yet, nor have fields and phase offsets among derivatives."""

_COLUMNS = {
    "participant_id": "Participant",
    "session_id": "Session",
    "scan": "End of the BIDS name of the scan, or 'head': in whose scanner RAS the coordinates are",
    "date": "ISO 8601",
    "day": "Days since the first visit",
    "index": "Value of a lesion in desc-lesions_dseg, where it is larger than a voxel",
    "name": "Label of a lesion, lead or landmark",
    "kind": "What it is, in the scenario's words",
    "field_strength": "T",
    "volume": "mm³, partial volumes counted",
    "chi": "Mean susceptibility, ppm relative to water",
    "chi_total": "Susceptibility in excess of the tissue replaced, summed over the volume, ppm·mm³",
    "moment": "Magnetic moment at the field strength, A·m²",
    "iron": "Iron as oxide, µg",
    "planned_x, planned_y, planned_z": "Planned lower end of a lead, RAS mm of the head",
    "tip_x, tip_y, tip_z": "Lower end of a lead as it lies, RAS mm of the head",
    "entry_x, entry_y, entry_z": "Where a lead leaves the skull, RAS mm of the head",
    "rotation, sag, sag_direction": "Of a lead: degrees, mm, degrees",
    "x, y, z": "Scanner RAS mm",
}

_PARTICIPANTS = {
    "age": {"Description": "At the first visit", "Units": "year"},
    "sex": {"Levels": {"F": "female", "M": "male"}},
    "disease": {"Description": "What the scenario says"},
}
_SESSIONS = {
    "day": {"Description": "Days since the first visit", "Units": "d"},
    "gadolinium": {"Description": "Concentration of contrast agent in blood", "Units": "mmol/L"},
}

_README = """Digital patients, simulated by qsmkit: nobody was scanned.

The images are as a scanner stores them. What is true about them is under derivatives/truth: maps and labels in the
space of each scan (a gradient echo's have its own name, others' say space-…), the rigid transforms from the head's own
coordinates to each scan's (transforms.json), landmarks, leads, their contacts, lesions and events (.tsv; columns.json
says what the columns mean), and the scenario that each participant was made from, all chance drawn.
"""

Row = Mapping[str, Any]


class Image(Protocol):
    """What a simulation offers for writing; see `qsmkit.simulate.image.Image`."""

    @property
    def ending(self) -> str:
        """Last entities and suffix of its name."""
    @property
    def data(self) -> AnyArray:
        """Values as they are to be stored."""
    @property
    def grid(self) -> Grid:
        """Geometry."""
    @property
    def sidecar(self) -> Mapping[str, Any]:
        """Metadata."""
    @property
    def folder(self) -> str:
        """Data type."""


def prepare(out: Path, name: str, labels: Mapping[int, str]) -> None:
    """Make a folder a BIDS dataset with a derivative for the truth; one that qsmkit made before is kept.

    Parameters
    ----------
    out : Path
        The folder.
    name : str
        Of the dataset.
    labels : mapping of int to str
        Names of the labels of tissue.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """
    path = out / "dataset_description.json"
    if path.is_file():
        if "qsmkit" not in {m.get("Name") for m in read_sidecar(path).get("GeneratedBy") or []}:
            raise OutputError(f"{out} holds a dataset that qsmkit did not make; choose another folder")
    elif out.exists() and any(not p.name.startswith(".partial-") for p in out.iterdir()):
        raise OutputError(f"{out} is not empty, and no dataset; choose another folder")
    truth = out / TRUTH
    for folder, kind, ignored in ((out, "raw", _IGNORED), (truth, "derivative", _IGNORED_TRUTH)):
        description = {
            "Name": name if kind == "raw" else f"{name}: truth",
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": kind,
            "GeneratedBy": [{"Name": "qsmkit", "Version": version("qsmkit")}],
        }
        write_text(folder / "dataset_description.json", as_json(description), overwrite=True)
        write_text(folder / ".bidsignore", "\n".join(ignored) + "\n", overwrite=True)
        write_text(folder / "README", _README, overwrite=True)
    write_text(out / "sessions.json", as_json(_SESSIONS), overwrite=True)
    rows = [{"index": index, "name": label} for index, label in labels.items()]
    write_table(truth / "dseg.tsv", rows, overwrite=True)
    write_text(truth / "columns.json", as_json(_COLUMNS), overwrite=True)


def recorded(out: Path, label: str) -> dict[str, Any] | None:
    """Return what a complete participant was made from, or None."""
    path = _record(out / TRUTH, label)
    return read_sidecar(path) if path.is_file() and (out / f"sub-{label}").is_dir() else None


class Writer:
    """Writes one participant, into folders that are not yet the dataset's."""

    def __init__(self, scratch: Path, label: str) -> None:
        self._scratch = scratch
        self._label = label

    def images(self, session: str | None, images: Iterable[Image], *, truth: bool) -> None:
        """Write images with their sidecars: raw ones, or truth."""
        for image in images:
            path = self._path(session, image.ending, ".nii.gz", image.folder, truth=truth)
            save_volume(path, image.data, image.grid)
            if image.sidecar:
                write_sidecar(path, image.sidecar)

    def table(self, session: str | None, ending: str, rows: Sequence[Row], *, truth: bool = True) -> None:
        """Write a table of a session or of the participant; none without rows."""
        if rows:
            write_table(self._path(session, ending, ".tsv", "", truth=truth), rows)

    def json(self, session: str | None, ending: str, content: Any) -> None:
        """Write truth of a session or of the participant as JSON."""
        write_text(self._path(session, ending, ".json", "", truth=True), as_json(content))

    def source(self, session: str) -> Path:
        """Return the folder for a session's files as they came from the scanner."""
        return self._scratch / "source" / f"sub-{self._label}" / f"ses-{session}"

    def record(self, content: Mapping[str, Any]) -> None:
        """Write what the participant was made from."""
        write_text(_record(self._scratch / "truth", self._label), as_json(content))

    def _path(self, session: str | None, ending: str, extension: str, folder: str, *, truth: bool) -> Path:
        parts = [f"sub-{self._label}", *([f"ses-{session}"] if session else [])]
        name = bids_name.parse("_".join((*parts, ending)))
        if name is None:
            raise OutputError(f"{ending!r} does not end a BIDS name; give entities and suffix")
        return self._scratch.joinpath("truth" if truth else "raw", *parts, folder, f"{name}{extension}")


@contextmanager
def participant(out: Path, label: str) -> Iterator[Writer]:
    """Yield what writes a participant; at the end it takes its place in the dataset, or leaves nothing behind.

    Parameters
    ----------
    out : Path
        Folder of the dataset.
    label : str
        Of the participant, without "sub-"; one that is there is replaced.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    scratch, folder = out / f".partial-{label}-{uuid.uuid4().hex[:8]}", f"sub-{label}"
    try:
        yield Writer(scratch, label)
        # The images go first and come last: without them a participant counts as not there.
        for place in (out, out / TRUTH, out / SOURCE):
            if (place / folder).exists():
                shutil.rmtree(place / folder)
        for part, place in (("source", out / SOURCE), ("truth", out / TRUTH), ("raw", out)):
            if (scratch / part / folder).exists():
                place.mkdir(parents=True, exist_ok=True)
                (scratch / part / folder).replace(place / folder)
    except OutputError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{out / folder} cannot be written ({reason}); choose another place") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def gather(out: Path) -> None:
    """Write participants.tsv, and the participants' tables put together, from those that are complete."""
    there = [p.name.removeprefix("sub-") for p in sorted(out.glob("sub-*")) if p.is_dir()]
    subjects = {label: made["Subject"] for label in there if (made := recorded(out, label))}
    rows = [{"participant_id": f"sub-{label}", **{key: subject.get(key) for key in _PARTICIPANTS}}
            for label, subject in subjects.items()]  # fmt: skip
    if rows:
        write_table(out / "participants.tsv", rows, overwrite=True)
        write_text(out / "participants.json", as_json(_PARTICIPANTS), overwrite=True)
    for name in TABLES:
        found = [
            {"participant_id": f"sub-{label}", **row}
            for label in subjects for path in sorted((out / TRUTH / f"sub-{label}").rglob(f"*_{name}.tsv"))
            for row in _rows(path)
        ]  # fmt: skip
        if found:
            write_table(out / TRUTH / f"{name}.tsv", found, overwrite=True)


def _rows(path: Path) -> list[Row]:
    columns = read_table(path).columns
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, (cell or None for cell in row), strict=True)) for row in rows]


def _record(root: Path, label: str) -> Path:
    return root / f"sub-{label}" / f"sub-{label}_scenario.json"
