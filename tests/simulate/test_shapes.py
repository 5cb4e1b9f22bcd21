import numpy as np
import pytest

from qsmkit.simulate.shapes import Bent, Ellipsoid, Joined, Tube, Without, rounded, union


def points(rng, n=400, reach=12.0):
    return rng.uniform(-reach, reach, (3, n)).astype(np.float32)


def test_sphere_has_the_exact_distance(rng):
    p = points(rng)
    expected = np.linalg.norm(p - np.array([[1], [2], [3]]), axis=0) - 4
    np.testing.assert_allclose(Ellipsoid((1, 2, 3), (4, 4, 4)).distance(p), expected, atol=1e-4)


def test_distance_is_first_order_exact_at_the_surface(rng):
    radii = np.array([3.0, 5.0, 8.0])
    direction = rng.normal(size=(3, 200))
    surface = (direction / np.linalg.norm(direction, axis=0)) * radii[:, None]
    normal = surface / radii[:, None] ** 2
    outside = surface + 0.05 * normal / np.linalg.norm(normal, axis=0)
    shape = Ellipsoid((0, 0, 0), tuple(radii))
    np.testing.assert_allclose(shape.distance(surface.astype(np.float32)), 0, atol=1e-5)
    np.testing.assert_allclose(shape.distance(outside.astype(np.float32)), 0.05, atol=1e-3)


def test_turned_ellipsoid_lies_along_its_new_axis():
    tips = np.array([[0, 5, 0], [5, 0, 0]], np.float32).T
    turned = Ellipsoid((0, 0, 0), (5, 1, 1), (0, 0, 90)).distance(tips)
    assert turned[0] == pytest.approx(0, abs=1e-5)
    assert turned[1] > 3


@pytest.mark.parametrize("shape", [
    Ellipsoid((4, 1, 2), (2, 5, 3), (20, 35, -50)),
    Tube(((2, 0, 0, 1), (5, 4, 1, 2), (6, 8, -3, 1)), stretch=(0.7, 1, 1.2)),
])
def test_mirrored_shape_is_the_reflection(shape, rng):
    p = points(rng)
    reflected = p * np.array([[-1], [1], [1]], np.float32)
    np.testing.assert_allclose(shape.mirrored().distance(reflected), shape.distance(p), atol=1e-4)


@pytest.mark.parametrize("shape", [
    Ellipsoid((4, 1, 2), (2, 5, 3), (20, 35, -50)),
    Tube(((2, 0, 0, 1), (5, 4, 1, 2), (6, 8, -3, 1)), stretch=(3, 1, 1.2)),
])
def test_bounds_hold_the_solid(shape, rng):
    p = points(rng, 20000, 14.0)
    low, high = shape.bounds()
    inside = p[:, shape.distance(p) < 0].T
    assert len(inside) > 50
    assert (inside >= low - 1e-3).all()
    assert (inside <= high + 1e-3).all()


def test_tube_tapers():
    tube = Tube(((0, 0, 0, 2), (10, 0, 0, 1)))
    p = np.array([[0, 2, 0], [5, 1.5, 0], [10, 0, 1], [-3, 0, 0]], np.float32).T
    np.testing.assert_allclose(tube.distance(p), [0, 0, 0, 1], atol=1e-5)


def test_pieces_cover_the_polygon():
    tube = Tube(tuple((float(i), 0.0, 0.0, 1.0) for i in range(6)))
    p = np.array([[x, 0.5, 0] for x in np.linspace(0, 5, 21)], np.float32).T
    assert (np.minimum.reduce([piece.distance(p) for piece in tube.pieces()]) < 0).all()


def test_rounding_keeps_ends_and_smooths_corners():
    corner = np.array([[0.0, 0, 0, 1], [4, 0, 0, 1], [4, 4, 0, 1]])
    curve = rounded(corner, 3)
    np.testing.assert_array_equal(curve[[0, -1]], corner[[0, -1]])
    steps = np.diff(curve[:, :3], axis=0)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    assert (steps[1:] * steps[:-1]).sum(1).min() > 0.85


def test_union_fills_the_seam():
    a, b = np.float32([1, 1, 9]), np.float32([1, 2, 1])
    np.testing.assert_array_equal(union(a, b), [1, 1, 1])
    np.testing.assert_allclose(union(a, b, 4.0), [0, 1 - 9 / 16, 1])


def test_a_bent_solid_keeps_its_volume_and_its_first_order_distance():
    straight = Ellipsoid((3, -2, 1), (9, 6, 2.5), (30, 20, -50))
    bent = Bent(straight, (0.03, -0.02, 0.04))
    low, high = bent.bounds()
    axes = [np.arange(a, b, 0.3) for a, b in zip(low, high, strict=True)]
    position = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    distance = bent.distance(position)
    assert np.sum(distance < 0) * 0.3**3 == pytest.approx(4 / 3 * np.pi * 9 * 6 * 2.5, rel=0.02)
    slope = np.sqrt(sum(np.gradient(distance, 0.3, axis=d) ** 2 for d in range(3)))
    np.testing.assert_allclose(np.median(slope[np.abs(distance) < 0.2]), 1, atol=0.03)
    for face in (0, -1):
        assert all((np.take(distance, face, axis) > 0).all() for axis in range(3))


def test_what_is_taken_away_leaves_a_gap():
    ball, hole = Ellipsoid((0, 0, 0), (5, 5, 5)), Ellipsoid((4, 0, 0), (2, 2, 2))
    line = np.zeros((3, 101), np.float32)
    line[0] = np.linspace(-6, 6, 101)
    left = line[0][Without(ball, (hole,), 1.0).distance(line) < 0]
    assert left.min() == pytest.approx(-5, abs=0.13)
    assert left.max() == pytest.approx(1, abs=0.13)
    both = line[0][Joined((ball, hole)).distance(line) < 0]
    assert both.max() == pytest.approx(6, abs=0.13)
