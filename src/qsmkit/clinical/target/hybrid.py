"""One image from several: the linear combination of T1w and QSM that shows a target best.

    H = Σ a_k z_k,   z_k the k-th image brought to median 0 and interquartile range 1.349 inside a fixed region

Fisher's weights maximise (aᵀΔ)²/(aᵀΣa), with Δ the difference of two structures' means and Σ the mean of their
covariances: a ∝ Σ⁻¹Δ. For several pairs of structures the smallest of their ratios is maximised.
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


@dataclass(frozen=True, eq=False)
class Pair:
    """Two structures that should be told apart, seen in K images.

    Attributes
    ----------
    roi, background : (n, K), (m, K) array
        Normalised values of their voxels, a column an image.
    """

    roi: Values
    background: Values

    @property
    def difference(self) -> Values:
        """Difference of the means, (K,)."""
        gap: Values = self.roi.mean(0) - self.background.mean(0)
        return gap

    @property
    def covariance(self) -> Values:
        """Mean of both covariances, (K, K)."""
        both: Values = np.atleast_2d((np.cov(self.roi, rowvar=False) + np.cov(self.background, rowvar=False)) / 2)
        return both

    def ratio(self, weights: npt.ArrayLike) -> float:
        """Return |aᵀΔ|/√(aᵀΣa) of the weighted image: the contrast to the root of the mean variance."""
        a = np.asarray(weights, np.float64)
        return float(abs(a @ self.difference) / np.sqrt(a @ self.covariance @ a))


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
        A structure has fewer voxels than images plus one, or the images are copies of one another.
    """
    images, fewest = pair.roi.shape[1], min(len(pair.roi), len(pair.background))
    if fewest <= images:
        raise InputError(f"a structure has {fewest} voxels; more than {images} are needed")
    if np.linalg.cond(pair.covariance) > 1e12:
        raise InputError("the images are copies of one another; leave one out")
    weights: Values = np.linalg.solve(pair.covariance, pair.difference).astype(np.float64)
    return _unit_sum(weights)


def minimax_weights(pairs: Sequence[Pair], *, steps: int = 721) -> Values:
    """Return the weights of two images that maximise the smallest ratio of several pairs.

    Every direction of the weights is tried in `steps` steps over half a turn, then refined.

    Raises
    ------
    InputError
        There is no pair, or there are not two images.
    """
    if not pairs or any(p.roi.shape[1] != 2 for p in pairs):
        raise InputError("weights for several pairs are searched for two images; give pairs of two columns")

    def worst(angle: float) -> float:
        return min(p.ratio((np.cos(angle), np.sin(angle))) for p in pairs)

    angles = np.linspace(0, np.pi, steps)
    best = float(angles[int(np.argmax([worst(a) for a in angles]))])
    reach = np.pi / (steps - 1)
    for _ in range(4):
        near = np.linspace(best - reach, best + reach, 41)
        best, reach = float(near[int(np.argmax([worst(a) for a in near]))]), reach / 20
    weights = np.array([np.cos(best), np.sin(best)])
    return _unit_sum(weights * (1 if weights @ pairs[0].difference >= 0 else -1))


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
    """Return each subject's ratio with weights from the other subjects, and with its own.

    Weights that are fitted to the voxels on which they are tested look better than they are; the first list is the
    honest one.

    Raises
    ------
    InputError
        Fewer than two subjects.
    """
    if len(pairs) < 2:
        raise InputError(f"{len(pairs)} subject leaves none to fit the weights on; give at least 2")
    honest, own = [], []
    for i, pair in enumerate(pairs):
        others = [p for j, p in enumerate(pairs) if j != i]
        difference = np.mean([p.difference for p in others], 0)
        covariance = np.mean([p.covariance for p in others], 0)
        honest.append(pair.ratio(np.linalg.solve(covariance, difference)))
        own.append(pair.ratio(fisher_weights(pair)))
    return honest, own


def _unit_sum(weights: Values) -> Values:
    scaled: Values = weights / np.abs(weights).sum()
    return scaled
