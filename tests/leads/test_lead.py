import dataclasses

import numpy as np
import pytest

from qsmkit.errors import ParameterError
from qsmkit.leads.curve import Curve, bow, resampled
from qsmkit.leads.electrodes import electrode
from qsmkit.leads.lead import LeadPlan, check_apart, lead
from qsmkit.simulate.metal import CONTACT, MARKER, lead_cloud
from qsmkit.simulate.transfer import rigid_motion

DIRECTED = LeadPlan("STN_R", "Boston Scientific Vercise Directed DB-2202", "right", (11, -4, -8), (35, 34, 66), 40.0)


def test_arc_length_of_a_bow():
    curve = bow(np.zeros(3), np.array([0, 0, 80.0]), np.array([4.0, 0, 0]))
    a = 4 * 4.0 / 80  # slope of the parabola at its ends
    exact = 40 * (np.sqrt(1 + a**2) + np.arcsinh(a) / a)
    assert curve.length == pytest.approx(exact, abs=1e-4)
    np.testing.assert_allclose(curve.at(curve.length / 2), (4, 0, 40), atol=1e-3)
    along = curve.at(np.linspace(0, curve.length, 200))
    assert np.ptp(np.linalg.norm(np.diff(along, axis=0), axis=1)) < 1e-4


def test_tangent_is_the_derivative_and_the_curve_goes_on_straight():
    curve = bow(np.zeros(3), np.array([0, 0, 80.0]), np.array([4.0, 0, 0]))
    s = np.linspace(1, 70, 9)
    slope = (curve.at(s + 0.3) - curve.at(s - 0.3)) / 0.6
    np.testing.assert_allclose(curve.tangent(s), slope, atol=1e-3)
    np.testing.assert_allclose(curve.at(-2.0), -2 * curve.tangent(0.0))


def test_resampling_keeps_the_ends():
    points = resampled(np.array([[0, 0, 0], [3, 0, 0], [3, 4, 0.0]]), 0.5)
    np.testing.assert_array_equal(points[[0, -1]], [[0, 0, 0], [3, 4, 0]])
    assert len(points) == 15


def test_a_straight_lead_has_its_contacts_where_the_table_says():
    placed = lead(DIRECTED)
    axis = np.subtract(DIRECTED.entry, DIRECTED.target)
    axis /= np.linalg.norm(axis)
    middles = np.array([level.middle for level in placed.electrode.levels])
    np.testing.assert_allclose(placed.level_centres, DIRECTED.target + middles[:, None] * axis, atol=1e-9)
    np.testing.assert_allclose(placed.marker, DIRECTED.target + 11 * axis, atol=1e-9)
    np.testing.assert_allclose(placed.entry, DIRECTED.entry, atol=1e-9)
    assert [c.name for c in placed.contacts] == ["1", "2A", "2B", "2C", "3A", "3B", "3C", "4"]


def test_segments_lie_on_the_surface_and_a_looks_along_the_marker():
    placed = lead(DIRECTED)
    for contact in placed.contacts:
        away = contact.centre - placed.level_centres[contact.level]
        assert away @ contact.axis == pytest.approx(0, abs=1e-9)
        ring = len(placed.electrode.levels[contact.level].segments) == 1
        assert np.linalg.norm(away) == pytest.approx(0 if ring else 0.65)
        if contact.name.endswith("A"):
            np.testing.assert_allclose(contact.normal, placed.marker_direction, atol=1e-9)


@pytest.mark.parametrize(("angle", "expected"), [(0, (0, 1, 0)), (90, (-1, 0, 0)), (-90, (1, 0, 0))])
def test_rotation_turns_from_the_front_to_the_left_seen_from_above(angle, expected):
    upright = dataclasses.replace(DIRECTED, target=(11, 0, 0), entry=(11, 0, 80), rotation=angle)
    np.testing.assert_allclose(lead(upright).marker_direction, expected, atol=1e-9)


def test_a_bowed_lead_keeps_its_ends_and_its_distances():
    placed = lead(dataclasses.replace(DIRECTED, sag=3.0, sag_direction=90.0))
    np.testing.assert_allclose(placed.tip, DIRECTED.target)
    np.testing.assert_allclose(placed.entry, DIRECTED.entry, atol=1e-6)
    chord = np.add(DIRECTED.target, DIRECTED.entry) / 2
    bowed = placed.curve.at(placed.depth / 2) - chord
    assert np.linalg.norm(bowed) == pytest.approx(3, abs=0.01)
    assert bowed[0] < 0  # 90° is to the left
    pitch = np.linalg.norm(np.diff(placed.level_centres, axis=0), axis=1)
    np.testing.assert_allclose(pitch, np.diff([level.middle for level in placed.electrode.levels]), rtol=1e-3)


def test_a_moved_lead_moves_all_its_parts_rigidly():
    motion = rigid_motion((10, -20, 30), (1, 2, 3))
    placed = lead(dataclasses.replace(DIRECTED, sag=2.0))
    moved = placed.moved(motion)
    for one, other in zip(placed.contacts, moved.contacts, strict=True):
        np.testing.assert_allclose(other.centre, motion[:3, :3] @ one.centre + motion[:3, 3], atol=1e-9)
        np.testing.assert_allclose(other.normal, motion[:3, :3] @ one.normal, atol=1e-9)


def test_the_cloud_has_the_volume_and_the_metal_of_the_lead():
    placed = lead(DIRECTED)
    cloud = lead_cloud(placed)
    r = placed.electrode.radius
    cylinder = np.pi * r**2 * placed.depth - np.pi * r**3 / 3  # with a hemisphere for an end
    assert cloud.volume.sum() == pytest.approx(cylinder, rel=2e-3)
    s = (cloud.points - placed.tip) @ placed.curve.tangent(5.0)
    for level in placed.electrode.levels[1:]:
        metal = np.isclose(cloud.hu, CONTACT)
        assert (metal & (s > level.bottom) & (s < level.top)).any()
        gap = (s > level.top + 0.1) & (s < level.top + 0.4)
        assert not (metal & gap).any()
    centroid = cloud.points[np.isclose(cloud.hu, MARKER)].mean(0) - placed.marker
    assert centroid @ placed.marker_direction > 0.3


def plan(**changes):
    return dataclasses.replace(DIRECTED, **changes)


@pytest.mark.parametrize(("changes", "message"), [
    ({"model": "Medtronic 3388"}, "Medtronic 3389"),
    ({"entry": (11, -4, -8)}, "entry and target are 0.0 mm apart"),
    ({"target": (11, np.nan, 2)}, "target .* three finite"),
    ({"target": (11, 2)}, "three finite"),
    ({"side": "R"}, "side 'R'"),
    ({"sag": 40.0}, "sag = 40"),
    ({"rotation": np.inf}, "finite"),
])
def test_a_hostile_plan_is_refused_in_one_line(changes, message):
    with pytest.raises(ParameterError, match=message) as caught:
        plan(**changes)
    assert "\n" not in str(caught.value)


def test_crossing_leads_and_equal_names_are_refused():
    other = plan(name="other", target=(*DIRECTED.entry[:2], -8), entry=(11, -4, 66))
    with pytest.raises(ParameterError, match="'STN_R' and 'other' cross: they come within"):
        check_apart([lead(DIRECTED), lead(other)])
    with pytest.raises(ParameterError, match="two leads are named 'STN_R'"):
        check_apart([lead(DIRECTED), lead(plan(target=(-11, 0, 0), entry=(-30, 0, 60)))])
    check_apart([lead(DIRECTED), lead(plan(name="L", target=(-11, 0, 0), entry=(-30, 0, 60)))])


def test_curve_of_two_points_has_a_length():
    assert Curve(np.array([[0.0, 0, 0], [0, 3, 4]])).length == 5


def test_height_of_a_lead_is_its_topmost_metal():
    assert electrode("Boston Scientific Cartesia HX").height == 21.5
    assert electrode("Medtronic 3389").height == 9
