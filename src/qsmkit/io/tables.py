"""Tables of measurements: CSV, TSV and Excel files, column by column."""

import csv
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from qsmkit.errors import InputError
from qsmkit.io.atomic import replacing

MISSING = frozenset({"", "n/a", "na", "nan", "none", "null", ".", "-"})
"""What stands for a missing value, in any case; BIDS writes n/a."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table as text.

    Attributes
    ----------
    source : str
        Where it came from, for messages.
    columns : dict of str to list of str
        Cells by column name, as written, without surrounding blanks; missing ones are empty.
    """

    source: str
    columns: Mapping[str, list[str]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def text(self, name: str) -> list[str]:
        """Return a column as text.

        Raises
        ------
        InputError
            There is no such column; the message names the nearest ones.
        """
        if name not in self.columns:
            near = difflib.get_close_matches(name, self.columns, n=3, cutoff=0.4) or list(self.columns)
            raise InputError(f"{self.source} has no column {name!r}; it has {', '.join(near)}")
        return self.columns[name]

    def numbers(self, name: str) -> list[float]:
        """Return a column as numbers, NaN where missing.

        Raises
        ------
        InputError
            There is no such column, or a cell is not a number.
        """
        return [self._number(cell, name, row) for row, cell in enumerate(self.text(name), 2)]

    def _number(self, cell: str, name: str, row: int) -> float:
        if not cell:
            return math.nan
        try:
            return float(cell)
        except ValueError:
            hint = "; write the decimal mark as a point" if "," in cell else ""
            raise InputError(f"{self.source}, line {row}: {name} is {cell!r}, not a number{hint}") from None


def read_table(path: Path) -> Table:
    """Read a table whose first line names its columns.

    Parameters
    ----------
    path : Path
        .csv (comma, semicolon or tab), .tsv, .txt, .xlsx (first sheet).

    Raises
    ------
    InputError
        The file cannot be read, has no rows, or names a column twice.
    """
    try:
        if path.suffix.lower() in {".xlsx", ".xlsm"}:
            frame = pd.read_excel(path, dtype=str, keep_default_na=False, header=None)
        else:
            text = path.read_text(encoding="utf-8-sig")
            first = text.partition("\n")[0]
            mark = max("\t;,", key=first.count)
            frame = pd.DataFrame([row for row in csv.reader(text.splitlines(), delimiter=mark) if any(row)])
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; check the path") from error
    except (OSError, UnicodeDecodeError, ValueError, KeyError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read as a table ({error}); give CSV, TSV or Excel with a line of names"
        ) from error
    if len(frame) < 2:
        raise InputError(f"{path} has no row below its line of names; check the file")
    names = [str(n).strip() for n in frame.iloc[0].fillna("")]
    twice = next((n for n in names if names.count(n) > 1 and n), None)
    if twice:
        raise InputError(f"{path} names the column {twice!r} twice; rename one")
    body = frame.iloc[1:].fillna("")
    cells = {name: [str(cell).strip() for cell in body.iloc[:, i]] for i, name in enumerate(names) if name}
    return Table(str(path), {n: ["" if c.lower() in MISSING else c for c in column] for n, column in cells.items()})


def join_tables(first: Table, second: Table, on: Sequence[str]) -> tuple[Table, list[str]]:
    """Put the rows of two tables side by side that have the same keys.

    Parameters
    ----------
    first, second : Table
        The tables.
    on : sequence of str
        Columns of both that together name a row.

    Returns
    -------
    table : Table
        A row for each key that both have, in the first's order.
    alone : list of str
        Keys that only one of them has.

    Raises
    ------
    InputError
        No key is given, a key names two rows of a table, both have another column of one name, or nothing matches.
    """
    if not on:
        raise InputError(f"{first.source} and {second.source} cannot be joined without keys; name their common columns")
    rows = [{key: i for i, key in enumerate(_keys(t, on))} for t in (first, second)]
    for table, known in zip((first, second), rows, strict=True):
        if len(known) < len(table):
            keys = _keys(table, on)
            twice = next(k for k in keys if keys.count(k) > 1)
            raise InputError(f"{table.source} has several rows for {', '.join(twice)}; name more columns to join on")
    clash = [n for n in first.columns if n in second.columns and n not in on]
    if clash:
        raise InputError(f"both tables have a column {clash[0]!r}; rename one, or join on it")
    both = [key for key in rows[0] if key in rows[1]]
    if not both:
        names = ", ".join(on)
        raise InputError(f"no row of {first.source} has a partner in {second.source}; check how {names} are written")
    columns = {n: [c[rows[0][k]] for k in both] for n, c in first.columns.items()}
    columns |= {n: [c[rows[1][k]] for k in both] for n, c in second.columns.items() if n not in on}
    alone = [", ".join(k) for known, other in (rows, rows[::-1]) for k in known if k not in other]
    return Table(f"{first.source} + {second.source}", columns), alone


def _keys(table: Table, on: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(*(table.text(name) for name in on), strict=True))


def write_table(path: Path, rows: Sequence[Mapping[str, object]], *, overwrite: bool = False) -> None:
    """Write rows as CSV or, if the name ends in .tsv, as TSV; missing values become n/a.

    Raises
    ------
    InputError
        There is no row.
    OutputError
        The file is there already, or cannot be written.
    """
    if not rows:
        raise InputError(f"{path} would have no row; nothing is written")
    names = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path, overwrite=overwrite) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(row.get(name)) for name in names] for row in rows)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "n/a"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
