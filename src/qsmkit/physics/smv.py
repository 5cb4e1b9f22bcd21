"""Spherical mean values: the mean of a field over a ball free of sources is its value at the centre.

    (δ − ρ_r) ⋆ b = 0   where b is harmonic in the ball of radius r

with ρ_r the normalised ball (Schweser 2011). On voxels, ρ_r holds the share of every voxel that the ball
fills, and its weights are then adjusted, by as little as possible, until the mean-value property holds
exactly for every harmonic polynomial of degree up to five (three if the radius is shorter than a voxel's
edge). Without that, voxels that are not cubes would leave a residue of any curved field: the second moments
of a ball drawn on them differ between axes.
"""

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange, serial
from qsmkit.errors import ParameterError
from qsmkit.physics.derivatives import VoxelSize
from qsmkit.physics.fft import Shape

SUBDIVISIONS = 10
"""Points per voxel edge at which the share of a voxel inside the ball is sampled."""


def smv_kernel(
    radius: float, voxel_size: VoxelSize, shape: Shape, *, dtype: npt.DTypeLike = np.float32
) -> FloatArray:
    """Return the spectrum of the normalised ball on the half spectrum of a real FFT.

    Parameters
    ----------
    radius : float
        mm.
    voxel_size : tuple of float
        mm.
    shape : tuple of int
        Shape of the transform.
    dtype : dtype
        Type of the result.

    Returns
    -------
    (X, Y, Z//2 + 1) array
        ρ_r, dimensionless; 1 at frequency zero. Real, as a ball is even.

    Raises
    ------
    ParameterError
        The ball is too small to hold the voxels around its centre.
    """
    spectrum = ball(radius, voxel_size).astype(dtype)
    bins = (shape[0], shape[1], shape[2] // 2 + 1)
    for axis in (2, 1, 0):
        offset = np.arange(spectrum.shape[axis])
        turns = np.outer(np.arange(bins[axis]), offset) % shape[axis] / shape[axis]
        cosine = np.where(offset == 0, 1, 2) * np.cos(2 * np.pi * turns)
        spectrum = np.moveaxis(np.tensordot(cosine.astype(dtype), spectrum, (1, axis)), 0, axis)
    return np.ascontiguousarray(spectrum)


def ball(radius: float, voxel_size: VoxelSize) -> npt.NDArray[np.float64]:
    """Return the weights of the normalised ball in the octant of non-negative voxel offsets.

    Parameters
    ----------
    radius : float
        mm.
    voxel_size : tuple of float
        mm.

    Returns
    -------
    (A, B, C) array
        Weight of the voxels at offsets (±a, ±b, ±c); all of them together sum to 1.

    Raises
    ------
    ParameterError
        The ball is too small to hold the voxels around its centre.
    """
    h = np.array(voxel_size)
    if radius <= h.max() / 2:
        raise ParameterError(
            f"a ball of radius {radius:g} mm holds no neighbour along voxel edges of {h.max():g} mm; "
            f"use at least {h.max():g} mm"
        )
    share = np.empty(tuple(int(n) for n in np.floor(radius / h + 0.5) + 1))
    _fill_ball(radius, h, SUBDIVISIONS, share)
    index = [np.arange(n) for n in share.shape]
    unit = h / radius
    x, y, z = np.meshgrid(*[i * s for i, s in zip(index, unit, strict=True)], indexing="ij", sparse=True)
    a, b, c = np.meshgrid(*[np.where(i == 0, 1, 2) for i in index], indexing="ij", sparse=True)
    count = a * b * c
    # The harmonic polynomials that are even along every axis; all others vanish on a ball by symmetry.
    harmonics = np.stack([
        np.broadcast_to(p, share.shape) for p in (
            np.ones(1), x**2 - y**2, x**2 + y**2 - 2 * z**2,
            x**4 - 6 * x**2 * y**2 + y**4, y**4 - 6 * y**2 * z**2 + z**4, z**4 - 6 * z**2 * x**2 + x**4,
        )
    ]).reshape(6, -1)[: 6 if radius >= h.max() else 3]
    share = share.ravel()
    weighted = harmonics * (share * count.ravel())
    at_centre = np.eye(len(harmonics))[0]
    share *= np.linalg.lstsq(weighted @ harmonics.T, at_centre, rcond=1e-9)[0] @ harmonics
    return share.reshape(count.shape)


def clearance(mask: BoolArray, voxel_size: VoxelSize, limit: float) -> npt.NDArray[np.float32]:
    """Return how large a ball fits into the mask around every voxel.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        Whatever lies beyond the volume counts as outside.
    voxel_size : tuple of float
        mm.
    limit : float
        Radius in mm beyond which it does not matter.

    Returns
    -------
    (X, Y, Z) array
        Distance in mm from the voxel's centre to the nearest face of a voxel outside the mask, at most
        `limit`; zero outside.
    """
    distance = np.where(np.pad(np.ascontiguousarray(mask), 1), np.float32(limit**2), np.float32(0))
    for axis, h in enumerate(voxel_size):
        offset = np.arange(min(int(np.ceil(limit / h + 0.5)) + 1, distance.shape[axis]))
        cost = (np.maximum(offset - 0.5, 0) * h) ** 2
        near = np.empty_like(distance)
        _lower_envelope(distance, cost.astype(np.float32), axis, near)
        distance = near
    return np.sqrt(distance[1:-1, 1:-1, 1:-1])


@serial
def _fill_ball(radius, h, parts, share):  # type: ignore[no-untyped-def]
    """Store the share of every voxel that lies in the ball around voxel 0."""
    part = (np.arange(parts) + 0.5) / parts - 0.5
    for i in range(share.shape[0]):
        for j in range(share.shape[1]):
            for k in range(share.shape[2]):
                inside = 0
                for a in part:
                    for b in part:
                        for c in part:
                            square = ((i + a) * h[0]) ** 2 + ((j + b) * h[1]) ** 2 + ((k + c) * h[2]) ** 2
                            inside += square < radius * radius
                share[i, j, k] = inside / parts**3


@parallel
def _lower_envelope(g, cost, axis, out):  # type: ignore[no-untyped-def]
    """Store min over offsets d along `axis` of g(x + d) + cost(d), with g zero in the outermost layer."""
    nx, ny, nz = g.shape
    for plane in prange(nx):
        i = np.intp(plane)
        for j in range(ny):
            row = out[i, j]
            row[:] = g[i, j]
            if row.max() == 0:
                continue
            for d in range(1, cost.size):
                if axis == 0:
                    _relax(row, g[max(i - d, 0), j], cost[d])
                    _relax(row, g[min(i + d, nx - 1), j], cost[d])
                elif axis == 1:
                    _relax(row, g[i, max(j - d, 0)], cost[d])
                    _relax(row, g[i, min(j + d, ny - 1)], cost[d])
                else:
                    _relax(row[d:], g[i, j, : nz - d], cost[d])
                    _relax(row[: nz - d], g[i, j, d:], cost[d])


@serial
def _relax(row, other, cost):  # type: ignore[no-untyped-def]
    for k in range(row.size):
        row[k] = min(row[k], other[k] + cost)
