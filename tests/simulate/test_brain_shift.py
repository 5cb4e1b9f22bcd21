import numpy as np
import pytest

from qsmkit.errors import ParameterError
from qsmkit.simulate.brain_shift import BrainShift

UP, RIGHT = np.array([0, 0.8, 0.6]), np.array([1.0, 0, 0])


def shift(amount=(3.0, 1.0), decay=40.0):
    return BrainShift(UP, RIGHT, 0.0, 80.0, amount, decay)


def test_before_inverts_after(rng):
    p = rng.uniform(-90, 90, (500, 3))
    np.testing.assert_allclose(shift().before(shift().after(p)), p, atol=1e-9)
    np.testing.assert_allclose(shift((10.0, 10.0)).before(shift((10.0, 10.0)).after(p)), p, atol=1e-9)


def test_the_surface_sinks_by_the_amount_of_its_side_and_deep_tissue_hardly():
    right, left, deep = (x * RIGHT + h * UP for x, h in ((30, 80), (-30, 80), (12, -20)))
    np.testing.assert_allclose(shift().displacement(right), -3 * UP, atol=2e-3)
    np.testing.assert_allclose(shift().displacement(left), -1 * UP, atol=2e-3)
    assert np.linalg.norm(shift().displacement(deep)) < 0.15


def test_the_field_never_folds(rng):
    p, h = rng.uniform(-90, 90, (400, 3)), 1e-4
    field = shift((10.0, 0.0))
    jacobian = np.stack([(field.after(p + h * e) - field.after(p - h * e)) / (2 * h) for e in np.eye(3)], -1)
    assert np.linalg.det(jacobian).min() > 0.5


@pytest.mark.parametrize(("amount", "decay", "message"), [
    ((-1.0, 0.0), 40.0, "-1.0 mm on the right"), ((0.0, 11.0), 40.0, "11.0 mm on the left"),
    ((np.nan, 0.0), 40.0, "nan mm"), ((8.0, 8.0), 10.0, "too short"),
])
def test_a_field_that_would_fold_is_refused(amount, decay, message):
    with pytest.raises(ParameterError, match=message):
        shift(amount, decay)
