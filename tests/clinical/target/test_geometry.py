"""AC–PC, frame and error geometry: exact cases and round trips."""

import numpy as np
import pytest

from qsmkit.clinical.target.acpc import Commissures, indirect_target
from qsmkit.clinical.target.errors import placement, summary
from qsmkit.clinical.target.frame import Angles, angles, direction, from_crw, from_leksell, to_crw, to_leksell
from qsmkit.errors import DataWarning, InputError
from qsmkit.transform import Transform

POINTS = np.random.default_rng(2).uniform(-80, 80, (200, 3))
MOUNTINGS = ("lateral-right", "lateral-left", "sagittal-anterior", "sagittal-posterior")


def commissures(pose=None, length=25.0):
    pose = pose or Transform.identity()
    ac, pc, up = pose.apply([(0, length / 2, 0), (0, -length / 2, 0), (0, -5, 60)])
    return Commissures(ac, pc, up)


def test_the_upright_head_is_its_own_frame():
    frame = commissures().transform()
    assert frame.matrix == pytest.approx(np.eye(4))
    assert commissures().transform("AC").apply((0, 12.5, 0)) == pytest.approx([0, 0, 0])
    assert commissures().transform("PC").apply((0, 12.5, 0)) == pytest.approx([0, 25, 0])


def test_a_turned_head_has_the_same_coordinates_and_the_way_back_is_exact():
    pose = Transform.rigid((14, -9, 21), (5, -12, 30))
    frame = commissures(pose).transform()
    assert frame.apply(pose.apply(POINTS)) == pytest.approx(POINTS)
    assert np.abs(frame.inverse().apply(frame.apply(POINTS)) - POINTS).max() < 1e-9
    assert frame.matrix[:3, :3] @ frame.matrix[:3, :3].T == pytest.approx(np.eye(3))


def test_anterior_is_positive_and_right_is_right():
    frame = commissures(Transform.rigid((5, 3, -4), (1, 2, 3))).transform()
    c = commissures(Transform.rigid((5, 3, -4), (1, 2, 3)))
    assert frame.apply(c.ac)[1] == pytest.approx(12.5)
    assert frame.apply(c.mcp + np.array([10, 0, 0]))[0] > 9
    assert indirect_target("STN", "right")[0] == 12 == -indirect_target("STN", "left")[0]


def test_marks_that_make_no_frame_are_refused_or_warned_of():
    with pytest.raises(InputError, match="two different points"):
        Commissures((0, 1, 0), (0, 1, 0), (0, 0, 50))
    with pytest.raises(InputError, match="on the line"):
        Commissures((0, 12, 0), (0, -12, 0), (0, 50, 0))
    with pytest.raises(InputError, match="in front of PC"):
        Commissures((0, -12, 0), (0, 12, 0), (0, 0, 50)).transform()
    with pytest.raises(InputError, match="above the commissures"):
        Commissures((0, 12, 0), (0, -12, 0), (0, 0, -50)).transform()
    with pytest.warns(DataWarning, match="apart"):
        Commissures((0, 5, 0), (0, -5, 0), (0, 0, 50))
    with pytest.warns(DataWarning, match="farther above"):
        Commissures((0, 12, 0), (0, -12, 0), (0, 40, 2))
    with pytest.raises(InputError):
        indirect_target("Vop", "left")


def test_leksell_axes_and_round_trip():
    assert from_leksell((100, 100, 100)) == pytest.approx([0, 0, 0])
    assert from_leksell((90, 110, 90)) == pytest.approx([10, 10, 10])  # right, front, up
    assert np.abs(to_leksell(from_leksell(POINTS)) - POINTS).max() < 1e-9


def test_crw_is_zero_at_the_centre_and_grows_to_front_right_and_top():
    assert to_crw((3, 5, 7)) == pytest.approx([5, 3, 7])  # AP, LAT, VERT
    assert np.abs(to_crw(from_crw(POINTS)) - POINTS).max() < 1e-9


@pytest.mark.parametrize(
    ("mounting", "at"),
    [
        ("lateral-right", lambda r, a: (np.cos(a), np.sin(a) * np.cos(r), np.sin(a) * np.sin(r))),
        ("lateral-left", lambda r, a: (-np.cos(a), -np.sin(a) * np.cos(r), np.sin(a) * np.sin(r))),
        ("sagittal-anterior", lambda r, a: (-np.sin(a) * np.cos(r), np.cos(a), np.sin(a) * np.sin(r))),
        ("sagittal-posterior", lambda r, a: (np.sin(a) * np.cos(r), -np.cos(a), np.sin(a) * np.sin(r))),
    ],
)
def test_ring_and_arc_of_every_mounting(mounting, at):
    for ring, arc in ((60, 80), (90, 90), (120, 105), (75, 70), (45, 100), (10, 120)):
        expected = np.array(at(*np.deg2rad([ring, arc])))
        assert direction(Angles(ring, arc), mounting) == pytest.approx(expected, abs=1e-12)
        target = np.array([12.0, -3, -5])
        back = angles(target, target + 70 * expected, mounting)
        assert (back.ring, back.arc) == pytest.approx((ring, arc), abs=1e-9)


def test_lateral_left_is_lateral_right_with_both_angles_turned_over():
    for ring, arc in ((60, 80), (100, 110)):
        there = direction(Angles(ring, arc), "lateral-left")
        assert there == pytest.approx(direction(Angles(180 - ring, 180 - arc), "lateral-right"))


@pytest.mark.parametrize("mounting", MOUNTINGS)
def test_angles_of_any_direction_lead_back_to_it(mounting):
    for point in POINTS[:60]:
        u = point / np.linalg.norm(point)
        assert np.abs(direction(angles((0, 0, 0), point, mounting), mounting) - u).max() < 1e-9


def test_wrong_angles_and_mountings_are_refused():
    with pytest.raises(InputError, match="mounting"):
        direction(Angles(90, 90), "upside-down")
    with pytest.raises(InputError, match="arc of 0"):
        direction(Angles(90, 190), "lateral-right")
    with pytest.raises(InputError, match="two different points"):
        angles((0, 0, 0), (0, 0, 0), "lateral-right")


def test_errors_by_hand():
    found = placement((0, 0, 0), (0, 0, 70), (3, 4, -2), reached_entry=(3, 4, 68))
    assert (found.euclidean, found.depth, found.radial) == pytest.approx((29**0.5, 2, 5))
    assert (found.axial_radial, found.line, found.angle) == pytest.approx((5, 5, 0), abs=1e-9)
    assert (found.right, found.anterior, found.superior) == (3, 4, -2)


def test_a_lead_without_a_direction_has_the_errors_of_its_point():
    found = placement((0, 0, 0), (0, 0, 70), (3, 4, -2), reached_entry=(np.nan,) * 3)
    assert (found.euclidean, found.radial) == pytest.approx((29**0.5, 5))
    assert np.isnan(found.angle)
    with pytest.raises(InputError, match="three coordinates"):
        placement((0, 0, 0), (0, 0, 70), (3, 4, -2), reached_entry=(3, np.nan, 68))


def test_radial_and_axial_radial_differ_on_an_oblique_path():
    entry = np.array([40.0, 30, 60])
    lead = placement((0, 0, 0), entry, (1.0, 0, 0), reached_entry=entry + np.array([1.0, 0, 0]))
    u = -entry / np.linalg.norm(entry)
    assert lead.radial == pytest.approx(np.sqrt(1 - u[0] ** 2))
    assert lead.axial_radial == pytest.approx(1)
    assert lead.angle == pytest.approx(0, abs=1e-6)
    assert lead.euclidean**2 == pytest.approx(lead.radial**2 + lead.depth**2)


def test_a_planned_move_to_another_track_is_no_error():
    found = placement((0, 0, 0), (0, 0, 70), (2, 0, 0), offset=(2, 0, 0))
    assert found.euclidean == pytest.approx(0)
    assert np.isnan(found.angle)


def test_cohort_means_have_interval_sd_and_sem():
    rng = np.random.default_rng(3)
    leads = [placement((0, 0, 0), (0, 0, 70), rng.normal(0, 0.5, 3)) for _ in range(50)]
    found = summary(leads, "radial")
    assert found["sem"] == pytest.approx(found["sd"] / 50**0.5)
    assert found["mean"].low < 0.5 * np.sqrt(np.pi / 2) < found["mean"].high
    with pytest.raises(InputError, match="at least 2"):
        summary(leads, "angle")


@pytest.mark.parametrize(
    "points",
    [((0, 0, 0), (0, 0, 0), (1, 1, 1)), ((0, 0, np.nan), (0, 0, 1), (1, 1, 1)), ((0, 0), (0, 0, 1), (1, 1, 1))],
)
def test_impossible_plans_are_refused(points):
    with pytest.raises(InputError):
        placement(*points)
