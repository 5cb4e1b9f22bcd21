"""Otsu's threshold: where a histogram falls into two classes."""

from dataclasses import dataclass

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.errors import MaskError

BINS = 256


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
    between = (mean * below - moment) ** 2 / (below * (1 - below))
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    cut = int(best[len(best) // 2])
    variance = (share * (centres - mean) ** 2).sum()
    smooth = np.convolve(share, np.hanning(13)[1:-1], mode="same")
    peaks = min(smooth[: cut + 1].max(), smooth[cut + 1 :].max())
    return Split(float(edges[cut + 1]), float(between.max() / variance), float(smooth[cut] / peaks))
