"""Bodies small enough to test scanners on: a ball, and the light digital head."""

import numpy as np

from qsmkit.grid import Grid
from qsmkit.simulate.anatomy import draw_head
from qsmkit.simulate.body import Body
from qsmkit.simulate.properties import Properties
from qsmkit.simulate.resample import fine_samples
from qsmkit.simulate.tissue import TISSUES, Label, spread

FRAME = Grid.tilted((80, 96, 84), (2.0, 2.0, 2.0), tilt=8, axis=0)


def light_body(step: float = 2.0) -> tuple[Body, Properties]:
    """Return a head every `step` mm, nodding by 8°."""
    space, grid = fine_samples(FRAME, 1.0, step)
    anatomy = draw_head(space, np.random.default_rng(1))
    maps = {
        name: spread(anatomy.labels, {label: getattr(tissue, name) for label, tissue in TISSUES.items()})
        for name in ("chi", "r2", "r2prime", "t1", "density")
    }
    chi = maps.pop("chi")
    body = Body(grid, anatomy.labels, anatomy.brain, anatomy.texture, {})
    return body, Properties(chi.clip(min=0), chi.clip(max=0), **maps)


def ball_body(
    *, chi: float = 0.5, radius: float = 9.0, tilt: float = 0.0, axis: int = 0
) -> tuple[Body, Properties]:
    """Return a ball of `chi` ppm and `radius` mm in a soft-edged medium as magnetic as the air around it."""
    grid = Grid.tilted((72, 72, 72), (1.0, 1.0, 1.0), tilt=tilt, axis=axis)
    x = np.arange(72) - 35.5
    distance = np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)
    share = np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)
    labels = np.full(grid.shape, Label.MUSCLE, np.uint8)
    one = np.ones(grid.shape, np.float32)
    body = Body(grid, labels, distance < 27, 0 * one, {})
    density = np.exp(-((distance / 27) ** 6)).astype(np.float32)
    properties = Properties(
        TISSUES[Label.AIR].chi + max(chi, 0) * share, min(chi, 0) * share, 14 * one, 6 * one, one, density
    )
    return body, properties
