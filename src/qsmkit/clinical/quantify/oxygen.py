"""Oxygen saturation of venous blood from its susceptibility."""

import math

from qsmkit.clinical.quantify.propagate import known, normal, standard_error
from qsmkit.errors import InputError
from qsmkit.measure import Measure

DEOXYGENATION = 4 * math.pi * 0.273
"""Δχ of fully deoxygenated against oxygenated red cells, ppm (SI) per unit of haematocrit (Jain 2012)."""

OXYGENATED = 4 * math.pi * -0.008
"""χ of oxygenated red cells against water, ppm (SI) per unit of haematocrit (Jain 2012)."""

DEOXYGENATION_ERROR = 4 * math.pi * 0.006
"""Standard error of `DEOXYGENATION`."""


def venous_saturation(
    chi: Measure, haematocrit: float, *, haematocrit_error: float = 0.02, reference: float = 0.0,
    deoxygenation: float = DEOXYGENATION, oxygenated: float = OXYGENATED,
) -> Measure:
    """Return the oxygen saturation of a vein, 0 … 1.

    Y = 1 − (χ_v − χ_ref − Hct χ_oxy)/(Hct Δχ_do)

    Parameters
    ----------
    chi : Measure
        Susceptibility of the vein, ppm; from a vessel of at least four voxels' width.
    haematocrit, haematocrit_error : float
        Hct and its standard error, 0 … 1.
    reference : float
        Susceptibility of water on the same scale, ppm.
    deoxygenation, oxygenated : float
        Δχ_do and χ_oxy, ppm (SI) per unit of haematocrit. Two conventions are in use, 0.27 and 0.18 cgs.

    Raises
    ------
    InputError
        The haematocrit is out of range, or χ is not in ppm.
    """
    if chi.unit != "ppm":
        raise InputError(f"χ in {chi.unit}; give ppm")
    if not 0.1 <= haematocrit <= 0.7:
        raise InputError(f"haematocrit {haematocrit} is out of range; give a share of 0.1 … 0.7, such as 0.42")
    above = chi.value - reference
    y = 1 - (above - haematocrit * oxygenated) / (haematocrit * deoxygenation)
    per_chi = 1 / (haematocrit * deoxygenation)
    per_haematocrit = above / (haematocrit**2 * deoxygenation)
    per_delta = (above - haematocrit * oxygenated) / (haematocrit * deoxygenation**2)
    error = math.hypot(
        per_chi * standard_error(chi), per_haematocrit * haematocrit_error, per_delta * DEOXYGENATION_ERROR
    )
    how = f"Hct {haematocrit:g} ± {haematocrit_error:g}, Δχ_do {deoxygenation:.4g} ppm; first-order propagation"
    if not 0 <= y <= 1:
        how += "; outside 0 … 1: check haematocrit, reference, and whether the vessel is a vein"
    return normal(y, error, "1", chi.n, how, sure=known(chi))


def extraction_fraction(venous: Measure, *, arterial: float = 0.98) -> Measure:
    """Return the oxygen extraction fraction (Y_a − Y_v)/Y_a, a pure number.

    Raises
    ------
    InputError
        The arterial saturation is out of range.
    """
    if not 0.5 < arterial <= 1:
        raise InputError(f"arterial saturation {arterial} is out of range; give a share, such as 0.98")
    value, low, high = ((arterial - v) / arterial for v in (venous.value, venous.high, venous.low))
    return Measure(value, low, high, "1", venous.n, f"{venous.method}; arterial saturation {arterial:g}")
