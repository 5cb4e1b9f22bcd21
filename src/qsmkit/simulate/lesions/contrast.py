"""Contrast agent in blood: gadolinium in every vein, those too thin for a label included."""

import numpy as np

from qsmkit.simulate.body import Body
from qsmkit.simulate.lesions.material import RELAXIVITY_1, RELAXIVITY_2, gadolinium_susceptibility
from qsmkit.simulate.properties import Properties
from qsmkit.simulate.tissue import Label


def add_contrast(body: Body, properties: Properties, concentration: float) -> None:
    """Add gadolinium to the vessels of a body, in place, in proportion to their share of each sample.

    Parameters
    ----------
    body : Body
        Says where veins are.
    properties : Properties
        Of its samples.
    concentration : float
        In blood, mM.
    """
    share = (body.labels == Label.VEIN).astype(np.float32)
    if body.veins is not None:
        np.maximum(share, body.veins, out=share)
    here = share > 0
    inside = share[here] * np.float32(concentration)
    properties.chi_positive[here] += inside * np.float32(gadolinium_susceptibility(1.0))
    properties.r2[here] += inside * np.float32(RELAXIVITY_2)
    properties.t1[here] = 1 / (1 / properties.t1[here] + inside * np.float32(RELAXIVITY_1))
