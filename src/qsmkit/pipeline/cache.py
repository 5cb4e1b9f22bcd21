"""Results kept by content: re-running is resuming.

A step's key is a hash of its method, its revision, all its settings, the precision and the keys of its inputs, which
for the scan's own arrays are hashes of their content. Changing one setting therefore makes anew what depends on it, and
nothing else; a run that was killed goes on where it stopped.
"""

import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from qsmkit.arrays import AnyArray
from qsmkit.errors import OutputError
from qsmkit.grid import Grid

logger = logging.getLogger(__name__)

ABANDONED = 3600.0
"""Age in s beyond which a half-written entry belongs to a run that was killed: writing one takes seconds."""

_RECORD = "record.json"
_SCRATCH = ".partial-"


def content_key(value: AnyArray | Grid | float) -> str:
    """Return a hash of an array's type, shape and content, of a grid, or of a number."""
    digest = hashlib.blake2b(digest_size=16)
    parts = (np.array(value.shape), value.affine) if isinstance(value, Grid) else (np.asarray(value),)
    for part in parts:
        digest.update(f"{part.dtype.str}{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def step_key(method: str, rev: int, settings: Mapping[str, Any], inputs: Mapping[str, str], combine: str | None) -> str:
    """Return the key of a step's results; `inputs` maps artifact names to their keys.

    The release counts too, because a method's revision does not tell of changes in what it is built on.
    """
    release = version("qsmkit")
    text = json.dumps([release, method, rev, dict(settings), dict(inputs), combine], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Cache:
    """Arrays in a folder, one sub-folder a key, each put in place by one rename.

    Parameters
    ----------
    folder : Path
        Made if it is not there. What killed runs left half-written in it is taken away.

    Raises
    ------
    OutputError
        The folder cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise OutputError(f"cache folder {folder} cannot be written ({error.strerror}); choose another") from error
        self._sweep()

    def load(self, key: str) -> tuple[dict[str, AnyArray], dict[str, Any]] | None:
        """Return arrays by name and their record, or None if the key is unknown or its files are damaged."""
        place = self.folder / key
        if not place.is_dir():
            return None
        try:
            record = json.loads((place / _RECORD).read_text())
            return {name: np.load(place / f"{name}.npy") for name in record["arrays"]}, record
        except (OSError, ValueError, KeyError, EOFError):
            logger.warning("cache entry %s is damaged; making it anew", key)
            shutil.rmtree(place, ignore_errors=True)
            return None

    def store(self, key: str, arrays: Mapping[str, AnyArray], record: Mapping[str, Any]) -> None:
        """Keep arrays and a JSON record under a key."""
        scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self.folder))
        try:
            for name, array in arrays.items():
                np.save(scratch / f"{name}.npy", array)
            (scratch / _RECORD).write_text(json.dumps({**record, "arrays": list(arrays)}))
            scratch.replace(self.folder / key)
        except OSError as error:
            shutil.rmtree(scratch, ignore_errors=True)
            if not (self.folder / key).is_dir():  # else another process was quicker
                raise OutputError(f"cache folder {self.folder} cannot be written ({error}); free some space") from error

    def _sweep(self) -> None:
        """Remove half-written entries, but not those that another process may be writing just now."""
        for scratch in self.folder.glob(f"{_SCRATCH}*"):
            try:
                abandoned = time.time() - scratch.stat().st_mtime > ABANDONED
            except FileNotFoundError:  # it was finished, or swept by another process
                continue
            if abandoned:
                shutil.rmtree(scratch, ignore_errors=True)
