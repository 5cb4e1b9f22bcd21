"""Backup and restore: a copy of an SQLite file, or a portable file of JSON lines for either kind of database.

The portable file's first line says what it is; then a line for every row, tables in an order in which each refers to
earlier ones only, the audit last; the last line holds the SHA-256 of all lines before it. It restores into SQLite and
PostgreSQL alike, and so moves a registry from one to the other.
"""

import hashlib
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from qsmkit.errors import InputError
from qsmkit.io.atomic import replacing
from qsmkit.io.store import migrate
from qsmkit.io.store.canonical import canonical, parsed
from qsmkit.io.store.chain import Appender
from qsmkit.io.store.connect import Place, making, plainly
from qsmkit.io.store.query import select_rows
from qsmkit.io.store.registry import Registry, values_of
from qsmkit.io.store.rows import ROWS
from qsmkit.io.store.tables import AUDIT, TABLES
from qsmkit.io.store.verify import Verdict, verify

FORMAT = "qsmkit registry"
PORTABLE = ".jsonl"
"""Ending of a portable backup."""


def back_up(registry: Registry, out: Path, *, overwrite: bool = False) -> Verdict:
    """Write a backup, complete or not at all, while others may go on working.

    Parameters
    ----------
    registry : Registry
        The registry.
    out : Path
        The file: .jsonl for a portable one; any other name for a copy of an SQLite file.
    overwrite : bool
        Whether a file that is there may be replaced.

    Returns
    -------
    Verdict
        Of the backup; one with problems is not written.

    Raises
    ------
    InputError
        The registry is not sound, or PostgreSQL is to be copied as a file.
    OutputError
        The file is there already, or cannot be written.
    """
    if registry.place.path is None and out.suffix != PORTABLE:
        raise InputError(f"{out}: PostgreSQL is backed up portably; name the file *{PORTABLE}")
    with replacing(out, overwrite=overwrite) as scratch, plainly(Place(out)):
        if out.suffix == PORTABLE:
            return _write_portable(registry, scratch)
        return _copy(registry, scratch)


def restore(
    backup: Path, where: str | Path, *, actor: str, head: str | None = None, overwrite: bool = False
) -> Verdict:
    """Make a registry from a backup, if its chain holds and its rows are as the chain says.

    Parameters
    ----------
    backup : Path
        What `back_up` wrote.
    where : str or Path
        File, or URL of an empty PostgreSQL database.
    actor : str
        Who restores; it is entered in the audit.
    head : str, optional
        Head hash that was written down; it must be in the backup's chain.
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    InputError
        The backup is none, is damaged, or does not verify.
    OutputError
        The file is there already, or cannot be written.
    """
    place = Place(where)
    if not backup.is_file():
        raise InputError(f"{backup} is not there; name a backup")
    with making(place, overwrite=overwrite) as connection:
        if _is_sqlite(backup):
            with Registry.open(backup, readonly=True) as source, source.reading() as old:
                _fill(connection, _lines(old))
        else:
            _fill(connection, _read_portable(backup))
        verdict = _sound(verify(connection, [head] if head else []), backup)
        Appender(connection, actor).append("restore", after={"backup": backup.name, "head": verdict.head.hash})
        return verify(connection)


def _copy(registry: Registry, scratch: Path) -> Verdict:
    assert registry.place.path is not None
    source, target = sqlite3.connect(registry.place.path), sqlite3.connect(scratch)
    try:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, without companions
    finally:
        source.close()
        target.close()
    with Registry.open(scratch, readonly=True) as copy, copy.reading() as connection:
        return _sound(verify(connection), registry.place)


def _write_portable(registry: Registry, scratch: Path) -> Verdict:
    digest = hashlib.sha256()
    with registry.reading() as connection, scratch.open("w", encoding="utf-8", newline="\n") as file:
        verdict = _sound(verify(connection), registry.place)
        first = {"format": FORMAT, "schema": migrate.newest(), "head": verdict.head.hash}
        for line in (first, *_lines(connection)):
            text = canonical(line) + "\n"
            digest.update(text.encode())
            file.write(text)
        file.write(canonical({"sha256": digest.hexdigest()}) + "\n")
    return verdict


def _lines(connection: Connection) -> Iterator[dict[str, Any]]:
    for name, made in ROWS.items():
        for row in select_rows(connection, made):
            yield {"table": name, "row": row.plain()}
    for entry in connection.execute(select(AUDIT).order_by(AUDIT.c.seq)).mappings():
        yield {"table": "audit", "row": dict(entry)}


def _read_portable(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a portable backup, after its checksum was found right."""
    digest, last, number = hashlib.sha256(), b"", 0
    with path.open("rb") as file:
        for line in file:
            digest.update(last)
            last, number = line, number + 1
    try:
        ending = parsed(last.decode())
        if number < 2 or ending["sha256"] != digest.hexdigest():
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is no whole backup: its checksum is wrong or missing; use another backup") from None
    with path.open(encoding="utf-8") as file:
        first = parsed(next(file))
        if first.get("format") != FORMAT:
            raise InputError(f"{path} is no backup of a registry; name one")
        if first["schema"] not in migrate.revisions():
            raise InputError(
                f"{path} has schema {first['schema']}, newer than this software's {migrate.newest()}; update qsmkit"
            )
        for text in itertools.islice(file, number - 2):
            yield parsed(text)


def _fill(connection: Connection, lines: Iterator[dict[str, Any]]) -> None:
    migrate.make(connection)
    for line in lines:
        name, row = str(line["table"]), line["row"]
        if name == "audit":
            connection.execute(insert(AUDIT), row)
        else:
            connection.execute(insert(TABLES[name]), values_of(ROWS[name].of(row)))


def _sound(verdict: Verdict, what: object) -> Verdict:
    if verdict.problems:
        more = f" (and {len(verdict.problems) - 1} more)" if len(verdict.problems) > 1 else ""
        raise InputError(f"{what} does not verify: {verdict.problems[0]}{more}; see qsmkit monitor verify")
    return verdict


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"
