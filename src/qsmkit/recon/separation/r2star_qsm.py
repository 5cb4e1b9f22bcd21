"""Separation of sources from gradient echoes alone."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.method import method
from qsmkit.physics.signal import RELAXIVITY
from qsmkit.recon.separation.relaxivity import Separated, relaxivity, require_per_second, separated


@method("separation", cite=("Dimov2022", "Shin2021"), rev=1)
def r2star_qsm(
    chi: FloatArray,
    r2star: FloatArray,
    field_strength: float,
    mask: BoolArray,
    *,
    relaxivity_para: Annotated[float, Gt(0)] = RELAXIVITY,
    relaxivity_dia: Annotated[float, Gt(0)] = RELAXIVITY,
    r2: Annotated[float, Ge(0)] = 13.0,
) -> Separated:
    """Separate sources by R2* where no spin echoes tell R2, assuming one R2 for all tissue.

    χ⁺ − χ⁻ = χ and D⁺ χ⁺ + D⁻ χ⁻ = R2* − R2 in every voxel, as in `chi_separation_closed`. That R2* is
    linear in both sources over a constant is the model of Dimov 2022, who fit it together with the field; the
    relaxivities are those of R2′ (Shin 2021). R2 rises with iron too, so that iron-rich tissue seems to hold a little
    more of both sources than it does. Where R2* is too low for χ, as in fluid, whose R2 is lower, χ alone tells the
    sources; that measures better than the compromise.

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility in ppm, referenced so that tissue without sources has zero.
    r2star : (X, Y, Z) array
        Effective relaxation rate in 1/s.
    field_strength : float
        Main field in T.
    mask : (X, Y, Z) bool array
        Voxels to separate.
    relaxivity_para, relaxivity_dia : float
        D⁺ and D⁻ in Hz/ppm at 3 T; they grow in proportion to the field.
    r2 : float
        Irreversible relaxation rate of tissue in 1/s. 13 is white and grey matter at 3 T.

    Returns
    -------
    Separated
        Susceptibility of paramagnetic sources and size of that of diamagnetic ones in ppm, neither negative, zero
        outside the mask.

    Raises
    ------
    ScaleError
        R2* seems to be given in 1/ms.
    """
    require_per_second(r2star, mask, "r2star_qsm", "R2*")
    positive, negative = (relaxivity(r, field_strength) for r in (relaxivity_para, relaxivity_dia))
    least = np.where(chi > 0, positive * chi, -negative * chi)
    return separated(chi, np.maximum(r2star - r2, least), mask, positive, negative)
