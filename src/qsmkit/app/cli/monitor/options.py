"""What the commands of the registry share."""

import getpass
from typing import Annotated, Any

from cyclopts import Parameter

from qsmkit.app import console
from qsmkit.io.store.column import Column, columns
from qsmkit.io.store.rows import ROWS, Row

Actor = Annotated[str | None, Parameter(env_var="QSMKIT_ACTOR")]
"""Who makes the change."""


def actor_of(given: str | None) -> str:
    """Return who makes a change: as given, or the name of the account."""
    return given or getpass.getuser()


def made_of(table: str) -> type[Row]:
    """Return the dataclass of a table's rows.

    Raises
    ------
    UsageError
        There is no such table.
    """
    if table not in ROWS:
        raise console.UsageError(f"there is no table {table!r}; there are {', '.join(ROWS)}")
    return ROWS[table]


def described(column: Column) -> str:
    """Return what a column is, for help and dictionaries: meaning, unit, choices."""
    unit = f" ({column.unit})" if column.unit else ""
    choices = f": {', '.join(column.choices)}" if column.choices else ""
    refers = f", a {column.refers} of the registry" if column.refers else ""
    return f"{column.meaning}{unit}{choices}{refers}"


def print_rows(made: type[Row], rows: list[Row], title: str = "") -> None:
    """Print rows as a table, leaving out columns that are empty in all of them."""
    cells: dict[str, list[str]] = {c.name: [c.write(getattr(r, c.name)) for r in rows] for c in columns(made)}
    told = {name: column for name, column in cells.items() if any(column)}
    units = {c.name: c.unit for c in columns(made)}
    heads = [f"{name} ({units[name]})" if units[name] else name for name in told]
    console.print_table(heads, list(zip(*told.values(), strict=True)), title)


def plain_rows(rows: list[Row]) -> list[dict[str, Any]]:
    """Return rows as JSON has them."""
    return [row.plain() for row in rows]
