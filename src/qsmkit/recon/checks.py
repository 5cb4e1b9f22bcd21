"""Automatic checks of a reconstruction: what a careful reader looks at first, as numbers with a verdict.

Each check is a function of arrays that returns a `Check`. Its limits are meant for a human head at 1.5 to
7 T; on a phantom or a thin slab it may ask for a look where nothing is wrong, and its sentence says what it
expected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

from qsmkit.arrays import AnyArray, BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.measure import Measure
from qsmkit.physics.box import Box
from qsmkit.physics.smv import clearance
from qsmkit.units import radians_per_ppm

Verdict = Literal["ok", "look", "bad"]
VERDICTS: tuple[Verdict, ...] = ("ok", "look", "bad")
"""From best to worst."""

PLAUSIBLE_BRAIN = (700.0, 2000.0)
"""Volumes in mL between which the brain mask of a human lies, from the small child to the largest adult."""

EXTREME_CHI = 0.5
"""Size of χ in ppm beyond which only calcium, bleeding, large veins, air or artefact lie."""

RESIDUAL_LIMIT = 0.3
"""Relative residual of the field fit beyond which a voxel is unreliable (Bilgic 2024)."""

EDGE = 5.0
"""Width in mm of the rim that the sign test leaves out: R2* is raised there by air, whatever the tissue."""

AVERAGED = 3.0
"""Edge in mm of the cube over which the sign test averages."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found.

    Attributes
    ----------
    name : str
        Short name for tables and JSON.
    measure : Measure
        The number behind the verdict.
    verdict : Verdict
        "ok", "look" (a person should look at this) or "bad" (do not use the maps before this is understood).
    text : str
        One sentence: what was found, and what it means.
    """

    name: str
    measure: Measure
    verdict: Verdict
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Return the check as plain values for JSON."""
        return {"name": self.name, "verdict": self.verdict, "text": self.text, **self.measure.as_dict()}


def overall(checks: Sequence[Check]) -> Verdict:
    """Return the worst verdict; "ok" if there are none."""
    return max((c.verdict for c in checks), key=VERDICTS.index, default="ok")


def headline(checks: Sequence[Check]) -> str:
    """Return the outcome in one line."""
    counts = {v: [c.name for c in checks if c.verdict == v] for v in ("bad", "look")}
    if not any(counts.values()):
        return f"all {len(checks)} checks passed"
    words = {"bad": "failed", "look": "to look at"}
    return "; ".join(f"{words[v]}: {', '.join(names)}" for v, names in counts.items() if names)


def run_checks(
    grid: Grid,
    mask: BoolArray,
    brain_mask: BoolArray,
    *,
    chi: FloatArray | None = None,
    r2star: FloatArray | None = None,
    total_field: FloatArray | None = None,
    field_sd: FloatArray | None = None,
    fit_residual: FloatArray | None = None,
    unwrapped_phase: FloatArray | None = None,
    echo_times: npt.ArrayLike | None = None,
    field_strength: float | None = None,
    valid: BoolArray | None = None,
) -> list[Check]:
    """Run every check for which there are data.

    Parameters
    ----------
    grid : Grid
        Geometry.
    mask : (X, Y, Z) bool array
        Voxels that have a susceptibility.
    brain_mask : (X, Y, Z) bool array
        The mask before background removal made it smaller.
    chi : (X, Y, Z) array, optional
        Susceptibility in ppm.
    r2star : (X, Y, Z) array, optional
        R2* in 1/s.
    total_field, field_sd : (X, Y, Z) array, optional
        Field shift and its standard deviation in ppm.
    fit_residual : (X, Y, Z) array, optional
        Relative residual of the field fit.
    unwrapped_phase : (X, Y, Z, E) array, optional
        Unwrapped phase in rad.
    echo_times : (E,) array, optional
        Echo times in s.
    field_strength : float, optional
        Main field in T.
    valid : (X, Y, Z) bool array, optional
        False where the scan had no finite value.

    Returns
    -------
    list of Check
        In the order of the processing.
    """
    box = Box.around(mask | brain_mask, grid, 0)

    def cropped(x: AnyArray | None) -> Any:
        return None if x is None else box.crop(x)

    inside, brain = box.crop(mask), box.crop(brain_mask)
    chi, r2star, total_field, field_sd, fit_residual, unwrapped_phase = map(
        cropped, (chi, r2star, total_field, field_sd, fit_residual, unwrapped_phase)
    )
    checks = [] if valid is None else [check_finite(valid)]
    checks += [check_volume(brain, grid), check_coverage(inside, brain)]
    if unwrapped_phase is not None:
        checks.append(check_unwrapping(unwrapped_phase, inside))
    if total_field is not None and echo_times is not None and field_strength is not None:
        checks.append(check_field_jumps(total_field, inside, np.asarray(echo_times), field_strength))
    if field_sd is not None:
        checks.append(check_field_sd(field_sd, inside))
    if fit_residual is not None:
        checks.append(check_fit(fit_residual, brain))
    if chi is not None:
        checks += [check_chi_range(chi, inside), check_extremes(chi, inside)]
    if chi is not None and r2star is not None:
        checks.append(check_sign(chi, r2star, inside, grid))
    return checks


def check_finite(valid: BoolArray) -> Check:
    """Count voxels in which an echo had no finite value; `valid` is False there."""
    bad = int(valid.size - valid.sum())
    return _check(
        "non-finite input", bad, "voxels", valid.size, "count",
        "look" if bad else "ok",
        f"{bad} of {valid.size} voxels held NaN or infinity and were left out of every mask." if bad
        else "Every voxel of the scan holds a finite value.",
    )  # fmt: skip


def check_volume(brain_mask: BoolArray, grid: Grid) -> Check:
    """Compare the brain mask's volume with that of a human brain."""
    count = int(brain_mask.sum())
    volume = count * grid.voxel_volume / 1000
    low, high = PLAUSIBLE_BRAIN
    inside = low <= volume <= high
    return _check(
        "brain mask volume", volume, "mL", count, "voxel count × voxel volume",
        "ok" if inside else "look",
        f"A whole human brain has {low:.0f} to {high:.0f} mL" + ("." if inside else
        ": right for a slab or a phantom, else look at the mask's outline."),
    )  # fmt: skip


def check_coverage(mask: BoolArray, brain_mask: BoolArray) -> Check:
    """Say how much of the brain mask has a susceptibility."""
    total = int(brain_mask.sum())
    share = 100 * float((mask & brain_mask).sum()) / total
    return _check(
        "coverage", share, "%", total, "share of the brain mask's voxels",
        _grade(-share, -80, -60),
        f"{100 - share:.1f} % of the brain mask, usually its rim, was given up by background removal.",
    )  # fmt: skip


def check_unwrapping(unwrapped_phase: FloatArray, mask: BoolArray) -> Check:
    """Count neighbours whose unwrapped phase differs by more than π, echo by echo; the worst echo decides."""
    found = [_jumps(unwrapped_phase[..., e], mask, math.pi) for e in range(unwrapped_phase.shape[-1])]
    pairs = found[0][1]
    counts = [count for count, _ in found]
    share = _percent(max(counts), pairs)
    return _check(
        "unwrapped phase", share, "%", pairs, "share of neighbours more than π apart, worst echo",
        _grade(share, 0.5, 5),
        f"Neighbours more than π apart, echo by echo: {', '.join(map(str, counts))} of {pairs}; a few are "
        "real around veins and air, sheets of them are wraps.",
    )  # fmt: skip


def check_field_jumps(
    total_field: FloatArray, mask: BoolArray, echo_times: npt.NDArray[np.float64], field_strength: float
) -> Check:
    """Count neighbours whose field differs by more than half a turn over the echo spacing, as at a wrap."""
    spacing = float(np.diff(echo_times).min()) if len(echo_times) > 1 else float(echo_times[0])
    limit = math.pi / radians_per_ppm(field_strength, spacing)
    count, pairs = _jumps(total_field, mask, limit)
    share = _percent(count, pairs)
    return _check(
        "wraps in the field", share, "%", pairs, f"share of neighbours more than {limit:.3g} ppm apart",
        _grade(share, 0.02, 0.5),
        f"{count} of {pairs} pairs of neighbours differ by more than {limit:.3g} ppm, half a turn of phase "
        f"in {1000 * spacing:.3g} ms.",
    )  # fmt: skip


def check_field_sd(field_sd: FloatArray, mask: BoolArray) -> Check:
    """Say how noisy the field is."""
    values = 1000 * field_sd[mask]
    low, middle, high = np.percentile(values, (5, 50, 95))
    return _check(
        "field noise", middle, "ppb", values.size, "median standard deviation, 5th to 95th percentile",
        _grade(middle, 10, 50),
        "Standard deviation of the field in the typical voxel; a good 3 T scan has less than 10 ppb.",
        low, high,
    )  # fmt: skip


def check_fit(fit_residual: FloatArray, mask: BoolArray) -> Check:
    """Say in how many voxels the echoes do not fit one field."""
    values = fit_residual[mask]
    share = 100 * float(np.mean(values > RESIDUAL_LIMIT))
    return _check(
        "poor field fit", share, "%", values.size, f"share of voxels with a residual > {RESIDUAL_LIMIT}",
        _grade(share, 5, 20),
        f"Share of voxels whose signal misses the fitted field by more than {RESIDUAL_LIMIT:.0%}: flow, "
        "motion, air, or echoes that contradict each other.",
    )  # fmt: skip


def check_chi_range(chi: FloatArray, mask: BoolArray) -> Check:
    """Compare the spread of χ with that of a brain."""
    values = chi[mask]
    low, middle, high = np.percentile(values, (1, 50, 99))
    spread = high - low
    return _check(
        "range of χ", middle, "ppm", values.size, "median, 1st to 99th percentile",
        "look" if spread < 0.05 or spread > 0.6 else "ok",
        f"98 % of the voxels lie within {spread:.3g} ppm; a brain has 0.1 to 0.5 ppm, less means "
        "over-smoothing or a wrong scale, more means noise or streaks.",
        low, high,
    )  # fmt: skip


def check_extremes(chi: FloatArray, mask: BoolArray) -> Check:
    """Say how many voxels have a χ that tissue does not have."""
    values = chi[mask]
    share = 100 * float(np.mean(np.abs(values) > EXTREME_CHI))
    return _check(
        "extreme χ", share, "%", values.size, f"share of voxels with |χ| > {EXTREME_CHI} ppm",
        _grade(share, 0.5, 3),
        f"Beyond ±{EXTREME_CHI} ppm lie only calcium, bleeding and large veins, or artefacts at the edge.",
    )  # fmt: skip


def check_sign(chi: FloatArray, r2star: FloatArray, mask: BoolArray, grid: Grid) -> Check:
    """Check that tissue with the largest R2* is paramagnetic, as iron and deoxyhaemoglobin make it.

    Median χ of the 2 % of the voxels with the largest R2*, minus that of all, for voxels at least `EDGE` mm
    inside the mask. Both maps are averaged over `AVERAGED` mm first, lest noise choose the voxels.
    Medians keep a calcification, which has a large R2* too, from deciding. A flipped phase makes it negative.
    """
    deep = clearance(mask, grid.voxel_size, EDGE) >= EDGE
    if deep.sum() < 1000:
        deep = mask
    width = [max(1, round(AVERAGED / h)) for h in grid.voxel_size]
    value, rate = (uniform_filter(x, width)[deep] for x in (chi, r2star))
    low, middle, high = np.percentile(value[rate >= np.percentile(rate, 98)], (25, 50, 75)) - np.median(value)
    verdict: Verdict = "ok" if middle > 0.01 else "bad" if middle < -0.01 else "look"
    meaning = {
        "ok": "Tissue with high R2* is paramagnetic, as pallidum and veins must be: the sign is right.",
        "look": "χ does not follow R2*; make sure by eye that pallidum and veins are bright.",
        "bad": "Tissue with high R2* is diamagnetic: in a brain this means that the sign of the phase is "
        "flipped; negate the phase and reconstruct again.",
    }[verdict]
    how = "χ where R2* is in its highest 2 %, minus the median of all; median and quartiles"
    return _check("sign of χ", middle, "ppm", round(0.02 * value.size), how, verdict, meaning, low, high)


def _check(
    name: str, value: float, unit: str, n: int, method: str, verdict: Verdict, text: str,
    low: float = math.nan, high: float = math.nan,
) -> Check:  # fmt: skip
    return Check(name, Measure(float(value), float(low), float(high), unit, n, method), verdict, text)


def _grade(value: float, look: float, bad: float) -> Verdict:
    """Return the verdict of a number that is better the smaller it is."""
    return "ok" if value <= look else "look" if value <= bad else "bad"


def _percent(count: int, total: int) -> float:
    return 100 * count / total if total else 0.0


def _jumps(x: FloatArray, mask: BoolArray, limit: float) -> tuple[int, int]:
    """Return how many pairs of face neighbours in the mask differ by more than `limit`, and of how many."""
    jumps = pairs = 0
    for axis in range(3):
        count = mask.shape[axis] - 1
        one, other = (tuple([slice(None)] * axis + [slice(k, k + count)]) for k in (0, 1))
        both = mask[one] & mask[other]
        jumps += int(np.count_nonzero((np.abs(x[other] - x[one]) > limit) & both))
        pairs += int(np.count_nonzero(both))
    return jumps, pairs
