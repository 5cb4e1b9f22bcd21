import numpy as np
import pytest

from qsmkit.errors import GeometryError
from qsmkit.grid import Grid


def test_axial_grid_has_b0_along_its_third_axis():
    grid = Grid.tilted((4, 5, 6), (1, 2, 3))
    assert grid.voxel_size == (1, 2, 3)
    assert grid.voxel_volume == 6
    np.testing.assert_allclose(grid.b0_direction, [0, 0, 1])
    np.testing.assert_allclose(grid.world([1.5, 2, 2.5]), [0, 0, 0], atol=1e-12)


@pytest.mark.parametrize("voxel_size", [(1, 1, 1), (0.8, 0.8, 3), (2, 0.5, 1)])
@pytest.mark.parametrize("tilt", [0, 20, 32.5, 90, -140])
def test_b0_direction_does_not_depend_on_voxel_size(voxel_size, tilt):
    angle = np.deg2rad(tilt)
    grid = Grid.tilted((8, 8, 8), voxel_size, tilt=tilt)
    np.testing.assert_allclose(grid.b0_direction, [0, np.sin(angle), np.cos(angle)], atol=1e-12)


def test_sagittal_and_coronal_axes_permute_b0():
    sagittal = np.array([[0, 0, 1.2, 0], [-0.9, 0, 0, 0], [0, 0.9, 0, 0], [0, 0, 0, 1]])
    coronal = np.array([[0.9, 0, 0, 0], [0, 0, 1.2, 0], [0, -0.9, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(Grid((4, 4, 4), sagittal).b0_direction, [0, 1, 0])
    np.testing.assert_allclose(Grid((4, 4, 4), coronal).b0_direction, [0, -1, 0])


def test_world_and_voxel_are_inverse(rng):
    grid = Grid.tilted((10, 11, 12), (0.8, 0.9, 2.4), tilt=25, axis=1)
    points = rng.uniform(-5, 15, (7, 3))
    np.testing.assert_allclose(grid.voxel(grid.world(points)), points, atol=1e-9)


def test_cropped_grid_keeps_world_coordinates():
    grid = Grid.tilted((10, 11, 12), (0.8, 0.9, 2.4), tilt=25)
    box = grid.cropped((2, 3, -4), (5, 5, 30))
    np.testing.assert_allclose(box.world([1, 1, 5]), grid.world([3, 4, 1]))


def test_difference_names_shape_or_distance():
    grid = Grid.tilted((10, 11, 12))
    moved = grid.affine.copy()
    moved[0, 3] += 0.5
    assert grid.difference(Grid((10, 11, 12), grid.affine)) is None
    assert "0.5 mm" in (grid.difference(Grid((10, 11, 12), moved)) or "")
    assert "(9, 11, 12)" in (grid.difference(Grid((9, 11, 12), grid.affine)) or "")


def test_affine_cannot_be_changed_behind_the_grid():
    affine = np.eye(4)
    grid = Grid((2, 2, 2), affine)
    affine[0, 0] = 5
    assert grid.voxel_size == (1, 1, 1)
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 5


@pytest.mark.parametrize(
    ("shape", "affine", "word"),
    [
        ((4, 4), np.eye(4), "three positive"),
        ((4, 4, 0), np.eye(4), "three positive"),
        ((4, 4, 4), np.eye(3), "4×4"),
        ((4, 4, 4), np.full((4, 4), np.nan), "finite"),
        ((4, 4, 4), np.zeros((4, 4)), "voxel size"),
        ((4, 4, 4), np.array([[1, 0.2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "sheared"),
    ],
)
def test_unusable_geometry_is_refused(shape, affine, word):
    with pytest.raises(GeometryError, match=word):
        Grid(shape, affine)


def test_what_lies_elsewhere_is_refused_by_name():
    grid = Grid((4, 5, 6), np.eye(4))
    grid.require_same(Grid((4, 5, 6), np.eye(4)), "mask", "map")
    moved = Grid((4, 5, 6), np.array([[1, 0, 0, 2], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    with pytest.raises(GeometryError, match=r"mask does not lie where map does: .* 2 mm apart; resample it first"):
        grid.require_same(moved, "mask", "map")
