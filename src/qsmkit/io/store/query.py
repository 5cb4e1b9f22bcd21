"""Rows of a registry by identifier or by the values of columns."""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, select

from qsmkit.errors import InputError
from qsmkit.io.store.column import columns
from qsmkit.io.store.rows import ROWS, Patient, Row
from qsmkit.io.store.tables import TABLES

R = TypeVar("R", bound=Row)


def find(connection: Connection, made: type[R], row_id: str) -> R | None:
    """Return a row, or None."""
    return next(iter(_rows(connection, made, TABLES[made.table].c.id == row_id)), None)


def select_rows(connection: Connection, made: type[R], **equal: Any) -> list[R]:
    """Return the rows whose columns equal the given values (or are among them, for a list), by identifier.

    Raises
    ------
    InputError
        There is no such column.
    """
    table = TABLES[made.table]
    for name in equal:
        if name not in table.c:
            raise InputError(f"{made.table} has no column {name!r}; it has {', '.join(table.c.keys())}")
    wanted = (
        table.c[n].in_(v) if isinstance(v, Sequence) and not isinstance(v, str) else table.c[n] == v
        for n, v in equal.items()
    )
    return _rows(connection, made, *wanted)


def rows_of_patient(connection: Connection, made: type[R], patient: str) -> list[R]:
    """Return the rows that belong to a patient, directly or through others, by identifier.

    Raises
    ------
    InputError
        Rows of the table belong to no patient.
    """
    return _rows(connection, made, _belongs(made, patient))


def _belongs(made: type[Row], patient: str) -> ColumnElement[bool]:
    table = TABLES[made.table]
    if made is Patient:
        return table.c.id == patient
    owner = next((c for c in columns(made) if c.refers and c.required), None)
    if owner is None:
        raise InputError(f"a {made.table} belongs to no patient; leave the patient out")
    above = ROWS[str(owner.refers)]
    return table.c[owner.name].in_(select(TABLES[above.table].c.id).where(_belongs(above, patient)))


def _rows(connection: Connection, made: type[R], *wanted: ColumnElement[bool]) -> list[R]:
    table = TABLES[made.table]
    try:
        found = connection.execute(select(table).where(*wanted).order_by(table.c.id)).mappings()
        return [made.of(dict(row)) for row in found]
    except ValueError as error:
        raise InputError(
            f"a {made.table} in the registry is not as it can have been entered ({error}); see qsmkit monitor verify"
        ) from error
