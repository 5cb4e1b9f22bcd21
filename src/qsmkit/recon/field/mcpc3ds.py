"""Removal of the receive phase: MCPC-3D-S."""

from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import InputError, ParameterError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.field.smooth_phase import smooth_phase, wrapped
from qsmkit.recon.unwrap.romeo import unwrap_volume

WHOLE = 1e-3
"""How near to a whole number TE₁/(TE₂ − TE₁) must be for wraps of the phase difference to cancel."""


class OffsetRemoved(NamedTuple):
    """Phase without its value at echo time zero, and that value."""

    phase: FloatArray
    phase_offset: FloatArray


@method("field", cite=("Eckstein2018",), rev=1)
def mcpc3ds(
    phase: FloatArray,
    echo_times: npt.NDArray[np.float64],
    grid: Grid,
    magnitude: FloatArray | None = None,
    mask: BoolArray | None = None,
    *,
    echoes: tuple[int, int] = (1, 2),
    sigma: Annotated[float, Gt(0)] = 10.0,
    passes: Annotated[int, Ge(1)] = 4,
) -> OffsetRemoved:
    """Remove the phase offset at echo time zero, estimated from two echoes and smoothed (MCPC-3D-S).

    φ₀ = φ₁ − TE₁/(TE₂ − TE₁) · arg(S₁* S₂), the phase difference unwrapped in space; φ₀ is smoothed as a
    complex number and subtracted from every echo (Eckstein 2018). Voxels enter with the inverse variance of
    their φ₀, from the magnitude, so that air does not bleed in. Where TE₁/(TE₂ − TE₁) is whole, wraps cancel
    and nothing is unwrapped.

    The paper smooths once, which bends the offset at the edge of the head, where the neighbourhood is
    one-sided; here the remainder is smoothed again, see `qsmkit.recon.field.smooth_phase`. `passes` = 1 is
    the published method.

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Wrapped phase in rad, coils combined, polarity of the echoes corrected.
    echo_times : (E,) array
        Echo times in s; at least two.
    grid : Grid
        Geometry.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude in arbitrary units; without it all voxels weigh the same.
    mask : (X, Y, Z) bool array, optional
        Voxels from which the offset is estimated; all where it is left out.
    echoes : tuple of int
        Numbers of the two echoes; 1 is the first.
    sigma : float
        Standard deviation of the smoothing Gaussian in mm.
    passes : int
        How often the remainder is smoothed; 1 is the published method.

    Returns
    -------
    OffsetRemoved
        phase: (X, Y, Z, E), wrapped phase in rad without offset, everywhere; phase_offset: (X, Y, Z), the
        smooth offset in rad, in [−π, π].

    Raises
    ------
    InputError
        There are fewer than two echoes.
    ParameterError
        `echoes` are not two different echoes in ascending order.
    """
    count = len(echo_times)
    if count < 2:
        raise InputError(f"mcpc3ds: {count} echo cannot tell offset from field; leave this step out")
    if not 1 <= echoes[0] < echoes[1] <= count:
        raise ParameterError(f"mcpc3ds: echoes = {echoes} are not two of {count} echoes, ascending; give 1 2")
    first, second = echoes[0] - 1, echoes[1] - 1
    ratio = float(echo_times[first] / (echo_times[second] - echo_times[first]))
    if mask is None:
        mask = np.ones(grid.shape, bool)

    difference = wrapped(phase[..., second] - phase[..., first])
    weight = mask.astype(phase.dtype)
    strength = None
    if magnitude is not None:
        m1, m2 = magnitude[..., first], magnitude[..., second]
        strength = np.sqrt(m1 * m2)
        # var φ₀ ∝ (1 + ratio)²/m₁² + ratio²/m₂²
        spread = np.hypot((1 + ratio) * m2, ratio * m1)
        weight *= np.divide(m1 * m2, spread, out=np.zeros_like(m1), where=spread > 0) ** 2
    if abs(ratio - round(ratio)) > WHOLE:
        difference = unwrap_volume(difference, mask, strength)

    offset = smooth_phase(phase[..., first] - ratio * difference, weight, grid, sigma=sigma, passes=passes)
    return OffsetRemoved(wrapped(phase - offset[..., None]), offset)
