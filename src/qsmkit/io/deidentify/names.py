"""Names of files that say nothing: BIDS names with other participants and visits, everything else by a code."""

from __future__ import annotations

import re
from pathlib import PurePath

from qsmkit.io import bids_name
from qsmkit.io.deidentify.dates import moved_date
from qsmkit.io.deidentify.key import Key
from qsmkit.io.deidentify.words import is_word

_FOLDERS = frozenset({"anat", "func", "dwi", "fmap", "perf"})
_SUFFIXES = frozenset("""
    MEGRE MESE GRE T1w T2w T2starw FLAIR PDw UNIT1 swi minIP Chimap R2starmap T2starmap R2map T2map T1map S0map
    phase phase1 phase2 phasediff magnitude magnitude1 magnitude2 fieldmap bold sbref dwi epi mask dseg probseg
    inplaneT2 CT ct
""".split())  # noqa: SIM905


def participant_of(path: PurePath) -> str | None:
    """Return the label of the participant in a BIDS name, or None."""
    name = bids_name.parse(path.name)
    return name.entities.get("sub") if name else None


def new_name(path: PurePath, patient: str, key: Key) -> PurePath:
    """Return where a file that is not DICOM goes, below the output folder.

    Parameters
    ----------
    path : PurePath
        The file, relative to the input folder.
    patient : str
        Whom it belongs to.
    key : Key
        The secret.
    """
    name = bids_name.parse(path.name)
    ending = re.search(r"(\.nii\.gz|\.nii|\.json)$", path.name.lower())
    suffix = ending[0] if ending else ""
    folder = PurePath(f"sub-{key.pseudonym(patient)}")
    if name is None or "sub" not in name.entities:
        return folder / f"file-{key.short(str(path.parent / bids_name.stem(path.name)))}{suffix}"
    changed = {k: _value(k, v, patient, key) for k, v in name.entities.items()}
    changed["sub"] = key.pseudonym(patient)
    if "ses" in changed:
        folder /= f"ses-{changed['ses']}"
    if path.parent.name in _FOLDERS:
        folder /= path.parent.name
    image = name.suffix if name.suffix in _SUFFIXES else f"x{key.short(name.suffix)}"
    return folder / f"{bids_name.BidsName(changed, image)}{suffix}"


def _value(entity: str, value: str, patient: str, key: Key) -> str:
    """Return what stands for an entity's value: itself if it is a word or small number, a moved date, or a code."""
    if is_word(value) or re.fullmatch(r"\d{1,3}", value):
        return value
    if entity == "ses" and re.fullmatch(r"\d{8}", value):
        moved = moved_date(value, key.days(patient))
        if moved:
            return moved
    return f"x{key.short(value)}"
