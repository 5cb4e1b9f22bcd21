"""The registry: patients, scans, lesions and what was measured of them over the years, in an SQL database.

    with Registry.create("registry.sqlite", actor="JD") as registry:                 # or postgresql://user@host/name
        with registry.change(actor="JD", reason="baseline") as change:               # all of it is kept, or nothing
            change.add(Patient(id="P012", sex="F", genotype="CCM1"))
            change.add(Scanner(id="3T-A", vendor="Siemens", field_strength=3.0))
            visit = change.add(Session(patient="P012", visit="m00", date="2025-01-31", scanner="3T-A"))
            recon = change.add(Recon(session=visit.id, pipeline="default", version="1.0"))
            lesion = change.add(Lesion(patient="P012", label="L01", kind="cavernoma", first_seen=visit.id))
            change.add(Observation(lesion=lesion.id, recon=recon.id, mean=0.31, volume=240.0))

    with Registry.open("registry.sqlite") as registry:
        registry.get(Patient, "P012")                        # a row, or None
        registry.rows(Lesion, patient="P012")                # rows whose columns equal the given ones
        registry.frame(Observation)                          # the same as a DataFrame
        registry.measurements(kind="cavernoma")              # one flat row for each measurement, see `flat`

Rows are frozen dataclasses (`rows`), checked when they are made; rules between rows are checked when they are added
(`consistency`). Every change is an entry of the audit's hash chain (`chain`). Writers wait for each other and never see
half of a change. Reading sees one moment.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import pandas as pd
from sqlalchemy import Connection, delete, func, insert, select, update

from qsmkit.errors import InputError, OutputError
from qsmkit.io.store import chain, consistency, identity, migrate
from qsmkit.io.store.column import columns
from qsmkit.io.store.connect import Place, disposing, existing, making, reading, writing
from qsmkit.io.store.flat import flat_columns, measurements
from qsmkit.io.store.query import find, rows_of_patient, select_rows
from qsmkit.io.store.rows import Row
from qsmkit.io.store.tables import TABLES

R = TypeVar("R", bound=Row)


class Change:
    """Changes of one transaction; made by `Registry.change`."""

    def __init__(self, connection: Connection, actor: str, reason: str | None) -> None:
        self._connection = connection
        self._audit = chain.Appender(connection, actor, reason)

    def get(self, made: type[R], row_id: str) -> R | None:
        """Return a row as it is within this change, or None."""
        return find(self._connection, made, row_id)

    def rows(self, made: type[R], **equal: Any) -> list[R]:
        """Return rows as they are within this change; see `Registry.rows`."""
        return select_rows(self._connection, made, **equal)

    def add(self, row: R) -> R:
        """Add a row and return it.

        Raises
        ------
        InputError
            It is there already, or contradicts other rows.
        """
        if self.get(type(row), row.id) is not None:
            raise InputError(f"{row.table} {row.id} is there already; change that one, or give another identifier")
        consistency.check(self._connection, row)
        self._connection.execute(insert(TABLES[row.table]), values_of(row))
        self._audit.append("insert", row.table, row.id, after=row.plain())
        return row

    def update(self, row: R) -> R:
        """Replace the row of the same identifier and return the new one; an equal one is left as it is.

        Raises
        ------
        InputError
            There is none, or it contradicts other rows.
        """
        before = self.get(type(row), row.id)
        if before is None:
            raise InputError(f"{row.table} {row.id} is not in the registry; add it")
        if before == row:
            return row
        if any(getattr(before, c.name) != getattr(row, c.name) for c in columns(type(row)) if c.refers in _OWNERS):
            consistency.check_unused(self._connection, row)
        consistency.check(self._connection, row)
        table = TABLES[row.table]
        self._connection.execute(update(table).where(table.c.id == row.id).values(values_of(row)))
        self._audit.append("update", row.table, row.id, before=before.plain(), after=row.plain())
        return row

    def edit(self, made: type[R], row_id: str, **values: Any) -> R:
        """Change some columns of a row and return it; None clears one. Raise as `update` does."""
        before = self.get(made, row_id)
        if before is None:
            raise InputError(f"{made.table} {row_id} is not in the registry; add it")
        return self.update(made.of(values_of(before) | {"id": row_id} | values))

    def put(self, row: R) -> R:
        """Add a row, or replace the one of the same identifier."""
        return self.add(row) if self.get(type(row), row.id) is None else self.update(row)

    def remove(self, made: type[Row], row_id: str) -> None:
        """Remove a row. The audit keeps what it was.

        Raises
        ------
        InputError
            There is none, or others name it.
        """
        before = self.get(made, row_id)
        if before is None:
            raise InputError(f"{made.table} {row_id} is not in the registry; nothing is removed")
        consistency.check_unused(self._connection, before)
        table = TABLES[made.table]
        self._connection.execute(delete(table).where(table.c.id == row_id))
        self._audit.append("delete", made.table, row_id, before=before.plain())


_OWNERS = ("patient", "session")
"""Tables whose rows own others: a lesion does not wander to another patient once it was measured."""


class Registry:
    """A registry that is open; see the module's words."""

    def __init__(self, place: Place, *, readonly: bool = False) -> None:
        self.place = place
        self.readonly = readonly
        self._engine = place.engine(readonly=readonly)

    @classmethod
    def create(cls, where: str | Path, *, actor: str) -> Self:
        """Make a new, empty registry and open it.

        Parameters
        ----------
        where : str or Path
            File that is not there yet, or URL of an empty PostgreSQL database.
        actor : str
            Who makes it.

        Raises
        ------
        InputError
            The database holds something, or cannot be reached.
        OutputError
            The file is there already, or cannot be made.
        """
        place = Place(where)
        if place.path and place.path.exists():
            raise OutputError(f"{place} is there already, and a registry is never replaced; choose another name")
        with making(place) as connection:
            began = {"registry": identity.new(), "schema": migrate.make(connection)}
            chain.Appender(connection, actor, None).append("create", after=began)
        return cls.open(where)

    @classmethod
    def open(cls, where: str | Path, *, readonly: bool = False) -> Self:
        """Open a registry.

        Parameters
        ----------
        where : str or Path
            File, or URL of a PostgreSQL database.
        readonly : bool
            Whether it is only to be read.

        Raises
        ------
        InputError
            It is none, cannot be reached, or has a schema that this software does not work with.
        """
        place = existing(where)
        registry = cls(place, readonly=readonly)
        try:
            with registry.reading() as connection:
                migrate.check_revision(connection, place)
        except BaseException:
            registry.close()
            raise
        return registry

    @classmethod
    def migrate(cls, where: str | Path, *, actor: str, target: str | None = None) -> tuple[str | None, str]:
        """Bring a registry's schema to a version, by default the newest, and return the versions before and after.

        Raises
        ------
        InputError
            There is no registry, or it is newer than this software.
        OutputError
            It cannot be written; it stays as it was.
        """
        place = existing(where)
        with disposing(place.engine()) as engine, writing(engine, place) as connection:
            if migrate.revision_of(connection) is None:
                raise InputError(f"{place} holds no registry; make one with: qsmkit monitor init")
            found, made = migrate.move(connection, target)
            if found != made:
                chain.Appender(connection, actor).append("migrate", after={"from": found, "to": made})
        return found, made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextmanager
    def change(self, actor: str, reason: str | None = None) -> Iterator[Change]:
        """Yield what changes the registry: when the block ends, all is kept; if it raises, nothing.

        Other writers wait until the block ends: compute first, then change.

        Parameters
        ----------
        actor : str
            Who makes the change: initials or a code.
        reason : str, optional
            Why.

        Raises
        ------
        InputError
            The actor is no code, the reason no plain text, or a row contradicts others.
        OutputError
            The registry cannot be written.
        """
        if self.readonly:
            raise OutputError(f"{self.place} was opened for reading only; open it for writing")
        with writing(self._engine, self.place) as connection:
            migrate.check_revision(connection, self.place)
            yield Change(connection, actor, reason)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that sees one moment."""
        with reading(self._engine, self.place) as connection:
            yield connection

    def get(self, made: type[R], row_id: str) -> R | None:
        """Return a row, or None."""
        with self.reading() as connection:
            return find(connection, made, row_id)

    def rows(self, made: type[R], **equal: Any) -> list[R]:
        """Return the rows whose columns equal the given values (or are among them, for a list), by identifier."""
        with self.reading() as connection:
            return select_rows(connection, made, **equal)

    def rows_of_patient(self, made: type[R], patient: str) -> list[R]:
        """Return the rows that belong to a patient, directly or through others."""
        with self.reading() as connection:
            return rows_of_patient(connection, made, patient)

    def frame(self, made: type[Row], **equal: Any) -> pd.DataFrame:
        """Return rows as a table, a column a field; missing values are None."""
        found = [dataclasses.asdict(row) for row in self.rows(made, **equal)]  # type: ignore[call-overload]
        return pd.DataFrame(found, columns=[c.name for c in columns(made)])

    def measurements(self, **equal: Any) -> pd.DataFrame:
        """Return measurements with everything that they depend on, one row each; see `flat`."""
        with self.reading() as connection:
            return pd.DataFrame(measurements(connection, **equal), columns=[c.name for c in flat_columns()])

    def head(self) -> chain.Head:
        """Return the last audit entry's number, and the hash to write down."""
        with self.reading() as connection:
            return chain.head(connection)

    def counts(self) -> dict[str, int]:
        """Return the number of rows of every table."""
        with self.reading() as connection:
            return {n: connection.scalar(select(func.count()).select_from(t)) or 0 for n, t in TABLES.items()}


def values_of(row: Row) -> dict[str, Any]:
    """Return a row's values as SQL takes them."""
    given = {c.name: getattr(row, c.name) for c in columns(type(row))}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
