"""The stored values of slices, read independently of the converter."""

from __future__ import annotations

import hashlib
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from qsmkit.arrays import AnyArray
from qsmkit.errors import InputError
from qsmkit.io.dicom_in.frame import UNCOMPRESSED, Frame, looks_like_dicom


class UndecodableError(InputError):
    """The pixels are compressed in a way that only the converter can undo."""


def frame_values(frame: Frame) -> AnyArray:
    """Return the stored integers of a slice, (rows, columns), not rescaled.

    Raises
    ------
    UndecodableError
        The pixels are compressed, and nothing is installed that can decompress them.
    InputError
        The pixels are cut short, or not what the header says.
    """
    data = _read(frame.path) if frame.multiframe else _read.__wrapped__(frame.path)
    pixels = frame.pixels
    length = pixels.rows * pixels.columns * pixels.bits_allocated // 8
    if not length:
        raise InputError(f"{frame.path} has slices of {pixels.columns} × {pixels.rows} voxels")
    content = data.get("PixelData")
    if content is None:
        raise InputError(f"{frame.path} has no pixels, or is cut short before them")
    if frame.pixels.syntax in UNCOMPRESSED:
        raw = content[frame.index * length : (frame.index + 1) * length]
        if len(raw) < length or (not frame.multiframe and len(content) > length + 1):
            raise InputError(f"{frame.path} holds {len(content)} bytes of pixels, not what its header says")
        order = ">" if frame.pixels.syntax == "1.2.840.10008.1.2.2" else "<"
        kind = "i" if pixels.signed else "u"
        dtype = np.dtype(f"{order}{kind}{pixels.bits_allocated // 8}")
        return np.frombuffer(raw, dtype).reshape(pixels.rows, pixels.columns)
    if content[:4] != b"\xfe\xff\x00\xe0":
        raise InputError(f"{frame.path} says that it is compressed ({frame.pixels.syntax}), but is not")
    return _decoded(data, frame)


def frame_digest(frame: Frame) -> str:
    """Return a hash of a slice's stored values."""
    try:
        content = np.ascontiguousarray(frame_values(frame)).astype("<i4").tobytes()
    except UndecodableError:
        content = _read.__wrapped__(frame.path).PixelData + str(frame.index).encode()
    return hashlib.blake2b(content, digest_size=16).hexdigest()


@lru_cache(maxsize=1)
def _read(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path, force=not looks_like_dicom(path))
            data.get("PixelData")  # parsed now, so that damage shows here
            return data
    except Exception as error:  # a damaged file makes the parser fail in any way
        raise InputError(f"{path} cannot be read ({' '.join(str(error).split())[:200]})") from error


def _decoded(data: Any, frame: Frame) -> AnyArray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values: AnyArray = np.asarray(data.pixel_array)
    except (NotImplementedError, RuntimeError, ImportError) as error:
        if "missing" in str(error) or "plugin" in str(error) or isinstance(error, NotImplementedError):
            raise UndecodableError(f"{frame.path}: {' '.join(str(error).split())[:200]}") from error
        raise InputError(f"{frame.path}: pixels cannot be decoded; copy it again") from error
    except Exception as error:  # as above
        raise InputError(f"{frame.path}: pixels cannot be decoded; copy it again") from error
    values = values[frame.index] if values.ndim == 3 else values
    if values.shape != (frame.pixels.rows, frame.pixels.columns):
        raise InputError(f"{frame.path} decodes to {values.shape}, not what its header says")
    return values
