"""A head of simple shapes with a GPe and a GPi on each side, for tests that plan a lead."""

import numpy as np

from qsmkit.clinical.target.acpc import Commissures
from qsmkit.grid import Grid
from qsmkit.transform import Transform
from qsmkit.volume import Volume

TURN = Transform.rigid((8.0, -5.0, 6.0), (2.0, -3.0, 4.0))
"""From the AC–PC frame to the scanner: the head is tilted in it."""

COMMISSURES = Commissures(*(TURN.apply(p) for p in ((0.0, 12, 0), (0.0, -12, 0), (0.0, 0, 50))))

BRAIN = (44.0, 54.0, 46.0)
"""Half axes of the brain, mm; its middle is 8 mm above MCP."""

PALLIDUM = {"GPe": ((20.0, 4.0, 4.0), 6.0), "GPi": ((18.0, 3.0, -6.0), 4.0)}
"""Middle, AC–PC mm on the right, and radius, mm."""


def head(step=1.0):
    """Return labels, brain mask, and the AC–PC coordinates (X, Y, Z, 3) of all voxels."""
    n = int(132 / step)
    grid = Grid((n, n, n), TURN.matrix @ Grid.tilted((n, n, n), (step,) * 3, tilt=7.0, axis=2).affine)
    own = TURN.inverse().apply(grid.world(np.stack(np.indices(grid.shape), -1)))
    labels = np.zeros(grid.shape, np.uint8)
    for (middle, radius), number in zip(PALLIDUM.values(), (17, 18), strict=True):
        for sign in (1, -1):
            labels[np.linalg.norm(own - np.array(middle) * (sign, 1, 1), axis=-1) < radius] = number
    brain = (((own - (0, 0, 8)) / BRAIN) ** 2).sum(-1) < 1
    return Volume(labels, grid), Volume(brain, grid), own
