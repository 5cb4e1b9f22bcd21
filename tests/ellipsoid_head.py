"""A head of nested ellipsoids: what the tests of operations and of CT operate on and scan."""

import numpy as np

from qsmkit.grid import Grid
from qsmkit.simulate.body import Body
from qsmkit.simulate.tissue import Label

RADII = np.array([66.0, 82.0, 62.0])
LAYERS = (
    (14, Label.SKIN), (11, Label.MUSCLE), (9, Label.BONE), (7, Label.DIPLOE), (4, Label.BONE), (2, Label.CSF),
    (0, Label.GREY_MATTER), (-3, Label.WHITE_MATTER),
)
TARGETS = {"STN": (11.0, -3.0, -5.0), "GPi": (19.0, 4.0, -3.0)}


def ellipsoid_head(step: float = 1.5, pose: np.ndarray | None = None) -> Body:
    """Return a brain of 132 × 164 × 124 mm with skull and scalp, turned and moved by `pose`."""
    pose = np.eye(4) if pose is None else pose
    shape = tuple(int(n) for n in 2 * np.ceil((RADII + 17) / step))
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = -step * (np.array(shape) - 1) / 2
    own = Grid(shape, affine)
    place = own.world(np.moveaxis(np.indices(shape), 0, -1)).astype(np.float32)
    labels = np.full(shape, Label.AIR, np.uint8)
    for grow, label in LAYERS:
        labels[((place / (RADII + grow)) ** 2).sum(-1) < 1] = label
    brain = np.isin(labels, (Label.GREY_MATTER, Label.WHITE_MATTER))
    marks = {"AC": (0, 12, 0), "PC": (0, -13, 0), "midline": (0, 0, 40)}
    marks |= {f"{name}_{side}": (sign * x, y, z) for name, (x, y, z) in TARGETS.items()
              for side, sign in (("R", 1), ("L", -1))}
    landmarks = {name: pose[:3, :3] @ np.array(p, float) + pose[:3, 3] for name, p in marks.items()}
    texture = np.zeros(shape, np.float32)
    return Body(Grid(shape, pose @ affine), labels, brain, texture, landmarks)
