import numpy as np
import pytest

from qsmkit.physics.signal import prepared_gradient_echo, spin_echo, t1_at


def bloch(t1, *, repetition_time, inversion_time, flip_angle, echo_spacing, echoes, centre):
    """Return the signal by following the magnetisation from pulse to pulse until it repeats."""

    def recover(m, time):
        return 1 + (m - 1) * np.exp(-time / t1)

    alpha, m, seen = np.deg2rad(flip_angle), 1.0, 0.0
    for _ in range(60):
        m = recover(-m, inversion_time - centre * echo_spacing)
        for pulse in range(echoes):
            if pulse == centre:
                seen = m * np.sin(alpha)
            m = recover(m * np.cos(alpha), echo_spacing)
        m = recover(m, repetition_time - inversion_time - (echoes - centre) * echo_spacing)
    return seen


@pytest.mark.parametrize("t1", [0.4, 0.85, 1.4, 4.0])
@pytest.mark.parametrize("train", [
    {"repetition_time": 2.3, "inversion_time": 0.9, "flip_angle": 9.0, "echo_spacing": 0.007, "echoes": 160,
     "centre": 80},
    {"repetition_time": 3.0, "inversion_time": 0.45, "flip_angle": 20.0, "echo_spacing": 0.006, "echoes": 120,
     "centre": 0},
])  # fmt: skip
def test_the_steady_state_of_a_prepared_train_is_the_one_that_pulses_lead_to(t1, train):
    got = prepared_gradient_echo(0.8, t1, **train)
    assert got == pytest.approx(0.8 * bloch(t1, **train), abs=1e-9)
    array = prepared_gradient_echo(np.float32([0.8]), np.float32([t1]), **train)
    assert array.dtype == np.float32
    assert array[0] == pytest.approx(got, abs=2e-6)


def test_a_spin_echo_recovers_and_decays():
    long = spin_echo(0.7, 1.0, 10.0, repetition_time=100.0, echo_time=0.05)
    assert long == pytest.approx(0.7 * np.exp(-0.5))
    nulled = spin_echo(1.0, 1.0, 10.0, repetition_time=100.0, echo_time=0.05, inversion_time=np.log(2))
    assert nulled == pytest.approx(0, abs=1e-12)
    assert spin_echo(1.0, 1.0, 0.0, repetition_time=0.5, echo_time=0.1) == pytest.approx(1 - np.exp(-0.5))


def test_tissue_relaxes_more_slowly_in_a_stronger_field_and_water_does_not_care():
    assert t1_at(0.83, 3.0) == pytest.approx(0.83)
    assert 0.6 < t1_at(0.83, 1.5) < 0.75
    assert 1.0 < t1_at(0.83, 7.0) < 1.3
    assert t1_at(4.3, 7.0) == pytest.approx(4.3)
    assert t1_at(np.float32([0.83]), 7.0).dtype == np.float32
