import numpy as np
import pytest

from qsmkit.errors import MaskError
from qsmkit.grid import Grid
from qsmkit.recon import trim

GRID = Grid.tilted((40, 40, 40), (1, 1, 2))


@pytest.fixture
def block():
    mask = np.zeros(GRID.shape, bool)
    mask[5:35, 5:35, 5:35] = True
    return mask, np.full(GRID.shape, 0.001, np.float32)


def test_a_reliable_mask_stays(block):
    mask, sd = block
    kept = trim(mask, sd, GRID)
    assert kept.sum() > 0.98 * mask.sum(), "only edges and corners may be rounded"
    assert not (kept & ~mask).any()


def test_unreliable_edges_go_and_unreliable_insides_stay(block):
    mask, sd = block
    sd[5:8] = 0.05
    sd[18:22, 18:22, 18:22] = 0.05
    kept = trim(mask, sd, GRID)
    assert not kept[5:8].any()
    assert kept[20, 20, 20]
    assert kept[9, 20, 20]


def test_a_mask_that_fills_the_volume_keeps_its_faces():
    everywhere = np.ones(GRID.shape, bool)
    assert trim(everywhere, np.full(GRID.shape, 0.001, np.float32), GRID).all()


def test_peeling_ends_at_its_depth(block):
    mask, sd = block
    sd[5:15] = 0.05
    kept = trim(mask, sd, GRID, depth=4.0)
    assert not kept[8, 20, 20]
    assert kept[10, 20, 20]


def test_a_bad_fit_is_unreliable(block):
    mask, sd = block
    residual = np.zeros(GRID.shape, np.float32)
    residual[:, 32:] = 0.5
    assert not trim(mask, sd, GRID, residual)[:, 32:].any()
    assert trim(mask, sd, GRID, residual, residual=0.6)[20, 33, 20]


def test_nothing_left_is_an_error(block):
    mask, sd = block
    with pytest.raises(MaskError, match="nowhere in the mask"):
        trim(mask, sd * 100, GRID, depth=100.0)
