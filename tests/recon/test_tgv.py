"""Single-step inversion: from wrapped phase to susceptibility, with sources outside that are much stronger."""

import numpy as np
import pytest

from qsmkit.errors import ConvergenceWarning, InputError
from qsmkit.grid import Grid
from qsmkit.optim.total_generalised_variation import TotalGeneralisedVariation
from qsmkit.physics.dipole import forward_field
from qsmkit.recon import pdf, tgv, tv
from qsmkit.recon.field.wrapped_gradient import field_from_wrapped
from qsmkit.units import radians_per_ppm

SHAPE, TIMES = (48, 44, 40), np.array([0.006, 0.014, 0.022])
GRIDS = {"axial": ((2, 2, 2), 0), "oblique": ((2, 2, 3), 25)}


@pytest.fixture(scope="module", params=GRIDS.values(), ids=GRIDS)
def scene(request):
    """Sources inside a ball, stronger ones outside, and the field of all."""
    voxel_size, tilt = request.param
    grid = Grid.tilted(SHAPE, voxel_size, tilt=tilt)
    world = grid.world(np.moveaxis(np.indices(SHAPE), 0, -1))

    def ball(centre, radius):
        return np.linalg.norm(world - np.array(centre), axis=-1) < radius

    mask = ball((0, 0, 0), 32)
    chi = 0.1 * ball((10, 4, 0), 7) - 0.05 * ball((-12, -6, 4), 8)
    chi = (chi + 0.08 * ball((0, 20, 0), 6)).astype(np.float32) * mask
    outside = (12.0 * ball((0, -38, 20), 6) * ~mask).astype(np.float32)
    return grid, mask, chi, forward_field(chi + outside, grid)


def wrapped(field, times=TIMES, tesla=3.0):
    angle = field[..., None] * np.array([radians_per_ppm(tesla, t) for t in times])
    return np.angle(np.exp(1j * angle)).astype(np.float32)


def error(x, truth, mask):
    a, b = x[mask] - x[mask].mean(), truth[mask] - truth[mask].mean()
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def test_wrapped_phase_gives_the_field_that_made_it(scene):
    grid, mask, _, field = scene
    phase = wrapped(field)
    assert (np.abs(np.diff(phase[..., 2], axis=1))[mask[:, 1:] & mask[:, :-1]] > np.pi).any()
    for series, times in ((phase, TIMES), (phase[..., :1], TIMES[:1])):
        found = field_from_wrapped(series, times, 3.0, mask, grid)
        assert found.dtype == np.float32
        assert not found[~mask].any()
        assert error(found, field, mask) < 0.01


def test_one_step_from_the_phase_beats_two_steps_from_the_field(scene):
    grid, mask, chi, field = scene
    found = tgv(mask, grid, phase=wrapped(field), echo_times=TIMES, field_strength=3.0)
    two_steps = tv(pdf(field, mask, grid).local_field, mask, grid)
    assert found.dtype == np.float32
    assert not found[~mask].any()
    assert error(found, chi, mask) < 0.85 * error(two_steps, chi, mask)


def test_phase_and_field_lead_to_the_same(scene):
    grid, mask, chi, field = scene
    noise = np.random.default_rng(0).standard_normal((*SHAPE, 3), np.float32)
    one = tgv(mask, grid, phase=wrapped(field), echo_times=TIMES, field_strength=3.0)
    other = tgv(mask, grid, field, phase=noise, echo_times=TIMES, field_strength=3.0)
    assert error(one, other, mask) < 0.15
    assert error(other, chi, mask) < 0.6


def test_dark_echoes_count_less(scene, rng):
    grid, mask, _, field = scene
    phase = wrapped(field) + rng.normal(0, [0, 0, 2], (*SHAPE, 3)).astype(np.float32)
    magnitude = np.ones((*SHAPE, 3), np.float32) * [1, 1, 0.01]
    weighted = field_from_wrapped(phase, TIMES, 3.0, mask, grid, magnitude.astype(np.float32))
    assert error(weighted, field, mask) < 0.02
    assert error(field_from_wrapped(phase, TIMES, 3.0, mask, grid), field, mask) > 0.02


def test_a_ramp_costs_nothing_and_what_bends_does():
    grid = Grid.tilted((16, 14, 12), (1, 1, 2))
    inside = np.zeros(grid.shape, bool)
    inside[2:-2, 2:-2, 2:-2] = True
    x = np.indices(grid.shape, np.float32)[0]

    def residual(volume):
        state = TotalGeneralisedVariation(
            inside, inside, grid.voxel_size, (1e-3, 1e-2), threshold=0.02, slope_step=1.0, dtype=np.dtype(np.float32)
        )
        for _ in range(400):
            state.update(volume)
        out = np.empty_like(volume)
        # What is asked for, minus what there is: the pull of the subgradient.
        state.pull(out)
        w = state._slope[0]
        return np.abs(np.diff(volume, axis=0)[4:-5] - w[4:-6])[:, 4:-4, 4:-4].max()

    assert residual(0.01 * x) < 1e-4
    assert residual(0.01 * (x % 8 > 3)) > 3e-3


def test_too_few_iterations_warn_and_missing_input_is_named(scene):
    grid, mask, _, field = scene
    with pytest.warns(ConvergenceWarning, match="tgv: max_iterations after 3"):
        tgv(mask, grid, field, max_iterations=3)
    with pytest.raises(InputError, match="needs total_field, or else phase"):
        tgv(mask, grid, phase=wrapped(field))
