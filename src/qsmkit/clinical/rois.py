"""Statistics of regions, with intervals that know how sure the map is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage, stats

from qsmkit.arrays import AnyArray, BoolArray, FloatArray
from qsmkit.errors import InputError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.measure import Measure

Outliers = Literal["none", "mad"]
"""Keep all voxels, or leave out those more than `MAD_LIMIT` robust standard deviations from the median."""

MAD_LIMIT = 3.0
"""Robust standard deviations (1.4826 median absolute deviations) beyond which a voxel is an outlier."""

CORRELATED = 8
"""Voxels that err alike where only a σ map is known: a modelling choice; repeats with new noise need none."""

PERCENTILES = (5, 25, 75, 95)


@dataclass(frozen=True, eq=False)
class Region:
    """One region of a map.

    Attributes
    ----------
    label : int
        Its number in the label image.
    name : str
        Its name.
    voxels, dropped : int
        Voxels used, and left out by erosion, outlier rule, or because the map has no value there.
    volume : float
        Of the voxels used, mm³, partial volumes counted as such.
    mean : Measure
        Mean, in the map's unit, relative to the reference region if there is one.
    total : Measure
        Mean times volume, in the map's unit times mm³: the total susceptibility χ_tot of a lesion.
    median, sd, iqr, minimum, maximum : float
        Of the voxels, in the map's unit.
    percentiles : dict of int to float
        5th, 25th, 75th and 95th, in the map's unit.
    """

    label: int
    name: str
    voxels: int
    dropped: int
    volume: float
    mean: Measure
    total: Measure
    median: float
    sd: float
    iqr: float
    minimum: float
    maximum: float
    percentiles: dict[int, float]

    def as_row(self) -> dict[str, object]:
        """Return the region as one row of a table."""
        return {
            "label": self.label, "name": self.name, "voxels": self.voxels, "dropped": self.dropped,
            "volume_mm3": self.volume, "mean": self.mean.value, "low": self.mean.low, "high": self.mean.high,
            "unit": self.mean.unit, "median": self.median, "sd": self.sd, "iqr": self.iqr, "min": self.minimum,
            **{f"p{p}": v for p, v in self.percentiles.items()}, "max": self.maximum,
            "total": self.total.value, "total_low": self.total.low, "total_high": self.total.high,
            "method": self.mean.method,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Noise:
    """What is known of a map's errors; either may be missing.

    Attributes
    ----------
    sigma : (X, Y, Z) array or None
        Standard deviation of each voxel, in the map's unit.
    deviations : (X, Y, Z, K) array or None
        Deviations in K repeats with new noise, in the map's unit; the better of the two, as it knows correlations.
    """

    sigma: FloatArray | None = None
    deviations: AnyArray | None = None


def regions(
    values: FloatArray,
    labels: npt.NDArray[np.integer],
    grid: Grid,
    *,
    unit: str = "ppm",
    names: Mapping[int, str] | None = None,
    noise: Noise | None = None,
    reference: int | None = None,
    weights: FloatArray | None = None,
    erode: float = 0.0,
    outliers: Outliers = "none",
    confidence: float = 0.95,
) -> list[Region]:
    """Return the statistics of every region of a map.

    The interval of a mean is ± t SE over the repeats' means if there are repeats; else ± z √(c Σ w² σ²)/Σ w with c
    voxels erring alike; else unknown. A reference region's own error is part of it.

    Parameters
    ----------
    values : (X, Y, Z) array
        The map, in `unit`; voxels that are not finite are left out.
    labels : (X, Y, Z) int array
        Region of each voxel; 0 is none.
    grid : Grid
        Geometry of both.
    unit : str
        Unit of the map.
    names : mapping of int to str, optional
        Names of the labels.
    noise : Noise, optional
        Errors of the map.
    reference : int, optional
        Label whose mean is subtracted from all other regions.
    weights : (X, Y, Z) array, optional
        Share of each voxel that belongs to its region, 0 … 1.
    erode : float
        Depth in mm by which every region is eroded first.
    outliers : {"none", "mad"}
        Which voxels are left out.
    confidence : float
        Of the intervals.

    Raises
    ------
    ShapeError
        The arrays differ in shape.
    InputError
        No voxel is labelled, a label is negative, the reference has no voxel, or a weight is out of range.
    ParameterError
        A setting is out of range.
    """
    known = noise or Noise()
    _check(values, labels, known, weights, erode, confidence)
    shares = np.ones(values.shape, np.float32) if weights is None else weights
    picked = {
        int(label): _pick(values, labels == label, grid, shares, erode, outliers)
        for label in np.unique(labels[labels > 0])
    }
    base, base_deviation, base_variance = 0.0, None, 0.0
    if reference is not None:
        if reference not in picked or not picked[reference].any():
            raise InputError(f"the reference region {reference} holds no voxel; labels are {sorted(picked)}")
        inside = picked[reference]
        base = _mean(values[inside], shares[inside])
        base_deviation, base_variance = _errors(known, inside, shares)
    found = []
    for label, inside in picked.items():
        if label == reference:
            continue
        dropped = int((labels == label).sum() - inside.sum())
        name = (names or {}).get(label, str(label))
        reach = _half_width(*_errors(known, inside, shares), base_deviation, base_variance, confidence)
        voxels, how = values[inside] - base, _how(known, reference)
        found.append(_region(label, name, voxels, shares[inside], dropped, grid, unit, reach, how))
    if not found:
        raise InputError("the label image has no region besides the reference; give positive labels")
    return found


def _check(
    values: FloatArray, labels: AnyArray, noise: Noise, weights: FloatArray | None, erode: float, confidence: float
) -> None:
    shapes = {"labels": labels.shape, "sigma": noise.sigma.shape if noise.sigma is not None else None,
              "deviations": noise.deviations.shape[:-1] if noise.deviations is not None else None,
              "weights": weights.shape if weights is not None else None}  # fmt: skip
    for name, shape in shapes.items():
        if shape is not None and shape != values.shape:
            raise ShapeError(f"{name} has shape {shape} but the map {values.shape}; resample it first")
    if labels.size and labels.min() < 0:
        raise InputError(f"label {labels.min()} is negative; give 0 for no region and positive numbers for regions")
    if not (labels > 0).any():
        raise InputError("the label image is empty; give positive numbers for regions")
    if weights is not None and not (weights.min() >= 0 and weights.max() <= 1 + 1e-6):
        raise InputError(f"weights reach from {weights.min():g} to {weights.max():g}; give shares between 0 and 1")
    if not erode >= 0:
        raise ParameterError(f"erode = {erode} mm is negative; give a depth of 0 or more")
    if not 0 < confidence < 1:
        raise ParameterError(f"confidence = {confidence} is not between 0 and 1; 0.95 is usual")


def _pick(
    values: FloatArray, inside: BoolArray, grid: Grid, shares: FloatArray, erode: float, outliers: Outliers
) -> BoolArray:
    """Return the voxels of a region that are used."""
    if erode > 0:
        (box,) = ndimage.find_objects(inside.astype(np.uint8))
        padded = np.pad(inside[box], 1)
        depth = ndimage.distance_transform_edt(padded, sampling=grid.voxel_size)[1:-1, 1:-1, 1:-1]
        inside = inside.copy()
        inside[box] &= depth > erode
    inside = inside & np.isfinite(values) & (shares > 0)
    if outliers == "mad" and inside.any():
        voxels = values[inside]
        middle = np.median(voxels)
        limit = MAD_LIMIT * 1.4826 * np.median(np.abs(voxels - middle))
        inside = inside & (np.abs(values - middle) <= limit) if limit > 0 else inside
    return inside


def _errors(
    noise: Noise, inside: BoolArray, shares: FloatArray
) -> tuple[npt.NDArray[np.float64] | None, float]:
    """Return the region mean's deviations in the repeats, or its variance by the σ map."""
    weight = shares[inside].astype(np.float64)
    total = weight.sum()
    if total == 0:
        return None, float("nan")
    if noise.deviations is not None:
        return np.nan_to_num(noise.deviations[inside].astype(np.float64)).T @ weight / total, 0.0
    if noise.sigma is not None:
        alike = min(CORRELATED, int(inside.sum()))
        return None, float(alike * ((weight * noise.sigma[inside]) ** 2).sum() / total**2)
    return None, float("nan")


def _half_width(
    deviation: npt.NDArray[np.float64] | None, variance: float, base: npt.NDArray[np.float64] | None,
    base_variance: float, confidence: float,
) -> float:
    upper = (1 + confidence) / 2
    if deviation is not None:
        apart = deviation - (0 if base is None else base)
        repeats = len(apart)
        return float(stats.t.ppf(upper, repeats - 1) * apart.std(ddof=1)) if repeats > 1 else float("nan")
    return float(stats.norm.ppf(upper) * np.sqrt(variance + base_variance))


def _how(noise: Noise, reference: int | None) -> str:
    against = "" if reference is None else f", relative to region {reference}"
    if noise.deviations is not None:
        return f"mean; interval from {noise.deviations.shape[-1]} repeats with new noise{against}"
    if noise.sigma is not None:
        return f"mean; interval from σ, {CORRELATED} voxels taken to err alike{against}"
    return f"mean; no map of uncertainty was given{against}"


def _region(
    label: int, name: str, voxels: FloatArray, weight: FloatArray, dropped: int, grid: Grid, unit: str, reach: float,
    how: str,
) -> Region:
    if voxels.size == 0:
        nothing = Measure(np.nan, np.nan, np.nan, unit, 0, "no voxel is left")
        empty = dict.fromkeys(PERCENTILES, float("nan"))
        return Region(label, name, 0, dropped, 0.0, nothing, nothing, *(float("nan"),) * 5, empty)
    volume = float(weight.sum(dtype=np.float64)) * grid.voxel_volume
    mean = _mean(voxels, weight)
    ends = np.percentile(voxels, PERCENTILES)
    percentiles = {p: float(v) for p, v in zip(PERCENTILES, ends, strict=True)}
    n = int(voxels.size)
    return Region(
        label, name, n, dropped, volume,
        Measure(mean, mean - reach, mean + reach, unit, n, how),
        Measure(mean * volume, (mean - reach) * volume, (mean + reach) * volume, f"{unit}·mm³", n, how),
        float(np.median(voxels)), float(voxels.std(ddof=1)) if n > 1 else float("nan"),
        percentiles[75] - percentiles[25], float(voxels.min()), float(voxels.max()), percentiles,
    )  # fmt: skip


def _mean(voxels: FloatArray, weight: FloatArray) -> float:
    return float(np.average(voxels.astype(np.float64), weights=weight))
