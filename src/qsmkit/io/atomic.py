"""Files that are either complete or not there: written aside, then put in place by one rename."""

import contextlib
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from qsmkit.errors import OutputError


@contextlib.contextmanager
def replacing(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; what was written there takes its place at the end.

    Folders are made as needed. If the block raises, nothing is left behind and `path` is as it was.

    Parameters
    ----------
    path : Path
        The file to make.
    overwrite : bool
        Whether a file that is there already may be replaced.

    Raises
    ------
    OutputError
        The file is there already, or its folder cannot be written.
    """
    # The name ends like the final one, because writers choose their format by it.
    scratch = path.with_name(f".partial-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        if path.exists() and not overwrite:
            raise OutputError(f"{path} is there already; pass --overwrite (overwrite=True), or choose another folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield scratch
        scratch.replace(path)
    except OutputError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{path} cannot be written ({reason}); choose another place") from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path, ours: Callable[[Path], bool], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a new, empty folder beside `path`; it takes the place of `path` at the end.

    If the block raises, nothing is left behind and `path` is as it was.

    Parameters
    ----------
    path : Path
        The folder to make; one that is there and empty may always be replaced.
    ours : callable
        Whether a file in it is one that we write. A folder that holds any other is never replaced.
    overwrite : bool
        Whether a folder that is not empty may be replaced.

    Raises
    ------
    OutputError
        Something is there already, or the folder cannot be made.
    """
    path = path.absolute()
    scratch = path.with_name(f".partial-{uuid.uuid4().hex[:8]}-{path.name}")
    old = scratch.with_name(f"{scratch.name}-old")
    try:
        _check_replaceable(path, ours, overwrite=overwrite)
        scratch.mkdir(parents=True)
        yield scratch
        if path.exists():
            path.rename(old)
        try:
            scratch.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OutputError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{path} cannot be written ({reason}); choose another place") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_replaceable(path: Path, ours: Callable[[Path], bool], *, overwrite: bool) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise OutputError(f"{path} is a file, not a folder; choose another place")
    there = [p for p in path.rglob("*") if not p.is_dir()]
    if there and not overwrite:
        raise OutputError(f"{path} is not empty; pass --overwrite (overwrite=True), or choose another folder")
    foreign = next((p for p in there if not ours(p)), None)
    if foreign:
        raise OutputError(f"{path} holds {foreign.name}, which is not ours to delete; choose another folder")


def write_text(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write a text file in UTF-8, atomically.

    Raises
    ------
    OutputError
        As `replacing`.
    """
    with replacing(path, overwrite=overwrite) as scratch:
        scratch.write_text(text, encoding="utf-8")
