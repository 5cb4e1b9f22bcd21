import numpy as np
import pytest

from qsmkit.clinical.leads.identify import groups
from qsmkit.clinical.leads.locate import locate
from qsmkit.errors import InputError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.leads.electrodes import models
from qsmkit.simulate.lead_scene import scene
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
        ("Medtronic 3387", 0.7, None), ("Abbott Infinity 6172", 1.25, OBLIQUE), ("DIXI D08-05AM", 0.5, None),
        ("Boston Scientific Vercise Directed DB-2202", 0.5, OBLIQUE), ("SceneRay SR1242", 1.25, None),
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


def test_models_with_the_same_contacts_are_named_together():
    together = [group for group in groups() if len(group) > 1]
    assert ("Medtronic 3389", "PINS L301", "SceneRay SR1200") in together
    assert sum(map(len, groups())) == len(models())


def test_what_is_no_ct_with_a_lead_is_refused(ring_lead):
    ct = ring_lead.ct
    with pytest.raises(InputError, match="no metal in the brain"):
        locate(Volume(np.minimum(ct.data, 900), ct.grid))
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
