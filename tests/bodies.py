"""Heads made of balls, for tests that need a body but not a face."""

import numpy as np

from qsmkit.grid import Grid
from qsmkit.simulate.body import Body
from qsmkit.simulate.properties import Properties
from qsmkit.simulate.tissue import Label

LANDMARKS = {"AC": np.array([0.0, 14, 0]), "PC": np.array([0.0, -14, 0]), "midline": np.array([0.0, 0, 40])}


def ball_body(step=2.0, radius=50.0, tilt=10.0):
    """Return a brain that is a ball in a skull: grey matter 4 mm thick on white matter, thalami, a vein."""
    n = int(2 * (radius + 12) / step)
    grid = Grid.tilted((n, n + 1, n + 2), (step,) * 3, tilt=tilt)
    point = grid.world(np.stack(np.indices(grid.shape), -1))
    away = np.linalg.norm(point, axis=-1)
    labels = np.full(grid.shape, Label.AIR, np.uint8)
    labels[away < radius + 5] = Label.BONE
    labels[away < radius] = Label.GREY_MATTER
    labels[away < radius - 4] = Label.WHITE_MATTER
    for side in (-1, 1):
        labels[np.linalg.norm(point - (side * 12, 0, 5), axis=-1) < 7] = Label.THALAMUS
    labels[(np.linalg.norm(point[..., :2] - (0, 8), axis=-1) < 3) & (away < 20)] = Label.VEIN
    return Body(grid, labels, away < radius, np.zeros(grid.shape, np.float32), LANDMARKS)


def watery(body):
    """Return properties that are the same everywhere: no susceptibility, R2 = 10 1/s, T1 = 1 s."""
    values = {"chi_positive": 0, "chi_negative": 0, "r2": 10, "r2prime": 0, "t1": 1, "density": 1}
    return Properties(**{k: np.full(body.grid.shape, v, np.float32) for k, v in values.items()})
