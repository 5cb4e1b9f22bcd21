"""The registry's tables in SQL, drawn from the rows' dataclasses, and the audit beside them."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)  # fmt: skip
from sqlalchemy.types import TypeEngine

from qsmkit.io.store.column import Column as Described
from qsmkit.io.store.column import columns
from qsmkit.io.store.rows import ROWS, Row

METADATA = MetaData()

_TYPES = {"text": Text, "integer": Integer, "number": Double, "flag": Boolean, "date": Date}


def _table(made: type[Row]) -> Table:
    named = [_column(c) for c in columns(made)]
    unique = [Index(f"unique_{made.table}_{'_'.join(names)}", *names, unique=True) for names in made.unique]
    return Table(made.table, METADATA, *named, *unique)


def _column(described: Described) -> "Column[object]":
    sort = _TYPES.get(described.kind.name)
    made: TypeEngine[object] = sort() if sort else JSON(none_as_null=True)
    target = [ForeignKey(f"{described.refers}.id")] if described.refers else []
    return Column(
        described.name, made, *target, primary_key=described.name == "id", nullable=not described.required,
        index=True if described.refers else None,
    )  # fmt: skip


TABLES = {name: _table(made) for name, made in ROWS.items()}
"""Tables by name."""

AUDIT = Table(
    "audit",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("table", Text),
    Column("row", Text),
    Column("before", Text),
    Column("after", Text),
    Column("reason", Text),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
"""Every change ever made, one entry linked to the one before it; see `chain`."""
