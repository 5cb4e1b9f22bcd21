"""The post-operative CT and the MR of one digital head."""

import numpy as np
import pytest

from qsmkit.clinical.target.cranium import cranium
from qsmkit.clinical.target.fuse import fuse
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.volume import Volume

GRID = Grid.tilted((100, 100, 90), (2.0, 2.0, 2.0))
MIDDLE = np.array([0.0, 0.0, -5.0])


def head_ct(*, air=True, metal=True, hole=True):
    """Return a CT of a skull that is an ellipsoid: brain, ventricles, air at the front, a lead, a burr hole."""
    place = np.moveaxis(GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1)) - MIDDLE, -1, 0)
    x, y, z = place

    def within(wide):
        return (x / (60 + wide)) ** 2 + (y / (75 + wide)) ** 2 + (z / (55 + wide)) ** 2 < 1

    hu = np.full(GRID.shape, -1000.0)
    hu[within(12)], hu[within(7)], hu[within(0)] = 50, 1200, 35
    if hole:
        hu[within(7) & ~within(0) & (np.hypot(x - 30, y - 20) < 7) & (z > 0)] = 50
    if air:
        hu[within(0) & (y > 66) & (x > 0)] = -1000
    if metal:
        hu[(np.hypot(x - 20, y) < 1.5) & (z > -5) & (z < 40)] = 3071
    return Volume(hu.astype(np.float32), GRID)


def test_the_inside_of_the_skull_is_found_through_burr_holes_and_beside_leads():
    found = cranium(head_ct())
    x, y, z = np.moveaxis(GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1)) - MIDDLE, -1, 0)
    true = (x / 60) ** 2 + (y / 75) ** 2 + (z / 55) ** 2 < 1
    overlap = 2 * (found.cavity & true).sum() / (found.cavity.sum() + true.sum())
    assert overlap > 0.97
    assert found.shown > 0.98
    assert found.metal.any()
    assert not found.metal_is_cut


def test_air_inside_the_skull_is_measured_on_its_side():
    air = cranium(head_ct()).pneumocephalus((1, 0, 0), MIDDLE)
    x, y, z = np.moveaxis(GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1)) - MIDDLE, -1, 0)
    true = float(((x / 60) ** 2 + (y / 75) ** 2 + (z / 55) ** 2 < 1)[(y > 66) & (x > 0)].sum()) * 0.008
    assert air["right"].low <= true * 1.1
    assert air["right"].value == pytest.approx(true, rel=0.15)
    assert air["left"].value < 0.05 * true
    assert cranium(head_ct(air=False)).pneumocephalus((1, 0, 0), MIDDLE)["both"].value == 0


def test_a_ct_that_ends_inside_the_lead_is_noticed():
    whole = head_ct()
    start, shape = (0, 0, 45), (100, 100, 45)
    cut = Volume(whole.data[:, :, 45:], GRID.cropped(start, shape))
    assert cranium(cut).metal_is_cut


@pytest.mark.parametrize("what", ["empty", "noise", "water"])
def test_what_is_no_head_is_refused(what):
    rng = np.random.default_rng(1)
    data = {"empty": np.full(GRID.shape, -1000.0), "noise": rng.uniform(-1000, 2000, GRID.shape),
            "water": np.where(head_ct().data > -500, 0.0, -1000.0)}[what]  # fmt: skip
    with pytest.raises(InputError, match="CT"):
        fuse(Volume(data.astype(np.float32), GRID), head_ct())
