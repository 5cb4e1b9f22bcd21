"""Differences on the voxel grid: gradient, its exact adjoint, the Laplacian, and their Fourier symbol.

    (G x)ᵢ(v) = (x(v + eᵢ) − x(v)) / hᵢ,    −GᵀG = Laplacian (7-point),    F GᵀG F⁻¹ = Σᵢ (2 sin(πkᵢhᵢ) / hᵢ)²

with voxel size h in mm. Volumes either continue periodically, which the Fourier transform diagonalises, or
end with zero slope ("neumann"): the difference across the far face is zero. Both keep Gᵀ the exact adjoint of
G.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.physics.fft import Shape, frequencies

Boundary = Literal["neumann", "periodic"]
VoxelSize = tuple[float, float, float]


def gradient(x: FloatArray, voxel_size: VoxelSize, *, boundary: Boundary = "neumann") -> FloatArray:
    """Return the forward differences of a volume.

    Parameters
    ----------
    x : (X, Y, Z) array
        Any unit.
    voxel_size : tuple of float
        mm.
    boundary : {"neumann", "periodic"}
        How the volume continues.

    Returns
    -------
    (3, X, Y, Z) array
        Unit of `x` per mm; component first.
    """
    g = np.empty((3, *x.shape), x.dtype)
    _gradient(x, _inverse(voxel_size, x.dtype), boundary == "periodic", g)
    return g


def gradient_adjoint(g: FloatArray, voxel_size: VoxelSize, *, boundary: Boundary = "neumann") -> FloatArray:
    """Return Gᵀ g, the negative divergence of a vector field.

    Parameters
    ----------
    g : (3, X, Y, Z) array
        Any unit; component first.
    voxel_size : tuple of float
        mm.
    boundary : {"neumann", "periodic"}
        How the volume continues.

    Returns
    -------
    (X, Y, Z) array
        Unit of `g` per mm.
    """
    x = np.empty(g.shape[1:], g.dtype)
    _gradient_adjoint(g, _inverse(voxel_size, g.dtype), boundary == "periodic", x)
    return x


def laplacian(x: FloatArray, voxel_size: VoxelSize, *, boundary: Boundary = "neumann") -> FloatArray:
    """Return the 7-point Laplacian −GᵀG x of a volume.

    Parameters
    ----------
    x : (X, Y, Z) array
        Any unit.
    voxel_size : tuple of float
        mm.
    boundary : {"neumann", "periodic"}
        How the volume continues.

    Returns
    -------
    (X, Y, Z) array
        Unit of `x` per mm².
    """
    y = np.empty_like(x)
    inverse = _inverse(voxel_size, np.float64)
    _laplacian(x, (inverse**2).astype(x.dtype), boundary == "periodic", y)
    return y


def gradient_symbol(shape: Shape, voxel_size: VoxelSize, *, dtype: npt.DTypeLike = np.float32) -> FloatArray:
    """Return the symbol of the periodic GᵀG on the half spectrum of a real FFT: (X, Y, Z//2 + 1), 1/mm²."""
    x, y, z = (
        (2 * np.sin(np.pi * k * h) / h) ** 2
        for k, h in zip(frequencies(shape, voxel_size), voxel_size, strict=True)
    )
    symbol: FloatArray = (x + y + z).astype(dtype)
    return symbol


def _inverse(voxel_size: VoxelSize, dtype: npt.DTypeLike) -> FloatArray:
    return (1 / np.array(voxel_size)).astype(dtype)


# In the kernels `i1` is the next plane and `i0` the one before. Beyond a Neumann face they point at the voxel
# itself, whose difference vanishes, or a factor of zero switches the contribution off. The innermost loop
# runs over plain neighbours, so that it is vectorised; its ends are done apart.


@parallel
def _gradient(x, inverse, periodic, g):  # type: ignore[no-untyped-def]
    nx, ny, nz = x.shape
    a, b, c = inverse
    for plane in prange(nx):
        i = np.intp(plane)
        i1 = i + 1 if i + 1 < nx else (0 if periodic else i)
        for j in range(ny):
            j1 = j + 1 if j + 1 < ny else (0 if periodic else j)
            for k in range(nz):
                g[0, i, j, k] = (x[i1, j, k] - x[i, j, k]) * a
                g[1, i, j, k] = (x[i, j1, k] - x[i, j, k]) * b
            for k in range(nz - 1):
                g[2, i, j, k] = (x[i, j, k + 1] - x[i, j, k]) * c
            last = 0 if periodic else nz - 1
            g[2, i, j, nz - 1] = (x[i, j, last] - x[i, j, nz - 1]) * c


@parallel
def _gradient_adjoint(g, inverse, periodic, x):  # type: ignore[no-untyped-def]
    nx, ny, nz = x.shape
    a, b, c = inverse
    none = a - a
    for plane in prange(nx):
        i = np.intp(plane)
        a0 = a if i > 0 or periodic else none
        a1 = a if i + 1 < nx or periodic else none
        for j in range(ny):
            b0 = b if j > 0 or periodic else none
            b1 = b if j + 1 < ny or periodic else none
            for k in range(nz):
                x[i, j, k] = (
                    g[0, i - 1, j, k] * a0 - g[0, i, j, k] * a1 + g[1, i, j - 1, k] * b0 - g[1, i, j, k] * b1
                )
            for k in range(1, nz - 1):
                x[i, j, k] += (g[2, i, j, k - 1] - g[2, i, j, k]) * c
            if periodic:
                x[i, j, 0] += (g[2, i, j, nz - 1] - g[2, i, j, 0]) * c
                if nz > 1:
                    x[i, j, nz - 1] += (g[2, i, j, nz - 2] - g[2, i, j, nz - 1]) * c
            elif nz > 1:
                x[i, j, 0] -= g[2, i, j, 0] * c
                x[i, j, nz - 1] += g[2, i, j, nz - 2] * c


@parallel
def _laplacian(x, inverse_square, periodic, y):  # type: ignore[no-untyped-def]
    nx, ny, nz = x.shape
    a, b, c = inverse_square
    for plane in prange(nx):
        i = np.intp(plane)
        i0 = i - 1 if i > 0 else (nx - 1 if periodic else 0)
        i1 = i + 1 if i + 1 < nx else (0 if periodic else i)
        for j in range(ny):
            j0 = j - 1 if j > 0 else (ny - 1 if periodic else 0)
            j1 = j + 1 if j + 1 < ny else (0 if periodic else j)
            for k in range(nz):
                y[i, j, k] = (x[i0, j, k] - x[i, j, k] + (x[i1, j, k] - x[i, j, k])) * a + (
                    x[i, j0, k] - x[i, j, k] + (x[i, j1, k] - x[i, j, k])
                ) * b
            for k in range(1, nz - 1):
                y[i, j, k] += (x[i, j, k - 1] - x[i, j, k] + (x[i, j, k + 1] - x[i, j, k])) * c
            if nz > 1:
                before, after = (nz - 1, 0) if periodic else (0, nz - 1)
                end = nz - 1
                y[i, j, 0] += (x[i, j, before] - x[i, j, 0] + (x[i, j, 1] - x[i, j, 0])) * c
                y[i, j, end] += (x[i, j, end - 1] - x[i, j, end] + (x[i, j, after] - x[i, j, end])) * c
