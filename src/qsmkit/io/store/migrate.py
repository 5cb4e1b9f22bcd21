"""Versions of the schema: which one a registry has, and the way up and down."""

import functools
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from qsmkit.errors import InputError

_FOLDER = Path(__file__).with_name("migrations")
_VERSION = table("alembic_version", column("version_num"))


@functools.cache
def revisions() -> tuple[str, ...]:
    """Return the schema's versions, oldest first."""
    return tuple(sorted(path.stem.removeprefix("r").partition("_")[0] for path in _FOLDER.glob("versions/r*.py")))


def newest() -> str:
    """Return the version that this software works with."""
    return revisions()[-1]


def revision_of(connection: Connection) -> str | None:
    """Return the version of a registry's schema, or None if there is no registry."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.scalar(select(_VERSION.c.version_num))


def check_revision(connection: Connection, place: object) -> None:
    """Refuse what this software cannot work with.

    Raises
    ------
    InputError
        There is no registry, or its schema is older or newer than ours.
    """
    found = revision_of(connection)
    if found is None:
        raise InputError(f"{place} holds no registry; make one with: qsmkit monitor init")
    if found not in revisions():
        raise InputError(
            f"{place} has schema {found}, which is newer than this software's {newest()}; update qsmkit"
        )
    if found != newest():
        raise InputError(
            f"{place} has schema {found}, this software needs {newest()}; back it up, then: qsmkit monitor upgrade"
        )


def make(connection: Connection) -> str:
    """Make the tables of a registry in an empty database and return the schema's version.

    Raises
    ------
    InputError
        The database is not empty.
    """
    if inspect(connection).get_table_names():
        what = "a registry" if revision_of(connection) else "tables of something else"
        raise InputError(f"the database holds {what}; choose an empty one")
    return move(connection)[1]


def move(connection: Connection, target: str | None = None) -> tuple[str | None, str]:
    """Bring a registry's schema to a version, within the connection's transaction.

    Parameters
    ----------
    connection : Connection
        In a transaction that shuts out other writers.
    target : str, optional
        Version; by default the newest.

    Returns
    -------
    tuple
        Versions before and after.

    Raises
    ------
    InputError
        The target or the registry's version is not known.
    """
    known, target, found = revisions(), target or newest(), revision_of(connection)
    if target not in known:
        raise InputError(f"schema {target!r} is not known; there are {', '.join(known)}")
    if found is not None and found not in known:
        raise InputError(f"schema {found} is newer than this software's {newest()}; update qsmkit")
    from alembic import command  # slow to load, and seldom needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    if found is not None and known.index(target) < known.index(found):
        command.downgrade(config, target)
    else:
        command.upgrade(config, target)
    return found, target
