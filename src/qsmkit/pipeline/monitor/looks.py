"""Slices through a lesion at its first and its last visit, in one plane."""

from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import FloatArray
from qsmkit.clinical.monitor.observation import Observation
from qsmkit.grid import Grid
from qsmkit.io.maps import load_map
from qsmkit.io.nifti import load_volume
from qsmkit.io.transforms import read_transform
from qsmkit.pipeline.monitor.visit_transform import kept_at
from qsmkit.transform import Transform

REACH, STEP = 24.0, 0.5
"""Half the width of a slice, and distance of its samples, mm."""


def chain(data: Path, course: list[Observation]) -> Transform | None:
    """Return the transform from the first to the last visit's space, by those between; None if one is not kept."""
    whole = Transform.identity()
    for before, after in pairwise(course):
        path = kept_at(data, before.patient, before.visit, after.visit)
        if not path.is_file():
            return None
        whole = read_transform(path).after(whole)
    return whole


def slice_through(
    chi: Path, mask: Path, number: int, centre: npt.NDArray[np.float64] | None, motion: Transform | None
) -> tuple[FloatArray, npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return an axial slice of a map and of a lesion's mask, for show, and its middle.

    Parameters
    ----------
    chi, mask : Path
        Map and label image of one visit.
    number : int
        The lesion's label.
    centre : (3,) array or None
        Middle of the slice, RAS+ mm of the space in which it is cut; the lesion's centre if None.
    motion : Transform or None
        From that space to this visit's; none if it is cut in this visit's own.

    Returns
    -------
    image : (rows, columns) float32 array
        ppm, NaN outside the map; right is left, anterior is up.
    outline : (rows, columns) bool array
        The lesion.
    centre : (3,) array
        Middle of the slice, RAS+ mm.
    """
    volume, labels = load_map(chi), load_volume(mask)
    inside = np.rint(labels.data) == number
    middle = labels.grid.world(np.argwhere(inside).mean(0)) if centre is None else centre
    steps = np.arange(-REACH, REACH + STEP / 2, STEP)
    x, y = np.meshgrid(-steps, -steps)  # columns from the patient's right, rows from anterior
    points = np.stack([middle[0] + x, middle[1] + y, np.full_like(x, middle[2])], -1)
    there = points if motion is None else motion.apply(points)
    image = _sampled(np.nan_to_num(volume.data), volume.grid, there, order=1)
    known = _sampled(np.isfinite(volume.data).astype(np.float32), volume.grid, there, order=0) > 0.5
    outline = _sampled(inside.astype(np.float32), labels.grid, there, order=1) > 0.5
    return np.where(known, image, np.nan).astype(np.float32), outline, np.asarray(middle, np.float64)


def _sampled(data: FloatArray, grid: Grid, points: npt.NDArray[np.float64], *, order: Literal[0, 1]) -> FloatArray:
    where = np.moveaxis(grid.voxel(points), -1, 0)
    return np.asarray(ndimage.map_coordinates(data, where, order=order), np.float32)
