"""Checks of what was measured where: facts, finite voxels, the brain mask and what it lost or holds too much."""

from collections.abc import Sequence

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.recon.checks.verdict import Check, check, grade

PLAUSIBLE_BRAIN = (700.0, 2000.0)
"""Volumes in mL between which the brain mask of a human lies, from the small child to the largest adult."""

DARK = 0.3
"""Magnitude of the first echo, as a share of the mask's median, below which a voxel is bone or air, not brain."""


def check_contradictions(told: Sequence[str]) -> Check:
    """Have a person decide what two sources say differently about the scan, such as its echo times."""
    return check("contradictions", len(told), "facts", len(told), "count", "look", "; ".join(told) + ".")


def check_finite(valid: BoolArray) -> Check:
    """Count voxels in which an echo had no finite value; `valid` is False there."""
    bad = int(valid.size - valid.sum())
    return check(
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
    return check(
        "brain mask volume", volume, "mL", count, "voxel count × voxel volume",
        "ok" if inside else "look",
        f"A whole human brain has {low:.0f} to {high:.0f} mL" + ("." if inside else
        ": right for a slab or a phantom, else look at the mask's outline."),
    )  # fmt: skip


def check_coverage(mask: BoolArray, brain_mask: BoolArray) -> Check:
    """Say how much of the brain mask has a susceptibility."""
    total = int(brain_mask.sum())
    share = 100 * float((mask & brain_mask).sum()) / total
    return check(
        "coverage", share, "%", total, "share of the brain mask's voxels",
        grade(-share, -80, -60),
        f"{100 - share:.1f} % of the brain mask, usually its rim, was given up by background removal.",
    )  # fmt: skip


def check_dark(magnitude: FloatArray, mask: BoolArray) -> Check:
    """Count voxels of the mask that are as dark in the first echo as bone and air: the mask leaks into the skull."""
    values = magnitude[..., 0][mask]
    share = 100 * float(np.mean(values < DARK * np.median(values)))
    return check(
        "dark voxels in the mask", share, "%", values.size,
        f"share of voxels below {DARK:g} × the median of the first echo",
        grade(share, 2, 10),
        "Brain is bright in the first echo; bone, air and voxels without signal are not, and their phase is noise.",
    )  # fmt: skip
