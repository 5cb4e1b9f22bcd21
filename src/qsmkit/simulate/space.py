"""Where the head is sampled, and smooth functions on a coarse lattice that are interpolated onto it.

Everything smooth in the head (its envelope, the sheets of its sulci, texture, the way one head differs from
the next) is computed every 2 mm and interpolated. The lattice lies fixed in the head, so the same seed gives
the same head at any voxel size and orientation.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import FloatArray
from qsmkit.physics.fft import frequencies, irfftn, rfftn

Axis = npt.NDArray[np.float64]
Box = tuple[slice, slice, slice]

LATTICE_STEP = 2.0
"""Distance of lattice points, mm."""

LATTICE_REACH = (88.0, 104.0, 92.0)
"""Half the size of the lattice, mm."""


@dataclass(frozen=True, eq=False)
class Space:
    """Rectilinear sample positions along right, anterior and superior, mm from the centre of the image."""

    axes: tuple[Axis, Axis, Axis]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of samples along the axes."""
        x, y, z = (len(a) for a in self.axes)
        return x, y, z

    @property
    def step(self) -> tuple[float, float, float]:
        """Distance between samples along the axes, mm."""
        x, y, z = (float(a[1] - a[0]) for a in self.axes)
        return x, y, z

    @cached_property
    def position(self) -> FloatArray:
        """Coordinates of all samples, mm: (3, X, Y, Z)."""
        return np.stack(np.meshgrid(*[a.astype(np.float32) for a in self.axes], indexing="ij"))

    def scaled(self, length: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the coordinates in units of `length` mm, float32, shaped to broadcast."""
        axes = [(a / length).astype(np.float32) for a in self.axes]
        x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
        return x, y, z

    def box(self, low: npt.ArrayLike, high: npt.ArrayLike) -> Box:
        """Return the slices of the samples between two corners given in mm; possibly empty."""
        x, y, z = (
            slice(int(np.searchsorted(a, lo)), int(np.searchsorted(a, hi, "right")))
            for a, lo, hi in zip(self.axes, np.asarray(low), np.asarray(high), strict=True)
        )
        return x, y, z

    def part(self, box: Box) -> "Space":
        """Return the samples of a box."""
        x, y, z = (axis[interval] for axis, interval in zip(self.axes, box, strict=True))
        return Space((x, y, z))

    def interpolate(self, values: FloatArray, lattice: "Space | None" = None) -> FloatArray:
        """Return values (X, Y, Z) on a lattice (`LATTICE` unless told), interpolated linearly onto these samples."""
        lattice = lattice or LATTICE
        for dimension, (axis, points) in enumerate(zip(self.axes, lattice.axes, strict=True)):
            index = np.clip(np.searchsorted(points, axis, "right") - 1, 0, len(points) - 2)
            weight = ((axis - points[index]) / lattice.step[dimension]).astype(np.float32)
            weight = weight.reshape([-1 if d == dimension else 1 for d in range(3)])
            low, high = np.take(values, index, dimension), np.take(values, index + 1, dimension)
            high -= low
            high *= weight
            high += low
            values = high
        return values


def lattice_noise(
    rng: np.random.Generator, wavelength: float, bandwidth: float = 0.35, lattice: Space | None = None
) -> FloatArray:
    """Return smooth random values of mean 0 and standard deviation 1 on a lattice.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    wavelength : float
        Central wavelength in mm.
    bandwidth : float
        Relative width of the Gaussian band around 1/wavelength.
    lattice : Space or None
        `LATTICE` unless told.
    """
    lattice = lattice or LATTICE
    white = rng.standard_normal(lattice.shape, np.float32)
    x, y, z = frequencies(lattice.shape, lattice.step)
    band = np.exp(-0.5 * ((np.sqrt(x**2 + y**2 + z**2) * wavelength - 1) / bandwidth) ** 2).astype(np.float32)
    band[0, 0, 0] = 0
    noise = irfftn(rfftn(white) * band, lattice.shape)
    noise /= noise.std()
    return noise


def _lattice() -> Space:
    x, y, z = (np.arange(-reach, reach + 1, LATTICE_STEP) for reach in LATTICE_REACH)
    return Space((x, y, z))


LATTICE = _lattice()
