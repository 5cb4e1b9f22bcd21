"""Phase unwrapping through the Laplacian."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.fft

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange, serial, thread_count
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.unwrap.growing import TURN


@method("unwrap", produces="unwrapped_phase", cite="Schofield2003", rev=1)
def laplacian(
    phase: FloatArray,
    grid: Grid,
    mask: BoolArray | None = None,
    *,
    differences: Literal["wrapped", "sine"] = "wrapped",
) -> FloatArray:
    """Solve for the phase whose Laplacian is that of the wrapped phase; changes the harmonic background.

    ∇²u = cos φ ∇²sin φ − sin φ ∇²cos φ (Schofield & Zhu 2003). In differences between a voxel i and its
    neighbours j at distance h, the right-hand side is Σⱼ sin(φⱼ − φᵢ) / h². A sine falls short of a large
    difference; unlike in the paper, the wrapped difference itself takes its place by default, exact below π.
    The volume is mirrored at its faces, as in the paper, so that cosine transforms solve the equation, and
    solve it exactly for the discrete Laplacian, of anisotropic voxels too.

    The result is not congruent: it does not differ from the phase by whole turns. With a mask, the Laplacian
    outside is replaced by a constant, such that it sums to zero and the equation has a solution; that changes
    the harmonic background inside, the field of sources outside, and nothing else. Background field removal
    has to follow, and nothing may rely on the phase itself.

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Wrapped phase in rad.
    grid : Grid
        Geometry.
    mask : (X, Y, Z) bool array, optional
        Voxels whose Laplacian counts; all where it is left out.
    differences : {"wrapped", "sine"}
        Whether a phase difference between neighbours enters wrapped into ±π or, as published, as its sine.

    Returns
    -------
    (X, Y, Z, E) array
        Unwrapped phase in rad, zero outside the mask; its constant fits the wrapped phase best.
    """
    inside = np.ones(grid.shape, np.bool_) if mask is None else np.ascontiguousarray(mask)
    outside = inside.size - np.count_nonzero(inside)
    symbol = _laplacian_symbol(grid).astype(phase.dtype)
    weights = np.array(grid.voxel_size) ** -2.0
    unwrapped = np.zeros_like(phase)
    for e in range(phase.shape[-1]):
        wrapped = np.ascontiguousarray(phase[..., e])
        source = np.zeros_like(wrapped)
        _laplacian_of_wrapped(wrapped, inside, weights, differences == "sine", source)
        if outside:
            np.copyto(source, -source.sum(dtype=np.float64) / outside, where=~inside)
        spectrum = scipy.fft.dctn(source, workers=thread_count(), overwrite_x=True)
        spectrum /= symbol
        spectrum[0, 0, 0] = 0
        u = scipy.fft.idctn(spectrum, workers=thread_count(), overwrite_x=True)
        u += np.angle(np.exp(1j * (wrapped - u)).sum(where=inside))
        unwrapped[..., e] = u * inside
    return unwrapped


def wrapped_laplacian(phase: FloatArray, mask: BoolArray, grid: Grid) -> FloatArray:
    """Return Σⱼ wrap(φⱼ − φᵢ) / h² over the neighbours j of every voxel i of the mask, in rad/mm²; zero elsewhere."""
    result = np.zeros(phase.shape, phase.dtype)
    weights = np.array(grid.voxel_size) ** -2.0
    _laplacian_of_wrapped(np.ascontiguousarray(phase), np.ascontiguousarray(mask), weights, False, result)
    return result


def _laplacian_symbol(grid: Grid) -> npt.NDArray[np.float64]:
    """Return the eigenvalues of the mirrored discrete Laplacian, in 1/mm², with 1 for the constant."""
    x, y, z = (
        (2 * np.cos(np.pi * np.arange(n) / n) - 2) / h**2
        for n, h in zip(grid.shape, grid.voxel_size, strict=True)
    )
    symbol = x[:, None, None] + y[None, :, None] + z[None, None, :]
    symbol[0, 0, 0] = 1
    return symbol


@serial
def _step(start, end, sine):  # type: ignore[no-untyped-def]
    """Phase gained from one voxel to its neighbour."""
    if sine:
        return math.sin(end - start)
    return end - start - TURN * math.floor((end - start) / TURN + 0.5)


@parallel
def _laplacian_of_wrapped(phase, mask, weights, sine, laplacian):  # type: ignore[no-untyped-def]
    nx, ny, nz = phase.shape
    for x in prange(nx):
        for y in range(ny):
            for z in range(nz):
                if not mask[x, y, z]:
                    continue
                here = phase[x, y, z]
                total = 0.0
                if x > 0:
                    total += weights[0] * _step(here, phase[x - 1, y, z], sine)
                if x < nx - 1:
                    total += weights[0] * _step(here, phase[x + 1, y, z], sine)
                if y > 0:
                    total += weights[1] * _step(here, phase[x, y - 1, z], sine)
                if y < ny - 1:
                    total += weights[1] * _step(here, phase[x, y + 1, z], sine)
                if z > 0:
                    total += weights[2] * _step(here, phase[x, y, z - 1], sine)
                if z < nz - 1:
                    total += weights[2] * _step(here, phase[x, y, z + 1], sine)
                laplacian[x, y, z] = total
