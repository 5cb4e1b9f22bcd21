import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.simulate.coils import array_profile, sensitivities, shared_phase, sum_of_squares

GRID = Grid.tilted((45, 50, 45), (4.0, 4.0, 4.0), tilt=10)
CENTRE = (0.0, 0.0, 0.0)
HEAD = np.linalg.norm(GRID.world(np.stack(np.indices(GRID.shape), -1)) / (75, 90, 85), axis=-1) < 1


@pytest.fixture(scope="module")
def array():
    return sensitivities(8, GRID, CENTRE, np.random.default_rng(3))


def test_an_array_sees_the_centre_with_unit_strength_and_the_surface_better(array):
    profile = sum_of_squares(array)
    assert profile.dtype == np.float32
    assert profile[22, 24:26, 22].mean() == pytest.approx(1, abs=0.02)
    assert profile[22, 45, 22] > 1.5
    np.testing.assert_allclose(profile[HEAD], array_profile(8, GRID, CENTRE)[HEAD], rtol=0.03)


def test_each_coil_sees_its_own_side_with_its_own_phase(array):
    strength = np.abs(array).reshape(-1, 8)
    places = GRID.world(np.argwhere(np.ones(GRID.shape, bool)))
    views = [strength[:, c] @ places / strength[:, c].sum() for c in range(8)]
    distances = [np.linalg.norm(a - b) for i, a in enumerate(views) for b in views[:i]]
    assert min(distances) > 5
    phases = np.angle(array[22, 25, 22])
    assert np.ptp(phases) > 1


def test_sensitivities_are_smooth_in_the_head(array):
    within = array * HEAD[..., None]
    for axis in range(3):
        both = np.take(HEAD, range(1, GRID.shape[axis]), axis) & np.take(HEAD, range(GRID.shape[axis] - 1), axis)
        step = np.abs(np.diff(within, axis=axis))[both].max(axis=0)
        assert (step < 0.15 * np.abs(within).max(axis=(0, 1, 2))).all()


def test_another_grid_sees_the_same_coils(array):
    part = GRID.cropped((10, 12, 8), (6, 7, 9))
    again = sensitivities(8, part, CENTRE, np.random.default_rng(3))
    np.testing.assert_allclose(again, array[10:16, 12:19, 8:17], atol=0.02)


def test_the_shared_phase_is_a_polynomial_of_second_order():
    phase = shared_phase(GRID, CENTRE, np.random.default_rng(0))
    assert 1 < np.ptp(phase) < 30
    third = np.diff(phase.astype(np.float64), 3, axis=1)
    assert np.abs(third).max() < 0.02  # trilinear steps between lattice points
