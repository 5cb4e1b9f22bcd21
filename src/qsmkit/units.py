"""Physical constants and the conversions between phase, frequency and relative field.

Sign convention: a paramagnetic source (χ > 0) raises the field at its centre along B0, and a raised field turns the
phase in the positive sense, so φ = 2π γ̄ B0 ΔB TE with ΔB in ppm and γ̄ B0 in MHz.
"""

import math

GAMMA_MHZ_PER_T = 42.577478518
"""Proton gyromagnetic ratio over 2π, MHz/T (CODATA 2018)."""


def hz_per_ppm(field_strength: float) -> float:
    """Return the proton frequency shift, in Hz, of a field shift of 1 ppm at `field_strength` tesla."""
    return GAMMA_MHZ_PER_T * field_strength


def radians_per_ppm(field_strength: float, echo_time: float) -> float:
    """Return the phase, in rad, that a shift of 1 ppm gathers in `echo_time` seconds at `field_strength` tesla."""
    return 2 * math.pi * hz_per_ppm(field_strength) * echo_time


def field_strength_from_frequency(imaging_frequency: float) -> float:
    """Return the field strength, in T, at which protons precess at `imaging_frequency` MHz."""
    return imaging_frequency / GAMMA_MHZ_PER_T
