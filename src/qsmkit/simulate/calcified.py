"""Calcification that many healthy adults have: in the pineal gland and in the choroid plexus of the atria."""

import numpy as np
import numpy.typing as npt

from qsmkit.simulate.shapes import Ellipsoid
from qsmkit.simulate.space import Space
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.warp import Warp

SITES: tuple[tuple[tuple[float, float, float], float], ...] = (
    ((0.0, -30.5, 1.0), 0.7), ((23.0, -42.0, 9.0), 0.5), ((-23.0, -42.0, 9.0), 0.5),
)
"""Place, template mm, and the share of adults in whom it is calcified (recalled, rounded)."""

RADII = (1.2, 2.8)
"""Smallest and largest radius along each axis, mm: a modelling choice."""


def draw_calcifications(space: Space, warp: Warp, labels: npt.NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Draw what `rng` determines into the labels of a head, in place."""
    for place, share in SITES:
        present, radii, turn = rng.random() < share, rng.uniform(*RADII, 3), rng.uniform(0, 90, 3)
        if not present:
            continue
        (a, b, c), (u, v, w) = radii.tolist(), turn.tolist()
        box, distance = warp.distance(Ellipsoid(place, (a, b, c), (u, v, w)), space)
        labels[box][distance < 0] = Label.CALCIFICATION
