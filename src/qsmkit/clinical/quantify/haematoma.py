"""A haematoma: how large it is and how much susceptibility it holds.

Its stage is not told: deoxy- and methaemoglobin are alike to a map of susceptibility, and mixing and signal loss change
its mean by more than age does.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.clinical.quantify.moment import as_moment, chi_total
from qsmkit.clinical.rois import Noise
from qsmkit.errors import InputError, ShapeError
from qsmkit.grid import Grid
from qsmkit.measure import Measure

PLATEAU = 2.0
"""Radius (mm) of the ball around a seed whose median is the haematoma's level."""


@dataclass(frozen=True, slots=True)
class Haematoma:
    """What is measured of a haematoma.

    Attributes
    ----------
    volume : Measure
        mL; the interval is that of a border known to half a voxel.
    abc2 : Measure
        The bedside estimate from three diameters, mL, for comparison.
    mean : Measure
        Mean susceptibility above the tissue around, ppm.
    total : Measure
        Total susceptibility, ppm·mm³.
    moment : Measure or None
        A·m², where the field strength is known.
    """

    volume: Measure
    abc2: Measure
    mean: Measure
    total: Measure
    moment: Measure | None

    def measures(self) -> dict[str, Measure]:
        """Return the measures by name."""
        names = {field: getattr(self, field) for field in asdict(self)}
        return {name: m for name, m in names.items() if m is not None}


def grow(chi: FloatArray, inside: BoolArray, grid: Grid, seed: npt.ArrayLike) -> BoolArray:
    """Return the voxels that are connected to a seed and above half its height over the brain: (X, Y, Z).

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility, ppm.
    inside : (X, Y, Z) bool array
        Voxels that have a susceptibility.
    grid : Grid
        Geometry.
    seed : (3,) array
        A point of the haematoma, RAS mm.

    Raises
    ------
    ShapeError
        The arrays differ in shape.
    InputError
        The seed lies outside, or where nothing stands out.
    """
    if inside.shape != chi.shape or chi.shape != grid.shape:
        raise ShapeError(f"map {chi.shape}, mask {inside.shape} and grid {grid.shape} differ; resample them first")
    point = np.asarray(seed, np.float64)
    at = tuple(int(i) for i in np.rint(grid.voxel(point)))
    place = ", ".join(f"{v:g}" for v in point)
    if not all(0 <= i < n for i, n in zip(at, chi.shape, strict=True)) or not inside[at]:
        raise InputError(f"the seed ({place}) mm lies where the map has no value; give a point of the bleeding")
    room = np.ceil(PLATEAU / np.array(grid.voxel_size)).astype(int)
    ball = tuple(slice(max(i - r, 0), i + r + 1) for i, r in zip(at, room, strict=True))
    tissue = float(np.median(chi[inside]))
    spread = 1.4826 * float(np.median(np.abs(chi[inside] - tissue)))
    level = float(np.median(chi[ball][inside[ball]]))
    if level - tissue < 3 * spread:
        raise InputError(
            f"at the seed ({place}) mm χ is {level:.3f} ppm, the brain's is {tissue:.3f} ± {spread:.3f} ppm: nothing "
            "stands out there; give another point, or a mask"
        )
    labels, _ = ndimage.label(inside & (chi > (level + tissue) / 2))
    grown: BoolArray = labels == labels[at]
    if labels[at] == 0:
        raise InputError(f"the seed ({place}) mm lies in a gap of the haematoma; give a point of its bulk, or a mask")
    return ndimage.binary_fill_holes(grown) & inside


def haematoma(
    chi: FloatArray, mask: BoolArray, grid: Grid,
    *, inside: BoolArray | None = None, noise: Noise | None = None, field_strength: float | None = None,
) -> Haematoma:
    """Return volume and susceptibility of a haematoma.

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility, ppm.
    mask : (X, Y, Z) bool array
        The haematoma.
    grid : Grid
        Geometry.
    inside : (X, Y, Z) bool array, optional
        Voxels that have a susceptibility; those of the mask without one count for the volume alone.
    noise : Noise, optional
        Errors of the map.
    field_strength : float, optional
        T.

    Raises
    ------
    ShapeError
        The arrays differ in shape.
    InputError
        The mask is empty, or the map has no value in it or around it.
    """
    total = chi_total(chi, mask, grid, valid=inside, noise=noise)
    volume = _volume(mask, grid)
    scale = 1 / (1000 * volume.value)
    ends = (total.low * scale, total.high * scale)
    mean = Measure(total.value * scale, *ends, "ppm", total.n, f"χ_tot over the volume; {total.method}")
    moment = as_moment(total, field_strength) if field_strength else None
    return Haematoma(volume, _abc2(mask, grid), mean, total, moment)


def _volume(mask: BoolArray, grid: Grid) -> Measure:
    padded, unit = np.pad(mask, 1), grid.voxel_volume / 1000
    count = int(mask.sum())
    # From one layer less to one layer more the border moves by two voxels: half a voxel is a quarter of that.
    layers = int(ndimage.binary_dilation(padded).sum()) - int(ndimage.binary_erosion(padded).sum())
    reach = layers / 4 * unit
    how = "voxels of the mask; interval: its border moved by half a voxel"
    return Measure(count * unit, max(count * unit - reach, 0.0), count * unit + reach, "mL", count, how)


def _abc2(mask: BoolArray, grid: Grid) -> Measure:
    """Return A·B·C/2: diameters of the largest axial slice, and the height of all slices (Kothari 1996, recalled)."""
    axis = int(np.argmax(np.abs(grid.axes[2])))
    areas = mask.sum(axis=tuple(a for a in range(3) if a != axis))
    height = int((areas > 0).sum()) * grid.voxel_size[axis]
    size = [h for a, h in enumerate(grid.voxel_size) if a != axis]
    points = np.argwhere(np.take(mask, int(np.argmax(areas)), axis)) * size
    a, b = _diameters(points, float(np.mean(size)))
    how = f"A {a:.1f} mm, B {b:.1f} mm, C {height:.1f} mm; ABC/2, of an ellipsoid; no interval"
    return Measure(a * b * height / 2000, math.nan, math.nan, "mL", int(mask.sum()), how)


def _diameters(points: FloatArray, voxel: float) -> tuple[float, float]:
    """Return the longest diameter of points (N, 2), mm, and the one across it, a voxel's own width added."""
    try:
        corners = points[ConvexHull(points).vertices]
    except QhullError:  # fewer than three points, or all in a line
        corners = points
    apart = corners[:, None] - corners
    length = np.linalg.norm(apart, axis=-1)
    longest = np.unravel_index(int(np.argmax(length)), length.shape)
    if length[longest] == 0:
        return voxel, voxel
    along = apart[longest] / length[longest]
    across = corners @ np.array([-along[1], along[0]])
    return float(length[longest]) + voxel, float(np.ptp(across)) + voxel
