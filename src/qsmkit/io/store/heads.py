"""Head hashes that were written down: a text file, a line for each with the time, the entry's number and its hash."""

from datetime import UTC, datetime
from pathlib import Path

from qsmkit.errors import InputError, OutputError
from qsmkit.io.store.chain import Head


def read_heads(path: Path | None) -> list[str]:
    """Return the hashes in a file; none if there is no file yet.

    Raises
    ------
    InputError
        The file cannot be read, or holds something else.
    """
    if path is None or not path.exists():
        return []
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); name the file of heads") from error
    strange = next((n for n, words in enumerate(lines, 1) if len(words) != 3 or len(words[2]) != 64), None)
    if strange:
        raise InputError(f"{path}, line {strange} is no time, number and hash; name the file of heads")
    return [words[2] for words in lines]


def add_head(path: Path, head: Head) -> None:
    """Add a head to the file, unless it is there already.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    if head.hash in read_heads(path):
        return
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {head.seq} {head.hash}\n")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}); choose another place") from error
