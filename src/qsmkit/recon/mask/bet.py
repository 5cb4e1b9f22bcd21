"""Brain extraction by a surface that grows from inside until it meets the skull (BET)."""

import logging
import warnings
from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import serial
from qsmkit.errors import DataWarning, GeometryError, MaskError, ParameterError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.mask.homogeneity import homogenised
from qsmkit.recon.mask.morphology import ball, centroid
from qsmkit.recon.mask.surface import Points, icosphere, inside, intersects_itself

logger = logging.getLogger(__name__)

DEPTH_MIN, DEPTH_MAX = 20, 10
"""How far inwards, in mm, the lowest and the highest intensity are looked for: d1 and d2."""

CURVATURE_RADII = 3.33, 10.0
"""Radii of curvature, in mm, up to which the surface is smoothed fully, and from which hardly at all."""

STIFFER = 10.0
"""Factor on the radii of curvature when a surface that cuts itself is grown once more."""


CALIBRATION = 0.275
"""Exponent that turns the setting `fraction` into the fraction of the local intensity range."""


@method("mask", produces="mask", cite="Smith2002", rev=1)
def bet(
    magnitude: FloatArray,
    grid: Grid,
    *,
    echo: Annotated[int, Ge(1)] = 1,
    fraction: Annotated[float, Gt(0), Lt(1)] = 0.5,
    gradient: Annotated[float, Ge(-1), Le(1)] = 0.0,
    smoothness: Annotated[float, Gt(0)] = 1.0,
    smoothing: Annotated[float, Ge(0)] = 15.0,
    iterations: Annotated[int, Ge(1)] = 1000,
    subdivisions: Annotated[int, Ge(2), Le(6)] = 4,
) -> BoolArray:
    """Extract the brain with a deformable surface (BET).

    A tessellated sphere around the centre of gravity, half as large as the head, grows; each vertex moves by

        s_t / 2 + f₂ s_n + 0.05 f₃ l n,   f₃ = 2 (I_min − t_l) / (I_max − t₂),   t_l = t₂ + b (I_max − t₂),

    where s_t and s_n are the parts, within and across the surface, of the vector to the mean of its
    neighbours, f₂ rises with the surface's local curvature, l is the mean distance of neighbours, n the
    outward normal, and I_min and I_max are the lowest and highest intensity up to 20 and 10 mm inwards,
    limited by the robust range of the volume, t₂ to t₉₈, and the median t_m of the head (Smith 2002). A
    surface that cuts itself is grown again with ten times the radii of curvature where it is concave, relaxed
    over the last quarter of the iterations.

    Different from the paper, the magnitude is first divided by the signal of the surrounding tissue, without
    which a coil's sensitivity pulls the surface to where the signal is strong; and b = fraction^0.275, the
    scale on which fractions are usually quoted: the formula with b = 0.5 leaks into the scalp of
    gradient-echo images.

    All of it happens in world millimetres with trilinear interpolation, so that the voxels' shape and
    orientation do not matter; outside the volume the intensity is zero. Self-intersection is tested exactly
    (an edge that pierces a triangle), and the voxels inside are those that the surface winds around. Where
    even the dimmest voxels are as bright as tissue, as in a crop within the brain, the mask is the whole
    volume, and a warning says so.

    Parameters
    ----------
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units, echo last.
    grid : Grid
        Geometry.
    echo : int
        Number of the echo that is used, counted from 1.
    fraction : float
        Fractional intensity threshold; a larger one gives a smaller brain.
    gradient : float
        Change of the threshold over one radius of the head towards world +z: positive gives more brain below.
    smoothness : float
        Factor on the radii of curvature, 3.33 and 10 mm, between which the surface's smoothing sets in.
    smoothing : float
        Standard deviation of the Gaussian that averages the surrounding tissue's signal, in mm; 0 takes the
        magnitude as it is.
    iterations : int
        Number of steps of the surface.
    subdivisions : int
        How often the icosahedron's triangles are split into four: 4 gives 2562 vertices.

    Returns
    -------
    (X, Y, Z) bool array
        Mask of the brain.

    Raises
    ------
    ParameterError
        There is no such echo.
    GeometryError
        The volume is too thin for a closed surface.
    MaskError
        The magnitude is constant, or the surface vanishes.

    Warns
    -----
    DataWarning
        The surface cuts itself, or there is no air or bone in view.
    """
    if echo > magnitude.shape[-1]:
        raise ParameterError(f"bet: echo = {echo}, but there are {magnitude.shape[-1]}; choose one of them")
    extent = min(n * h for n, h in zip(grid.shape, grid.voxel_size, strict=True))
    if extent < DEPTH_MIN or min(grid.shape) < 2:
        raise GeometryError(
            f"bet: the volume is {extent:.3g} mm thick, too thin for a surface; use threshold_mask instead"
        )
    volume = np.ascontiguousarray(magnitude[..., echo - 1], np.float32)
    if smoothing:
        volume = homogenised(volume, grid, smoothing, "bet")
    head = _survey(volume, grid)
    if head.t2 > head.tm / 2:
        warnings.warn(
            "bet: no air or bone is in view, so there is nothing to take away; the mask is the whole volume",
            DataWarning,
            stacklevel=3,
        )
        return np.ones(grid.shape, np.bool_)
    sphere = icosphere(subdivisions)
    to_voxel = np.linalg.inv(grid.affine)
    levels = np.array([head.t2, head.t, head.tm])
    radii = np.array(CURVATURE_RADII) * smoothness
    threshold, slope = fraction**CALIBRATION, gradient / head.radius
    for stiffness in (1.0, STIFFER):
        vertices = head.centre + head.radius / 2 * sphere.vertices
        _grow(
            volume, to_voxel, vertices, sphere.rings, levels, threshold, slope, radii, stiffness, iterations
        )
        tangled = intersects_itself(vertices, sphere.faces)
        logger.info("bet: stiffness %g, surface %s itself", stiffness, "cuts" if tangled else "does not cut")
        if not tangled:
            break
    else:
        warnings.warn(
            "bet: the surface cuts itself even when stiffened; look at the mask, and raise smoothness",
            DataWarning,
            stacklevel=3,
        )
    mask = inside(vertices, sphere.faces, grid)
    if not mask.any():
        raise MaskError(f"bet: the surface has shrunk to nothing; lower fraction = {fraction:g}")
    return mask


class _Head(NamedTuple):
    """Robust intensities t2, t (a tenth of the way to t98) and tm (median), centre and radius in world mm."""

    t2: float
    t: float
    tm: float
    centre: Points
    radius: float


def _survey(volume: FloatArray, grid: Grid) -> _Head:
    t2, t98 = (float(t) for t in np.percentile(volume, (2, 98)))
    if not t98 > t2:
        raise MaskError(f"bet: the magnitude is {t2:g} nearly everywhere; give the image of a head")
    t = t2 + 0.1 * (t98 - t2)
    head = volume > t
    centre = centroid(np.where(head, np.minimum(volume, t98), 0), grid)
    radius = float(np.cbrt(3 / (4 * np.pi) * head.sum() * grid.voxel_volume))
    central = volume[ball(grid, centre, radius) & (volume > t2) & (volume < t98)]
    if not central.size:
        raise MaskError("bet: the magnitude has no intermediate intensities; use threshold_mask instead")
    return _Head(t2, t, float(np.median(central)), centre, radius)


@serial
def _grow(  # type: ignore[no-untyped-def]
    volume, to_voxel, vertices, rings, levels, fraction, slope, radii, stiffness, iterations
):
    """Move the vertices, in place, by the forces of the surface and of the image."""
    m = to_voxel
    count = vertices.shape[0]
    t2, t, tm = levels
    curvature_mean = (1 / radii[0] + 1 / radii[1]) / 2
    curvature_scale = 6 / (1 / radii[0] - 1 / radii[1])
    centre_z = vertices[:, 2].mean()
    old = vertices.copy()
    lengths = np.empty(count)
    for v in range(count):
        a = rings[v, 0]
        lengths[v] = np.sqrt(((old[v] - old[a]) ** 2).sum())
    for iteration in range(iterations):
        spacing = lengths.mean()
        progress = iteration / iterations
        stiff = stiffness if progress < 0.75 else 1 + (stiffness - 1) * (1 - progress) * 4
        old[:] = vertices
        for v in range(count):
            valence = 6 if rings[v, 5] >= 0 else 5
            px, py, pz = old[v, 0], old[v, 1], old[v, 2]
            sx = sy = sz = nx = ny = nz = length = 0.0
            for i in range(valence):
                a, b = rings[v, i], rings[v, (i + 1) % valence]
                ax, ay, az = old[a, 0] - px, old[a, 1] - py, old[a, 2] - pz
                bx, by, bz = old[b, 0] - px, old[b, 1] - py, old[b, 2] - pz
                sx += ax
                sy += ay
                sz += az
                nx += ay * bz - az * by
                ny += az * bx - ax * bz
                nz += ax * by - ay * bx
                length += np.sqrt(ax * ax + ay * ay + az * az)
            lengths[v] = length / valence
            sx, sy, sz = sx / valence, sy / valence, sz / valence
            norm = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-30
            nx, ny, nz = nx / norm, ny / norm, nz / norm

            across = sx * nx + sy * ny + sz * nz
            curvature = 2 * abs(across) / spacing**2
            factor = stiff if across > 0 else 1.0
            smoothing = (1 + np.tanh(curvature_scale * factor * (curvature - curvature_mean / factor))) / 2

            lowest, highest = tm, t
            x = m[0, 0] * px + m[0, 1] * py + m[0, 2] * pz + m[0, 3]
            y = m[1, 0] * px + m[1, 1] * py + m[1, 2] * pz + m[1, 3]
            z = m[2, 0] * px + m[2, 1] * py + m[2, 2] * pz + m[2, 3]
            dx = m[0, 0] * nx + m[0, 1] * ny + m[0, 2] * nz
            dy = m[1, 0] * nx + m[1, 1] * ny + m[1, 2] * nz
            dz = m[2, 0] * nx + m[2, 1] * ny + m[2, 2] * nz
            for depth in range(DEPTH_MIN + 1):
                value = _interpolate(volume, x - depth * dx, y - depth * dy, z - depth * dz)
                lowest = min(lowest, value)
                if depth <= DEPTH_MAX:
                    highest = max(highest, value)
            lowest, highest = max(t2, lowest), min(tm, highest)
            threshold = min(max(fraction + slope * (pz - centre_z), 0.0), 1.0)
            force = 2 * (lowest - t2 - threshold * (highest - t2)) / (highest - t2)

            along = 0.5 * across
            normal = smoothing * across + 0.05 * force * spacing - along
            vertices[v, 0] = px + 0.5 * sx + normal * nx
            vertices[v, 1] = py + 0.5 * sy + normal * ny
            vertices[v, 2] = pz + 0.5 * sz + normal * nz


@serial
def _interpolate(volume, x, y, z):  # type: ignore[no-untyped-def]
    """Trilinear interpolation; zero outside the volume, which ends half a voxel beyond the last centres."""
    nx, ny, nz = volume.shape
    if not (-0.5 <= x <= nx - 0.5 and -0.5 <= y <= ny - 0.5 and -0.5 <= z <= nz - 0.5):
        return 0.0
    x, y, z = min(max(x, 0.0), nx - 1.0), min(max(y, 0.0), ny - 1.0), min(max(z, 0.0), nz - 1.0)
    i, j, k = min(int(x), nx - 2), min(int(y), ny - 2), min(int(z), nz - 2)
    u, v, w = x - i, y - j, z - k
    low = (volume[i, j, k] * (1 - w) + volume[i, j, k + 1] * w) * (1 - v) + (
        volume[i, j + 1, k] * (1 - w) + volume[i, j + 1, k + 1] * w
    ) * v
    high = (volume[i + 1, j, k] * (1 - w) + volume[i + 1, j, k + 1] * w) * (1 - v) + (
        volume[i + 1, j + 1, k] * (1 - w) + volume[i + 1, j + 1, k + 1] * w
    ) * v
    return low * (1 - u) + high * u
