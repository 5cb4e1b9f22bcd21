"""Solids given by their signed distance, in mm, negative inside: what anatomy is drawn with."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import FloatArray
from qsmkit.compiled import parallel, prange

Vector = tuple[float, float, float]
Points = npt.NDArray[np.float64]


class Shape(Protocol):
    """A solid: where to look for it, and how far a point is from its surface."""

    def bounds(self) -> tuple[Points, Points]:
        """Return the lower and upper corner, in mm, of a box that holds the solid."""

    def distance(self, position: FloatArray) -> FloatArray:
        """Return the signed distance in mm, to first order, of points (3, …) in mm."""


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An ellipsoid, turned by Euler angles.

    Attributes
    ----------
    centre, radii : tuple of float
        In mm.
    turn : tuple of float
        Rotation in degrees about x, then y, then z.
    """

    centre: Vector
    radii: Vector
    turn: Vector = (0.0, 0.0, 0.0)

    def bounds(self) -> tuple[Points, Points]:
        """Return the corners of the enclosing cube."""
        reach = max(self.radii)
        return np.array(self.centre) - reach, np.array(self.centre) + reach

    def distance(self, position: FloatArray) -> FloatArray:
        """Return k0 (k0 − 1) / k1 with k0 = |p/r| and k1 = |p/r²|: exact to first order at the surface."""
        p = self.own_axes(position)
        k0: FloatArray = np.zeros(1, np.float32)
        k1: FloatArray = np.zeros(1, np.float32)
        for x, radius in zip(p, self.radii, strict=True):
            square = (x / np.float32(radius)) ** 2
            k0 = k0 + square
            k1 = k1 + square / np.float32(radius) ** 2
        k0 = np.sqrt(k0)
        result: FloatArray = k0 * (k0 - 1) / np.sqrt(np.maximum(k1, np.float32(1e-9)))
        return result

    def own_axes(self, position: FloatArray) -> list[FloatArray]:
        """Return the coordinates along the three axes, from the centre, mm, of points (3, …) in mm."""
        p = [x - np.float32(c) for x, c in zip(position, self.centre, strict=True)]
        if any(self.turn):
            r = _rotation(self.turn).astype(np.float32)
            p = [r[0, i] * p[0] + r[1, i] * p[1] + r[2, i] * p[2] for i in range(3)]
        return p

    def mirrored(self) -> "Ellipsoid":
        """Return the shape on the other side of x = 0."""
        (x, y, z), (a, b, c) = self.centre, self.turn
        return replace(self, centre=(-x, y, z), turn=(a, -b, -c))


@dataclass(frozen=True, slots=True)
class Tube:
    """A tapering tube along a smooth curve.

    Attributes
    ----------
    points : tuple of tuple of float
        Corners (x, y, z, radius) in mm of the polygon that the curve rounds off.
    stretch : tuple of float
        Factors by which the section is widened along x, y, z about the curve: a tube in the sagittal plane
        with a large first factor is a band.
    """

    points: tuple[tuple[float, float, float, float], ...]
    stretch: Vector = (1.0, 1.0, 1.0)

    def bounds(self) -> tuple[Points, Points]:
        """Return the corners of the box around the curve's polygon."""
        p = np.array(self.points)
        reach = p[:, 3:] * self.stretch
        return (p[:, :3] - reach).min(0), (p[:, :3] + reach).max(0)

    def distance(self, position: FloatArray) -> FloatArray:
        """Return the distance to the nearest of the curve's short tapering pieces."""
        scale = np.array((*self.stretch, 1.0))
        shape = position.shape[1:]
        flat = np.ascontiguousarray(position.reshape(3, -1), np.float32)
        return _tube_distance(flat, (rounded(np.array(self.points)) / scale).astype(np.float32),
                              (1 / scale).astype(np.float32)).reshape(shape)

    def mirrored(self) -> "Tube":
        """Return the shape on the other side of x = 0."""
        return replace(self, points=tuple((-x, y, z, r) for x, y, z, r in self.points))

    def pieces(self, length: int = 2) -> Iterator["Tube"]:
        """Yield the tube cut into pieces of `length` corners each: together they fill far smaller boxes."""
        for i in range(0, len(self.points) - 1, length):
            yield replace(self, points=self.points[i : i + length + 1])


@dataclass(frozen=True, slots=True)
class Bent:
    """An ellipsoid whose third axis is bent: w → w − a u² − b v² − c u v, with (u, v, w) its own axes in mm.

    Attributes
    ----------
    ellipsoid : Ellipsoid
        The solid before it is bent.
    bend : tuple of float
        a, b and c, 1/mm.
    """

    ellipsoid: Ellipsoid
    bend: Vector

    def bounds(self) -> tuple[Points, Points]:
        """Return the corners of a cube that holds the solid."""
        u, v, _ = self.ellipsoid.radii
        a, b, c = self.bend
        low, high = self.ellipsoid.bounds()
        sag = abs(a) * u**2 + abs(b) * v**2 + abs(c) * u * v / 2
        return low - sag, high + sag

    def distance(self, position: FloatArray) -> FloatArray:
        """Return k0 (k0 − 1) / |∇(k0²/2)|, as for an ellipsoid, the bend taken into the gradient.

        The bend grows no more from 1.3 radii on: far away the distance is that of an ellipsoid.
        """
        u, v, w = self.ellipsoid.own_axes(position)
        ru, rv, rw = (np.float32(r) for r in self.ellipsoid.radii)
        a, b, c = (np.float32(k) for k in self.bend)
        near_u, near_v = (np.clip(x, -1.3 * r, 1.3 * r) for x, r in ((u, ru), (v, rv)))
        w = w - a * near_u * near_u - b * near_v * near_v - c * near_u * near_v
        k0 = np.sqrt((u / ru) ** 2 + (v / rv) ** 2 + (w / rw) ** 2)
        slope_w = w / rw**2
        slope_u = u / ru**2 - slope_w * (2 * a * near_u + c * near_v) * (near_u == u)
        slope_v = v / rv**2 - slope_w * (2 * b * near_v + c * near_u) * (near_v == v)
        k1 = np.sqrt(slope_u**2 + slope_v**2 + slope_w**2)
        result: FloatArray = k0 * (k0 - 1) / np.maximum(k1, np.float32(1e-4))
        return result

    def mirrored(self) -> "Bent":
        """Return the shape on the other side of x = 0."""
        # Turning by (a, −b, −c) maps x → −x of every own axis but flips the first one, hence the sign of u.
        a, b, c = self.bend
        return Bent(self.ellipsoid.mirrored(), (a, b, -c))


@dataclass(frozen=True, slots=True)
class Joined:
    """The union of solids, seams filled over about `blend` mm."""

    parts: tuple["Paired", ...]
    blend: float = 0.0

    def bounds(self) -> tuple[Points, Points]:
        """Return the corners of the box around all parts."""
        lows, highs = zip(*(part.bounds() for part in self.parts), strict=True)
        return np.min(lows, 0), np.max(highs, 0)

    def distance(self, position: FloatArray) -> FloatArray:
        """Return the distance of the nearest part, less where two meet."""
        first, *others = (part.distance(position) for part in self.parts)
        for other in others:
            first = union(first, other, self.blend)
        return first

    def mirrored(self) -> "Joined":
        """Return the shape on the other side of x = 0."""
        return replace(self, parts=tuple(part.mirrored() for part in self.parts))


@dataclass(frozen=True, slots=True)
class Without:
    """A solid from which others are taken away, with a gap of `gap` mm between them."""

    solid: "Paired"
    taken: tuple["Paired", ...]
    gap: float = 0.0

    def bounds(self) -> tuple[Points, Points]:
        """Return the solid's box."""
        return self.solid.bounds()

    def distance(self, position: FloatArray) -> FloatArray:
        """Return max(d, gap − d_taken)."""
        distance = self.solid.distance(position)
        for other in self.taken:
            distance = np.maximum(distance, np.float32(self.gap) - other.distance(position))
        return distance

    def mirrored(self) -> "Without":
        """Return the shape on the other side of x = 0."""
        return replace(self, solid=self.solid.mirrored(), taken=tuple(t.mirrored() for t in self.taken))


Paired = Ellipsoid | Tube | Bent | Joined | Without
"""A solid that has a mirror image."""


def rounded(polygon: Points, rounds: int = 2) -> Points:
    """Return a polygon (N, columns) with its corners cut `rounds` times, ends kept (Chaikin's scheme)."""
    for _ in range(rounds if len(polygon) > 2 else 0):
        step = 0.25 * (polygon[1:] - polygon[:-1])
        cut = np.stack([polygon[:-1] + step, polygon[1:] - step], 1).reshape(-1, polygon.shape[1])
        polygon = np.concatenate([polygon[:1], cut[1:-1], polygon[-1:]])
    return polygon


def union(a: FloatArray, b: FloatArray, blend: float = 0.0) -> FloatArray:
    """Return the distance of the union of two solids, their seam filled over about `blend` mm."""
    if blend == 0:
        return np.minimum(a, b)
    fillet = np.maximum(np.float32(blend) - np.abs(a - b), 0)
    result: FloatArray = np.minimum(a, b) - fillet**2 / np.float32(4 * blend)
    return result


def _rotation(degrees: Vector) -> Points:
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    turn: Points = about_z @ about_y @ about_x
    return turn


@parallel
def _tube_distance(position: FloatArray, nodes: FloatArray, scale: FloatArray) -> FloatArray:
    out = np.empty(position.shape[1], np.float32)
    for i in prange(out.size):
        x, y, z = position[0, i] * scale[0], position[1, i] * scale[1], position[2, i] * scale[2]
        best = np.float32(1e9)
        for j in range(len(nodes) - 1):
            ax, ay, az = nodes[j, 0], nodes[j, 1], nodes[j, 2]
            dx, dy, dz = nodes[j + 1, 0] - ax, nodes[j + 1, 1] - ay, nodes[j + 1, 2] - az
            square = dx * dx + dy * dy + dz * dz
            t = ((x - ax) * dx + (y - ay) * dy + (z - az) * dz) / max(square, np.float32(1e-12))
            t = min(max(t, np.float32(0)), np.float32(1))
            away = np.sqrt((x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2 + (z - az - t * dz) ** 2)
            best = min(best, away - (nodes[j, 3] + t * (nodes[j + 1, 3] - nodes[j, 3])))
        out[i] = best
    return out
