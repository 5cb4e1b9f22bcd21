"""The audit: every change as an entry that carries the hash of the one before it.

    hash_k = SHA-256(hash_{k−1} ‖ canonical JSON of entry k),        hash_0 = 64 zeros

An entry says who changed which row of which table when, the row before and after, and why. Changing, removing or
inserting an entry anywhere but at the end breaks the chain; a cut-off end is found by a head hash written down earlier.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, text

from qsmkit.errors import InputError
from qsmkit.io.store import identity
from qsmkit.io.store.canonical import canonical, parsed
from qsmkit.io.store.tables import AUDIT

Action = Literal["create", "insert", "update", "delete", "migrate", "restore"]

_ADVICE = "restore a backup whose chain holds"

TRIGGERS = 2
"""That refuse to change and to delete entries."""

START = "0" * 64
"""Hash before the first entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the audit.

    Attributes
    ----------
    seq : int
        Its number, from 1.
    time : str
        When, UTC, ISO 8601.
    actor : str
        Who.
    action : str
        What was done.
    table, row : str or None
        The row's table and identifier.
    before, after : str or None
        The row as canonical JSON.
    reason : str or None
        Why.
    previous, hash : str
        Hash of the entry before, and its own.
    """

    seq: int
    time: str
    actor: str
    action: str
    table: str | None
    row: str | None
    before: str | None
    after: str | None
    reason: str | None
    previous: str
    hash: str

    def plain(self) -> dict[str, Any]:
        """Return the entry as JSON has it, with the rows before and after as objects."""
        return asdict(self) | {k: parsed(v) for k in ("before", "after") if (v := getattr(self, k)) is not None}

    def told(self) -> str:
        """Return in words which columns the entry changed, and how."""
        before, after = (self.plain()[k] or {} for k in ("before", "after"))
        names = [n for n in (after or before) if before.get(n) != after.get(n)]
        if self.action == "update":
            return "; ".join(f"{n}: {before.get(n)} → {after.get(n)}" for n in names)
        return "; ".join(f"{n} {(after or before)[n]}" for n in names if n != "id")

    def expected(self) -> str:
        """Return the hash that the entry must have."""
        told = {k: v for k, v in asdict(self).items() if k not in ("previous", "hash")}
        return hashlib.sha256((self.previous + canonical(told)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a chain: its number, and the hash to write down."""

    seq: int
    hash: str


def head(connection: Connection) -> Head:
    """Return the last entry's number and hash."""
    last = connection.execute(select(AUDIT.c.seq, AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1)).first()
    return Head(last.seq, last.hash) if last else Head(0, START)


def entries(connection: Connection, after: int = 0) -> Iterator[Entry]:
    """Return the entries in their order, those beyond a number."""
    query = select(*(AUDIT.c[f.name] for f in fields(Entry))).where(AUDIT.c.seq > after).order_by(AUDIT.c.seq)
    for row in connection.execute(query.execution_options(yield_per=1000)):
        yield Entry(*row)


class Appender:
    """Appends entries at the end of the chain, within one transaction that shuts out other writers.

    Parameters
    ----------
    connection : Connection
        In that transaction.
    actor : str
        Who makes the changes: initials or a code.
    reason : str, optional
        Why.

    Raises
    ------
    InputError
        The actor is no code, or the reason no plain text.
    """

    def __init__(self, connection: Connection, actor: str, reason: str | None = None) -> None:
        self._actor = _formed("actor", actor, identity.label)
        self._reason = _formed("reason", reason, identity.plain) if reason else None
        self._connection = connection
        self._head = head(connection)

    def append(
        self,
        action: Action,
        table: str | None = None,
        row: str | None = None,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Append an entry."""
        unsealed = Entry(
            self._head.seq + 1, datetime.now(UTC).isoformat(timespec="microseconds"), self._actor, action, table, row,
            _json(before), _json(after), self._reason, self._head.hash, "",
        )  # fmt: skip
        hashed = unsealed.expected()
        self._connection.execute(insert(AUDIT), asdict(unsealed) | {"hash": hashed})
        self._head = Head(unsealed.seq, hashed)


def guarded(connection: Connection) -> bool:
    """Return whether the triggers are in place that keep the audit from being changed."""
    if connection.dialect.name == "sqlite":
        query = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"
    else:
        query = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'audit'::regclass AND tgenabled = 'O'"
    return bool(connection.scalar(text(query)) == TRIGGERS)


def follow(chain: Iterator[Entry]) -> Iterator[Entry]:
    """Yield the entries of a chain as long as each holds.

    Raises
    ------
    InputError
        An entry was changed, removed or put in between.
    """
    at = Head(0, START)
    for entry in chain:
        if entry.seq != at.seq + 1:
            raise InputError(f"audit entry {at.seq + 1} is missing; {_ADVICE}")
        if entry.previous != at.hash:
            raise InputError(f"audit entry {entry.seq} does not follow entry {at.seq}; {_ADVICE}")
        if entry.hash != entry.expected():
            raise InputError(f"audit entry {entry.seq} was changed after it was made; {_ADVICE}")
        at = Head(entry.seq, entry.hash)
        yield entry


class Replay:
    """The rows as the entries say they are."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, dict[str, Any]]] = {}

    def add(self, entry: Entry) -> None:
        """Apply an entry.

        Raises
        ------
        InputError
            It changes a row that, by the entries before it, is not so.
        """
        if entry.table is None or entry.row is None:
            return
        rows = self.rows.setdefault(entry.table, {})
        there = rows.get(entry.row)
        before = parsed(entry.before) if entry.before else None
        # A version of the software that knows fewer columns tells fewer; the others stay as they are.
        if (there is None) != (before is None) or any((there or {}).get(k) != v for k, v in (before or {}).items()):
            raise InputError(f"audit entry {entry.seq}: {entry.table} {entry.row} was not as it says; {_ADVICE}")
        if entry.after is None:
            del rows[entry.row]
        else:
            rows[entry.row] = (there or {}) | parsed(entry.after)


def _formed(name: str, value: str, form: identity.Form) -> str:
    try:
        return form(value)
    except InputError as error:
        raise InputError(f"{name} {value!r} {error}") from None


def _json(row: Mapping[str, Any] | None) -> str | None:
    return None if row is None else canonical(row)
