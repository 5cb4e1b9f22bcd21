"""Do the automatic checks fire where they should? Good heads, and the same broken in ways that happen.

    .venv/bin/python -m benchmarks.quality --head BIDS [BIDS ...] [--break] [--recipe default]

A row for each head and each way to break it: the outcome, and every check that is not ok with its number.
"""

import argparse
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import qsmkit.recon  # noqa: F401
from qsmkit.grid import Grid
from qsmkit.io.load import load
from qsmkit.pipeline.config import Recipe, load_recipe
from qsmkit.pipeline.reconstruct import reconstruct
from qsmkit.pipeline.run import Result
from qsmkit.recon.checks.verdict import overall
from qsmkit.recon.mask.morphology import grown
from qsmkit.reports.html import checks
from qsmkit.volume import Scan

Broken = tuple[Scan, Recipe, dict[str, Any]]


def flipped(scan: Scan, recipe: Recipe, good: Result) -> Broken:
    return replace(scan, phase=-scan.phase), recipe, {}


def wrapped(scan: Scan, recipe: Recipe, good: Result) -> Broken:
    """A block of 30 mm in which every echo misses a turn."""
    phase = good.artifacts["unwrapped_phase"].copy()
    middle = [n // 2 for n in scan.grid.shape]
    half = [round(15 / h) for h in scan.grid.voxel_size]
    phase[tuple(slice(m, m + 2 * h) for m, h in zip(middle, half, strict=True))] += np.float32(2 * np.pi)
    return scan, recipe, {"unwrapped_phase": phase}


def disordered(scan: Scan, recipe: Recipe, good: Result) -> Broken:
    """Second and third echo exchanged."""
    order = [0, 2, 1, *range(3, len(scan.echo_times))]
    assert scan.magnitude is not None
    return replace(scan, phase=scan.phase[..., order], magnitude=scan.magnitude[..., order]), recipe, {}


def moved(scan: Scan, recipe: Recipe, good: Result) -> Broken:
    """The head 4 mm to the side from the third echo on."""
    assert scan.magnitude is not None
    shift = round(4 / scan.grid.voxel_size[0])
    phase, magnitude = scan.phase.copy(), scan.magnitude.copy()
    for array in (phase, magnitude):
        array[..., 2:] = np.roll(array[..., 2:], shift, axis=0)
    return replace(scan, phase=phase, magnitude=magnitude), recipe, {}


def turned(scan: Scan, recipe: Recipe, good: Result) -> Broken:
    """An affine that is 40° off."""
    return replace(scan, grid=Grid.tilted(scan.grid.shape, scan.grid.voxel_size, tilt=40)), recipe, {}


def leaking(scan: Scan, recipe: Recipe, good: Result) -> Broken:
    """A mask 8 mm too large."""
    return scan, recipe, {"mask": grown(good.brain_mask, 8.0, scan.grid.voxel_size)}


def streaked(scan: Scan, recipe: Recipe, good: Result) -> Broken:
    """TKD with a threshold of 0.02."""
    steps = [s.model_dump(exclude_defaults=True) for s in recipe.step if s.method not in ("tfi", "reference_brain")]
    steps += [{"method": "revsharp"}, {"method": "tkd", "threshold": 0.02}, {"method": "reference_brain"}]
    return scan, Recipe.model_validate({"name": "streaked", "description": "too little", "step": steps}), {}


WAYS: dict[str, Callable[[Scan, Recipe, Result], Broken]] = {
    f.__name__: f for f in (flipped, wrapped, disordered, moved, turned, leaking, streaked)
}


def row(name: str, result: Result) -> None:
    found = checks(result)
    fired = "; ".join(f"{c.name} {c.measure.value:.3g} ({c.verdict})" for c in found if c.verdict != "ok")
    print(f"{name:<24}{overall(found):<8}{fired}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality", description=__doc__.split("\n\n")[0])
    parser.add_argument("--head", type=Path, nargs="+", required=True, help="BIDS data sets of one head each")
    parser.add_argument("--break", dest="broken", action="store_true", help="break each head, too")
    parser.add_argument("--recipe", default="default")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    recipe = load_recipe(arguments.recipe)
    for path in arguments.head:
        scan = load(path)
        assert isinstance(scan, Scan)
        good = reconstruct(scan, recipe)
        row(path.name, good)
        for name, way in WAYS.items() if arguments.broken else ():
            other, changed, given = way(scan, recipe, good)
            try:
                row(f"{path.name} {name}", reconstruct(other, changed, given=given))
            except Exception as error:
                print(f"{path.name + ' ' + name:<24}refused: {error}", flush=True)


if __name__ == "__main__":
    main()
