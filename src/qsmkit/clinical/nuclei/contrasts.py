"""The patient's images, wherever they lie, and what the atlas would look like in each of them.

An image of the atlas in any contrast is Σ_k p_k μ_k: shares of nuclei and tissues times their mean values, which are
fitted to the patient by least squares, and drawn towards what is expected where the patient does not tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import AnyArray, BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.transform import Transform
from qsmkit.volume import Volume


@dataclass(frozen=True, eq=False)
class Contrast:
    """One image of the patient.

    Attributes
    ----------
    name : str
        "chi", "t1w", …
    volume : Volume
        The image.
    transform : Transform
        From the space of χ to that of the image, RAS mm.
    """

    name: str
    volume: Volume
    transform: Transform

    def at(self, points: npt.NDArray[np.float64]) -> FloatArray:
        """Return the image's values at points (…, 3) of the space of χ, RAS mm; 0 outside."""
        data = np.nan_to_num(np.asarray(self.volume.data, np.float32))
        return at_points(data, self.volume.grid.voxel(self.transform.apply(points)), mode="constant")


def at_points(data: FloatArray, index: npt.NDArray[np.float64], mode: Literal["constant", "nearest"]) -> FloatArray:
    """Return values at (fractional) voxel indices (…, 3), by linear interpolation; outside 0 or as on the border."""
    values: FloatArray = ndimage.map_coordinates(data, np.moveaxis(index, -1, 0), order=1, mode=mode)
    return values


def points_of(grid: Grid) -> npt.NDArray[np.float64]:
    """Return the world coordinates of all voxels, (X, Y, Z, 3), mm."""
    return grid.world(np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), -1))


def shares(distances: FloatArray, tissues: FloatArray, width: float = 1.0) -> FloatArray:
    """Return the share of every nucleus and tissue in the voxels.

    Parameters
    ----------
    distances : (K, X, Y, Z) array
        From the surfaces of the nuclei, mm.
    tissues : (3, X, Y, Z) array
        Shares of tissues, as if there were no nuclei.
    width : float
        Over how many mm a nucleus's share falls from one to zero.

    Returns
    -------
    (K + 3, X, Y, Z) float32 array
        They add up to 1.
    """
    nuclei = np.clip(0.5 - distances / width, 0, 1)
    total = nuclei.sum(0)
    nuclei /= np.maximum(total, 1)
    return np.concatenate([nuclei, tissues * (1 - np.minimum(total, 1))]).astype(np.float32)


def pooled(parts: FloatArray, groups: Sequence[int]) -> FloatArray:
    """Return the (G, X, Y, Z) shares of groups of classes."""
    joined = np.zeros((max(groups) + 1, *parts.shape[1:]), parts.dtype)
    for part, group in zip(parts, groups, strict=True):
        joined[group] += part
    return joined


def fitted_means(
    image: FloatArray, parts: FloatArray, inside: BoolArray, groups: Sequence[int], expected: AnyArray, spread: AnyArray
) -> tuple[FloatArray, float]:
    """Return the mean of each class in an image, by ridge regression on its shares, and the residual's robust SD.

    minimise Σ_x (I(x) − Σ_k p_k(x) μ_k)² / σ² + Σ_k (μ_k − m_k)² / s_k²

    Parameters
    ----------
    image : (X, Y, Z) array
        Values.
    parts : (K, X, Y, Z) array
        Shares.
    inside : (X, Y, Z) bool array
        Voxels to use.
    groups : sequence of int
        Group of each class; classes of a group have one mean.
    expected, spread : (G,) array
        m and s of each group, in the image's unit.

    Returns
    -------
    means : (K,) array
        In the image's unit.
    noise : float
        1.4826 times the median absolute residual, in the image's unit.
    """
    joined = pooled(parts, groups)[:, inside].astype(np.float64)
    values = image[inside].astype(np.float64)
    normal, right = joined @ joined.T, joined @ values
    means, sigma = np.asarray(expected, np.float64), float(np.std(values))
    for _ in range(3):
        prior = sigma**2 * 8 / np.asarray(spread, np.float64) ** 2  # voxels err alike in clumps of about eight
        means = np.linalg.solve(normal + np.diag(prior), right + prior * np.asarray(expected))
        residual = values - means @ joined
        sigma = float(1.4826 * np.median(np.abs(residual))) + 1e-12
    return means[list(groups)].astype(np.float32), sigma
