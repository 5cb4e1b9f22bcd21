import numpy as np
import pytest

from qsmkit.clinical.leads.identify import groups
from qsmkit.clinical.leads.locate import _side, locate
from qsmkit.errors import InputError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.leads.curve import Curve
from qsmkit.leads.electrodes import models
from qsmkit.leads.lead import LeadPlan, lead
from qsmkit.simulate.ct import add_metal
from qsmkit.simulate.lead_scene import scene
from qsmkit.simulate.metal import lead_cloud
from qsmkit.transform import Transform
from qsmkit.volume import Volume

OBLIQUE = Transform.rigid((20, -12, 25), (3, -4, 9))


@pytest.fixture(scope="module")
def ring_lead():
    return scene("Medtronic 3387", 0.7, seed=4)


def errors(found, truth):
    return np.linalg.norm(
        np.array([c.position for c in found.contacts]) - [c.centre for c in truth.contacts], axis=1
    )


@pytest.mark.parametrize(
    ("model", "slices", "pose"),
    [
        ("Medtronic 3387", 0.7, None), ("Abbott Infinity 6172", 1.25, OBLIQUE), ("DIXI D08-05AM", 1.0, None),
        ("Boston Scientific Vercise Directed DB-2202", 0.7, OBLIQUE), ("SceneRay SR1242", 1.25, None),
    ],
)  # fmt: skip
def test_contacts_and_model_are_found_in_any_pose(model, slices, pose):
    case = scene(model, slices, pose=pose, seed=11)
    (found,) = locate(case.ct)
    assert model in found.alike
    assert found.sure
    assert found.model == found.alike[0]
    assert found.side == case.truth.plan.side
    off = errors(found, case.truth)
    assert off.mean() < 0.25
    assert off.max() < 0.6
    assert sum(found.candidates.values()) == pytest.approx(1)


def test_a_lead_moves_with_its_uncertainty(ring_lead):
    (found,) = locate(ring_lead.ct, model="Medtronic 3387")
    moved = found.moved(OBLIQUE, error=0.5)
    np.testing.assert_allclose(moved.contacts[2].position, OBLIQUE.apply(found.contacts[2].position))
    np.testing.assert_allclose(moved.lead.tip, OBLIQUE.apply(found.lead.tip))
    for one, other in zip(found.contacts, moved.contacts, strict=True):
        before, after = np.linalg.eigvalsh(one.covariance), np.linalg.eigvalsh(other.covariance)
        np.testing.assert_allclose(after, before + 0.25)
        assert other.ellipsoid()[0].min() > one.ellipsoid()[0].max()


def test_the_answer_is_the_same_whichever_way_voxels_run(ring_lead):
    """Flipped and permuted arrays with the affine that belongs to them."""
    flip, shape = np.eye(4), ring_lead.ct.data.shape
    flip[0, 0], flip[0, 3] = -1, shape[0] - 1
    turned = ring_lead.ct.data[::-1].transpose(2, 0, 1)
    order = np.eye(4)[:, [2, 0, 1, 3]]
    x, y, z = turned.shape
    grid = Grid((x, y, z), ring_lead.ct.grid.affine @ flip @ order)
    (plain,), (other,) = locate(ring_lead.ct), locate(Volume(turned, grid, "HU"))
    assert plain.model == other.model
    for one, two in zip(plain.contacts, other.contacts, strict=True):
        np.testing.assert_allclose(one.position, two.position, atol=0.02)


@pytest.mark.parametrize("pose", [None, OBLIQUE])
def test_the_marker_is_found_without_the_opposite_direction(pose):
    case = scene("Abbott Infinity 6172", 0.8, pose=pose, rotation=70.0, seed=21)
    (found,) = locate(case.ct)
    look, axis = case.truth.marker_direction, case.truth.contacts[0].axis
    off = np.rad2deg(np.arccos(np.clip(look @ found.lead.marker_direction, -1, 1)))
    assert off < 15
    assert not found.ambiguous
    assert found.rotation.high - found.rotation.low < 60
    front = np.array([0.0, 1.0, 0.0])
    assert found.heading(front) == pytest.approx(found.rotation.value, abs=2)
    turned = found.moved(Transform.rigid((0, 0, 30), (0, 0, 0)))
    assert abs(turned.heading(front) - found.heading(front)) > 5
    assert abs(look @ axis) < 0.05


def test_a_lead_without_streaks_and_noise_is_found_to_a_hundredth_of_a_millimetre():
    case = scene("Abbott Infinity 6172", 0.7, seed=5, streaks=0.0)
    (found,) = locate(case.ct)
    assert errors(found, case.truth).max() < 0.02
    assert found.lead.marker_direction @ case.truth.marker_direction > np.cos(np.deg2rad(2))


def test_a_lead_in_a_ball_of_water_is_as_good_as_in_a_head():
    case = scene("Medtronic 3387", 0.7, seed=6, phantom=True)
    (found,) = locate(case.ct)
    assert errors(found, case.truth).max() < 0.15


def test_another_model_than_the_one_asked_for_is_told(ring_lead):
    (found,) = locate(ring_lead.ct, model="Medtronic 3389")
    assert found.model == "Medtronic 3389"
    assert any("looks more like Medtronic 3387" in note for note in found.notes)


def two_leads(apart):
    """One CT with two leads whose axes pass each other, as if both had been put through one burr hole."""
    case = scene("Medtronic 3387", 0.7, seed=4)
    grid = case.ct.grid
    start, end = case.truth.tip, case.truth.curve.at(48.0)
    middle = (start + end) / 2
    across = case.truth.direction(24.0, 20.0)
    along = case.truth.curve.tangent(24.0)
    tilt = np.deg2rad(25)
    way = np.cos(tilt) * along + np.sin(tilt) * across
    tip = middle + apart * np.cross(along, across) - 22 * way
    other = lead(LeadPlan("other", "Medtronic 3389", case.truth.plan.side, tuple(tip), tuple(tip + 62 * way)))
    hu = case.ct.data.astype(np.float32)
    add_metal([lead_cloud(other)], grid, hu, fwhm=0.9, streaks=1.0, rng=np.random.default_rng(3))
    return Volume(np.clip(np.rint(hu), -1024, 3071).astype(np.int16), grid, "HU"), (case.truth, other)


def test_leads_that_cross_are_told_apart():
    ct, truths = two_leads(apart=1.8)
    found = locate(ct)
    assert len(found) == 2
    assert len({one.name for one in found}) == 2
    for truth in truths:
        best = min(found, key=lambda one: np.linalg.norm(one.lead.tip - truth.tip))
        assert truth.plan.model in best.alike
        assert errors(best, truth).max() < 0.6


def test_models_with_the_same_contacts_are_named_together():
    together = [group for group in groups() if len(group) > 1]
    assert ("Medtronic 3389", "PINS L301", "SceneRay SR1200") in together
    assert sum(map(len, groups())) == len(models())


def test_what_is_no_ct_with_a_lead_is_refused(ring_lead):
    ct = ring_lead.ct
    with pytest.raises(InputError, match="no metal in the brain"):
        locate(Volume(np.minimum(ct.data, 900), ct.grid))
    anchored = np.minimum(ct.data, 900)
    i, j, k = np.rint(ct.grid.voxel(ring_lead.truth.curve.at(ring_lead.truth.depth + 3))).astype(int)
    anchored[i - 3 : i + 4, j - 3 : j + 4, k - 3 : k + 4] = 3071
    with pytest.raises(InputError, match=r"no metal in the brain: .*343 elsewhere"):
        locate(Volume(anchored, ct.grid))
    with pytest.raises(ShapeError, match="one 3-D volume"):
        locate(Volume(np.stack([ct.data] * 2, -1), ct.grid))
    with pytest.raises(InputError, match="not a CT"):
        locate(Volume(np.abs(ct.data), ct.grid))
    with pytest.raises(InputError, match="no soft tissue"):
        locate(Volume(np.where(np.arange(ct.data.shape[2]) % 8 < 4, ct.data, -500), ct.grid))
    with pytest.raises(ParameterError, match="sides"):
        locate(ct, sides=("up",))
    with pytest.raises(ParameterError, match="unknown"):
        locate(ct, model="Medtronic 9999")
    other = "left" if ring_lead.truth.plan.side == "right" else "right"
    with pytest.raises(InputError, match="no lead comes from the"):
        locate(ct, sides=(other,))


def test_a_lead_that_is_cut_is_refused(ring_lead):
    with pytest.raises(InputError, match="lower end is not in the CT"):
        locate(scene("Medtronic 3387", 0.7, seed=4, cut=6.0).ct)
    ct, tip = ring_lead.ct, ring_lead.truth.tip
    top = int(ct.grid.voxel(tip)[2] + 12 / ct.grid.voxel_size[2])
    with pytest.raises(InputError, match=r"no lead|needed to find"):
        locate(Volume(ct.data[:, :, :top], ct.grid.cropped((0, 0, 0), (*ct.data.shape[:2], top))))


@pytest.mark.parametrize("flip", [1, -1])
def test_the_side_in_a_whole_head_does_not_depend_on_how_the_image_is_stored(flip):
    """A turned head, and a lead of the right that leans to the left on its way up."""
    axes = Transform.rigid((0, 0, 25), (0, 0, 0)).matrix
    affine, shape = axes @ np.diag([4.0 * flip, 4.0, 4.0, 1.0]), (40, 52, 40)
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) - 1) / 2
    places = (np.moveaxis(np.indices(shape), 0, -1) - (np.array(shape) - 1) / 2) * 4
    head = np.linalg.norm(places / (72, 95, 75), axis=-1) < 1
    ct = Volume(np.where(head, 30, -1000).astype(np.float32), Grid(shape, affine), "HU")
    leaning = Curve(np.array([(12.0, 0, 0), (9.0, 5, 50)]))
    assert _side(leaning, ct) == "right"
