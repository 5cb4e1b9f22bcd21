"""The template that a body's cortex, white matter and ventricles come from."""

from dataclasses import dataclass

from qsmkit.volume import Volume


@dataclass(frozen=True, eq=False)
class Template:
    """An average brain in stereotactic coordinates, the skull taken off.

    Attributes
    ----------
    t1 : Volume
        T1-weighted intensity, arbitrary units, zero outside the brain.
    gm, wm : Volume
        Probability, 0 … 1, of grey and of white matter, on the same grid.
    """

    t1: Volume
    gm: Volume
    wm: Volume
