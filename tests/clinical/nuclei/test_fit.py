import numpy as np
import pytest

from qsmkit.clinical.nuclei.contrasts import fitted_means, points_of
from qsmkit.clinical.nuclei.demons import Stiffness, deform, warped
from qsmkit.clinical.nuclei.fit import Fit
from qsmkit.grid import Grid
from qsmkit.transform import Transform


def ball(shape, centre, radius):
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    return np.clip(radius + 0.5 - np.linalg.norm(index - centre, axis=-1), 0, 1).astype(np.float32)


def test_a_ball_is_brought_onto_a_larger_one_elsewhere():
    shape = (28, 30, 26)
    moving, fixed = ball(shape, (14, 15, 13), 6), ball(shape, (15.5, 14, 13.5), 7)
    start = np.zeros((3, *shape), np.float32)
    field = deform([fixed], [moving], [0.05], np.ones(shape, np.float32), start, 1.0, 40, Stiffness(1.5, 0.7))
    before, after = np.abs(fixed - moving).sum(), np.abs(fixed - warped(moving, field)).sum()
    assert after < 0.5 * before
    jacobian = np.eye(3) + np.stack([np.stack(np.gradient(c), -1) for c in field], -2)
    assert np.linalg.det(jacobian).min() > 0  # nothing is folded


def test_an_image_that_is_noise_alone_moves_less_than_one_that_shows_something():
    shape, rng = (24, 24, 24), np.random.default_rng(0)
    moving = ball(shape, (12, 12, 12), 6)
    start = np.zeros((3, *shape), np.float32)
    seen = ball(shape, (14, 12, 12), 6) + 0.05 * rng.standard_normal(shape).astype(np.float32)
    unseen = rng.standard_normal(shape).astype(np.float32)
    fields = [
        deform([f], [moving], [s], np.ones(shape, np.float32), start, 1.0, 15, Stiffness())
        for f, s in ((seen, 0.05), (unseen, 1.0))
    ]
    at = tuple(slice(8, 17) for _ in range(3))
    assert fields[0][0][at].mean() < -0.6
    assert abs(fields[1][0][at].mean()) < 0.3


def test_where_nothing_weighs_nothing_moves():
    shape = (16, 16, 16)
    start = np.zeros((3, *shape), np.float32)
    still = deform([ball(shape, (9, 8, 8), 4)], [ball(shape, (7, 8, 8), 4)], [0.1], np.zeros(shape, np.float32), start,
                   1.0, 5, Stiffness())  # fmt: skip
    assert np.abs(still).max() == 0


def test_means_of_mixed_voxels_are_found_and_an_empty_class_keeps_what_is_expected():
    rng = np.random.default_rng(1)
    parts = rng.dirichlet((1, 1, 1), (10, 10, 10)).transpose(3, 0, 1, 2)
    parts = np.concatenate([parts, np.zeros((1, 10, 10, 10))])
    image = np.tensordot([0.1, -0.03, 0.02, 5.0], parts, 1) + 0.001 * rng.standard_normal((10, 10, 10))
    means, noise = fitted_means(
        image, parts, np.ones(image.shape, bool), [0, 1, 2, 3], np.array([0.0, 0.0, 0.0, 0.07]), np.full(4, 0.05)
    )
    assert means == pytest.approx([0.1, -0.03, 0.02, 0.07], abs=1e-3)
    assert noise == pytest.approx(0.001, rel=0.2)


def test_into_the_atlas_and_back_is_where_one_was():
    grid = Grid.tilted((20, 22, 18), (3.0, 3.0, 3.0))
    waves = np.moveaxis(2.0 * np.sin(points_of(grid) / 15.0), -1, 0).astype(np.float32)
    made = Fit(Transform.rigid((5, -3, 8), (4, 2, -6)), grid, waves, {}, {})
    points = np.random.default_rng(2).uniform(-15, 15, (40, 3))
    assert np.abs(made.from_atlas(made.into_atlas(points)) - points).max() < 0.01
    assert np.abs(made.into_atlas(points) - made.affine.apply(points)).max() > 1.0
