"""A folder of DICOM objects, NIfTI images and sidecars without their patients: complete and verified, or not there."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.config import disable_value_validation
from pydicom.errors import InvalidDicomError

from qsmkit.errors import InputError, OutputError, QsmkitError
from qsmkit.io import bids_name
from qsmkit.io.atomic import replacing_folder, write_text
from qsmkit.io.deidentify.header import Rules, deidentified, patient_of
from qsmkit.io.deidentify.names import new_name, participant_of
from qsmkit.io.deidentify.sidecar import deidentified_nifti, deidentified_sidecar
from qsmkit.io.deidentify.verify import Identifiers, leaks
from qsmkit.io.sidecar import as_json, read_sidecar

_PSEUDONYM = re.compile(r"(sub-)?Q[A-Z2-7]{12}")


@dataclass(eq=False)
class Outcome:
    """What became of a folder.

    Attributes
    ----------
    written : Counter
        Number of files written, by kind.
    fates : Counter
        Number of attributes of DICOM objects, by what became of them.
    patients : dict of str to tuple
        Original patient → pseudonym, and days by which dates moved back. For the keeper of the key alone.
    left_out : list of tuple
        File, relative to the input, and why it was not let through.
    verified : int
        Number of files in which the verification found no identifier of the originals.
    identifiers : int
        Number of different identifiers it looked for.
    """

    written: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    patients: dict[str, tuple[str, int]] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    verified: int = 0
    identifiers: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without original names of patients."""
        return {
            "written": dict(self.written), "attributes": dict(self.fates),
            "patients": sorted(pseudonym for pseudonym, _ in self.patients.values()),
            "left_out": [{"file": file, "reason": reason} for file, reason in self.left_out],
            "verified_files": self.verified, "identifiers_looked_for": self.identifiers, "identifiers_found": 0,
        }  # fmt: skip


def deidentify(source: Path, out: Path, rules: Rules, *, overwrite: bool = False) -> Outcome:
    """De-identify everything below a folder into another one.

    What was written is searched for every identifier of the originals before it is released.

    Parameters
    ----------
    source : Path
        Folder with DICOM objects, NIfTI images and their sidecars, to any depth; or one file.
    out : Path
        The folder to make.
    rules : Rules
        Key and options.
    overwrite : bool
        Whether a folder that is there already may be replaced.

    Returns
    -------
    Outcome
        Counts, and what was left out with the reason.

    Raises
    ------
    InputError
        Nothing could be let through, or an identifier survived: then nothing is released.
    OutputError
        One folder lies in the other, the output is there already, or cannot be written.
    """
    if not source.exists():
        raise InputError(f"{source} does not exist; check the path")
    here, there = source.resolve(), out.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise OutputError(f"{out} and {source} lie in one another; choose a folder outside")
    root = source if source.is_dir() else source.parent
    files = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    outcome, known = Outcome(), Identifiers()

    def ours(path: Path) -> bool:
        return _PSEUDONYM.fullmatch(path.relative_to(out.absolute()).parts[0]) is not None

    # Scanners write values that break DICOM's own rules; they are no reason to warn here, whatever is kept is checked.
    with disable_value_validation(), replacing_folder(out, ours, overwrite=overwrite) as scratch:
        owners = _owners(files, root)
        for path in files:
            name = path.relative_to(root)
            try:
                _release(path, name, scratch, owners, rules, outcome)
            except QsmkitError as error:
                outcome.left_out.append((name.as_posix(), str(error)))
        if not outcome.written:
            first = f" ({outcome.left_out[0][0]}: {outcome.left_out[0][1]})" if outcome.left_out else ""
            raise InputError(f"nothing in {source} could be let through{first}")
        left = {name for name, _ in outcome.left_out}
        for path in files:
            if path.relative_to(root).as_posix() not in left:
                _gather(path, known)
        found = leaks(scratch, known)
        if found:
            one = found[0]
            raise InputError(
                f"{len(found)} identifiers survive, the first a {one.kind} in {one.place} of {one.file}; "
                "nothing is released"
            )
    outcome.verified = sum(outcome.written.values())
    outcome.identifiers = len(known.texts) + len(known.dates) + len(known.uids)
    return outcome


def write_crosswalk(path: Path, outcome: Outcome, *, overwrite: bool = False) -> None:
    """Write who is who, for the keeper of the key alone: a table that only its owner can read.

    Raises
    ------
    OutputError
        The file is there already, or cannot be written.
    """
    rows = "".join(f"{who}\t{name}\t{days}\n" for who, (name, days) in sorted(outcome.patients.items()))
    write_text(path, f"patient\tpseudonym\tdays_moved_back\n{rows}", overwrite=overwrite)
    path.chmod(0o600)


def _release(
    path: Path, name: PurePath, scratch: Path, owners: dict[str, str], rules: Rules, outcome: Outcome
) -> None:
    read = _dicom(path)
    if read is not None:
        outcome.fates.update(_release_object(read, scratch, rules))
        _count(outcome, "DICOM", patient_of(read), rules)
        return
    patient = owners.get(_stem(path))
    if patient is None:
        raise InputError("neither a DICOM object nor an image or sidecar of someone; its content is not known")
    target = scratch / new_name(name, patient, rules.key)
    if path.suffix == ".json":
        kept = deidentified_sidecar(read_sidecar(path), patient, rules)
        if not kept:
            raise InputError("nothing in it is known to describe an image")
        kind, content = "sidecar", as_json(kept).encode()
    else:
        kind, content = "NIfTI", deidentified_nifti(path.read_bytes())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    _count(outcome, kind, patient, rules)


def _release_object(read: Dataset, scratch: Path, rules: Rules) -> Counter[str]:
    try:
        made, fates = deidentified(read, rules)
        content = BytesIO()
        made.save_as(content, enforce_file_format=True)
        target = scratch / _place(made, rules)
    except QsmkitError:
        raise
    except Exception as error:  # elements are decoded when they are met, and damaged ones fail in many ways
        raise InputError(f"a damaged DICOM object ({error}); copy it again") from error
    if target.exists():
        raise InputError("the same object as another file")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.getvalue())
    return fates


def _owners(files: list[Path], root: Path) -> dict[str, str]:
    """Return whom images and sidecars belong to, by their stems.

    That is the ID that a sidecar names, for every file of that participant; else the participant; else, for an image
    without BIDS name, the image itself.
    """
    named: dict[str, str] = {}
    label: dict[str, str] = {}
    for path in files:
        if not path.name.endswith((".nii", ".nii.gz", ".json")):
            continue
        participant = participant_of(path.relative_to(root))
        if participant or path.suffix != ".json":
            label[_stem(path)] = participant or f"file {bids_name.stem(path.relative_to(root).as_posix())}"
        patient = _patient_in(path) if path.suffix == ".json" else ""
        if patient:
            label.setdefault(_stem(path), patient)
            named[label[_stem(path)]] = named[_stem(path)] = patient
    return {stem: named.get(stem) or named.get(who) or who for stem, who in label.items()}


def _patient_in(sidecar: Path) -> str:
    try:
        return str(read_sidecar(sidecar).get("PatientID") or "").strip()
    except QsmkitError:
        return ""


def _gather(path: Path, known: Identifiers) -> None:
    read = _dicom(path)
    if read is not None:
        known.add_object(read)
    elif path.suffix == ".json":
        try:
            known.add_sidecar(read_sidecar(path))
        except QsmkitError:
            return


def _dicom(path: Path) -> Dataset | None:
    """Return a DICOM object, or None if the file is none.

    Raises
    ------
    InputError
        It begins like one, and cannot be read.
    """
    try:
        return dcmread(path)
    except InvalidDicomError:
        return None
    except Exception as error:  # a damaged object fails in as many ways as there are bytes
        raise InputError(f"a damaged DICOM object ({error}); copy it again") from error


def _place(made: Dataset, rules: Rules) -> PurePath:
    series, study, instance = (str(made.get(f"{level}InstanceUID")) for level in ("Series", "Study", "SOP"))
    number, count = (int(made.get(k) or 0) for k in ("SeriesNumber", "InstanceNumber"))
    return PurePath(
        str(made.PatientID), f"{made.get('StudyDate') or 'study'}-{rules.key.short(study)}",
        f"{number:04d}-{rules.key.short(series)}", f"{count:05d}-{rules.key.short(instance)}.dcm",
    )  # fmt: skip


def _count(outcome: Outcome, kind: str, patient: str, rules: Rules) -> None:
    outcome.written[kind] += 1
    outcome.patients[patient] = rules.key.pseudonym(patient), rules.key.days(patient)


def _stem(path: Path) -> str:
    return str(path.parent / bids_name.stem(path.name))

