"""The folia of a body's cerebellum, which no average brain shows."""

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.simulate.shapes import Ellipsoid, Joined
from qsmkit.simulate.space import Space
from qsmkit.simulate.warp import Warp

_HEMISPHERE = Ellipsoid((26, -62, -38), (30, 29, 22), (0, 0, 12))
CEREBELLUM = Joined((_HEMISPHERE, _HEMISPHERE.mirrored(), Ellipsoid((0, -60, -30), (16, 28, 27))), 6.0)
"""Where folia may be, template mm: below `_tentorium`, read off the template."""

FASTIGIUM = (-40.0, -33.0)
"""Roof of the fourth ventricle, from which the fissures fan out: y and z, template mm."""

FOLIUM, FISSURE, FAN, WAVE = 3.6, 0.66, 24.0, 0.02
"""Distance between fissures and their width, mm, at `FAN` mm from the fastigium, and how wavy they are, rad: a
modelling choice, as fine as 0.7 mm samples show."""

HEART, DEEPEST = 12.0, 6.0
"""There are no folia so close, mm, to the fastigium, and no cortex so far, mm, from white matter."""


def fold_cerebellum(
    space: Space, warp: Warp, position: FloatArray, cortex: BoolArray, white: BoolArray, away: FloatArray,
    uneven: FloatArray,
) -> None:
    """Cut fissures into the cerebellum's cortex and draw white matter within its folia, in place.

    Parameters
    ----------
    space : Space
        Samples in the head, mm.
    warp : Warp
        From the head to the template.
    position : (3, X, Y, Z) array
        The samples in template mm.
    cortex, white : (X, Y, Z) bool array
        Grey and white matter; changed.
    away : (X, Y, Z) float32 array
        Distance from the white matter, mm.
    uneven : (X, Y, Z) float32 array
        Random values of standard deviation 1 that make the folia wavy.
    """
    box, distance = warp.distance(CEREBELLUM, space)
    lateral, y, z = np.abs(position[0][box]), position[1][box], position[2][box]
    back, up = np.float32(FASTIGIUM[0]) - y, z - np.float32(FASTIGIUM[1])
    radius = np.hypot(back, up)
    folded = (distance < 2) & (z < _tentorium(lateral, y)) & (radius > HEART)
    phase = np.arctan2(up, back) + np.float32(0.006) * lateral + np.float32(WAVE) * uneven[box]
    wave = np.abs(np.sin(np.float32(np.pi * FAN / FOLIUM) * phase))
    across = np.float32(FOLIUM / np.pi / FAN) * radius
    near, grey = away[box], cortex[box]
    white[box] |= folded & (wave > 0.93) & (near < 0.75 * DEEPEST) & grey
    grey |= folded & (near < DEEPEST)
    grey &= ~(folded & (wave * across < FISSURE / 2) & (near > 1))


def _tentorium(lateral: FloatArray, y: FloatArray) -> FloatArray:
    height: FloatArray = -7 - 0.36 * lateral - 0.1 * np.maximum(-60 - y, 0)
    return height
