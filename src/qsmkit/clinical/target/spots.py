"""The bright spots that the rods of a frame's localiser leave in every slice, outside the head."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import InputError
from qsmkit.transform import Matrix
from qsmkit.volume import Volume

CT_AIR, CT_SOFT, CT_ROD = -500.0, -300.0, 350.0
"""HU: an image with values below the first is a CT; tissue is above the second, a rod above the third."""

MR_SOFT, MR_ROD = 0.1, 0.25
"""The same for MR, as shares of the image's 99.5th percentile (modelling choices)."""

AREA = (1.0, 30.0)
"""Smallest and largest area of a rod's spot in a slice, mm²."""

THIN = 3.0
"""What is nowhere thicker than twice this is no head, mm."""

COARSE = 2.5
"""Voxel size at which the head is told from the rods, mm."""

WINDOW = 3.0
"""Half the width of the window in which a spot's middle is taken, mm."""


Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Spots:
    """Spots of a localiser's rods, and others.

    Attributes
    ----------
    points : (n, 3) array
        Their middles, scanner RAS mm.
    slices : (n,) int array
        The slice of each.
    spacing : float
        Distance of slices, mm.
    """

    points: Matrix
    slices: Indices
    spacing: float

    def __len__(self) -> int:
        return len(self.points)


def spots(image: Volume, *, threshold: float | None = None) -> Spots:
    """Find bright spots of the right size outside the head, slice by slice.

    Slices are those across the voxel axis nearest to the scanner's head-foot axis.

    Parameters
    ----------
    image : Volume
        CT in HU, or MR in any unit, (X, Y, Z).
    threshold : float, optional
        From where on a voxel may be rod, in the image's unit; 350 HU for CT, a quarter of the range for MR if omitted.

    Returns
    -------
    Spots
        Middles, weighted by intensity above the window's border.

    Raises
    ------
    InputError
        The image is not 3-D.
    """
    data = np.asarray(image.data)
    if data.ndim != 3:
        raise InputError(f"an image of shape {data.shape} has no slices; give one 3-D volume")
    axis = int(np.argmax(np.abs(image.grid.axes[2])))
    ct = float(data[::4, ::4, ::2].min()) < CT_AIR
    range_ = float(np.percentile(data[::4, ::4, ::2], 99.5))
    least = threshold if threshold is not None else CT_ROD if ct else MR_ROD * range_
    bright = data > least
    plane = np.ones((3, 3, 3), int)
    plane[tuple(slice(None) if a != axis else [0, 2] for a in range(3))] = 0
    pieces, count = ndimage.label(bright, plane)
    at = np.argwhere(pieces)
    which = pieces[tuple(at.T)]
    size = np.bincount(which, minlength=count + 1)
    voxel = np.array(image.grid.voxel_size)
    area = size * np.prod(np.delete(voxel, axis))
    fits = (area >= AREA[0]) & (area <= AREA[1])
    middle = np.stack([np.bincount(which, at[:, a], count + 1) / np.maximum(size, 1) for a in range(3)], -1)[fits]
    outside = ~_head(image, CT_SOFT if ct else MR_SOFT * range_)(middle)
    found = [_middle(data, m, axis, voxel) for m in middle[outside]]
    points = image.grid.world(np.array(found).reshape(-1, 3))
    return Spots(points, np.rint(middle[outside][:, axis]).astype(np.int64), float(voxel[axis]))


def _head(image: Volume, soft: float):  # type: ignore[no-untyped-def]
    """Return a function that says whether voxel indices (n, 3) are inside the head or close to it."""
    stride = [max(1, round(COARSE / v)) for v in image.grid.voxel_size]
    some = tuple(slice(None, None, s) for s in stride)
    sampling = np.array(image.grid.voxel_size) * stride
    tissue = np.pad(np.asarray(image.data)[some] > soft, 1)
    thick = ndimage.distance_transform_edt(tissue, sampling) > THIN
    pieces, count = ndimage.label(thick)
    if not count:
        return lambda index: np.zeros(len(index), bool)
    largest = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    near: BoolArray = (ndimage.distance_transform_edt(~largest, sampling) <= THIN + COARSE)[1:-1, 1:-1, 1:-1]

    def inside(index: Matrix) -> BoolArray:
        coarse = np.clip(np.rint(index / stride).astype(int), 0, np.array(near.shape) - 1)
        found: BoolArray = near[tuple(coarse.T)]
        return found

    return inside


def _middle(data: FloatArray, rough: Matrix, axis: int, voxel: Matrix) -> Matrix:
    """Return the intensity-weighted middle (3,) of a spot in its slice, voxels."""
    start = np.rint(rough).astype(int)
    reach = [0 if a == axis else int(np.ceil(WINDOW / voxel[a])) for a in range(3)]
    low = np.maximum(start - reach, 0)
    high = np.minimum(start + np.array(reach) + 1, data.shape)
    part = np.asarray(data[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], np.float64).squeeze(axis)
    border = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])
    weight = np.clip(part - np.median(border), 0, None)
    weight[weight < 0.1 * weight.max()] = 0
    within = [float((weight.sum(1 - a) * np.arange(part.shape[a])).sum() / weight.sum()) for a in range(2)]
    middle = low.astype(np.float64)
    middle[[a for a in range(3) if a != axis]] += within
    return middle
