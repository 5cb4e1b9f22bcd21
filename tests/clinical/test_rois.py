"""Regions of synthetic maps with known means and noise."""

import numpy as np
import pytest

from qsmkit.clinical.rois import Noise, regions
from qsmkit.errors import InputError, ParameterError, ShapeError
from qsmkit.grid import Grid

GRID = Grid((24, 20, 18), np.diag([1.0, 1.0, 2.0, 1.0]))


@pytest.fixture
def labels():
    made = np.zeros(GRID.shape, np.int32)
    made[2:10, 2:10, 2:10], made[12:22, 3:13, 3:13], made[2:6, 14:18, 2:6] = 1, 2, 7
    return made


def test_means_volumes_and_totals_of_a_map_without_noise(labels):
    values = np.choose(np.searchsorted([0, 1, 2, 7], labels), [0, 0.1, -0.2, 0.05]).astype(np.float32)
    found = {r.label: r for r in regions(values, labels, GRID, names={1: "one"})}
    assert found[1].name == "one"
    assert found[2].name == "2"
    assert found[1].mean.value == pytest.approx(0.1)
    assert found[2].volume == 2000
    assert found[2].total.value == pytest.approx(-400)
    assert found[2].total.unit == "ppm·mm³"
    assert np.isnan(found[1].mean.low)
    relative = {r.label: r for r in regions(values, labels, GRID, reference=7)}
    assert 7 not in relative
    assert relative[1].mean.value == pytest.approx(0.05)


def test_repeats_know_correlations_and_a_common_reference(labels):
    rng, covered, runs = np.random.default_rng(4), 0, 120
    for _ in range(runs):
        common = rng.normal(0, 0.02, 17)  # an offset of the whole map, different in every repeat and in the scan
        spread = 0.05 * rng.standard_normal((*GRID.shape, 17)).astype(np.float32) + common.astype(np.float32)
        values = 0.1 * (labels == 1) + spread[..., 0]
        noise = Noise(deviations=spread[..., 1:])
        one = regions(values.astype(np.float32), labels, GRID, noise=noise, reference=7)[0]
        covered += one.mean.low <= 0.1 <= one.mean.high
        assert one.mean.high - one.mean.low < 0.08  # the common offset cancels against the reference
    assert 0.88 < covered / runs <= 1


def test_a_sigma_map_gives_an_interval_that_widens_with_sigma(labels):
    values = np.zeros(GRID.shape, np.float32)
    width = [
        np.ptp([r.mean.low, r.mean.high])
        for s in (0.01, 0.02)
        for r in regions(values, labels, GRID, noise=Noise(np.full(GRID.shape, s, np.float32)))
        if r.label == 1
    ]
    assert width[1] == pytest.approx(2 * width[0])
    assert width[0] == pytest.approx(2 * 1.96 * 0.01 * np.sqrt(8 / 512), rel=1e-3)


def test_erosion_is_in_millimetres_on_anisotropic_voxels(labels):
    values = np.zeros(GRID.shape, np.float32)
    eroded = next(r for r in regions(values, labels, GRID, erode=1.5) if r.label == 1)
    assert eroded.voxels == 6 * 6 * 8  # 1 mm voxels lose a layer, 2 mm voxels none
    gone = next(r for r in regions(values, labels, GRID, erode=20) if r.label == 7)
    assert gone.voxels == 0
    assert "no voxel is left" in gone.mean.method


def test_outliers_and_missing_values_are_left_out_and_counted(labels):
    rng = np.random.default_rng(2)
    values = (0.1 + rng.normal(0, 0.01, GRID.shape)).astype(np.float32)
    values[3, 3, 3], values[4, 4, 4] = 9.0, np.nan
    plain = next(r for r in regions(values, labels, GRID) if r.label == 1)
    robust = next(r for r in regions(values, labels, GRID, outliers="mad") if r.label == 1)
    assert plain.dropped == 1
    assert robust.dropped >= 2
    assert robust.mean.value == pytest.approx(0.1, abs=0.002)
    assert plain.mean.value > 0.11


def test_partial_volumes_weigh_voxels(labels):
    values = np.where(labels == 1, 0.1, 0).astype(np.float32)
    values[2, 2:10, 2:10] = 0.0
    weights = np.ones(GRID.shape, np.float32)
    weights[2] = 0.0
    whole = next(r for r in regions(values, labels, GRID, weights=weights) if r.label == 1)
    assert whole.mean.value == pytest.approx(0.1)
    weights[2] = 0.5
    half = next(r for r in regions(values, labels, GRID, weights=weights) if r.label == 1)
    assert half.volume == pytest.approx((7 + 0.5) * 64 * 2)
    assert half.mean.value == pytest.approx(0.1 * 7 / 7.5)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"erode": -1}, ParameterError), ({"confidence": 2}, ParameterError), ({"reference": 99}, InputError),
        ({"weights": np.full(GRID.shape, 2.0)}, InputError), ({"weights": np.ones((2, 2, 2))}, ShapeError),
        ({"noise": Noise(np.ones((2, 2, 2)))}, ShapeError), ({"labels": np.zeros(GRID.shape, int)}, InputError),
        ({"labels": -np.ones(GRID.shape, int)}, InputError), ({"labels": np.zeros((3, 3, 3), int)}, ShapeError),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(labels, change, error):
    settings = {"labels": labels} | change
    with pytest.raises(error):
        regions(np.zeros(GRID.shape, np.float32), settings.pop("labels"), GRID, **settings)
