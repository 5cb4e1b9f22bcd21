"""The plane about which a head is most nearly its own mirror image.

    maximise  corr(I(p), I(p − 2 (n·p − c) n))   over the normal n and the offset c

for points p of the brain about the commissures, from a plane that is nearly right.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from qsmkit.clinical.target.acpc import Commissures
from qsmkit.clinical.target.structure import interpolate
from qsmkit.errors import InputError
from qsmkit.transform import Matrix, Transform
from qsmkit.volume import Volume

BOX = ((6.0, 58.0), (-70.0, 60.0), (-25.0, 55.0))
"""Points that are compared with their mirror images: lateral, anterior and superior of MCP, mm."""

STEP = 4.0
"""Distance of the points, mm."""

FEWEST = 500
"""Points that the image must show."""


@dataclass(frozen=True, eq=False)
class Midplane:
    """A plane of symmetry.

    Attributes
    ----------
    normal : (3,) array
        Unit vector to the patient's right, scanner RAS.
    point : (3,) array
        A point of the plane, scanner RAS mm.
    likeness : float
        Correlation of both sides, −1 … 1.
    """

    normal: Matrix
    point: Matrix
    likeness: float

    def right_of(self, points: Matrix) -> Matrix:
        """Return how far (mm) points (…, 3) lie to the right of the plane."""
        away: Matrix = (points - self.point) @ self.normal
        return away


def midplane(image: Volume, start: Commissures) -> Midplane:
    """Return the plane of symmetry of a head near a first guess.

    Parameters
    ----------
    image : Volume
        T1w, or a magnitude, (X, Y, Z), in the commissures' space.
    start : Commissures
        Where the search begins.

    Raises
    ------
    InputError
        The image does not show the brain about the commissures on both sides.
    """
    frame = start.transform()
    lattice = np.stack(np.meshgrid(*(np.arange(a, b, STEP) for a, b in BOX), indexing="ij"), -1).reshape(-1, 3)
    sides = [lattice * (sign, 1, 1) for sign in (1, -1)]
    to_scanner = frame.inverse()

    def unlike(pose: Matrix) -> float:
        turn = to_scanner.after(Transform.rigid((0.0, pose[0], pose[1]), (pose[2], 0.0, 0.0)))
        right, left = (interpolate(image, turn.apply(side), outside=np.nan) for side in sides)
        seen = np.isfinite(right) & np.isfinite(left)
        if seen.sum() < FEWEST:
            return 1.0
        return -float(np.corrcoef(right[seen], left[seen])[0, 1])

    simplex = np.array([(0.0, 0, 0), (3.0, 0, 0), (0.0, 3, 0), (0.0, 0, 2)])
    found = minimize(
        unlike, simplex[0], method="Nelder-Mead", options={"initial_simplex": simplex, "xatol": 0.02, "fatol": 1e-5}
    )
    if not found.fun < 1:
        raise InputError("the image does not show the brain on both sides of the commissures; give one that does")
    turn = to_scanner.after(Transform.rigid((0.0, *found.x[:2]), (found.x[2], 0.0, 0.0)))
    return Midplane(turn.matrix[:3, 0], turn.apply(np.zeros(3)), -float(found.fun))
