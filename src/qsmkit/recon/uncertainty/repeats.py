"""Repeated reconstructions with new noise: how far χ strays, in a voxel, in a region, between regions.

Noise as large as the measurement's is added to what was measured, and the reconstruction is repeated from there, as a
bootstrap does. K repeats leave K − 1 degrees of freedom: an SD is known to 1/√(2(K − 1)) of itself, and intervals take
Student's t.

This is the random error: of two scans of the same head, one after the other. What regularisation, masks and background
removal do to χ each time alike is no part of it.

Deviations have the repeat last: (…, K), χ of the repeat minus χ in ppm; NaN where the repeat's own mask left the voxel
out.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.stats import t as student

from qsmkit.arrays import AnyArray, BoolArray, FloatArray, IntArray
from qsmkit.errors import InputError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.measure import Measure
from qsmkit.physics.box import Box

POOLING = 1.5
"""SD in mm of the Gaussian over which variances of neighbouring voxels are averaged: of 0 to 6 mm the best compromise,
on a 2 mm head, between scatter and smearing for total-variation and for linear inversion."""

CONFIDENCE = 0.95
"""Probability that an interval holds the value that endless repeats would have as their mean."""


def noisy_field(total_field: FloatArray, field_sd: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the field with new noise.

    Parameters
    ----------
    total_field : (X, Y, Z) array
        Field in ppm.
    field_sd : (X, Y, Z) array
        Its standard deviation in ppm, zero where nothing is known.
    rng : Generator
        Source of randomness.

    Returns
    -------
    (X, Y, Z) array
        Field in ppm.
    """
    noise = rng.standard_normal(total_field.shape, np.float32)
    return total_field + noise.astype(total_field.dtype, copy=False) * field_sd


def noisy_signal(
    phase: FloatArray, magnitude: FloatArray, sigma: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return phase and magnitude of the complex signal with new noise.

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Wrapped phase in rad.
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    sigma : float
        SD of the noise in the real and in the imaginary part, in the unit of the magnitude.
    rng : Generator
        Source of randomness.

    Returns
    -------
    phase : (X, Y, Z, E) array
        Wrapped phase in rad.
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    """
    signal = rng.standard_normal((*phase.shape, 2), np.float32).view(np.complex64)[..., 0]
    signal *= np.float32(sigma)
    signal += magnitude * np.exp(1j * phase)
    return np.angle(signal).astype(phase.dtype), np.abs(signal).astype(magnitude.dtype)


def pooled_sd(deviations: FloatArray, mask: BoolArray, grid: Grid, *, width: float = POOLING) -> FloatArray:
    """Return the standard deviation of χ in every voxel, its variance averaged over neighbours.

        σ² = G ⋆ (m s²) / G ⋆ m

    with s² the variance over the repeats, G a Gaussian and m where it is known, from two repeats and more. Averaging
    makes up for few repeats: what it smears, over `width`, changes slowly in most places.

    Parameters
    ----------
    deviations : (N, K) array
        Deviations in ppm in the voxels of the mask, in the order of `chi[mask]`.
    mask : (X, Y, Z) bool array
        Voxels that have a susceptibility.
    grid : Grid
        Geometry.
    width : float
        SD of the Gaussian in mm; 0 averages nothing.

    Returns
    -------
    (X, Y, Z) float32 array
        Standard deviation in ppm, zero outside the mask.
    """
    spread = _variance(deviations)
    variance, known = np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.float32)
    known[mask] = np.isfinite(spread)
    variance[mask] = np.nan_to_num(spread)
    box = Box.around(mask, grid, 0)
    part, weight = box.crop(variance), box.crop(known)
    if width:
        for axis, h in enumerate(grid.voxel_size):
            part, weight = (gaussian_filter1d(x, width / h, axis, mode="constant") for x in (part, weight))
    sd = np.zeros_like(variance)
    box.crop(sd)[...] = np.sqrt(part / np.maximum(weight, np.finfo(np.float32).tiny)) * box.crop(mask)
    return sd


def relative_uncertainty(repeats: int) -> float:
    """Return how well K repeats tell a standard deviation, as a share of it: 1/√(2(K − 1))."""
    return 1 / math.sqrt(2 * (_enough(repeats) - 1))


def region_means(
    chi: FloatArray, deviations: AnyArray, labels: IntArray, *, confidence: float = CONFIDENCE
) -> dict[int, Measure]:
    """Return the mean χ of every labelled region with its interval.

    Voxels of a region share their noise, far and near: the interval comes from what the repeats' means do, not from
    σ/√n. That of the reference is contained, as every repeat was referenced anew.

    Parameters
    ----------
    chi : (…) array
        Susceptibility in ppm: volumes, or vectors of voxels.
    deviations : (…, K) array
        Deviations in ppm.
    labels : (…) int array
        Region of each voxel; 0 belongs to none.
    confidence : float
        Of the interval.

    Returns
    -------
    dict of int to Measure
        By label: mean in ppm, its interval, n the number of voxels.

    Raises
    ------
    ShapeError
        The arrays do not fit together.
    InputError
        There are fewer than two repeats, or a label is negative.
    ParameterError
        The confidence is not between 0 and 1.
    """
    _fit(chi, deviations, labels)
    if labels.size and labels.min() < 0:
        raise InputError(f"label {labels.min()} is negative; give 0 for no region and positive numbers for regions")
    factor = _student(confidence, deviations.shape[-1])
    chosen = labels > 0
    region, values, strays = labels[chosen], chi[chosen], deviations[chosen]
    count = np.bincount(region)

    def means(x: AnyArray) -> npt.NDArray[np.float64]:
        there = np.isfinite(x)
        known = np.bincount(region[there], minlength=count.size)
        total = np.bincount(region[there], x[there].astype(np.float64), count.size)
        found: npt.NDArray[np.float64] = np.divide(total, known, out=np.full(count.size, np.nan), where=known > 0)
        return found

    mean = means(values)
    sd = np.sqrt(_variance(np.stack([means(s) for s in strays.T], -1)))
    how = _how(confidence, deviations.shape[-1], "mean of the region")
    return {
        int(i): Measure(float(mean[i]), float(mean[i] - factor * sd[i]), float(mean[i] + factor * sd[i]), "ppm",
                        int(count[i]), how)
        for i in np.flatnonzero(count)
    }  # fmt: skip


def region_difference(
    chi: FloatArray, deviations: AnyArray, one: BoolArray, other: BoolArray, *, confidence: float = CONFIDENCE
) -> Measure:
    """Return the mean χ of one region minus that of another, with its interval.

    Noise that both share, as that of a common reference, cancels; so the interval is not that of two independent means.

    Parameters
    ----------
    chi : (…) array
        Susceptibility in ppm: volumes, or vectors of voxels.
    deviations : (…, K) array
        Deviations in ppm.
    one, other : (…) bool array
        The regions.
    confidence : float
        Of the interval.

    Returns
    -------
    Measure
        Difference in ppm, its interval, n the number of voxels in both.

    Raises
    ------
    ShapeError, InputError, ParameterError
        As `region_means`; or a region is empty.
    """
    _fit(chi, deviations, one)
    _fit(chi, deviations, other)
    if not (one.any() and other.any()):
        raise InputError("a region holds no voxel; give regions that overlap the map")
    mean = float(chi[one].mean(dtype=np.float64) - chi[other].mean(dtype=np.float64))
    means = [np.asarray(np.nanmean(deviations[region], axis=0, dtype=np.float64)) for region in (one, other)]
    reach = _student(confidence, deviations.shape[-1]) * math.sqrt(float(_variance(means[0] - means[1])))
    how = _how(confidence, deviations.shape[-1], "difference of the regions' means")
    return Measure(mean, mean - reach, mean + reach, "ppm", int(one.sum() + other.sum()), how)


def _variance(deviations: AnyArray) -> FloatArray:
    """Return the variance over the repeats that are there, one degree of freedom less; NaN from fewer than two."""
    _enough(deviations.shape[-1])
    values = deviations.astype(np.float32, copy=False) if deviations.dtype == np.float16 else deviations
    there = np.isfinite(values)
    count = there.sum(-1)
    mean = np.where(there, values, 0).sum(-1) / np.maximum(count, 1)
    squares = (np.where(there, values - mean[..., None], 0) ** 2).sum(-1)
    variance: FloatArray = np.divide(squares, count - 1, out=np.full_like(squares, np.nan), where=count > 1)
    return variance


def _student(confidence: float, repeats: int) -> float:
    if not 0 < confidence < 1:
        raise ParameterError(f"confidence = {confidence} is out of range; it must be between 0 and 1")
    return float(student.ppf((1 + confidence) / 2, _enough(repeats) - 1))


def _enough(repeats: int) -> int:
    if repeats < 2:
        raise InputError(f"{repeats} repeat tells no spread; make at least 2, better 8")
    return repeats


def _how(confidence: float, repeats: int, what: str) -> str:
    return f"{what}, {100 * confidence:g} % interval from {repeats} repeats with new noise, Student's t"


def _fit(chi: AnyArray, deviations: AnyArray, region: AnyArray) -> None:
    if deviations.shape[:-1] != chi.shape or region.shape != chi.shape:
        raise ShapeError(
            f"χ has shape {chi.shape}, deviations {deviations.shape} and regions {region.shape}; "
            "give all on the same voxels, repeats last"
        )
