"""Background removal by the Laplacian boundary value problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.errors import MaskError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.solvers import cg
from qsmkit.physics.box import Box
from qsmkit.physics.derivatives import VoxelSize
from qsmkit.recon.background.result import LocalField


@method("background", cite="Zhou2014", rev=1)
def lbv(
    total_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    *,
    peel: Annotated[int, Ge(0)] = 0,
    tolerance: Annotated[float, Gt(0), Lt(1)] = 1e-4,
    max_iterations: Annotated[int, Ge(1)] = 100,
) -> LocalField:
    """Continue the field on the mask's edge harmonically into the mask, and subtract that.

    ∇²b_L = ∇²b in the mask, b_L = 0 on its outermost layer of voxels (Zhou 2014), with the 7-point Laplacian;
    solved by conjugate gradients, preconditioned by multigrid.

    It assumes that the local field vanishes on the edge. Where it does not (a vein or cerebrospinal fluid at
    the surface, an edge through the brain, noise) the harmonic continuation of what is there goes missing
    inside.

    Parameters
    ----------
    total_field : (X, Y, Z) array
        Total field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the total field is known.
    grid : Grid
        Geometry.
    peel : int
        Number of layers of voxels to take off the mask before its edge is trusted.
    tolerance : float
        Relative residual of the Laplacian at which iterations stop.
    max_iterations : int
        Most iterations to do.

    Returns
    -------
    LocalField
        Local field in ppm, and the mask without the layers peeled off and without the edge.

    Raises
    ------
    MaskError
        Nothing is left inside the edge.
    """
    box = Box.around(mask, grid, 0)
    edge = np.pad(np.ascontiguousarray(box.crop(mask)), 1)
    for _ in range(peel):
        edge = _interior(edge)
    inside = _interior(edge)
    if not inside.any():
        raise MaskError(f"lbv: nothing is left inside the edge after peeling {peel} layers; peel fewer")

    field = np.pad(np.ascontiguousarray(box.crop(total_field)), 1) * edge
    field[edge] -= field[edge].mean()
    levels = _levels(inside, grid.voxel_size, field.dtype)

    source: FloatArray = np.zeros_like(field)
    image: FloatArray = np.zeros_like(field)
    _laplacian(field, inside, levels[0].weights, source)

    def negative_laplacian(x: FloatArray) -> FloatArray:
        _laplacian(x, inside, levels[0].weights, image)
        return image

    solution = cg(
        negative_laplacian,
        source,
        precondition=lambda r: _v_cycle(levels, r),
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    valid = np.zeros(mask.shape, bool)
    valid[box.inner] = inside[1:-1, 1:-1, 1:-1]
    return LocalField(box.restore(solution.accept("lbv")[1:-1, 1:-1, 1:-1], valid), valid)


# Multigrid: −∇² with zero Dirichlet values outside `inside`. A coarser grid keeps every second point along
# the axes with the finest spacing, so that voxels which are not cubes become so; it is inside where the fine
# point is. Restriction is the adjoint of linear interpolation, and smoothing runs red–black before and
# black–red after, so that a cycle is a symmetric positive definite operator, as conjugate gradients need.


@dataclass(frozen=True)
class _Level:
    """One grid of the hierarchy: its points, 1/h² along its axes, and the steps to the next coarser one."""

    inside: BoolArray
    weights: FloatArray
    steps: tuple[int, int, int]


def _levels(inside: BoolArray, voxel_size: VoxelSize, dtype: npt.DTypeLike) -> list[_Level]:
    h = np.array(voxel_size) / min(voxel_size)
    levels: list[_Level] = []
    while True:
        i, j, k = (2 if s < 1.5 * min(h) and n > 4 else 1 for s, n in zip(h, inside.shape, strict=True))
        levels.append(_Level(inside, (1 / h**2).astype(dtype), (i, j, k)))
        # An odd number of points keeps the last layer, which is never inside, on the coarse grid.
        padded = np.pad(inside, [(0, (1 - n) % s) for n, s in zip(inside.shape, (i, j, k), strict=True)])
        coarse = np.ascontiguousarray(padded[::i, ::j, ::k])
        if max(i, j, k) == 1 or not coarse.any():
            return levels
        inside, h = coarse, h * (i, j, k)


def _v_cycle(levels: list[_Level], r: FloatArray) -> FloatArray:
    """Return an approximate solution of −∇² x = r."""
    level = levels[0]
    x = np.zeros_like(r)
    last = len(levels) == 1
    for colour in (0, 1) * (20 if last else 1):
        _relax(x, r, level.inside, level.weights, colour)
    if not last:
        residual = np.zeros_like(r)
        _laplacian(x, level.inside, level.weights, residual)
        np.subtract(r, residual, out=residual)
        coarse = np.zeros(levels[1].inside.shape, r.dtype)
        _restrict(residual, level.steps, levels[1].inside, coarse)
        _prolong(_v_cycle(levels[1:], coarse), level.steps, level.inside, x)
    for colour in (1, 0) * (20 if last else 1):
        _relax(x, r, level.inside, level.weights, colour)
    return x


def _interior(mask: BoolArray) -> BoolArray:
    """Return the voxels all six neighbours of which are in the mask."""
    inner = np.zeros_like(mask)
    core = inner[1:-1, 1:-1, 1:-1]
    core[...] = mask[1:-1, 1:-1, 1:-1]
    for axis in range(3):
        for shift in (-1, 1):
            core &= np.roll(mask, shift, axis)[1:-1, 1:-1, 1:-1]
    return inner


@parallel
def _laplacian(x, inside, weights, y):  # type: ignore[no-untyped-def]
    """Store −∇² x inside."""
    nx, ny, nz = x.shape
    a, b, c = weights
    diagonal = 2 * (a + b + c)
    for plane in prange(1, nx - 1):
        i = np.intp(plane)
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                if inside[i, j, k]:
                    y[i, j, k] = (
                        diagonal * x[i, j, k]
                        - a * (x[i - 1, j, k] + x[i + 1, j, k])
                        - b * (x[i, j - 1, k] + x[i, j + 1, k])
                        - c * (x[i, j, k - 1] + x[i, j, k + 1])
                    )


@parallel
def _relax(x, r, inside, weights, colour):  # type: ignore[no-untyped-def]
    """Solve −∇² x = r at the points of one colour, the others held."""
    nx, ny, nz = x.shape
    a, b, c = weights
    inverse = 1 / (2 * (a + b + c))
    for plane in prange(1, nx - 1):
        i = np.intp(plane)
        for j in range(1, ny - 1):
            for k in range(1 + (i + j + 1 + colour) % 2, nz - 1, 2):
                if inside[i, j, k]:
                    x[i, j, k] = inverse * (
                        r[i, j, k]
                        + a * (x[i - 1, j, k] + x[i + 1, j, k])
                        + b * (x[i, j - 1, k] + x[i, j + 1, k])
                        + c * (x[i, j, k - 1] + x[i, j, k + 1])
                    )


@parallel
def _restrict(fine, steps, inside, coarse):  # type: ignore[no-untyped-def]
    """Store the weighted mean of the fine points around every coarse one."""
    nx, ny, nz = coarse.shape
    si, sj, sk = steps
    for plane in prange(1, nx - 1):
        i = np.intp(plane)
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                if inside[i, j, k]:
                    total = fine.dtype.type(0)
                    for u in range(1 - si, si):
                        for v in range(1 - sj, sj):
                            for w in range(1 - sk, sk):
                                share = (si - abs(u)) * (sj - abs(v)) * (sk - abs(w))
                                total += share * fine[i * si + u, j * sj + v, k * sk + w]
                    coarse[i, j, k] = total / (si * sj * sk) ** 2


@parallel
def _prolong(coarse, steps, inside, x):  # type: ignore[no-untyped-def]
    """Add the linear interpolation of the coarse points to the fine ones inside."""
    nx, ny, nz = x.shape
    si, sj, sk = steps
    for plane in prange(1, nx - 1):
        i = np.intp(plane)
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                if inside[i, j, k]:
                    i0, j0, k0 = i // si, j // sj, k // sk
                    i1, j1, k1 = (i + si - 1) // si, (j + sj - 1) // sj, (k + sk - 1) // sk
                    near = coarse[i0, j0, k0] + coarse[i0, j0, k1] + coarse[i0, j1, k0] + coarse[i0, j1, k1]
                    far = coarse[i1, j0, k0] + coarse[i1, j0, k1] + coarse[i1, j1, k0] + coarse[i1, j1, k1]
                    x[i, j, k] += (near + far) / 8
