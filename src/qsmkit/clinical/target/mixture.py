"""The hybrid image of a subject: weights from here or elsewhere, and how well it shows each pair on each side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qsmkit.arrays import AnyArray, BoolArray, FloatArray
from qsmkit.clinical.target import hybrid
from qsmkit.clinical.target.sides import SIDES, mid_plane
from qsmkit.grid import Grid

Rule = Literal["fisher", "search", "fixed"]
Formula = Literal["cnr_background", "cnr_pooled", "cnr_mean_variance"]

BOTH = "both"
"""Side of what is not told apart by sides."""

Pairs = Mapping[tuple[str, str], hybrid.Pair]
"""By name of the pair and side."""


@dataclass(frozen=True, eq=False)
class Part:
    """One pair of structures on one side.

    Attributes
    ----------
    pair : str
        Its name, such as "gpi:gpe".
    side : str
        left, right, or both.
    roi, background : (X, Y, Z) bool array
        Voxels of the structure and of its background.
    """

    pair: str
    side: str
    roi: BoolArray
    background: BoolArray


def parts_of(pair: str, roi: BoolArray, background: BoolArray, grid: Grid, *, by_side: bool) -> list[Part]:
    """Return a pair of structures (X, Y, Z) as one part, or cut at the plane between the structure's two sides."""
    if not by_side:
        return [Part(pair, BOTH, roi, background)]
    plane = mid_plane(roi, grid)
    return [Part(pair, s, plane.side(roi, grid, s), plane.side(background, grid, s)) for s in SIDES]


@dataclass(frozen=True, eq=False)
class Mixture:
    """A hybrid image and what it shows.

    Attributes
    ----------
    image : (X, Y, Z) array
        Σ a_k z_k, a pure number.
    weights, own : (2,) array
        Of T1w and χ, normalised: those of the image, and those that fit its own structures best.
    swapped : mapping of str to (2,) array
        By side, weights fitted to the other side; empty if sides are not told apart.
    pairs : mapping of (str, str) to Pair
        What the structures of each pair and side look like.
    ratios : mapping of (str, str) to (mapping of str to float)
        Contrast-to-noise ratio by pair and side, then of "t1w", "chi", "hybrid", "hybrid_fitted_here" and, if sides are
        told apart, "hybrid_fitted_on_other_side".
    """

    image: FloatArray
    weights: hybrid.Values
    own: hybrid.Values
    swapped: Mapping[str, hybrid.Values]
    pairs: Pairs
    ratios: Mapping[tuple[str, str], Mapping[str, float]]


def mixture(
    t1w: AnyArray, chi: AnyArray, parts: Sequence[Part], region: BoolArray, *, rule: Rule = "fisher",
    share: float = 0.5, formula: Formula = "cnr_mean_variance", elsewhere: Pairs | None = None,
) -> Mixture:  # fmt: skip
    """Return the linear combination of T1w and χ that shows pairs of structures best.

    Parameters
    ----------
    t1w, chi : (X, Y, Z) array
        On one grid, a.u. and ppm; NaN where there is no value.
    parts : sequence of Part
        Structures to tell apart; for several pairs the smallest ratio is maximised.
    region : (X, Y, Z) bool array
        Where both images are normalised.
    rule : {"fisher", "search", "fixed"}
        Fisher's optimum (max–min for several pairs), the largest ratio by `formula`, or `share` of T1w.
    share : float
        Of T1w, if fixed.
    formula : str
        Of the search, and of the ratios that are returned.
    elsewhere : mapping, optional
        What other subjects show of the same pairs and sides; weights come from it alone.

    Raises
    ------
    InputError
        A structure is too small, an image does not vary, or no weights can be found.
    """
    inside = region & np.isfinite(t1w) & np.isfinite(chi)
    images = [hybrid.normalise(image, inside) for image in (t1w, chi)]
    here = {(p.pair, p.side): _seen(images, p) for p in parts}
    names = list(dict.fromkeys(p.pair for p in parts))

    def find(on: Pairs) -> hybrid.Values:
        several = [hybrid.Pair.mean([p for (name, _), p in on.items() if name == pair]) for pair in names]
        if rule == "fixed":
            return hybrid.fixed_weights(several[0], share)
        if rule == "search":
            return hybrid.searched_weights(several, formula=formula)
        return hybrid.best_weights(several)

    weights, own = find(elsewhere or here), find(here)
    swapped: dict[str, hybrid.Values] = {}
    if {p.side for p in parts} == set(SIDES):
        swapped = {side: find({k: p for k, p in here.items() if k[1] != side}) for side in SIDES}
    ratios = {}
    for key, pair in here.items():
        tried = {"t1w": np.array([1.0, 0.0]), "chi": np.array([0.0, 1.0]), "hybrid": weights, "hybrid_fitted_here": own}
        tried |= {"hybrid_fitted_on_other_side": swapped[key[1]]} if swapped else {}
        ratios[key] = {name: pair.ratio(w, formula) for name, w in tried.items()}
    image = weights[0] * images[0] + weights[1] * images[1]
    return Mixture(image.astype(np.float32), weights, own, swapped, here, ratios)


def _seen(images: list[FloatArray], part: Part) -> hybrid.Pair:
    roi, background = (
        np.stack([i[region] for i in images], 1, dtype=np.float64) for region in (part.roi, part.background)
    )
    return hybrid.Pair.of(roi, background)
