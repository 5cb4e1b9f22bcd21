"""The registry of methods: a function's signature is its only schema.

`@method("inversion", produces="chi", cite="Shmueli2009", rev=1)` on a function makes it known by its name. Positional
parameters name the artifacts that it needs (those with a default of None are used when at hand), keyword-only
parameters are its settings. Command line, recipe validation, provenance, methods text and documentation are derived
from here; nothing is declared twice. Every call checks arrays against `artifacts.ARTIFACTS` and settings against their
annotations, so that methods hold only science.
"""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from qsmkit.arrays import as_float
from qsmkit.artifacts import ARTIFACTS
from qsmkit.errors import InputError, MaskError, MetadataError, ParameterError, ShapeError

P = ParamSpec("P")
R = TypeVar("R")

Stage = Literal[
    "unwrap", "field", "mask", "background", "inversion", "uncertainty", "reference", "relaxometry", "separation",
    "weighting",
]  # fmt: skip
STAGES: tuple[Stage, ...] = typing.get_args(Stage)

ENTRY_POINT_GROUP = "qsmkit.methods"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A keyword-only setting of a method, as its signature and docstring give it."""

    name: str
    annotation: Any
    default: Any
    help: str

    @property
    def type(self) -> Any:
        """The annotation without its bounds."""
        return typing.get_args(self.annotation)[0] if typing.get_origin(self.annotation) is typing.Annotated \
            else self.annotation

    @property
    def bounds(self) -> tuple[Any, ...]:
        """The bounds in the annotation: annotated_types' Gt, Ge, Lt, Le."""
        return typing.get_args(self.annotation)[1:] if typing.get_origin(self.annotation) is typing.Annotated else ()


@dataclass(frozen=True, slots=True)
class Method:
    """A registered method and everything that can be read off it."""

    name: str
    stage: Stage
    function: Callable[..., Any]
    needs: tuple[str, ...]
    uses: tuple[str, ...]
    produces: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    cite: tuple[str, ...]
    rev: int
    summary: str

    def check(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return all settings, defaults filled in, or raise ParameterError for an unknown or unfit one."""
        for name in settings:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise ParameterError(f"{self.name} has no parameter {name!r}; it has: {known}")
        return {
            name: fit(self.name, p, settings[name]) if name in settings else p.default
            for name, p in self.parameters.items()
        }


METHODS: dict[str, Method] = {}


def method(
    stage: Stage, *, produces: str | None = None, cite: str | tuple[str, ...], rev: int
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register a function as a method.

    Parameters
    ----------
    stage : Stage
        The stage of the reconstruction that it belongs to.
    produces : str, optional
        The artifact that it returns. A function with several products returns a NamedTuple whose fields name them,
        and leaves this out.
    cite : str or tuple of str
        Keys of its literature in `references.bib`.
    rev : int
        Raise it whenever the same input would give another output: cached results are then made anew.
    """

    def register(function: Callable[P, R]) -> Callable[P, R]:
        entry = _describe(function, stage, produces, (cite,) if isinstance(cite, str) else cite, rev)
        if entry.name in METHODS:
            raise InputError(f"a method named {entry.name!r} is registered already; choose another name")

        signature = inspect.signature(function)
        unchecked: Callable[..., R] = function

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = signature.bind(*args, **kwargs)
            settings = {k: v for k, v in bound.arguments.items() if k in entry.parameters}
            inputs = {k: v for k, v in bound.arguments.items() if k not in entry.parameters}
            made: R = unchecked(**_check_artifacts(entry.name, inputs), **entry.check(settings))
            return made

        METHODS[entry.name] = replace(entry, function=checked)
        return checked

    return register


def get(name: str) -> Method:
    """Return the method called `name`, or raise ParameterError with the nearest names."""
    if name not in METHODS:
        raise ParameterError(f"no method is called {name!r}; there are: {', '.join(sorted(METHODS))}")
    return METHODS[name]


def load_plugins() -> None:
    """Import every module that other packages offer in the entry-point group `qsmkit.methods`."""
    for point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        point.load()


def _describe(
    function: Callable[..., Any], stage: Stage, produces: str | None, cite: tuple[str, ...], rev: int
) -> Method:
    hints = typing.get_type_hints(function, include_extras=True)
    documented = _parameter_help(inspect.getdoc(function) or "")
    positional, settings = [], {}
    for p in inspect.signature(function).parameters.values():
        if p.kind is p.KEYWORD_ONLY:
            settings[p.name] = Parameter(p.name, hints[p.name], p.default, documented.get(p.name, ""))
        else:
            positional.append(p)
    products = (produces,) if produces else tuple(getattr(hints["return"], "_fields", ()))
    for artifact in (*[p.name for p in positional], *products):
        if artifact not in ARTIFACTS:
            raise InputError(f"{function.__name__}: {artifact!r} is not in the artifact table; add it there first")
    if not products:
        raise InputError(f"{function.__name__} names no product; pass produces= or return a NamedTuple")
    return Method(
        name=function.__name__,
        stage=stage,
        function=function,
        needs=tuple(p.name for p in positional if p.default is p.empty),
        uses=tuple(p.name for p in positional if p.default is not p.empty),
        produces=products,
        parameters=settings,
        cite=cite,
        rev=rev,
        summary=(inspect.getdoc(function) or "").split("\n", 1)[0].rstrip("."),
    )


def _parameter_help(doc: str) -> dict[str, str]:
    """Return the text of each entry in a numpydoc Parameters section."""
    section = re.search(r"Parameters\n-+\n(.*?)(?:\n\n\w+\n-+\n|\Z)", doc, re.S)
    found: dict[str, str] = {}
    if section:
        for names, text in re.findall(r"^(\w[\w, ]*?) : .*\n((?:(?: {4}.*)?\n?)*)", section[1] + "\n", re.M):
            found |= {name.strip(): " ".join(text.split()) for name in names.split(",")}
    return found


def _check_artifacts(who: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs with arrays in their right type, or raise for the first that is unfit."""
    grid = inputs.get("grid")
    checked = {}
    for name, value in inputs.items():
        kind = ARTIFACTS[name].kind
        if value is None or kind == "grid":
            checked[name] = value
        elif kind == "value":
            checked[name] = float(_check_ascending(who, name, value)[0])
        elif kind == "vector":
            checked[name] = _check_ascending(who, name, value)
        elif kind == "directions":
            checked[name] = _check_directions(who, name, value)
        else:
            checked[name] = _check_array(who, name, np.asarray(value), grid.shape if grid is not None else None)
    axis = {"vector": 0, "series": 3, "coils": 3}
    echoes = {k: v.shape[axis[kind]] for k, v in checked.items()
              if (kind := ARTIFACTS[k].kind) in axis and v is not None}  # fmt: skip
    if len(set(echoes.values())) > 1:
        raise ShapeError(f"{who}: numbers of echoes differ: {echoes}; give one volume per echo time")
    turns = {k: len(v) if ARTIFACTS[k].kind == "directions" else v.shape[-1] for k, v in checked.items()
             if ARTIFACTS[k].kind in ("orientations", "directions") and v is not None}  # fmt: skip
    if len(set(turns.values())) > 1:
        raise ShapeError(f"{who}: numbers of orientations differ: {turns}; give one volume per direction of B0")
    return checked


def _check_directions(who: str, name: str, value: Any) -> Any:
    """Return unit vectors, of which a flat list is no exception, one a row."""
    rows = np.asarray(value, np.float64)
    if rows.size % 3 or not rows.size or not np.allclose(np.linalg.norm(rows.reshape(-1, 3), axis=1), 1, atol=0.02):
        raise MetadataError(f"{who}: {name} = {rows.tolist()} are not unit vectors; give x, y, z of each in voxel axes")
    rows = rows.reshape(-1, 3)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _check_ascending(who: str, name: str, value: Any) -> Any:
    """Return numbers, of which one is no exception, as a vector: positive, finite and ascending."""
    numbers = np.atleast_1d(np.asarray(value, np.float64))
    if numbers.ndim != 1 or not (np.isfinite(numbers).all() and (np.diff(numbers, prepend=0) > 0).all()):
        unit = ARTIFACTS[name].unit
        raise MetadataError(f"{who}: {name} = {value} {unit} must be finite, positive and ascending; correct it")
    return numbers


def _check_array(who: str, name: str, array: Any, shape: tuple[int, ...] | None) -> Any:
    kind = ARTIFACTS[name].kind
    last = {"series": "echo axis", "ensemble": "axis of repeats", "orientations": "axis of orientations",
            "coils": "echo axis fourth, the axis of coils"}  # fmt: skip
    ndim = 5 if kind == "coils" else 4 if kind in last else 3
    if array.ndim != ndim:
        hint = f"; add the {last[kind]} last" if kind in last else ""
        raise ShapeError(f"{who}: {name} has shape {array.shape}, not {ndim} dimensions{hint}")
    if shape is not None and array.shape[:3] != shape:
        raise ShapeError(f"{who}: {name} has shape {array.shape}, but the grid has {shape}")
    if kind == "mask":
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise MaskError(f"{who}: {name} has voxels that are not finite; give 0 outside and 1 inside")
        array = array.astype(bool, copy=False)
        if not array.any():
            raise MaskError(f"{who}: {name} is empty; check how it was made")
        return array
    array = as_float(array)
    if not np.isfinite(array.sum()):
        bad = int(array.size - np.isfinite(array).sum())
        raise InputError(f"{who}: {name} has {bad} voxels that are not finite; set them to 0 and mask them out")
    return array


def fit(who: str, p: Parameter, value: Any) -> Any:
    """Return `value` converted to the parameter's type, or raise ParameterError if it is unfit or out of bounds."""
    converted = _convert(p.type, value)
    if converted is _UNFIT:
        raise ParameterError(f"{who}: {p.name} = {value!r} is not {_name(p.type)}")
    for bound in p.bounds if converted is not None else ():
        if any(not _holds(bound, v) for v in (converted if isinstance(converted, tuple) else (converted,))):
            raise ParameterError(f"{who}: {p.name} = {value!r} is out of range; it must be {_say(bound)}")
    return converted


_UNFIT = object()


def _convert(wanted: Any, value: Any) -> Any:
    origin, options = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return next((c for c in (_convert(o, value) for o in options) if c is not _UNFIT), _UNFIT)
    if origin is Literal:
        return value if value in options else _UNFIT
    if origin is tuple:
        items = tuple(value) if isinstance(value, list | tuple) else _UNFIT
        kinds = options[:1] * len(items) if items is not _UNFIT and options[-1:] == (...,) else options  # type: ignore[arg-type]
        if items is _UNFIT or len(items) != len(kinds):  # type: ignore[arg-type]
            return _UNFIT
        made = tuple(_convert(k, v) for k, v in zip(kinds, items, strict=True))  # type: ignore[call-overload]
        return _UNFIT if _UNFIT in made else made
    if wanted is type(None):
        return None if value is None else _UNFIT
    if wanted is float and isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return float(value)
    if wanted is int and isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    return value if isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool)) else _UNFIT


def _holds(bound: Any, value: Any) -> bool:
    return not (
        (isinstance(bound, Gt) and not value > bound.gt)
        or (isinstance(bound, Ge) and not value >= bound.ge)
        or (isinstance(bound, Lt) and not value < bound.lt)
        or (isinstance(bound, Le) and not value <= bound.le)
    )


def _say(bound: Any) -> str:
    signs = {Gt: "greater than", Ge: "at least", Lt: "less than", Le: "at most"}
    return f"{signs[type(bound)]} {getattr(bound, type(bound).__name__.lower())}"


def _name(wanted: Any) -> str:
    if typing.get_origin(wanted) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(wanted)))
    return {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}.get(wanted, str(wanted))
