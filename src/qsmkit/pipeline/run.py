"""Running a plan: artifacts flow from step to step by name, each with the key of how it came to be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qsmkit.arrays import AnyArray, BoolArray
from qsmkit.measure import Measure
from qsmkit.pipeline.cache import Cache, content_key
from qsmkit.pipeline.plan import Plan
from qsmkit.pipeline.step import StepRecord, key_of, output_keys, restricted, run_step, taken
from qsmkit.pipeline.uncertainty import REV, Uncertainty, repeat, route_of
from qsmkit.recon.referencing import reference_statistics
from qsmkit.recon.uncertainty.repeats import pooled_sd
from qsmkit.volume import Scan

Progress = Callable[[int, int, str], None]
"""Called before each step with its number from 1, the number of steps, the method's name; and once more at the end."""


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
    uncertainty : Uncertainty or None
        What repeats with new noise made of χ; None if the recipe asks for none.
    """

    scan: Scan
    plan: Plan
    artifacts: dict[str, AnyArray]
    brain_mask: BoolArray
    steps: list[StepRecord] = field(default_factory=list)
    reference: Measure | None = None
    uncertainty: Uncertainty | None = None

    @property
    def keys(self) -> list[str]:
        """Keys of all results, as `plan_keys` foretells them."""
        return _with_uncertainty(self.plan, [s.key for s in self.steps])

    @property
    def warnings(self) -> list[str]:
        """All warnings of reader and steps, each once, in order."""
        repeats = self.uncertainty.warnings if self.uncertainty else ()
        return list(dict.fromkeys((*self.scan.notes, *(w for s in self.steps for w in s.warnings), *repeats)))


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
    seen: list[dict[str, Any]] = []
    reference = None
    route = route_of(plan, scan, given or ()) if plan.recipe.uncertainty else None
    total = len(plan.steps) + plan.recipe.uncertainty
    for number, step in enumerate(plan.steps, 1):
        if progress:
            progress(number, total, step.method.name)
        seen.append({name: arrays[name] for name in taken(step)})
        products, record = run_step(step, seen[-1], keys, scan, cache)
        if step.method.stage == "reference":
            reference = reference_statistics(arrays["chi"], products["reference_mask"])
        arrays.update(products)
        keys.update(record.outputs)
        records.append(record)
        if step.method.stage == "mask" and "mask" in products:
            brain_mask = products["mask"]
    uncertainty = None
    if route:
        def repeating(number: int) -> None:
            if progress:
                progress(len(plan.steps) + number, total, "uncertainty")

        uncertainty = repeat(plan, scan, route, seen, arrays, keys["chi"], cache=cache, progress=repeating)
        arrays["sigma_chi"] = pooled_sd(uncertainty.deviations, uncertainty.mask, scan.grid)
    if progress:
        progress(total + 1, total, "done")
    if brain_mask is None:
        brain_mask = np.ones(scan.grid.shape, bool)
    for name in ("grid", "echo_times", "field_strength"):
        del arrays[name]
    return Result(scan, plan, arrays, brain_mask, records, reference, uncertainty)


def plan_keys(plan: Plan, scan: Scan, given: Mapping[str, AnyArray] | None = None) -> list[str]:
    """Return the key of each step's results, without running any: equal keys mean equal results."""
    keys = _input_keys(_inputs(scan, given), scan)
    made = []
    for step in plan.steps:
        key, _ = key_of(step, keys)
        keys |= output_keys(step, key)
        made.append(key)
    return _with_uncertainty(plan, made)


def _with_uncertainty(plan: Plan, keys: list[str]) -> list[str]:
    return [*keys, f"uncertainty-{REV}-{plan.recipe.uncertainty}"] if plan.recipe.uncertainty else keys


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
    return arrays | ({"mask": restricted(arrays["mask"], scan)} if "mask" in arrays else {})


def _input_keys(arrays: Mapping[str, Any], scan: Scan) -> dict[str, str]:
    """Return the keys of what the first step may use, and of `valid`, by which every mask is restricted."""
    keys = {name: content_key(value) for name, value in arrays.items()}
    return keys if scan.valid is None else keys | {"valid": content_key(scan.valid)}


