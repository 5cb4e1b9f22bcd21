"""Where a point of one image lies in another of the same head: rigid and affine, any pair of contrasts.

The optimiser is SimpleITK's (Mattes' mutual information, several resolutions). What is ours is the search for a start
over large rotations, and the gates: a registration that cannot be trusted says so.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from qsmkit.clinical.registration import gates
from qsmkit.clinical.registration.blocks import Blocks, Kind, blocks
from qsmkit.clinical.registration.gates import Gate, Verdict
from qsmkit.clinical.registration.images import Pyramid
from qsmkit.clinical.registration.mirror import Mirror, mirror
from qsmkit.clinical.registration.search import search
from qsmkit.grid import Grid
from qsmkit.transform import Transform
from qsmkit.volume import Volume


@dataclass(frozen=True, eq=False)
class Registration:
    """A transform and whether it may be used.

    Attributes
    ----------
    transform : Transform
        From the fixed to the moving image, RAS+ mm.
    information : float
        Mutual information at the transform, nats.
    gates : tuple of Gate
        The tests; none if they were not asked for.
    blocks : Blocks or None
        Where parts of the head would rather lie, if the tests were asked for.
    rival : Mirror or None
        The best registration with left and right exchanged, and with it the head's midplane, if they were.
    """

    transform: Transform
    information: float
    gates: tuple[Gate, ...] = ()
    blocks: Blocks | None = None
    rival: Mirror | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the gates; REVIEW if there are none."""
        return gates.worst(self.gates)


def register(fixed: Volume, moving: Volume, *, kind: Kind = "rigid", check: bool = True) -> Registration:
    """Register two 3-D images of one head.

    Both are brought to robust ranges (0.5th to 99.5th percentile); the moving head's foreground is centred on the fixed
    one's and turned through 27 orientations at 6 mm; the best three are optimised, and the best of them refined at
    4, 2 and 1.5 mm, with a correction by block matching between.

    Parameters
    ----------
    fixed, moving : Volume
        Images, (X, Y, Z), any unit; CT in HU. For a map of χ give the magnitude of its scan.
    kind : {"rigid", "affine"}
        Six or twelve degrees of freedom. Two images of one head need six.
    check : bool
        Whether to run the gates, which cost about as much again.

    Returns
    -------
    Registration
        The transform and its verdict. It is returned also when it FAILs: the caller decides, and is told.

    Raises
    ------
    InputError
        An image is not 3-D, holds no contrast, is thinner than 16 mm, or is a map of both signs such as χ.

    References
    ----------
    Mattes 2003; Maes 1997; Ourselin 2000 (block matching).
    """
    return register_pyramids(Pyramid.of(fixed, "fixed"), Pyramid.of(moving, "moving"), kind=kind, check=check)


def register_pyramids(fixed: Pyramid, moving: Pyramid, *, kind: Kind = "rigid", check: bool = True) -> Registration:
    """Register two images that have been prepared, as `register` does."""
    found, information = search(fixed, moving, kind)
    if not check:
        return Registration(found, information)
    local, rival = blocks(fixed, moving, found), mirror(fixed, moving, found)
    return Registration(found, information, _gates(fixed, moving, found, kind, local, rival), local, rival)


def _gates(
    fixed: Pyramid, moving: Pyramid, found: Transform, kind: Kind, local: Blocks, rival: Mirror
) -> tuple[Gate, ...]:
    tests = [
        gates.consistency(fixed, moving, found, kind), gates.margin(fixed, moving, found), gates.agreement(local),
        gates.sides(fixed, moving, rival), gates.edges(fixed, moving, found),
        gates.overlap(fixed, moving, found),
    ]  # fmt: skip
    return (*tests, gates.scale(found)) if kind == "affine" else tuple(tests)


def resample(moving: Volume, onto: Grid, transform: Transform, *, nearest: bool = False) -> Volume:
    """Return the moving image on the voxels of the fixed one, by linear interpolation, or nearest for labels.

    Parameters
    ----------
    moving : Volume
        Image to carry over.
    onto : Grid
        Grid of the fixed image.
    transform : Transform
        From the fixed to the moving space.
    nearest : bool
        Whether values are labels.
    """
    matrix = np.linalg.inv(moving.grid.affine) @ transform.matrix @ onto.affine
    data = ndimage.affine_transform(
        np.asarray(moving.data), matrix[:3, :3], matrix[:3, 3], output_shape=onto.shape, order=0 if nearest else 1,
        mode="constant", cval=float(moving.data.min()) if not nearest else 0.0,
    )  # fmt: skip
    return Volume(data, onto, moving.unit)
