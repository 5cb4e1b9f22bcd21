"""How the brain sinks when air has come in through a burr hole."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.errors import ParameterError

Points = npt.NDArray[np.float64]

LARGEST_SHIFT = 10.0
"""Largest shift of the brain's surface that is simulated, mm."""

HEMISPHERE_BLEND = 8.0
"""Distance from the midline, mm, over which one side's shift passes into the other's."""

NEWTON_STEPS = 12


@dataclass(frozen=True, eq=False)
class BrainShift:
    """A smooth displacement against the vertical, largest at the highest point of the brain.

    With h = e · p the height of a point and x its distance to the right of the midline, tissue moves by

        u(p) = −A(x) exp(−(max(top − h, 0))² / 2λ²) e,

    where A passes from the left side's amount to the right's. It is invertible because A / λ < 1.

    Attributes
    ----------
    up : (3,) array
        Unit vector e against gravity, head RAS: about anterior in a supine patient.
    right : (3,) array
        Unit vector to the patient's right, at right angles to `up`.
    midline : float
        `right` · p of the midline, mm.
    top : float
        Height of the highest point of the brain, mm.
    amount : tuple of float
        Shift of the surface at the top on the right and on the left, mm.
    decay : float
        Depth λ over which the shift decays, mm.

    Raises
    ------
    ParameterError
        An amount is negative or larger than 10 mm, or the decay is too short for the field to be invertible.
    """

    up: Points
    right: Points
    midline: float
    top: float
    amount: tuple[float, float]
    decay: float = 40.0

    def __post_init__(self) -> None:
        for side, value in zip(("right", "left"), self.amount, strict=True):
            if not 0 <= value <= LARGEST_SHIFT:
                raise ParameterError(f"brain shift of {value} mm on the {side}; give 0 to {LARGEST_SHIFT:g} mm")
        if not self.decay > 1.5 * max(self.amount):
            raise ParameterError(
                f"brain shift decays over {self.decay} mm, too short for {max(self.amount)} mm; give at least 1.5 times"
            )

    def displacement(self, points: npt.ArrayLike) -> Points:
        """Return how far tissue at `points` (…, 3), mm before the shift, moves: (…, 3) mm."""
        p = np.asarray(points, np.float64)
        field: Points = -self._fall(p @ self.right, p @ self.up)[..., None] * self.up
        return field

    def after(self, points: npt.ArrayLike) -> Points:
        """Return where tissue at `points` (…, 3), mm, comes to lie."""
        p = np.asarray(points, np.float64)
        return p + self.displacement(p)

    def before(self, points: npt.ArrayLike) -> Points:
        """Return where tissue that now lies at `points` (…, 3), mm, came from: the inverse of `after`."""
        p = np.asarray(points, np.float64)
        side, height = p @ self.right, p @ self.up
        origin = height.copy()
        for _ in range(NEWTON_STEPS):
            fall = self._fall(side, origin)
            slope = 1 - fall * np.maximum(self.top - origin, 0) / self.decay**2
            origin -= (origin - fall - height) / slope
        result: Points = p + (origin - height)[..., None] * self.up
        return result

    def _fall(self, side: Points, height: Points) -> Points:
        right, left = self.amount
        share = 0.5 * (1 + np.tanh((side - self.midline) / HEMISPHERE_BLEND))
        below = np.maximum(self.top - height, 0)
        fall: Points = (left + (right - left) * share) * np.exp(-0.5 * (below / self.decay) ** 2)
        return fall
