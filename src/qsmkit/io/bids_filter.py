"""Which scans of a BIDS data set are wanted: queries by entity, as BIDS-Apps read them from a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qsmkit.errors import InputError
from qsmkit.io.bids_name import ENTITY_ORDER, BidsName
from qsmkit.io.sidecar import read_sidecar

_LONG = {
    "subject": "sub", "session": "ses", "acquisition": "acq", "ceagent": "ce", "reconstruction": "rec",
    "direction": "dir", "modality": "mod", "inversion": "inv", "part": "part", "processing": "proc", "run": "run",
    "flip": "flip", "mtransfer": "mt", "echo": "echo",
}  # fmt: skip
"""Long names of entities, as the BIDS schema has them, and the short ones in file names."""

KEY = "megre"
"""What gradient-echo scans are called in a filter file that speaks of other images too."""


@dataclass(frozen=True, slots=True)
class BidsFilter:
    """Values that entities and suffix must have.

    Attributes
    ----------
    wanted : mapping of str to tuple or None
        By entity (short name) or "suffix": the values allowed, None where the entity must be absent, or ("*",) where it
        must be there.
    """

    wanted: Mapping[str, tuple[str, ...] | None]

    def takes(self, name: BidsName) -> bool:
        """Return whether a file is wanted."""
        return all(_fits(_value(name, entity), values) for entity, values in self.wanted.items())


def read_filter(path: Path) -> BidsFilter:
    """Read a filter file: `{"megre": {"acquisition": "qsm", "run": [1, 2], "session": null}}`.

    Other keys than "megre" speak of other images, and are passed over.

    Raises
    ------
    InputError
        The file cannot be read, or names an entity that is none.
    """
    content = read_sidecar(path)
    query = content.get(KEY)
    if not isinstance(query, dict):
        raise InputError(f"{path} has no object {KEY!r}; write {{{KEY!r}: {{'acquisition': …}}}}")
    return BidsFilter({_entity(key, path): _values(value, key, path) for key, value in query.items()})


def _entity(key: str, path: Path) -> str:
    entity = _LONG.get(key, key)
    if entity not in (*ENTITY_ORDER, "suffix"):
        raise InputError(f"{path}: {key!r} is no entity of BIDS names; use e.g. session, acquisition, run, suffix")
    return entity


def _values(value: Any, key: str, path: Path) -> tuple[str, ...] | None:
    if value is None:
        return None
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(v, str | int) and not isinstance(v, bool) for v in values):
        raise InputError(f"{path}: {key} is {value!r}; give a label, a list of labels, or null where there is none")
    return tuple(str(v) for v in values)


def _value(name: BidsName, entity: str) -> str | None:
    return name.suffix if entity == "suffix" else name.entities.get(entity)


def _fits(value: str | None, wanted: tuple[str, ...] | None) -> bool:
    if wanted is None or value is None:
        return wanted is None and value is None
    return "*" in wanted or any(_same(value, w) for w in wanted)


def _same(a: str, b: str) -> bool:
    return a == b or (a.isdigit() and b.isdigit() and int(a) == int(b))
