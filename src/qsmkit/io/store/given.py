"""Rows to import, as files give them: tables of ours, a folder of them, or REDCap's records."""

import csv
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from qsmkit.errors import InputError
from qsmkit.io.sidecar import number, read_sidecar
from qsmkit.io.store import redcap
from qsmkit.io.store.column import columns
from qsmkit.io.store.columnar import ORIGIN
from qsmkit.io.store.rows import ROWS, Row

_MISSING = ("", "n/a")


@dataclass(frozen=True)
class Given:
    """A row of a file.

    Attributes
    ----------
    source : str
        Name of the file.
    line : int
        Line in it; the heading is line 1.
    made : type
        Dataclass of the table's rows.
    cells : dict of str to str
        Cells by column; an empty one clears the column.
    place : str
        Where else the row has its place, such as record, event and instance in REDCap; "" if only here.
    """

    source: str
    line: int
    made: type[Row]
    cells: Mapping[str, str]
    place: str = ""


@dataclass(frozen=True)
class Import:
    """What is to be imported.

    Attributes
    ----------
    rows : tuple of Given
        Rows, tables in an order in which each refers to earlier ones only.
    origin : tuple of (int, str) or None
        Number and hash of the audit entry at which the registry was exported, where the files tell.
    """

    rows: tuple[Given, ...]
    origin: tuple[int, str] | None


def read_import(path: Path, table: str | None = None) -> Import:
    """Read what is to be imported.

    Parameters
    ----------
    path : Path
        CSV file of a table (its name, or `table`, says which) or of REDCap's records; or a folder of such files.
    table : str, optional
        Table of the file.

    Raises
    ------
    InputError
        A file cannot be read, is broken, or is of no table of ours; the message has the line.
    """
    if not path.exists():
        raise InputError(f"{path} is not there; name a CSV file, or a folder of them")
    if path.is_file():
        return Import(tuple(_sorted(_read_file(path, table))), None)
    records = path / redcap.RECORDS
    files = [p for p in sorted(path.glob("*.csv")) if p == records or p.stem in ROWS]
    if not files:
        raise InputError(f"{path} holds no {redcap.RECORDS} and no table such as patient.csv; name another folder")
    return Import(tuple(_sorted(row for file in files for row in _read_file(file, None))), _origin(path / ORIGIN))


def _origin(path: Path) -> tuple[int, str] | None:
    if not path.is_file():
        return None
    told = read_sidecar(path)
    return int(number(told, "seq", path.name) or 0), str(told.get("head"))


def _sorted(rows: Iterator[Given]) -> list[Given]:
    order = list(ROWS.values())
    return sorted(rows, key=lambda row: order.index(row.made))


def _read_file(path: Path, table: str | None) -> Iterator[Given]:
    names, lines = _read_lines(path)
    try:
        if table is None and redcap.EVENT in names:
            for line, made, cells, place in redcap.read_redcap(names, lines):
                yield Given(path.name, line, made, cells, place)
            return
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    table = table or path.stem
    if table not in ROWS:
        raise InputError(f"{path} does not say which table it is; add --table {'|'.join(ROWS)}")
    known = [c.name for c in columns(ROWS[table])]
    strange = next((n for n in names if n not in known), None)
    if strange is not None:
        near = difflib.get_close_matches(strange, known, 1)
        advice = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
        raise InputError(f"{path}: {table} has no column {strange!r}; {advice}")
    for line, cells in lines:
        yield Given(path.name, line, ROWS[table], cells)


def _read_lines(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Return the names of the columns, and lines with their numbers and cells by name."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max("\t;,", key=first.count), strict=True)
            names = [name.strip() for name in next(reader, [])]
            read = [(reader.line_num, row) for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV ({error}); save it as CSV in UTF-8") from error
    twice = next((n for n in names if names.count(n) > 1), None)
    if not names or twice is not None:
        raise InputError(f"{path} names {f'the column {twice!r} twice' if names else 'no columns'}; correct line 1")
    for line, row in read:
        if len(row) != len(names):
            raise InputError(f"{path}, line {line} has {len(row)} cells, line 1 names {len(names)} columns; correct it")
    return names, [
        (line, {n: "" if cell.strip() in _MISSING else cell.strip() for n, cell in zip(names, row, strict=True)})
        for line, row in read
    ]
