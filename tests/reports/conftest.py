"""A small reconstruction to report on."""

import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.physics.dipole import dipole_kernel
from qsmkit.physics.fft import convolve, fast_shape
from qsmkit.pipeline.config import Recipe
from qsmkit.pipeline.plan import make_plan
from qsmkit.pipeline.run import run
from qsmkit.recon.inversion.tkd import tkd  # noqa: F401  (registers the method)
from qsmkit.recon.referencing import reference_brain  # noqa: F401
from qsmkit.units import radians_per_ppm
from qsmkit.volume import Scan

RECIPE = {
    "name": "small",
    "description": "TKD on a given field",
    "cite": ["Bilgic2024"],
    "step": [
        {"method": "tkd", "threshold": 0.2},
        {"method": "tkd", "min_echoes": 9},
        {"method": "reference_brain"},
    ],
}


def reconstruct_ball(grid, *, name="sub-01", notes=(), echo_times=(0.004, 0.012), chi=0.1):
    """Reconstruct an iron-rich ball inside a round head, with everything a report can show."""
    rng = np.random.default_rng(1)
    at = np.moveaxis(grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)), -1, 0)
    distance = np.sqrt((at**2).sum(0)).astype(np.float32)
    head, ball = distance < 26, distance < 9
    source = (chi * ball).astype(np.float32)
    shape = fast_shape(grid.shape)
    field = convolve(source, dipole_kernel(grid, shape), shape)
    r2star = 15 + 30 * ball + rng.normal(0, 0.5, grid.shape).astype(np.float32)
    times = np.array(echo_times)
    unwrapped = np.stack([radians_per_ppm(3, t) * field for t in times], -1).astype(np.float32)
    magnitude = (100 * head[..., None] * np.exp(-times * r2star[..., None])).astype(np.float32)
    scan = Scan(
        phase=np.angle(np.exp(1j * unwrapped)).astype(np.float32),
        magnitude=magnitude,
        echo_times=times,
        field_strength=3.0,
        grid=grid,
        name=name,
        metadata={"FlipAngle": 15, "RepetitionTime": 0.05, "decisions": {"phase": "radians"}},
        notes=notes,
    )
    given = {
        "mask": head,
        "local_field": field,
        "total_field": field + 0.1,
        "field_sd": np.full(grid.shape, 0.002, np.float32),
        "fit_residual": np.full(grid.shape, 0.05, np.float32),
        "unwrapped_phase": unwrapped,
        "r2star": r2star,
    }
    return run(make_plan(Recipe.model_validate(RECIPE), scan, given), scan, given=given)


@pytest.fixture(scope="session")
def reconstructed():
    """A function that reconstructs a ball on a grid."""
    return reconstruct_ball


@pytest.fixture(scope="session")
def result():
    return reconstruct_ball(Grid.tilted((40, 44, 38), (1.5, 1.5, 1.5)))
