"""The picture of a registration."""

import io

import numpy as np
from matplotlib.image import imread

from qsmkit.grid import Grid
from qsmkit.reports.registration import overlay
from qsmkit.transform import Transform
from qsmkit.volume import Volume


def ball():
    grid = Grid.tilted((40, 44, 36), (3.0, 3.0, 3.0), tilt=10)
    away = np.linalg.norm(grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)) / (40, 50, 40), axis=-1)
    return Volume((away < 1).astype(np.float32) + (away < 0.5), grid)


def test_the_picture_changes_with_the_transform_and_not_by_chance():
    made = [overlay(ball(), ball(), t, "PASS") for t in (Transform.identity(), Transform.rigid((0, 0, 0), (15, 0, 0)))]
    here, there = (imread(io.BytesIO(png)) for png in made)
    assert made[0] == overlay(ball(), ball(), Transform.identity(), "PASS")
    assert here.shape == there.shape
    assert np.abs(here - there).mean() > 0.005
