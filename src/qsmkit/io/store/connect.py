"""Connections to a registry: an SQLite file, or PostgreSQL by URL; what their drivers complain of, in plain words."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from qsmkit.errors import InputError, OutputError, QsmkitError
from qsmkit.extras import require
from qsmkit.io.atomic import replacing

BUSY_SECONDS = 60
"""How long a writer waits for its turn."""

_LOCK = 0x71736D6B  # "qsmk"
"""Key of the advisory lock that PostgreSQL's writers take."""


class Place:
    """Where a registry is.

    Parameters
    ----------
    where : str or Path
        File, or URL of a PostgreSQL database: postgresql://user@host/name; leave the password to ~/.pgpass.

    Raises
    ------
    InputError
        It is a URL of another database.
    MissingExtraError
        PostgreSQL's driver is not installed.
    """

    def __init__(self, where: str | Path) -> None:
        self.path: Path | None = None
        if "://" not in str(where):
            self.path = Path(where)
            return
        try:
            url = make_url(str(where))
        except ArgumentError:
            raise InputError("the registry's URL cannot be read; write postgresql://user@host/name") from None
        if url.get_backend_name() not in ("postgresql", "postgres"):
            raise InputError(f"{url.get_backend_name()} is not supported; give a file, or postgresql://user@host/name")
        require("psycopg", "postgresql")
        self._url = url.set(drivername="postgresql+psycopg")

    def __str__(self) -> str:
        return str(self.path) if self.path else self._url.set(drivername="postgresql").render_as_string()

    def engine(self, *, readonly: bool = False) -> Engine:
        """Return what makes connections; a file that is not there is not made."""
        if self.path is None:
            return create_engine(self._url, pool_pre_ping=True)
        if not readonly:
            return _file_engine(self.path, "rw")
        # On a medium that cannot be written SQLite has no place for its lock; nobody else can write there either.
        alone = not os.access(self.path.parent, os.W_OK) and not Path(f"{self.path}-wal").exists()
        return _file_engine(self.path, "ro&immutable=1" if alone else "ro")


def existing(where: str | Path) -> Place:
    """Return the place of a registry that is there.

    Raises
    ------
    InputError
        It is a file that is not there.
    """
    place = Place(where)
    if place.path and not place.path.is_file():
        raise InputError(f"{place} is not there; make it with: qsmkit monitor init {place}")
    return place


@contextmanager
def writing(engine: Engine, place: Place) -> Iterator[Connection]:
    """Yield a connection in a transaction, all other writers shut out: all of it is kept, or nothing.

    Raises
    ------
    InputError, OutputError
        The database cannot be opened, read or written.
    """
    with plainly(place), engine.connect().execution_options(qsmkit_write=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield connection


@contextmanager
def reading(engine: Engine, place: Place) -> Iterator[Connection]:
    """Yield a connection that sees the registry at one moment, whatever others write meanwhile.

    Raises
    ------
    InputError, OutputError
        The database cannot be opened or read.
    """
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} \
        if engine.dialect.name == "postgresql" else {}  # fmt: skip
    with plainly(place), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def making(place: Place, *, overwrite: bool = False) -> Iterator[Connection]:
    """Yield a connection in which a registry is made: at the end it is there as a whole, or not at all.

    Raises
    ------
    InputError, OutputError
        A file is there already, or the database cannot be reached or written.
    """
    if place.path is None:
        with disposing(place.engine()) as engine, writing(engine, place) as connection:
            yield connection
        return
    with replacing(place.path, overwrite=overwrite) as scratch:
        with disposing(_file_engine(scratch, "rwc")) as engine, writing(engine, place) as connection:
            yield connection
        for ending in ("-wal", "-shm"):  # of a registry that is replaced: they belong to no other file
            Path(f"{place.path}{ending}").unlink(missing_ok=True)


@contextmanager
def disposing(engine: Engine) -> Iterator[Engine]:
    """Yield an engine, and close its connections at the end."""
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def plainly(place: Place) -> Iterator[None]:
    """Turn what a driver complains of into one line that says what to do."""
    try:
        yield
    except QsmkitError:
        raise
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise _plain(str(place), cause or error) from error


_COMPLAINTS: tuple[tuple[tuple[str, ...], type[QsmkitError], str], ...] = (
    (("file is not a database", "file is encrypted"), InputError,
     "is no registry: not an SQLite database; check the path, or make one with: qsmkit monitor init"),
    (("unable to open database file",), InputError,
     "cannot be opened; check that the folder is there and that you may read and write in it"),
    (("readonly database", "read-only transaction", "25006", "permission denied", "42501"), OutputError,
     "is read-only; nothing was written: ask for the right to write it, or work on a copy"),
    (("database is locked", "lock timeout"), OutputError,
     f"is in use by others for more than {BUSY_SECONDS} s; nothing was written: try again"),
    (("is full", "53100", "disk i/o error"), OutputError,
     "cannot be written, the disk is full or fails; nothing of this change was kept: make room and repeat it"),
    (("malformed", "corrupt"), InputError, "is damaged; restore the last backup with: qsmkit monitor restore"),
    (("append-only",), OutputError, "keeps its audit for good: its entries are neither changed nor deleted"),
    (("connection failed", "could not connect", "connection is bad", "closed the connection", "is lost"), OutputError,
     "cannot be reached; check host, port, database and password, and that the server runs"),
)  # fmt: skip


def _plain(place: str, cause: BaseException) -> QsmkitError:
    said = " ".join(str(cause).split())
    code = str(getattr(cause, "sqlstate", None) or "")
    for words, sort, advice in _COMPLAINTS:
        if any(word in said.lower() or word == code for word in words):
            return sort(f"{place} {advice}")
    return OutputError(f"{place}: the database refused ({said[:200]}); nothing was written")


def _file_engine(path: Path, mode: str) -> Engine:
    file = f"{path.absolute().as_uri()}?mode={mode}"
    engine = create_engine(
        "sqlite+pysqlite://", creator=lambda: _sqlite(file, journal=mode == "rw"), poolclass=QueuePool
    )
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _sqlite(file: str, *, journal: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(file, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")  # a change that was confirmed survives a power cut
    if journal:
        connection.execute("PRAGMA journal_mode = WAL")
    return connection


def _begin_sqlite(connection: Connection) -> None:
    """Take the lock at once when writing: a reader that becomes a writer later could meet a newer state."""
    write: Any = connection.get_execution_options().get("qsmkit_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
