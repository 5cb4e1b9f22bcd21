"""Running a plan: artifacts flow from step to step by name, each with the key of how it came to be."""

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qsmkit.arrays import AnyArray, BoolArray
from qsmkit.errors import MaskError
from qsmkit.measure import Measure
from qsmkit.pipeline.cache import Cache, content_key, step_key
from qsmkit.pipeline.plan import Plan, PlannedStep
from qsmkit.recon.referencing import reference_statistics
from qsmkit.volume import Scan

Progress = Callable[[int, int, str], None]
"""Called before each step with its number from 1, the number of steps, the method's name; and once more at the end."""


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


@dataclass(frozen=True, slots=True)
class Result:
    """A reconstruction.

    Attributes
    ----------
    scan : Scan
        What went in.
    plan : Plan
        What was done.
    artifacts : dict
        The last version of every artifact, on the scan's grid.
    brain_mask : (X, Y, Z) bool array
        The mask as the mask steps (or the user) left it; `artifacts["mask"]` may be smaller after background removal.
    steps : list of StepRecord
        How each step went.
    reference : Measure or None
        Mean ± SD of χ over the reference region before it was set to zero, ppm; None if nothing was referenced.
    """

    scan: Scan
    plan: Plan
    artifacts: dict[str, AnyArray]
    brain_mask: BoolArray
    steps: list[StepRecord] = field(default_factory=list)
    reference: Measure | None = None

    @property
    def warnings(self) -> list[str]:
        """All warnings of reader and steps, each once, in order."""
        return list(dict.fromkeys((*self.scan.notes, *(w for s in self.steps for w in s.warnings))))


def run(
    plan: Plan,
    scan: Scan,
    *,
    given: Mapping[str, AnyArray] | None = None,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run every step of a plan on a scan.

    Parameters
    ----------
    plan : Plan
        Made by `make_plan` for this scan.
    scan : Scan
        The scan.
    given : mapping, optional
        Artifacts from the user, on the scan's grid: they stand in for the steps that would make them.
    cache : Cache, optional
        Where results are kept and looked for.
    progress : callable, optional
        Told of each step.

    Raises
    ------
    QsmkitError
        Whatever a step raises. Results of finished steps stay in the cache.
    """
    arrays = _inputs(scan, given)
    keys = _input_keys(arrays, scan)
    brain_mask = arrays.get("mask")
    records: list[StepRecord] = []
    reference = None
    for number, step in enumerate(plan.steps, 1):
        if progress:
            progress(number, len(plan.steps), step.method.name)
        products, record = _run_step(step, arrays, keys, scan, cache)
        if step.method.stage == "reference":
            reference = reference_statistics(arrays["chi"], products["reference_mask"])
        arrays.update(products)
        keys.update(record.outputs)
        records.append(record)
        if step.method.stage == "mask" and "mask" in products:
            brain_mask = products["mask"]
    if progress:
        progress(len(plan.steps) + 1, len(plan.steps), "done")
    if brain_mask is None:
        brain_mask = np.ones(scan.grid.shape, bool)
    for name in ("grid", "echo_times", "field_strength"):
        del arrays[name]
    return Result(scan, plan, arrays, brain_mask, records, reference)


def plan_keys(plan: Plan, scan: Scan, given: Mapping[str, AnyArray] | None = None) -> list[str]:
    """Return the key of each step's results, without running any: equal keys mean equal results."""
    keys = _input_keys(_inputs(scan, given), scan)
    made = []
    for step in plan.steps:
        key, _ = _key(step, keys)
        keys |= _output_keys(step, key)
        made.append(key)
    return made


def _inputs(scan: Scan, given: Mapping[str, AnyArray] | None) -> dict[str, Any]:
    """Return what the first step may use, by name."""
    arrays: dict[str, Any] = {
        "grid": scan.grid,
        "echo_times": scan.echo_times,
        "field_strength": scan.field_strength,
        "phase": scan.phase,
        **({"magnitude": scan.magnitude} if scan.magnitude is not None else {}),
        **(given or {}),
    }
    return arrays | ({"mask": _restricted(arrays["mask"], scan)} if "mask" in arrays else {})


def _input_keys(arrays: Mapping[str, Any], scan: Scan) -> dict[str, str]:
    """Return the keys of what the first step may use, and of `valid`, by which every mask is restricted."""
    keys = {name: content_key(value) for name, value in arrays.items()}
    return keys if scan.valid is None else keys | {"valid": content_key(scan.valid)}


def _key(step: PlannedStep, keys: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the key of a step's results, and the keys of its inputs."""
    names = [*step.inputs, *(("mask",) if step.combine else ())]
    if step.method.stage == "mask" and "valid" in keys:
        names.append("valid")
    inputs = {name: keys[name] for name in names}
    return step_key(step.method.name, step.method.rev, step.settings, inputs, step.combine), inputs


def _output_keys(step: PlannedStep, key: str) -> dict[str, str]:
    return {name: f"{key}-{name}" for name in step.method.produces}


def _run_step(
    step: PlannedStep, arrays: Mapping[str, Any], keys: Mapping[str, str], scan: Scan, cache: Cache | None
) -> tuple[dict[str, AnyArray], StepRecord]:
    entry = step.method
    key, inputs = _key(step, keys)
    found = cache.load(key) if cache else None
    if found:
        products, note = found
    else:
        start = time.perf_counter()
        with _listening() as heard:
            made = entry.function(**{name: arrays[name] for name in step.inputs}, **step.settings)
        products = dict(zip(entry.produces, made if isinstance(made, tuple) else (made,), strict=True))
        if entry.stage == "mask" and "mask" in products:
            products["mask"] = _combined(step, products["mask"], arrays, scan)
        note = {"seconds": time.perf_counter() - start, **heard}
        if cache:
            cache.store(key, products, note)
    record = StepRecord(
        key=key,
        method=entry.name,
        stage=entry.stage,
        rev=entry.rev,
        settings=dict(step.settings),
        inputs=inputs,
        outputs=_output_keys(step, key),
        seconds=note["seconds"],
        cached=found is not None,
        messages=note["messages"],
        warnings=note["warnings"],
    )
    return products, record


def _combined(step: PlannedStep, mask: BoolArray, arrays: Mapping[str, Any], scan: Scan) -> BoolArray:
    if step.combine == "and":
        mask = mask & arrays["mask"]
    elif step.combine == "or":
        mask = mask | arrays["mask"]
    if not mask.any():
        raise MaskError(f"{step.method.name} leaves an empty mask; loosen its settings or give a mask")
    return _restricted(mask, scan)


def _restricted(mask: AnyArray, scan: Scan) -> BoolArray:
    """Return the mask without voxels in which the scan has no finite value."""
    inside: BoolArray = np.asarray(mask, bool)
    if scan.valid is not None:
        inside = inside & scan.valid
    if not inside.any():
        raise MaskError("the mask holds no voxel with a finite measurement; check mask and scan")
    return inside


@contextmanager
def _listening() -> Iterator[dict[str, list[str]]]:
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
