"""Left must be left, whatever the voxel axes do."""

import itertools

import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.reports.display import View

SIGNS = list(itertools.product((1, -1), repeat=3))
ORDERS = list(itertools.permutations(range(3)))


def laid_out(order, signs, size=(2.0, 3.0, 4.0), tilt=0.0, shape=(9, 11, 13)):
    """Return a grid whose voxel axis v runs along world axis order[v], with sign signs[v], then turned."""
    affine = np.eye(4)
    turned = Grid.tilted((1, 1, 1), tilt=tilt).axes
    for v, (world, sign) in enumerate(zip(order, signs, strict=True)):
        affine[:3, v] = turned[:, world] * sign * size[world]
    shape = tuple(shape[world] for world in order)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


def corner_marker(grid, towards):
    """Return a volume that is 1 in the voxel farthest in a world direction."""
    at = grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)) @ grid_axes(grid, towards)
    marker = np.zeros(grid.shape, np.float32)
    marker[np.unravel_index(at.argmax(), grid.shape)] = 1
    return marker


def grid_axes(grid, towards):
    """Return a world direction as a sum of the voxel axes nearest to it, so that obliquity is no matter."""
    return sum(
        np.sign(grid.axes[w, v := np.abs(grid.axes[w]).argmax()]) * t * grid.axes[:, v] / grid.voxel_size[v]
        for w, t in enumerate(towards)
    )


@pytest.mark.parametrize("tilt", [0, 32])
@pytest.mark.parametrize("signs", SIGNS)
@pytest.mark.parametrize("order", ORDERS)
def test_left_anterior_superior_is_where_a_radiologist_looks_for_it(order, signs, tilt):
    grid = laid_out(order, signs, tilt=tilt)
    everything = np.ones(grid.shape, bool)
    view = View.of(grid, everything, margin=0)
    turned = view.turn(corner_marker(grid, (-1000, 1000, 1000)))  # to the patient's left, front and head
    assert np.argwhere(turned == 1).tolist() == [[8, 0, 0]]
    axial = view.image(turned, "axial", 0)
    assert axial.shape == (11, 9)
    assert axial[0, -1] == 1  # anterior is up, the patient's left on the right
    coronal = view.image(turned, "coronal", 0)
    assert coronal.shape == (13, 9)
    assert coronal[0, -1] == 1  # superior is up, the patient's left on the right
    sagittal = view.image(turned, "sagittal", 8)
    assert sagittal.shape == (13, 11)
    assert sagittal[0, 0] == 1  # superior is up, anterior on the left
    assert view.voxel_size == pytest.approx((2, 3, 4))
    assert view.obliquity == pytest.approx(tilt, abs=1e-6)


def test_letters_stand_where_they_belong():
    view = View.of(Grid.tilted((5, 6, 7)), np.ones((5, 6, 7), bool))
    assert view.letters("axial") == ("R", "L", "A", "P")
    assert view.letters("coronal") == ("R", "L", "S", "I")
    assert view.letters("sagittal") == ("A", "P", "S", "I")


@pytest.mark.parametrize("order", ORDERS)
def test_codes_name_the_direction_of_each_voxel_axis(order):
    codes = View.of(laid_out(order, (1, -1, 1)), np.ones(laid_out(order, (1, 1, 1)).shape, bool)).codes
    assert codes == tuple("RAS"[w] if s > 0 else "LPI"[w] for w, s in zip(order, (1, -1, 1), strict=True))


def test_images_have_the_size_of_the_anatomy():
    grid = laid_out((2, 0, 1), (1, -1, 1))
    view = View.of(grid, np.ones(grid.shape, bool), margin=0)
    assert view.extent("axial") == pytest.approx((18, 33))
    assert view.extent("coronal") == pytest.approx((18, 52))
    assert view.extent("sagittal") == pytest.approx((33, 52))


def test_the_view_is_cut_to_the_mask_and_its_margin():
    grid = Grid.tilted((40, 40, 40), (2.0, 2.0, 2.0))
    mask = np.zeros(grid.shape, bool)
    mask[10:20, 2:30, 15:25] = True
    view = View.of(grid, mask, margin=8)
    assert view.mask.shape == (10 + 8, 2 + 28 + 4, 10 + 8)  # the margin ends where the volume ends
    assert view.mask.sum() == mask.sum()


def test_a_place_is_the_slice_in_the_scanner():
    affine = np.diag([-2.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = 7, 3, -30
    grid = Grid((20, 20, 20), affine)
    view = View.of(grid, np.ones(grid.shape, bool), margin=0)
    top = grid.world((0, 0, 19))[2]
    assert view.place("axial", 0) == f"S {top:.0f}"
    assert view.place("axial", 19) == "I 30"
    assert view.place("sagittal", 0) == "R 7"
    assert view.place("sagittal", 19) == "L 31"


def test_slices_span_the_mask_from_the_feet_up():
    mask = np.zeros((10, 10, 60), bool)
    mask[3:7, 3:7, 20:41] = True
    view = View.of(Grid.tilted(mask.shape), mask, margin=0)
    assert view.positions("axial", 3) == [15, 10, 5]
    assert len(view.positions("axial", 100)) == 21
    assert view.positions("axial", 1) == [10]


def test_a_single_slice_can_be_shown():
    mask = np.ones((8, 8, 1), bool)
    view = View.of(Grid.tilted(mask.shape), mask)
    assert view.positions("axial", 6) == [0]
    assert view.image(view.turn(mask), "axial", 0).shape == (8, 8)
