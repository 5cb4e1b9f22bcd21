"""Packed files in a folder of DICOM: unpacked aside, so that they are read like the rest."""

import gzip
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path

from qsmkit.errors import InputError

_PACKED = (".gz", ".tgz", ".tar", ".zip")
_IMAGE = (".nii.gz",)


def is_packed(path: Path) -> bool:
    """Return whether a file's name is that of an archive or of a compressed file, and not of a NIfTI image."""
    name = path.name.lower()
    return name.endswith(_PACKED) and not name.endswith(_IMAGE)


def unpack(path: Path, into: Path) -> None:
    """Unpack an archive, or a single compressed file, into a new folder; nothing is written outside of it.

    Raises
    ------
    InputError
        The archive is damaged, or has members that would be written elsewhere.
    """
    into.mkdir(parents=True)
    name = path.name.lower()
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(path) as members:
                members.extractall(into)
        elif name.endswith((".tar", ".tar.gz", ".tgz")):
            with tarfile.open(path) as archive:
                archive.extractall(into, filter="data")
        else:
            with gzip.open(path) as source, (into / path.stem).open("wb") as target:
                shutil.copyfileobj(source, target)
    except (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, RuntimeError) as error:
        raise InputError(f"{path} cannot be unpacked ({' '.join(str(error).split())}); copy it again") from error
