"""The commissures and the midline where a template laid on the brain puts them; marks set by hand always win."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from qsmkit.arrays import BoolArray
from qsmkit.clinical.nuclei.atlas import AC, MIDLINE, PC
from qsmkit.clinical.register import Gate, Verdict, register
from qsmkit.clinical.target.acpc import LONGEST, SHORTEST, Commissures
from qsmkit.clinical.target.midplane import midplane
from qsmkit.errors import GeometryError, InputError
from qsmkit.transform import Matrix, Transform
from qsmkit.volume import Volume

TEMPLATE: Mapping[str, tuple[float, float, float]] = {"ac": AC, "pc": PC, "midline": MIDLINE}
"""Middles of the commissures and a point of the midline, MNI152 mm."""

PEELED = (0.0, 3.0)
"""Depths, mm, by which the brain is peeled before the template is laid on it: two opinions on where it lies."""

FLOOR: Mapping[str, float] = {"ac": 1.0, "pc": 1.0, "midline": 2.5}
"""Standard error that agreement of the two cannot take away, mm: what is left on digital patients."""

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
        order: tuple[Verdict, ...] = ("PASS", "REVIEW", "FAIL")
        return max((g.verdict for g in self.gates), key=order.index)


def detect(
    image: Volume, brain: Volume, template: Volume, by_hand: Mapping[str, Matrix] | None = None
) -> Detection:
    """Find AC, PC and a point of the midline.

    The template is laid on the brain, peeled and not, by an affine registration each; the mean of both is taken, and
    how far they are apart adds to the standard error. The symmetry of the head is another opinion on the midline.

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
    depth = ndimage.distance_transform_edt(whole, image.grid.voxel_size)
    laid = [_laid(image, depth > d, template) for d in PEELED]
    return combined(laid, image, hand)


def combined(laid: Sequence[Transform], image: Volume, hand: Mapping[str, Matrix]) -> Detection:
    """Return the detection from where the template lies: transforms from scanner RAS to MNI152; see `detect`."""
    marks = tuple(
        Mark(name, np.asarray(hand[name], np.float64), 0.0, "by hand") if name in hand else _found(name, laid)
        for name in TEMPLATE
    )
    frame = Commissures(*(m.point for m in marks))
    return Detection(marks, frame, tuple(_gates(marks, frame, image)), laid[0])


def _laid(image: Volume, brain: BoolArray, template: Volume) -> Transform:
    """Return the transform from the scanner to MNI152."""
    shown = Volume(np.where(brain, image.data, 0).astype(np.float32), image.grid)
    return register(shown, template, kind="affine", check=False).transform


def _found(name: str, laid: Sequence[Transform]) -> Mark:
    points = np.array([t.inverse().apply(TEMPLATE[name]) for t in laid])
    apart = float(np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean()))
    return Mark(name, points.mean(0), float(np.hypot(apart, FLOOR[name])), f"template, {len(laid)} registrations")


def _gates(marks: Sequence[Mark], frame: Commissures, image: Volume) -> list[Gate]:
    gates = [
        _graded(m.name.upper(), m.sd, "mm", f"standard error: {m.how}", good=GOOD, bad=BAD)
        for m in marks
        if m.name != "midline"
    ]
    usual = SHORTEST <= frame.length <= LONGEST
    told = f"AC to PC, usually {SHORTEST:g} … {LONGEST:g}"
    gates.append(Gate("length", frame.length, "mm", "PASS" if usual else "FAIL", told))
    plane = midplane(image, frame)
    angle = float(np.rad2deg(np.arccos(min(1.0, abs(float(plane.normal @ frame.transform().matrix[0, :3]))))))
    aside = float(np.abs(plane.right_of(np.stack([frame.ac, frame.pc]))).max())
    gates.append(_graded("midline", angle, "°", "between the frame's plane and that of symmetry", good=4.0, bad=10.0))
    gates.append(_graded("aside", aside, "mm", "commissures from the plane of symmetry", good=2.0, bad=5.0))
    return gates


def _graded(name: str, value: float, unit: str, text: str, *, good: float, bad: float) -> Gate:
    return Gate(name, value, unit, "PASS" if value < good else "REVIEW" if value < bad else "FAIL", text)
