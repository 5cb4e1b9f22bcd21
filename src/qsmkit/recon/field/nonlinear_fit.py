"""The field as the frequency of the complex signal."""

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange, serial
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
from qsmkit.recon.field.weighted_fit import fit_lines

CHANCE = 1e-6
"""Share of voxels that noise alone may make inconsistent: it sets how large a χ² is put down to dephasing."""

MAX_STEPS = 50
"""Most Gauss-Newton steps in a voxel; a handful is usual."""

STEP_TOLERANCE = 1e-5
"""A step that turns no echo by more than this (rad) is the last."""

FIRST_ERROR, ERROR_RATIO, MAX_ERRORS = 1.0, 1.25, 64
"""Dephasing error of the first echo (rad) to begin with, by what it is divided, and how often at most."""


@method("field", cite=("Liu2013", "Mandel1970"), rev=1)
def nonlinear_fit(
    phase: FloatArray,
    unwrapped_phase: FloatArray,
    magnitude: FloatArray,
    echo_times: npt.NDArray[np.float64],
    field_strength: float,
    mask: BoolArray,
    grid: Grid,
    *,
    offset: bool = False,
    robust: bool = True,
) -> FieldFit:
    """Fit the complex signal of all echoes, sparing those that dephasing or flow has spoilt.

    min Σ m² |e^{iφ} − e^{i(φ₀ + 2π γ B0 ΔB TE)}|² in every voxel, with m the magnitude as measured, so that
    the decay needs no model (Liu 2013). It starts from the line through the unwrapped phase; wraps of later
    echoes do not matter. Gauss-Newton steps descend at every step here, because the curvature they assume is
    never below the true one.

    A field that varies inside a voxel turns its phase away from the mean field by κ₃ TE³/6 to lowest order,
    κ₃ the third cumulant of the frequencies. Where the residuals of a voxel are beyond noise, the robust fit
    therefore adds to the variance of each echo's phase, σ²/m², an error variance (κ TE³)² with the least κ
    that makes the voxel consistent (the idea of Mandel & Paule 1970). κ comes down from a value at which only
    the earliest echo counts, so that each later echo is placed on the turn which the earlier ones predict.
    The field's SD there grows with κ, and with what is left over: it is multiplied by √(χ²/(degrees of
    freedom)).

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Wrapped phase in rad, without offset unless it is fitted.
    unwrapped_phase : (X, Y, Z, E) array
        The same unwrapped, in rad: where the fit starts, and which turn it stays on.
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    echo_times : (E,) array
        Echo times in s.
    field_strength : float
        Main field in T.
    mask : (X, Y, Z) bool array
        Voxels to fit.
    grid : Grid
        Geometry.
    offset : bool
        Fit φ₀, the phase at echo time zero, in every voxel. Needed where the receive phase was not removed;
        it raises the noise of the field by half or more.
    robust : bool
        Trust later echoes less in voxels where the echoes contradict each other; otherwise the plain fit of
        Liu 2013.

    Returns
    -------
    FieldFit
        total_field: (X, Y, Z) in ppm; field_sd: (X, Y, Z) in ppm, from the Fisher information with σ
        estimated from the residuals in the mask (from the finest detail of the first echo where the fit
        leaves no freedom); fit_residual: (X, Y, Z), norm of the complex residual over that of the signal, 0
        to 2. All zero outside the mask.

    Raises
    ------
    InputError
        There is one echo and an offset to fit.
    """
    freedom = degrees_of_freedom("nonlinear_fit", len(echo_times), offset=offset)
    start, strength = contiguous(unwrapped_phase, magnitude)
    signal, inside = np.ascontiguousarray(phase, start.dtype), np.ascontiguousarray(mask)
    maps = Maps.zeros(start)
    fit_lines(start, strength, inside, echo_times, offset, *maps)
    _descend_everywhere(signal, strength, inside, echo_times, offset, *maps)
    sigma = noise_of(maps, start, strength, mask, freedom)
    if robust and freedom > 0 and sigma > 0:
        limit = float(chi2.isf(CHANCE, freedom))
        _reconcile(signal, start, strength, inside, echo_times, offset, sigma, limit, freedom, *maps)
    return as_field(maps, sigma, echo_times, field_strength, mask, offset=offset)


@parallel
def _descend_everywhere(  # type: ignore[no-untyped-def]
    phase, magnitude, mask, times, offset, slope, intercept, spread_, misfit, residual
):
    """Improve slope and intercept of every voxel with the weights m²."""
    for x in prange(mask.shape[0]):
        weights = np.empty(times.size)
        for y in range(mask.shape[1]):
            for z in range(mask.shape[2]):
                if mask[x, y, z]:
                    p, m = phase[x, y, z], magnitude[x, y, z]
                    for e in range(times.size):
                        weights[e] = np.float64(m[e]) * m[e]
                    a, b = _descend(p, weights, times, offset, slope[x, y, z], intercept[x, y, z])
                    slope[x, y, z] = a
                    intercept[x, y, z] = b
                    misfit[x, y, z], residual[x, y, z] = leftover(p, m, times, a, b)


@parallel
def _reconcile(  # type: ignore[no-untyped-def]
    phase, unwrapped, magnitude, mask, times, offset, sigma, limit, freedom,
    slope, intercept, spread_, misfit, residual,
):
    """Fit again, with the least dephasing error that explains them, voxels whose χ² is above the limit."""
    growth = (times / times[0]) ** 3
    for x in prange(mask.shape[0]):
        noise, weights = np.empty(times.size), np.empty(times.size)
        for y in range(mask.shape[1]):
            for z in range(mask.shape[2]):
                if not mask[x, y, z] or misfit[x, y, z] <= limit * sigma * sigma:
                    continue
                p, m = phase[x, y, z], magnitude[x, y, z]
                for e in range(times.size):
                    noise[e] = (sigma / m[e]) ** 2 if m[e] > 0 else np.inf
                weights[:] = 1.0
                first = 1 + offset
                a, b = line(unwrapped[x, y, z, :first], weights[:first], times[:first], offset)
                error = FIRST_ERROR
                for _ in range(MAX_ERRORS):
                    for e in range(times.size):
                        weights[e] = 1 / (noise[e] + (error * growth[e]) ** 2)
                    a, b = _descend(p, weights, times, offset, a, b)
                    chi_square = _chi_square(p, weights, times, a, b)
                    if chi_square > limit:
                        break
                    slope[x, y, z] = a
                    intercept[x, y, z] = b
                    birge = math.sqrt(max(1.0, chi_square / freedom))
                    spread_[x, y, z] = spread(weights, times, offset) * birge / sigma
                    error /= ERROR_RATIO
                _, residual[x, y, z] = leftover(p, m, times, slope[x, y, z], intercept[x, y, z])


@serial
def _descend(phases, weights, times, offset, slope, intercept):  # type: ignore[no-untyped-def]
    """Return slope and intercept at the least Σ w (1 − cos r) downhill from those given."""
    a, b = np.float64(slope), np.float64(intercept)
    turn = np.empty(times.size)
    for _ in range(MAX_STEPS):
        for e in range(times.size):
            turn[e] = math.sin(phases[e] - b - a * times[e])
        da, db = line(turn, weights, times, offset)
        a += da
        b += db
        if abs(db) + abs(da) * times[-1] < STEP_TOLERANCE:
            break
    return a, b


@serial
def _chi_square(phases, weights, times, slope, intercept):  # type: ignore[no-untyped-def]
    """Return Σ w r² with the residuals r wrapped."""
    total = 0.0
    for e in range(times.size):
        r = phases[e] - intercept - slope * times[e]
        r -= 2 * math.pi * math.floor(r / (2 * math.pi) + 0.5)
        total += weights[e] * r * r
    return total
