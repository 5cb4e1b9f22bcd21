"""Separation of sources in every voxel by itself, from the susceptibility and R2′."""

from typing import Annotated

from annotated_types import Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.method import method
from qsmkit.physics.signal import RELAXIVITY
from qsmkit.recon.separation.relaxivity import Separated, relaxivity, require_per_second, separated


@method("separation", cite="Shin2021", rev=1)
def chi_separation_closed(
    chi: FloatArray,
    r2prime: FloatArray,
    field_strength: float,
    mask: BoolArray,
    *,
    relaxivity_para: Annotated[float, Gt(0)] = RELAXIVITY,
    relaxivity_dia: Annotated[float, Gt(0)] = RELAXIVITY,
) -> Separated:
    """Solve the two equations for paramagnetic and diamagnetic sources in every voxel.

    χ⁺ − χ⁻ = χ and D⁺ χ⁺ + D⁻ χ⁻ = R2′; with one relaxivity D, χ± = (R2′/D ± χ) / 2. Where that is negative, it is
    zero, and the other source the least-squares compromise (the model is that of Shin 2021, without its joint
    inversion). An error of the reference of χ goes into both maps by half.

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility in ppm, referenced so that tissue without sources has zero.
    r2prime : (X, Y, Z) array
        Reversible relaxation rate in 1/s.
    field_strength : float
        Main field in T.
    mask : (X, Y, Z) bool array
        Voxels to separate.
    relaxivity_para, relaxivity_dia : float
        D⁺ and D⁻ in Hz/ppm at 3 T; they grow in proportion to the field.

    Returns
    -------
    Separated
        Susceptibility of paramagnetic sources and size of that of diamagnetic ones in ppm, neither negative, zero
        outside the mask.

    Raises
    ------
    ScaleError
        R2′ seems to be given in 1/ms.
    """
    require_per_second(r2prime, mask, "chi_separation_closed", "R2′")
    rates = (relaxivity(r, field_strength) for r in (relaxivity_para, relaxivity_dia))
    return separated(chi, r2prime, mask, *rates)
