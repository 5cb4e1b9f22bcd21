"""The high-pass that the SHARP family shares: field minus its mean over the largest ball that fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.errors import MaskError, ParameterError
from qsmkit.grid import Grid
from qsmkit.optim.solution import Solution
from qsmkit.optim.solvers import cg
from qsmkit.physics.box import Box
from qsmkit.physics.fft import convolve, irfftn, rfftn
from qsmkit.physics.smv import clearance, smv_kernel


@dataclass(frozen=True)
class HighPass:
    """A = Σ_n M_n (δ − ρ_n), where shell M_n holds the voxels for which the n-th ball is the largest to fit.

    All arrays live on the box around the mask. Balls never reach over its edge, so that it needs no padding.

    Attributes
    ----------
    box : Box
        Box around the mask.
    level : array of int8
        Index of the shell that a voxel belongs to; −1 where no ball fits.
    radii : tuple of float
        Radii of the balls that fit somewhere, descending, in mm.
    kernels : tuple of array
        1 − F ρ_n of those balls, on the half spectrum.
    valid : (X, Y, Z) bool array
        Voxels of the full volume around which some ball fits.
    """

    box: Box
    level: npt.NDArray[np.int8]
    radii: tuple[float, ...]
    kernels: tuple[FloatArray, ...]
    valid: BoolArray

    @classmethod
    def of(cls, mask: BoolArray, grid: Grid, radii: Sequence[float], dtype: npt.DTypeLike) -> HighPass:
        """Return the high-pass for a mask and the radii to choose from, in mm.

        Raises
        ------
        MaskError
            Not even the smallest ball fits into the mask.
        ParameterError
            A ball is too small to hold the voxels around its centre.
        """
        box = Box.around(mask, grid, 0)
        beyond_doubt = 1.01 * max(radii)  # single precision must not decide whether the largest ball fits
        room = clearance(box.crop(mask), grid.voxel_size, beyond_doubt)
        fitting = [r for r in sorted(radii, reverse=True) if r <= room.max()]
        if not fitting:
            raise MaskError(
                f"no ball of radius {min(radii):g} mm fits into the mask; use a smaller one or a larger mask"
            )
        level = np.full(box.shape, -1, np.int8)
        inner = level[: room.shape[0], : room.shape[1], : room.shape[2]]
        for n, radius in reversed(list(enumerate(fitting))):
            inner[room >= radius] = n
        valid = np.zeros(mask.shape, bool)
        valid[box.inner] = inner >= 0
        kernels = tuple(1 - smv_kernel(r, grid.voxel_size, box.shape, dtype=dtype) for r in fitting)
        return cls(box, level, tuple(fitting), kernels, valid)

    def __call__(self, field: FloatArray) -> FloatArray:
        """Return A b of a field on the box."""
        high = np.zeros_like(field)
        for n, (_, part) in enumerate(self._parts(field)):
            np.copyto(high, part, where=self.level == n)
        return high

    def normal(self, field: FloatArray, weights: Sequence[float]) -> FloatArray:
        """Return Σ_n w_n A_nᵀ A_n b of a field on the box, with one weight a shell."""
        total = np.zeros(self.kernels[0].shape, np.result_type(field.dtype, np.complex64))
        for n, (kernel, part) in enumerate(self._parts(field)):
            _keep_shell(part, self.level, n)
            _add_product(total, rfftn(part), kernel, kernel.dtype.type(weights[n]))
        return irfftn(total, self.box.shape)

    def _parts(self, field: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        spectrum = rfftn(field)
        product = np.empty_like(spectrum)
        for kernel in self.kernels:
            yield kernel, irfftn(np.multiply(spectrum, kernel, out=product), self.box.shape)


def smallest_radius(who: str, max_radius: float, min_radius: float | None, grid: Grid) -> float:
    """Return the least radius in mm, by default the longest edge of a voxel, or raise ParameterError."""
    smallest = max(grid.voxel_size) if min_radius is None else min_radius
    if max_radius < smallest:
        raise ParameterError(f"{who}: max_radius = {max_radius:g} mm is below the least, {smallest:g} mm")
    return smallest


def deconvolve(
    high_pass: HighPass,
    field: FloatArray,
    weights: Sequence[float],
    regularisation: float,
    *,
    tolerance: float,
    max_iterations: int,
) -> Solution[FloatArray]:
    """Minimise Σ_n w_n ‖A_n (b − b_L)‖² + λ ‖b_L‖² by conjugate gradients.

    Parameters
    ----------
    high_pass : HighPass
        A, with shells A_n.
    field : (X, Y, Z) array
        b, in ppm, zero outside the mask.
    weights : sequence of float
        w_n, one a shell.
    regularisation : float
        λ.
    tolerance : float
        Relative residual of the normal equations at which iterations stop.
    max_iterations : int
        Most iterations to do.

    Returns
    -------
    Solution
        b_L on the box, in ppm.
    """

    def normal(b: FloatArray) -> FloatArray:
        y = high_pass.normal(b, weights)
        y += regularisation * b
        return y

    source = high_pass.normal(high_pass.box.pad(field), weights)
    return cg(normal, source, tolerance=tolerance, max_iterations=max_iterations)


def divide(high: FloatArray, high_pass: HighPass, mask: BoolArray, grid: Grid, threshold: float) -> FloatArray:
    """Return F⁻¹[F b′ / (1 − F ρ)] with ρ the largest ball, where frequencies below a threshold are dropped.

    Parameters
    ----------
    high : array
        b′ on the box, in ppm.
    high_pass : HighPass
        Gives box and radius.
    mask : (X, Y, Z) bool array
        The mask that the box is around.
    grid : Grid
        Geometry.
    threshold : float
        Smallest |1 − F ρ| that is divided by.

    Returns
    -------
    (X, Y, Z) array
        b_L in ppm, zero where no ball fits.
    """
    radius = high_pass.radii[0]
    padded = Box.around(mask, grid, radius)
    response = 1 - smv_kernel(radius, grid.voxel_size, padded.shape, dtype=high.dtype)
    inverse = np.zeros_like(response)
    kept = np.abs(response) >= max(threshold, np.finfo(response.dtype).eps)
    np.divide(1, response, out=inverse, where=kept)
    x, y, z = high_pass.box.crop(mask).shape
    return high_pass.box.restore(convolve(high[:x, :y, :z], inverse, padded.shape), high_pass.valid)


@parallel
def _keep_shell(part, level, n):  # type: ignore[no-untyped-def]
    nx, ny, nz = part.shape
    for i in prange(nx):
        for j in range(ny):
            for k in range(nz):
                if level[i, j, k] != n:
                    part[i, j, k] = 0


@parallel
def _add_product(total, spectrum, kernel, weight):  # type: ignore[no-untyped-def]
    nx, ny, nz = total.shape
    for i in prange(nx):
        for j in range(ny):
            for k in range(nz):
                total[i, j, k] += weight * kernel[i, j, k] * spectrum[i, j, k]
