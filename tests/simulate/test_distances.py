import numpy as np
from scipy.ndimage import distance_transform_edt

from qsmkit.simulate.distances import closed, distance_from, steepness


def test_distance_is_euclid_s_as_far_as_it_reaches():
    inside = np.random.default_rng(0).random((23, 31, 27)) > 0.995
    expected = np.minimum(distance_transform_edt(~inside), 6)
    found = distance_from(inside, 6)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert expected.max() == 6


def test_steepness_is_one_per_mm_away_from_a_plane_and_less_between_two():
    inside = np.zeros((41, 12, 12), bool)
    inside[[0, 40]] = True
    away = np.float32(0.5) * distance_from(inside, 30)
    slope = steepness(away, 0.5)
    np.testing.assert_allclose(slope[2:18, 1:-1, 1:-1], 1, rtol=1e-5)
    assert slope[20, 5, 5] < 1e-6


def test_closing_fills_a_narrow_cleft_and_keeps_a_wide_one():
    inside = np.zeros((60, 50, 20), bool)
    inside[10:50, 10:40] = True
    inside[14:16, 10:30] = False
    inside[24:44, 10:30] = False
    distance = closed(inside, 5.0, (1.0, 1.0, 1.0))
    assert distance[15, 25, 10] < 0
    assert distance[34, 22, 10] > 0
    assert distance[30, 35, 10] < 0
    np.testing.assert_allclose(distance[2, 25, 10], 8, atol=1.01)
