"""Phase that alternates with the polarity of the readout."""

import numpy as np
import pytest

from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.recon.field.bipolar import bipolar
from qsmkit.recon.field.smooth_phase import wrapped
from qsmkit.units import radians_per_ppm


def scan(rng, echoes=5, *, slope=1.4, bend=0.1, dtype=np.float32, shape=(40, 36, 33)):
    """A ball whose even echoes were read out backwards; returns also the phase without that."""
    grid = Grid.tilted(shape, (2.2, 2.5, 2.7), tilt=15)
    at = grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)) / 40
    x, y, z = np.moveaxis(at, -1, 0)
    mask = x**2 + y**2 + z**2 < 0.9
    times = 0.003 + 0.004 * np.arange(echoes)
    field = 0.3 * z + 0.2 * x * y + 0.05 * np.exp(-(x**2 + y**2 + z**2) / 0.02)
    true = radians_per_ppm(3, 1) * field[..., None] * times + (0.4 - x)[..., None]
    alternating = slope * x + 0.3 * z + bend * (y**2 - z**2)
    sign = np.where(np.arange(echoes) % 2 == 0, 1, -1)
    signal = mask[..., None] * np.exp(1j * (true + alternating[..., None] * sign) - 25 * times)
    signal = signal + 0.02 * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape))
    return grid, mask, times, np.angle(signal).astype(dtype), np.abs(signal).astype(dtype), true


def left_over(found, true, mask):
    """SD of what still alternates (4g, from the first three echoes) over the mask."""
    rest = wrapped(found - true)[mask]
    alternating = wrapped(rest[:, 0] - 2 * rest[:, 1] + rest[:, 2]) / 4
    return np.sqrt(np.mean(alternating**2))


@pytest.mark.parametrize("echoes", [3, 4, 7])
def test_the_alternating_phase_is_removed(rng, echoes):
    grid, mask, times, phase, magnitude, true = scan(rng, echoes)
    assert left_over(phase, true, mask) > 0.2
    assert left_over(bipolar(phase, times, grid, magnitude, mask), true, mask) < 0.03


def test_it_needs_neither_mask_nor_magnitude_to_leave_out_the_air(rng):
    grid, mask, times, phase, magnitude, true = scan(rng)
    assert left_over(bipolar(phase, times, grid, magnitude), true, mask) < 0.03
    assert left_over(bipolar(phase, times, grid, None, mask), true, mask) < 0.03


def test_a_train_of_one_polarity_is_left_alone(rng):
    grid, mask, times, phase, magnitude, _ = scan(rng)
    steady = phase[..., :1] * np.ones(times.size, np.float32)
    assert np.abs(wrapped(bipolar(steady, times, grid, magnitude, mask) - steady)[mask]).max() < 1e-4


def test_turns_added_to_the_phase_change_nothing(rng):
    grid, mask, times, phase, magnitude, _ = scan(rng, dtype=np.float64)
    turned = phase + 2 * np.pi * rng.integers(-2, 3, phase.shape)
    a, b = (bipolar(p, times, grid, magnitude, mask) for p in (phase, turned))
    assert np.abs(wrapped(a - b)).max() < 1e-6


def test_a_quarter_turn_in_alternation_is_a_uniform_field():
    times = 0.003 + 0.004 * np.arange(6)
    sign = np.where(np.arange(6) % 2 == 0, 1, -1)
    uniform = np.pi / 0.004 * (times - times[0]) + np.pi / 2
    assert np.abs(wrapped(sign * np.pi / 2 - uniform)).max() < 1e-9


def test_precision_is_kept_and_single_is_enough(rng):
    grid, mask, times, phase, magnitude, _ = scan(rng)
    single = bipolar(phase, times, grid, magnitude, mask)
    double = bipolar(phase.astype(float), times, grid, magnitude.astype(float), mask)
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    assert np.abs(wrapped(single - double)[mask]).max() < 1e-3


def test_two_echoes_are_refused(rng):
    grid, mask, times, phase, magnitude, _ = scan(rng, 3)
    with pytest.raises(InputError, match="give three"):
        bipolar(phase[..., :2], times[:2], grid, magnitude[..., :2], mask)


def test_unequal_spacing_is_refused(rng):
    grid, mask, _, phase, magnitude, _ = scan(rng, 3)
    with pytest.raises(InputError, match="equally spaced"):
        bipolar(phase, np.array([0.003, 0.007, 0.012]), grid, magnitude, mask)
