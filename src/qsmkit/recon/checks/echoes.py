"""Checks of the echoes: wraps left in one of them, and echoes that contradict each other."""

import math

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.recon.checks.continuity import islands, jumps
from qsmkit.recon.checks.verdict import Check, check, grade
from qsmkit.units import radians_per_ppm

ISLAND = 20
"""Fewest voxels of an island that may be a wrap; what is smaller may be a vein."""

PATTERN = 8.0
"""Edge in mm of the cube over which residuals are averaged: noise averages out, what is wrong all over it stays."""


def check_unwrapping(unwrapped_phase: FloatArray, mask: BoolArray) -> Check:
    """Count neighbours whose unwrapped phase differs by more than π, echo by echo; the worst echo decides."""
    found = [jumps(unwrapped_phase[..., e], mask, math.pi) for e in range(unwrapped_phase.shape[-1])]
    pairs = found[0][1]
    counts = [count for count, _ in found]
    share = 100 * max(counts) / max(pairs, 1)
    return check(
        "unwrapped phase", share, "%", pairs, "share of neighbours more than π apart, worst echo",
        grade(share, 0.5, 5),
        f"Neighbours more than π apart, echo by echo: {', '.join(map(str, counts))} of {pairs}; a few are "
        "real around veins and air, sheets of them are wraps.",
    )  # fmt: skip


def check_islands(unwrapped_phase: FloatArray, mask: BoolArray, grid: Grid) -> Check:
    """Measure what jumps of more than π cut off from the rest: a wrap that closes on itself; the worst echo decides."""
    echoes = range(unwrapped_phase.shape[-1])
    cut = [islands(unwrapped_phase[..., e], mask, math.pi, smallest=ISLAND) for e in echoes]
    volume = max(cut) * grid.voxel_volume / 1000
    return check(
        "wrapped islands", volume, "mL", int(mask.sum()), f"volume of islands of {ISLAND} voxels and more, worst echo",
        grade(volume, 0.5, 20),
        f"Voxels cut off by jumps of more than π, echo by echo: {', '.join(map(str, cut))}; they miss whole turns.",
    )  # fmt: skip


def check_echoes(
    phase: FloatArray, magnitude: FloatArray | None, total_field: FloatArray, echo_times: npt.NDArray[np.float64],
    field_strength: float, mask: BoolArray, grid: Grid,
) -> Check:  # fmt: skip
    """Check that all echoes tell one field, place by place.

    The fitted field is taken out of every echo and the signal averaged over cubes of `PATTERN` mm. The phase left over
    should be nil; it is not where the head moved from echo to echo, echoes or echo times are in the wrong order, or an
    offset of the phase was left in.
    """
    width = [max(1, round(PATTERN / h)) for h in grid.voxel_size]
    rest = []
    for e, time in enumerate(echo_times):
        turn = phase[..., e] - np.float32(radians_per_ppm(field_strength, float(time))) * total_field
        strength = mask * (magnitude[..., e] if magnitude is not None else np.float32(1))
        real, imaginary = (uniform_filter(strength * f(turn), width) for f in (np.cos, np.sin))
        rest.append(float(np.sqrt(np.mean(np.arctan2(imaginary, real)[mask] ** 2))))
    worst = int(np.argmax(rest))
    return check(
        "echoes against each other", rest[worst], "rad", int(mask.sum()),
        f"root mean square over the mask of the phase that {PATTERN:g} mm cubes keep, worst echo",
        grade(rest[worst], 0.05, 0.2),
        f"Phase that the fitted field does not explain, echo by echo: {', '.join(f'{r:.2g}' for r in rest)} rad; "
        "motion between echoes, echo times out of order, or an offset left in.",
    )  # fmt: skip
