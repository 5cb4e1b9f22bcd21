"""ROMEO's edge weights: how far the phase difference between two neighbouring voxels can be trusted.

The weight of an edge is the product of 0.1 + 0.9 c over the chosen terms c, each between 0 and 1 (Dymerska
2020, `Dymerska2020`), stored as a whole number from 1 to 255; 0 is no edge. With w(·) wrapping into ±π, Δ the
difference across the edge, φ the phase of the echo that is unwrapped, φ' that of its partner echo, TE and TE'
their echo times and m the magnitude:

    phase_coherence        1 − |w(Δφ)| / π
    gradient_coherence     max(0, 1 − |w(Δφ) − w(Δφ') TE/TE'|)
    phase_linearity        max(0, 1 − |w(φ_a − 2 φ_b + φ_c)| / 2), times the same for the other of the two
                           triplets a, b, c of voxels in line that hold the edge; 0.9 for one beyond the mask
    magnitude_coherence    (min m / max m)²
    low_magnitude          0.5 + 0.5 min(1, min m / m½), which distrusts dark voxels
    high_magnitude         0.5 + 0.5 min(1, m½ / max m), which distrusts bright ones, as in inflow

where m½ is half the 95th percentile of the magnitude. Terms whose data are absent (no second echo, no
magnitude) drop out.
"""

import math
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange, serial
from qsmkit.errors import ParameterError
from qsmkit.recon.unwrap.growing import TURN, Weights

Term = Literal[
    "phase_coherence", "gradient_coherence", "phase_linearity",
    "magnitude_coherence", "low_magnitude", "high_magnitude",
]  # fmt: skip
TERMS: tuple[Term, ...] = get_args(Term)
PUBLISHED: tuple[Term, ...] = TERMS[:4]

PHASE_COHERENCE, GRADIENT_COHERENCE, PHASE_LINEARITY, MAGNITUDE_COHERENCE, LOW, HIGH = range(len(TERMS))


def echo_weights(
    phase: FloatArray,
    echo_times: npt.NDArray[np.float64],
    echo: int,
    mask: BoolArray,
    magnitude: FloatArray | None = None,
    terms: tuple[Term, ...] = PUBLISHED,
) -> Weights:
    """Return the edge weights of one echo; its partner is the echo before it, and the second for the first.

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Phase in rad.
    echo_times : (E,) array
        Echo times in s.
    echo : int
        Index of the echo.
    mask : (X, Y, Z) bool array
        Voxels between which there are edges.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude in arbitrary units.
    terms : tuple of str
        Terms of the product, see the module's description.

    Returns
    -------
    (X, Y, Z, 3) uint8 array
        As `edge_weights`.
    """
    partner = echo - 1 if echo > 0 else min(1, len(echo_times) - 1)
    return edge_weights(
        phase[..., echo],
        mask,
        None if magnitude is None else magnitude[..., echo],
        None if partner == echo else phase[..., partner],
        ratio=float(echo_times[echo] / echo_times[partner]),
        terms=terms,
    )


def edge_weights(
    phase: FloatArray,
    mask: BoolArray,
    magnitude: FloatArray | None = None,
    partner: FloatArray | None = None,
    *,
    ratio: float = 1.0,
    terms: tuple[Term, ...] = PUBLISHED,
) -> Weights:
    """Return the weights of all edges inside the mask.

    Parameters
    ----------
    phase : (X, Y, Z) array
        Phase of the echo that is unwrapped, in rad.
    mask : (X, Y, Z) bool array
        Voxels between which there are edges.
    magnitude : (X, Y, Z) array, optional
        Magnitude of the same echo in arbitrary units.
    partner : (X, Y, Z) array, optional
        Phase of another echo, in rad.
    ratio : float
        TE/TE', the echo time over the partner's.
    terms : tuple of str
        Terms of the product, see the module's description.

    Returns
    -------
    (X, Y, Z, 3) uint8 array
        Weight of the edge from each voxel to the next along each axis, 1 to 255; 0 where there is no edge.

    Raises
    ------
    ParameterError
        None of the chosen terms can be computed from the data at hand.
    """
    absent = {"gradient_coherence"} if partner is None else set()
    if magnitude is None:
        absent |= {term for term in TERMS if "magnitude" in term}
    used = np.array([term in terms and term not in absent for term in TERMS])
    if not used.any():
        raise ParameterError(
            f"weights = {terms} need a second echo or the magnitude; add 'phase_coherence' or give those data"
        )
    half = 0.0
    if magnitude is not None and (used[LOW] or used[HIGH]):
        half = 0.5 * float(np.percentile(magnitude[mask], 95))
    phase, partner, magnitude = (
        np.ascontiguousarray(phase if a is None else a) for a in (phase, partner, magnitude)
    )
    weights = np.empty((*phase.shape, 3), np.uint8)
    _fill(phase, partner, magnitude, np.ascontiguousarray(mask), ratio, half, used, weights)
    return weights


@serial
def _wrapped(angle):  # type: ignore[no-untyped-def]
    return angle - TURN * math.floor(angle / TURN + 0.5)


@serial
def _bend(a, b, c):  # type: ignore[no-untyped-def]
    return max(0.0, 1 - abs(_wrapped(a - 2 * b + c)) / 2)


@parallel
def _fill(phase, partner, magnitude, mask, ratio, half, used, weights):  # type: ignore[no-untyped-def]
    shape = np.array(phase.shape)
    strides = np.array((shape[1] * shape[2], shape[2], 1))
    phase, partner, magnitude = phase.reshape(-1), partner.reshape(-1), magnitude.reshape(-1)
    mask, weights = mask.reshape(-1), weights.reshape((-1, 3))
    for row in prange(shape[0] * shape[1]):
        position = np.array((row // shape[1], row % shape[1], 0))
        for z in range(shape[2]):
            position[2] = z
            i = row * shape[2] + z
            for axis in range(3):
                j = i + strides[axis]
                before, after = position[axis], shape[axis] - position[axis] - 1
                if not mask[i] or after < 1 or not mask[j]:
                    weights[i, axis] = 0
                    continue
                step = _wrapped(phase[j] - phase[i])
                product = 1.0
                if used[PHASE_COHERENCE]:
                    product *= 0.1 + 0.9 * (1 - abs(step) / math.pi)
                if used[GRADIENT_COHERENCE]:
                    change = abs(step - _wrapped(partner[j] - partner[i]) * ratio)
                    product *= 0.1 + 0.9 * max(0.0, 1 - change)
                if used[PHASE_LINEARITY]:
                    h, k = i - strides[axis], j + strides[axis]
                    linearity = _bend(phase[h], phase[i], phase[j]) if before > 0 and mask[h] else 0.9
                    linearity *= _bend(phase[i], phase[j], phase[k]) if after > 1 and mask[k] else 0.9
                    product *= 0.1 + 0.9 * linearity
                low, high = min(magnitude[i], magnitude[j]), max(magnitude[i], magnitude[j])
                if used[MAGNITUDE_COHERENCE]:
                    product *= 0.1 + 0.9 * ((low / high) ** 2 if high > 0 else 0.0)
                if used[LOW]:
                    product *= 0.1 + 0.9 * (0.5 + 0.5 * (low / half if low < half else 1.0))
                if used[HIGH]:
                    product *= 0.1 + 0.9 * (0.5 + 0.5 * (half / high if high > half else 1.0))
                weights[i, axis] = 1 + round(254 * product)
