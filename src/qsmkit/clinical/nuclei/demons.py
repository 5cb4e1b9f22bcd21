"""A smooth, invertible deformation of the atlas onto the patient that looks at several contrasts at once.

Every image c pulls where it differs from its atlas, d_c = F_c − M_c∘φ with gradient g_c and noise σ_c,

    u = Σ_c d_c g_c / σ_c²  /  Σ_c (|g_c|² + d_c²) / σ_c²,

g is the mean of the gradients of both images. u is smoothed (as a fluid), composed with φ, and φ smoothed (as an
elastic body): `Thirion1998`, `Vercauteren2009`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from qsmkit.arrays import FloatArray

LONGEST = 0.6
"""Longest step of a voxel in one iteration, in voxels."""

CLIPPED = 4.0
"""Difference, in standard deviations of the noise, beyond which one pulls no harder: veins are not in the atlas."""


@dataclass(frozen=True, slots=True)
class Stiffness:
    """How freely the atlas deforms: standard deviations, mm, of the smoothing of steps and of the whole."""

    fluid: float = 2.0
    elastic: float = 1.0


def warped(image: FloatArray, field: FloatArray) -> FloatArray:
    """Return an image at x + u(x), by linear interpolation.

    Parameters
    ----------
    image : (X, Y, Z) array
        Values.
    field : (3, X, Y, Z) array
        Displacement u, in voxels.
    """
    return _at(image, _lattice(image.shape) + field)


def deform(
    fixed: Sequence[FloatArray], moving: Sequence[FloatArray], sigma: Sequence[float], weight: FloatArray,
    field: FloatArray, voxel: float, iterations: int, stiffness: Stiffness,
) -> FloatArray:
    """Return the displacement that brings the moving images onto the fixed ones.

    Parameters
    ----------
    fixed, moving : sequence of (X, Y, Z) arrays
        Images of patient and atlas, one a contrast, in the contrast's unit.
    sigma : sequence of float
        Noise of each contrast, in its unit.
    weight : (X, Y, Z) array
        What a voxel counts for, 0 … 1.
    field : (3, X, Y, Z) array
        Displacement to start from, voxels.
    voxel : float
        Edge of a voxel, mm.
    iterations : int
        Number of steps.
    stiffness : Stiffness
        Of the atlas.

    Returns
    -------
    (3, X, Y, Z) array
        Displacement, voxels.
    """
    lattice = _lattice(weight.shape)
    scaled = [(f / np.float32(s), m / np.float32(s)) for f, m, s in zip(fixed, moving, sigma, strict=True)]
    slopes = [_gradient(f) for f, _ in scaled]
    for _ in range(iterations):
        force, scale = np.zeros_like(field), np.full(weight.shape, 1e-6, np.float32)
        for (f, m), slope in zip(scaled, slopes, strict=True):
            now = _at(m, lattice + field)
            gap = np.clip(f - now, -CLIPPED, CLIPPED) * weight
            middle = 0.5 * (slope + _gradient(now))
            force += gap * middle
            scale += (middle**2).sum(0) + gap**2
        step = force / scale
        step *= np.minimum(1, LONGEST / np.maximum(np.sqrt((step**2).sum(0)), 1e-9))
        step = _smooth(step, stiffness.fluid / voxel)
        field = _smooth(np.stack([_at(c, lattice + step) for c in field]) + step, stiffness.elastic / voxel)
    return field


def _lattice(shape: tuple[int, ...]) -> FloatArray:
    return np.stack(np.meshgrid(*[np.arange(n, dtype=np.float32) for n in shape], indexing="ij"))


def _at(image: FloatArray, index: FloatArray) -> FloatArray:
    values: FloatArray = ndimage.map_coordinates(image, index, order=1, mode="nearest", output=np.float32)
    return values


def _gradient(image: FloatArray) -> FloatArray:
    return np.stack([np.gradient(image, axis=a) for a in range(3)])


def _smooth(field: FloatArray, sigma: float) -> FloatArray:
    return np.stack([ndimage.gaussian_filter(c, sigma, mode="nearest", truncate=3) for c in field])
