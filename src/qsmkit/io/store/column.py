"""Columns, as the annotations of a row's dataclass describe them.

An annotation says everything once: type, whether it may be missing, choices (Literal), bounds (annotated_types), form
(`identity`), the table that it refers to, unit and meaning. Tables, checks, the reading of files and the data
dictionaries of exports are derived from here.
"""

import functools
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from qsmkit.errors import InputError
from qsmkit.io.store import identity
from qsmkit.io.store.kind import KINDS, TEXT, WORDS, Kind

LONGEST = 4000
"""Characters of a text."""

_BOUNDS: tuple[tuple[type, str, str, Callable[[Any, Any], bool]], ...] = (
    (Ge, "ge", "at least", lambda v, b: v >= b), (Gt, "gt", "more than", lambda v, b: v > b),
    (Le, "le", "at most", lambda v, b: v <= b), (Lt, "lt", "less than", lambda v, b: v < b),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a column."""

    name: str


@dataclass(frozen=True, slots=True)
class Refers:
    """The table whose rows a column names."""

    table: str


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
        Its name.
    kind : Kind
        What its values are.
    required : bool
        Whether a value must be there.
    default : object
        Value where none was given, and in rows that are older than the column.
    choices : tuple of str
        The only values, if any.
    bounds : tuple
        Ge, Gt, Le, Lt of annotated_types, in the unit.
    form : callable
        Form of a text.
    refers : str or None
        Table whose rows it names.
    unit : str
        Unit, "" without one.
    meaning : str
        What it is.
    """

    name: str
    kind: Kind
    required: bool
    default: Any
    choices: tuple[str, ...]
    bounds: tuple[Any, ...]
    form: identity.Form
    refers: str | None
    unit: str
    meaning: str

    def check(self, value: Any) -> Any:
        """Return a value as it is stored.

        Raises
        ------
        InputError
            It is missing, of another kind, not among the choices, out of bounds, or not of the form.
        """
        if value is None or value == "" or value != value:  # NaN is a missing number
            if self.required:
                raise InputError(f"{self.name} is missing; give it")
            return None
        try:
            return self._formed(self._taken(value))
        except InputError as error:
            shown = repr(value) if len(repr(value)) < 80 else f"{repr(value)[:76]}…"
            raise InputError(f"{self.name} = {shown} {error}") from None

    def read(self, cell: str) -> Any:
        """Return the value that a cell of a table holds, None if it is empty.

        Raises
        ------
        InputError
            It does not hold a value of this column.
        """
        try:
            return self.check(self.kind.read(cell)) if cell else None
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self.name} = {cell!r} {self.kind.refusal}") from None

    def write(self, value: Any) -> str:
        """Return the cell that `read` takes for the value."""
        return "" if value is None else self.kind.write(value)

    def plain(self, value: Any) -> Any:
        """Return a stored value as JSON has it."""
        if isinstance(value, tuple):
            return list(value)
        return value.isoformat() if value is not None and self.kind.name == "date" else value

    def _taken(self, value: Any) -> Any:
        try:
            return self.kind.take(value)
        except (TypeError, ValueError, KeyError):
            raise InputError(self.kind.refusal) from None

    def _formed(self, value: Any) -> Any:
        if self.choices:
            if value not in self.choices:
                raise InputError(f"is none of {', '.join(self.choices)}")
            return value
        for bound in self.bounds:
            for sort, attribute, words, holds in _BOUNDS:
                if isinstance(bound, sort) and not holds(value, getattr(bound, attribute)):
                    limit = f"{getattr(bound, attribute)} {self.unit}".strip()
                    raise InputError(f"is out of range; it is {words} {limit}")
        if self.kind is TEXT:
            if len(value) > LONGEST:
                raise InputError(f"has {len(value)} characters; write at most {LONGEST}")
            return self.form(value)
        return tuple(map(self.form, value)) if self.kind is WORDS else value


def columns(made: type) -> tuple[Column, ...]:
    """Return the columns of a row's dataclass, in its order."""
    return _columns(made)


@functools.cache
def _columns(made: type) -> tuple[Column, ...]:
    hints = typing.get_type_hints(made, include_extras=True)
    return tuple(_column(f.name, hints[f.name], None if f.default is MISSING else f.default) for f in fields(made))


def _column(name: str, hint: Any, default: Any) -> Column:
    base, *marks = typing.get_args(hint)
    optional = isinstance(base, types.UnionType) or typing.get_origin(base) is typing.Union
    inner = next(o for o in typing.get_args(base) if o is not types.NoneType) if optional else base
    choices = typing.get_args(inner) if typing.get_origin(inner) is Literal else ()
    return Column(
        name=name,
        kind=TEXT if choices else KINDS[inner],
        required=not optional,
        default=default,
        choices=choices,
        bounds=tuple(m for m in marks if isinstance(m, Ge | Gt | Le | Lt)),
        form=next((m for m in marks if isinstance(m, types.FunctionType)), identity.plain),
        refers=next((m.table for m in marks if isinstance(m, Refers)), None),
        unit=next((m.name for m in marks if isinstance(m, Unit)), ""),
        meaning=next((m for m in marks if isinstance(m, str)), ""),
    )
