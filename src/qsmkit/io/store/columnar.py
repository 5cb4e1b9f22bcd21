"""Export as a folder of tables, CSV or Parquet: one file a table of the registry, and one of flat measurements."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection

from qsmkit.extras import require
from qsmkit.io.atomic import replacing_folder
from qsmkit.io.sidecar import as_json
from qsmkit.io.store import chain, migrate
from qsmkit.io.store.column import Column, columns
from qsmkit.io.store.flat import flat_columns, measurements
from qsmkit.io.store.query import select_rows
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import ROWS

FLAT, COLUMNS, ORIGIN = "measurements", "columns.json", "registry.json"
"""Name of the flat table, of what columns mean, and of what says which state of the registry it is."""

Values = Sequence[Mapping[str, Any]]


def export_tables(
    registry: Registry, out: Path, kind: Literal["csv", "parquet"], *, overwrite: bool = False
) -> dict[str, int]:
    """Write all tables into a folder.

    Parameters
    ----------
    registry : Registry
        The registry.
    out : Path
        Folder to make.
    kind : {"csv", "parquet"}
        Format.
    overwrite : bool
        Whether an export that is there may be replaced.

    Returns
    -------
    dict of str to int
        Rows of each table.

    Raises
    ------
    MissingExtraError
        Parquet's library is not installed.
    OutputError
        The folder holds something, or cannot be written.
    """
    write = _write_csv if kind == "csv" else _write_parquet
    if kind == "parquet":
        require("pyarrow", "parquet")
    counts = {}
    with (
        registry.reading() as connection,
        replacing_folder(out, lambda p: p.suffix in (f".{kind}", ".json"), overwrite=overwrite) as folder,
    ):
        for name, described, rows in _all(connection):
            write(folder / f"{name}.{kind}", described, rows)
            counts[name] = len(rows)
        write_origin(folder, connection)
        told = {name: {c.name: meaning(c) for c in described} for name, described, _ in _all(connection, empty=True)}
        (folder / COLUMNS).write_text(as_json(told), encoding="utf-8")
    return counts


def write_origin(folder: Path, connection: Connection) -> None:
    """Write which state of the registry an export is: what is imported later is compared with it."""
    head = chain.head(connection)
    told = {"schema": migrate.newest(), "seq": head.seq, "head": head.hash}
    (folder / ORIGIN).write_text(as_json(told), encoding="utf-8")


def write_cells(path: Path, names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)


def meaning(column: Column) -> dict[str, Any]:
    """Return what a column is, as a data dictionary has it."""
    told: dict[str, Any] = {"Description": column.meaning, "Kind": column.kind.name, "Required": column.required}
    if column.unit:
        told["Units"] = column.unit
    if column.choices:
        told["Levels"] = list(column.choices)
    if column.refers:
        told["Table"] = column.refers
    return told


def _all(connection: Connection, *, empty: bool = False) -> Iterable[tuple[str, Sequence[Column], Values]]:
    for name, made in ROWS.items():
        described = columns(made)
        rows = [] if empty else select_rows(connection, made)
        yield name, described, [{c.name: getattr(row, c.name) for c in described} for row in rows]
    yield FLAT, flat_columns(), [] if empty else list(measurements(connection))


def _write_csv(path: Path, described: Sequence[Column], rows: Values) -> None:
    write_cells(path, [c.name for c in described], ([c.write(row[c.name]) for c in described] for row in rows))


def _write_parquet(path: Path, described: Sequence[Column], rows: Values) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    sorts = {"integer": pa.int32(), "number": pa.float64(), "flag": pa.bool_(), "date": pa.date32(),
             "numbers": pa.list_(pa.float64()), "words": pa.list_(pa.string())}  # fmt: skip
    fields = [
        pa.field(c.name, sorts.get(c.kind.name, pa.string()), metadata={"unit": c.unit, "meaning": c.meaning})
        for c in described
    ]
    made = [
        {c.name: c.write(v) if c.kind.name == "settings" and (v := row[c.name]) is not None else row[c.name]
         for c in described}
        for row in rows
    ]  # fmt: skip
    parquet.write_table(pa.Table.from_pylist(made, schema=pa.schema(fields)), path)
