"""Values as JSON has them, made into frozen dataclasses, every complaint with the path of the value.

A dataclass is its own schema: field names are the keys, annotations give type and bounds (`annotated_types`), a
field without default must be there, and `__post_init__` checks what concerns several fields. Where one of several
dataclasses may stand, the key "kind" tells which; the rest of the language is numbers, texts, lists and null.
"""

import dataclasses
import difflib
import functools
import itertools
import types
import typing
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from qsmkit.errors import InputError, ParameterError, ScenarioError
from qsmkit.method import Parameter, fit

T = TypeVar("T")


def read(made: type[T], tree: Any, path: str) -> T:
    """Return the dataclass that a tree of JSON values describes.

    Parameters
    ----------
    made : type
        The dataclass.
    tree : mapping
        Its values by field name.
    path : str
        Where the tree stands in its file, e.g. `visits[0].scans[1]`.

    Raises
    ------
    ScenarioError
        A key is unknown or lacking, or a value is not of its type or out of range.
    """
    if not isinstance(tree, Mapping):
        raise ScenarioError(f"{path}: {tree!r} is not an object of keys; write {{…}}")
    fields = {f.name: f for f in dataclasses.fields(made)}  # type: ignore[arg-type]  # a dataclass, by contract
    for key in tree:
        if key not in fields:
            raise ScenarioError(f"{_under(path, key)} is unknown; {_nearest(key, fields)}")
    hints = _hints(made)  # type: ignore[arg-type]  # classes are hashable
    values = {}
    for name, field in fields.items():
        if name in tree:
            values[name] = _value(hints[name], tree[name], _under(path, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ScenarioError(f"{_under(path, name)} is missing; add it")
    try:
        return made(**values)
    except InputError as error:
        raise ScenarioError(f"{path}: {error}" if path else str(error)) from error


@functools.cache
def _hints(made: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(made, include_extras=True)


def _value(wanted: Any, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(wanted):
        return read(typing.cast(type[Any], wanted), value, path)
    origin, options = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in options:
            return None
        rest = [o for o in options if o is not type(None)]
        return _value(rest[0], value, path) if len(rest) == 1 else _one_of(rest, value, path)
    if origin is tuple:
        kinds = itertools.repeat(options[0]) if options[-1] is ... else options
        if not isinstance(value, list | tuple) or (options[-1] is not ... and len(value) != len(options)):
            size = "" if options[-1] is ... else f" of {len(options)}"
            raise ScenarioError(f"{path} = {value!r} is not a list{size}; write […]")
        items = enumerate(zip(kinds, value, strict=False))
        return tuple(_value(kind, item, f"{path}[{i}]") for i, (kind, item) in items)
    try:
        return fit("", Parameter(path, wanted, None, ""), value)
    except ParameterError as error:
        raise ScenarioError(str(error).removeprefix(": ")) from error


def _one_of(choices: list[Any], value: Any, path: str) -> Any:
    kinds = {k: c for c in choices for k in typing.get_args(_hints(c)["kind"])}
    if not isinstance(value, Mapping) or "kind" not in value:
        raise ScenarioError(f"{_under(path, 'kind')} is missing; it is one of {', '.join(kinds)}")
    if not isinstance(value["kind"], str) or value["kind"] not in kinds:
        raise ScenarioError(f"{_under(path, 'kind')} = {value['kind']!r} is unknown; {_nearest(value['kind'], kinds)}")
    return read(kinds[value["kind"]], value, path)


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _nearest(word: Any, known: Collection[str]) -> str:
    """Return advice for a word that is not among the known ones."""
    near = difflib.get_close_matches(str(word), known, 1)
    listed = ", ".join(sorted(known))
    return f"did you mean {near[0]!r}? there are {listed}" if near else f"there are {listed}"
