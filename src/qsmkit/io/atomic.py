"""Files that are either complete or not there: written aside, then put in place by one rename."""

import contextlib
import uuid
from collections.abc import Iterator
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
            raise OutputError(f"{path} is there already; ask for overwriting, or choose another folder")
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


def write_text(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write a text file in UTF-8, atomically.

    Raises
    ------
    OutputError
        As `replacing`.
    """
    with replacing(path, overwrite=overwrite) as scratch:
        scratch.write_text(text, encoding="utf-8")
