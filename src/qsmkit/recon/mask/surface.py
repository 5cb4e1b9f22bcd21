"""Closed triangle surfaces: a tessellated sphere, whether a surface cuts itself, and the voxels inside it."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, IntArray
from qsmkit.compiled import serial
from qsmkit.grid import Grid

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sphere:
    """A tessellated unit sphere.

    Attributes
    ----------
    vertices : (V, 3) array
        Points on the unit sphere.
    faces : (F, 3) int array
        Vertices of each triangle, counter-clockwise seen from outside.
    rings : (V, 6) int array
        Neighbours of each vertex, counter-clockwise seen from outside; the last is −1 where there are five.
    """

    vertices: Points
    faces: IntArray
    rings: IntArray


@lru_cache(maxsize=4)
def icosphere(subdivisions: int) -> Sphere:
    """Return an icosahedron, its triangles split in four `subdivisions` times, pushed out to a sphere."""
    golden = (1 + np.sqrt(5)) / 2
    corners = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    vertices = np.array([np.roll(c, turn) for turn in range(3) for c in corners])
    distance = np.linalg.norm(vertices[:, None] - vertices[None], axis=-1)
    near = (distance > 0) & (distance < 2.1)
    faces = np.array([
        (i, j, k) if np.linalg.det(vertices[[i, j, k]]) > 0 else (i, k, j)
        for i in range(12) for j in range(i) for k in range(j) if near[i, j] and near[j, k] and near[i, k]
    ])
    for _ in range(subdivisions):
        edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=-1)
        unique, middle = np.unique(edges.reshape(-1, 2), axis=0, return_inverse=True)
        middle = middle.reshape(-1, 3) + len(vertices)
        vertices = np.concatenate([vertices, vertices[unique].mean(axis=1)])
        (a, b, c), (ab, bc, ca) = faces.T, middle.T
        parts = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        faces = np.concatenate([np.stack(part, axis=1) for part in parts])
    vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)

    following: list[dict[int, int]] = [{} for _ in vertices]
    for a, b, c in faces.tolist():
        following[a][b], following[b][c], following[c][a] = c, a, b
    rings = np.full((len(vertices), 6), -1)
    for ring, step in zip(rings, following, strict=True):
        ring[0] = min(step)
        for i in range(1, len(step)):
            ring[i] = step[ring[i - 1]]
    return Sphere(vertices, faces, rings)


def intersects_itself(vertices: Points, faces: IntArray) -> bool:
    """Return whether an edge of the closed surface pierces one of its triangles that it does not touch."""
    edges = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    faces = faces[np.argsort(vertices[faces, 0].min(axis=1))]
    x = vertices[faces, 0]
    begin, widest = x.min(axis=1), np.ptp(x, axis=1).max()
    x = vertices[edges, 0]
    first = np.searchsorted(begin, x.min(axis=1) - widest)
    last = np.searchsorted(begin, x.max(axis=1), side="right")
    return bool(_any_pierced(vertices, edges, faces, first, last))


def inside(vertices: Points, faces: IntArray, grid: Grid) -> BoolArray:
    """Return the voxels whose centres a closed surface winds around.

    Parameters
    ----------
    vertices : (V, 3) array
        World coordinates in mm.
    faces : (F, 3) int array
        Vertices of each triangle, counter-clockwise seen from outside.
    grid : Grid
        Geometry.

    Returns
    -------
    (X, Y, Z) bool array
        True where the winding number is positive.
    """
    corners = grid.voxel(vertices)
    corners[:, :2] += 1e-7 * np.array([np.sqrt(2), np.sqrt(3)])  # so that no line of voxels meets an edge
    crossings = np.zeros((*grid.shape[:2], grid.shape[2] + 1), np.int8)
    _cross(corners, faces, crossings)
    handedness = 1 if np.linalg.det(grid.axes) > 0 else -1
    winding = np.cumsum(crossings[:, :, :-1], axis=2, dtype=np.int8)
    return np.asarray(handedness * winding > 0)


@serial
def _cross(corners, faces, crossings):  # type: ignore[no-untyped-def]
    """Note, on every line of voxels along the last axis, where it enters (+1) and leaves (−1) the surface."""
    nx, ny, nz = crossings.shape[0], crossings.shape[1], crossings.shape[2] - 1
    for f in range(faces.shape[0]):
        ax, ay, az = corners[faces[f, 0]]
        bx, by, bz = corners[faces[f, 1]]
        cx, cy, cz = corners[faces[f, 2]]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        i0, i1 = max(int(np.ceil(min(ax, bx, cx))), 0), min(int(np.floor(max(ax, bx, cx))), nx - 1)
        j0, j1 = max(int(np.ceil(min(ay, by, cy))), 0), min(int(np.floor(max(ay, by, cy))), ny - 1)
        for i in range(i0, i1 + 1):
            for j in range(j0, j1 + 1):
                u = ((bx - i) * (cy - j) - (by - j) * (cx - i)) / area
                v = ((cx - i) * (ay - j) - (cy - j) * (ax - i)) / area
                if u >= 0 and v >= 0 and u + v <= 1:
                    k = min(max(int(np.ceil(u * az + v * bz + (1 - u - v) * cz)), 0), nz)
                    crossings[i, j, k] += -1 if area > 0 else 1


@serial
def _any_pierced(vertices, edges, faces, first, last):  # type: ignore[no-untyped-def]
    """Whether edge e pierces one of faces first[e] to last[e], those that overlap it in x."""
    for e in range(edges.shape[0]):
        p, q = vertices[edges[e, 0]], vertices[edges[e, 1]]
        for f in range(first[e], last[e]):
            i, j, k = faces[f]
            a, b, c = vertices[i], vertices[j], vertices[k]
            if min(p[1], q[1]) > max(a[1], b[1], c[1]) or max(p[1], q[1]) < min(a[1], b[1], c[1]):
                continue
            if min(p[2], q[2]) > max(a[2], b[2], c[2]) or max(p[2], q[2]) < min(a[2], b[2], c[2]):
                continue
            if edges[e, 0] in (i, j, k) or edges[e, 1] in (i, j, k):
                continue
            if _side(a, b, c, p) * _side(a, b, c, q) >= 0:
                continue
            turn = _side(p, q, a, b)
            if turn * _side(p, q, b, c) > 0 and turn * _side(p, q, c, a) > 0:
                return True
    return False


@serial
def _side(p, q, r, s):  # type: ignore[no-untyped-def]
    """Six times the signed volume of the tetrahedron p, q, r, s."""
    ax, ay, az = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    bx, by, bz = r[0] - p[0], r[1] - p[1], r[2] - p[2]
    return (
        (ay * bz - az * by) * (s[0] - p[0])
        + (az * bx - ax * bz) * (s[1] - p[1])
        + (ax * by - ay * bx) * (s[2] - p[2])
    )
