"""One call from a scan to its result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qsmkit.arrays import AnyArray
from qsmkit.pipeline.cache import Cache
from qsmkit.pipeline.config import Recipe, load_recipe
from qsmkit.pipeline.plan import Plan, make_plan
from qsmkit.pipeline.run import Progress, Result, run
from qsmkit.volume import Scan


def plan_for(
    scan: Scan,
    recipe: str | Recipe = "default",
    *,
    given: Mapping[str, AnyArray] | None = None,
    settings: Mapping[str, dict[str, Any]] | None = None,
    uncertainty: int | None = None,
) -> Plan:
    """Return what `reconstruct` would do with the same arguments."""
    chosen = load_recipe(recipe) if isinstance(recipe, str) else recipe
    if settings:
        chosen = chosen.with_settings(dict(settings))
    if uncertainty is not None:
        chosen = chosen.with_uncertainty(uncertainty)
    return make_plan(chosen, scan, given or ())


def reconstruct(
    scan: Scan,
    recipe: str | Recipe = "default",
    *,
    given: Mapping[str, AnyArray] | None = None,
    settings: Mapping[str, dict[str, Any]] | None = None,
    uncertainty: int | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Reconstruct a scan: wrapped phase in, referenced susceptibility out.

    Parameters
    ----------
    scan : Scan
        The scan, as `qsmkit.load` gives it.
    recipe : str or Recipe
        Name of a recipe, path of a .toml file, or a recipe.
    given : mapping of str to array, optional
        Artifacts on the scan's grid that stand in for the steps that make them, e.g. {"mask": brain}.
    settings : mapping, optional
        Changes to the recipe: {method: {setting: value}}.
    uncertainty : int, optional
        How often to repeat the reconstruction with new noise, for σ of χ in `artifacts["sigma_chi"]` and what
        `Result.uncertainty` tells of regions; the recipe's own number if omitted.
    cache : path, optional
        Folder in which results of steps are kept, so that running again is resuming.
    progress : callable, optional
        Told of each step, see `qsmkit.pipeline.run.Progress`.

    Returns
    -------
    Result
        All artifacts (χ in ppm, fields in ppm, R2* in 1/s, …), how they were made, and the reference.
    """
    plan = plan_for(scan, recipe, given=given, settings=settings, uncertainty=uncertainty)
    return run(plan, scan, given=given, cache=Cache(Path(cache)) if cache else None, progress=progress)
