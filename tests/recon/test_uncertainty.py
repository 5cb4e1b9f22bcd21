"""Standard deviations agree with what noise does, and intervals hold what they promise."""

import numpy as np
import pytest

from qsmkit.errors import InputError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.recon.uncertainty.noise import noise_share, signal_noise
from qsmkit.recon.uncertainty.repeats import (
    noisy_field,
    noisy_signal,
    pooled_sd,
    region_difference,
    region_means,
    relative_uncertainty,
)
from qsmkit.units import radians_per_ppm

GRID = Grid.tilted((24, 26, 22), (1.0, 1.5, 2.0), tilt=10)
MASK = np.linalg.norm(GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1)), axis=-1) < 11


def test_the_field_gets_noise_of_its_own_standard_deviation(rng):
    field, sd = np.full(GRID.shape, 0.3, np.float32), np.where(MASK, 0.004, 0).astype(np.float32)
    noise = noisy_field(field, sd, rng) - field
    assert noise.dtype == np.float32
    assert noise[MASK].std() == pytest.approx(0.004, rel=0.03)
    assert not noise[~MASK].any()


def test_the_signal_gets_noise_in_both_its_parts(rng):
    phase = rng.uniform(-np.pi, np.pi, (*GRID.shape, 2)).astype(np.float32)
    magnitude = np.full(phase.shape, 50, np.float32)
    turned, strength = noisy_signal(phase, magnitude, 2.0, rng)
    noise = strength * np.exp(1j * turned) - magnitude * np.exp(1j * phase)
    assert turned.dtype == strength.dtype == np.float32
    assert np.std(noise.real) == pytest.approx(2, rel=0.02)
    assert np.std(noise.imag) == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("offset", [False, True])
def test_noise_of_the_signal_is_found_back_from_the_field(rng, offset):
    times = np.array([0.004, 0.010, 0.020])
    magnitude = rng.uniform(20, 60, (*GRID.shape, 3)).astype(np.float32)
    weight = magnitude**2
    centre = (weight * times).sum(-1, keepdims=True) / weight.sum(-1, keepdims=True) * offset
    sd = 1.7 / radians_per_ppm(3.0, 1.0) / np.sqrt((weight * (times - centre) ** 2).sum(-1))
    assert signal_noise(sd, magnitude, times, 3.0, MASK, offset=offset) == pytest.approx(1.7, rel=1e-5)


def test_noise_is_told_from_what_the_model_misses(rng):
    """Half of the head misses the model four times as badly as noise would; the other half does not."""
    magnitude = np.full((48, 48, 48, 4), 30, np.float32)
    misfit = rng.chisquare(3, magnitude.shape[:3])
    misfit[24:] *= 16
    residual = np.sqrt(misfit / (magnitude**2).sum(-1))
    mask = np.ones(misfit.shape, bool)
    expected = np.sqrt(2.366 / np.median(misfit))  # 2.366: median of χ² with 3 degrees of freedom
    assert noise_share(residual, magnitude, mask) == pytest.approx(expected, rel=0.1)
    assert 0.9 < noise_share(residual[:24], magnitude[:24], mask[:24]) <= 1


def test_noise_share_needs_no_whole_block():
    mask = np.zeros((9, 9, 9), bool)
    mask[4, 4, :3] = True
    assert noise_share(np.ones(mask.shape, np.float32), None, mask) == 1


def test_pooling_is_unbiased_and_less_scattered(rng):
    true = np.where(np.arange(GRID.shape[2]) < 11, 0.002, 0.004) * MASK
    deviations = (rng.standard_normal((MASK.sum(), 8)) * true[MASK][:, None]).astype(np.float16)
    raw = pooled_sd(deviations, MASK, GRID, width=0)
    pooled = pooled_sd(deviations, MASK, GRID)
    assert not pooled[~MASK].any()
    assert np.mean(pooled[MASK] ** 2) == pytest.approx(np.mean(true[MASK] ** 2), rel=0.05)
    for part in (slice(0, 8), slice(14, 22)):
        inside = MASK[..., part]
        errors = [np.std((sd[..., part] / true[..., part].max())[inside]) for sd in (raw, pooled)]
        assert errors[0] == pytest.approx(relative_uncertainty(8), rel=0.1)
        assert errors[1] < errors[0] / 2


def test_voxels_that_repeats_left_out_take_their_neighbours_value(rng):
    deviations = rng.normal(0, 0.003, (MASK.sum(), 6)).astype(np.float16)
    deviations[::5, 1:] = np.nan
    sd = pooled_sd(deviations, MASK, GRID)
    assert np.isfinite(sd).all()
    assert np.median(sd[MASK][::5]) == pytest.approx(0.003, rel=0.1)


def test_intervals_hold_the_truth_as_often_as_they_say(rng):
    """Voxels share their noise wholly, so that σ/√n would be ten times too small."""
    region, held = np.ones(100, int), 0
    for _ in range(400):
        shared = rng.normal(0, 0.002, 6)
        measure = region_means(np.full(100, shared[0]), np.tile(shared[1:] - 0.001, (100, 1)), region)[1]
        held += measure.low <= 0 <= measure.high
    assert held / 400 == pytest.approx(0.95, abs=0.035)
    assert measure.unit == "ppm"
    assert measure.n == 100


def test_regions_are_told_apart_and_gaps_do_not_count(rng):
    labels = np.repeat([0, 2, 7], 50)
    chi = np.repeat([0.5, 0.1, -0.02], 50)
    deviations = np.repeat(rng.normal(0, 0.01, (3, 8)), 50, axis=0)
    deviations[60:70, :4] = np.nan
    found = region_means(chi, deviations, labels, confidence=0.9)
    assert list(found) == [2, 7]
    assert found[2].value == pytest.approx(0.1)
    reach = 1.894579 * deviations[50].std(ddof=1)  # Student's t, 7 degrees of freedom, 90 %
    assert found[2].high - found[2].value == pytest.approx(reach, rel=1e-5)


def test_shared_noise_cancels_in_a_difference(rng):
    shared, own = rng.normal(0, 0.01, 20), rng.normal(0, 0.001, 20)
    deviations = np.stack([shared, shared + own])
    one, other = np.array([True, False]), np.array([False, True])
    measure = region_difference(np.array([0.1, 0.04]), deviations, one, other)
    assert measure.value == pytest.approx(0.06)
    assert measure.high - measure.value == pytest.approx(2.093024 * own.std(ddof=1), rel=1e-5)


def test_what_does_not_fit_is_named():
    with pytest.raises(InputError, match="1 repeat tells no spread"):
        relative_uncertainty(1)
    with pytest.raises(ShapeError, match="repeats last"):
        region_means(np.zeros(5), np.zeros((4, 8)), np.zeros(5, int))
    with pytest.raises(ParameterError, match="confidence = 95"):
        region_means(np.zeros(5), np.zeros((5, 8)), np.ones(5, int), confidence=95)
    with pytest.raises(InputError, match="label -1 is negative"):
        region_means(np.zeros(1), np.zeros((1, 8)), np.array([-1]))
    with pytest.raises(InputError, match="holds no voxel"):
        region_difference(np.zeros(1), np.zeros((1, 8)), np.array([True]), np.array([False]))
