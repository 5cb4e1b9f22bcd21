"""Receive coils around the head.

Loops lie on a helmet that is fixed in the scanner. A loop sees transverse magnetisation with B₁⁻ = Bx − i By of the
field that a unit current in it would make (reciprocity, Hoult & Richards 1976), by the law of Biot and Savart. Each
receiver adds a phase of its own; transmission and the head's conductivity add one that all share. Everything is
smooth, so it is computed every few millimetres and interpolated. Number and place of the loops are modelling choices.
"""

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import ComplexArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.grid import Grid
from qsmkit.simulate.transfer import transfer

VENDOR_COILS = 16
"""Coils of the array that makes a combined image."""

HELMET = (118.0, 138.0, 132.0)
"""Semi-axes of the helmet, mm."""

LOWEST = -0.55
"""Lowest height of a loop's centre over the helmet's, in semi-axes."""

LARGEST_LOOP = 100.0
"""Radius of a loop, mm, if there are few."""

SEGMENTS = 48
"""Straight pieces of a loop."""

WIRE = 12.0
"""Distance, mm, within which a wire's field is levelled off."""

LATTICE_STEP = 5.0
"""Distance, mm, of the points where the coils' fields are computed."""

PHASE_SCALE = 80.0
"""Length, mm, over which the shared phase varies."""


def sensitivities(count: int, grid: Grid, centre: npt.ArrayLike, rng: np.random.Generator) -> ComplexArray:
    """Return the complex sensitivity of each coil of an array.

    Parameters
    ----------
    count : int
        Number of coils.
    grid : Grid
        Where the sensitivities are wanted.
    centre : (3,) array
        Centre of the helmet, world mm.
    rng : Generator
        Source of randomness: the receivers' phases.

    Returns
    -------
    (X, Y, Z, C) complex64 array
        Sensitivities; their root sum of squares is 1 at the centre.
    """
    lattice = _lattice(grid)
    coarse = _array(count, lattice, np.asarray(centre, np.float64))
    coarse *= np.exp(1j * rng.uniform(-np.pi, np.pi, count)).astype(np.complex64)
    result = np.empty((*grid.shape, count), np.complex64)
    for c in range(count):
        result[..., c].real = transfer(coarse[..., c].real, lattice, grid)
        result[..., c].imag = transfer(coarse[..., c].imag, lattice, grid)
    return result


def array_profile(count: int, grid: Grid, centre: npt.ArrayLike) -> FloatArray:
    """Return the root sum of squares of an array's sensitivities, 1 at the centre: (X, Y, Z) float32."""
    lattice = _lattice(grid)
    coarse = sum_of_squares(_array(count, lattice, np.asarray(centre, np.float64)))
    return transfer(coarse, lattice, grid)


def shared_phase(grid: Grid, centre: npt.ArrayLike, rng: np.random.Generator) -> FloatArray:
    """Return the phase, rad, of transmission and conductivity: smooth, of second order, (X, Y, Z) float32."""
    lattice = _lattice(grid)
    x, y, z = (_positions(lattice) - np.asarray(centre)).transpose(3, 0, 1, 2) / PHASE_SCALE
    weights = np.array([0.8, 1.5, -0.9, 0.7, 1.1, -0.9, 0.6]) * (1 + 0.3 * rng.normal(size=7))
    terms = (np.ones_like(x), x, y, z, x * y, x * x + y * y, y * z)
    phase = np.zeros(lattice.shape)
    for weight, term in zip(weights, terms, strict=True):
        phase += weight * term
    return transfer(phase, lattice, grid)


def sum_of_squares(images: ComplexArray) -> FloatArray:
    """Return the root of the sum of squared magnitudes over the coils, the last axis: (…) float32."""
    total = np.zeros(images.shape[:-1], np.float32)
    for c in range(images.shape[-1]):
        total += images[..., c].real ** 2 + images[..., c].imag ** 2
    return np.sqrt(total)


def _lattice(grid: Grid) -> Grid:
    """Return a coarse grid along the world's axes that encloses another grid."""
    corners = grid.world(np.array(np.meshgrid(*[(0, n - 1) for n in grid.shape])).reshape(3, -1).T)
    low, high = corners.min(0) - LATTICE_STEP, corners.max(0) + LATTICE_STEP
    x, y, z = (int(n) for n in np.ceil((high - low) / LATTICE_STEP) + 1)
    affine = np.diag((LATTICE_STEP, LATTICE_STEP, LATTICE_STEP, 1.0))
    affine[:3, 3] = low
    return Grid((x, y, z), affine)


def _positions(grid: Grid) -> npt.NDArray[np.float64]:
    """Return the world coordinates of all voxels, mm: (X, Y, Z, 3)."""
    return grid.world(np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), -1))


def _array(count: int, lattice: Grid, centre: npt.NDArray[np.float64]) -> ComplexArray:
    """Return B₁⁻ of every loop, its root sum of squares 1 at the centre: (X, Y, Z, C) complex64."""
    loops = _loops(count) + centre
    places = np.concatenate([_positions(lattice).reshape(-1, 3), centre[None]])
    field = np.empty((len(places), count), np.complex128)
    _biot_savart(places, loops, field)
    field /= np.linalg.norm(field[-1])
    return field[:-1].reshape(*lattice.shape, count).astype(np.complex64)


def _loops(count: int) -> npt.NDArray[np.float64]:
    """Return the corners of each loop about the helmet's centre, mm, closed: (C, SEGMENTS + 1, 3)."""
    height = 1 - (1 - LOWEST) * (np.arange(count) + 0.5) / count  # evenly over the helmet, on a spiral
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    flat = np.sqrt(1 - height**2)
    normals = np.stack([flat * np.cos(turn), flat * np.sin(turn), height], -1)
    area = 2 * np.pi * (1 - LOWEST) * np.mean(HELMET) ** 2
    radius = min(LARGEST_LOOP, 0.6 * np.sqrt(area / count))
    angle = np.linspace(0, 2 * np.pi, SEGMENTS + 1)[:, None]
    loops = np.empty((count, SEGMENTS + 1, 3))
    for c, normal in enumerate(normals):
        first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
        first /= np.linalg.norm(first)
        second = np.cross(normal, first)
        loops[c] = normal * HELMET + radius * (np.cos(angle) * first + np.sin(angle) * second)
    return loops


@parallel
def _biot_savart(places, loops, field):  # type: ignore[no-untyped-def]
    """B ∝ Σ dl × r / |r|³ over a loop's pieces; B₁⁻ = Bx − i By."""
    for p in prange(len(places)):
        for c in range(len(loops)):
            bx, by = 0.0, 0.0
            for s in range(loops.shape[1] - 1):
                dx = loops[c, s + 1, 0] - loops[c, s, 0]
                dy = loops[c, s + 1, 1] - loops[c, s, 1]
                dz = loops[c, s + 1, 2] - loops[c, s, 2]
                rx = places[p, 0] - (loops[c, s + 1, 0] + loops[c, s, 0]) / 2
                ry = places[p, 1] - (loops[c, s + 1, 1] + loops[c, s, 1]) / 2
                rz = places[p, 2] - (loops[c, s + 1, 2] + loops[c, s, 2]) / 2
                cube = (rx * rx + ry * ry + rz * rz + WIRE * WIRE) ** 1.5
                bx += (dy * rz - dz * ry) / cube
                by += (dz * rx - dx * rz) / cube
            field[p, c] = complex(bx, -by)
