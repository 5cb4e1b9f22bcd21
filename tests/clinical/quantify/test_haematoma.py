"""A ball of blood: its volume within its interval at any voxel, its susceptibility, and no stage."""

import numpy as np
import pytest

from qsmkit.clinical.quantify.haematoma import grow, haematoma
from qsmkit.errors import InputError, ShapeError
from qsmkit.grid import Grid

RADIUS, CHI = 11.0, 0.45
TRUTH = 4 / 3 * np.pi * RADIUS**3 / 1000


def ball(voxel, tilt=0.0):
    grid = Grid.tilted(tuple(int(44 / h) for h in voxel), voxel, tilt=tilt)
    points = grid.world(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1))
    inside = np.linalg.norm(points - (1.3, 0.4, -0.7), axis=-1) < RADIUS
    noise = np.random.default_rng(1).normal(0, 0.01, grid.shape)
    return (0.02 + CHI * inside + noise).astype(np.float32), inside, grid


@pytest.mark.parametrize("voxel", [(1.0, 1.0, 1.0), (0.7, 0.7, 2.0), (2.0, 2.0, 2.0)])
def test_volume_and_susceptibility_of_a_ball(voxel):
    chi, mask, grid = ball(voxel, tilt=10.0)
    found = haematoma(chi, mask, grid, field_strength=3.0)
    assert found.volume.low < TRUTH < found.volume.high
    assert found.volume.value == pytest.approx(TRUTH, rel=0.04)
    assert found.abc2.value == pytest.approx(TRUTH, rel=0.15)
    assert found.mean.value == pytest.approx(CHI, rel=0.05)
    assert found.total.low < 1000 * CHI * found.volume.value < found.total.high
    assert found.moment is not None
    assert set(found.measures()) == {"volume", "abc2", "mean", "total", "moment"}


def test_it_grows_from_a_seed_and_nowhere_else():
    chi, mask, grid = ball((1.0, 1.0, 1.0))
    everywhere = np.ones(grid.shape, bool)
    np.testing.assert_array_equal(grow(chi, everywhere, grid, (3.0, 2.0, 0.0)), mask)
    with pytest.raises(InputError, match="nothing stands out"):
        grow(chi, everywhere, grid, (18.0, 18.0, 18.0))
    with pytest.raises(InputError, match="no value"):
        grow(chi, everywhere, grid, (180.0, 0.0, 0.0))
    with pytest.raises(ShapeError):
        grow(chi, everywhere[1:], grid, (0.0, 0.0, 0.0))


def test_a_single_voxel_is_measured_and_an_empty_mask_is_not():
    chi, _, grid = ball((1.0, 1.0, 1.0))
    one = np.zeros(grid.shape, bool)
    one[30, 22, 22] = True
    assert haematoma(chi, one, grid).volume.value == pytest.approx(0.001)
    with pytest.raises(InputError, match="no voxel"):
        haematoma(chi, np.zeros(grid.shape, bool), grid)
