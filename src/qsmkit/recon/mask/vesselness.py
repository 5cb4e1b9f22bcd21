"""How much a volume looks like a bright tube at each voxel.

    V = max_s (1 − e^{−A²/2α²}) e^{−B²/2β²} (1 − e^{−S²/2c²})    where λ₂, λ₃ < 0, else 0
    A = |λ₂/λ₃|,    B = |λ₁| / √|λ₂ λ₃|,    S = √(λ₁² + λ₂² + λ₃²)

(Frangi 1998, `Frangi1998`), with |λ₁| ≤ |λ₂| ≤ |λ₃| the eigenvalues of s² times the Hessian of the volume smoothed by a
Gaussian of standard deviation s: a tube bends little along itself and much across. α = β = ½ as published.
"""

from collections.abc import Sequence

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange, serial
from qsmkit.grid import Grid
from qsmkit.physics.box import Box
from qsmkit.physics.fft import frequencies, irfftn, rfftn

ALPHA = BETA = 0.5
PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def vesselness(
    image: FloatArray, inside: BoolArray, grid: Grid, scales: Sequence[float], contrast: float
) -> FloatArray:
    """Return V of bright tubes.

    Parameters
    ----------
    image : (X, Y, Z) array
        In any unit.
    inside : (X, Y, Z) bool array
        Voxels that are looked at. What lies outside is replaced by a smooth continuation.
    grid : Grid
        Geometry.
    scales : sequence of float
        s, mm.
    contrast : float
        c, in the unit of the image: how strong the curvature s² |Hessian| of a vessel is.

    Returns
    -------
    (X, Y, Z) array
        Dimensionless, 0 to 1; zero outside.
    """
    box = Box.around(inside, grid, 3 * max(scales))
    shape, known = box.shape, box.pad(inside)
    k = frequencies(shape, grid.voxel_size)

    def gaussian(s: float) -> FloatArray:
        x, y, z = (np.exp(-2 * (np.pi * s * axis) ** 2) for axis in k)
        spectrum: FloatArray = (x * y * z).astype(image.dtype)
        return spectrum

    level = image.dtype.type(image[inside].mean(dtype=np.float64))
    volume = (box.pad(image) - level) * known
    wide = gaussian(max(scales))
    share = irfftn(rfftn(known.astype(image.dtype)) * wide, shape)
    around = irfftn(rfftn(volume) * wide, shape) / np.maximum(share, 0.05)
    spectrum = rfftn(np.where(known, volume, around))
    found = np.zeros(shape, image.dtype)
    for s in scales:
        smooth = spectrum * gaussian(s)
        bends = np.empty((6, *shape), image.dtype)
        for n, (i, j) in enumerate(PAIRS):
            bends[n] = irfftn(smooth * (-((2 * np.pi * s) ** 2) * k[i] * k[j]).astype(image.dtype), shape)
        _raise(bends, known, image.dtype.type(contrast), found)
    return box.restore(found, inside)


@parallel
def _raise(bends, inside, contrast, found):  # type: ignore[no-untyped-def]
    for i in prange(found.shape[0]):
        for j in range(found.shape[1]):
            for k in range(found.shape[2]):
                if inside[i, j, k]:
                    here = _tube(bends[0, i, j, k], bends[1, i, j, k], bends[2, i, j, k], bends[3, i, j, k],
                                 bends[4, i, j, k], bends[5, i, j, k], contrast)
                    found[i, j, k] = max(found[i, j, k], here)


@serial
def _tube(xx, yy, zz, xy, xz, yz, contrast):  # type: ignore[no-untyped-def]
    """Return V of one Hessian."""
    a, b, c = _eigenvalues(xx, yy, zz, xy, xz, yz)  # descending: of a bright tube, a is near zero, b and c below it
    if b >= 0 or (a > 0 and a > -b):
        return 0.0
    first, second = (a, b) if abs(a) <= abs(b) else (b, a)
    plate = second / c
    blob = first * first / (second * c)
    strength = (a * a + b * b + c * c) / (2 * contrast * contrast)
    across, along = plate * plate / (2 * ALPHA**2), blob / (2 * BETA**2)
    return (1 - np.exp(-across)) * np.exp(-along) * (1 - np.exp(-strength))


@serial
def _eigenvalues(xx, yy, zz, xy, xz, yz):  # type: ignore[no-untyped-def]
    """Return the eigenvalues of a symmetric matrix, descending, by the cosine of a third of an angle (Smith 1961)."""
    mean = (xx + yy + zz) / 3
    xx, yy, zz = xx - mean, yy - mean, zz - mean
    off = xy * xy + xz * xz + yz * yz
    spread = np.sqrt((xx * xx + yy * yy + zz * zz + 2 * off) / 6)
    if spread <= 0:
        return mean, mean, mean
    determinant = xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz)
    angle = np.arccos(min(max(determinant / (2 * spread**3), -1.0), 1.0)) / 3
    high = mean + 2 * spread * np.cos(angle)
    low = mean + 2 * spread * np.cos(angle + 2 * np.pi / 3)
    return high, 3 * mean - high - low, low
