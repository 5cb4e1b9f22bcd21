"""Contrast between two structures: the formulas in use, by name, each with an interval."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.errors import InputError
from qsmkit.measure import Measure

FORMULAS = ("cnr_background", "cnr_pooled", "cnr_mean_variance", "cnr_reference")
"""|Δ|/σ_bg, |Δ|/√(σ_roi² + σ_bg²), |Δ|/√((σ_roi² + σ_bg²)/2), and |Δ|/σ_ref."""

REPEATS = 1000

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Contrast:
    """The contrast of one pair of structures in one image.

    Attributes
    ----------
    difference : Measure
        Mean of the structure minus that of its background, in the image's unit.
    cnr : dict of str to Measure
        By formula; pure numbers. An affine change of the grey scale leaves them as they are.
    """

    difference: Measure
    cnr: dict[str, Measure]


def contrast(
    roi: npt.ArrayLike, background: npt.ArrayLike, *, reference: npt.ArrayLike | None = None, unit: str = "a.u.",
    block: int = 8, confidence: float = 0.95, rng: int | np.random.Generator = 1,
) -> Contrast:
    """Return the contrast-to-noise ratios of a structure against its background.

    Intervals are percentiles of a bootstrap that draws blocks of neighbouring voxels (in the arrays' order), as
    neighbours are not independent.

    Parameters
    ----------
    roi, background : (n,), (m,) array
        Voxels of the structure and of its background, in `unit`, in scan order.
    reference : (r,) array, optional
        Voxels of a homogeneous tissue whose SD is the noise of `cnr_reference`. Not air: χ has none.
    unit : str
        Unit of the image.
    block : int
        Voxels drawn together.
    confidence : float
        Of the intervals.
    rng : int or Generator
        Seed or source of randomness.

    Raises
    ------
    InputError
        A region has fewer than two blocks, holds a missing value, or does not vary at all.
    """
    given = {"structure": roi, "background": background, "reference": reference}
    regions = {name: np.asarray(v, np.float64).ravel() for name, v in given.items() if v is not None}
    for name, values in regions.items():
        if len(values) < 2 * block:
            raise InputError(f"the {name} has {len(values)} voxels; {2 * block} are needed for an interval")
        if not np.isfinite(values).all():
            raise InputError(f"the {name} holds a missing value; leave those voxels out")
        if np.ptp(values) == 0:
            raise InputError(f"all voxels of the {name} are {values[0]:g}; a ratio to their spread is undefined")
    generator = np.random.default_rng(rng)
    point = _statistics(*(v[None] for v in regions.values()))
    drawn = _statistics(*(_blocks(v, block, generator) for v in regions.values()))
    tail = 50 * (1 - confidence)
    n = len(regions["structure"]) + len(regions["background"])
    found = {}
    for name, value in point.items():
        low, high = np.percentile(drawn[name], (tail, 100 - tail))
        v = float(value[0])
        how = f"{name}, bootstrap of blocks of {block} voxels"
        its_unit = unit if name == "difference" else "1"
        found[name] = Measure(v, min(float(low), v), max(float(high), v), its_unit, n, how)
    return Contrast(found.pop("difference"), found)


def _statistics(roi: Values, background: Values, reference: Values | None = None) -> dict[str, Values]:
    """Return difference and ratios of each row."""
    difference = roi.mean(1) - background.mean(1)
    v1, v2 = roi.var(1, ddof=1), background.var(1, ddof=1)
    size = np.abs(difference)
    found = {
        "difference": difference,
        "cnr_background": size / np.sqrt(v2),
        "cnr_pooled": size / np.sqrt(v1 + v2),
        "cnr_mean_variance": size / np.sqrt((v1 + v2) / 2),
    }
    if reference is not None:
        found["cnr_reference"] = size / reference.std(1, ddof=1)
    return found


def _blocks(values: Values, block: int, rng: np.random.Generator) -> Values:
    """Return REPEATS resamples of the values, a row each, drawn in blocks that may begin anywhere."""
    count = -(-len(values) // block)
    starts = rng.integers(0, len(values), (REPEATS, count))
    index = (starts[..., None] + np.arange(block)).reshape(REPEATS, -1)[:, : len(values)] % len(values)
    resampled: Values = values[index]
    return resampled
