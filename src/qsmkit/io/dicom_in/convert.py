"""A folder of DICOM becomes a BIDS data set: found, gathered, converted, checked, placed, and accounted for."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from qsmkit.errors import InputError
from qsmkit.io.atomic import replacing
from qsmkit.io.dicom_in.archives import is_packed, unpack
from qsmkit.io.dicom_in.frame import Frame, looks_like_dicom, read_frames
from qsmkit.io.dicom_in.images import images_of, make
from qsmkit.io.dicom_in.kind import Kind
from qsmkit.io.dicom_in.measurement import Measurement, family, measurements
from qsmkit.io.dicom_in.place import DIGEST, Dataset, as_label, digest, is_there
from qsmkit.io.dicom_in.report import Outcome, Row
from qsmkit.io.dicom_in.role import Role
from qsmkit.io.dicom_in.stack import Stack, gather
from qsmkit.io.dicom_in.visit import Visit, entities_of, visit_of
from qsmkit.io.sidecar import as_json, sidecar_path

_DICOM_ENDINGS = (".dcm", ".ima", ".dicom")
_PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"

NIFTI = "no DICOM: reconstruct it from loose files, or name it by BIDS"
"""Why an image that was converted before is left."""


@dataclass
class Survey:
    """What a folder holds.

    Attributes
    ----------
    frames : list of Frame
        Slices of all images.
    damaged : dict of Path to str
        Files that are or ought to be DICOM but cannot be read, and why.
    nifti : list of Path
        Images that were converted before.
    """

    frames: list[Frame] = field(default_factory=list)
    damaged: dict[Path, str] = field(default_factory=dict)
    nifti: list[Path] = field(default_factory=list)


def survey(source: Path, scratch: Path, *, without: Path | None = None) -> Survey:
    """Read the headers of every file below a folder.

    Parameters
    ----------
    source : Path
        The folder.
    scratch : Path
        Folder into which archives are unpacked.
    without : Path, optional
        Folder below `source` that is passed over.

    Raises
    ------
    InputError
        The folder is not there.
    """
    if not source.is_dir():
        raise InputError(f"{source} is not a folder; give the folder that holds the DICOM files")
    found = Survey()
    doubtful: list[Path] = []
    folders = [source]
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if without is not None and without in path.resolve().parents:
                continue
            if path.name.lower().endswith((".nii", ".nii.gz")):
                found.nifti.append(path)
            elif is_packed(path):
                into = scratch / f"unpacked{len(folders)}"
                try:
                    unpack(path, into)
                    folders.append(into)
                except InputError as error:
                    found.damaged[path] = str(error)
            elif looks_like_dicom(path) or path.suffix.lower() in _DICOM_ENDINGS:
                _survey_file(path, found)
            elif (path.suffix == "" or path.suffix[1:].isdigit()) and not _is_text(path):
                doubtful.append(path)
    homes = {(f.path.parent, f.path.suffix) for f in found.frames}
    for path in doubtful:  # without the mark of DICOM: of old scanners, damaged, or something else
        if (path.parent, path.suffix) in homes or not homes:
            _survey_file(path, found)
    return found


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1024).translate(None, _PRINTABLE) == b""


def _survey_file(path: Path, found: Survey) -> None:
    try:
        found.frames += read_frames(path)
    except InputError as error:
        found.damaged[path] = str(error)


def convert(
    source: Path,
    bids: Path,
    *,
    participant: str | None = None,
    session: str | None = None,
    dry_run: bool = False,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> list[Row]:
    """Convert a folder of DICOM to a BIDS data set.

    Parameters
    ----------
    source : Path
        Folder with DICOM files and archives of them, in any order.
    bids : Path
        Folder of the data set, made if needed. What is there already stays.
    participant, session : str, optional
        Labels; by default participants are numbered, and a participant's visits too if there are several.
    dry_run : bool
        Say what would be done, and write nothing.
    overwrite : bool
        Whether images that were made of the same volumes before are made again.
    progress : callable, optional
        Called with the name of each measurement before it is converted.

    Returns
    -------
    list of Row
        What became of every series.

    Raises
    ------
    InputError
        The folder is not there, holds no DICOM image, or several patients though a label was given.
    OutputError
        The data set cannot be written, or is none.
    """
    dataset = Dataset(bids)
    with tempfile.TemporaryDirectory(prefix="qsmkit-") as scratch:
        inside = source.resolve() in bids.resolve().parents
        found = survey(source, Path(scratch), without=bids.resolve() if inside else None)
        if not (found.frames or found.damaged or found.nifti):
            raise InputError(f"{source} holds no DICOM image; check the folder")
        stacks = _beside_damage(gather(found.frames), found.damaged)
        measured = measurements(stacks)
        entities = entities_of(measured, dataset, participant, session)
        rows = [Row(0, p.name, "", 0, 0, (), "refused", reason) for p, reason in found.damaged.items()]
        rows += [Row(0, p.name, "NIfTI image", 1, 0, (), "left", NIFTI) for p in found.nifti]
        for measurement, label in _labelled(measured, entities):
            key = visit_of(measurement)
            rows += _converted(measurement, dataset, entities[key], label, Path(scratch), dry_run, overwrite, progress)
    return sorted(_merged(rows), key=lambda r: r.series)


def _beside_damage(stacks: Sequence[Stack], damaged: dict[Path, str]) -> list[Stack]:
    """Refuse volumes that may lack a slice that is in a damaged file: those with no volume of the same slices."""
    hurt: dict[Path, int] = defaultdict(int)
    for path in damaged:
        hurt[path.parent] += 1
    volumes: dict[str, int] = defaultdict(int)
    for stack in stacks:
        volumes[stack.first.series] += 1
    return [
        replace(s, refusal="a damaged file lies beside, which may be a slice of it; copy the folder again")
        if not s.refusal and not s.first.multiframe and hurt[s.first.path.parent] >= volumes[s.first.series]
        else s
        for s in stacks
    ]


def _labelled(
    measured: Iterable[Measurement], entities: dict[Visit, dict[str, str]]
) -> list[tuple[Measurement, str]]:
    """Return each measurement with a label that tells it from the others of its session; empty if it is alone."""
    groups: dict[Any, list[Measurement]] = defaultdict(list)
    ordered = list(measured)
    for m in ordered:
        if not m.refusal:
            groups[tuple(entities[visit_of(m)].values()), m.role, len(m.echo_times) > 1].append(m)
    labels: dict[int, str] = {}
    for members in groups.values():
        names = {id(m): as_label(family(m.first)) for m in members}
        corrections = {m.first.first.protocol.distortion for m in members}
        for m in members:
            label = names[id(m)] if len(set(names.values())) > 1 else ""
            labels[id(m)] = label + (m.first.first.protocol.distortion if len(corrections) > 1 else "")
    return [(m, labels.get(id(m), "")) for m in ordered]


def _converted(
    measurement: Measurement, dataset: Dataset, entities: dict[str, str], label: str, scratch: Path,
    dry_run: bool, overwrite: bool, progress: Callable[[str], None] | None,
) -> list[Row]:
    """Convert one measurement, all of its images that are not there yet or none, and return its rows."""
    rows = [_row(s, measurement, "left", reason) for s, reason in measurement.left]
    if measurement.refusal:
        outcome: Outcome = "left" if measurement.role == Role.NONE else "refused"
        return rows + [_row(s, measurement, outcome, measurement.refusal) for s in measurement.stacks]
    images = images_of(measurement)
    notes = list(measurement.notes)
    try:
        digests = [digest(i) for i in images]
        if len(set(digests)) < len(digests):
            raise InputError("two of its volumes hold the same values")
        paths = dataset.places(measurement.role, images, entities, label)
        there = all(is_there(p) for p in paths) and not overwrite
        if not there and not dry_run:
            if progress:
                progress(paths[0].name)
            with tempfile.TemporaryDirectory(dir=scratch) as aside:
                made = make(measurement, Path(aside), notes.append)
                dataset.prepare()
                for image, path, source in zip(images, paths, digests, strict=True):
                    if overwrite or not is_there(path):
                        converted, sidecar = made[image.ending]
                        _write(converted, sidecar | {DIGEST: source}, path)
        dataset.digests |= dict(zip(digests, paths, strict=True))
    except InputError as error:
        return rows + [_row(s, measurement, "refused", str(error)) for s in measurement.stacks]
    outcome = "there already" if there else "planned" if dry_run else "converted"
    files: dict[int, list[str]] = defaultdict(list)
    for image, path in zip(images, paths, strict=True):
        for stack in image.sources:
            files[id(stack)].append(path.relative_to(dataset.root).as_posix())
    for s in measurement.stacks:
        name = tuple(files.get(id(s), ()))
        reason = "; ".join(dict.fromkeys(notes)) if name else "not needed"
        rows.append(_row(s, measurement, outcome if name else "left", reason, name))
    return rows


def _write(image: Path, sidecar: dict[str, Any], path: Path) -> None:
    """Put image and sidecar in their place; the sidecar first, so that no image is without."""
    with replacing(sidecar_path(path), overwrite=True) as scratch:
        scratch.write_text(as_json(sidecar), encoding="utf-8")
    with (
        replacing(path, overwrite=True) as scratch,
        image.open("rb") as source,
        gzip.GzipFile(scratch, "wb", compresslevel=6, mtime=0) as target,
    ):
        shutil.copyfileobj(source, target)


def _row(
    stack: Stack, measurement: Measurement, outcome: Outcome, reason: str = "", files: tuple[str, ...] = ()
) -> Row:
    frame, role = stack.first, measurement.role
    shows = str(frame.kind) if role in (Role.NONE, Role.FIELD) else f"{role}, {frame.kind}"
    if measurement.difference and frame.kind == Kind.PHASE:
        shows = "phase difference of two echoes"
    times = (round(frame.echo_time, 3),) if frame.echo_time else ()
    name = frame.protocol.description or frame.path.name
    return Row(frame.series_number, name, shows, 1, len(stack.frames), times, outcome, reason, files)


def _merged(rows: Sequence[Row]) -> list[Row]:
    """Return one row for all volumes of a series that share their fate."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.series, row.description, row.shows, row.outcome, row.reason, row.slices].append(row)
    return [
        replace(
            g[0],
            volumes=sum(r.volumes for r in g),
            echo_times=tuple(sorted({t for r in g for t in r.echo_times})),
            files=tuple(f for r in g for f in r.files),
        )
        for g in groups.values()
    ]
