"""Coils combined: the phase of the field alone, without open fringes."""

import numpy as np
import pytest

from qsmkit.errors import InputError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.recon import combine_coils, phase_residues
from qsmkit.units import radians_per_ppm

GRID = Grid.tilted((40, 38, 26), (2, 2, 3), tilt=15)
TIMES = {"uneven": np.array([0.004, 0.012, 0.020]), "even": np.array([0.004, 0.008, 0.012])}
NOISE, COILS = 0.01, 8


@pytest.fixture(scope="module", params=TIMES)
def scan(request):
    """A ball seen by eight coils, two of which have a phase singularity inside; and what an ideal coil would see."""
    rng = np.random.default_rng(3)
    times = TIMES[request.param]
    x, y, z = np.moveaxis(GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1)), -1, 0) / 40
    mask = x**2 + y**2 + z**2 < 0.75
    field = 0.2 * z + 0.25 * y * z + 0.05 * np.exp(-((x - 0.2) ** 2 + y**2 + z**2) / 0.02)
    evolution = radians_per_ppm(3, 1) * field[..., None] * times
    signal = mask[..., None] * np.exp(1j * evolution - 20 * times)
    coils = np.empty((*signal.shape, COILS), np.complex64)
    for c in range(COILS):
        angle = 2 * np.pi * c / COILS
        distance = (x - np.cos(angle)) ** 2 + (y - np.sin(angle)) ** 2 + (0.5 * z) ** 2
        turn = 2.5 * c + 1.6 * np.cos(angle + 1) * x + 1.4 * np.sin(2 * angle) * y + 0.8 * z
        seen = np.exp(-0.9 * distance + 1j * turn)
        if c < 2:
            seen = seen * ((x + 0.2 * c) + 1j * (y - 0.2))
        noise = rng.normal(0, NOISE, signal.shape) + 1j * rng.normal(0, NOISE, signal.shape)
        coils[..., c] = signal * seen[..., None] + noise
    return times, mask, evolution, np.angle(coils), np.abs(coils)


def rest(phase, truth, mask):
    return np.angle(np.exp(1j * (phase - truth)))[mask]


def test_the_phase_is_that_of_the_field_within_noise(scan):
    times, mask, evolution, phase, magnitude = scan
    made = combine_coils(phase, magnitude, times, GRID, mask)
    assert made.phase.dtype == made.magnitude.dtype == np.float32
    error = rest(made.phase, evolution, mask)
    expected = NOISE / made.magnitude[mask]
    assert np.sqrt(np.mean(error[:, 0] ** 2)) < 0.03
    # The offset left over is common to all echoes; between echoes there is noise alone.
    step = error[:, 2] - error[:, 1]
    assert np.std(step / np.hypot(expected[:, 1], expected[:, 2])) == pytest.approx(1, abs=0.06)


def test_no_fringe_ends_inside(scan):
    times, mask, _, phase, magnitude = scan
    made = combine_coils(phase, magnitude, times, GRID, mask)
    assert not phase_residues(made.phase, GRID, mask).any()
    naive = np.angle((magnitude * np.exp(1j * phase)).sum(axis=-1))
    assert phase_residues(naive, GRID, mask).any()
    assert phase_residues(phase[..., 0], GRID, mask).any()


def test_the_magnitude_is_the_root_sum_of_squares_where_coils_agree(scan):
    times, mask, _, phase, magnitude = scan
    made = combine_coils(phase, magnitude, times, GRID, mask)
    root = np.sqrt((magnitude**2).sum(axis=-1))
    np.testing.assert_allclose(made.magnitude[mask], root[mask], rtol=0.02)
    assert np.median(made.magnitude[~mask] / root[~mask]) < 0.6


def test_a_coil_that_measured_nothing_does_not_matter(scan):
    times, mask, _, phase, magnitude = scan
    shape = (*phase.shape[:-1], 1)
    more = [np.concatenate([a, np.full(shape, v, np.float32)], axis=-1) for a, v in ((phase, 1), (magnitude, 0))]
    one, other = (combine_coils(*a, times, GRID, mask) for a in ((phase, magnitude), more))
    np.testing.assert_allclose(rest(other.phase, one.phase, mask), 0, atol=1e-4)


def test_input_that_cannot_be_combined_is_refused(scan):
    times, mask, _, phase, magnitude = scan
    with pytest.raises(InputError, match="1 echo cannot tell"):
        combine_coils(phase[..., :1, :], magnitude[..., :1, :], times[:1], GRID, mask)
    with pytest.raises(ParameterError, match="are not two of 3 echoes"):
        combine_coils(phase, magnitude, times, GRID, mask, echoes=(3, 2))
    with pytest.raises(InputError, match="same coils"):
        combine_coils(phase, magnitude[..., :-1], times, GRID, mask)
    with pytest.raises(ShapeError, match="axis of coils last"):
        combine_coils(phase[..., 0], magnitude, times, GRID, mask)
    with pytest.raises(ShapeError, match="numbers of echoes differ"):
        combine_coils(phase, magnitude, times[:2], GRID, mask)
