import dataclasses

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from ellipsoid_head import ellipsoid_head
from qsmkit.errors import ParameterError
from qsmkit.leads.lead import lead
from qsmkit.simulate.bearings import Bearings, Shell
from qsmkit.simulate.body import draw_body
from qsmkit.simulate.surgery import BONE, brain_middle, operate
from qsmkit.simulate.targeting import plan_lead
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.transfer import rigid_motion

POSE = rigid_motion((8, -5, 12), (4, -7, 20))


@pytest.fixture(scope="module")
def body():
    return ellipsoid_head(pose=POSE)


@pytest.fixture(scope="module")
def patient():
    return draw_body(step=2.0, rng=3)


@pytest.fixture(scope="module")
def plans(body):
    return [plan_lead(body, nucleus, "Medtronic 3389", rng=2) for nucleus in ("STN_R", "STN_L")]


@pytest.fixture(scope="module")
def operated(body, plans):
    return operate(body, plans, (3.0, 2.0))


def test_bearings_turn_with_the_head(body):
    straight, turned = Bearings.of(ellipsoid_head(4.0).landmarks), Bearings.of(body.landmarks)
    np.testing.assert_allclose(straight.superior, (0, 0, 1), atol=1e-12)
    for name in ("right", "anterior", "superior"):
        np.testing.assert_allclose(getattr(turned, name), POSE[:3, :3] @ getattr(straight, name), atol=1e-9)


def test_shell_of_an_ellipsoid(body):
    shell = Shell(np.isin(body.labels, BONE), body.grid, POSE[:3, 3])
    np.testing.assert_allclose(shell.radius(POSE[:3, :3].T), np.array([66, 82, 62]) + 9, atol=1.2)
    outside = Shell(shell.solid, shell.grid, POSE[:3, 3] + np.array([300.0, 0, 0]))
    assert np.isnan(outside.radius(np.array([1.0, 0, 0])))


@pytest.mark.parametrize("nucleus", ["STN_R", "STN_L", "GPi_R", "GPi_L"])
def test_a_planned_lead_enters_before_the_middle_of_its_own_side_and_ends_below_its_nucleus(body, nucleus):
    inverse = np.linalg.inv(POSE)
    for seed in range(5):
        plan = plan_lead(body, nucleus, "Abbott Infinity 6172", rng=seed)
        entry, target = (inverse[:3, :3] @ p + inverse[:3, 3] for p in (np.array(plan.entry), np.array(plan.target)))
        sign = 1 if nucleus.endswith("R") else -1
        assert plan.side == ("right" if sign > 0 else "left")
        assert 10 < sign * entry[0] < 60
        assert 15 < entry[1] < 60
        assert entry[2] > 40
        assert np.linalg.norm(target - inverse[:3, :3] @ body.landmarks[nucleus] - inverse[:3, 3]) < 5
        angle = np.rad2deg(np.arctan2(entry[2] - target[2], entry[1] - target[1]))
        assert 45 < angle < 80


@pytest.mark.parametrize("nucleus", ["STN_R", "GPi_L"])
def test_trajectories_in_a_folded_brain_enter_before_the_coronal_suture_and_spare_the_ventricles(patient, nucleus):
    axes = Bearings.of(patient.landmarks)
    entries = []
    for seed in range(6):
        plan = plan_lead(patient, nucleus, "Medtronic 3387", rng=seed)
        entry = np.array(plan.entry) - axes.origin
        entries.append((abs(entry @ axes.right), entry @ axes.anterior, entry @ axes.superior))
        path = lead(plan).curve.at(np.arange(12.0, 60.0, 0.5))
        met = patient.labels[tuple(np.rint(patient.grid.voxel(path)).astype(int).T)]
        assert np.isin(met, (Label.CSF, Label.VEIN)).mean() < 0.1
    assert (np.min(entries, axis=0) > (10, 22, 50)).all()
    assert (np.max(entries, axis=0) < (60, 60, 95)).all()
    assert np.ptp(entries, axis=0).max() > 3


def test_leads_have_wires_that_stay_on_the_skull_of_their_side(body, operated):
    bone = np.isin(body.labels, BONE)
    away = distance_transform_edt(~bone, body.grid.voxel_size)
    for one, sign in zip(operated.leads, (1, -1), strict=True):
        wire = one.curve.points[one.curve.arc > one.depth + 16]
        assert len(wire) > 200
        index = np.rint(body.grid.voxel(wire)).astype(int)
        assert away[tuple(index.T)].max() < 5
        assert not bone[tuple(index.T)].any()
        assert (sign * (wire - POSE[:3, 3]) @ POSE[:3, 0] > 0).all()
        steps = np.diff(one.curve.points, axis=0)
        steps /= np.linalg.norm(steps, axis=1, keepdims=True)
        assert (steps[1:] * steps[:-1]).sum(1).min() > 0.85


def test_burr_holes_are_open_along_the_lead_and_nowhere_else(body, operated):
    bone, left = np.isin(body.labels, BONE), np.isin(operated.labels, BONE)
    gone = body.grid.world(np.argwhere(bone & ~left))
    for one in operated.leads:
        path = one.curve.at(np.arange(one.depth - 15, one.depth, 0.5))
        index = np.rint(body.grid.voxel(path)).astype(int)
        assert bone[tuple(index.T)].sum() > 5
        assert not left[tuple(index.T)].any()
    distance = np.min([np.linalg.norm(gone - one.entry, axis=1) for one in operated.leads], axis=0)
    assert distance.max() < 20
    assert not (left & ~bone).any()


def test_air_lies_on_top_between_brain_and_skull(body, operated):
    up = Bearings.of(body.landmarks)
    where = body.grid.world(np.argwhere(operated.air))
    volume = operated.air.sum() * body.grid.voxel_volume / 1000
    assert 1 < volume < 60
    assert ((where - up.origin) @ up.anterior > 20).all()
    assert (operated.labels[operated.air] == Label.AIR).all()
    new = (operated.labels == Label.AIR) & (body.labels != Label.AIR)
    np.testing.assert_array_equal(new, operated.air)


def test_tissue_is_where_the_field_says(body, operated):
    shift = operated.shift
    inside = np.argwhere(body.brain)[::501]
    before = body.labels[tuple(inside.T)]
    index = np.rint(body.grid.voxel(shift.after(body.grid.world(inside)))).astype(int)
    assert (operated.labels[tuple(index.T)] == before).mean() > 0.93
    still = ~np.isin(body.labels, (Label.GREY_MATTER, Label.WHITE_MATTER, Label.CSF, *BONE))
    np.testing.assert_array_equal(operated.labels[still], body.labels[still])


def test_without_plans_and_shift_nothing_changes(body):
    untouched = operate(body, ())
    np.testing.assert_array_equal(untouched.labels, body.labels)
    assert untouched.shift is None
    assert not untouched.air.any()


def test_leads_stay_where_they_were_put_when_the_brain_sinks(body, plans, operated):
    for one, without in zip(operated.leads, operate(body, plans).leads, strict=True):
        np.testing.assert_array_equal(one.curve.points, without.curve.points)


@pytest.mark.parametrize(("field", "value", "message"), [
    ("target", (0.0, 0.0, 200.0), "target .* lies"),
    ("target", (500.0, 0.0, 0.0), "target .* lies"),
    ("entry", (40.0, 40.0, 300.0), "entry .* lies"),
])
def test_a_lead_outside_the_head_is_refused(body, plans, field, value, message):
    with pytest.raises(ParameterError, match=message) as caught:
        operate(body, [dataclasses.replace(plans[0], **{field: value})])
    assert "STN_R" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_entry_on_the_other_side_or_a_way_outside_the_brain_is_refused(body, plans):
    with pytest.raises(ParameterError, match="planned on the left, but its entry lies"):
        operate(body, [dataclasses.replace(plans[0], side="left")])
    height = np.moveaxis(np.indices(body.grid.shape), 0, -1) @ POSE[:3, :3].T[2] * 1.5
    hollow = body.brain & (np.abs(height - height[body.brain].mean() - 30) > 10)
    with pytest.raises(ParameterError, match="mm outside the brain between entry"):
        operate(dataclasses.replace(body, brain=hollow), plans)


def test_a_target_in_the_bone_is_outside_the_brain(body, plans):
    up = Bearings.of(body.landmarks)
    with pytest.raises(ParameterError, match="outside the brain"):
        operate(body, [dataclasses.replace(plans[0], target=tuple(brain_middle(body) - 68 * up.superior))])


def test_hostile_targets_and_shifts_are_named(body):
    with pytest.raises(ParameterError, match="choose from STN_R, STN_L, GPi_R, GPi_L"):
        plan_lead(body, "VIM_R", "Medtronic 3389")
    with pytest.raises(ParameterError, match=r"50\.0 mm on the right"):
        operate(body, (), (50.0, 0.0))
    bare = dataclasses.replace(body, landmarks={"AC": np.zeros(3)})
    with pytest.raises(ParameterError, match="no landmark PC, midline"):
        operate(bare, ())
    with pytest.raises(ParameterError, match="brain is empty"):
        brain_middle(dataclasses.replace(body, brain=np.zeros_like(body.brain)))
