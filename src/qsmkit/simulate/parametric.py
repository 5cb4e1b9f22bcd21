"""The brain of a body drawn from numbers alone, where no template is at hand.

It is the light head's brain (`brain`, `anatomy`), stretched to stereotactic coordinates: lobes, folded cortex,
cerebellum, stem, ventricles and corpus callosum; the nuclei are the same as with a template.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import FloatArray
from qsmkit.simulate.anatomy import LATERAL_VENTRICLE, MIDLINE
from qsmkit.simulate.brain import draw_brain, envelope
from qsmkit.simulate.nuclei import AC
from qsmkit.simulate.shapes import Points, Shape
from qsmkit.simulate.space import LATTICE, Space
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.warp import BODY_LATTICE, Warp

LIGHT_AC = np.array([0.0, 14.0, 0.0])
"""Where the light head has its anterior commissure, mm."""

STRETCH = np.array([1.12, 1.07, 1.22])
"""Lengths in the template over lengths in the light head, along each axis: a modelling choice."""


def draw_parametric_brain(
    space: Space, warp: Warp, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], FloatArray]:
    """Return labels and hull of a brain.

    Parameters
    ----------
    space : Space
        Samples in the head, mm.
    warp : Warp
        From the head to the template.
    rng : Generator
        Source of randomness: the folds.

    Returns
    -------
    labels : (X, Y, Z) uint8 array
        Grey matter, white matter and CSF inside the hull, zero outside.
    hull : (X, Y, Z) float32 array
        Signed distance from the hull, mm, negative inside, on `BODY_LATTICE`.
    """
    position = _light(warp.template(LATTICE))
    labels, _ = draw_brain(space, envelope(position), position, rng)
    ventricles = [(Label.CSF, side) for tube in LATERAL_VENTRICLE for side in (tube, tube.mirrored())]
    for label, shape in (*MIDLINE, *ventricles):
        box, distance = warp.distance(_Stretched(shape), space)
        labels[box][distance < 0] = label
    hull = envelope(_light(warp.template(BODY_LATTICE))).hull
    labels[(space.interpolate(hull, BODY_LATTICE) < 0) & (labels == 0)] = Label.CSF
    return labels, hull


@dataclass(frozen=True, slots=True)
class _Stretched:
    """A solid of the light head in stereotactic coordinates; its distances stay the light head's."""

    shape: Shape

    def bounds(self) -> tuple[Points, Points]:
        low, high = self.shape.bounds()
        return (low - LIGHT_AC) * STRETCH + AC, (high - LIGHT_AC) * STRETCH + AC

    def distance(self, position: FloatArray) -> FloatArray:
        return self.shape.distance(_light(position))


def _light(template: FloatArray) -> FloatArray:
    """Return stereotactic coordinates (3, …) as the light head's, mm."""
    out = np.empty_like(template)
    for i in range(3):
        out[i] = (template[i] - np.float32(AC[i])) / np.float32(STRETCH[i]) + np.float32(LIGHT_AC[i])
    return out
