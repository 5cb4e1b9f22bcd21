"""Phase residues: where a wrapped phase belongs to no field."""

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange, serial
from qsmkit.grid import Grid
from qsmkit.method import method


@method("field", produces="phase_residues", cite="Goldstein1988", rev=1)
def phase_residues(phase: FloatArray, grid: Grid, mask: BoolArray | None = None) -> FloatArray:
    """Find the ends of open fringes: loops around which the wrapped phase does not return to itself.

    Σ w(Δφ) around a loop of 2 × 2 voxels, w(·) wrapping into ±π, is zero where the phase is that of a field, and ±2π
    around the end of an open fringe line (Goldstein 1988), as near veins and air or after a wrong combination of coils.
    No unwrapping is right there. Residues lie on closed curves in three dimensions; loops of all three planes are
    looked at, in every echo.

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Wrapped phase in rad.
    grid : Grid
        Geometry.
    mask : (X, Y, Z) bool array, optional
        Voxels to look at; a loop counts if it lies in the mask. All where it is left out.

    Returns
    -------
    (X, Y, Z) array
        Share of the twelve loops through a voxel, over echoes, that hold a residue: 0 to 1, dimensionless. Zero outside
        the mask.
    """
    inside = np.ones(grid.shape, np.bool_) if mask is None else np.ascontiguousarray(mask)
    loops = np.zeros((3, *grid.shape), np.int16)
    for e in range(phase.shape[-1]):
        _count(np.ascontiguousarray(phase[..., e]), inside, loops)
    share = np.zeros(grid.shape, phase.dtype)
    _spread(loops, inside, phase.shape[-1], share)
    return share


@serial
def _residue(a, b, c, d):  # type: ignore[no-untyped-def]
    """Return whether the wrapped steps around a loop of four phases, in turns, do not sum to zero."""
    return np.rint(b - a) + np.rint(c - b) + np.rint(d - c) + np.rint(a - d) != 0


@parallel
def _count(phase, mask, loops):  # type: ignore[no-untyped-def]
    """Count, at its lowest corner, every loop that holds a residue; `loops[0]` lies in the plane of axes 1 and 2."""
    nx, ny, nz = phase.shape
    turn = phase.dtype.type(0.5 / np.pi)
    for plane in prange(nx):
        i = np.intp(plane)
        i1 = min(i + 1, nx - 1)
        for j in range(ny):
            j1 = min(j + 1, ny - 1)
            for k in range(nz):
                k1 = min(k + 1, nz - 1)
                if not mask[i, j, k]:
                    continue
                here = phase[i, j, k] * turn
                x, y, z = phase[i1, j, k] * turn, phase[i, j1, k] * turn, phase[i, j, k1] * turn
                if mask[i, j1, k] and mask[i, j, k1] and mask[i, j1, k1]:
                    loops[0, i, j, k] += _residue(here, y, phase[i, j1, k1] * turn, z)
                if mask[i1, j, k] and mask[i, j, k1] and mask[i1, j, k1]:
                    loops[1, i, j, k] += _residue(here, x, phase[i1, j, k1] * turn, z)
                if mask[i1, j, k] and mask[i, j1, k] and mask[i1, j1, k]:
                    loops[2, i, j, k] += _residue(here, x, phase[i1, j1, k] * turn, y)


@parallel
def _spread(loops, mask, echoes, share):  # type: ignore[no-untyped-def]
    """Give every voxel the share of the loops through it that hold a residue, of twelve an echo."""
    nx, ny, nz = mask.shape
    for plane in prange(nx):
        i = np.intp(plane)
        for j in range(ny):
            for k in range(nz):
                if not mask[i, j, k]:
                    continue
                found = 0
                for one in range(2):
                    for other in range(2):
                        if j >= one and k >= other:
                            found += loops[0, i, j - one, k - other]
                        if i >= one and k >= other:
                            found += loops[1, i - one, j, k - other]
                        if i >= one and j >= other:
                            found += loops[2, i - one, j - other, k]
                share[i, j, k] = found / (12 * echoes)
