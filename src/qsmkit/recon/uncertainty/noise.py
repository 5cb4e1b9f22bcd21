"""How noisy a scan is, apart from what the model of its signal misses.

The field's standard deviation comes from how badly echoes fit one field. Where noise is low, that is not noise alone:
dephasing in a voxel, ringing and what is left of the phase offset come back alike in every scan. They differ from place
to place, noise does not: the quietest part of the brain tells it.
"""

import math

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import AnyArray, BoolArray, FloatArray
from qsmkit.units import radians_per_ppm

BLOCK = 6
"""Voxels along the edges of the blocks that are compared."""

QUIETEST = 5.0
"""Percentile of the blocks' misfit that is taken for noise. Simulated heads of 1 to 2 mm at a signal-to-noise ratio of
20 to 100 then give 0.95 to 1.2 of the true noise, where the whole brain's misfit gives 1.04 to 1.5."""


def noise_share(fit_residual: FloatArray, magnitude: FloatArray | None, mask: BoolArray) -> float:
    """Return the SD of the noise over that which the misfit of the whole mask suggests, at most 1.

    Parameters
    ----------
    fit_residual : (X, Y, Z) array
        Norm of the complex residual over that of the signal.
    magnitude : (X, Y, Z, E) array or None
        Magnitude in arbitrary units; one everywhere if None.
    mask : (X, Y, Z) bool array
        Voxels that were fitted.

    Returns
    -------
    float
        Dimensionless; 1 where the mask holds no whole block.
    """
    power = 1 if magnitude is None else np.einsum("...e,...e->...", magnitude, magnitude)
    misfit = fit_residual * fit_residual * power
    inside = _blocks(mask).all(-1)
    whole = float(np.median(misfit[mask]))
    if not inside.any() or whole <= 0:
        return 1.0
    quiet = float(np.percentile(np.median(_blocks(misfit)[inside], -1), QUIETEST))
    return min(1.0, math.sqrt(quiet / whole))


def signal_noise(
    field_sd: FloatArray,
    magnitude: FloatArray,
    echo_times: npt.NDArray[np.float64],
    field_strength: float,
    mask: BoolArray,
    *,
    offset: bool,
) -> float:
    """Return σ of the complex signal that a field's standard deviation was propagated from.

        σ = SD · c √(Σ m² (TE − T)²),    c = 2π γ B0,    T = 0, or Σ m² TE / Σ m² where an offset was fitted

    in the median over the mask.

    Parameters
    ----------
    field_sd : (X, Y, Z) array
        Standard deviation of the field in ppm.
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    echo_times : (E,) array
        Echo times in s.
    field_strength : float
        Main field in T.
    mask : (X, Y, Z) bool array
        Voxels that were fitted.
    offset : bool
        Whether the phase at echo time zero was fitted in every voxel.

    Returns
    -------
    float
        SD of real and imaginary part, in the unit of the magnitude.
    """
    weight = magnitude[mask].astype(np.float64) ** 2
    centre = (weight @ echo_times / np.maximum(weight.sum(-1), 1e-300))[:, None] if offset else 0.0
    lever = np.sqrt((weight * (echo_times - centre) ** 2).sum(-1))
    return radians_per_ppm(field_strength, 1.0) * float(np.median(field_sd[mask] * lever))


def _blocks(volume: AnyArray) -> AnyArray:
    """Return a volume cut into blocks, its far ends left out: (A, B, C, voxels of a block)."""
    edge = [min(BLOCK, n) for n in volume.shape]
    count = [n // e for n, e in zip(volume.shape, edge, strict=True)]
    part = volume[tuple(slice(c * e) for c, e in zip(count, edge, strict=True))]
    (a, b, c), (i, j, k) = count, edge
    return part.reshape(a, i, b, j, c, k).transpose(0, 2, 4, 1, 3, 5).reshape(a, b, c, -1)
