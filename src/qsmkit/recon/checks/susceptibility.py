"""Checks of χ: its range, its sign, its nuclei, its streaks, its rim and its noise."""

import numpy as np
from scipy.ndimage import uniform_filter

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.physics.smv import clearance
from qsmkit.recon.checks.cone import cone_power
from qsmkit.recon.checks.verdict import Check, Verdict, check, grade

EXTREME_CHI = 0.5
"""Size of χ in ppm beyond which only calcium, bleeding, large veins, air or artefact lie."""

DEEP, EDGE = 20.0, 5.0
"""Depths in mm below which nuclei lie, and to which R2* is raised by air, whatever the tissue."""

RIM = 3.0
"""Width of the rim in mm."""

AVERAGED = 3.0
"""Edge in mm of the cube over which the tests of sign and nuclei average."""

DEEP_GREY = (0.03, 0.35)
"""Difference in ppm between the iron-rich nuclei and the brain around them: pallidum of a child to that of the old."""


def check_chi_range(chi: FloatArray, mask: BoolArray) -> Check:
    """Compare the spread of χ with that of a brain."""
    values = chi[mask]
    low, middle, high = np.percentile(values, (1, 50, 99))
    spread = high - low
    return check(
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
    return check(
        "extreme χ", share, "%", values.size, f"share of voxels with |χ| > {EXTREME_CHI} ppm",
        grade(share, 0.5, 3),
        f"Beyond ±{EXTREME_CHI} ppm lie only calcium, bleeding and large veins, or artefacts at the edge.",
    )  # fmt: skip


def check_sign(chi: FloatArray, r2star: FloatArray, mask: BoolArray, grid: Grid) -> Check:
    """Check that tissue with the largest R2* is paramagnetic, as iron and deoxyhaemoglobin make it.

    Median χ of the 2 % of the voxels with the largest R2*, minus that of all, for voxels at least `DEEP` mm inside the
    mask (`EDGE` mm if these are few): nearer to the edge, air at the skull's base raises R2*, at 7 T most of all. Both
    maps are averaged over `AVERAGED` mm first, lest noise choose the voxels. Medians keep a calcification, which has a
    large R2* too, from deciding. A flipped phase makes it negative.
    """
    depth = clearance(mask, grid.voxel_size, DEEP + max(grid.voxel_size))
    deep = next((depth >= d for d in (DEEP, EDGE) if (depth >= d).sum() >= 1000), mask)
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
    return check("sign of χ", middle, "ppm", round(0.02 * value.size), how, verdict, meaning, low, high)


def check_deep_grey(chi: FloatArray, mask: BoolArray, grid: Grid) -> Check:
    """Compare χ of the most paramagnetic tissue deep in the brain with that of iron-rich nuclei.

    99th percentile of χ, averaged over `AVERAGED` mm, more than `DEEP` mm inside the mask, minus the median there.
    """
    deep = clearance(mask, grid.voxel_size, DEEP + max(grid.voxel_size)) >= DEEP
    deep = deep if deep.sum() >= 1000 else mask
    values = uniform_filter(chi, [max(1, round(AVERAGED / h)) for h in grid.voxel_size])[deep]
    high = float(np.percentile(values, 99) - np.median(values))
    low, top = DEEP_GREY
    return check(
        "deep grey matter", high, "ppm", values.size, f"99th percentile of χ at {DEEP:g} mm depth, minus the median",
        "ok" if low <= high <= top else "look",
        f"Iron-rich nuclei lie {low:g} to {top:g} ppm above the brain around them in a whole head; less means "
        "over-smoothing, a wrong scale or a flipped sign, more means artefact, calcium or bleeding.",
    )  # fmt: skip


def check_streaks(chi: FloatArray, mask: BoolArray, grid: Grid) -> Check:
    """Compare the power of χ on the dipole's zero cone, where streaks lie and tissue does not, with that beside it."""
    ratio = cone_power(chi, mask, grid)
    return check(
        "streaks", ratio, "1", int(mask.sum()), "power on the magic-angle cone to power beside it",
        grade(ratio, 1.3, 4),
        "1 for tissue, whose structure has no direction; less where an inversion damps the cone; more means streaks.",
    )  # fmt: skip


def check_rim(chi: FloatArray, mask: BoolArray, grid: Grid) -> Check:
    """Compare the spread of χ in the outermost rim with that deeper inside."""
    depth = clearance(mask, grid.voxel_size, DEEP)
    rim, inner = chi[mask & (depth <= RIM)], chi[depth > 2 * RIM]
    if rim.size < 100 or inner.size < 100:
        text = "There is no inner part to compare with."
        return check("rim", float("nan"), "1", rim.size, "the mask is too thin", "ok", text)
    spread, inside = (np.subtract(*np.percentile(x, (84, 16))) / 2 for x in (rim, inner))
    ratio = float(spread / inside) if inside > 0 else float("inf")
    return check(
        "rim", ratio, "1", rim.size, f"spread of χ in the outermost {RIM:g} mm to that deeper than {2 * RIM:g} mm",
        grade(ratio, 4, 12),
        f"Median of the rim minus that inside: {np.median(rim) - np.median(inner):+.3f} ppm. A wide spread means that "
        "background field or unreliable voxels are left at the edge.",
    )  # fmt: skip


def check_noise(sigma_chi: FloatArray, mask: BoolArray) -> Check:
    """Say how noisy χ is."""
    low, middle, high = np.percentile(1000 * sigma_chi[mask], (5, 50, 95))
    return check(
        "noise of χ", middle, "ppb", int(mask.sum()), "median standard deviation, 5th to 95th percentile",
        grade(middle, 20, 60),
        "Random error of χ in the typical voxel; 20 ppb hide the contrast between grey and white matter.",
        low, high,
    )  # fmt: skip
