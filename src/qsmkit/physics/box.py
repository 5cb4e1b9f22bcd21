"""The part of a volume that is worth working on: the box around a mask; for transforms, with room behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qsmkit.arrays import AnyArray, BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.physics.fft import Shape, fast_shape


def bounding_box(mask: BoolArray, margin: tuple[int, ...] = (0, 0, 0)) -> tuple[slice, slice, slice]:
    """Return the slices of the smallest box around a mask that is not empty, `margin` voxels more on each side."""
    sides = []
    for axis in range(3):
        line = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        sides.append(slice(max(int(line[0]) - margin[axis], 0), int(line[-1]) + 1 + margin[axis]))
    return sides[0], sides[1], sides[2]


@dataclass(frozen=True)
class Box:
    """The bounding box of a mask and the shape of the transforms made of it.

    Transforms are periodic. Zero padding at the far end of each axis keeps the two sides of the mask apart:
    with a margin as long as the box itself, no voxel is nearer to a periodic image of another than to that
    other.

    Attributes
    ----------
    inner : tuple of slice
        The bounding box, as indices into the full volume.
    shape : tuple of int
        Shape of the transform: the box plus the margin, rounded up to quick lengths.
    """

    inner: tuple[slice, slice, slice]
    shape: Shape

    @classmethod
    def around(cls, mask: BoolArray, grid: Grid, margin: float) -> Box:
        """Return the box of a mask that is not empty, with a margin in mm (at most the box's own length)."""
        inner = bounding_box(mask)
        shape = tuple(s.stop - s.start for s in inner)
        room = tuple(min(math.ceil(margin / h), n) for h, n in zip(grid.voxel_size, shape, strict=True))
        return cls(inner, fast_shape(shape, room))

    def crop(self, volume: AnyArray) -> AnyArray:
        """Return the box of a full volume, as a view."""
        return volume[self.inner]

    def pad(self, volume: AnyArray) -> AnyArray:
        """Return the box of a full volume, padded with zeros to the shape of the transform."""
        padded = np.zeros(self.shape, volume.dtype)
        part = volume[self.inner]
        padded[: part.shape[0], : part.shape[1], : part.shape[2]] = part
        return padded

    def restore(self, x: FloatArray, mask: BoolArray) -> FloatArray:
        """Return the full volume that holds the transformed array `x` inside the mask and zero elsewhere."""
        volume = np.zeros(mask.shape, x.dtype)
        part = mask[self.inner]
        volume[self.inner] = x[: part.shape[0], : part.shape[1], : part.shape[2]] * part
        return volume
