import numpy as np
import pytest

from qsmkit.errors import GeometryError
from qsmkit.grid import Grid
from qsmkit.simulate.transfer import moved, points_per_voxel, rigid_motion, transfer, transfer_labels

SOURCE = Grid.tilted((24, 26, 28), (1.0, 1.1, 0.9), tilt=12, axis=1)


def ramp(grid, gradient=(0.3, -0.2, 0.5), constant=2.0):
    voxels = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), -1)
    return (grid.world(voxels) @ gradient + constant).astype(np.float32)


def test_a_linear_function_of_the_world_arrives_exactly():
    target = Grid.tilted((7, 8, 9), (1.3, 1.2, 1.4), tilt=-20, axis=0)
    for points in ((1, 1, 1), (2, 3, 1)):
        got = transfer(ramp(SOURCE), SOURCE, target, points=points)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, ramp(target), atol=1e-5)


def test_onto_its_own_grid_nothing_changes_and_beyond_it_is_outside(rng):
    volume = rng.normal(size=SOURCE.shape).astype(np.float32)
    wider = SOURCE.cropped((-3, 0, 0), (30, 26, 28))
    got = transfer(volume, SOURCE, wider, outside=7.0)
    np.testing.assert_allclose(got[3:27], volume, atol=1e-5)
    np.testing.assert_allclose(got[:2], 7.0)
    np.testing.assert_allclose(got[28:], 7.0)


def test_points_average_over_the_voxel():
    source = Grid.tilted((40, 40, 40), (0.5, 0.5, 0.5))
    target = Grid.tilted((4, 4, 4), (2.0, 2.0, 4.0))
    assert points_per_voxel(source, target) == (4, 4, 8)
    checkers = (np.indices(source.shape).sum(0) % 2).astype(np.float32)
    got = transfer(checkers, source, target, points=(4, 4, 8))
    np.testing.assert_allclose(got, 0.5, atol=1e-6)


def test_labels_are_never_mixed():
    labels = np.where(np.arange(24)[:, None, None] < 12, 3, 9) * np.ones(SOURCE.shape, int)
    labels = labels.astype(np.uint8)
    target = SOURCE.cropped((-2, 2, 2), (28, 5, 5))
    got = transfer_labels(labels, SOURCE, target, outside=14)
    np.testing.assert_array_equal(got[:, 0, 0], [14] * 2 + [3] * 12 + [9] * 12 + [14] * 2)


def test_a_motion_takes_what_is_in_the_head_along():
    motion = rigid_motion((3, -5, 8), (1, 2, -3), centre=(4, 0, -6))
    np.testing.assert_allclose(motion @ (4, 0, -6, 1), (5, 2, -9, 1))
    head = moved(SOURCE, motion)
    point = np.array([3.0, 5.0, 7.0])
    np.testing.assert_allclose(head.world(point), motion[:3, :3] @ SOURCE.world(point) + motion[:3, 3])
    np.testing.assert_allclose(head.b0_direction, SOURCE.axes.T @ motion[:3, :3].T @ (0, 0, 1), atol=1e-12)


def test_turns_are_right_handed_about_the_worlds_axes():
    np.testing.assert_allclose(rigid_motion((90, 0, 0), (0, 0, 0))[:3, 1], (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(rigid_motion((0, 90, 0), (0, 0, 0))[:3, 2], (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(rigid_motion((90, 0, 90), (0, 0, 0))[:3, 0], (0, 1, 0), atol=1e-12)


@pytest.mark.parametrize("matrix", [np.diag((1, 1, 2, 1)), np.diag((1, 1, -1, 1)), np.eye(3), np.full((4, 4), np.nan)])
def test_a_motion_that_is_not_rigid_is_refused(matrix):
    with pytest.raises(GeometryError, match="rigid"):
        moved(SOURCE, matrix)
