"""One image from several: the linear combination of T1w and QSM that shows a target best.

    H = Σ a_k z_k,   z_k the k-th image brought to median 0 and interquartile range 1.349 inside a fixed region

Fisher's weights maximise (aᵀΔ)²/(aᵀΣa), with Δ the difference of two structures' means and Σ the mean of their
covariances: a ∝ Σ⁻¹Δ. For several pairs of structures, or another formula, the smallest of their ratios is maximised
by search. Δ and the covariances are all that a subject contributes: weights for one are found from those of others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import AnyArray, BoolArray, FloatArray
from qsmkit.errors import InputError

Values = npt.NDArray[np.float64]

NORMAL_IQR = 1.349
"""Interquartile range of a normal distribution of standard deviation 1."""

VARIANCES = {"cnr_background": (0.0, 1.0), "cnr_pooled": (1.0, 1.0), "cnr_mean_variance": (0.5, 0.5)}
"""By formula, the shares of the variances of structure and background under the root."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two structures that should be told apart, as seen in K normalised images.

    Attributes
    ----------
    difference : (K,) array
        Mean of the structure minus that of its background.
    roi_covariance, background_covariance : (K, K) array
        Of the images over the voxels of each.
    """

    difference: Values
    roi_covariance: Values
    background_covariance: Values

    @classmethod
    def of(cls, roi: Values, background: Values) -> "Pair":
        """Return the pair of two structures' voxels, (n, K) and (m, K), a column an image.

        Raises
        ------
        InputError
            A structure has no more voxels than there are images.
        """
        fewest = min(len(roi), len(background))
        if fewest <= roi.shape[1]:
            raise InputError(f"a structure has {fewest} voxels; more than {roi.shape[1]} are needed")
        spread = [np.atleast_2d(np.cov(v, rowvar=False)).astype(np.float64) for v in (roi, background)]
        return cls(np.asarray(roi.mean(0) - background.mean(0), np.float64), *spread)

    @classmethod
    def mean(cls, pairs: Sequence["Pair"]) -> "Pair":
        """Return what several subjects or sides show on average.

        Raises
        ------
        InputError
            There is none.
        """
        if not pairs:
            raise InputError("no other subject or side is given to fit weights on; give at least one")
        parts = ("difference", "roi_covariance", "background_covariance")
        return cls(*(np.mean([getattr(p, part) for p in pairs], 0) for part in parts))

    @property
    def covariance(self) -> Values:
        """Mean of both covariances, (K, K)."""
        return (self.roi_covariance + self.background_covariance) / 2

    def ratio(self, weights: npt.ArrayLike, formula: str = "cnr_mean_variance") -> float:
        """Return the weighted image's contrast-to-noise ratio by a formula of `VARIANCES`."""
        a = np.asarray(weights, np.float64)
        roi, background = VARIANCES[formula]
        variance = roi * a @ self.roi_covariance @ a + background * a @ self.background_covariance @ a
        return float(abs(a @ self.difference) / np.sqrt(variance))


def normalise(image: AnyArray, region: BoolArray) -> FloatArray:
    """Return an image with median 0 and interquartile range 1.349 inside a region, so that images can be added.

    Parameters
    ----------
    image : (X, Y, Z) array
        Any unit.
    region : (X, Y, Z) bool array
        Fixed region, such as a box about the deep grey matter; not the structures alone.

    Raises
    ------
    InputError
        The region is empty, or the image does not vary in it.
    """
    voxels = image[region]
    voxels = voxels[np.isfinite(voxels)]
    if voxels.size == 0:
        raise InputError("the region of normalisation holds no voxel; give one that overlaps the image")
    low, middle, high = np.percentile(voxels, (25, 50, 75))
    if not high > low:
        raise InputError(
            f"the image hardly varies in the region of normalisation (quartiles {low:g} and {high:g}); "
            "give a region where most voxels have a value"
        )
    result: FloatArray = ((image - middle) * (NORMAL_IQR / (high - low))).astype(np.float32)
    return result


def fisher_weights(pair: Pair) -> Values:
    """Return the weights that show one pair best, their absolute values summing to 1, the structure bright.

    Raises
    ------
    InputError
        The images are copies of one another.
    """
    if np.linalg.cond(pair.covariance) > 1e12:
        raise InputError("the images are copies of one another; leave one out")
    weights: Values = np.linalg.solve(pair.covariance, pair.difference).astype(np.float64)
    return _unit_sum(weights)


def searched_weights(pairs: Sequence[Pair], *, formula: str = "cnr_mean_variance", steps: int = 721) -> Values:
    """Return the weights of two images that maximise the smallest ratio of the pairs, the first structure bright.

    Every direction of the weights is tried in `steps` steps over half a turn, then refined.

    Raises
    ------
    InputError
        There is no pair, or there are not two images, or the formula is none of `VARIANCES`.
    """
    if not pairs or any(p.difference.shape != (2,) for p in pairs):
        raise InputError("weights are searched for two images and at least one pair; give pairs of two images")
    if formula not in VARIANCES:
        raise InputError(f"no weights are searched by {formula!r}; choose one of {', '.join(VARIANCES)}")

    def worst(angle: float) -> float:
        return min(p.ratio((np.cos(angle), np.sin(angle)), formula) for p in pairs)

    angles = np.linspace(0, np.pi, steps)
    best = float(angles[int(np.argmax([worst(a) for a in angles]))])
    reach = np.pi / (steps - 1)
    for _ in range(4):
        near = np.linspace(best - reach, best + reach, 41)
        best, reach = float(near[int(np.argmax([worst(a) for a in near]))]), reach / 20
    weights = np.array([np.cos(best), np.sin(best)])
    return _unit_sum(weights * (1 if weights @ pairs[0].difference >= 0 else -1))


def best_weights(pairs: Sequence[Pair]) -> Values:
    """Return Fisher's weights of one pair, or of several those of the largest smallest ratio."""
    return fisher_weights(pairs[0]) if len(pairs) == 1 else searched_weights(pairs)


def fixed_weights(pair: Pair, share: float = 0.5) -> Values:
    """Return the weights `share` and 1 − `share` of two images, with the signs that make their contrasts add.

    Raises
    ------
    InputError
        The share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share {share} is not between 0 and 1")
    signs = np.where(pair.difference < 0, -1.0, 1.0)
    return np.array([share, 1 - share]) * signs


def held_out_ratios(pairs: Sequence[Pair]) -> tuple[list[float], list[float]]:
    """Return each subject's ratio with Fisher's weights from the other subjects, and with its own.

    Weights that are fitted to the voxels on which they are tested look better than they are; the first list is the
    honest one.

    Raises
    ------
    InputError
        Fewer than two subjects.
    """
    if len(pairs) < 2:
        raise InputError(f"{len(pairs)} subject leaves none to fit the weights on; give at least 2")
    others = [Pair.mean([p for j, p in enumerate(pairs) if j != i]) for i in range(len(pairs))]
    honest = [pair.ratio(fisher_weights(rest)) for pair, rest in zip(pairs, others, strict=True)]
    return honest, [pair.ratio(fisher_weights(pair)) for pair in pairs]


def _unit_sum(weights: Values) -> Values:
    scaled: Values = weights / np.abs(weights).sum()
    return scaled
