"""A ball of white matter in water, to draw lesions into."""

import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.simulate.body import Body
from qsmkit.simulate.properties import Properties
from qsmkit.simulate.tissue import Label

RADIUS = 60.0


def make_body(step=2.0, radius=RADIUS, tilt=12.0):
    """A brain that is a ball: grey matter 4 mm thick around white matter, thalami near the middle."""
    n = int(2 * (radius + 8) / step)
    grid = Grid.tilted((n, n + 1, n + 2), (step,) * 3, tilt=tilt)
    point = grid.world(np.stack(np.indices(grid.shape), -1))
    away = np.linalg.norm(point, axis=-1)
    labels = np.full(grid.shape, Label.AIR, np.uint8)
    labels[away < radius + 4] = Label.BONE
    labels[away < radius] = Label.GREY_MATTER
    labels[away < radius - 4] = Label.WHITE_MATTER
    for side in (-1, 1):
        labels[np.linalg.norm(point - (side * 12, 0, 5), axis=-1) < 7] = Label.THALAMUS
    texture = np.zeros(grid.shape, np.float32)
    landmarks = {"AC": np.array([0.0, 14, 0]), "PC": np.array([0.0, -14, 0]), "midline": np.array([0.0, 0, 40])}
    return Body(grid, labels, away < radius, texture, landmarks)


def make_properties(body, chi=0.0):
    positive = np.full(body.grid.shape, chi, np.float32)
    flat = {"chi_negative": 0, "r2": 13, "r2prime": 8, "t1": 0.9, "density": 0.7}
    return Properties(positive, **{k: np.full(body.grid.shape, v, np.float32) for k, v in flat.items()})


@pytest.fixture
def body():
    return make_body()


@pytest.fixture
def properties(body):
    return make_properties(body)
