"""The picture of the deep grey nuclei: outlines on χ in three planes."""

import numpy as np

from qsmkit.clinical.nuclei.segment import Nuclei
from qsmkit.clinical.nuclei.structures import structures
from qsmkit.errors import InputError
from qsmkit.reports.display import NORMAL, Plane, View
from qsmkit.reports.figures import Tile, mosaic

CHI = (-0.1, 0.2)
"""χ shown as black and as white, ppm: wide enough for the pallidum."""

ROWS: tuple[tuple[Plane, tuple[str, ...]], ...] = (
    ("axial", ("dentate", "snr", "stn", "gpi")),
    ("axial", ("gpe", "putamen", "thalamus", "caudate")),
    ("coronal", ("accumbens", "gpe", "stn", "red_nucleus", "dentate")),
    ("sagittal", ("red_nucleus", "stn", "gpi", "putamen")),
)
"""Planes, and the nuclei through whose middle (in sagittal ones, that of the right side) their slices go."""

MARGIN = 12.0
"""Room about the nuclei, mm."""


def picture(found: Nuclei, name: str = "chi") -> bytes:
    """Draw the outlines of all nuclei on one of the patient's images and return the PNG file.

    The patient's right is on the left; letters mark the sides.

    Parameters
    ----------
    found : Nuclei
        The nuclei.
    name : str
        Which image: "chi", "t1w", …

    Raises
    ------
    InputError
        No nucleus was found.
    """
    labels = found.labels.data
    if not labels.any():
        raise InputError("no voxel is labelled: there is nothing to draw")
    view = View.of(found.labels.grid, labels > 0, MARGIN)
    names = [n for n, s in structures().items() if (labels == s.label).any()]
    turned = view.turn(found.image(name).data)
    window = CHI if name == "chi" else tuple(float(v) for v in np.percentile(turned, (2, 99)))
    outlines = [view.turn(labels == structures()[n].label) for n in names]

    def tile(plane: Plane, nucleus: str) -> Tile:
        at = _middle(view.turn(found.mask(nucleus, "R")), plane)
        cut = tuple(view.image(o, plane, at) for o in outlines)
        return Tile(view.image(turned, plane, at), cut, view.extent(plane), view.letters(plane), view.place(plane, at),
                    nucleus.replace("_", " "))  # fmt: skip

    rows = [[tile(plane, n) for n in through if n in names] for plane, through in ROWS]
    unit = "ppm" if name == "chi" else ""
    return mosaic([r for r in rows if r], (window[0], window[1]), unit, legend=[n.replace("_", " ") for n in names])


def _middle(inside: np.ndarray, plane: Plane) -> int:
    axis = NORMAL[plane]
    return int(round(float(np.nonzero(inside)[axis].mean()))) if inside.any() else inside.shape[axis] // 2
