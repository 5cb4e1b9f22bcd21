"""Planes through a head: left stays left, edges say where they look, values are where they belong."""

import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.reports.planes import along, heading, orthogonal


def marked(affine, point):
    """A volume with a bright ball about a world point."""
    grid = Grid((60, 64, 56), np.array(affine, float))
    places = grid.world(np.moveaxis(np.indices(grid.shape), 0, -1))
    return (np.linalg.norm(places - point, axis=-1) < 2.2).astype(np.float32), grid


@pytest.mark.parametrize("affine", [
    [[1, 0, 0, -30], [0, 1, 0, -32], [0, 0, 1, -28], [0, 0, 0, 1]],
    [[-1, 0, 0, 30], [0, 0, 1, -28], [0, -1, 0, 32], [0, 0, 0, 1]],
])  # fmt: skip
def test_the_patient_s_right_is_on_the_left_whatever_the_grid(affine):
    views = orthogonal((0, 0, 0))

    def middle(name, point):
        picture = views[name].sample(*marked(affine, point), step=0.5)
        return np.argwhere(picture > 0.5).mean(0) - 40

    right, front, up = np.diag([12, 12, 12])
    assert middle("axial", right) == pytest.approx((0, -24), abs=1.5)
    assert middle("axial", front) == pytest.approx((-24, 0), abs=1.5)
    assert middle("coronal", right) == pytest.approx((0, -24), abs=1.5)
    assert middle("coronal", up) == pytest.approx((-24, 0), abs=1.5)
    assert middle("sagittal", front) == pytest.approx((0, -24), abs=1.5)
    assert views["axial"].letters() == ("R", "L", "A", "P")
    assert views["coronal"].letters() == ("R", "L", "S", "I")
    assert views["sagittal"].letters() == ("A", "P", "S", "I")


def test_planes_along_a_lead_hold_it_and_keep_left_and_right():
    d = np.array([0.3, 0.5, 0.81])
    d /= np.linalg.norm(d)
    views = along((10, 2, -4), d)
    for name in ("along the lead, coronal", "along the lead, sagittal"):
        flat, away = views[name].inside(np.array([10, 2, -4]) + np.outer([0, 5, 10], d))
        assert away == pytest.approx(0)
        assert flat[:, 0] == pytest.approx(0)
        assert (np.diff(flat[:, 1]) < 0).all(), "the entry is above"
    across = views["across the lead"]
    assert abs(across.normal @ d) == pytest.approx(1)
    left, right, top, bottom = across.letters()
    assert (left[0], right[0], top[0], bottom[0]) == ("R", "L", "A", "P")
    for plane in views.values():
        assert plane.across @ plane.down == pytest.approx(0, abs=1e-12)


def test_edges_name_the_direction_they_look():
    assert heading(np.array([0.0, 0, -1])) == "I"
    assert heading(np.array([0.6, 0.0, 0.8])) == "SR"
    assert heading(np.array([-0.99, 0.1, 0.1])) == "L"


def test_values_outside_the_volume_are_missing():
    picture = orthogonal((0, 0, 0))["axial"].sample(*marked(np.eye(4), (3, 3, 3)))
    assert np.isnan(picture[-1, -1])
    assert np.isfinite(picture).any()
