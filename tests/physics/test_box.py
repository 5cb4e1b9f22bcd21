"""The box around a mask."""

import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.physics.box import Box


@pytest.fixture
def mask():
    m = np.zeros((20, 22, 24), bool)
    m[3:12, 5:9, 20:24] = True
    m[4, 6, 21] = False
    return m


def test_box_is_the_masks_bounding_box_with_room_behind(mask):
    box = Box.around(mask, Grid.tilted(mask.shape, (1, 1, 2)), margin=3)
    assert box.inner == (slice(3, 12), slice(5, 9), slice(20, 24))
    assert box.shape == (12, 8, 6)  # 9 + 3, 4 + 3 → 8, 4 + 2


def test_margin_beyond_the_box_itself_is_never_needed(mask):
    grid = Grid.tilted(mask.shape)
    assert Box.around(mask, grid, margin=1e6).shape == Box.around(mask, grid, margin=9).shape == (18, 8, 8)


def test_padding_and_restoring_give_back_what_the_mask_holds(mask, rng):
    box = Box.around(mask, Grid.tilted(mask.shape), margin=4)
    x = rng.standard_normal(mask.shape).astype(np.float32)
    padded = box.pad(x)
    assert padded.shape == box.shape
    assert padded.dtype == np.float32
    assert not padded[9:].any()
    np.testing.assert_array_equal(box.crop(x), padded[:9, :4, :4])
    np.testing.assert_array_equal(box.restore(padded, mask), x * mask)
