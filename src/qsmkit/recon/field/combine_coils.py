"""Combination of receive coils: MCPC-3D-S."""

from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.errors import InputError, ParameterError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.field.mcpc3ds import WHOLE
from qsmkit.recon.field.smooth_phase import smooth_phase
from qsmkit.recon.unwrap.romeo import unwrap_volume


class Combined(NamedTuple):
    """What one coil that sees everything would have measured; names as in the artifact table."""

    phase: FloatArray
    magnitude: FloatArray


@method("field", cite=("Eckstein2018",), rev=1)
def combine_coils(
    coil_phase: FloatArray,
    coil_magnitude: FloatArray,
    echo_times: npt.NDArray[np.float64],
    grid: Grid,
    mask: BoolArray | None = None,
    *,
    echoes: tuple[int, int] = (1, 2),
    sigma: Annotated[float, Gt(0)] = 10.0,
    passes: Annotated[int, Ge(1)] = 4,
) -> Combined:
    """Combine coils after removing from each its own phase at echo time zero (MCPC-3D-S).

    Δφ = arg Σ_c S₁c* S₂c is free of every coil's phase; φ₀c = φ₁c − TE₁/(TE₂ − TE₁) Δφ is the phase of coil c
    (Eckstein 2018), with Δφ unwrapped in space unless TE₁/(TE₂ − TE₁) is whole. Each φ₀c is smoothed as a complex
    number, voxels weighted by the coil's squared magnitude, and

        S = Σ_c m_c² e^{i(φ_c − φ₀c)} / √Σ_c m_c²

    A coil's phase may have singularities where it sees nothing: smoothed as complex numbers they stay what they are and
    leave with the rest. No offset is left to remove, the step `mcpc3ds` is not needed after this.

    Parameters
    ----------
    coil_phase : (X, Y, Z, E, C) array
        Wrapped phase of each coil in rad, echo fourth, coil last.
    coil_magnitude : (X, Y, Z, E, C) array
        Magnitude of each coil in arbitrary units, the same for all.
    echo_times : (E,) array
        Echo times in s; at least two.
    grid : Grid
        Geometry.
    mask : (X, Y, Z) bool array, optional
        Voxels from which the coils' phases are estimated; all where it is left out.
    echoes : tuple of int
        Numbers of the two echoes; 1 is the first. Their readouts have the same polarity.
    sigma : float
        Standard deviation of the smoothing Gaussian in mm.
    passes : int
        How often the remainder is smoothed, see `qsmkit.recon.field.smooth_phase`; 1 is the published method.

    Returns
    -------
    Combined
        phase: (X, Y, Z, E), wrapped, in rad, zero at echo time zero; magnitude: (X, Y, Z, E), the root sum of squares
        where the coils agree, less where they do not, in the coils' unit.

    Raises
    ------
    InputError
        There are fewer than two echoes, or the two arrays differ in shape.
    ParameterError
        `echoes` are not two different echoes in ascending order.
    """
    count = len(echo_times)
    if count < 2:
        raise InputError(f"combine_coils: {count} echo cannot tell a coil's phase from the field; give two or more")
    if not 1 <= echoes[0] < echoes[1] <= count:
        raise ParameterError(f"combine_coils: echoes = {echoes} are not two of {count} echoes, ascending; give 1 2")
    if coil_phase.shape != coil_magnitude.shape:
        raise InputError(
            f"combine_coils: coil_phase has shape {coil_phase.shape}, but coil_magnitude {coil_magnitude.shape}; give "
            "both for the same coils"
        )
    first, second = echoes[0] - 1, echoes[1] - 1
    inside = np.ones(grid.shape, np.bool_) if mask is None else mask
    product = _inner_product(coil_phase, coil_magnitude, first, second, inside)
    evolution = np.angle(product)
    ratio = float(echo_times[first] / (echo_times[second] - echo_times[first]))
    if abs(ratio - round(ratio)) > WHOLE:
        evolution = unwrap_volume(evolution, inside, np.sqrt(np.abs(product)))
    evolution *= ratio

    shape = coil_phase.shape[:4]
    real, imaginary, power = (np.zeros(shape, coil_phase.dtype) for _ in range(3))
    for c in range(coil_phase.shape[-1]):
        phase, magnitude = coil_phase[..., c], coil_magnitude[..., c].astype(coil_phase.dtype, copy=False)
        weight = magnitude[..., first] ** 2 * inside
        offset = smooth_phase(phase[..., first] - evolution, weight, grid, sigma=sigma, passes=passes)
        _add(np.ascontiguousarray(phase), np.ascontiguousarray(magnitude), offset, real, imaginary, power)
    combined = np.hypot(real, imaginary)
    combined /= np.sqrt(power, out=power).clip(np.finfo(power.dtype).tiny)
    return Combined(np.arctan2(imaginary, real), combined)


def _inner_product(
    coil_phase: FloatArray, coil_magnitude: FloatArray, first: int, second: int, inside: BoolArray
) -> npt.NDArray[np.complexfloating]:
    """Return Σ_c S₁c* S₂c inside the mask: its phase is what the field turns between the two echoes."""
    total = np.zeros(inside.shape, np.result_type(coil_phase.dtype, np.complex64))
    for c in range(coil_phase.shape[-1]):
        strength = coil_magnitude[..., first, c] * coil_magnitude[..., second, c]
        total += strength * np.exp(1j * (coil_phase[..., second, c] - coil_phase[..., first, c]))
    total *= inside
    return total


@parallel
def _add(phase, magnitude, offset, real, imaginary, power):  # type: ignore[no-untyped-def]
    nx, ny, nz, echoes = phase.shape
    for i in prange(nx):
        for j in range(ny):
            for k in range(nz):
                for e in range(echoes):
                    square = magnitude[i, j, k, e] * magnitude[i, j, k, e]
                    angle = phase[i, j, k, e] - offset[i, j, k]
                    real[i, j, k, e] += square * np.cos(angle)
                    imaginary[i, j, k, e] += square * np.sin(angle)
                    power[i, j, k, e] += square
