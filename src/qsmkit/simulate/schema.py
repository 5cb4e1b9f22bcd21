"""Values as JSON has them, made into frozen dataclasses, every complaint with the path of the value.

A dataclass is its own schema: field names are the keys, annotations give type and bounds (`annotated_types`), a
field without default must be there, and `__post_init__` checks what concerns several fields. Where one of several
dataclasses may stand, the key "kind" tells which; the rest of the language is numbers, texts, lists and null.
"""

import dataclasses
import difflib
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
    hints = typing.get_type_hints(made, include_extras=True)
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


def _value(wanted: Any, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(wanted):
        return read(typing.cast(type[Any], wanted), value, path)
    origin, options = typing.get_origin(wanted), typing.get_args(wanted)
    choices = [o for o in options if dataclasses.is_dataclass(o)]
    if origin in (typing.Union, types.UnionType) and choices:
        return None if value is None and type(None) in options else _one_of(choices, value, path)
    if origin is tuple and options[-1:] == (...,) and _holds_dataclasses(options[0]):
        if not isinstance(value, list | tuple):
            raise ScenarioError(f"{path}: {value!r} is not a list; write […]")
        return tuple(_value(options[0], item, f"{path}[{i}]") for i, item in enumerate(value))
    try:
        return fit("", Parameter(path, wanted, None, ""), value)
    except ParameterError as error:
        raise ScenarioError(str(error).removeprefix(": ")) from error


def _one_of(choices: list[Any], value: Any, path: str) -> Any:
    if len(choices) == 1:
        return read(choices[0], value, path)
    kinds = {k: c for c in choices for k in typing.get_args(typing.get_type_hints(c)["kind"])}
    if not isinstance(value, Mapping) or "kind" not in value:
        raise ScenarioError(f"{_under(path, 'kind')} is missing; it is one of {', '.join(kinds)}")
    if value["kind"] not in kinds:
        raise ScenarioError(f"{_under(path, 'kind')} = {value['kind']!r} is unknown; {_nearest(value['kind'], kinds)}")
    return read(kinds[value["kind"]], value, path)


def _holds_dataclasses(wanted: Any) -> bool:
    return any(dataclasses.is_dataclass(o) for o in (wanted, *typing.get_args(wanted)))


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _nearest(word: Any, known: Collection[str]) -> str:
    """Return advice for a word that is not among the known ones."""
    near = difflib.get_close_matches(str(word), known, 1)
    listed = ", ".join(sorted(known))
    return f"did you mean {near[0]!r}? there are {listed}" if near else f"there are {listed}"
