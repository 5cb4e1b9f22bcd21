import numpy as np
import pytest

from qsmkit.errors import GeometryError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.io.template import load_template
from qsmkit.simulate.body import Body, draw_body
from qsmkit.simulate.nuclei import NUCLEI
from qsmkit.simulate.template import Template
from qsmkit.simulate.tissue import Label


@pytest.fixture(scope="module")
def coarse():
    return draw_body(step=2.0, pose=np.eye(4), rng=3)


def test_a_body_has_every_tissue_and_landmark(coarse):
    counts = np.bincount(coarse.labels.ravel(), minlength=max(Label) + 1)
    assert counts[0] == 0
    for label, _ in NUCLEI.values():
        assert counts[label] > 0, label.name
    for label in (Label.GREY_MATTER, Label.WHITE_MATTER, Label.CSF, Label.BONE, Label.DIPLOE, Label.SKIN, Label.FAT,
                  Label.MUSCLE, Label.AIR):
        assert counts[label] > 1000, label.name
    assert set(coarse.landmarks) == {"AC", "PC", "midline"} | {f"{n}_{s}" for n in NUCLEI for s in "RL"}
    assert 1.2e6 < coarse.brain.sum() * coarse.grid.voxel_volume < 1.8e6


def test_a_template_gives_cortex_white_matter_and_ventricles():
    body = draw_body(template=Template(**load_template()), step=1.4, pose=np.eye(4), rng=3)
    volume = {label: np.sum(body.labels[body.brain] == label) * body.grid.voxel_volume / 1e6 for label in Label}
    assert 0.42 < volume[Label.GREY_MATTER] < 0.75
    assert 0.40 < volume[Label.WHITE_MATTER] < 0.65
    assert 0.15 < volume[Label.CSF] < 0.5
    boundary = np.diff((body.labels == Label.WHITE_MATTER).astype(np.int8), axis=0)
    assert np.abs(boundary).sum() * body.grid.voxel_size[1] ** 2 > 6e4, "white matter has gyri"
    middle = (body.landmarks["Thalamus_R"] + body.landmarks["Thalamus_L"]) / 2
    horns = [body.grid.voxel(body.landmarks[f"Caudate_{s}"] * (0.35, 1, 1) + (0, 12, 4)) for s in "RL"]
    for place in (body.grid.voxel(middle), *horns):
        near = tuple(slice(round(p) - 3, round(p) + 4) for p in place)
        assert (body.labels[near] == Label.CSF).any()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_the_brain_is_enclosed(seed):
    body = draw_body(template=Template(**load_template()), step=1.0, pose=np.eye(4), rng=seed)
    tissue = np.isin(body.labels, (Label.GREY_MATTER, Label.WHITE_MATTER, Label.CSF)) & body.brain
    air = body.labels == Label.AIR
    for axis in range(3):
        a, b = np.moveaxis(tissue, axis, 0), np.moveaxis(air, axis, 0)
        assert np.sum(a[:-1] & b[1:]) + np.sum(b[:-1] & a[1:]) == 0


def test_landmarks_lie_where_their_labels_are(coarse):
    for name, (label, _) in NUCLEI.items():
        right, left = (coarse.landmarks[f"{name}_{side}"] for side in "RL")
        there = coarse.grid.world(np.argwhere(coarse.labels == label))
        on_the_right = np.linalg.norm(there - right, axis=1) < np.linalg.norm(there - left, axis=1)
        np.testing.assert_allclose(there[on_the_right].mean(0), right, atol=0.5)
        np.testing.assert_allclose(there[~on_the_right].mean(0), left, atol=0.5)
        assert left[0] < coarse.landmarks["AC"][0] < right[0]
    assert 22 < np.linalg.norm(coarse.landmarks["AC"] - coarse.landmarks["PC"]) < 31


def test_the_pose_moves_the_grid_and_the_landmarks_alike(coarse):
    c, s = np.cos(0.3), np.sin(0.3)
    pose = np.array([[1, 0, 0, 4], [0, c, -s, -3], [0, s, c, 7], [0, 0, 0, 1]])
    moved = draw_body(step=2.0, pose=pose, rng=3)
    np.testing.assert_array_equal(moved.labels, coarse.labels)
    np.testing.assert_allclose(moved.grid.affine, pose @ coarse.grid.affine, atol=1e-9)
    for name, place in coarse.landmarks.items():
        np.testing.assert_allclose(moved.landmarks[name], pose[:3, :3] @ place + pose[:3, 3], atol=1e-9)


def test_same_seed_same_bytes_and_another_seed_another_head(coarse):
    again = draw_body(step=2.0, pose=np.eye(4), rng=3)
    other = draw_body(step=2.0, pose=np.eye(4), rng=4)
    assert again.labels.tobytes() == coarse.labels.tobytes()
    assert again.texture.tobytes() == coarse.texture.tobytes()
    both = coarse.brain & other.brain
    assert np.mean(other.labels[both] != coarse.labels[both]) > 0.1
    assert np.linalg.norm(other.landmarks["GPi_R"] - coarse.landmarks["GPi_R"]) > 0.2


@pytest.mark.parametrize(("settings", "error", "message"), [
    ({"step": 0.1}, ParameterError, "between 0.3 and 4"),
    ({"pose": np.eye(3)}, GeometryError, "4×4"),
    ({"pose": np.diag((-1.0, 1, 1, 1))}, GeometryError, "mirror"),
    ({"pose": 2 * np.eye(4)}, GeometryError, "not a rotation"),
])
def test_bad_settings_are_named(settings, error, message):
    with pytest.raises(error, match=message):
        draw_body(**settings)


def test_a_bodys_arrays_lie_on_its_grid():
    grid = Grid.tilted((3, 4, 5))
    good = np.zeros(grid.shape, np.uint8)
    with pytest.raises(ShapeError, match="brain has shape"):
        Body(grid, good, np.zeros((3, 4, 6), bool), good.astype(np.float32), {})
