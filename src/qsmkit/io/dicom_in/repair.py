"""GE's phase: the sign of every second slice, and the sense in which it turns.

GE scanners reconstruct a slab without centring it along the slices, so that every second slice of the complex image is
negated, and they count phase backwards:

    S_k = (−1)^k A_k e^{−iφ_k}

Both are undone here: whether slices alternate is seen in the images, the sense is the manufacturer's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qsmkit.arrays import AnyArray, FloatArray
from qsmkit.errors import InputError

CERTAIN = 0.2
"""Least mean cosine between neighbouring slices that tells whether they alternate (modelling choice)."""


def to_magnitude_and_phase(real: AnyArray, imaginary: AnyArray) -> tuple[FloatArray, FloatArray]:
    """Return magnitude and phase of a complex image.

    Parameters
    ----------
    real, imaginary : (X, Y, Z) array
        Arbitrary units.

    Returns
    -------
    magnitude : (X, Y, Z) array
        Arbitrary units, float32.
    phase : (X, Y, Z) array
        Rad, float32.
    """
    re, im = real.astype(np.float32), imaginary.astype(np.float32)
    return np.hypot(re, im), np.arctan2(im, re)


def slices_alternate(magnitude: FloatArray, phase: FloatArray, axis: int) -> bool:
    """Return whether the complex image changes its sign from slice to slice.

    c = Re Σ_k p_k / Σ_k |p_k|, p_k = Σ_r S*_k S_{k+1}, is near 1 where neighbours agree, near −1 where they alternate.

    Parameters
    ----------
    magnitude, phase : (X, Y, Z) array
        Arbitrary units and rad, of the first echo.
    axis : int
        Axis of the slices.

    Raises
    ------
    InputError
        The slices tell neither.
    """
    signal = np.moveaxis(magnitude * np.exp(1j * phase), axis, 0)
    product = (signal[:-1].conj() * signal[1:]).sum(axis=(1, 2))
    total = np.abs(product).sum()
    cosine = float(product.real.sum() / total) if total else 0.0
    if abs(cosine) < CERTAIN:
        raise InputError(
            f"whether every second slice is negated cannot be told (mean cosine {cosine:.2f} between neighbours); "
            "export magnitude and phase"
        )
    return cosine < 0


def repair_ge(
    phases: Sequence[FloatArray], magnitude: FloatArray, axis: int
) -> tuple[list[FloatArray], tuple[str, ...]]:
    """Undo GE's alternating slices and its sense of phase.

    Parameters
    ----------
    phases : sequence of (X, Y, Z) array
        Wrapped phase of each echo in rad, as the scanner counts it.
    magnitude : (X, Y, Z) array
        Of the first echo, arbitrary units.
    axis : int
        Axis of the slices.

    Returns
    -------
    phases : list of (X, Y, Z) array
        Wrapped phase in rad; a paramagnetic source gives positive phase.
    notes : tuple of str
        What was done.
    """
    alternate = slices_alternate(magnitude, phases[0], axis)
    odd = (slice(None),) * axis + (slice(1, None, 2),)
    repaired = []
    for phase in phases:
        turned: FloatArray = -phase
        if alternate:
            turned[odd] -= np.float32(np.pi) * np.sign(turned[odd])
        repaired.append(turned)
    notes = ("phase negated, for GE counts it backwards",)
    return repaired, (("sign of every second slice turned back", *notes) if alternate else notes)
