"""Proof that a registry is what its audit says: the chain holds, every row is as the last entry about it left it."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from qsmkit.errors import InputError
from qsmkit.io.store import chain
from qsmkit.io.store.canonical import parsed
from qsmkit.io.store.column import Column, columns
from qsmkit.io.store.kind import FLAG, NUMBERS, SETTINGS, WORDS
from qsmkit.io.store.rows import ROWS, Row


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found.

    Attributes
    ----------
    head : Head
        Last entry of the chain that holds: write its hash down, away from the registry.
    rows : int
        Rows that are as the audit says.
    problems : tuple of str
        Everything that is not; empty if the registry is sound.
    """

    head: chain.Head
    rows: int
    problems: tuple[str, ...]


def verify(connection: Connection, written: Iterable[str] = ()) -> Verdict:
    """Check a registry.

    Parameters
    ----------
    connection : Connection
        That sees one moment.
    written : iterable of str
        Head hashes that were written down earlier: they must be in the chain, or an end was cut off or written anew.
    """
    replay, head, lost, problems = chain.Replay(), chain.Head(0, chain.START), dict.fromkeys(written), []
    try:
        for entry in chain.follow(chain.entries(connection)):
            replay.add(entry)
            head = chain.Head(entry.seq, entry.hash)
            lost.pop(entry.hash, None)
    except InputError as error:
        return Verdict(head, 0, (str(error),))
    if not chain.guarded(connection):
        problems.append("the triggers that keep the audit are gone or off: somebody made way to change it")
    if not head.seq:
        problems.append("the audit is empty: not even the registry's making is in it")
    problems += [
        f"the head {hashed} that was written down is not in the chain: entries were cut off, or written anew"
        for hashed in lost
    ]
    good = 0
    for name, made in ROWS.items():
        # As text, so that the values come as they lie there, whatever they are.
        found = {str(row["id"]): row for row in connection.execute(text(f'SELECT * FROM "{name}"')).mappings()}
        told = replay.rows.get(name, {})
        for row_id in sorted(found.keys() | told.keys()):
            wrong = _difference(made, found.get(row_id), told.get(row_id))
            if wrong:
                problems.append(f"{name} {row_id}: {wrong}")
            else:
                good += 1
    return Verdict(head, good, tuple(problems))


def _difference(made: type[Row], found: Any, told: dict[str, Any] | None) -> str:
    if told is None:
        return "is in no entry of the audit: it was put in behind it"
    if found is None:
        return "is not there, but the audit knows of no removal"
    wrong = [
        f"{c.name} is {_plain(c, found[c.name])!r}, the audit says {told.get(c.name, c.default)!r}"
        for c in columns(made)
        if _plain(c, found[c.name]) != told.get(c.name, c.default)
    ]
    return "; ".join(wrong)


def _plain(column: Column, value: Any) -> Any:
    """Return a value as the audit has it: SQLite keeps flags as 0 and 1, dates and lists as text."""
    if column.kind is FLAG and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and column.kind in (NUMBERS, WORDS, SETTINGS):
        with suppress(ValueError):
            return parsed(value)
    return column.plain(value) if isinstance(value, date) else value
