"""The unit dipole: how susceptibility makes field.

In the Fourier domain the relative field shift of a susceptibility distribution is D(k) χ(k) with

    D(k) = 1/3 − (k·b)² / |k|²,   D(0) = 0,

where b is the direction of B0 in voxel axes (Salomir 2003, Marques & Bowtell 2005; `Salomir2003`, `Marques2005`).
D(0) is a choice, the Lorentz-sphere-free mean: χ is determined up to a constant, which referencing settles.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import FloatArray
from qsmkit.grid import Grid
from qsmkit.physics.fft import Shape, convolve, fast_shape, frequencies

Kernel = Literal["continuous", "discrete"]


def dipole_kernel(
    grid: Grid,
    shape: Shape | None = None,
    *,
    kind: Kernel = "continuous",
    direction: npt.NDArray[np.float64] | None = None,
    dtype: npt.DTypeLike = np.float32,
) -> FloatArray:
    """Return the dipole kernel D on the half spectrum of a real FFT.

    Parameters
    ----------
    grid : Grid
        Gives voxel size and B0 direction.
    shape : tuple of int, optional
        Shape of the transform if padded; the grid's own otherwise.
    kind : {"continuous", "discrete"}
        The sampled continuous kernel, or the symbol of its finite-difference form on the voxel grid, which damps the
        highest frequencies and with them Gibbs ringing (Milovic 2018).
    direction : (3,) array, optional
        Unit vector of B0 in voxel axes, if it is not the grid's own.
    dtype : dtype
        Type of the result; it is always computed in double precision.

    Returns
    -------
    (X, Y, Z//2 + 1) array
        D, dimensionless, between −2/3 and 1/3.
    """
    shape = shape or grid.shape
    square, product = _square_continuous, _product_continuous
    if kind == "discrete":
        square, product = _square_discrete, _product_discrete
    k = frequencies(shape, grid.voxel_size)
    h, b = grid.voxel_size, grid.b0_direction if direction is None else direction

    squares = [square(k[i], h[i]) for i in range(3)]
    products = [product(k[i], h[i], even=shape[i] % 2 == 0) for i in range(3)]
    laplacian = squares[0] + squares[1] + squares[2]
    laplacian[0, 0, 0] = 1
    kernel = b[0] ** 2 * squares[0] + b[1] ** 2 * squares[1] + b[2] ** 2 * squares[2]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        if abs(b[i] * b[j]) > 0:
            kernel += 2 * b[i] * b[j] * products[i] * products[j]
    kernel /= np.negative(laplacian, out=laplacian)
    kernel += 1 / 3
    kernel[0, 0, 0] = 0
    result: FloatArray = kernel.astype(dtype)
    return result


def forward_field(chi: FloatArray, grid: Grid, *, kind: Kernel = "continuous") -> FloatArray:
    """Return the field shift of a susceptibility volume surrounded by zero susceptibility.

    The volume is padded to twice its size, so that sources do not meet the dipoles of their own periodic images.

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility in ppm.
    grid : Grid
        Geometry.
    kind : {"continuous", "discrete"}
        Kernel, see `dipole_kernel`.

    Returns
    -------
    (X, Y, Z) array
        Relative field shift in ppm.
    """
    shape = fast_shape(grid.shape, grid.shape)
    return convolve(chi, dipole_kernel(grid, shape, kind=kind, dtype=chi.dtype), shape)


Axis = npt.NDArray[np.float64]


def _square_continuous(k: Axis, h: float) -> Any:
    """−∂²/∂x² along an axis, over 4π²."""
    return k**2


def _product_continuous(k: Axis, h: float, *, even: bool) -> Any:
    """∂/∂x along an axis, over 2πi; odd, hence zero at the Nyquist frequency, so that real volumes stay real."""
    return np.where(even & np.isclose(np.abs(k) * h, 0.5), 0.0, k)


def _square_discrete(k: Axis, h: float) -> Any:
    """−∂²/∂x² as the second difference, over 4π²."""
    return (1 - np.cos(2 * np.pi * k * h)) / (2 * (np.pi * h) ** 2)


def _product_discrete(k: Axis, h: float, *, even: bool) -> Any:
    """∂/∂x as the central difference, over 2πi."""
    return np.sin(2 * np.pi * k * h) / (2 * np.pi * h)
