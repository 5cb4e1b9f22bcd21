"""Where images belong in a BIDS data set: what is there already is found by its content and never renamed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from qsmkit.errors import InputError, OutputError
from qsmkit.io import bids_name
from qsmkit.io.atomic import write_text
from qsmkit.io.derivatives import BIDS_VERSION
from qsmkit.io.dicom_in import converter
from qsmkit.io.dicom_in.images import Image
from qsmkit.io.dicom_in.role import Role
from qsmkit.io.dicom_in.stack import stack_digest
from qsmkit.io.sidecar import as_json, read_sidecar, sidecar_path

DIGEST = "SourceDigest"
"""Key of a sidecar under which a hash of the source's stored values is kept: it tells nothing of the patient."""

_FOLDER = {Role.FIELD: "fmap", Role.CT: "ct"}
_NOT_BIDS = "*_swi.*\nct\n"
_README = """Converted from DICOM by qsmkit.

`part-phase` images hold the phase as the scanner stored it, unless their sidecars list repairs. CT (`ct/`) and
susceptibility-weighted images (`swi`) have no place in BIDS yet and are listed in .bidsignore.
"""


class Dataset:
    """A BIDS data set that is added to.

    Parameters
    ----------
    root : Path
        Its folder; need not be there.

    Raises
    ------
    OutputError
        The folder holds a derivative data set, or something that is no data set.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        description = root / "dataset_description.json"
        if description.is_file():
            if read_sidecar(description).get("DatasetType", "raw") != "raw":
                raise OutputError(f"{root} holds results, not raw data; choose another folder")
        elif root.is_dir() and any(root.iterdir()):
            raise OutputError(f"{root} is neither empty nor a BIDS data set; choose another folder")
        self.digests: dict[str, Path] = {}
        for path in sorted(root.glob("sub-*/**/*.json")):
            images = [path.with_suffix(e) for e in (".nii.gz", ".nii")]
            digest = read_sidecar(path).get(DIGEST)
            there = next((i for i in images if i.is_file()), None)
            if isinstance(digest, str) and there:
                self.digests[digest] = there
        self.taken = {bids_name.stem(p.name) for p in root.glob("sub-*/**/*.nii*")}

    def prepare(self) -> None:
        """Write the files that every data set has, unless they are there."""
        description = {
            "Name": "Converted scans",
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "raw",
            "License": "n/a",
            "GeneratedBy": [
                {"Name": "qsmkit", "Version": version("qsmkit")},
                {"Name": converter.NAME, "Version": converter.VERSION},
            ],
        }
        files = {"dataset_description.json": as_json(description), "README": _README}
        for name, text in files.items():
            if not any(self.root.glob(f"{name}*")):
                write_text(self.root / name, text)
        ignore = self.root / ".bidsignore"
        there = ignore.read_text(encoding="utf-8") if ignore.is_file() else ""
        lacking = [line for line in _NOT_BIDS.splitlines() if line not in there.splitlines()]
        if lacking:
            write_text(ignore, there + "".join(f"{line}\n" for line in lacking), overwrite=True)

    def places(self, role: Role, images: Sequence[Image], entities: dict[str, str], label: str) -> list[Path]:
        """Return where the images of one measurement belong, all under one stem that no other measurement has.

        Parameters
        ----------
        role : Role
            What they are for.
        images : sequence of Image
            All images of the measurement.
        entities : dict
            Participant and session.
        label : str
            To tell it from another measurement of the session; empty if there is none.
        """
        digests = [digest(image) for image in images]
        for one, image in zip(digests, images, strict=True):
            if one in self.digests:
                stem = self._stem_of(self.digests[one], image)
                return [self._path(role, stem, i.ending) for i in images]
        for run in range(1, 1000):
            stem = {**entities, **({"acq": label} if label else {}), **({"run": str(run)} if run > 1 else {})}
            paths = [self._path(role, stem, i.ending) for i in images]
            if not {bids_name.stem(p.name) for p in paths} & self.taken:
                self.taken |= {bids_name.stem(p.name) for p in paths}
                return paths
        raise InputError(f"{self.root} has 999 runs of {entities}; choose another folder")

    def _stem_of(self, there: Path, image: Image) -> dict[str, str]:
        name, own = bids_name.parse(there.name), bids_name.parse(f"sub-x_{image.ending}")
        assert name is not None
        assert own is not None
        return dict(name.without(*(k for k in own.entities if k != "sub")).entities)

    def _path(self, role: Role, stem: dict[str, str], ending: str) -> Path:
        own = bids_name.parse(f"sub-x_{ending}")
        assert own is not None
        name = bids_name.BidsName({**own.entities, **stem}, own.suffix)
        folders = [f"{k}-{stem[k]}" for k in ("sub", "ses") if k in stem]
        return self.root.joinpath(*folders, _FOLDER.get(role, "anat"), f"{name}.nii.gz")


def digest(image: Image) -> str:
    """Return a hash of what an image is made of, and of what it shows of that."""
    parts = [image.ending.rpartition("part-")[2], *map(stack_digest, image.sources)]
    return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()


def as_label(text: str) -> str:
    """Return a text as a BIDS label."""
    return re.sub(r"[^0-9A-Za-z]", "", text.removeprefix("WIP "))[:32]


def is_there(image: Path) -> bool:
    """Return whether an image and its sidecar are there."""
    return image.is_file() and sidecar_path(image).is_file()
