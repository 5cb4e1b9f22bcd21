"""The commissures and the midline where a template laid on the brain puts them; marks set by hand always win."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from qsmkit.clinical.nuclei.atlas import AC, MIDLINE, PC
from qsmkit.clinical.register import register
from qsmkit.clinical.registration.gates import Gate, Verdict, graded, worst
from qsmkit.clinical.target.acpc import LONGEST, SHORTEST, Commissures
from qsmkit.clinical.target.midplane import midplane
from qsmkit.clinical.target.patches import REACH, settled
from qsmkit.errors import GeometryError, InputError
from qsmkit.transform import Matrix, Transform
from qsmkit.volume import Volume

TEMPLATE: Mapping[str, tuple[float, float, float]] = {"ac": AC, "pc": PC, "midline": MIDLINE}
"""Middles of the commissures and a point of the midline, MNI152 mm."""

RADII = (10.0, 12.0, 15.0)
"""Radii, mm, of the patches by which each commissure is settled: three opinions on where it lies."""

FLOOR: Mapping[str, float] = {"ac": 1.0, "pc": 1.0, "midline": 2.5}
"""Standard error that agreement of opinions cannot take away, mm: modelling choices, made before anything was measured.
Commissures of digital patients are missed by 0.3 to 1 mm, but those are bent from this very template."""

GOOD, BAD = 2.0, 4.0
"""Standard errors of a commissure, mm, that pass and that fail."""


@dataclass(frozen=True, eq=False)
class Mark:
    """One point of the AC–PC frame.

    Attributes
    ----------
    name : {"ac", "pc", "midline"}
        Which.
    point : (3,) array
        Scanner RAS mm.
    sd : float
        Its standard error, all axes together, mm; 0 if it was set by hand.
    how : str
        What set it.
    """

    name: str
    point: Matrix
    sd: float
    how: str


@dataclass(frozen=True, eq=False)
class Detection:
    """The AC–PC frame and whether to believe it.

    Attributes
    ----------
    marks : tuple of Mark
        AC, PC, midline.
    commissures : Commissures
        The same as a frame.
    gates : tuple of Gate
        The tests.
    to_mni : Transform
        From scanner RAS to MNI152, affine.
    """

    marks: tuple[Mark, ...]
    commissures: Commissures
    gates: tuple[Gate, ...]
    to_mni: Transform

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the gates."""
        return worst(self.gates)


def detect(
    image: Volume, brain: Volume, template: Volume, by_hand: Mapping[str, Matrix] | None = None
) -> Detection:
    """Find AC, PC and a point of the midline.

    The template is laid on the brain by an affine registration, and each commissure settled by patches of three sizes
    about it; their mean is taken, and how far they are apart adds to the standard error. The symmetry of the head is a
    second opinion on the midline.

    Parameters
    ----------
    image : Volume
        T1w or an early echo's magnitude, (X, Y, Z), a.u.; not χ, which lacks the outside of the brain.
    brain : Volume
        Brain mask on its grid.
    template : Volume
        T1-weighted MNI152 template, the skull taken off.
    by_hand : mapping of str to (3,) array, optional
        Marks set by hand, scanner RAS mm: "ac", "pc", "midline". They are taken as they are.

    Raises
    ------
    InputError
        A mark is of another name, the mask is empty, or the marks make no frame.
    GeometryError
        The mask does not lie where the image does.
    """
    hand = by_hand or {}
    if not set(hand) <= set(TEMPLATE):
        raise InputError(f"marks {', '.join(hand)}: there is none of that name; they are ac, pc and midline")
    apart = image.grid.difference(brain.grid)
    if apart:
        raise GeometryError(f"the brain mask does not lie where the image does: {apart}; resample it first")
    whole = ndimage.binary_fill_holes(brain.data > 0)
    if not whole.any():
        raise InputError("the brain mask is empty; give one that shows the brain")
    shown = Volume(np.where(whole, image.data, 0).astype(np.float32), image.grid)
    return settle(register(shown, template, kind="affine", check=False).transform, image, template, hand)


def settle(to_mni: Transform, image: Volume, template: Volume, hand: Mapping[str, Matrix]) -> Detection:
    """Return the detection where the template lies already: by a transform from scanner RAS to MNI152; see `detect`."""
    marks = tuple(
        Mark(name, np.asarray(hand[name], np.float64), 0.0, "by hand")
        if name in hand
        else _found(name, to_mni, image, template)
        for name in TEMPLATE
    )
    frame = Commissures(*(m.point for m in marks))
    return Detection(marks, frame, tuple(_gates(marks, frame, image)), to_mni)


def _found(name: str, to_mni: Transform, image: Volume, template: Volume) -> Mark:
    place = np.array(TEMPLATE[name])
    if name == "midline":
        return Mark(name, to_mni.inverse().apply(place), FLOOR[name], "template")
    shifts = np.array([settled(place, radius, image, template, to_mni) for radius in RADII])
    spread = float(np.sqrt(((shifts - shifts.mean(0)) ** 2).sum(1).mean()))
    if np.abs(shifts).max() >= REACH:  # at the edge of what was tried: it may lie farther away
        spread = max(spread, float(REACH))
    how = f"template, settled by {np.linalg.norm(shifts.mean(0)):.1f} mm"
    return Mark(name, to_mni.inverse().apply(place + shifts.mean(0)), float(np.hypot(spread, FLOOR[name])), how)


def _gates(marks: Sequence[Mark], frame: Commissures, image: Volume) -> list[Gate]:
    gates = [
        graded(m.name.upper(), m.sd, "mm", f"standard error: {m.how}", good=GOOD, bad=BAD)
        for m in marks
        if m.name != "midline"
    ]
    usual = SHORTEST <= frame.length <= LONGEST
    told = f"AC to PC, usually {SHORTEST:g} … {LONGEST:g}"
    gates.append(Gate("length", frame.length, "mm", "PASS" if usual else "FAIL", told))
    plane = midplane(image, frame)
    angle = float(np.rad2deg(np.arccos(min(1.0, abs(float(plane.normal @ frame.transform().matrix[0, :3]))))))
    aside = float(np.abs(plane.right_of(np.stack([frame.ac, frame.pc]))).max())
    gates.append(graded("midline", angle, "°", "between the frame's plane and that of symmetry", good=4.0, bad=10.0))
    gates.append(graded("aside", aside, "mm", "commissures from the plane of symmetry", good=2.0, bad=5.0))
    return gates
