"""R2* and T2*: how fast the signal of a voxel decays, from the magnitudes of its echoes."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange, serial
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.field.echoes import even_spacing
from qsmkit.recon.field.line import line
from qsmkit.recon.field.noise import sigma_from_detail

FASTEST = 10.0
"""Largest R2* in inverse first echo spacings: a faster decay leaves no second echo to measure it by."""

MAX_STEPS = 50
"""Most Levenberg-Marquardt steps in a voxel; a handful is usual."""

TOLERANCE = 1e-5
"""Relative change of R2* at which a voxel is done."""


class Relaxation(NamedTuple):
    """Rate and time of the decay, both zero where it cannot be told."""

    r2star: FloatArray
    t2star: FloatArray


@method("relaxometry", cite="Pei2015", rev=1)
def arlo(
    magnitude: FloatArray, echo_times: npt.NDArray[np.float64], mask: BoolArray, grid: Grid
) -> Relaxation:
    """Get R2* without iterating, from Simpson's rule applied to the decay (ARLO).

    An exponential obeys ∫ S dt = T2* (S_i − S_{i+2}) over two spacings Δ. With Simpson's s_i = Δ/3 (S_i + 4
    S_{i+1} + S_{i+2}) for the integral and d_i = S_i − S_{i+2}, least squares of this auto-regression give

        T2* = (Σ s_i² + Δ/3 Σ s_i d_i) / (Σ s_i d_i + Δ/3 Σ d_i²)                      (Pei 2015).

    Parameters
    ----------
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    echo_times : (E,) array
        Echo times in s; at least three, equally spaced.
    mask : (X, Y, Z) bool array
        Voxels to fit.
    grid : Grid
        Geometry.

    Returns
    -------
    Relaxation
        r2star: (X, Y, Z) in 1/s; t2star: (X, Y, Z) in s. Both zero outside the mask and where the signal does
        not decay.

    Raises
    ------
    InputError
        There are fewer than three echoes, or they are not equally spaced.
    """
    if len(echo_times) < 3:
        raise InputError(f"arlo: {len(echo_times)} echoes are fewer than three; use r2star_nonlinear for two")
    spacing = even_spacing(echo_times)
    if spacing is None:
        raise InputError(f"arlo: echo times {echo_times.tolist()} s are uneven; use r2star_nonlinear")
    times = _empty(magnitude)
    _auto_regress(np.ascontiguousarray(magnitude), np.ascontiguousarray(mask), spacing / 3, times)
    return Relaxation(np.divide(1, times, out=np.zeros_like(times), where=times > 0), times)


@method("relaxometry", cite=("Pei2015", "Gudbjartsson1995"), rev=1)
def r2star_nonlinear(
    magnitude: FloatArray,
    echo_times: npt.NDArray[np.float64],
    mask: BoolArray,
    grid: Grid,
    *,
    noise_floor: bool = True,
) -> Relaxation:
    """Get R2* by a nonlinear least-squares fit of a decaying exponential.

    min Σ (m_e − √(A² e^{−2 R2* TE_e} + σ²))² in every voxel by Levenberg's and Marquardt's method, the
    reference that ARLO is measured by (Pei 2015). The root is the mean that noise of SD σ on real and imaginary
    part gives a magnitude well above it (Gudbjartsson & Patz 1995); σ is estimated from the finest detail of
    the last echo.

    Parameters
    ----------
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    echo_times : (E,) array
        Echo times in s; at least two.
    mask : (X, Y, Z) bool array
        Voxels to fit.
    grid : Grid
        Geometry.
    noise_floor : bool
        Allow for the noise in magnitudes; otherwise σ = 0, a plain exponential.

    Returns
    -------
    Relaxation
        r2star: (X, Y, Z) in 1/s, at most 10 per first echo spacing; t2star: (X, Y, Z) in s. Both zero outside
        the mask and where the signal does not decay.

    Raises
    ------
    InputError
        There is one echo.
    """
    if len(echo_times) < 2:
        raise InputError("r2star_nonlinear: 1 echo shows no decay; give two or more")
    floor = sigma_from_detail(magnitude[..., -1], None, mask) if noise_floor else 0.0
    rates = _empty(magnitude)
    fastest = FASTEST / float(echo_times[1] - echo_times[0])
    _fit(np.ascontiguousarray(magnitude), np.ascontiguousarray(mask), echo_times, floor, fastest, rates)
    return Relaxation(rates, np.divide(1, rates, out=np.zeros_like(rates), where=rates > 0))


def _empty(magnitude: FloatArray) -> FloatArray:
    return np.zeros(magnitude.shape[:3], magnitude.dtype)


@parallel
def _auto_regress(magnitude, mask, third, t2star):  # type: ignore[no-untyped-def]
    for x in prange(mask.shape[0]):
        for y in range(mask.shape[1]):
            for z in range(mask.shape[2]):
                if mask[x, y, z]:
                    m = magnitude[x, y, z]
                    ss = sd = dd = 0.0
                    for e in range(m.size - 2):
                        s = third * (m[e] + 4 * m[e + 1] + m[e + 2])
                        d = m[e] - m[e + 2]
                        ss += s * s
                        sd += s * d
                        dd += d * d
                    above, below = ss + third * sd, sd + third * dd
                    if above > 0 and below > 0:
                        t2star[x, y, z] = above / below


@parallel
def _fit(magnitude, mask, times, floor, fastest, r2star):  # type: ignore[no-untyped-def]
    for x in prange(mask.shape[0]):
        logs, weights = np.empty(times.size), np.empty(times.size)
        for y in range(mask.shape[1]):
            for z in range(mask.shape[2]):
                if not mask[x, y, z]:
                    continue
                m = magnitude[x, y, z]
                signals = 0
                for e in range(times.size):
                    signals += m[e] > 0
                    weights[e] = np.float64(m[e]) * m[e]
                    logs[e] = math.log(m[e]) if m[e] > 0 else 0.0
                if signals < 2:
                    continue
                slope, level = line(logs, weights, times, True)
                rate = _levenberg_marquardt(m, times, floor, math.exp(level), min(max(-slope, 0.0), fastest))
                r2star[x, y, z] = min(max(rate, 0.0), fastest)


@serial
def _levenberg_marquardt(m, times, floor, amplitude, rate):  # type: ignore[no-untyped-def]
    """Return the rate of the exponential over a noise floor that is nearest to the magnitudes."""
    damping = 1e-3
    cost, gaa, gar, grr, ra, rr = _normal_equations(m, times, floor, amplitude, rate)
    for _ in range(MAX_STEPS):
        a, r = gaa * (1 + damping), grr * (1 + damping)
        determinant = a * r - gar * gar
        if not determinant > 0:
            break
        new_amplitude = amplitude + (r * ra - gar * rr) / determinant
        new_rate = rate + (a * rr - gar * ra) / determinant
        trial = _normal_equations(m, times, floor, new_amplitude, new_rate)
        if trial[0] <= cost:
            done = abs(new_rate - rate) <= TOLERANCE * abs(new_rate)
            amplitude, rate = new_amplitude, new_rate
            cost, gaa, gar, grr, ra, rr = trial
            damping *= 0.1
            if done:
                break
        else:
            damping *= 10
            if damping > 1e8:
                break
    return rate


@serial
def _normal_equations(m, times, floor, amplitude, rate):  # type: ignore[no-untyped-def]
    """Return the cost, JᵀJ (three numbers) and Jᵀ(residual) (two) for amplitude and rate."""
    cost = gaa = gar = grr = ra = rr = 0.0
    for e in range(times.size):
        decay = math.exp(-rate * times[e])
        clean = amplitude * decay
        value = math.sqrt(clean * clean + floor * floor)
        bend = clean / value if value > 0 else 1.0
        ja, jr = bend * decay, -bend * clean * times[e]
        residual = m[e] - value
        cost += residual * residual
        gaa += ja * ja
        gar += ja * jr
        grr += jr * jr
        ra += ja * residual
        rr += jr * residual
    return cost, gaa, gar, grr, ra, rr
