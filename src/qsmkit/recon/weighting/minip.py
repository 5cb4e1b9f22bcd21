"""Minimum intensity projection: dark veins followed through a slab."""

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from scipy.ndimage import minimum_filter1d

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.mask.morphology import closed, filled

GAP = 5.0
"""Voxels nearer than this to the mask from several sides belong to the head, mm: large veins are often not in it."""


@method("weighting", produces="minip", cite="Haacke2004", rev=1)
def minip(
    grid: Grid,
    swi: FloatArray | None = None,
    clear_swi: FloatArray | None = None,
    tswi: FloatArray | None = None,
    smwi: FloatArray | None = None,
    mask: BoolArray | None = None,
    *,
    image: Literal["swi", "clear_swi", "tswi", "smwi"] | None = None,
    slab: Annotated[float, Gt(0)] = 10.0,
    axis: Annotated[int | None, Ge(0), Le(2)] = None,
) -> FloatArray:
    """Project the darkest voxel of a slab around each slice.

    minIP(x) = min of the image over the voxels within half a slab of x along one axis. With a mask, only the head
    inside it is looked at, without holes and gaps: air and skull would otherwise darken every slice near them.

    Parameters
    ----------
    grid : Grid
        Geometry.
    swi, clear_swi, tswi, smwi : (X, Y, Z) array, optional
        Susceptibility-weighted images in arbitrary units; one is projected.
    mask : (X, Y, Z) bool array, optional
        The brain.
    image : {"swi", "clear_swi", "tswi", "smwi"}, optional
        Which of them; not needed if there is only one.
    slab : float
        Thickness in mm; the nearest odd number of slices is taken.
    axis : int, optional
        Voxel axis to project along. Without it, the one nearest to B0: slabs are axial in a supine patient, however
        the volume is stored.

    Returns
    -------
    (X, Y, Z) array
        In the unit of the image; zero where a slab holds nothing of the mask.

    Raises
    ------
    InputError
        There is no image, or not the one asked for, or several and none is asked for.
    """
    volume = _chosen({"swi": swi, "clear_swi": clear_swi, "tswi": tswi, "smwi": smwi}, image)
    along = int(np.abs(grid.b0_direction).argmax()) if axis is None else axis
    slices = 2 * int(slab / grid.voxel_size[along] / 2) + 1
    if mask is not None:
        inside = filled(closed(mask, GAP, grid.voxel_size))
        volume = np.where(inside, volume, volume.dtype.type(np.inf))
    projected = minimum_filter1d(volume, slices, axis=along, mode="nearest")
    projected[np.isinf(projected)] = 0
    return projected


def _chosen(images: dict[str, FloatArray | None], name: str | None) -> FloatArray:
    there = {n: x for n, x in images.items() if x is not None}
    if not there or (name is not None and name not in there):
        wanted = name or "an image to project"
        raise InputError(f"minip: {wanted} is not at hand; make one of {', '.join(images)} first")
    if name is None and len(there) > 1:
        raise InputError(f"minip: {', '.join(there)} are at hand; say which to project by image")
    return there[name or next(iter(there))]
