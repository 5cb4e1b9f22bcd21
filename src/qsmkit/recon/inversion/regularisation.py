"""How strong a prior should be, told from the field itself.

A closed-form inversion χ(k) = D B / (D² + λ P) passes the share h = 1 / (1 + λ q) of the field, where q = P/D² says
what the prior costs at k. Every criterion below is made of sums over k of h, of the field's energy E and of q; they
are taken from one histogram over log q, after which any number of strengths λ costs nothing:

    residual ρ = Σ E (1 − h)²,    penalty η = Σ E q h²,    degrees of freedom τ = mean h

gcv          minimises ρ / (1 − τ)²: generalised cross-validation (Golub 1979). No noise level needed.
sure         minimises ρ + 2 S τ, S = Σ σ² the energy of the noise: Stein's unbiased estimate of the error of the
             field that is explained (Stein 1981).
discrepancy  makes ρ = S: the residual is as large as the noise (Morozov 1966).
lcurve       maximises the curvature of log η over log ρ (Hansen 1993).

Total variation has no such sums; `variation_strength` is a rule in their place.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, ComplexArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.errors import InputError
from qsmkit.physics.derivatives import VoxelSize

Criterion = Literal["gcv", "sure", "discrepancy", "lcurve"]
Curve = npt.NDArray[np.float64]

BINS_PER_OCTAVE = 16
LOWEST, HIGHEST = -24, 40
"""Range of log₂ q of the histogram; what lies beyond is counted in its first or last bin."""
STRENGTHS = 240
"""Strengths that are compared, evenly spaced in log λ."""

NOISE_FACTOR = 0.065
"""λ of total variation over σ h, dimensionless; see `variation_strength`."""
TYPICAL_SD = 1.25e-3
"""Median σ in ppm that is taken where none is known: of a scan of four echoes at 3 T, 1 mm."""


class Costs(NamedTuple):
    """The histogram over q = P/D², what the prior costs.

    Attributes
    ----------
    q : (B,) array
        Centres of the bins, in the unit of P.
    share : (B,) array
        Share of k-space that lies in each bin.
    energy : (B,) array
        Energy Σ B² of the field in each bin, ppm² summed over voxels.
    """

    q: Curve
    share: Curve
    energy: Curve


def histogram(spectrum: ComplexArray, dipole: FloatArray, penalty: FloatArray, length: int) -> Costs:
    """Return how k-space and the field's energy are spread over q.

    Parameters
    ----------
    spectrum : (X, Y, Z//2 + 1) array
        The field's half spectrum, ppm.
    dipole, penalty : (X, Y, Z//2 + 1) array
        D, dimensionless, and P.
    length : int
        Z, voxels along the last axis.
    """
    count = (HIGHEST - LOWEST) * BINS_PER_OCTAVE
    sums = np.zeros((dipole.shape[0], 2, count))
    _histogram(spectrum, dipole, penalty, length, LOWEST, BINS_PER_OCTAVE, sums)
    voxels = dipole.shape[0] * dipole.shape[1] * length
    number, energy = sums.sum(axis=0)
    q = 2.0 ** (LOWEST + (np.arange(count) + 0.5) / BINS_PER_OCTAVE)
    return Costs(q, number / voxels, energy / voxels)


def strength(costs: Costs, criterion: Criterion, noise: float | None) -> float:
    """Return λ in the inverse unit of q.

    Parameters
    ----------
    costs : Costs
        The histogram.
    criterion : {"gcv", "sure", "discrepancy", "lcurve"}
        See above.
    noise : float or None
        S, the sum of the noise's variance over the mask in ppm²; used by "sure" and "discrepancy".

    Raises
    ------
    InputError
        The criterion needs the noise, which is missing, or the noise is larger than the field.
    """
    below = np.cumsum(costs.share)
    often, seldom = costs.q[np.searchsorted(below, (0.02 * below[-1], 0.995 * below[-1]))]
    strengths = np.geomspace(1 / seldom, 10 / often, STRENGTHS)
    passed = 1 / (1 + strengths[:, None] * costs.q)
    residual, freedom = (1 - passed) ** 2 @ costs.energy, passed @ costs.share
    if criterion == "gcv":
        return float(strengths[np.argmin(residual / (1 - freedom) ** 2)])
    if criterion == "lcurve":
        size = passed**2 @ (costs.energy * costs.q)
        return float(strengths[np.argmax(_curvature(np.log(residual), np.log(size)))])
    if noise is None:
        raise InputError(f"{criterion} compares with the noise, which is not known; give field_sd, or choose gcv")
    if criterion == "sure":
        return float(strengths[np.argmin(residual + 2 * noise * freedom)])
    if costs.energy.sum() <= noise:
        raise InputError(
            f"the field's energy, {costs.energy.sum():.3g} ppm², is no more than its noise, {noise:.3g} ppm²; "
            "check the unit of field_sd, or choose gcv"
        )
    return float(np.exp(np.interp(noise, residual, np.log(strengths))))


def variation_strength(field_sd: FloatArray | None, mask: BoolArray, voxel_size: VoxelSize) -> float:
    """Return λ of a total-variation inversion in ppm mm: 0.065 times the median noise and the voxel's edge.

        χ = argmin ½ ‖W (D χ − B)‖² + λ Σ |∇χ|,    λ = 0.065 median(σ) h,    h the cube root of the voxel's volume

    The noise of a voxel pulls at χ by σ, and total variation resists by up to λ/h. Fitted on simulated heads at 1.5 to
    7 T, 1 to 2 mm, with half to twice their noise: λ of the least NRMSE lies between 0.050 and 0.072 σ h, for σ from
    0.3 to 2.7 ppb, and the rule's NRMSE is at most 0.5 % of the truth above the least. XSIM is largest at
    0.04 to 0.19 σ h.

    Parameters
    ----------
    field_sd : (X, Y, Z) array or None
        Standard deviation of the field in ppm; voxels where it is zero or less are left out. Without one, 1.25 ppb is
        taken, typical of four echoes at 3 T and 1 mm.
    mask : (X, Y, Z) bool array
        Voxels in which the field is known.
    voxel_size : tuple of float
        mm.

    Raises
    ------
    InputError
        The standard deviation is nowhere positive inside the mask.
    """
    typical = TYPICAL_SD
    if field_sd is not None:
        known = field_sd[mask & (field_sd > 0)]
        if not known.size:
            raise InputError("field_sd is nowhere positive inside the mask; give one in ppm, or leave it out")
        typical = float(np.median(known))
    return NOISE_FACTOR * typical * float(np.cbrt(np.prod(voxel_size)))


def _curvature(x: Curve, y: Curve) -> Curve:
    """Return the curvature of an evenly sampled plane curve; its ends, where differences are one-sided, are last."""
    dx, dy = np.gradient(x), np.gradient(y)
    curvature = (dx * np.gradient(dy) - dy * np.gradient(dx)) / (dx**2 + dy**2) ** 1.5
    curvature[[0, 1, -2, -1]] = -np.inf
    return curvature


@parallel
def _histogram(spectrum, dipole, penalty, length, lowest, per_octave, sums):  # type: ignore[no-untyped-def]
    """Add up number and energy by plane, so that sums do not depend on the threads; inner planes count twice."""
    count = sums.shape[2]
    for i in prange(dipole.shape[0]):
        for j in range(dipole.shape[1]):
            for k in range(dipole.shape[2]):
                if i + j + k == 0:
                    continue
                times = 1 if k == 0 or 2 * k == length else 2
                d, p = dipole[i, j, k], penalty[i, j, k]
                place = count - 1
                if d * d > 0:
                    octave = np.log2(max(p / (d * d), np.float32(1e-12)))
                    place = min(max(int((octave - lowest) * per_octave), 0), count - 1)
                s = spectrum[i, j, k]
                sums[i, 0, place] += times
                sums[i, 1, place] += times * (s.real * s.real + s.imag * s.imag)
