"""From samples of a band-limited signal to voxels: the signal's mean over each voxel, without ringing."""

from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.fft
from annotated_types import Ge, Le

from qsmkit.arrays import FloatArray
from qsmkit.compiled import parallel, prange, thread_count
from qsmkit.method import method
from qsmkit.physics.fft import irfftn, rfftn


class Averaged(NamedTuple):
    """The signal of voxels, as phase and magnitude."""

    phase: FloatArray
    magnitude: FloatArray


@method("field", cite="Harris1978", rev=1)
def voxel_average(
    phase: FloatArray,
    magnitude: FloatArray,
    *,
    taper: Annotated[float, Ge(0), Le(1)] = 0.3,
    coherence: Annotated[float, Ge(0), Le(1)] = 0.9,
) -> Averaged:
    """Average the complex signal over each voxel, and let it fade out at the highest frequencies.

        S(k) ← S(k) Π_i sinc(k_i h_i) c(k_i)

    A scanner cuts k-space off, so that an image is a signal sampled through a sinc, which rings all over the head from
    its steepest edges: scalp, air, large vessels. Models take a voxel for the mean over its volume; the first factor
    makes it that. The second, a raised cosine (Harris 1978), takes away what still rings at the Nyquist frequency.
    Edges become a little wider, and noise falls to `noise_gain` of what it was, shared between neighbours.

    Where the phase turns so fast that voxels would dephase (next to air, calcium, bleedings), averaging would lose the
    signal and bend its phase: there the samples stay as they are.

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Wrapped phase in rad.
    magnitude : (X, Y, Z, E) array
        Magnitude in arbitrary units.
    taper : float
        Share of every axis of k-space, from its end inwards, over which c falls from 1 to 0; 0 leaves c out.
    coherence : float
        Share of the magnitude's mean that the complex mean must keep for a voxel to be averaged; 0 averages all.

    Returns
    -------
    Averaged
        phase: (X, Y, Z, E), wrapped, in rad; magnitude: (X, Y, Z, E), in the unit of the given one.
    """
    averaged = Averaged(phase.copy(), magnitude.copy())
    shape = phase.shape[:3]
    x, y, z = (_window(n, taper).astype(phase.dtype) for n in shape)
    signal = np.empty(shape, np.result_type(phase.dtype, np.complex64))
    threads = thread_count()
    for e in range(phase.shape[-1]):
        _compose(magnitude[..., e], phase[..., e], signal)
        spectrum = scipy.fft.fftn(signal, workers=threads)
        _damp(spectrum, x, y, z)
        mean = scipy.fft.ifftn(spectrum, workers=threads, overwrite_x=True)
        limit = average(magnitude[..., e], taper=taper)
        limit *= phase.dtype.type(coherence)
        _accept(mean, limit, averaged.magnitude[..., e], averaged.phase[..., e])
    return averaged


def average(volume: FloatArray, *, taper: float) -> FloatArray:
    """Return a real volume averaged as the signal is."""
    x, y, z = (_window(n, taper).astype(volume.dtype) for n in volume.shape)
    spectrum = rfftn(volume)
    _damp(spectrum, x, y, z)
    return irfftn(spectrum, volume.shape)


@parallel
def _compose(magnitude, phase, signal):  # type: ignore[no-untyped-def]
    for i in prange(signal.shape[0]):
        for j in range(signal.shape[1]):
            for k in range(signal.shape[2]):
                m, p = magnitude[i, j, k], phase[i, j, k]
                signal[i, j, k] = complex(m * np.cos(p), m * np.sin(p))


@parallel
def _damp(spectrum, x, y, z):  # type: ignore[no-untyped-def]
    """Multiply a spectrum, whole or half, by the factors along its axes."""
    for i in prange(spectrum.shape[0]):
        for j in range(spectrum.shape[1]):
            for k in range(spectrum.shape[2]):
                spectrum[i, j, k] *= x[i] * y[j] * z[k]


@parallel
def _accept(mean, limit, magnitude, phase):  # type: ignore[no-untyped-def]
    """Take over the means that are no smaller than the limit."""
    for i in prange(mean.shape[0]):
        for j in range(mean.shape[1]):
            for k in range(mean.shape[2]):
                a, b = mean[i, j, k].real, mean[i, j, k].imag
                size = np.sqrt(a * a + b * b)
                if size >= limit[i, j, k]:
                    magnitude[i, j, k] = size
                    phase[i, j, k] = np.arctan2(b, a)


def noise_gain(shape: tuple[int, ...], *, taper: float) -> float:
    """Return the SD that white noise of SD 1 has after averaging, on a grid of this shape, dimensionless."""
    return float(np.prod([np.sqrt(np.mean(_window(n, taper) ** 2)) for n in shape[:3]]))


def _window(length: int, taper: float) -> npt.NDArray[np.float64]:
    """Return the factor along one axis of k-space, in the order of the transform."""
    k = 2 * np.abs(scipy.fft.fftfreq(length))  # 1 at the Nyquist frequency
    window = np.sinc(k / 2)
    if taper:
        window *= np.where(k > 1 - taper, (1 + np.cos(np.pi * (k - 1 + taper) / taper)) / 2, 1)
    return window
