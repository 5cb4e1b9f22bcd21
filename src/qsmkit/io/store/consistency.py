"""Rules that concern several rows: what is named is there, belongs to the same patient, and dates are in order."""

import itertools
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from qsmkit.errors import InputError
from qsmkit.io.store.column import columns
from qsmkit.io.store.query import find
from qsmkit.io.store.rows import ROWS, Event, Lesion, Link, Observation, Patient, Row, Session
from qsmkit.io.store.tables import TABLES


def check(connection: Connection, row: Row) -> None:
    """Check a row against the others.

    Raises
    ------
    InputError
        It names a row that is not there, or one of another patient; it is there already under another identifier; or
        dates are not in order.
    """
    for column in columns(type(row)):
        value = getattr(row, column.name)
        if column.refers and value is not None and not _there(connection, column.refers, value):
            raise InputError(
                f"{row.table} {row.id}: {column.refers} {value!r} is not in the registry; "
                f"add it first: qsmkit monitor add {column.refers}"
            )
    for names in type(row).unique:
        _check_unique(connection, row, names)
    rule = _RULES.get(type(row))
    if rule:
        rule(connection, row)


def check_unused(connection: Connection, row: Row) -> None:
    """Check that no other row names this one.

    Raises
    ------
    InputError
        One does.
    """
    for made in ROWS.values():
        for column in columns(made):
            if column.refers == row.table:
                table = TABLES[made.table]
                number = connection.scalar(
                    select(func.count()).select_from(table).where(table.c[column.name] == row.id)
                )
                if number:
                    raise InputError(
                        f"{row.table} {row.id} is named by {number} {made.table} row(s) and stays; remove those first"
                    )


def _there(connection: Connection, table: str, row_id: str) -> bool:
    rows = TABLES[table]
    return connection.scalar(select(rows.c.id).where(rows.c.id == row_id)) is not None


def _check_unique(connection: Connection, row: Row, names: tuple[str, ...]) -> None:
    table = TABLES[row.table]
    same = (table.c[name] == getattr(row, name) for name in names)
    other = connection.scalar(select(table.c.id).where(*same, table.c.id != row.id))
    if other is not None:
        told = ", ".join(f"{name} {getattr(row, name)}" for name in names)
        raise InputError(f"{row.table} with {told} is there already, as {other}; change that one, or correct this")


def _check_session(connection: Connection, row: Any) -> None:
    patient = find(connection, Patient, row.patient)
    _check_born(patient, row.date, f"session {row.id}")
    if row.days_from_index is None:
        return
    table = TABLES["session"]
    others = connection.execute(
        select(table.c.id, table.c.date, table.c.days_from_index)
        .where(table.c.patient == row.patient, table.c.id != row.id, table.c.days_from_index.is_not(None)).limit(1)
    )  # fmt: skip
    for other in others:
        apart, said = (row.date - other.date).days, row.days_from_index - other.days_from_index
        if apart != said:
            raise InputError(
                f"session {row.id} is {apart} d from session {other.id} by its date ({row.date}), but {said} d by "
                f"days_from_index ({row.days_from_index}); correct one: dates reversed, or shifted differently?"
            )


def _check_lesion(connection: Connection, row: Any) -> None:
    if row.first_seen:
        _check_same_patient(connection, row.patient, "session", row.first_seen, f"lesion {row.label}: first_seen")


def _check_observation(connection: Connection, row: Any) -> None:
    lesion, recon = TABLES["lesion"], TABLES["recon"]
    session = connection.scalar(select(recon.c.session).where(recon.c.id == row.recon))
    patient = connection.scalar(select(lesion.c.patient).where(lesion.c.id == row.lesion))
    _check_same_patient(connection, patient, "session", session, f"observation {row.id}: its recon's")
    for low, value, high in (("mean_low", "mean", "mean_high"), ("chi_total_low", "chi_total", "chi_total_high"),
                             ("mass_low", "mass", "mass_high")):  # fmt: skip
        told = [(n, getattr(row, n)) for n in (low, value, high) if getattr(row, n) is not None]
        for (small, a), (large, b) in itertools.pairwise(told):
            if a > b:
                raise InputError(f"observation {row.id}: {small} = {a:g} is above {large} = {b:g}; correct one")


def _check_link(connection: Connection, row: Any) -> None:
    sessions = TABLES["session"]
    after = connection.execute(select(sessions).where(sessions.c.id == row.after)).one()
    for kind, row_id in (("lesion", row.parent), ("lesion", row.child), ("session", row.before)):
        if row_id:
            _check_same_patient(connection, after.patient, kind, row_id, f"link at session {row.after}:")
    if row.before:
        before = connection.scalar(select(sessions.c.date).where(sessions.c.id == row.before))
        if before is not None and before > after.date:
            raise InputError(
                f"link: session {row.before} ({before}) is later than session {row.after} ({after.date}); swap them"
            )


def _check_event(connection: Connection, row: Any) -> None:
    _check_born(find(connection, Patient, row.patient), row.onset, f"event {row.type}")
    if row.lesion:
        _check_same_patient(connection, row.patient, "lesion", row.lesion, f"event {row.type}:")


def _check_born(patient: Patient | None, day: date, what: str) -> None:
    if patient and patient.birth_year and day.year < patient.birth_year:
        raise InputError(f"{what} on {day} is before the patient's birth in {patient.birth_year}; correct one")
    if day > date.today() + timedelta(days=1):
        raise InputError(f"{what} on {day} lies in the future; correct the date")


def _check_same_patient(connection: Connection, patient: str | None, kind: str, row_id: str | None, what: str) -> None:
    table = TABLES[kind]
    other = connection.scalar(select(table.c.patient).where(table.c.id == row_id))
    if other != patient:
        raise InputError(f"{what} {kind} {row_id} is patient {other}'s, not {patient}'s; correct one")


_RULES: dict[type[Row], Callable[[Connection, Any], None]] = {
    Session: _check_session, Lesion: _check_lesion, Observation: _check_observation, Link: _check_link,
    Event: _check_event,
}  # fmt: skip
