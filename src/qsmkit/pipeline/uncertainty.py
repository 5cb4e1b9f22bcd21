"""How sure χ is: the part of a plan that carries noise to χ, repeated with new noise.

Noise enters at the measured complex signal, and all steps that lead to χ run again, those that draw the mask too: where
the mask's edge falls, and the phase offset, depend on the noise, and with them the means of whole regions. Without
a magnitude, noise enters at the field, and masks stay as they are. Each repeat is kept in the cache, so that a run that
was killed goes on where it stopped.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import RecipeError
from qsmkit.pipeline.cache import Cache, content_key, step_key
from qsmkit.pipeline.plan import Plan
from qsmkit.pipeline.step import execute, listening, taken
from qsmkit.recon.field.noise import sigma_from_detail
from qsmkit.recon.field.voxel_average import noise_gain
from qsmkit.recon.uncertainty.noise import noise_share, signal_noise
from qsmkit.recon.uncertainty.repeats import noisy_field, noisy_signal, relative_uncertainty
from qsmkit.volume import Scan

REV = 1
"""Raise it whenever the same input would give other repeats."""


@dataclass(frozen=True, slots=True)
class Route:
    """How noise reaches χ.

    Attributes
    ----------
    source : tuple of str
        Artifacts that noise is added to: phase and magnitude, or the total field.
    start : int
        Number of steps that are done before.
    steps : tuple of int
        Numbers, from 0, of the steps to repeat.
    """

    source: tuple[str, ...]
    start: int
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """What repeats with new noise made of χ.

    Attributes
    ----------
    source : tuple of str
        Artifacts that noise was added to.
    methods : tuple of str
        Methods that were repeated.
    mask : (X, Y, Z) bool array
        Voxels that have a susceptibility.
    deviations : (N, K) float16 array
        χ of each repeat minus χ in ppm, in those voxels, in the order of `chi[mask]`; NaN where the repeat's own mask
        left a voxel out.
    noise : float
        SD of the noise that was added: to the signal, in the unit of the magnitude; or to the field, as a share of
        field_sd.
    reference_sd : float
        Standard deviation of what referencing subtracts, in ppm; NaN if nothing was referenced.
    seconds : float
        Time that all repeats took.
    cached : int
        Number of repeats that were at hand.
    warnings : list of str
        What solvers warned of, each once.
    """

    source: tuple[str, ...]
    methods: tuple[str, ...]
    mask: BoolArray
    deviations: FloatArray
    noise: float
    reference_sd: float
    seconds: float
    cached: int
    warnings: list[str]

    @property
    def repeats(self) -> int:
        """Number of repeats, K."""
        return int(self.deviations.shape[1])

    def volume(self) -> FloatArray:
        """Return the deviations in their place: (X, Y, Z, K) float32 array in ppm, NaN outside the repeats' masks."""
        volume = np.full((*self.mask.shape, self.repeats), np.nan, np.float32)
        volume[self.mask] = self.deviations
        return volume

    def as_dict(self) -> dict[str, Any]:
        """Return how it was made, and what it says of the map as a whole, as plain values for JSON."""
        return {
            "Method": "repeats with new noise",
            "NoiseAddedTo": list(self.source),
            "Repeated": list(self.methods),
            "Repeats": self.repeats,
            "RelativeUncertaintyOfSD": relative_uncertainty(self.repeats),
            "Noise": self.noise,
            "ReferenceSD_ppm": None if math.isnan(self.reference_sd) else self.reference_sd,
        }


def route_of(plan: Plan, scan: Scan, given: Collection[str] = ()) -> Route:
    """Return how noise of a scan reaches χ.

    Raises
    ------
    RecipeError
        Nothing tells the noise, or χ does not depend on what was measured.
    """
    makers = [i for i, step in enumerate(plan.steps) if "field_sd" in step.method.produces]
    routes: list[tuple[tuple[str, ...], int]] = []
    if scan.magnitude is not None:
        routes.append((("phase", "magnitude"), 0))
    if makers or {"total_field", "field_sd"} <= set(given):
        routes.append((("total_field",), makers[-1] + 1 if makers else 0))
    for source, start in routes:
        steps = _leading(plan, source, start)
        if steps:
            return Route(source, start, steps)
    raise RecipeError(
        f"recipe {plan.recipe.name} leads no noise to chi: it takes the scan's magnitude and phase, or a total_field "
        "with its field_sd; give them, add an inversion, or leave out uncertainty"
    )


def _leading(plan: Plan, source: tuple[str, ...], start: int) -> tuple[int, ...]:
    """Return the steps from `start` on through which `source` leads to χ; none if it does not."""
    signal = "phase" in source
    changed, touched = set(source), set()
    for i, step in enumerate(plan.steps[start:], start):
        if (signal or step.method.stage != "mask") and changed & set(taken(step)):
            touched.add(i)
            changed |= set(step.method.produces)
        else:
            changed -= set(step.method.produces)
    if "chi" not in changed:
        return ()
    wanted, leading = {"chi"}, []
    for i in range(len(plan.steps) - 1, start - 1, -1):
        step = plan.steps[i]
        if wanted & set(step.method.produces):
            wanted -= set(step.method.produces)
            if i in touched:
                leading.append(i)
                wanted |= set(taken(step))
    return tuple(reversed(leading))


def repeat(
    plan: Plan,
    scan: Scan,
    route: Route,
    inputs: Sequence[Mapping[str, Any]],
    artifacts: Mapping[str, Any],
    key: str,
    *,
    cache: Cache | None = None,
    progress: Callable[[int], None] | None = None,
) -> Uncertainty:
    """Repeat the reconstruction `plan.recipe.uncertainty` times, each time with new noise.

    Parameters
    ----------
    plan : Plan
        The plan, which was run.
    scan : Scan
        The scan.
    route : Route
        From `route_of`.
    inputs : sequence of mappings
        What each step was given.
    artifacts : mapping
        What the steps left: `chi`, `mask`, and `field_sd` if noise enters at the field.
    key : str
        Key of χ's history; with it the repeats' noise is drawn, so that the same reconstruction repeats itself.
    cache : Cache, optional
        Where repeats are looked for and kept.
    progress : callable, optional
        Called before each repeat with its number from 1.
    """
    chi = artifacts["chi"]
    mask = artifacts.get("mask", np.ones(chi.shape, bool))
    measured = {name: _entering(name, route, inputs, scan) for name in route.source}
    noise = _noise(plan, scan, route, artifacts, mask)
    if route.source == ("total_field",):
        measured["field_sd"] = artifacts["field_sd"] * np.float32(noise)
    keys = {"chi": key, **{name: content_key(x) for name, x in {**measured, "mask": mask, "noise": noise}.items()}}
    columns: list[FloatArray] = []
    notes: list[dict[str, Any]] = []
    cached = 0
    for number in range(plan.recipe.uncertainty):
        if progress:
            progress(number + 1)
        place = step_key("uncertainty", REV, {"repeat": number}, keys, None)
        found = cache.load(place) if cache else None
        if found is None:
            begun = time.perf_counter()
            with listening() as heard:
                noisy = _noisy(measured, noise, np.random.default_rng(int(place, 16)))
                reference = _run_again(plan, scan, route, inputs, noisy)
            deviation = np.where(noisy.get("mask", mask), noisy["chi"] - chi, np.nan)
            products = {"deviations": deviation[mask].astype(np.float16)}
            seconds = time.perf_counter() - begun
            note: dict[str, Any] = {"reference": reference, "seconds": seconds, "warnings": heard["warnings"]}
            if cache:
                cache.store(place, products, note)
        else:
            products, note = found
            cached += 1
        columns.append(products["deviations"])
        notes.append(note)
    return Uncertainty(
        route.source,
        tuple(plan.steps[i].method.name for i in route.steps),
        mask,
        np.stack(columns, axis=-1),
        noise,
        float(np.std([note["reference"] for note in notes], ddof=1)),
        float(sum(note["seconds"] for note in notes)),
        cached,
        list(dict.fromkeys(text for note in notes for text in note["warnings"])),
    )


def _entering(name: str, route: Route, inputs: Sequence[Mapping[str, Any]], scan: Scan) -> Any:
    """Return an artifact as it is before noise is added."""
    return inputs[route.steps[0]][name] if name == "total_field" else getattr(scan, name)


def _noise(plan: Plan, scan: Scan, route: Route, artifacts: Mapping[str, Any], mask: BoolArray) -> float:
    """Return σ of the signal, or for a route from the field the share of field_sd that is noise."""
    magnitude = scan.magnitude
    share = noise_share(artifacts["fit_residual"], magnitude, mask) if "fit_residual" in artifacts else 1.0
    if route.source == ("total_field",):
        return share
    assert magnitude is not None
    if "field_sd" not in artifacts:
        return sigma_from_detail(magnitude[..., -1], None, mask)
    share /= math.prod(
        noise_gain(magnitude.shape, taper=s.settings["taper"]) for s in plan.steps if s.method.name == "voxel_average"
    )
    offset = any(s.settings.get("offset") for s in plan.steps if "field_sd" in s.method.produces)
    return share * signal_noise(
        artifacts["field_sd"], magnitude, scan.echo_times, scan.field_strength, mask, offset=offset
    )


def _noisy(measured: Mapping[str, Any], noise: float, rng: np.random.Generator) -> dict[str, Any]:
    if "total_field" in measured:
        return {"total_field": noisy_field(measured["total_field"], measured["field_sd"], rng)}
    phase, magnitude = noisy_signal(measured["phase"], measured["magnitude"], noise, rng)
    return {"phase": phase, "magnitude": magnitude}


def _run_again(
    plan: Plan, scan: Scan, route: Route, inputs: Sequence[Mapping[str, Any]], noisy: dict[str, Any]
) -> float:
    """Carry what is noisy to χ, and return the mean that referencing subtracts (NaN without referencing)."""
    reference = float("nan")
    for i, step in enumerate(plan.steps[route.start :], route.start):
        if i not in route.steps:
            for name in step.method.produces:
                noisy.pop(name, None)
            continue
        given = {name: noisy.get(name, array) for name, array in inputs[i].items()}
        products = execute(step, given, scan)
        if step.method.stage == "reference":
            reference = float(given["chi"][products["reference_mask"]].mean(dtype=np.float64))
        noisy.update(products)
    return reference
