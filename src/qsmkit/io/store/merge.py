"""Import: what files would change is shown first, and entered as a whole or not at all."""

import uuid
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, get_args

from qsmkit.errors import InputError
from qsmkit.io.store.canonical import canonical, parsed
from qsmkit.io.store.chain import Entry, entries
from qsmkit.io.store.given import Given, Import
from qsmkit.io.store.registry import Change, Registry, values_of
from qsmkit.io.store.rows import Row

Status = Literal["new", "changed", "unchanged", "conflict", "bad"]
STATUSES: tuple[Status, ...] = get_args(Status)

_NAMESPACE = uuid.UUID("1b9f0d52-7f43-5d0c-8f21-1f5f2a6f3f6e")


@dataclass(frozen=True, slots=True)
class Difference:
    """What importing a row does.

    Attributes
    ----------
    source, line : str, int
        Where the row stands.
    table, row : str
        Its table and identifier, as far as known.
    status : str
        "new", "changed", "unchanged"; "conflict" with the registry or another row; "bad" if it cannot be read.
    what : str
        Columns that change, before → after; or what is wrong.
    """

    source: str
    line: int
    table: str
    row: str
    status: Status
    what: str


Since = dict[tuple[str, str], tuple[Entry, Entry]]
"""First and last audit entry since an export, by table and row."""


class _Undo(Exception):
    """Ends a change that is not to be kept."""


def merge(
    registry: Registry, given: Import, *, actor: str, reason: str | None = None, apply: bool = False
) -> list[Difference]:
    """Say what importing rows does, and do it if asked to and if nothing stands against it.

    A row without identifier is the one that agrees in what is unique (a lesion's patient and label), or else one whose
    identifier follows from its place in REDCap or, in a table, from its content: the same file twice enters nothing
    twice. Where the files tell of which state of the registry they are, a row that was changed in both is in conflict,
    and one that was not touched in the files stays as the registry has it. Rows that the files lack are left alone.

    Parameters
    ----------
    registry : Registry
        The registry.
    given : Import
        The rows.
    actor, reason : str
        Who imports, and why.
    apply : bool
        Whether the rows are to be entered: all of them, or none if one is bad or in conflict.

    Raises
    ------
    InputError
        The files were exported from another registry.
    OutputError
        The registry cannot be written.
    """
    found: list[Difference] = []
    try:
        with registry.change(actor, reason) as change:
            later = _entries_since(registry, given.origin)
            seen: dict[tuple[str, str], Given] = {}
            for row in given.rows:
                found.append(_merge_row(change, row, later, seen))
            if not apply or any(d.status in ("bad", "conflict") for d in found):
                raise _Undo
    except _Undo:
        pass
    return found


def _merge_row(
    change: Change, given: Given, later: Since, seen: dict[tuple[str, str], Given]
) -> Difference:
    made, row_id = given.made, given.cells.get("id", "")

    def told(status: Status, what: str = "") -> Difference:
        return Difference(given.source, given.line, made.table, row_id, status, what)

    try:
        values = made.read_some(given.cells)
        row_id, before = _existing(change, made, values, given.place)
        row = made.of((values_of(before) if before else {}) | values | ({"id": row_id} if row_id else {}))
        row_id = row.id
    except InputError as error:
        return told("bad", str(error))
    first = seen.setdefault((made.table, row_id), given)
    if first is not given:
        if change.get(made, row_id) == row:
            return told("unchanged", f"as line {first.line} of {first.source}")
        return told("conflict", f"line {first.line} of {first.source} says otherwise of the same {made.table}")
    if before == row:
        return told("unchanged")
    if (made.table, row_id) in later:
        early, late = later[made.table, row_id]
        verb = "removed" if late.after is None else "changed"
        what = f"{late.actor} {verb} it on {late.time[:10]}, after the export: {late.told()}"
        untouched = early.before is not None and made.of(parsed(early.before)) == row
        return told("unchanged", f"{what}; that stays") if untouched else told("conflict", what)
    try:
        change.put(row)
    except InputError as error:
        return told("conflict", str(error))
    if before is None:
        return told("new")
    old, new = before.plain(), row.plain()
    return told("changed", "; ".join(f"{n}: {old[n]} → {new[n]}" for n in old if old[n] != new[n]))


def _existing(change: Change, made: type[Row], values: dict[str, Any], place: str) -> tuple[str, Row | None]:
    """Return the identifier that a row has or gets, and the row of the registry that it is."""
    if values.get("id"):
        return values["id"], change.get(made, values["id"])
    for names in made.unique:
        if all(values.get(n) is not None for n in names):
            there = change.rows(made, **{n: values[n] for n in names})
            if there:
                return there[0].id, there[0]
    if fields(made)[0].default_factory is MISSING:  # type: ignore[arg-type]  # every row is a dataclass
        row = made.of(values)  # its identifier is needed, or follows from other columns
        return row.id, change.get(made, row.id)
    seed = place or canonical({name: str(value) for name, value in values.items() if value is not None})
    row_id = str(uuid.uuid5(_NAMESPACE, f"{made.table}\n{seed}"))
    return row_id, change.get(made, row_id)


def _entries_since(registry: Registry, origin: tuple[int, str] | None) -> Since:
    """Return the entries about each row that was changed after the export."""
    if origin is None:
        return {}
    seq, head = origin
    with registry.reading() as connection:
        since = list(entries(connection, after=seq - 1))
    if not since or since[0].hash != head:
        raise InputError(
            "the files were exported from another registry, or from an end that was cut off; "
            "remove registry.json beside them to import them all the same"
        )
    made: Since = {}
    for entry in since[1:]:
        if entry.table and entry.row:
            first, _ = made.get((entry.table, entry.row), (entry, entry))
            made[entry.table, entry.row] = first, entry
    return made


def counts(found: Iterable[Difference]) -> dict[str, dict[str, int]]:
    """Return the number of rows by table and status."""
    made: dict[str, dict[str, int]] = {}
    for difference in found:
        made.setdefault(difference.table, dict.fromkeys(STATUSES, 0))[difference.status] += 1
    return made
