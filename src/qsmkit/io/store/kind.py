"""Kinds of values that a column holds: how they are taken from Python, from a table's cell, and written into one."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from qsmkit.io.store.canonical import canonical, parsed


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of values.

    Attributes
    ----------
    name : str
        Its name.
    refusal : str
        What is said of a value of another kind, and what to write.
    take : callable
        Value → value as stored; ValueError or TypeError if it is of another kind.
    read : callable
        Cell of a table → value for `take`.
    write : callable
        Stored value → cell.
    """

    name: str
    refusal: str
    take: Callable[[Any], Any]
    read: Callable[[str], Any]
    write: Callable[[Any], str]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool | str) or not math.isfinite(value):
        raise TypeError(value)
    return float(value)


def _integer(value: Any) -> int:
    number = _number(value)
    if not number.is_integer() or abs(number) > 2**31:
        raise ValueError(value)
    return int(number)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[str(value).lower()]


def _date(value: Any) -> date:
    if isinstance(value, str):
        return date.fromisoformat(value)
    if isinstance(value, datetime) or not isinstance(value, date):
        raise TypeError(value)
    return value


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(_number(v) for v in _listed(value))


def _words(value: Any) -> tuple[str, ...]:
    words = tuple(_text(v) for v in _listed(value))
    if any(not w or " " in w for w in words):
        raise ValueError(value)
    return words


def _listed(value: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(value)
    return value


def _settings(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(value)
    made: dict[str, Any] = parsed(canonical(dict(value)))
    return made


TEXT = Kind("text", "is no text", _text, str, str)
INTEGER = Kind("integer", "is no whole number", _integer, float, str)
NUMBER = Kind("number", "is no finite number; write the decimal mark as a point", _number, float, repr)
FLAG = Kind("flag", "is neither yes nor no; write 1 or 0", _flag, str, lambda v: str(int(v)))
DATE = Kind("date", "is no date; write it as 2026-01-31", _date, str, date.isoformat)
NUMBERS = Kind("numbers", "is no list of finite numbers; write blanks between them", _numbers,
               lambda t: tuple(float(v) for v in t.split()), lambda v: " ".join(map(repr, v)))  # fmt: skip
WORDS = Kind("words", "is no list of words; write blanks between them", _words, lambda t: tuple(t.split()), " ".join)
SETTINGS = Kind("settings", "is no JSON object of finite values", _settings, parsed, canonical)

KINDS: dict[Any, Kind] = {
    str: TEXT, int: INTEGER, float: NUMBER, bool: FLAG, date: DATE, tuple[float, ...]: NUMBERS,
    tuple[str, ...]: WORDS, dict[str, Any]: SETTINGS,
}  # fmt: skip
"""Kind of a Python type."""
