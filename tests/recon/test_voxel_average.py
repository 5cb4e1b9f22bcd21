import numpy as np
import pytest

from qsmkit.recon import voxel_average
from qsmkit.recon.field.voxel_average import noise_gain

SHAPE = (32, 30, 28)


def series(signal):
    signal = signal.astype(np.complex64)
    return np.angle(signal)[..., None], np.abs(signal)[..., None]


def complex_of(averaged):
    return (averaged.magnitude * np.exp(1j * averaged.phase))[..., 0]


def test_what_is_even_stays_as_it_is():
    phase, magnitude = series(np.full(SHAPE, 3 * np.exp(0.7j)))
    made = voxel_average(phase, magnitude)
    np.testing.assert_allclose(made.phase, phase, atol=1e-5)
    np.testing.assert_allclose(made.magnitude, magnitude, rtol=1e-5)
    assert made.phase.dtype == made.magnitude.dtype == np.float32


def test_a_wave_is_averaged_over_each_voxel():
    cycles = 3
    x = np.arange(SHAPE[0])[:, None, None] + np.zeros(SHAPE)
    wave = np.cos(2 * np.pi * cycles * x / SHAPE[0])
    made = voxel_average(*series(2 + wave), taper=0.0)
    expected = 2 + wave * np.sinc(cycles / SHAPE[0])  # mean of a cosine over a voxel around its sample
    np.testing.assert_allclose(complex_of(made), expected, atol=1e-5)


def test_a_band_limited_edge_rings_less():
    fine = np.zeros(4 * SHAPE[0])
    fine[30:90] = 1
    spectrum = np.fft.fft(fine)
    half = SHAPE[0] // 2
    kept = np.r_[spectrum[:half], 0, spectrum[-half + 1 :]]
    edge = np.fft.ifft(kept).real / 4
    made = voxel_average(*series(1 + edge[:, None, None] + np.zeros(SHAPE)))
    flat = slice(11, 19)  # inside the block, clear of its edges
    before, after = np.std(edge[flat]), np.std(complex_of(made).real[flat, 0, 0])
    assert after < 0.5 * before


def test_noise_falls_by_the_gain(rng):
    noise = rng.standard_normal(SHAPE) + 1j * rng.standard_normal(SHAPE)
    made = complex_of(voxel_average(*series(100 + noise)))
    gain = noise_gain(SHAPE, taper=0.3)
    assert np.std(made.real) == pytest.approx(gain * np.std(noise.real), rel=0.03)
    assert 0.3 < gain < 0.7
    assert noise_gain(SHAPE, taper=0.0) > gain


def test_samples_whose_phase_turns_fast_are_left_alone():
    z = np.arange(SHAPE[2]) + np.zeros(SHAPE)
    fast = z < SHAPE[2] // 2
    phase, magnitude = series(np.exp(1j * np.where(fast, 2.4 * z, 0)))
    made = voxel_average(phase, magnitude)
    inner = np.s_[:, :, 3:10]
    np.testing.assert_array_equal(made.phase[inner], phase[inner])
    everywhere = voxel_average(phase, magnitude, coherence=0.0)
    assert everywhere.magnitude[inner].mean() < 0.8
