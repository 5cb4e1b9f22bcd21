"""Mathematical morphology on masks, in millimetres.

Structuring elements are balls in mm, hence ellipsoids in voxels: a voxel is within reach of a mask if the
distance to the nearest of its voxel centres is at most the radius. A radius is never less than the shortest
voxel edge, so that it always does something. The edge of the volume is not an edge of the mask: what touches
it is not eroded from there.
"""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Gt
from scipy import ndimage

from qsmkit.arrays import AnyArray, BoolArray
from qsmkit.compiled import parallel, prange
from qsmkit.errors import MaskError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.physics.box import bounding_box
from qsmkit.physics.derivatives import VoxelSize


@method("mask", produces="mask", cite="Serra1982", rev=1)
def erode(mask: BoolArray, grid: Grid, *, radius: Annotated[float, Gt(0)] = 1.0) -> BoolArray:
    """Erode the mask: keep the voxels that are farther than a radius from everything outside it.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        Mask.
    grid : Grid
        Geometry.
    radius : float
        Depth of the layer that is removed, in mm; at least the shortest voxel edge is taken.

    Returns
    -------
    (X, Y, Z) bool array
        Mask, not empty.

    Raises
    ------
    MaskError
        Nothing is left.
    """
    eroded = shrunk(mask, radius, grid.voxel_size)
    if not eroded.any():
        raise MaskError(f"erode: radius = {radius:g} mm leaves nothing of {mask.sum()} voxels; lower it")
    return eroded


@method("mask", produces="mask", cite="Serra1982", rev=1)
def dilate(mask: BoolArray, grid: Grid, *, radius: Annotated[float, Gt(0)] = 1.0) -> BoolArray:
    """Dilate the mask: add the voxels within a radius of it.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        Mask.
    grid : Grid
        Geometry.
    radius : float
        Depth of the layer that is added, in mm; at least the shortest voxel edge is taken.

    Returns
    -------
    (X, Y, Z) bool array
        Mask.
    """
    return grown(mask, radius, grid.voxel_size)


@method("mask", produces="mask", cite="Serra1982", rev=1)
def close(mask: BoolArray, grid: Grid, *, radius: Annotated[float, Gt(0)] = 2.0) -> BoolArray:
    """Close gaps and dents of the mask: dilate, then erode by the same radius.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        Mask.
    grid : Grid
        Geometry.
    radius : float
        Half the width of the gaps that are closed, in mm; at least the shortest voxel edge is taken.

    Returns
    -------
    (X, Y, Z) bool array
        Mask.
    """
    return closed(mask, radius, grid.voxel_size)


@method("mask", produces="mask", cite="Serra1982", rev=1)
def fill_holes(
    mask: BoolArray, grid: Grid, *, max_volume: Annotated[float | None, Gt(0)] = None
) -> BoolArray:
    """Fill the holes of the mask: what lies outside it, but cannot be reached from the edge of the volume.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        Mask.
    grid : Grid
        Geometry.
    max_volume : float, optional
        Volume of the largest hole to fill, in mm³; every hole is filled without it.

    Returns
    -------
    (X, Y, Z) bool array
        Mask.
    """
    return filled(mask, np.inf if max_volume is None else max_volume / grid.voxel_volume)


@method("mask", produces="mask", cite="Serra1982", rev=1)
def largest_component(mask: BoolArray, grid: Grid) -> BoolArray:
    """Keep the largest connected part of the mask, where voxels are connected through faces.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        Mask.
    grid : Grid
        Geometry.

    Returns
    -------
    (X, Y, Z) bool array
        Mask.
    """
    return largest(mask)


def grown(mask: BoolArray, radius: float, voxel_size: VoxelSize) -> BoolArray:
    """Return the voxels of the volume within `radius` mm of the mask."""
    grown_mask = np.zeros_like(mask)
    box = bounding_box(mask, _reach(radius, voxel_size))
    grown_mask[box] = _within(mask[box], radius, voxel_size)
    return grown_mask


def shrunk(mask: BoolArray, radius: float, voxel_size: VoxelSize) -> BoolArray:
    """Return the voxels of the mask farther than `radius` mm from every voxel outside it."""
    shrunk_mask = np.zeros_like(mask)
    box = bounding_box(mask, (1, 1, 1))
    shrunk_mask[box] = ~_within(~mask[box], radius, voxel_size)
    return shrunk_mask


def closed(mask: BoolArray, radius: float, voxel_size: VoxelSize) -> BoolArray:
    """Return the mask grown and shrunk again by `radius` mm, as if the volume had no edge."""
    closed_mask = np.zeros_like(mask)
    box = bounding_box(mask)
    reach = _reach(radius, voxel_size)
    roomy = _within(np.pad(mask[box], [(r, r) for r in reach]), radius, voxel_size)
    roomy = np.pad(roomy, 1)
    inner = tuple(slice(r + 1, -r - 1) for r in reach)
    closed_mask[box] = ~_within(~roomy, radius, voxel_size)[inner]
    return closed_mask


def opened(mask: BoolArray, radius: float, voxel_size: VoxelSize) -> BoolArray:
    """Return the mask shrunk and grown again by `radius` mm; it may be empty."""
    core = shrunk(mask, radius, voxel_size)
    return grown(core, radius, voxel_size) if core.any() else core


def filled(mask: BoolArray, max_voxels: float = np.inf) -> BoolArray:
    """Return the mask with its holes of up to `max_voxels` filled; diagonal gaps do not open a hole."""
    box = bounding_box(mask)
    labels, _ = ndimage.label(np.pad(~mask[box], 1, constant_values=True))
    sizes = np.bincount(labels.ravel())
    fill = sizes <= max_voxels
    fill[labels[0, 0, 0]] = False
    filled_mask = np.zeros_like(mask)
    filled_mask[box] = fill[labels[1:-1, 1:-1, 1:-1]] | mask[box]
    return filled_mask


def largest(mask: BoolArray, count: int = 1) -> BoolArray:
    """Return the `count` largest face-connected parts of the mask."""
    box = bounding_box(mask)
    labels, _ = ndimage.label(mask[box])
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    keep = np.zeros(len(sizes), bool)
    keep[np.argsort(sizes, kind="stable")[-count:]] = True
    keep[0] = False
    kept = np.zeros_like(mask)
    kept[box] = keep[labels]
    return kept


def centroid(weights: AnyArray, grid: Grid) -> npt.NDArray[np.float64]:
    """Return the centre of gravity of non-negative weights, in world mm."""
    profiles = (weights.sum(axis=axes, dtype=np.float64) for axes in ((1, 2), (0, 2), (0, 1)))
    return grid.world([p @ np.arange(len(p)) / p.sum() for p in profiles])


def ball(grid: Grid, centre: npt.NDArray[np.float64], radius: float) -> BoolArray:
    """Return the voxels within `radius` mm of a point given in world mm."""
    index = np.ogrid[tuple(slice(n) for n in grid.shape)]
    offsets = zip(index, grid.voxel(centre), grid.voxel_size, strict=True)
    within: BoolArray = sum(((i - c) * h) ** 2 for i, c, h in offsets) <= radius**2
    return within


def _reach(radius: float, voxel_size: VoxelSize) -> tuple[int, ...]:
    """Whole voxels that a radius reaches along each axis."""
    radius = max(radius, min(voxel_size))
    return tuple(int(radius / h * (1 + 1e-5)) for h in voxel_size)


def _within(mask: BoolArray, radius: float, voxel_size: VoxelSize) -> BoolArray:
    """Return where the distance to the mask, a separable minimum of parabolas, is at most the radius."""
    along_z, along_yz, distance = (np.empty(mask.shape, np.float32) for _ in range(3))
    wx, wy, _ = _reach(radius, voxel_size)
    hx, hy, hz = (np.float32(h) for h in voxel_size)
    _scan(np.ascontiguousarray(mask), hz, along_z)
    _lower_envelope(along_z, hy, 1, wy, along_yz)
    _lower_envelope(along_yz, hx, 0, wx, distance)
    near: BoolArray = distance <= np.float32(max(radius, min(voxel_size)) ** 2 * (1 + 1e-5))
    return near


@parallel
def _scan(mask, step, out):  # type: ignore[no-untyped-def]
    """Squared distance to the nearest voxel of the mask on the same line along the last axis."""
    nx, ny, nz = mask.shape
    for row in prange(nx * ny):
        i, j = row // ny, row % ny
        distance = np.float32(1e9)
        for k in range(nz):
            distance = np.float32(0) if mask[i, j, k] else distance + step
            out[i, j, k] = distance
        distance = np.float32(1e9)
        for k in range(nz - 1, -1, -1):
            distance = np.float32(0) if mask[i, j, k] else distance + step
            out[i, j, k] = min(out[i, j, k], distance) ** 2


@parallel
def _lower_envelope(d, step, axis, width, out):  # type: ignore[no-untyped-def]
    """Minimum over shifts of up to `width` voxels along axis 0 or 1 of d plus the shift squared."""
    nx, ny, nz = d.shape
    for row in prange(nx * ny):
        i, j = row // ny, row % ny
        for k in range(nz):
            out[i, j, k] = d[i, j, k]
        place, length = (i, nx) if axis == 0 else (j, ny)
        for shift in range(max(-width, -place), min(width, length - 1 - place) + 1):
            cost = (shift * step) ** 2
            a, b = (i + shift, j) if axis == 0 else (i, j + shift)
            for k in range(nz):
                out[i, j, k] = min(out[i, j, k], d[a, b, k] + cost)
