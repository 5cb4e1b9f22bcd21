"""Checks of the field: wraps, noise, misfit, and whether its sources are dipoles along B0."""

import math

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.recon.checks.cone import cone_power
from qsmkit.recon.checks.continuity import jumps
from qsmkit.recon.checks.masks import PLAUSIBLE_BRAIN
from qsmkit.recon.checks.verdict import Check, check, grade
from qsmkit.units import radians_per_ppm

RESIDUAL_LIMIT = 0.3
"""Relative residual of the field fit beyond which a voxel is unreliable (Bilgic 2024)."""


def check_field_jumps(
    total_field: FloatArray, mask: BoolArray, echo_times: npt.NDArray[np.float64], field_strength: float
) -> Check:
    """Count neighbours whose field differs by more than half a turn over the echo spacing, as at a wrap."""
    spacing = float(np.diff(echo_times).min()) if len(echo_times) > 1 else float(echo_times[0])
    limit = math.pi / radians_per_ppm(field_strength, spacing)
    count, pairs = jumps(total_field, mask, limit)
    share = 100 * count / max(pairs, 1)
    return check(
        "wraps in the field", share, "%", pairs, f"share of neighbours more than {limit:.3g} ppm apart",
        grade(share, 0.02, 0.5),
        f"{count} of {pairs} pairs of neighbours differ by more than {limit:.3g} ppm, half a turn of phase "
        f"in {1000 * spacing:.3g} ms.",
    )  # fmt: skip


def check_field_sd(field_sd: FloatArray, mask: BoolArray) -> Check:
    """Say how noisy the field is."""
    values = 1000 * field_sd[mask]
    low, middle, high = np.percentile(values, (5, 50, 95))
    return check(
        "field noise", middle, "ppb", values.size, "median standard deviation, 5th to 95th percentile",
        grade(middle, 10, 50),
        "Standard deviation of the field in the typical voxel; a good 3 T scan has less than 10 ppb.",
        low, high,
    )  # fmt: skip


def check_fit(fit_residual: FloatArray, mask: BoolArray) -> Check:
    """Say in how many voxels the echoes do not fit one field."""
    values = fit_residual[mask]
    share = 100 * float(np.mean(values > RESIDUAL_LIMIT))
    return check(
        "poor field fit", share, "%", values.size, f"share of voxels with a residual > {RESIDUAL_LIMIT}",
        grade(share, 5, 20),
        f"Share of voxels whose signal misses the fitted field by more than {RESIDUAL_LIMIT:.0%}: flow, "
        "motion, air, or echoes that contradict each other.",
    )  # fmt: skip


def check_direction(local_field: FloatArray, mask: BoolArray, grid: Grid) -> Check:
    """Check that the local field is nil in k-space where dipoles along B0 make none: on the cone at the magic angle.

    Whatever the sources, their field vanishes on that cone. Where it does not, B0 is not where the affine says that it
    is, or the field is not one of dipoles. In a slab or a crop, sources beyond it spoil the pattern: there it is never
    more than a reason to look.
    """
    ratio = cone_power(local_field, mask, grid)
    whole = float(mask.sum()) * grid.voxel_volume / 1000 >= PLAUSIBLE_BRAIN[0]
    return check(
        "field on the dipole cone", ratio, "1", int(mask.sum()), "power on the magic-angle cone to power beside it",
        grade(ratio, 0.35, 0.95 if whole else math.inf),
        "Dipoles along B0 make no field there: near 1 means that the image's affine does not tell the true direction "
        "of B0, or that the field is corrupt.",
    )  # fmt: skip
