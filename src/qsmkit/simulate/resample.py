"""From the head's fine samples to the scan's voxels.

Both start at the centre of the first voxel and span the same field of view, so that voxel j of the scan lies
at sample j N/n, with N samples and n voxels along an axis.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import scipy.fft

from qsmkit.arrays import AnyArray, ComplexArray, FloatArray
from qsmkit.compiled import thread_count
from qsmkit.grid import Grid
from qsmkit.simulate.space import Space

SLAB = 24
"""Planes of samples that are cropped together."""


def fine_samples(grid: Grid, oversampling: float, coarsest: float) -> tuple[Space, Grid]:
    """Return the samples on which to draw a head for a scan, and their grid.

    Parameters
    ----------
    grid : Grid
        The scan's.
    oversampling : float
        Fewest samples in a voxel, along each axis.
    coarsest : float
        Largest distance between samples, mm.
    """
    n = np.array(grid.shape)
    size = n * grid.voxel_size
    fine = np.array([
        scipy.fft.next_fast_len(int(np.ceil(max(oversampling * k, s / coarsest) - 1e-6)), real=True)
        for k, s in zip(n, size, strict=True)
    ])
    step = size / fine
    start = -(n - 1) / 2 * grid.voxel_size
    x, y, z = (a + h * np.arange(m) for a, h, m in zip(start, step, fine, strict=True))
    affine = grid.affine.copy()
    affine[:3, :3] = grid.axes * step
    return Space((x, y, z)), Grid((len(x), len(y), len(z)), affine)


def crop_kspace(signal: ComplexArray, shape: Sequence[int]) -> ComplexArray:
    """Return a complex volume as a scanner samples it: only its lowest spatial frequencies."""
    for axis, n in enumerate(shape):
        signal = _crop_axis(signal, axis, n, overwrite=axis > 0)
    return signal


def crop_slabs(slab: Callable[[Grid], ComplexArray], fine: Grid, shape: Sequence[int]) -> ComplexArray:
    """Return what `crop_kspace` returns for a volume that is never whole in memory.

    Parameters
    ----------
    slab : callable
        Returns the volume's complex values on the grid of a slab, a part of the fine grid.
    fine : Grid
        Of the volume's samples.
    shape : sequence of int
        Of the result.
    """
    samples = fine.shape[0]
    columns = np.empty((samples, *shape[1:]), np.complex64)
    for start in range(0, samples, SLAB):
        planes = min(SLAB, samples - start)
        part = slab(fine.cropped((start, 0, 0), (planes, fine.shape[1], fine.shape[2])))
        part = _crop_axis(part, 2, shape[2], overwrite=True)
        columns[start : start + planes] = _crop_axis(part, 1, shape[1], overwrite=True)
    return _crop_axis(columns, 0, shape[0], overwrite=True)


def average(volume: AnyArray, shape: Sequence[int]) -> FloatArray:
    """Return the mean of a volume over each voxel's box: (X, Y, Z) float32."""
    result = volume.astype(np.float32, copy=False)
    for axis, n in enumerate(shape):
        result = np.moveaxis(np.tensordot(_boxes(result.shape[axis], n), result, (1, axis)), 0, axis)
    return np.ascontiguousarray(result)


def nearest(volume: AnyArray, shape: Sequence[int]) -> AnyArray:
    """Return the sample nearest to each voxel's centre."""
    picks = [np.rint(np.arange(n) * m / n).astype(int) for n, m in zip(shape, volume.shape, strict=True)]
    return np.ascontiguousarray(volume[np.ix_(*picks)])


def _crop_axis(signal: ComplexArray, axis: int, n: int, *, overwrite: bool) -> ComplexArray:
    total = signal.shape[axis]
    spectrum = scipy.fft.fft(signal, axis=axis, workers=thread_count(), overwrite_x=overwrite)
    kept = np.r_[0 : (n + 1) // 2, total - n // 2 : total]
    low = np.take(spectrum, kept, axis)
    cropped: ComplexArray = scipy.fft.ifft(low, axis=axis, workers=thread_count(), overwrite_x=True)
    cropped *= np.float32(n / total)
    return cropped


def _boxes(total: int, n: int) -> npt.NDArray[np.float32]:
    """Return the share of each sample in each voxel's box, cut off at the ends: (n, total), rows sum to 1."""
    ratio = total / n
    centre, sample = np.arange(n)[:, None] * ratio, np.arange(total)[None, :]
    overlap = np.minimum(centre + ratio / 2, sample + 0.5) - np.maximum(centre - ratio / 2, sample - 0.5)
    overlap = np.clip(overlap, 0, None)
    share: npt.NDArray[np.float32] = (overlap / overlap.sum(1, keepdims=True)).astype(np.float32)
    return share
