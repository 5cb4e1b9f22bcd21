"""The data term that iterative inversions share: ½ ‖W (D x − B)‖², with the field D x split off.

As `TotalVariation` does for the gradient, the split field keeps one state w and asks x for its reflection 2z − w
(Milovic 2018, `Milovic2018`).
"""

from typing import Any, NamedTuple

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.physics.derivatives import gradient_symbol
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import irfftn, rfftn


class Penalties(NamedTuple):
    """Penalty ρ of each splitting. They set how fast the iteration converges, not what it converges to."""

    gradient: float
    field: float
    source: float


class SplitField:
    """The state of the split field, and the solution of the whole quadratic part.

    Parameters
    ----------
    measured : (X, Y, Z) array
        B in ppm; ignored where the weight is zero.
    weight : (X, Y, Z) array
        W, dimensionless, in the type of `measured`.
    grid : Grid
        Gives voxel size and B0 direction.
    penalties : Penalties
        Penalties of gradient, field and sources.
    relaxation : float
        α of the over-relaxed iteration, between 0 and 2; kept in the type of the arrays.
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.
    """

    def __init__(
        self, measured: FloatArray, weight: FloatArray, grid: Grid, penalties: Penalties,
        relaxation: float | np.floating[Any], *, kernel: Kernel,
    ) -> None:
        dtype, x, y, z = measured.dtype, *measured.shape
        self._penalties = np.array(penalties, dtype)
        self._relaxation = dtype.type(relaxation)
        # The split field is trust · measured + (1 − trust) · computed field.
        self._trust = weight * weight
        self._trust /= self._trust + self._penalties[1]
        self._w = measured * (weight > 0)
        self._measured = self._w * self._trust
        self._asked = self._w
        self._dipole = dipole_kernel(grid, (x, y, z), kind=kernel, dtype=dtype)
        self._response = gradient_symbol((x, y, z), grid.voxel_size, dtype=dtype)
        self._response *= self._penalties[0]
        self._response += self._penalties[1] * self._dipole**2 + self._penalties[2]
        np.reciprocal(self._response, out=self._response)

    def solve(self, asked: FloatArray) -> FloatArray:
        """Return x in ppm from what gradient and sources ask, times their penalties, and step w with its field."""
        shape = asked.shape[0], asked.shape[1], asked.shape[2]
        chi, field = rfftn(asked), rfftn(self._asked)
        _solve(chi, field, self._dipole, self._response, self._penalties)
        self._asked = irfftn(field, shape)
        _step(self._asked, self._trust, self._measured, self._relaxation, self._w)
        return irfftn(chi, shape)


def data_weight(field_sd: FloatArray | None, mask: BoolArray) -> FloatArray:
    """Return W, what a voxel's field counts: min(1, median(σ)/σ) inside the mask, 1 there without σ, else 0.

    Parameters
    ----------
    field_sd : (X, Y, Z) array or None
        Standard deviation σ of the field in ppm; where it is zero or less, nothing was measured and W is zero.
    mask : (X, Y, Z) bool array
        Voxels in which the field is known.

    Returns
    -------
    (X, Y, Z) array
        Dimensionless, 0 to 1.

    Raises
    ------
    InputError
        The standard deviation is nowhere positive inside the mask.
    """
    if field_sd is None:
        return mask.astype(np.float32)
    known = mask & (field_sd > 0)
    if not known.any():
        raise InputError("field_sd is nowhere positive inside the mask; give one in ppm, or leave it out")
    weight = np.zeros_like(field_sd)
    weight[known] = np.minimum(np.median(field_sd[known]) / field_sd[known], 1)
    return weight


@parallel
def _solve(chi, field, dipole, response, penalties):  # type: ignore[no-untyped-def]
    """Turn what is asked, in k-space, into χ and its field."""
    for i in prange(chi.shape[0]):
        for j in range(chi.shape[1]):
            for k in range(chi.shape[2]):
                d = dipole[i, j, k]
                x = response[i, j, k] * (chi[i, j, k] + penalties[1] * d * field[i, j, k])
                chi[i, j, k] = x
                field[i, j, k] = d * x


@parallel
def _step(field, trust, measured, relaxation, w):  # type: ignore[no-untyped-def]
    """Step w of the field, whose z is measured + (1 − trust) w, and replace the field by what is asked."""
    one = relaxation / relaxation
    for i in prange(field.shape[0]):
        for j in range(field.shape[1]):
            for k in range(field.shape[2]):
                keep = one - trust[i, j, k]
                z = measured[i, j, k] + keep * w[i, j, k]
                new = w[i, j, k] + relaxation * (field[i, j, k] - z)
                w[i, j, k] = new
                z = measured[i, j, k] + keep * new
                field[i, j, k] = z + z - new
