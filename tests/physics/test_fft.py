"""The real FFT pair."""

import sys

import numpy as np
import pytest

from qsmkit.errors import MissingExtraError
from qsmkit.physics import fft

SHAPES = [(8, 9, 10), (7, 6, 5), (1, 4, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pair_is_the_identity_and_keeps_precision(rng, shape, dtype):
    x = rng.standard_normal(shape).astype(dtype)
    spectrum = fft.rfftn(x)
    assert spectrum.shape == (*shape[:2], shape[2] // 2 + 1)
    assert spectrum.dtype == (np.complex64 if dtype == np.float32 else np.complex128)
    back = fft.irfftn(spectrum, shape)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, x, atol=1e-5 if dtype == np.float32 else 1e-12)


def test_padding_goes_behind_the_volume(rng):
    x = rng.standard_normal((4, 5, 6))
    padded = fft.irfftn(fft.rfftn(x, (8, 7, 9)), (8, 7, 9))
    np.testing.assert_allclose(padded[:4, :5, :6], x, atol=1e-12)
    assert np.abs(padded[4:]).max() < 1e-12


def test_fast_shape_holds_volume_and_margin():
    shape = fft.fast_shape((97, 101, 60), (0, 5, 4))
    assert shape[0] >= 97
    assert shape[1] >= 106
    assert shape[2] >= 64
    for n in shape:
        for factor in (2, 3, 5):
            while n % factor == 0:
                n //= factor
        assert n == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_frequencies_give_the_spectrum_of_a_shift(rng, shape):
    """A shift by one voxel is a phase ramp over the frequencies, whatever the voxel size."""
    x, voxel_size = rng.standard_normal(shape), (0.8, 1.0, 2.5)
    for axis, k in enumerate(fft.frequencies(shape, voxel_size)):
        spectrum = fft.rfftn(x) * np.exp(-2j * np.pi * k * voxel_size[axis])
        np.testing.assert_allclose(fft.irfftn(spectrum, shape), np.roll(x, 1, axis), atol=1e-12)


def test_convolution_with_room_does_not_wrap(rng):
    x = rng.standard_normal((6, 7, 8))
    shape = (9, 9, 10)
    shift = np.zeros(shape)
    shift[1, 0, 0] = shift[-1, 0, 0] = 1  # the sum of both neighbours: even, so that its spectrum is real
    both = fft.convolve(x, fft.rfftn(shift).real, shape)
    expected = np.zeros_like(x)
    expected[1:] += x[:-1]
    expected[:-1] += x[1:]
    np.testing.assert_allclose(both, expected, atol=1e-12)


def test_missing_engine_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyfftw", None)  # as if it were not installed
    monkeypatch.setitem(sys.modules, "pyfftw.interfaces.scipy_fft", None)
    with pytest.raises(MissingExtraError, match="fftw"):
        fft.set_engine("pyfftw")
