"""Images as the optimiser wants them: robust range, about 1 mm, and coarser copies."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.transform import Transform
from qsmkit.volume import Volume

Points = npt.NDArray[np.float64]

FINEST, THINNEST = 1.25, 16.0
"""Voxels are joined to be no larger than this, and images must be thicker than this, mm."""

FOREGROUND = 0.15
"""Share of the robust range above which a voxel shows the head."""

HALF_WAY = 2.0
"""Coarser levels are made from the one with voxels of this size, mm."""

CENTRE = 6.0
"""Voxel size at which the middle of the head is looked for, mm."""

LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Pyramid:
    """An image in a robust range of 0 … 1, and the same in larger voxels.

    Attributes
    ----------
    data : (X, Y, Z) float32 array
        Values from 0 to 1.
    grid : Grid
        Geometry: voxels of about 1 mm, or larger ones if the scan has them.
    """

    data: FloatArray
    grid: Grid
    _levels: dict[float, sitk.Image] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, volume: Volume, name: str) -> "Pyramid":
        """Return the pyramid of a scan.

        Parameters
        ----------
        volume : Volume
            Image, (X, Y, Z), any unit.
        name : str
            What messages call it.

        Raises
        ------
        InputError
            It is not 3-D, holds no contrast, is thinner than 16 mm, or is a map of both signs such as χ.
        """
        if volume.data.ndim != 3:
            raise InputError(f"the {name} image has shape {volume.data.shape}; give one 3-D volume")
        extent = np.array(volume.grid.shape) * volume.grid.voxel_size
        if extent.min() < THINNEST:
            raise InputError(f"the {name} image is {extent.min():.3g} mm thick; registration needs {THINNEST:g} mm")
        low, high = robust_range(volume.data)
        if not high > low:
            raise InputError(f"the {name} image holds no contrast (all of it is {low:g}); check the file")
        if _is_signed(volume.data):
            raise InputError(
                f"the {name} image has values of both signs about an empty background, like a map of χ or of a field, "
                "whose edges are not the anatomy's; register the magnitude of that scan: it lies on the same grid"
            )
        return cls(*joined(volume, low, high))

    @property
    def head(self) -> BoolArray:
        """Voxels that are brighter than air."""
        return self.data > FOREGROUND

    def level(self, size: float) -> sitk.Image:
        """Return the image smoothed and sampled anew in voxels of about `size` mm, where it was."""
        if size not in self._levels:
            finer = self.level(HALF_WAY) if size > HALF_WAY else as_image(self.data, self.grid)
            self._levels[size] = _coarse(finer, size)
        return self._levels[size]

    def centre(self) -> Points:
        """Return the middle of the head, RAS+ mm: (3,)."""
        step = [max(1, round(CENTRE / v)) for v in self.grid.voxel_size]
        coarse = ndimage.uniform_filter(self.data, step)[tuple(slice(None, None, s) for s in step)]
        return self.grid.world(np.array(ndimage.center_of_mass(coarse > FOREGROUND)) * step)


def robust_range(data: npt.NDArray[np.generic]) -> tuple[float, float]:
    """Return the 0.5th and the 99.5th percentile of the finite values of an image."""
    some = np.asarray(data[::2, ::2, ::2], np.float32)
    low, high = np.percentile(some[np.isfinite(some)], (0.5, 99.5)) if np.isfinite(some).any() else (0.0, 0.0)
    return float(low), float(high)


def joined(volume: Volume, low: float, high: float) -> tuple[FloatArray, Grid]:
    """Return an image mapped from `low` … `high` to 0 … 1 and clipped, fine voxels joined to about 1 mm.

    Parameters
    ----------
    volume : Volume
        Image, (X, Y, Z); what is not finite becomes 0.
    low, high : float
        In the image's unit.
    """
    data = np.asarray(volume.data, np.float32)
    clipped = np.nan_to_num(np.clip((data - np.float32(low)) / np.float32(high - low), 0, 1), nan=0.0)
    factor = [max(1, int(FINEST / v)) for v in volume.grid.voxel_size]
    shape = [n // f for n, f in zip(clipped.shape, factor, strict=True)]
    cut = clipped[tuple(slice(0, n * f) for n, f in zip(shape, factor, strict=True))]
    parts = [n for pair in zip(shape, factor, strict=True) for n in pair]
    mean = cut.reshape(parts).mean((1, 3, 5), dtype=np.float32)
    affine = volume.grid.affine.copy()
    affine[:3, :3] = affine[:3, :3] * factor
    affine[:3, 3] = volume.grid.world((np.array(factor) - 1) / 2)
    return mean, Grid((shape[0], shape[1], shape[2]), affine)


def _is_signed(data: npt.NDArray[np.generic]) -> bool:
    """Return whether an image is a map about zero that has been masked (CT has no empty background of zeros)."""
    some = np.asarray(data[::2, ::2, ::2], np.float32).ravel()
    some = some[np.isfinite(some) & (some != 0)]
    empty = 1 - some.size / data[::2, ::2, ::2].size
    return empty > 0.15 and 0.1 < float((some < 0).mean()) < 0.9


def as_image(data: npt.NDArray[np.generic], grid: Grid) -> sitk.Image:
    """Return an array on its grid as SimpleITK has it."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    image.SetSpacing(grid.voxel_size)
    image.SetOrigin((LPS @ grid.affine[:3, 3]).tolist())
    image.SetDirection((LPS @ grid.axes).ravel().tolist())
    return image


def as_transform(found: sitk.Transform) -> Transform:
    """Return a linear transform of SimpleITK's in RAS+."""
    corners = np.vstack([np.zeros(3), np.eye(3)])
    images = np.array([found.TransformPoint(c.tolist()) for c in corners])
    matrix = np.eye(4)
    matrix[:3, :3] = LPS @ (images[1:] - images[0]).T @ LPS
    matrix[:3, 3] = LPS @ images[0]
    return Transform(matrix)


def as_affine(transform: Transform) -> sitk.AffineTransform:
    """Return a transform as SimpleITK has it."""
    affine = sitk.AffineTransform(3)
    affine.SetMatrix((LPS @ transform.matrix[:3, :3] @ LPS).ravel().tolist())
    affine.SetTranslation((LPS @ transform.matrix[:3, 3]).tolist())
    return affine


def _coarse(image: sitk.Image, size: float) -> sitk.Image:
    spacing, shape = np.array(image.GetSpacing()), np.array(image.GetSize())
    if size <= FINEST * spacing.min():
        return image
    less = np.maximum(1, np.round(shape * spacing / np.maximum(size, spacing))).astype(int)
    wide = shape * spacing / less
    blur = np.maximum(0.4 * np.sqrt(np.maximum(wide**2 - spacing**2, 0)), 0.1)
    first = image.TransformContinuousIndexToPhysicalPoint((0.5 * wide / spacing - 0.5).tolist())
    smooth = sitk.SmoothingRecursiveGaussian(image, blur.tolist())
    return sitk.Resample(
        smooth, less.tolist(), sitk.Transform(3, sitk.sitkIdentity), sitk.sitkLinear, first, wide.tolist(),
        image.GetDirection(),
    )  # fmt: skip
