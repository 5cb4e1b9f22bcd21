import math
from datetime import date

import numpy as np
import pytest
from scipy import ndimage

from clinical.monitor.lesions import ball, map_of
from qsmkit.clinical.monitor.change import change
from qsmkit.clinical.monitor.error_model import ErrorModel
from qsmkit.clinical.monitor.observation import Context
from qsmkit.clinical.monitor.observe import Named, Visited, observe
from qsmkit.clinical.monitor.region import RegionRule
from qsmkit.clinical.rois import Noise
from qsmkit.errors import InputError, MaskError, ShapeError
from qsmkit.grid import Grid

GRID = Grid.tilted((40, 40, 32))
VISIT = Visited("P1", "m00", date(2024, 1, 1), Context("scanner", "protocol", "pipeline", "brain"))
NAMED = {1: Named("u1", "L01", index=True), 2: Named("u2", "L02", "microbleed")}


def labels(*balls):
    image = np.zeros(GRID.shape, np.int32)
    for number, mask in enumerate(balls, 1):
        image[mask] = number
    return image


def test_numbers_of_a_lesion():
    mask = ball(GRID, radius=5)
    chi = np.where(mask, 0.3, 0.02).astype(np.float32)
    (found,), notes = observe(chi, labels(mask), GRID, VISIT, NAMED)
    assert found.mean.value == pytest.approx(0.3)
    assert found.volume == mask.sum()
    assert found.total == pytest.approx(0.28 * mask.sum(), rel=1e-5)
    assert found.background == pytest.approx(0.02)
    assert found.centre == pytest.approx((0, 0, 0), abs=0.6)
    assert found.context.rule == "whole"
    assert (found.lesion, found.index, notes) == ("u1", True, [])
    assert math.isnan(found.noise)


def test_total_susceptibility_withstands_blur_and_the_mean_does_not():
    mask = ball(GRID, radius=3)
    sharp = np.where(mask, 0.3, 0.0).astype(np.float32)
    maps = sharp, ndimage.gaussian_filter(sharp, 0.6)
    one, two = (observe(chi, labels(mask), GRID, VISIT, NAMED)[0][0] for chi in maps)
    assert two.total == pytest.approx(one.total, rel=0.05)
    assert two.mean.value < 0.85 * one.mean.value


def test_a_reference_is_subtracted_and_its_spread_kept():
    mask, csf = ball(GRID, radius=4), ball(GRID, (12, 0, 0), 4)
    chi = map_of(GRID, mask, 0.4, 0.01) + 0.05
    (found,), _ = observe(chi, labels(mask), GRID, VISIT, NAMED, reference=csf)
    (plain,), _ = observe(chi, labels(mask), GRID, VISIT, NAMED)
    assert found.mean.value == pytest.approx(plain.mean.value - chi[csf].mean(), abs=1e-6)
    assert found.reference_spread == pytest.approx(0.01, rel=0.2)
    assert found.total == pytest.approx(plain.total)


def test_another_lesion_is_no_background():
    one, other = ball(GRID, radius=4), ball(GRID, (8, 0, 0), 3)
    chi = np.where(one, 0.3, 0) + np.where(other, 0.9, 0)
    found = {o.label: o for o in observe(chi, labels(one, other), GRID, VISIT, NAMED)[0]}
    assert found["L01"].total == pytest.approx(0.3 * one.sum(), rel=1e-6)
    assert found["L02"].kind == "microbleed"


def test_noise_comes_from_repeats_with_their_degrees_of_freedom():
    mask = ball(GRID, radius=4)
    shared = np.random.default_rng(3).normal(0, 0.01, 6)
    deviations = np.broadcast_to(shared, (*GRID.shape, 6)).astype(np.float32)
    (found,), _ = observe(map_of(GRID, mask), labels(mask), GRID, VISIT, NAMED, noise=Noise(deviations=deviations))
    assert found.noise == pytest.approx(shared.std(ddof=1), rel=1e-4)
    assert found.noise_degrees == 5


def test_one_voxel_is_measured_and_said():
    one = np.zeros(GRID.shape, bool)
    one[20, 20, 16] = True
    (found,), notes = observe(map_of(GRID, one), labels(one), GRID, VISIT, NAMED)
    assert found.voxels == 1
    assert "one voxel" in notes[0]


def test_a_signal_void_is_said():
    mask = ball(GRID, radius=4)
    chi = map_of(GRID, mask)
    chi[:, :, :16] = np.nan
    (found,), notes = observe(chi, labels(mask), GRID, VISIT, NAMED)
    assert found.voxels < mask.sum()
    assert "signal void" in notes[0]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda c, m: observe(c, labels(), GRID, VISIT, NAMED), InputError, "empty"),
        (lambda c, m: observe(c, labels(m), GRID, VISIT, {}), InputError, r"labels \[1\] belong to no lesion"),
        (lambda c, m: observe(np.full_like(c, np.nan), labels(m), GRID, VISIT, NAMED), InputError, "no value"),
        (lambda c, m: observe(c[1:], labels(m), GRID, VISIT, NAMED), ShapeError, "map has shape"),
        (lambda c, m: observe(c, labels(m)[1:], GRID, VISIT, NAMED), ShapeError, "labels has shape"),
        (lambda c, m: observe(c, labels(m), GRID, VISIT, NAMED, rule=RegionRule("core", 9)), MaskError, "leaves no"),
    ],
)
def test_unfit_images_are_told(call, error, words):
    mask = ball(GRID, radius=4)
    with pytest.raises(error, match=words):
        call(map_of(GRID, mask), mask)


def test_intervals_of_change_cover_the_truth_in_maps_with_noise_and_a_varying_reference():
    """300 pairs of scans: blurred noise in every voxel, a reference that shifts, noise known from eight repeats."""
    grid, rng, repeats, shift, truth = Grid.tilted((16, 16, 14)), np.random.default_rng(11), 8, 0.004, 8.0
    mask = ball(grid, radius=3)
    image = mask.astype(np.int32)

    def noise(*shape):
        return ndimage.gaussian_filter(rng.standard_normal((*grid.shape, *shape)), (1, 1, 1, *(0 for _ in shape))) * 0.1

    def scan(value, day):
        chi = np.where(mask, value, 0.0) + noise() + shift * rng.standard_normal()
        visited = Visited("P1", str(day), day, VISIT.context)
        known = Noise(deviations=noise(repeats).astype(np.float32))
        return observe(chi, image, grid, visited, NAMED, noise=known)[0][0]

    errors = ErrorModel(reference_sd=shift)
    then, now = date(2024, 1, 1), date(2025, 1, 1)
    pairs = [(scan(0.25, then), scan(0.25 * (1 + truth / 100), now)) for _ in range(300)]
    found = [change(*pair, errors=errors).percent for pair in pairs]
    inside = np.mean([m.low <= truth <= m.high for m in found])
    assert 0.93 <= inside <= 0.97
    assert np.mean([m.value for m in found]) == pytest.approx(truth, abs=1)
    assert np.mean([m.high - m.low for m in found]) < 20
