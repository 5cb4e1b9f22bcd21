"""Distances of samples from a set of samples: as far as a few samples, and how steeply they rise; or signed, closed."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange


def distance_from(inside: BoolArray, reach: int) -> FloatArray:
    """Return the distance, in samples, from the nearest sample of a set.

    One axis after the other, d²(i) ← min over |k| < reach of d²(i + k) + k².

    Parameters
    ----------
    inside : (X, Y, Z) bool array
        The set.
    reach : int
        Samples from which on every distance is taken to be `reach`.

    Returns
    -------
    (X, Y, Z) float32 array
        Zero inside the set.
    """
    square = np.where(inside, np.float32(0), np.float32(reach**2))
    for axis in range(3):
        rows = np.ascontiguousarray(np.moveaxis(square, axis, 0))
        square = np.moveaxis(_lowered(rows, reach), 0, axis)
    return np.sqrt(square)


def steepness(values: FloatArray, step: float) -> FloatArray:
    """Return |∇v| of (X, Y, Z) float32 values, per mm, by central differences; 1 at the border."""
    slope: FloatArray = _gradient_norm(np.ascontiguousarray(values), np.float32(0.5 / step))
    return slope


def closed(inside: BoolArray, reach: float, step: tuple[float, float, float]) -> FloatArray:
    """Return the signed distance, mm, negative inside, from a set whose hollows narrower than 2 `reach` are filled.

    Parameters
    ----------
    inside : (X, Y, Z) bool array
        The set.
    reach : float
        In mm.
    step : tuple of float
        Distances between samples, mm.
    """
    wide = distance_transform_edt(~inside, step) < reach
    distance: FloatArray = distance_transform_edt(~wide, step) - distance_transform_edt(wide, step) + reach
    return distance.astype(np.float32)


@parallel
def _lowered(square, reach):  # type: ignore[no-untyped-def]
    n, m, p = square.shape
    out = np.empty_like(square)
    for i in prange(n):
        out[i] = square[i]
        for k in range(1, reach):
            more = np.float32(k * k)
            for there in (i - k, i + k):
                if 0 <= there < n:
                    for j in range(m):
                        for h in range(p):
                            out[i, j, h] = min(out[i, j, h], square[there, j, h] + more)
    return out


@parallel
def _gradient_norm(values, scale):  # type: ignore[no-untyped-def]
    nx, ny, nz = values.shape
    out = np.ones_like(values)
    for i in prange(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                dx = values[i + 1, j, k] - values[i - 1, j, k]
                dy = values[i, j + 1, k] - values[i, j - 1, k]
                dz = values[i, j, k + 1] - values[i, j, k - 1]
                out[i, j, k] = scale * np.sqrt(dx * dx + dy * dy + dz * dz)
    return out
