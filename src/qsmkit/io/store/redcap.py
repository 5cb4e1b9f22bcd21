"""REDCap: a classic longitudinal project with repeating instruments, as a data dictionary and records in CSV.

A patient is a record, a visit an event, a table an instrument whose fields are called table_column. What belongs to the
patient stands at the event "enrolment"; what there may be several of (lesions, events, series, measurements, …) is a
repeating instrument. Sites and scanners belong to no patient: they go into tables of their own beside.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection

from qsmkit.errors import InputError
from qsmkit.io.atomic import replacing_folder
from qsmkit.io.store.column import Column, columns
from qsmkit.io.store.columnar import write_cells, write_origin
from qsmkit.io.store.query import rows_of_patient, select_rows
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import (
    Clinical,
    Event,
    Lesion,
    Link,
    Observation,
    Patient,
    Qc,
    Recon,
    Row,
    Scanner,
    Series,
    Session,
    Site,
)  # fmt: skip

RECORD, EVENT, INSTRUMENT, INSTANCE = (
    "record_id", "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"
)  # fmt: skip
DICTIONARY, RECORDS, EVENTS, MAPPING, REPEATING = (
    "data_dictionary.csv", "records.csv", "events.csv", "instrument_event_mappings.csv", "repeating_instruments.csv"
)  # fmt: skip

ENROLMENT = "enrolment"

AT_ENROLMENT: tuple[type[Row], ...] = (Patient, Lesion, Event)
AT_VISITS: tuple[type[Row], ...] = (Session, Clinical, Series, Recon, Observation, Link, Qc)
INSTRUMENTS = (*AT_ENROLMENT, *AT_VISITS)
ONCE: tuple[type[Row], ...] = (Patient, Session, Clinical)
"""Instruments that do not repeat within an event."""

_HEADINGS = (
    "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Field Note", "Text Validation Type OR Show Slider Number",
    "Text Validation Min", "Text Validation Max", "Identifier?", "Branching Logic (Show field only if...)",
    "Required Field?", "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name", "Matrix Ranking?",
    "Field Annotation",
)  # fmt: skip
_VALIDATION = {"integer": "integer", "number": "number", "date": "date_ymd"}


def export_redcap(registry: Registry, out: Path, *, overwrite: bool = False) -> dict[str, int]:
    """Write a REDCap project into a folder.

    Parameters
    ----------
    registry : Registry
        The registry.
    out : Path
        Folder to make: data dictionary, events, mapping of instruments, repeating instruments, records; sites and
        scanners as tables.
    overwrite : bool
        Whether an export that is there may be replaced.

    Returns
    -------
    dict of str to int
        Number of records (patients), events and lines of data.

    Raises
    ------
    InputError
        Two visits' labels become one event's name.
    OutputError
        The folder holds something, or cannot be written.
    """
    with (
        registry.reading() as connection,
        replacing_folder(out, lambda p: p.suffix in (".csv", ".json"), overwrite=overwrite) as folder,
    ):
        lines = list(_lines(connection))
        visits = _visits(connection)
        write_cells(folder / DICTIONARY, _HEADINGS, _dictionary())
        names = [RECORD, EVENT, INSTRUMENT, INSTANCE, *_fields()]
        write_cells(folder / RECORDS, names, ([line.get(name, "") for name in names] for line in lines))
        events = {ENROLMENT: event_name(ENROLMENT)} | visits
        write_cells(folder / EVENTS, ("event_name", "arm_num", "unique_event_name"),
                    [(label, "1", event) for label, event in events.items()])  # fmt: skip
        places = [
            (event, made)
            for label, event in events.items()
            for made in (AT_ENROLMENT if label == ENROLMENT else AT_VISITS)
        ]
        write_cells(folder / MAPPING, ("arm_num", "unique_event_name", "form"),
                    [("1", event, made.table) for event, made in places])  # fmt: skip
        write_cells(folder / REPEATING, ("event_name", "form_name", "custom_form_label"),
                    [(event, made.table, "") for event, made in places if made not in ONCE])  # fmt: skip
        for made in (Site, Scanner):
            described = columns(made)
            rows = ([c.write(getattr(row, c.name)) for c in described] for row in select_rows(connection, made))
            write_cells(folder / f"{made.table}.csv", [c.name for c in described], rows)
        write_origin(folder, connection)
    return {"records": len({line[RECORD] for line in lines}), "events": len(visits) + 1, "lines": len(lines)}


def event_name(label: str) -> str:
    """Return the unique name that REDCap makes of an event's label, in the first arm."""
    return f"{re.sub(r'[^a-z0-9]+', '_', label.lower()).strip('_')}_arm_1"


def read_redcap(
    names: Sequence[str], lines: Sequence[tuple[int, Mapping[str, str]]]
) -> Iterator[tuple[int, type[Row], dict[str, str], str]]:
    """Yield what a file of records holds: number of the line, dataclass, cells by column, and place in the project.

    A row's patient and session are those of its record and event where its own fields are empty.

    Parameters
    ----------
    names : sequence of str
        Names of the file's columns.
    lines : sequence of (int, mapping)
        Numbers of its lines, and their cells by name.

    Raises
    ------
    InputError
        The file is none of a longitudinal project, or has a field of no instrument.
    """
    known = {f"{made.table}_{c.name}": (made, c.name) for made in INSTRUMENTS for c in columns(made)}
    passed = {RECORD, EVENT, INSTRUMENT, INSTANCE, "redcap_data_access_group"}
    passed |= {f"{made.table}_complete" for made in INSTRUMENTS}
    strange = next((n for n in names if n not in known and n not in passed), None)
    if strange:
        raise InputError(f"the field {strange!r} is of no instrument of ours; leave the column out")
    lacking = next((n for n in (RECORD, EVENT) if n not in names), None)
    if lacking:
        raise InputError(f"the column {lacking} is missing; export a longitudinal project from REDCap as raw CSV")
    sessions = {
        (line[RECORD], line[EVENT]): line.get("session_id") or f"{line[RECORD]}-{line['session_visit']}"
        for _, line in lines if line.get("session_visit")
    }  # fmt: skip
    for number, line in lines:
        cells: dict[type[Row], dict[str, str]] = {}
        for name, cell in line.items():
            if cell and name in known:
                made, column = known[name]
                cells.setdefault(made, {})[column] = cell
        for made, given in cells.items():
            owner = {c.name for c in columns(made)}
            if "patient" in owner:
                given.setdefault("patient", line[RECORD])
            if "session" in owner and (line[RECORD], line[EVENT]) in sessions:
                given.setdefault("session", sessions[line[RECORD], line[EVENT]])
            if made is Patient:
                given.setdefault("id", line[RECORD])
            yield number, made, given, "/".join(line.get(n, "") for n in (RECORD, EVENT, INSTRUMENT, INSTANCE))


def _visits(connection: Connection) -> dict[str, str]:
    """Return the events' unique names by the visits' labels."""
    made: dict[str, str] = {}
    for label in sorted({session.visit for session in select_rows(connection, Session)}):
        event = event_name(label)
        other = next((k for k, v in [*made.items(), (ENROLMENT, event_name(ENROLMENT))] if v == event), None)
        if other:
            raise InputError(f"the visits {other!r} and {label!r} are one event in REDCap, {event}; rename one")
        made[label] = event
    return made


def _fields() -> list[str]:
    own = {made: [*(c.name for c in columns(made)), "complete"] for made in INSTRUMENTS}
    return [f"{made.table}_{name}" for made, names in own.items() for name in names]


def _lines(connection: Connection) -> Iterator[dict[str, str]]:
    """Yield the lines of data: an event's instruments that do not repeat on one, each repeated one on its own."""
    recons = {row.id: row.session for row in select_rows(connection, Recon)}
    at_visit: dict[str, dict[type[Row], list[Row]]] = {}
    for made in AT_VISITS:
        for row in select_rows(connection, made):
            at_visit.setdefault(_session_of(row, recons), {}).setdefault(made, []).append(row)
    for patient in select_rows(connection, Patient):
        own = {made: rows_of_patient(connection, made, patient.id) for made in AT_ENROLMENT}
        yield from _event(patient.id, ENROLMENT, own)
        for visit in sorted(rows_of_patient(connection, Session, patient.id), key=lambda s: (s.date, s.id)):
            yield from _event(patient.id, visit.visit, at_visit[visit.id])


def _session_of(row: Row, sessions: Mapping[str, str]) -> str:
    if isinstance(row, Session):
        return row.id
    if isinstance(row, Link):
        return row.after
    if isinstance(row, Observation | Qc):
        return sessions[row.recon]
    return str(row.session)  # type: ignore[attr-defined]


def _event(record: str, label: str, found: Mapping[type[Row], list[Row]]) -> Iterator[dict[str, str]]:
    place = {RECORD: record, EVENT: event_name(label)}
    single = place | {k: v for made in found if made in ONCE for row in found[made] for k, v in _cells(row).items()}
    if len(single) > len(place):
        yield single
    for made, rows in found.items():
        if made not in ONCE:
            for number, row in enumerate(rows, 1):
                yield place | {INSTRUMENT: made.table, INSTANCE: str(number)} | _cells(row)


def _cells(row: Row) -> dict[str, str]:
    told = {f"{row.table}_{c.name}": c.write(getattr(row, c.name)) for c in columns(type(row))}
    return told | {f"{row.table}_complete": "2"}


def _dictionary() -> Iterator[list[str]]:
    yield [RECORD, Patient.table, "", "text", "Pseudonym", *[""] * 13]
    for made in INSTRUMENTS:
        for column in columns(made):
            yield _field(made.table, column)


def _field(form: str, column: Column) -> list[str]:
    sort = "radio" if column.choices else "yesno" if column.kind.name == "flag" else \
        "notes" if column.kind.name == "settings" else "text"  # fmt: skip
    limits = {n: str(getattr(b, n)) for b in column.bounds for n in ("ge", "gt", "le", "lt") if hasattr(b, n)}
    note = "; ".join(filter(None, (column.unit, f"{column.refers} of the registry" if column.refers else "")))
    needed = "y" if column.required and column.default is None and column.name != "id" else ""
    return [
        f"{form}_{column.name}", form, "", sort, column.meaning, " | ".join(f"{c}, {c}" for c in column.choices), note,
        _VALIDATION.get(column.kind.name, ""), limits.get("ge", ""), limits.get("le", ""), "", "", needed, *[""] * 5,
    ]  # fmt: skip
