import numpy as np
import pytest

from qsmkit.errors import DataWarning, InputError, ParameterError, ScaleError
from qsmkit.io.phase_scale import to_radians

SHAPE = (9, 8, 7, 3)


@pytest.fixture
def phase(rng):
    """Three echoes of wrapped phase in rad that fill −π…π."""
    values = rng.uniform(-np.pi, np.pi, SHAPE)
    values[0, 0, 0], values[1, 0, 0] = -np.pi, np.pi * (1 - 1e-4)
    return values


def converted(stored, metadata=None, phase_max=None):
    return to_radians(stored.astype(np.float32), metadata=metadata or {}, phase_max=phase_max, name="scan")


def apart(a, b):
    """Largest distance of two phases on the circle."""
    return np.abs(np.angle(np.exp(1j * (a - b)))).max()


ENCODINGS = {
    "radians": (lambda p: p, 1e-6),
    "radians from 0": (lambda p: np.mod(p, 2 * np.pi), 1e-6),
    "Siemens, slope applied": (lambda p: 2 * np.floor((p / np.pi + 1) * 2048) - 4096, 2e-3),
    "Siemens, slope lost": (lambda p: np.floor((p / np.pi + 1) * 2048), 2e-3),
    "4096 is π": (lambda p: np.floor(p / np.pi * 4096), 1e-3),
    "2048 is π": (lambda p: np.floor(p / np.pi * 2048), 2e-3),
    "milliradians, whole": (lambda p: np.rint(p * 1000), 1e-3),
    "milliradians, Philips slope": (lambda p: np.rint((p * 1000 + 3142) / 1.53455) * 1.53455 - 3142, 2e-3),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_known_encodings_come_out_in_radians(phase, name):
    encode, error = ENCODINGS[name]
    radians, decision = converted(encode(phase))
    assert apart(radians, phase) < error
    assert np.abs(radians).max() <= np.pi * (1 + 1e-6)
    assert radians.dtype == np.float32
    assert "seen" in decision


@pytest.mark.parametrize(
    "factor", [0.6, 0.0011695, 1.5, 2, 180 / np.pi, 500 / np.pi, 10000 / np.pi, 2048 * 1.1]
)
def test_any_other_scale_is_refused_with_the_range_and_what_to_pass(phase, factor):
    stored = phase * factor
    with pytest.raises(ScaleError, match="--phase-max") as caught:
        converted(stored)
    assert f"{stored.min():.5g} to {stored.max():.5g}" in str(caught.value)
    radians, _ = converted(stored, phase_max=np.pi * factor)
    assert apart(radians, phase) < 1e-5


def test_scale_does_not_depend_on_how_the_values_are_spread(phase):
    """A stretch by the observed range would get it wrong: one overshoot moves no other voxel."""
    overshot = phase.copy()
    overshot[4, 4, 4] = 1.04 * np.pi
    np.testing.assert_allclose(converted(overshot)[0][5:], phase[5:], atol=1e-6)


def test_arrays_are_converted_in_place_and_keep_their_type(phase):
    stored = phase * 4096 / np.pi
    radians, _ = to_radians(stored, metadata={}, name="scan")
    assert radians is stored
    assert radians.dtype == np.float64


def test_one_volume_needs_no_echo_axis(phase):
    np.testing.assert_allclose(converted(phase[..., 0])[0], phase[..., 0], atol=1e-6)


def test_nan_stays_and_decides_nothing(phase):
    phase[2, 3, 4, 1] = np.nan
    radians, _ = converted(phase * 4096 / np.pi)
    assert np.isnan(radians[2, 3, 4, 1])
    assert np.isnan(radians).sum() == 1


def test_short_radians_are_believed_only_if_stated(phase):
    short = phase * 0.3
    with pytest.raises(ScaleError):
        converted(short)
    radians, decision = converted(short, {"Units": "rad"})
    np.testing.assert_allclose(radians, short, atol=1e-6)
    assert "sidecar" in decision


def test_a_short_echo_shares_the_scale_of_the_others(phase):
    phase[..., 0] *= 0.2
    np.testing.assert_allclose(converted(phase)[0], phase, atol=1e-6)


def test_unwrapped_echo_is_wrapped_again_if_another_shows_radians(phase):
    beyond = phase.copy()
    beyond[..., 0] *= 1.5
    with pytest.warns(DataWarning, match="wrapped again"):
        radians, _ = converted(beyond)
    assert apart(radians, beyond) < 1e-5
    assert np.abs(radians).max() <= np.pi * (1 + 1e-6)


@pytest.mark.parametrize(
    ("maker", "low", "high", "factor", "centre"),
    [("SIEMENS", -2000, 1500, np.pi / 4096, 0), ("Siemens Healthineers", 248, 3848, np.pi / 2048, 2048),
     ("GE MEDICAL SYSTEMS", -900, 1200, 1e-3, 0)],
)  # fmt: skip
def test_short_integers_go_by_the_manufacturer_with_a_warning(rng, maker, low, high, factor, centre):
    stored = rng.integers(low, high + 1, SHAPE)
    with pytest.warns(DataWarning, match="--phase-max"):
        radians, decision = converted(stored, {"Manufacturer": maker})
    np.testing.assert_allclose(radians, (stored - centre) * factor, atol=1e-5)
    assert maker in decision
    with pytest.raises(ScaleError):
        converted(stored)
    with pytest.raises(ScaleError):
        converted(stored + 0.5, {"Manufacturer": maker})


def test_radians_rounded_to_integers_are_refused(phase):
    with pytest.raises(ScaleError):
        converted(np.rint(phase))


def test_sidecar_that_contradicts_the_values_is_refused(phase):
    with pytest.raises(ScaleError, match="Units: rad"):
        converted(phase * 4096 / np.pi, {"Units": "rad"})


def test_echoes_on_different_scales_are_refused(phase):
    phase[..., 1:] *= 4096 / np.pi
    with pytest.raises(ScaleError, match="echo 1 spans only"):
        converted(phase)


@pytest.mark.parametrize("phase_max", [3.14159, 400, 1e6])
def test_stated_scale_must_fit_the_values(phase, phase_max):
    with pytest.raises(ScaleError, match="does not fit"):
        converted(phase * 4096 / np.pi, phase_max=phase_max)


@pytest.mark.parametrize("phase_max", [0, -1, float("nan")])
def test_stated_scale_must_be_positive(phase, phase_max):
    with pytest.raises(ParameterError, match="not positive"):
        converted(phase, phase_max=phase_max)


@pytest.mark.parametrize(("value", "match"), [(0, "constant"), (np.nan, "no finite value")])
def test_echo_without_phase_is_named(phase, value, match):
    phase[..., 1] = value
    with pytest.raises(InputError, match=f"echo 2.*{match}"):
        converted(phase)
