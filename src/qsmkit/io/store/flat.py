"""Measurements with everything that they depend on, one row each: what statistics are made of."""

from collections.abc import Iterator
from typing import Any, TypeVar

from sqlalchemy import Connection

from qsmkit.io.store.column import Column, columns
from qsmkit.io.store.query import select_rows
from qsmkit.io.store.rows import Lesion, Observation, Patient, Recon, Row, Scanner, Session

R = TypeVar("R", bound=Row)

_JOINED: dict[type[Row], tuple[str, ...]] = {
    Patient: ("site", "arm", "sex", "birth_year", "genotype", "familial"),
    Session: ("patient", "visit", "date", "days_from_index", "scanner", "protocol", "gadolinium", "age"),
    Scanner: ("vendor", "model", "software", "field_strength"),
    Recon: ("session", "pipeline", "version", "revision", "reference"),
    Lesion: ("label", "kind", "location", "mars", "index_lesion", "status", "agent", "placed_on"),
    Observation: tuple(c.name for c in columns(Observation)),
}
"""Columns of each table that a measurement bears, patient and visit first."""


def flat_columns() -> list[Column]:
    """Return the columns of a flat row."""
    return [c for made, names in _JOINED.items() for c in columns(made) if c.name in names]


def measurements(connection: Connection, **equal: Any) -> Iterator[dict[str, Any]]:
    """Yield the measurements whose columns equal the given values, ordered by patient, lesion and date.

    Parameters
    ----------
    connection : Connection
        That sees one moment.
    equal
        Values by column of a flat row: kind="cavernoma".
    """
    patients, sessions, scanners, recons, lesions = (
        _by_id(connection, Patient), _by_id(connection, Session), _by_id(connection, Scanner),
        _by_id(connection, Recon), _by_id(connection, Lesion),
    )  # fmt: skip
    found = []
    for seen in select_rows(connection, Observation):
        recon = recons[seen.recon]
        session = sessions[recon.session]
        parts: dict[type[Row], Row | None] = {
            Patient: patients[session.patient], Session: session, Scanner: scanners.get(session.scanner or ""),
            Recon: recon, Lesion: lesions[seen.lesion], Observation: seen,
        }  # fmt: skip
        row = {name: getattr(parts[made], name, None) for made, names in _JOINED.items() for name in names}
        if all(row[name] == value for name, value in equal.items()):
            found.append(row)
    yield from sorted(found, key=lambda r: (r["patient"], r["label"], r["date"], r["rater"], r["reading"], r["id"]))


def _by_id(connection: Connection, made: type[R]) -> dict[str, R]:
    return {row.id: row for row in select_rows(connection, made)}
