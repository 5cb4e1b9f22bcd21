"""The second reader: what the converter made must hold the stored values in the place where the headers put them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from qsmkit.arrays import AnyArray
from qsmkit.errors import InputError
from qsmkit.io import nifti
from qsmkit.io.dicom_in.converter import Converted
from qsmkit.io.dicom_in.pixels import UndecodableError, frame_values
from qsmkit.io.dicom_in.stack import Stack
from qsmkit.io.nifti import StoredImage

CORNER = 0.05
"""Largest distance in mm between corners by the headers and by the converter's affine (headers are rounded)."""

SCALE = 1e-3
"""Largest relative difference of a slope or intercept (some are stored as text, others as float32)."""

STRAIGHTENED = 0.95
"""Least correlation of a volume that was straightened with our own interpolation of its slices."""


@dataclass(frozen=True, slots=True)
class Testimony:
    """What the second reader found.

    Attributes
    ----------
    converted : Converted
        The image that shows the volume.
    checked : bool
        Whether voxels were compared; if not, only shape and place were.
    """

    converted: Converted
    checked: bool


def stored_values(stack: Stack) -> AnyArray:
    """Return the stored integers of a volume, (columns, rows, slices), as `Stack.affine` describes them.

    Raises
    ------
    UndecodableError, InputError
        As `frame_values`.
    """
    return np.stack([frame_values(f).T for f in stack.frames], axis=-1)


def find(stack: Stack, made: Sequence[Converted]) -> Testimony:
    """Return which of the converter's images shows a volume, after comparing place, values and scaling.

    Raises
    ------
    InputError
        None does; the message says what differs.
    """
    if stack.tilt:
        return Testimony(_straightened(stack, made), checked=True)
    try:
        values = stored_values(stack)
    except UndecodableError:
        values = None
    reasons = []
    for converted in made:
        image = nifti.read(converted.image)
        reason = _difference(stack, image, values)
        if not reason:
            return Testimony(converted, checked=values is not None)
        reasons.append(reason)
    raise InputError(f"the converter's image does not agree with the headers: {'; '.join(sorted(set(reasons)))}")


def _difference(stack: Stack, image: StoredImage, values: AnyArray | None) -> str:
    if image.raw.ndim != 3:
        return f"{image.count} volumes instead of one"
    order = voxel_order(stack.affine, stack.shape, image.grid.affine, image.grid.shape)
    if order is None:
        return f"shape {image.grid.shape} or place differ"
    if values is None:
        return ""
    moved = apply_order(values, order)
    if not np.array_equal(moved, image.raw):
        scaled = moved * image.slope + image.intercept
        if image.raw.dtype.kind != "f" or not np.allclose(scaled, image.raw):
            return "voxel values differ"
    return _rescaling(stack, image)


def _rescaling(stack: Stack, image: StoredImage) -> str:
    pixels = stack.first.pixels
    plain = (pixels.slope, pixels.intercept)
    scale = pixels.private_scale
    precise = (1 / scale, pixels.intercept / (pixels.slope * scale)) if scale and pixels.slope else plain
    for slope, intercept in (plain, precise):
        close = abs(image.slope - slope) <= SCALE * abs(slope)
        if close and abs(image.intercept - intercept) <= SCALE * max(abs(intercept), abs(slope)):
            return ""
    return f"slope {image.slope:g} and intercept {image.intercept:g} instead of {plain[0]:g} and {plain[1]:g}"


def voxel_order(
    affine: npt.NDArray[np.float64] | None, shape: Sequence[int],
    other: npt.NDArray[np.float64], other_shape: Sequence[int],
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return by which exchange and reversal of axes one array of voxels becomes another in the same place.

    Parameters
    ----------
    affine, other : (4, 4) array
        From voxel to world, mm.
    shape, other_shape : sequence of int
        Numbers of voxels.

    Returns
    -------
    axes, reversed : tuple of int
        Axes in the order of the other array, and which of its axes run backwards. None if the places differ.
    """
    assert affine is not None
    turn = np.linalg.solve(other, affine)
    axes = tuple(int(a) for a in np.abs(turn[:3, :3]).argmax(1))
    if sorted(axes) != [0, 1, 2] or tuple(shape[a] for a in axes) != tuple(other_shape):
        return None
    backwards = tuple(i for i, a in enumerate(axes) if turn[i, a] < 0)
    exact = np.zeros((4, 4))
    exact[3, 3] = 1
    for i, a in enumerate(axes):
        exact[i, a] = -1 if i in backwards else 1
        exact[i, 3] = shape[a] - 1 if i in backwards else 0
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape], [1], indexing="ij")).reshape(4, -1)
    apart = (other @ exact - affine) @ corners
    return (axes, backwards) if np.linalg.norm(apart[:3], axis=0).max() <= CORNER else None


def apply_order(values: AnyArray, order: tuple[tuple[int, ...], tuple[int, ...]]) -> AnyArray:
    """Exchange and reverse axes as `voxel_order` says."""
    axes, backwards = order
    return np.flip(values.transpose(axes), backwards)


def _straightened(stack: Stack, made: Sequence[Converted]) -> Converted:
    """Return the image in which the converter undid a gantry's tilt, after interpolating the slices ourselves."""
    candidates = [m for m in made if "_Tilt" in m.image.name]
    if len(candidates) != 1:
        raise InputError(f"gantry tilted by {stack.tilt:.1f}°, which the converter did not straighten")
    image = nifti.read(candidates[0].image)
    values = stored_values(stack) * stack.first.pixels.slope + stack.first.pixels.intercept
    sampled = (slice(None, None, 3),) * 3
    voxels = np.indices(image.grid.shape)[(slice(None), *sampled)].reshape(3, -1)
    assert stack.affine is not None
    source = np.linalg.solve(stack.affine, image.grid.affine)
    places = source[:3, :3] @ voxels + source[:3, 3:]
    inside = ((places >= 0) & (places <= np.array(stack.shape)[:, None] - 1)).all(0)
    if inside.mean() < 0.5:
        raise InputError("the straightened volume does not lie where the slices do")
    mine = map_coordinates(values.astype(np.float32), places[:, inside], order=1)
    theirs = (image.raw * image.slope + image.intercept)[sampled].reshape(-1)[inside]
    if not np.corrcoef(mine, theirs)[0, 1] >= STRAIGHTENED:
        raise InputError("the straightened volume does not hold the values of the slices")
    return candidates[0]
