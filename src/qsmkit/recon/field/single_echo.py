"""The field from the phase of one echo."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.field.noise import sigma_from_detail
from qsmkit.units import radians_per_ppm


class SingleEchoField(NamedTuple):
    """A field and how sure it is; with one echo nothing is left over that could tell how well it fits."""

    total_field: FloatArray
    field_sd: FloatArray


@method("field", cite=("Haacke2015",), rev=1)
def single_echo(
    unwrapped_phase: FloatArray,
    echo_times: npt.NDArray[np.float64],
    field_strength: float,
    mask: BoolArray,
    grid: Grid,
    magnitude: FloatArray | None = None,
) -> SingleEchoField:
    """Divide the unwrapped phase of the only echo by its echo time.

    ΔB = φ / (2π γ B0 TE). One echo cannot tell the phase at echo time zero (receive coils, eddy currents)
    from a field: both stay in the result. What is smooth and harmonic of it goes with the background field,
    the rest does not.

    Parameters
    ----------
    unwrapped_phase : (X, Y, Z, 1) array
        Unwrapped phase in rad.
    echo_times : (1,) array
        Echo time in s.
    field_strength : float
        Main field in T.
    mask : (X, Y, Z) bool array
        Voxels in which the phase is known.
    grid : Grid
        Geometry.
    magnitude : (X, Y, Z, 1) array, optional
        Magnitude in arbitrary units; without it the same noise is assumed everywhere.

    Returns
    -------
    SingleEchoField
        total_field: (X, Y, Z) in ppm; field_sd: (X, Y, Z) in ppm, from phase noise σ/m with σ estimated from
        the finest detail of the phase, at most that of a uniformly random phase. Both zero outside the mask.

    Raises
    ------
    InputError
        There is more than one echo.
    """
    if len(echo_times) != 1:
        raise InputError(f"single_echo: got {len(echo_times)} echoes; use nonlinear_fit, or give one")
    phase = unwrapped_phase[..., 0]
    strength = np.ones_like(phase) if magnitude is None else magnitude[..., 0].astype(phase.dtype, copy=False)
    sigma = sigma_from_detail(phase, strength, mask)
    noise = np.full_like(phase, np.pi / np.sqrt(3))
    np.divide(sigma, strength, out=noise, where=strength * noise > sigma)
    scale = 1 / radians_per_ppm(field_strength, float(echo_times[0]))
    return SingleEchoField(phase * mask * scale, noise * mask * scale)
