"""Values that are drawn anew for each patient, written in a scenario where any value may stand.

    {"uniform": [low, high]}                                    a number between two
    {"normal": {"mean": 62, "sd": 8, "low": 40, "high": 80}}    a normal one, drawn again until it lies within
    {"lognormal": {"median": 8, "spread": 1.8, "low": 3, "high": 25}}     the same for its logarithm
    {"integer": [low, high]}                                    a whole number, ends included
    {"poisson": {"mean": 8, "low": 1, "high": 40}}              a number of things
    {"choice": [a, b, c], "weights": [0.5, 0.3, 0.2]}           one of several, which may hold chance themselves

An object of a list that has the key "count" stands for so many objects, each drawn for itself.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from qsmkit.errors import ScenarioError

COUNT = "count"
MOST = 500
"""Largest count of one entry."""

TRIES = 1000
"""How often a value is drawn again that must lie between two bounds."""


def draw(tree: Any, rng: np.random.Generator, path: str = "", *, counted: bool = True) -> Any:
    """Return a tree of JSON values with every chance in it drawn.

    Parameters
    ----------
    tree : JSON value
        Numbers, texts, lists, mappings and None.
    rng : Generator
        Source of randomness.
    path : str
        Where the tree stands in its file, for complaints.
    counted : bool
        Whether an entry with a count becomes so many; one otherwise, so that entries keep their places.

    Raises
    ------
    ScenarioError
        A distribution has wrong parameters.
    """
    if isinstance(tree, list):
        entries = enumerate(tree)
        return [item for i, entry in entries for item in _items(entry, rng, f"{path}[{i}]", counted=counted)]
    if not isinstance(tree, Mapping):
        return tree
    kind = next((k for k in _KINDS if k in tree), None)
    if kind is None:
        under = {key: f"{path}.{key}" if path else key for key in tree}
        return {key: draw(value, rng, under[key], counted=counted) for key, value in tree.items()}
    extra = set(tree) - {kind, *(("weights",) if kind == "choice" else ())}
    if extra:
        raise ScenarioError(f"{path}.{kind}: {sorted(extra)[0]!r} does not belong beside it; take it out")
    try:
        return draw(_KINDS[kind](tree, rng), rng, path, counted=counted)
    except (TypeError, ValueError, KeyError) as error:
        raise ScenarioError(f"{path}: {dict(tree)} is no usable {kind} ({error}); correct its parameters") from error


def _items(entry: Any, rng: np.random.Generator, path: str, *, counted: bool) -> list[Any]:
    """Return what an entry of a list stands for, each with randomness of its own."""
    if not (isinstance(entry, Mapping) and COUNT in entry):
        return [draw(entry, rng.spawn(1)[0], path, counted=counted)]
    count = draw(entry[COUNT], rng, f"{path}.{COUNT}")
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST:
        raise ScenarioError(f"{path}.{COUNT} = {count!r} is not a whole number between 0 and {MOST}")
    one = {key: value for key, value in entry.items() if key != COUNT}
    return [draw(one, child, path, counted=counted) for child in rng.spawn(count if counted else 1)]


def _uniform(tree: Mapping[str, Any], rng: np.random.Generator) -> float:
    low, high = _ends(tree["uniform"])
    return float(rng.uniform(low, high))


def _integer(tree: Mapping[str, Any], rng: np.random.Generator) -> int:
    low, high = _ends(tree["integer"])
    return int(rng.integers(int(low), int(high), endpoint=True))


def _normal(tree: Mapping[str, Any], rng: np.random.Generator) -> float:
    p = _parameters(tree["normal"], "mean", "sd")
    return _within(p, lambda: float(rng.normal(p["mean"], p["sd"])))


def _lognormal(tree: Mapping[str, Any], rng: np.random.Generator) -> float:
    p = _parameters(tree["lognormal"], "median", "spread")
    return _within(p, lambda: float(p["median"] * p["spread"] ** rng.normal()))


def _poisson(tree: Mapping[str, Any], rng: np.random.Generator) -> int:
    p = _parameters(tree["poisson"], "mean")
    return int(_within(p, lambda: float(rng.poisson(p["mean"]))))


def _choice(tree: Mapping[str, Any], rng: np.random.Generator) -> Any:
    options = tree["choice"]
    weights = np.asarray(tree.get("weights", [1] * len(options)), np.float64)
    if not isinstance(options, list) or not options or weights.shape != (len(options),):
        raise ValueError("it needs a list of options, and as many weights or none")
    if not (weights >= 0).all() or weights.sum() <= 0:
        raise ValueError("weights must not be negative, nor all zero")
    return options[int(rng.choice(len(options), p=weights / weights.sum()))]


_KINDS: Mapping[str, Callable[[Mapping[str, Any], np.random.Generator], Any]] = {
    "uniform": _uniform, "integer": _integer, "normal": _normal, "lognormal": _lognormal, "poisson": _poisson,
    "choice": _choice,
}  # fmt: skip


def _ends(value: Any) -> tuple[float, float]:
    low, high = (float(v) for v in value)
    if not low <= high:
        raise ValueError(f"{low:g} exceeds {high:g}")
    return low, high


def _parameters(value: Mapping[str, Any], *names: str) -> dict[str, float]:
    unknown = set(value) - {*names, "low", "high"}
    if unknown:
        raise ValueError(f"{sorted(unknown)[0]!r} is not one of {', '.join((*names, 'low', 'high'))}")
    found = {name: float(value[name]) for name in names}
    low, high = _ends((value.get("low", -np.inf), value.get("high", np.inf)))
    return {**found, "low": low, "high": high}


def _within(bounds: Mapping[str, float], once: Callable[[], float]) -> float:
    for _ in range(TRIES):
        value = once()
        if bounds["low"] <= value <= bounds["high"]:
            return value
    raise ValueError(f"nothing fell between {bounds['low']:g} and {bounds['high']:g} in {TRIES} tries")
