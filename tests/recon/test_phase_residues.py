"""Residues lie on vortices, and nowhere else."""

import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.recon.field.phase_residues import phase_residues

GRID = Grid.tilted((24, 21, 18), (1, 1, 1.5))


def wrapped(angle):
    return np.angle(np.exp(1j * angle)).astype(np.float32)


def coordinates():
    return np.indices(GRID.shape, np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_vortex_is_found_along_its_line(axis):
    u, v = (coordinates()[a] for a in range(3) if a != axis)
    phase = wrapped(np.arctan2(v - 8.5, u - 10.5) + 0.05 * u * v)[..., None]
    found = phase_residues(phase, GRID)
    near = (np.abs(u - 10.5) < 1) & (np.abs(v - 8.5) < 1)
    np.testing.assert_allclose(found[near], 1 / 12, rtol=1e-6)
    assert not found[~near].any()


def test_steep_fields_have_none(rng):
    x, y, z = coordinates()
    field = 1.4 * x - 1.1 * y + 0.03 * (z - 9) ** 2 + rng.uniform(-0.4, 0.4, GRID.shape)
    phase = wrapped(field[..., None] * [1, 0.5])
    assert np.abs(np.diff(phase, axis=0)).max() > np.pi
    assert not phase_residues(phase, GRID).any()


def test_echoes_share_and_the_mask_bounds(rng):
    _, y, z = coordinates()
    vortex = wrapped(np.arctan2(z - 8.5, y - 10.5))
    both = phase_residues(np.stack([vortex, np.zeros_like(vortex)], -1), GRID)
    np.testing.assert_allclose(both, phase_residues(vortex[..., None], GRID) / 2)
    mask = np.ones(GRID.shape, bool)
    mask[:, 10, 8] = False
    noise = rng.uniform(-np.pi, np.pi, (*GRID.shape, 1)).astype(np.float32)
    assert not phase_residues(vortex[..., None], GRID, mask).any()
    spoiled = np.where(mask[..., None], noise, 1)
    np.testing.assert_array_equal(phase_residues(spoiled, GRID, mask), phase_residues(noise, GRID, mask))


def test_a_third_of_the_loops_of_pure_noise_hold_one(rng):
    phase = rng.uniform(-np.pi, np.pi, (*GRID.shape, 3))
    inner = phase_residues(phase, GRID)[1:-1, 1:-1, 1:-1]
    assert inner.mean() == pytest.approx(1 / 3, abs=0.01)
    assert inner.max() <= 1
