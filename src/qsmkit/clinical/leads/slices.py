"""Oblique slices through a CT, perpendicular to a curve: what a lead looks like from its own tip.

Figures are drawn from `along`: [:, :, k] is the view down the lead at arc length s[k], and [:, middle, :] the view
that holds the whole lead in one plane however it bends.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from qsmkit.arrays import FloatArray
from qsmkit.leads.curve import Curve, Points
from qsmkit.volume import Volume

OUTER, STEP = 2.0, 0.2
"""Half the width of the slices whose centroids are taken, and the distance of their samples, mm."""

DEGREE = 4
"""Of the polynomials that a lead's axis is made of."""

ROUNDS = 3
"""How often slices are laid anew along the better curve."""

SMALLEST = 0.05
"""Deviation of a centroid, mm, below which it counts in full."""


@dataclass(frozen=True, eq=False)
class Sections:
    """Oblique slices along a curve.

    Attributes
    ----------
    values : (U, V, S) array
        Image values.
    offset : (U,) array
        Positions across the lead, along `right` and along `front`, mm; U = V.
    s : (S,) array
        Arc lengths of the slices, mm.
    right, front : (S, 3) array
        Unit vectors of the first and second axis, RAS.
    """

    values: FloatArray
    offset: Points
    s: Points
    right: Points
    front: Points


def across(curve: Curve, s: Points) -> tuple[Points, Points]:
    """Return unit vectors across a curve: the part of anterior (of superior, along y) and d × it: (S, 3) each."""
    d = curve.tangent(s)
    reference = np.where(np.abs(d[:, 1:2]) > 0.95, [[0.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]])
    front = reference - (d * reference).sum(1, keepdims=True) * d
    front /= np.linalg.norm(front, axis=1, keepdims=True)
    return front, np.cross(d, front)


def along(volume: Volume, curve: Curve, s: Points, *, width: float = 10.0, step: float = 0.25) -> Sections:
    """Return slices perpendicular to a curve, by linear interpolation.

    Parameters
    ----------
    volume : Volume
        (X, Y, Z) image of any kind, in whose RAS mm the curve lies (a lead is brought there with `moved`).
    curve : Curve
        Axis of the lead.
    s : (S,) array
        Arc lengths of the slices, mm; beyond the curve's ends it goes on straight.
    width : float
        Half the width of the slices, mm.
    step : float
        Distance of samples across the lead, mm.
    """
    front, left = across(curve, s)
    count = round(width / step)
    offset: Points = step * np.arange(-count, count + 1, dtype=np.float64)
    places = (
        curve.at(s) - offset[:, None, None, None] * left + offset[None, :, None, None] * front
    )
    index = np.moveaxis(volume.grid.voxel(places), -1, 0)
    values = map_coordinates(np.asarray(volume.data, np.float32), index, order=1, mode="nearest")
    return Sections(values, offset, s, np.asarray(-left), front)


def centred(ct: Volume, rough: Curve, ceiling: float) -> Curve:
    """Return the smooth curve through the intensity-weighted centroids of oblique slices.

    Parameters
    ----------
    ct : Volume
        HU.
    rough : Curve
        Axis to within about a millimetre.
    ceiling : float
        CT number that the scanner cuts off at, HU.

    Returns
    -------
    Curve
        Corners 0.1 mm apart, from and to where the rough one reaches.
    """
    curve = rough
    for _ in range(ROUNDS):
        s = np.arange(0.0, curve.length, 0.5)
        cut = along(ct, curve, s, width=OUTER, step=STEP)
        distance = np.hypot(cut.offset[:, None], cut.offset[None])
        disc = distance <= OUTER
        tissue = np.median(cut.values[(distance > 0.8 * OUTER) & disc], axis=0)
        weight = np.clip(cut.values - tissue - 0.2 * (cut.values[disc].max(0) - tissue), 0, ceiling) * disc[..., None]
        total = np.maximum(weight.sum((0, 1)), 1e-6)
        x, y = ((weight * o).sum((0, 1)) / total for o in (cut.offset[:, None, None], cut.offset[None, :, None]))
        middle = curve.at(s) + x[:, None] * cut.right + y[:, None] * cut.front
        curve = _smooth(s, middle, curve.length)
    return curve


def _smooth(s: Points, points: Points, length: float) -> Curve:
    """Return the polynomial curve through points at arc lengths `s`, with outliers weighed down."""
    u = 2 * s / length - 1
    basis = np.polynomial.legendre.legvander(u, min(DEGREE, max(1, len(s) - 2)))
    weight = np.ones(len(s))
    for _ in range(5):
        root = np.sqrt(weight)[:, None]
        coefficients = np.linalg.lstsq(root * basis, root * points, rcond=None)[0]
        off = np.linalg.norm(points - basis @ coefficients, axis=1)
        limit = max(2 * float(np.median(off)), SMALLEST)
        weight = np.minimum(1.0, limit / np.maximum(off, 1e-9))
    fine = np.linspace(-1, 1, max(2, round(length / 0.1) + 1))
    return Curve(np.polynomial.legendre.legvander(fine, basis.shape[1] - 1) @ coefficients)
