"""The field as the slope of the unwrapped phase."""

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.field.line import (
    FieldFit,
    Maps,
    as_field,
    contiguous,
    degrees_of_freedom,
    leftover,
    line,
    noise_of,
    spread,
)


@method("field", cite=("Gilbert2012",), rev=1)
def weighted_fit(
    unwrapped_phase: FloatArray,
    echo_times: npt.NDArray[np.float64],
    field_strength: float,
    mask: BoolArray,
    grid: Grid,
    magnitude: FloatArray | None = None,
    *,
    offset: bool = False,
) -> FieldFit:
    """Fit a line to the unwrapped phase, weighted by the squared magnitude.

    ΔB = Σ m² TE φ / (2π γ B0 Σ m² TE²), or with an offset the slope of φ = φ₀ + 2π γ B0 ΔB TE. Phase noise
    has the variance σ²/m², so these weights make the most likely field of phase that is unwrapped without
    error.

    Parameters
    ----------
    unwrapped_phase : (X, Y, Z, E) array
        Unwrapped phase in rad.
    echo_times : (E,) array
        Echo times in s.
    field_strength : float
        Main field in T.
    mask : (X, Y, Z) bool array
        Voxels to fit.
    grid : Grid
        Geometry.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude in arbitrary units; without it all echoes weigh the same.
    offset : bool
        Fit the phase at echo time zero in every voxel. Needed where the receive phase was not removed; it
        raises the noise of the field by half or more.

    Returns
    -------
    FieldFit
        total_field: (X, Y, Z) in ppm; field_sd: (X, Y, Z) in ppm, propagated from σ, which is estimated from
        the residuals in the mask (from the finest detail of the first echo where the fit leaves no freedom);
        fit_residual: (X, Y, Z), norm of the complex residual over that of the signal, 0 to 2. All zero
        outside the mask.

    Raises
    ------
    InputError
        There is one echo and an offset to fit.
    """
    freedom = degrees_of_freedom("weighted_fit", len(echo_times), offset=offset)
    phase, strength = contiguous(unwrapped_phase, magnitude)
    maps = Maps.zeros(phase)
    fit_lines(phase, strength, np.ascontiguousarray(mask), echo_times, offset, *maps)
    sigma = noise_of(maps, phase, strength, mask, freedom)
    return as_field(maps, sigma, echo_times, field_strength, mask, offset=offset)


@parallel
def fit_lines(  # type: ignore[no-untyped-def]
    phase, magnitude, mask, times, offset, slope, intercept, spread_, misfit, residual
):
    """Fit the line of every voxel in the mask."""
    for x in prange(mask.shape[0]):
        weights = np.empty(times.size)
        for y in range(mask.shape[1]):
            for z in range(mask.shape[2]):
                if mask[x, y, z]:
                    m = magnitude[x, y, z]
                    for e in range(times.size):
                        weights[e] = np.float64(m[e]) * m[e]
                    a, b = line(phase[x, y, z], weights, times, offset)
                    slope[x, y, z] = a
                    intercept[x, y, z] = b
                    spread_[x, y, z] = spread(weights, times, offset)
                    misfit[x, y, z], residual[x, y, z] = leftover(phase[x, y, z], m, times, a, b)
