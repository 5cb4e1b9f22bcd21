"""One step of a run: its key, its execution, and the record of both."""

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from qsmkit.arrays import AnyArray, BoolArray
from qsmkit.errors import MaskError
from qsmkit.pipeline.cache import Cache, step_key
from qsmkit.pipeline.plan import PlannedStep
from qsmkit.volume import Scan


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What happened in one step.

    Attributes
    ----------
    key : str
        Key of the results, see `qsmkit.pipeline.cache`.
    method, stage, rev : str, str, int
        The method.
    settings : dict
        All settings, defaults included.
    inputs, outputs : dict
        Artifact name → key of its content's history.
    seconds : float
        Time that the work took (when it was done, if it came from the cache).
    cached : bool
        Whether the result was at hand.
    messages, warnings : list of str
        What solvers and checks said.
    """

    key: str
    method: str
    stage: str
    rev: int
    settings: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]
    seconds: float
    cached: bool
    messages: list[str]
    warnings: list[str]


def run_step(
    step: PlannedStep, given: Mapping[str, Any], keys: Mapping[str, str], scan: Scan, cache: Cache | None
) -> tuple[dict[str, AnyArray], StepRecord]:
    """Return a step's products, from the cache if they are there, and the record of how they came to be.

    Parameters
    ----------
    step : PlannedStep
        The step.
    given : mapping of str to array
        What it takes, as `taken` returns it.
    keys : mapping of str to str
        Keys of all artifacts.
    scan : Scan
        The scan, by whose finite voxels every mask is restricted.
    cache : Cache or None
        Where results are looked for and kept.
    """
    key, inputs = key_of(step, keys)
    found = cache.load(key) if cache else None
    if found:
        products, note = found
    else:
        start = time.perf_counter()
        with listening() as heard:
            products = execute(step, given, scan)
        note = {"seconds": time.perf_counter() - start, **heard}
        if cache:
            cache.store(key, products, note)
    record = StepRecord(
        key=key,
        method=step.method.name,
        stage=step.method.stage,
        rev=step.method.rev,
        settings=dict(step.settings),
        inputs=inputs,
        outputs=output_keys(step, key),
        seconds=note["seconds"],
        cached=found is not None,
        messages=note["messages"],
        warnings=note["warnings"],
    )
    return products, record


def execute(step: PlannedStep, given: Mapping[str, Any], scan: Scan) -> dict[str, AnyArray]:
    """Return a step's products by name."""
    made = step.method.function(**{name: given[name] for name in step.inputs}, **step.settings)
    products = dict(zip(step.method.produces, made if isinstance(made, tuple) else (made,), strict=True))
    if step.method.stage == "mask" and "mask" in products:
        products["mask"] = _combined(step, products["mask"], given, scan)
    return products


def taken(step: PlannedStep) -> tuple[str, ...]:
    """Return the names of all artifacts that a step takes."""
    return step.inputs if not step.combine or "mask" in step.inputs else (*step.inputs, "mask")


def key_of(step: PlannedStep, keys: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the key of a step's results, and the keys of its inputs."""
    names = [*step.inputs, *(("mask",) if step.combine else ())]
    if step.method.stage == "mask" and "valid" in keys:
        names.append("valid")
    inputs = {name: keys[name] for name in names}
    return step_key(step.method.name, step.method.rev, step.settings, inputs, step.combine), inputs


def output_keys(step: PlannedStep, key: str) -> dict[str, str]:
    """Return the keys of a step's products by name."""
    return {name: f"{key}-{name}" for name in step.method.produces}


def restricted(mask: AnyArray, scan: Scan) -> BoolArray:
    """Return the mask without voxels in which the scan has no finite value."""
    inside: BoolArray = np.asarray(mask, bool)
    if scan.valid is not None:
        inside = inside & scan.valid
    if not inside.any():
        raise MaskError("the mask holds no voxel with a finite measurement; check mask and scan")
    return inside


@contextmanager
def listening() -> Iterator[dict[str, list[str]]]:
    """Collect what is logged and warned inside, instead of letting it pass by."""
    heard: dict[str, list[str]] = {"messages": [], "warnings": []}

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard["messages"].append(record.getMessage())

    logger = logging.getLogger("qsmkit")
    ear, level = Ear(logging.INFO), logger.level
    logger.addHandler(ear)
    logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield heard
    finally:
        logger.removeHandler(ear)
        logger.setLevel(level)
    heard["warnings"] = [str(w.message) for w in caught]


def _combined(step: PlannedStep, mask: BoolArray, given: Mapping[str, Any], scan: Scan) -> BoolArray:
    if step.combine == "and":
        mask = mask & given["mask"]
    elif step.combine == "or":
        mask = mask | given["mask"]
    if not mask.any():
        raise MaskError(f"{step.method.name} leaves an empty mask; loosen its settings or give a mask")
    return restricted(mask, scan)
