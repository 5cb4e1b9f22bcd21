"""What sources of susceptibility do to the decay: R2′ = D⁺ χ⁺ + D⁻ χ⁻, and the answer that this gives by itself.

Iron and myelin pull the field apart in opposite directions, but both make it uneven: χ = χ⁺ − χ⁻ tells their
difference, R2′ their sum. χ⁻ is kept as a size, so that neither map is negative. D, the relaxivity, grows with the
field strength and is stated at 3 T. In the brain it is 137 Hz/ppm, measured in iron-rich nuclei (Shin 2021,
`Shin2021`); spheres at rest, without diffusion, would reach 2π γ B0 / 9√3, 323 Hz/ppm at 3 T (Yablonskiy 1994,
`Yablonskiy1994`).
"""

from typing import NamedTuple

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.errors import ScaleError


class Separated(NamedTuple):
    """Sources of either sign; names as in the artifact table."""

    chi_para: FloatArray
    chi_dia: FloatArray


def relaxivity(at_3t: float, field_strength: float) -> float:
    """Return a relaxivity in Hz/ppm at `field_strength` tesla from the one at 3 T: they are in proportion."""
    return at_3t * field_strength / 3


def require_per_second(rate: FloatArray, mask: BoolArray, who: str, what: str) -> None:
    """Raise ScaleError if rates look like 1/ms: no tissue decays as slowly as that would be in 1/s.

    Parameters
    ----------
    rate : (X, Y, Z) array
        Relaxation rate in 1/s.
    mask : (X, Y, Z) bool array
        Voxels to look at.
    who, what : str
        Names of the method and of the map, for the message.
    """
    highest = float(np.percentile(rate[mask], 99))
    if 0 < highest < 1:
        raise ScaleError(f"{who}: 99 % of {what} are below {highest:.3g} 1/s, as if given in 1/ms; multiply it by 1000")


def separated(
    chi: FloatArray, rate: FloatArray, mask: BoolArray, positive: float, negative: float
) -> Separated:
    """Return the sources that explain χ and the rate best, in every voxel by itself.

    χ⁺ − χ⁻ = χ and D⁺ χ⁺ + D⁻ χ⁻ = R have one solution. Where it has a negative part, that part is zero and the
    other the least-squares compromise between both equations, each in ppm.

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility in ppm.
    rate : (X, Y, Z) array
        R in 1/s.
    mask : (X, Y, Z) bool array
        Voxels to separate.
    positive, negative : float
        Relaxivities D⁺ and D⁻ in Hz/ppm.

    Returns
    -------
    Separated
        In ppm, zero outside the mask.
    """
    mean = (positive + negative) / 2
    constants = np.array([1 / mean, positive / mean, negative / mean], chi.dtype)
    found = Separated(np.zeros_like(chi), np.zeros_like(chi))
    _separate(chi, rate, mask, constants, *found)
    return found


@parallel
def _separate(chi, rate, mask, constants, para, dia):  # type: ignore[no-untyped-def]
    inverse, a, b = constants
    one, zero = a / a, a - a
    for i in prange(mask.shape[0]):
        for j in range(mask.shape[1]):
            for k in range(mask.shape[2]):
                if mask[i, j, k]:
                    x, r = chi[i, j, k], rate[i, j, k] * inverse
                    p, n = (r + b * x) / (a + b), (r - a * x) / (a + b)
                    if n < zero:
                        p, n = max(zero, (x + a * r) / (one + a * a)), zero
                    elif p < zero:
                        p, n = zero, max(zero, (b * r - x) / (one + b * b))
                    para[i, j, k], dia[i, j, k] = p, n
