"""Whether two images fit better if one of them is mirrored: left and right may have been exchanged.

A head is nearly its own mirror image, so that a registration of a mirrored head succeeds, and nothing looks wrong.
What is left is the head's asymmetry: the mutual information of the best rigid transform is compared with that of the
best one followed by a reflection.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from qsmkit.clinical.registration.images import Points, Pyramid, as_transform
from qsmkit.clinical.registration.search import COARSE, information, inner, optimise
from qsmkit.transform import Transform

TILTS = np.deg2rad((-30.0, -15.0, 0.0, 15.0, 30.0))
"""Angles, rad, by which the head's midplane may be turned about z and y."""

FINE = (4.0, 2.0)
"""Voxel sizes, mm, at which the best ones are optimised."""


@dataclass(frozen=True, eq=False)
class Mirror:
    """The rival of a registration.

    Attributes
    ----------
    transform : Transform
        From the fixed to the moving image, with a reflection in it.
    information, direct : float
        Mutual information of the mirrored and of the direct registration at 2 mm, nats.
    normal : (3,) array
        Unit vector at right angles to the fixed head's midplane, to the right (+x), RAS+.
    middle : (3,) array
        A point of that plane, RAS+ mm.
    """

    transform: Transform
    information: float
    direct: float
    normal: Points
    middle: Points

    @property
    def advantage(self) -> float:
        """How much more information the direct registration has, as a share of its own: negative if mirrored fits."""
        return (self.direct - self.information) / max(self.direct, 1e-9)


def mirror(fixed: Pyramid, moving: Pyramid, found: Transform) -> Mirror:
    """Return the best registration with a reflection, beginning from the found one without.

    Parameters
    ----------
    fixed, moving : Pyramid
        The images.
    found : Transform
        From the fixed to the moving image.
    """
    small = fixed.level(COARSE), moving.level(COARSE)
    middle = fixed.centre()
    rivals = [found.after(_reflection(z, y, middle)) for z, y in itertools.product(TILTS, repeat=2)]
    best = max(rivals, key=lambda rival: information(*small, rival))
    for size, step in ((COARSE, 4.0), *((size, size / 2) for size in FINE)):
        turn = inner("rigid", middle)
        optimise(fixed.level(size), moving.level(size), turn, then=best, step=step, least=size / 100)
        best = best.after(as_transform(turn))
    fine = fixed.level(FINE[-1]), moving.level(FINE[-1])
    # Reflected and carried back, a point and its image lie at right angles to the midplane, which halves the way.
    back = found.inverse().after(best)
    values, vectors = np.linalg.eig(back.matrix[:3, :3])
    normal = np.real(vectors[:, np.argmin(np.abs(values + 1))])
    normal = normal / np.linalg.norm(normal) * (-1.0 if normal[0] < 0 else 1.0)
    halfway = (middle + back.apply(middle)) / 2
    return Mirror(best, information(*fine, best), information(*fine, found), normal, halfway)


def _reflection(about_z: float, about_y: float, middle: Points) -> Transform:
    """Return the reflection in a plane through the middle whose normal is turned from +x."""
    normal = np.array([np.cos(about_z) * np.cos(about_y), np.sin(about_z), np.sin(about_y)])
    normal /= np.linalg.norm(normal)
    matrix = np.eye(4)
    matrix[:3, :3] -= 2 * np.outer(normal, normal)
    matrix[:3, 3] = middle - matrix[:3, :3] @ middle
    return Transform(matrix)
