"""NIfTI files ↔ volumes: values scaled once, geometry that B0 can be read from, complete files or none."""

from __future__ import annotations

import gzip
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from qsmkit.arrays import AnyArray, FloatArray
from qsmkit.errors import DataWarning, GeometryError, InputError, OutputError, ShapeError
from qsmkit.grid import Grid
from qsmkit.io.atomic import replacing
from qsmkit.volume import Volume

SCANNER = 1
"""Code of a NIfTI orientation in scanner coordinates."""

_MM_PER_UNIT = {"meter": 1000.0, "micron": 0.001}


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A NIfTI file in memory, its values as they are stored.

    Attributes
    ----------
    path : Path
        The file.
    raw : (X, Y, Z) or (X, Y, Z, E) array
        Stored values; `raw · slope + intercept` are the values meant.
    slope, intercept : float
        Scaling from the header.
    grid : Grid
        Geometry.
    note : str
        What should be known about the geometry; empty if it is plain.
    """

    path: Path
    raw: AnyArray
    slope: float
    intercept: float
    grid: Grid
    note: str

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The floating type that holds the scaled values: float32 unless the stored ones need float64."""
        return np.result_type(self.raw.dtype, np.float32)

    @property
    def count(self) -> int:
        """The number of 3-D volumes."""
        return 1 if self.raw.ndim == 3 else self.raw.shape[3]

    def scale_into(self, out: FloatArray, volume: int = 0) -> None:
        """Write the scaled values of one 3-D volume into `out`, an (X, Y, Z) array."""
        raw = self.raw if self.raw.ndim == 3 else self.raw[..., volume]
        # Files run along x and arrays along z: going by slices keeps both within the processor's cache.
        for k in range(raw.shape[2]):
            np.multiply(raw[:, :, k], self.slope, out=out[:, :, k], dtype=out.dtype, casting="same_kind")
        if self.intercept:
            out += out.dtype.type(self.intercept)


def load_volume(path: Path | str) -> Volume:
    """Read a NIfTI file as a volume, its stored values scaled by slope and intercept.

    Parameters
    ----------
    path : Path or str
        A .nii or .nii.gz file with a 3-D or 4-D image.

    Returns
    -------
    Volume
        (X, Y, Z) or (X, Y, Z, E) data in the file's own unit: float64 where stored so or as 32-bit integers,
        float32 otherwise.

    Raises
    ------
    InputError
        The file is not there, damaged, or not a NIfTI image of real numbers.
    ShapeError
        The image is neither 3-D nor 4-D.
    GeometryError
        The affine is unusable.
    """
    image = read(path)
    if image.note:
        warnings.warn(f"{image.path}: {image.note}", DataWarning, stacklevel=2)
    data = np.empty(image.raw.shape, image.dtype)
    for e, volume in enumerate([data] if data.ndim == 3 else np.moveaxis(data, 3, 0)):
        image.scale_into(volume, e)
    return Volume(data, image.grid)


def save_volume(path: Path | str, data: AnyArray, grid: Grid, *, overwrite: bool = False) -> None:
    """Write an array as a NIfTI file in scanner coordinates, atomically.

    Parameters
    ----------
    path : Path or str
        Ends in .nii or .nii.gz.
    data : (X, Y, Z) or (X, Y, Z, E) array
        Values; bool is stored as uint8, 64-bit integers as int32, every other type as it is.
    grid : Grid
        Geometry of the first three axes.
    overwrite : bool
        Whether a file that is there already may be replaced.

    Raises
    ------
    OutputError
        The name has another ending, the file is there already, or it cannot be written.
    ShapeError
        The data do not lie on the grid.
    """
    path = Path(path)
    if not path.name.endswith((".nii", ".nii.gz")):
        raise OutputError(f"{path} does not end in .nii or .nii.gz; name it so")
    stored = Volume(np.asarray(data), grid).data
    if stored.dtype == bool:
        stored = stored.view(np.uint8)
    elif stored.dtype.kind in "iu" and stored.dtype.itemsize == 8:
        if stored.size and (stored.min() < np.iinfo(np.int32).min or stored.max() > np.iinfo(np.int32).max):
            raise InputError(f"{path}: values up to {stored.max()} exceed 32-bit integers; give floats")
        stored = stored.astype(np.int32)
    make: Any = nib.Nifti1Image  # nibabel is typed in part only
    image = make(stored, grid.affine)
    image.set_sform(grid.affine, code=SCANNER)
    image.set_qform(grid.affine, code=SCANNER)
    image.header.set_xyzt_units("mm", "sec")
    with replacing(path, overwrite=overwrite) as scratch:
        nib.save(image, scratch)


def read(path: Path | str) -> StoredImage:
    """Read a NIfTI file without scaling its values.

    The whole of a compressed file is read, so that its checksum is verified.

    Raises
    ------
    InputError, ShapeError, GeometryError
        As `load_volume`.
    """
    path = Path(path)
    image = _parse(path, _content(path))
    try:
        with LoggingOutputSuppressor():
            raw = np.asarray(image.dataobj.get_unscaled())
    except (OSError, ValueError, MemoryError, OverflowError) as error:
        raise _damaged(path, error) from error
    while raw.ndim > 3 and raw.shape[-1] == 1:
        raw = raw[..., 0]
    if raw.ndim not in (3, 4):
        raise ShapeError(f"{path} has shape {raw.shape}, neither 3-D nor 4-D; give one volume per echo")
    if raw.dtype.kind not in "iuf":
        raise InputError(f"{path} stores {raw.dtype}, not real numbers; convert it to magnitude and phase")
    try:
        grid, note = _geometry(image, raw.shape[:3])
    except GeometryError as error:
        raise GeometryError(f"{path}: {error}") from error
    except (HeaderDataError, ValueError) as error:
        raise GeometryError(f"{path}: unusable orientation ({_reason(error)}); repair the header") from error
    return StoredImage(path, raw, float(image.dataobj.slope), float(image.dataobj.inter), grid, note)


def _content(path: Path) -> bytes:
    if path.is_file() and not path.name.endswith((".nii", ".nii.gz")):
        raise InputError(f"{path} does not end in .nii or .nii.gz; convert it to NIfTI")
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, error) from error
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder, not a NIfTI file; name the file in it") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({_reason(error)}); check path and permissions") from error


def _parse(path: Path, content: bytes) -> Any:
    kind: Any = nib.Nifti2Image if content[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c") else nib.Nifti1Image
    try:
        with LoggingOutputSuppressor():
            return kind.from_bytes(content)
    except (OSError, ValueError, EOFError, ImageFileError, HeaderDataError, WrapStructError) as error:
        raise InputError(f"{path} is no usable NIfTI image ({_reason(error)}); convert it again") from error


def _geometry(image: Any, shape: tuple[int, int, int]) -> tuple[Grid, str]:
    """Return the grid, and what should be known about it.

    B0 lies along z in scanner coordinates only, so a qform in them is preferred to an sform in others.
    """
    header = image.header
    mm = _MM_PER_UNIT.get(header.get_xyzt_units()[0], 1.0)

    def grid(affine: npt.NDArray[np.float64]) -> Grid:
        return Grid(shape, np.diag((mm, mm, mm, 1.0)) @ affine)

    sform, sform_code = header.get_sform(coded=True)
    qform, qform_code = header.get_qform(coded=True)
    if not sform_code and not qform_code:
        return grid(image.affine), "no orientation in the header, so B0 is taken along the third voxel axis"
    if not (sform_code and qform_code):
        return grid(sform if sform_code else qform), ""
    chosen, other = grid(sform), grid(qform)
    difference = chosen.difference(other)
    if not difference:
        return chosen, ""
    name = "sform"
    if qform_code == SCANNER and sform_code != SCANNER:
        chosen, name = other, "qform, the one in scanner coordinates,"
    return chosen, f"sform and qform of the header disagree ({difference}); the {name} is used"


def _damaged(path: Path, error: BaseException) -> InputError:
    return InputError(f"{path} is damaged or cut short ({_reason(error)}); copy or convert it again")


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
