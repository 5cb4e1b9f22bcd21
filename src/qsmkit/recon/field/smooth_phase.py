"""The smooth part of a phase map, found without unwrapping it.

Receive phase varies slowly: its wavelength at the scanner's frequency is tens of centimetres. Noise, veins
and errors of unwrapping do not, so smoothing the complex exponential of a measured offset separates the two.
"""

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.grid import Grid

REACH = 4.0
"""Half width, in standard deviations, of the sampled Gaussian."""


def wrapped(phase: FloatArray) -> FloatArray:
    """Return a phase in rad brought into [−π, π] by whole turns; shape and precision are kept."""
    turns = phase * (0.5 / np.pi)
    np.rint(turns, out=turns)
    turns *= -2 * np.pi
    turns += phase
    return turns


def smooth_phase(
    phase: FloatArray, weight: FloatArray, grid: Grid, *, sigma: float, passes: int = 1
) -> FloatArray:
    """Return the smooth part of a phase map, as good inside as at the edge of where it is known.

    ψ ← ψ + arg G∗(w e^{i(φ − ψ)}), from ψ = 0, as often as there are passes; G is a Gaussian. One pass is a
    weighted mean of the neighbourhood. At the edge of the weighted region that neighbourhood is one-sided,
    and the mean of a phase with a slope is off; every further pass smooths what is left over and so removes
    most of the remaining bias ("twicing", Tukey 1977), while the noise, averaged over thousands of voxels,
    hardly rises.

    Parameters
    ----------
    phase : (X, Y, Z) array
        Phase in rad, wrapped or not.
    weight : (X, Y, Z) array
        Weight of each voxel, not negative, in any unit; zero where the phase is not known.
    grid : Grid
        Gives the voxel size.
    sigma : float
        Standard deviation of the Gaussian in mm.
    passes : int
        How often to smooth.

    Returns
    -------
    (X, Y, Z) array
        Smooth phase in rad, in [−π, π], continued a few sigma beyond the weighted voxels and zero far from
        them.
    """
    phase, weight = np.ascontiguousarray(phase), np.ascontiguousarray(weight, phase.dtype)
    smooth = np.zeros_like(phase)
    largest = weight.max()
    if not largest > 0:
        return smooth
    real, imaginary = np.empty_like(phase), np.empty_like(phase)
    sizes = zip(grid.shape, grid.voxel_size, strict=True)
    factors = [_factor(n, sigma / h).astype(phase.dtype) for n, h in sizes]
    for _ in range(passes):
        _rotate(phase, smooth, weight, 1 / largest, real, imaginary)
        _turn(smooth, _blur(real, factors), _blur(imaginary, factors))
    return wrapped(smooth)


def _factor(n: int, sigma: float) -> FloatArray:
    """Return W, (nodes, n), such that WᵀW smooths n samples by a Gaussian of `sigma` samples, up to scale.

    A Gaussian is the convolution of two that are narrower by √2. The sum over nodes one (narrow) sigma apart
    replaces the integral between them to within 1e-8, and there are far fewer nodes than samples.
    """
    narrow = sigma / np.sqrt(2)
    nodes = np.arange(-REACH * narrow, n + REACH * narrow, narrow)
    distance = (nodes[:, None] - np.arange(n)) / narrow
    return np.asarray(np.exp(-0.5 * distance**2))


def _blur(x: FloatArray, factors: list[FloatArray]) -> FloatArray:
    """Return a volume smoothed along all axes; each contraction takes the first axis and appends the new."""
    for factor in factors:
        x = np.tensordot(x, factor, axes=(0, 1))
    for factor in factors:
        x = np.tensordot(x, factor, axes=(0, 0))
    return np.ascontiguousarray(x)


@parallel
def _rotate(phase, smooth, weight, scale, real, imaginary):  # type: ignore[no-untyped-def]
    phase, smooth, weight = phase.reshape(-1), smooth.reshape(-1), weight.reshape(-1)
    real, imaginary = real.reshape(-1), imaginary.reshape(-1)
    for i in prange(phase.size):
        w = weight[i] * scale
        rest = phase[i] - smooth[i]
        real[i] = w * np.cos(rest)
        imaginary[i] = w * np.sin(rest)


@parallel
def _turn(smooth, real, imaginary):  # type: ignore[no-untyped-def]
    smooth, real, imaginary = smooth.reshape(-1), real.reshape(-1), imaginary.reshape(-1)
    for i in prange(smooth.size):
        smooth[i] += np.arctan2(imaginary[i], real[i])
