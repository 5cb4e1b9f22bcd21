"""Registration of contrasts of one head, and of what is not one head."""

import numpy as np
import pytest

from qsmkit.clinical.register import register, resample
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.simulate.head import head
from qsmkit.transform import Transform
from qsmkit.volume import Volume

CORNERS = np.array(np.meshgrid((-50, 0, 50), (-60, 0, 60), (-40, 0, 50))).reshape(3, -1).T


@pytest.fixture(scope="module")
def first():
    scan = head(size="small", voxel_size=(1.25, 1.25, 1.25), echo_times=(0.004,)).scan
    return Volume(scan.magnitude[..., 0], scan.grid)


def other_contrast(volume, rng):
    """Return the head with dark turned bright in a curved way, and noise."""
    top = float(np.percentile(volume.data, 99.5))
    x = np.clip(volume.data / top, 0, 1)
    made = np.where(x > 0.05, np.exp(-1.5 * x), 0.02)
    return Volume((made + rng.normal(0, 0.02, made.shape)).astype(np.float32), volume.grid)


def moved(volume, pose):
    return resample(volume, Grid.tilted((64, 76, 66), (2.6, 2.6, 2.6)), pose.inverse())


@pytest.mark.parametrize(("turn", "shift"), [((25, -18, 20), (20, -25, 15)), ((-28, 20, -25), (-20, 10, 25))])
def test_another_contrast_in_another_pose_is_found(first, turn, shift):
    pose = Transform.rigid(turn, shift)
    found = register(first, moved(other_contrast(first, np.random.default_rng(1)), pose), check=False)
    assert found.transform.distance(pose, CORNERS).mean() < 0.4
    assert found.transform.distance(pose, CORNERS).max() < 1.0


def test_a_good_registration_passes_its_gates_and_is_repeated_exactly(first):
    image = moved(other_contrast(first, np.random.default_rng(2)), Transform.rigid((5, -4, 8), (6, -3, 2)))
    found = register(first, image)
    assert found.verdict == "PASS", found.gates
    assert abs(found.rival.normal[0]) > 0.99
    assert np.array_equal(register(first, image, check=False).transform.matrix, found.transform.matrix)


def test_left_and_right_exchanged_is_named(first):
    image = moved(other_contrast(first, np.random.default_rng(2)), Transform.rigid((5, -4, 8), (6, -3, 2)))
    wrong = Volume(image.data, Grid(image.grid.shape, np.diag([-1.0, 1, 1, 1]) @ image.grid.affine))
    found = register(first, wrong)
    assert found.verdict == "FAIL"
    told = {gate.name: gate for gate in found.gates}
    assert "left and right are exchanged" in told["left and right"].text
    assert told["local agreement"].value > 1.0


def test_a_map_of_both_signs_is_sent_to_its_magnitude(first):
    rng = np.random.default_rng(4)
    chi = np.where(first.data > np.percentile(first.data, 60), rng.normal(0, 0.05, first.data.shape), 0)
    with pytest.raises(InputError, match="register the magnitude"):
        register(first, Volume(chi.astype(np.float32), first.grid))


@pytest.mark.parametrize(
    "what", [pytest.param(name, marks=pytest.mark.slow) for name in ("ball", "noise", "other")]
)
def test_what_is_not_this_head_fails(first, what):
    rng = np.random.default_rng(3)
    if what == "noise":
        data = rng.normal(0, 1, first.data.shape)
    elif what == "ball":
        x, y, z = np.ogrid[tuple(slice(-n / 2, n / 2) for n in first.data.shape)]
        data = 1.0 * (x**2 + y**2 + z**2 < 400) + rng.normal(0, 0.02, first.data.shape)
    else:
        data = np.roll(first.data[:, ::-1, ::-1], 9, 1) * (0.4 + rng.random(first.data.shape))
        data[:, 20:] = rng.normal(0, 1, data[:, 20:].shape)
    assert register(first, Volume(data.astype(np.float32), first.grid)).verdict == "FAIL"


def test_affine_finds_a_stretch(first):
    stretched = np.diag([1.06, 0.96, 1.03, 1.0])
    pose = Transform(Transform.rigid((4, 3, -5), (3, 4, -2)).matrix @ stretched)
    found = register(first, moved(first, pose), kind="affine", check=False)
    assert found.transform.distance(pose, CORNERS).mean() < 0.5


def test_labels_are_carried_over_without_mixing(first):
    labels = Volume((first.data > np.median(first.data)).astype(np.int16) * 7, first.grid)
    there = resample(labels, Grid.tilted((30, 30, 30), (3, 3, 3)), Transform.rigid((5, 5, 5), (1, 2, 3)), nearest=True)
    assert set(np.unique(there.data)) == {0, 7}


@pytest.mark.parametrize("shape", [(20, 20, 20), (20, 20, 20, 2), (20, 20, 3)])
def test_images_that_cannot_be_registered_are_refused(first, shape):
    data = np.ones(shape, np.float32)
    with pytest.raises(InputError):
        register(first, Volume(data, Grid.tilted(data.shape[:3])))
