"""A scan small enough to be reconstructed in a second."""

import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.physics.dipole import forward_field
from qsmkit.pipeline.config import Recipe
from qsmkit.units import radians_per_ppm
from qsmkit.volume import Scan

TIMES = np.array([0.005, 0.010, 0.015])


@pytest.fixture(scope="session")
def scan():
    """A ball of brain with a paramagnetic ball in it, three echoes, no noise."""
    grid = Grid.tilted((28, 30, 26), (2, 2, 2))
    place = np.linalg.norm(grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)), axis=-1)
    chi = np.where(place < 6, 0.1, 0).astype(np.float32)
    field = forward_field(chi, grid)
    turns = np.array([radians_per_ppm(3.0, t) for t in TIMES], np.float32)
    phase = np.angle(np.exp(1j * field[..., None] * turns)).astype(np.float32)
    magnitude = np.where(place < 22, 100, 1)[..., None] * np.exp(-TIMES * 20).astype(np.float32)
    return Scan(phase, magnitude.astype(np.float32), TIMES, 3.0, grid, name="sub-01")


@pytest.fixture
def recipe():
    """A short recipe that needs all that a long one does."""
    steps = [
        {"method": "threshold_mask", "fraction": 0.3},
        {"method": "erode", "radius": 2.0},
        {"method": "romeo"},
        {"method": "weighted_fit", "min_echoes": 2},
        {"method": "single_echo", "max_echoes": 1},
        {"method": "vsharp", "max_radius": 6.0},
        {"method": "tkd", "threshold": 0.2},
        {"method": "reference_brain"},
    ]
    return Recipe.model_validate({"name": "short", "description": "for tests", "step": steps})
