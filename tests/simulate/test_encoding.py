import numpy as np
import pytest

from qsmkit.errors import ParameterError, ShapeError
from qsmkit.simulate.encoding import decode, encode


@pytest.fixture
def signal(rng):
    shape = (5, 6, 8, 2)
    return rng.random(shape, np.float32) + 0.1, rng.uniform(-np.pi, np.pi, shape).astype(np.float32)


def apart(a, b):
    return np.abs(np.angle(np.exp(1j * (a - b)))).max()


def test_siemens_steps_by_two_from_minus_4096_to_4094(signal):
    _, phase = encode(*signal, "siemens")
    meant = decode(phase)
    assert set(np.unique(meant % 2)) == {0.0}
    assert meant.min() >= -4096
    assert meant.max() <= 4094
    assert apart(meant * np.pi / 4096, signal[1]) <= np.pi / 4096 * 1.001


def test_siemens_without_rescaling_is_unsigned(signal):
    _, bare = encode(*signal, "siemens", rescale_tags=False)
    _, tagged = encode(*signal, "siemens")
    assert np.array_equal(bare.pixels, tagged.pixels)
    assert not bare.rescaled
    assert (bare.slope, bare.intercept) == (1, 0)


def test_philips_is_milliradians_and_privately_radians(signal):
    magnitude, phase = encode(*signal, "philips")
    assert apart(decode(phase) * np.pi / 3142, signal[1]) < 1e-3
    assert apart(decode(phase) / (phase.slope * phase.private_scale), signal[1]) < 1e-3
    assert decode(magnitude) == pytest.approx(signal[0], abs=magnitude.slope)


def test_ge_alternates_and_counts_backwards(signal):
    magnitude, real, imaginary = encode(*signal, "ge")
    complex_image = real.pixels + 1j * imaginary.pixels
    complex_image[:, :, 1::2] *= -1
    assert apart(-np.angle(complex_image), signal[1]) < 1e-3
    assert np.abs(complex_image) / 16000 == pytest.approx(signal[0] / signal[0].max(), abs=1e-4)
    assert magnitude.pixels.max() == 4095


def test_what_cannot_be_stored_is_refused(signal):
    magnitude, phase = signal
    with pytest.raises(ShapeError, match="no echoes alike"):
        encode(magnitude[..., 0], phase[..., 0], "ge")
    with pytest.raises(ParameterError, match="zero everywhere"):
        encode(0 * magnitude, phase, "ge")
    with pytest.raises(ParameterError, match="'agfa' is unknown"):
        encode(magnitude, phase, "agfa")
