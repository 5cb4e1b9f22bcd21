"""The real FFT pair: the only file that knows which library transforms, on how many threads and to which length.

Volumes are real: half the spectrum is enough: shape (X, Y, Z//2 + 1), complex64 for float32 input. The default engine
is scipy.fft on all threads. pyFFTW is used only if the user has installed it and asked for it with `set_engine`: the
FFTW library is GPL.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.fft

from qsmkit.arrays import ComplexArray, FloatArray
from qsmkit.compiled import parallel, prange, thread_count
from qsmkit.extras import require

Engine = Literal["scipy", "pyfftw"]
Shape = tuple[int, int, int]

_rfftn: Callable[..., Any] = scipy.fft.rfftn
_ifftn: Callable[..., Any] = scipy.fft.ifftn
_irfft: Callable[..., Any] = scipy.fft.irfft


def set_engine(engine: Engine) -> None:
    """Choose the library that transforms, for the whole process.

    Raises
    ------
    MissingExtraError
        pyFFTW was asked for but is not installed.
    """
    global _rfftn, _ifftn, _irfft
    library = scipy.fft if engine == "scipy" else require("pyfftw.interfaces.scipy_fft", "fftw")
    _rfftn, _ifftn, _irfft = library.rfftn, library.ifftn, library.irfft


def rfftn(x: FloatArray, shape: Shape | None = None) -> ComplexArray:
    """Return the half spectrum of a real volume, zero-padded at the far ends to `shape` if given."""
    spectrum: ComplexArray = _rfftn(x, s=shape, workers=thread_count())
    return spectrum


def irfftn(spectrum: ComplexArray, shape: Shape) -> FloatArray:
    """Return the real volume of `shape` of a half spectrum, which is used as scratch space and lost."""
    # Two axes in place, then the last: `irfftn` itself would transform into a second spectrum, at twice the time.
    spectrum = _ifftn(spectrum, axes=(0, 1), workers=thread_count(), overwrite_x=True)
    x: FloatArray = _irfft(spectrum, n=shape[2], axis=2, workers=thread_count(), overwrite_x=True)
    return x


def fast_shape(shape: tuple[int, ...], margin: tuple[int, ...] = (0, 0, 0)) -> Shape:
    """Return the smallest shape of quick transform lengths that holds `shape` plus `margin` voxels on each axis."""
    x, y, z = (int(scipy.fft.next_fast_len(n + m, real=True)) for n, m in zip(shape, margin, strict=True))
    return x, y, z


def frequencies(
    shape: Shape, voxel_size: tuple[float, float, float]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the spatial frequencies, in cycles/mm, along the axes of the half spectrum, shaped to broadcast."""
    x = scipy.fft.fftfreq(shape[0], voxel_size[0])[:, None, None]
    y = scipy.fft.fftfreq(shape[1], voxel_size[1])[None, :, None]
    z = scipy.fft.rfftfreq(shape[2], voxel_size[2])[None, None, :]
    return x, y, z


def convolve(x: FloatArray, kernel: FloatArray, shape: Shape) -> FloatArray:
    """Return `x`, zero-padded to `shape`, convolved with a real half-spectrum `kernel`, on the voxels of `x`."""
    spectrum = rfftn(x, shape)
    _multiply(spectrum, kernel)
    return irfftn(spectrum, shape)[: x.shape[0], : x.shape[1], : x.shape[2]]


@parallel
def _multiply(spectrum, kernel):  # type: ignore[no-untyped-def]
    for i in prange(spectrum.shape[0]):
        for j in range(spectrum.shape[1]):
            for k in range(spectrum.shape[2]):
                spectrum[i, j, k] *= kernel[i, j, k]
