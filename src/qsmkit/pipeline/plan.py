"""From a recipe and what is at hand to the steps that will run, before any of them does."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import qsmkit.method
from qsmkit.errors import RecipeError
from qsmkit.method import METHODS, Method
from qsmkit.pipeline.config import Recipe, Step
from qsmkit.volume import Scan

CONTEXT = ("grid", "echo_times", "field_strength")
"""Artifacts that every scan has."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step that will run: its method, all settings, and the artifacts that it will be given."""

    method: Method
    settings: Mapping[str, Any]
    inputs: tuple[str, ...]
    combine: Literal["and", "or"] | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order, and what was left out with the reason."""

    recipe: Recipe
    steps: tuple[PlannedStep, ...]
    skipped: tuple[tuple[str, str], ...]


def make_plan(recipe: Recipe, scan: Scan, given: Collection[str] = ()) -> Plan:
    """Decide which steps run.

    A step is skipped if its condition on the scan does not hold, or if the user gave what it is there to make (a given
    mask takes the place of all mask steps). Anything else that does not fit is an error, raised before work begins.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    scan : Scan
        The scan that it is for.
    given : collection of str
        Artifacts from the user: `mask`, `total_field`, ….

    Raises
    ------
    RecipeError
        A step needs an artifact that neither the scan nor an earlier step gives.
    """
    have = {*given, *CONTEXT, "phase", *(("magnitude",) if scan.magnitude is not None else ())}
    steps: list[PlannedStep] = []
    skipped: list[tuple[str, str]] = []
    for number, step in enumerate(recipe.step, 1):
        entry = qsmkit.method.get(step.method)
        reason = _condition(step, scan) or _superseded(entry, given)
        if reason:
            skipped.append((entry.name, reason))
            continue
        for need in entry.needs:
            if need not in have:
                makers = ", ".join(m.name for m in METHODS.values() if need in m.produces)
                raise RecipeError(
                    f"recipe {recipe.name}, step {number} ({entry.name}) needs {need}, which neither the scan nor an "
                    f"earlier step gives; give it" + (f", or put one of these before: {makers}" if makers else "")
                )
        inputs = (*entry.needs, *(name for name in entry.uses if name in have))
        combine = step.combine if "mask" in have else None
        steps.append(PlannedStep(entry, entry.check(step.settings), inputs, combine))
        have.update(entry.produces)
    if not steps:
        raise RecipeError(f"recipe {recipe.name} has nothing to do for this scan; every step was skipped")
    return Plan(recipe, tuple(steps), tuple(skipped))


def _condition(step: Step, scan: Scan) -> str:
    echoes = len(scan.echo_times)
    if echoes < step.min_echoes:
        return f"needs {step.min_echoes} echoes, the scan has {echoes}"
    if step.max_echoes is not None and echoes > step.max_echoes:
        return f"is for at most {step.max_echoes} echo{'es' if step.max_echoes > 1 else ''}, the scan has {echoes}"
    if step.bipolar is not None and step.bipolar != scan.bipolar:
        return f"is for {'bipolar' if step.bipolar else 'monopolar'} readouts only"
    if step.magnitude is not None and step.magnitude != (scan.magnitude is not None):
        return f"is for scans {'with' if step.magnitude else 'without'} magnitude only"
    return ""


def _superseded(entry: Method, given: Collection[str]) -> str:
    """Return why a step is not needed; the first product is what a method is there to make.

    A given mask is the user's word: no step makes, fills or trims another.
    """
    main = entry.produces[0]
    makes_anew = main not in entry.needs or entry.stage == "mask"
    return f"{main} was given" if main in given and makes_anew else ""
