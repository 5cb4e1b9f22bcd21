"""Measurements that tests make up."""

from datetime import date, timedelta

import numpy as np
from scipy import ndimage

from qsmkit.clinical.monitor.observation import Context, Observation
from qsmkit.measure import Measure

SAME = Context("scanner", "protocol", "pipeline", "brain", "whole")
BEGIN = date(2022, 3, 1)


def seen(value, years=0.0, *, patient="P1", lesion="L01", noise=0.002, **changes):
    """Return a measurement of a mean χ (ppm) some years after the first visit."""
    values = {
        "patient": patient, "visit": f"m{round(12 * years):02d}", "day": BEGIN + timedelta(days=round(365.25 * years)),
        "lesion": f"{patient}-{lesion}", "label": lesion, "noise": noise, "context": SAME,
        "mean": Measure(value, float("nan"), float("nan"), "ppm", 100, "mean"), "total": 500 * value, "volume": 500.0,
    }  # fmt: skip
    return Observation(**(values | changes))


def ball(grid, centre=(0.0, 0.0, 0.0), radius=5.0):
    """Return the voxels whose centres lie in a ball, mm."""
    inside = np.zeros(grid.shape, bool)
    reach = radius / np.array(grid.voxel_size) + 1
    low, high = (np.rint(grid.voxel(centre) + side * reach).astype(int) for side in (-1, 1))
    ends = zip(low, high, grid.shape, strict=True)
    index = np.stack(np.meshgrid(*(np.arange(max(0, a), min(n, b + 1)) for a, b, n in ends), indexing="ij"), -1)
    near = index[np.linalg.norm(grid.world(index) - centre, axis=-1) <= radius]
    inside[tuple(near.T)] = True
    return inside


def map_of(grid, mask, value=0.3, noise=0.01, seed=0):
    """Return a map of χ (ppm): a lesion in tissue, slightly blurred, with noise."""
    clean = ndimage.gaussian_filter(np.where(mask, value, 0.0), 0.5)
    return (clean + noise * np.random.default_rng(seed).standard_normal(grid.shape)).astype(np.float32)
