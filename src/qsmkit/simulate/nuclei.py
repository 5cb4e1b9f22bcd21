"""The nuclei of the deep brain, brain stem and cerebellum, as smooth solids in stereotactic coordinates.

Right-sided solids in MNI152 RAS mm. Centres, axes, thicknesses and curvatures of putamen, pallidum, subthalamic
nucleus, substantia nigra, red nucleus and accumbens were chosen so that centroid, volume and outline agree with the
means of a high-resolution subcortical atlas (CIT168, `Pauli2018`); caudate, thalamus, zona incerta and dentate
follow the outlines in the MNI152 template (modelling choice). No two solids overlap: `Without` keeps white matter
between them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import FloatArray
from qsmkit.simulate.shapes import Bent, Ellipsoid, Joined, Paired, Points, Tube, Without
from qsmkit.simulate.space import Box, Space
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.warp import Warp

AC, PC = (0.0, 2.5, -4.5), (0.0, -25.5, -1.5)
"""Middle of the anterior and of the posterior commissure, read off the MNI152 T1 template, mm."""

LAMINA = 1.0
"""White matter between putamen and pallidum and between its segments, template mm: as thin as 0.7 mm samples resolve
(the medullary laminae measure about 0.5 mm, recalled)."""

THIRD_VENTRICLE = Ellipsoid((0, -13, 2), (2.4, 16, 14))


@dataclass(frozen=True, slots=True)
class CrumpledSheet:
    """A crumpled sheet along the surface of a bag that is open towards the midline in front: the dentate nucleus.

    Attributes
    ----------
    bag : Ellipsoid
        Whose surface it follows.
    thickness : float
        Of one fold and the white matter within, mm (modelling choice).
    hilus : float
        Distance of the opening from the midline at the bag's middle, mm.
    """

    bag: Ellipsoid
    thickness: float
    hilus: float

    def bounds(self) -> tuple[Points, Points]:
        """Return the corners of the bag's cube."""
        return self.bag.bounds()

    def distance(self, position: FloatArray) -> FloatArray:
        """Return the distance from the sheet's surface; within it, to first order."""
        x, y, z = np.abs(position[0]), position[1], position[2]
        folds = np.sin(np.float32(2 * np.pi / 3.4) * (y + np.float32(0.35) * z)) * np.cos(np.float32(0.45) * (x - z))
        half = np.float32(self.thickness / 2)
        outside = self.bag.distance(position) + np.float32(0.75) * folds
        opening = np.float32(self.hilus) - x - np.float32(0.25) * (y - np.float32(self.bag.centre[1]))
        result: FloatArray = np.maximum(np.abs(outside + half) - half, opening)
        return result

    def mirrored(self) -> "CrumpledSheet":
        """Return the sheet on the other side of x = 0."""
        return replace(self, bag=self.bag.mirrored())


_GPI = Bent(Ellipsoid((17.7, -4.3, -4.5), (8.7, 4.5, 3.3), (99, 10, 140)), (-0.0236, -0.0228, 0.0365))
_GPE = Without(Bent(Ellipsoid((20.2, -0.6, -0.1), (12.6, 7.0, 3.6), (70, 9, 127)), (-0.0215, -0.0056, 0.0082)),
               (_GPI,), LAMINA)
_PUTAMEN = Without(Bent(Ellipsoid((26.5, 2.1, 0.4), (22.1, 13.1, 6.1), (86, -18, -73)), (0.0047, 0.0083, 0.0133)),
                   (_GPE, _GPI), LAMINA)
_CAUDATE = Without(
    Tube(((9.8, 13, -8, 3.2), (10.6, 17, 0, 6.4), (12.3, 16.5, 7, 7.0), (13.8, 12, 13, 6.0), (15.5, 3, 18, 4.7),
          (17.5, -8, 20.5, 3.5), (21, -20, 20, 2.4), (27, -31, 14, 1.8), (31, -35, 5, 1.3), (32.5, -27, -5, 1.0),
          (31, -18, -10, 0.9))), (_PUTAMEN,), LAMINA)
_ACCUMBENS = Without(Bent(Ellipsoid((9.7, 8.7, -10.3), (7.4, 4.5, 3.8), (138, -38, 178)), (-0.0240, 0.0064, -0.0040)),
                     (_CAUDATE, _PUTAMEN), 0.2)
_THALAMUS = Without(
    Joined((Ellipsoid((11.6, -16, 8), (9.6, 15.5, 9.6), (0, 0, -25)), Ellipsoid((15, -26, 6), (7.5, 6.5, 7.5))), 3.0),
    (THIRD_VENTRICLE, _CAUDATE, _GPE, _GPI), 1.2)
_STN = Bent(Ellipsoid((10.9, -12.4, -7.7), (6.7, 3.6, 1.9), (139, 20, 134)), (0.0057, -0.0027, 0.0155))
_SNC = Bent(Ellipsoid((8.6, -19.3, -14.1), (5.8, 4.9, 1.3), (-50, -28, 90)), (0.0031, 0.0226, 0.0330))
_SNR = Without(Bent(Ellipsoid((10.4, -16.4, -13.6), (8.0, 6.4, 2.2), (-49, -6, 106)), (0.0146, 0.0059, 0.0344)),
               (_SNC, _STN), 0.4)
_RED = Without(Bent(Ellipsoid((4.8, -19.4, -9.3), (5.8, 4.5, 3.8), (-49, -40, 88)), (-0.0236, -0.0332, 0.0134)),
               (_SNC,), 0.4)
_ZONA = Without(Bent(Ellipsoid((8.8, -13.3, -5.3), (6.2, 3.6, 0.9), (139, 20, 134)), (0.0057, -0.0027, 0.0155)),
                (_STN, _THALAMUS, _RED), 0.5)
_DENTATE = CrumpledSheet(Ellipsoid((15.0, -57.0, -35.5), (7.5, 9.0, 5.0), (20, 0, 24)), 2.2, 11.0)

NUCLEI: Mapping[str, tuple[Label, Paired | CrumpledSheet]] = {
    "Putamen": (Label.PUTAMEN, _PUTAMEN),
    "Caudate": (Label.CAUDATE, _CAUDATE),
    "NAcc": (Label.ACCUMBENS, _ACCUMBENS),
    "GPe": (Label.GPE, _GPE),
    "GPi": (Label.GPI, _GPI),
    "Thalamus": (Label.THALAMUS, _THALAMUS),
    "STN": (Label.STN, _STN),
    "SNc": (Label.SNC, _SNC),
    "SNr": (Label.SNR, _SNR),
    "RN": (Label.RED_NUCLEUS, _RED),
    "ZI": (Label.ZONA_INCERTA, _ZONA),
    "Dentate": (Label.DENTATE, _DENTATE),
}
"""Label and right-sided solid by the name that landmarks use."""

REACH = 7.0
"""How far around a nucleus its distance is computed, mm."""

CAPSULE = Ellipsoid((18, 1, 8), (14, 31, 24))
CAPSULE_WALLS, CAPSULE_WIDTH = (("Putamen", "GPe", "GPi"), ("Caudate", "Thalamus")), 9.0
"""Where to look for the internal capsule; the nuclei on either side, and how far these may be apart; template mm."""


@dataclass(frozen=True, eq=False)
class Nucleus:
    """One nucleus of a head at its samples.

    Attributes
    ----------
    name : str
        With its side: "GPi_R".
    label : Label
        What it is made of.
    box : tuple of slice
        The samples about it.
    distance : (X, Y, Z) float32 array
        Distance from its surface, template mm, negative inside, at the samples of the box.
    """

    name: str
    label: Label
    box: Box
    distance: FloatArray

    def centroid(self) -> npt.NDArray[np.float64]:
        """Return the middle of its samples, in samples of the head; of a nucleus too small for one, the nearest."""
        inside = np.argwhere(self.distance <= max(0.0, float(self.distance.min())))
        middle: npt.NDArray[np.float64] = inside.mean(0) + [s.start for s in self.box]
        return middle


def nuclei(space: Space, warp: Warp) -> Iterator[Nucleus]:
    """Yield every nucleus of a head, both sides.

    Parameters
    ----------
    space : Space
        Samples in the head, mm.
    warp : Warp
        From the head to the template.
    """
    for name, (label, right) in NUCLEI.items():
        for side, solid in (("R", right), ("L", right.mirrored())):
            yield Nucleus(f"{name}_{side}", label, *warp.distance(solid, space, REACH))


def paint(labels: npt.NDArray[np.uint8], nucleus: Nucleus) -> None:
    """Write a nucleus into the labels of a head, in place."""
    labels[nucleus.box][nucleus.distance < 0] = nucleus.label


def paint_capsule(
    labels: npt.NDArray[np.uint8], space: Space, warp: Warp, drawn: Sequence[Nucleus]
) -> None:
    """Write the internal capsule into the labels of a head, in place: white matter between two rows of nuclei.

    Laterally lie putamen and pallidum, medially caudate and thalamus.
    """
    for side, solid in (("R", CAPSULE), ("L", CAPSULE.mirrored())):
        box, within = warp.distance(solid, space)
        part = labels[box]
        lateral, medial = (
            _nearest([n for n in drawn if n.name in {f"{name}_{side}" for name in row}], box) for row in CAPSULE_WALLS
        )
        between = (lateral + medial < CAPSULE_WIDTH) & (np.maximum(lateral, medial) < REACH) & (within < 0)
        part[between & (part == Label.WHITE_MATTER)] = Label.INTERNAL_CAPSULE


def _nearest(row: Sequence[Nucleus], box: Box) -> FloatArray:
    """Return the distance from the nearest nucleus of a row at the samples of a box, mm, at most `REACH`."""
    nearest = np.full([s.stop - s.start for s in box], REACH, np.float32)
    for nucleus in row:
        shared = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, nucleus.box, strict=True)]
        if all(s.start < s.stop for s in shared):
            here, there = (_relative(shared, own) for own in (box, nucleus.box))
            np.minimum(nearest[here], nucleus.distance[there], out=nearest[here])
    return nearest


def _relative(shared: Sequence[slice], box: Box) -> Box:
    x, y, z = (slice(s.start - b.start, s.stop - b.start) for s, b in zip(shared, box, strict=True))
    return x, y, z
