"""How a scanner combines the images of its coils into one: Σ_c w_c* S_c, with weights from the first echo."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

from qsmkit.arrays import ComplexArray
from qsmkit.grid import Grid
from qsmkit.simulate.transfer import transfer

Combination = Literal["none", "adaptive", "sum-of-squares"]

BLOCK = 6.0
"""Edge, mm, of the blocks in which the adaptive combination compares the coils."""


def combine(images: ComplexArray, weights: ComplexArray) -> ComplexArray:
    """Return Σ_c w_c* S_c over the coils, the last axis: (X, Y, Z) complex64."""
    total: ComplexArray = images[..., 0] * weights[..., 0].conj()
    for c in range(1, images.shape[-1]):
        total += images[..., c] * weights[..., c].conj()
    return total


def combination_weights(images: ComplexArray, grid: Grid, kind: Combination) -> ComplexArray:
    """Return the weights of the coils.

    "adaptive": the dominant eigenvector of the coils' local covariance, its phase that of the coil that sees most
    (Walsh 2000); open fringes begin where that coil sees nothing. "sum-of-squares": each coil by its own magnitude,
    turned by its phase at the middle of the image, so that the magnitude is nearly the root sum of squares; fringes
    open where the coils disagree.

    Parameters
    ----------
    images : (X, Y, Z, C) complex array
        The first echo, coil last.
    grid : Grid
        Geometry.
    kind : {"adaptive", "sum-of-squares"}
        How.

    Returns
    -------
    (X, Y, Z, C) complex64 array
        Weights; the squares of their magnitudes add up to 1.
    """
    if kind == "adaptive":
        return _unit(_eigenvectors(images, grid))
    x, y, z = (slice(n // 2 - 2, n // 2 + 3) for n in grid.shape)
    middle = images[x, y, z].mean((0, 1, 2))
    return _unit((np.abs(images) * np.exp(1j * np.angle(middle))).astype(np.complex64))


def _eigenvectors(images: ComplexArray, grid: Grid) -> ComplexArray:
    """Return the dominant eigenvector of the covariance about each voxel: (X, Y, Z, C) complex64."""
    count = images.shape[-1]
    edge = np.maximum(1, np.rint(BLOCK / np.array(grid.voxel_size))).astype(int)
    coarse = _blocks(grid, edge)
    covariance = np.empty((*coarse.shape, count, count), np.complex64)
    for a in range(count):
        for b in range(a + 1):
            product = _block_sum(images[..., a] * images[..., b].conj(), edge)
            smooth = uniform_filter(product.real, 3) + 1j * uniform_filter(product.imag, 3)
            covariance[..., a, b], covariance[..., b, a] = smooth, smooth.conj()
    strongest = int(np.argmax(np.einsum("xyzcc->c", covariance).real))
    vectors = np.linalg.eigh(covariance)[1][..., -1]
    vectors *= np.exp(-1j * np.angle(vectors[..., strongest]))[..., None]
    result = np.empty(images.shape, np.complex64)
    for c in range(count):
        result[..., c].real = transfer(np.ascontiguousarray(vectors[..., c].real), coarse, grid)
        result[..., c].imag = transfer(np.ascontiguousarray(vectors[..., c].imag), coarse, grid)
    return result


def _blocks(grid: Grid, edge: npt.NDArray[np.int64]) -> Grid:
    """Return the grid of blocks of `edge` voxels."""
    affine = grid.affine.copy()
    affine[:3, :3] *= edge
    affine[:3, 3] = grid.world((edge - 1) / 2)
    x, y, z = (-(-n // e) for n, e in zip(grid.shape, edge, strict=True))
    return Grid((x, y, z), affine)


def _block_sum(volume: ComplexArray, edge: npt.NDArray[np.int64]) -> ComplexArray:
    for axis, e in enumerate(edge):
        volume = np.add.reduceat(volume, np.arange(0, volume.shape[axis], e), axis=axis)
    return volume


def _unit(vectors: ComplexArray) -> ComplexArray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: ComplexArray = vectors / np.maximum(length, np.finfo(np.float32).tiny)
    return unit.astype(np.complex64, copy=False)
