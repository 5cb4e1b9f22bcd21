"""Atlases of labels: from a file or folder, or fetched from an address with a checksum."""

import hashlib
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qsmkit.errors import InputError, OutputError
from qsmkit.io.atomic import replacing
from qsmkit.io.nifti import load_volume
from qsmkit.io.tables import read_table
from qsmkit.volume import Volume

LEAST = 0.33
"""Probability below which a voxel of a probabilistic atlas belongs to nothing."""

TIMEOUT = 60.0
"""How long to wait for an address to answer, s."""


@dataclass(frozen=True, eq=False)
class AtlasFiles:
    """What the files of an atlas hold.

    Attributes
    ----------
    name : str
        Of its file or folder.
    labels : Volume
        (X, Y, Z) int32 labels.
    names : dict of int to str
        What each label is called.
    template : Volume or None
        T1-weighted brain in the same space, if the folder has one.
    sources : tuple of Path
        The files.
    """

    name: str
    labels: Volume
    names: dict[int, str]
    template: Volume | None
    sources: tuple[Path, ...]


def read_atlas(path: Path) -> AtlasFiles:
    """Read an atlas: …_dseg.nii.gz or …_probseg.nii.gz with a TSV (index, name) beside it, or the folder of these.

    In a 4-D file of probabilities each volume is a label, counted from 1; a voxel has the label of the greatest
    probability if that is at least 0.33. A …_T1w….nii.gz in the folder is the template.

    Raises
    ------
    InputError
        There is no such file, several of them, or no table of names.
    """
    folder = path if path.is_dir() else path.parent
    image = _only(folder, ("*_dseg.nii.gz", "*_probseg.nii.gz")) if path.is_dir() else path
    if not image.is_file():
        raise InputError(f"{image} does not exist; give an atlas's label image, or its folder")
    table = image.with_name(f"{image.name.split('.')[0]}.tsv")
    if not table.is_file():
        raise InputError(f"{image.name} has no {table.name} beside it; write one with the columns index and name")
    rows = read_table(table)
    names = {int(i): n for i, n in zip(rows.numbers("index"), rows.text("name"), strict=True) if i > 0}
    templates = sorted(folder.glob("*T1w*.nii.gz"))
    template = load_volume(templates[0]) if len(templates) == 1 else None
    sources = (image, table, *(templates if template else ()))
    name = folder.name if path.is_dir() else image.name
    return AtlasFiles(name, _labels(load_volume(image)), names, template, sources)


def fetch(url: str, sha256: str, to: Path) -> Path:
    """Download a file unless it is there, and check it; nothing else is ever downloaded, and nothing unasked.

    Parameters
    ----------
    url : str
        Address, https.
    sha256 : str
        Checksum that its publisher states, 64 hexadecimal digits.
    to : Path
        File to write.

    Raises
    ------
    InputError
        The address is not https, the checksum no SHA-256, or the file has another one.
    OutputError
        The file cannot be downloaded or written.
    """
    if not url.startswith("https://"):
        raise InputError(f"{url!r} is not an https address; give the one that the atlas's publisher states")
    wanted = sha256.lower()
    if len(wanted) != 64 or set(wanted) - set("0123456789abcdef"):
        raise InputError(f"{sha256!r} is not a SHA-256; give the 64 hexadecimal digits that the publisher states")
    if not to.is_file():
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
                content = answer.read()
        except OSError as error:
            raise OutputError(f"{url} cannot be downloaded ({error}); download it by hand and give its path") from error
        _check(hashlib.sha256(content).hexdigest(), wanted, url)
        with replacing(to) as scratch:
            scratch.write_bytes(content)
    with to.open("rb") as file:
        _check(hashlib.file_digest(file, "sha256").hexdigest(), wanted, str(to))
    return to


def _check(found: str, wanted: str, what: str) -> None:
    if found != wanted:
        raise InputError(f"{what} has SHA-256 {found}, not {wanted}; it is not the file that was asked for")


def _only(folder: Path, patterns: tuple[str, ...]) -> Path:
    found = sorted(p for pattern in patterns for p in folder.glob(pattern))
    if len(found) != 1:
        told = ", ".join(p.name for p in found) or "none"
        raise InputError(f"{folder} must hold one {' or '.join(patterns)}, but holds {told}; name the file")
    return found[0]


def _labels(volume: Volume) -> Volume:
    if volume.data.ndim == 3:
        return Volume(np.rint(volume.data).astype(np.int32), volume.grid, "1")
    best = volume.data.argmax(3) + 1
    return Volume(np.where(volume.data.max(3) >= LEAST, best, 0).astype(np.int32), volume.grid, "1")
