"""dcm2niix, run on one volume or one multi-frame file at a time."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dcm2niix
import nibabel as nib
import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian

from qsmkit.errors import InputError
from qsmkit.io.sidecar import read_sidecar

TIMEOUT = 300.0
"""Longest time in s for one volume; a damaged file may make the converter run forever."""

_FIRST_VOXEL = 352
"""Bytes before the values of a NIfTI file without extensions."""

NAME, VERSION = "dcm2niix", version("dcm2niix")


@dataclass(frozen=True, slots=True)
class Converted:
    """An image that the converter made.

    Attributes
    ----------
    image : Path
        The NIfTI file.
    sidecar : dict
        Its sidecar, without dates, times and names.
    """

    image: Path
    sidecar: dict[str, Any]


def run(files: Sequence[Path], into: Path, *, deflated: bool = False) -> list[Converted]:
    """Convert the files of one volume, or one multi-frame file.

    Parameters
    ----------
    files : sequence of Path
        Nothing else is converted.
    into : Path
        Folder for what is made.
    deflated : bool
        Whether the files are deflated as a whole, which the converter does not read.

    Raises
    ------
    InputError
        The converter fails, hangs, or makes nothing.
    """
    with tempfile.TemporaryDirectory(dir=into) as aside:
        for number, path in enumerate(files):
            place = Path(aside) / f"{number:05d}.dcm"
            if deflated:
                _inflate(path, place)
            else:
                _link(path, place)
        out = Path(tempfile.mkdtemp(dir=into))
        command = [dcm2niix.bin, "-b", "y", "-ba", "y", "-z", "n", "-g", "i", "-m", "2", "-f", "volume"]
        try:
            done = subprocess.run(
                [*command, "-o", str(out), aside], capture_output=True, timeout=TIMEOUT, check=False, errors="replace"
            )
        except subprocess.TimeoutExpired:
            raise InputError(f"{NAME} did not finish within {TIMEOUT:g} s; the files may be damaged") from None
    made = sorted(out.glob("*.nii"))
    if done.returncode or not made:
        said = [line for line in (done.stdout + done.stderr).splitlines() if "rror" in line or "arning" in line]
        raise InputError(f"{NAME} made no image of it ({(said or ['no reason given'])[0].strip()[:200]})")
    return [
        Converted(volume, read_sidecar(s) if (s := path.with_suffix(".json")).is_file() else {})
        for path in made
        for volume in _volumes(path)
    ]


def _link(path: Path, place: Path) -> None:
    try:
        place.symlink_to(path.resolve())
    except OSError:  # a file system, or a system, without links
        shutil.copyfile(path, place)


def _inflate(path: Path, place: Path) -> None:
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.save_as(place, implicit_vr=False, little_endian=True)


def _volumes(path: Path) -> list[Path]:
    """Return an image's volumes, each in a file of its own with the stored values as they are."""
    image: Any = nib.Nifti1Image.from_filename(path)
    if len(image.shape) != 4:
        return [path]
    stored = np.asarray(image.dataobj.get_unscaled())
    header = image.header.copy()
    header.set_data_shape(stored.shape[:3])
    header["scl_slope"], header["scl_inter"] = image.dataobj.slope, image.dataobj.inter
    header["vox_offset"] = _FIRST_VOXEL
    paths = []
    for number in range(stored.shape[3]):
        paths.append(path.with_name(f"{path.stem}_{number}.nii"))
        content = stored[..., number].tobytes(order="F")
        paths[-1].write_bytes(header.binaryblock.ljust(_FIRST_VOXEL, b"\0") + content)
    return paths
