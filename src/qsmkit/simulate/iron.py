"""Iron of the grey matter by age, after Hallgren and Sourander (`Hallgren1958`).

The curves of pallidum, putamen, caudate and cortex are the published fits (`physics.iron`). Substantia nigra,
subthalamic and red nucleus and dentate were given as means of adults: they follow the pallidum's k, scaled to their
mean. The thalamus rises to 35 years and then falls.
"""

from collections.abc import Mapping

from qsmkit.errors import ParameterError
from qsmkit.physics.iron import CURVES as PUBLISHED
from qsmkit.physics.iron import Curve, accumulated
from qsmkit.simulate.tissue import Label

CURVES: Mapping[Label, Curve] = {
    Label.GPE: PUBLISHED["pallidum"],
    Label.GPI: PUBLISHED["pallidum"],
    Label.PUTAMEN: PUBLISHED["putamen"],
    Label.CAUDATE: PUBLISHED["caudate"],
    Label.ACCUMBENS: PUBLISHED["caudate"],
    Label.GREY_MATTER: PUBLISHED["cortex"],
    Label.RED_NUCLEUS: (19.1, 0.09, 0.4),
    Label.SNC: (18.1, 0.09, 0.4),
    Label.SNR: (18.1, 0.09, 0.4),
    Label.STN: (15.0, 0.09, 0.4),
    Label.DENTATE: (10.1, 0.06, 0.3),
    Label.THALAMUS: (4.8, 0.09, 0.3),
}
"""a (mg/100 g), k (1/year) and c (mg/100 g) of each tissue."""

THALAMUS_PEAK, THALAMUS_FALL = 35.0, 0.025
"""Years at which the thalamus has most iron, and what it loses from then on, mg/100 g per year (recalled, rounded)."""

REFERENCE_AGE = 50.0
"""Years at which a tissue has the susceptibility of the table in `properties`: a modelling choice."""


def iron(label: Label, age: float) -> float:
    """Return the iron, mg per 100 g of fresh tissue, of a tissue of `CURVES` at an age in years.

    Raises
    ------
    ParameterError
        The age is out of range.
    """
    if not 0 <= age <= 110:
        raise ParameterError(f"age = {age} years is out of range; it must be between 0 and 110")
    falling = THALAMUS_FALL * max(age - THALAMUS_PEAK, 0.0) if label == Label.THALAMUS else 0.0
    return accumulated(CURVES[label], age) - falling

