"""Otsu's threshold: where a histogram falls into two classes."""

import warnings
from dataclasses import dataclass

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.errors import DataWarning, MaskError

BINS = 256

ONE_MODE = 0.8
"""Height of the valley between two modes, relative to the lower one, from which on they count as one."""


@dataclass(frozen=True, slots=True)
class Split:
    """A threshold and how well it separates.

    Attributes
    ----------
    threshold : float
        Values above it form the upper class.
    separability : float
        Between-class variance over total variance, 0 to 1: 0.64 for a single normal distribution, 0.75 for a
        uniform one, 1 for two spikes.
    valley : float
        Height of the histogram at the threshold relative to the lower of the peaks on either side: below 1
        there are two modes, 0 if nothing lies between them.
    """

    threshold: float
    separability: float
    valley: float


def otsu(values: FloatArray, who: str) -> Split:
    """Return the threshold that maximises the between-class variance of the values (Otsu 1979, `Otsu1979`).

    The histogram spans the 0.1th to the 99.9th percentile, so that a few outliers do not coarsen it.

    Parameters
    ----------
    values : array
        Values of any shape and unit.
    who : str
        Name of the method that asks, for the message.

    Raises
    ------
    MaskError
        All values are the same.
    """
    low, high = np.percentile(values, (0.1, 99.9))
    if not high > low:
        low, high = values.min(), values.max()
    if not high > low:
        raise MaskError(f"{who}: all values are {low:g}, so nothing sets tissue apart; check the input")
    counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    share = counts / counts.sum()
    centres = (edges[1:] + edges[:-1]) / 2
    below, moment = np.cumsum(share)[:-1], np.cumsum(share * centres)[:-1]
    mean = (share * centres).sum()
    classes = np.maximum(below * (1 - below), 1e-9)
    between = (mean * below - moment) ** 2 / classes
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    cut = int(best[len(best) // 2])
    variance = (share * (centres - mean) ** 2).sum()
    smooth = np.convolve(share, np.hanning(13)[1:-1], mode="same")
    peaks = min(smooth[: cut + 1].max(), smooth[cut + 1 :].max())
    return Split(float(edges[cut + 1]), float(between.max() / variance), float(smooth[cut] / peaks))


def tissue_threshold(values: FloatArray, who: str) -> float:
    """Return the threshold between noise and tissue, or below the tissue where no noise is in view.

    It is Otsu's where the values have two modes. Where they have one (a crop within the brain), it is the
    median less three robust standard deviations, 1.4826 × the median absolute deviation, and a warning says
    so.

    Parameters
    ----------
    values : array
        Values of any shape and unit, larger in tissue.
    who : str
        Name of the method that asks, for the messages.

    Raises
    ------
    MaskError
        All values are the same.

    Warns
    -----
    DataWarning
        The values have a single mode.
    """
    split = otsu(values, who)
    if split.valley < ONE_MODE:
        return split.threshold
    median = np.median(values)
    threshold = float(median - 3 * 1.4826 * np.median(np.abs(values - median)))
    warnings.warn(
        f"{who}: the values have one mode, around {median:.2f}, so no air seems to be in view; from "
        f"{threshold:.2f} on voxels are kept; state the threshold if that is wrong",
        DataWarning,
        stacklevel=4,
    )
    return threshold
