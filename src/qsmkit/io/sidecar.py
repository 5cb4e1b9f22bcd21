"""JSON sidecars: read with BIDS inheritance, written atomically and free of NaN."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qsmkit.errors import MetadataError
from qsmkit.io import bids_name
from qsmkit.io.atomic import write_text


def read_sidecar(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Raises
    ------
    MetadataError
        The file cannot be read, is not JSON, or holds something else than an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise MetadataError(f"{path} cannot be read ({error}); check the file") from error
    except json.JSONDecodeError as error:
        raise MetadataError(f"{path} is not valid JSON ({error}); correct that line") from error
    if not isinstance(content, dict):
        raise MetadataError(f"{path} holds a {type(content).__name__}, not an object of keys; correct it")
    return content


def read_inherited(image: Path, root: Path | None = None) -> dict[str, Any]:
    """Read everything that sidecars say of an image.

    By the BIDS inheritance principle a sidecar applies to every image at or below its folder whose name has
    the same suffix and all of the sidecar's entities; the nearer and more specific one wins. Without a root,
    or if the image's name is not of BIDS, only the sidecar that bears the image's own name is read.

    Parameters
    ----------
    image : Path
        The image, below `root`.
    root : Path, optional
        Folder of the data set.

    Raises
    ------
    MetadataError
        A sidecar that applies cannot be read.
    """
    name = bids_name.parse(image.name)
    if root is None or name is None:
        own = sidecar_path(image)
        return read_sidecar(own) if own.is_file() else {}
    inside = image.parent.relative_to(root).parts
    merged: dict[str, Any] = {}
    for depth in range(len(inside) + 1):
        folder = root.joinpath(*inside[:depth])
        applying = []
        for path in folder.glob(f"*{name.suffix}.json"):
            other = bids_name.parse(path.name)
            if other and other.suffix == name.suffix and other.entities.items() <= name.entities.items():
                applying.append((len(other.entities), path))
        for _, path in sorted(applying):
            merged |= read_sidecar(path)
    return merged


def sidecar_path(image: Path) -> Path:
    """Return where the sidecar of an image belongs."""
    return image.with_name(f"{bids_name.stem(image.name)}.json")


def write_sidecar(image: Path, content: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write the sidecar of an image, atomically.

    Raises
    ------
    OutputError
        The sidecar is there already, or cannot be written.
    """
    write_text(sidecar_path(image), as_json(content), overwrite=overwrite)


def as_json(content: Any) -> str:
    """Return mappings, lists, arrays and plain values as indented JSON; what is not finite becomes null."""
    return json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def number(metadata: Mapping[str, Any], key: str, name: str) -> float | None:
    """Return the number under a key, or None if the key is not there.

    Raises
    ------
    MetadataError
        The value is not a finite number.
    """
    value = metadata.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise MetadataError(f"{name}: {key} is {value!r}, not a number; correct the sidecar")
    return float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
