"""What iterative inversions share: a data term with the field D x split off, a prior, and the support.

As `TotalVariation` does for the gradient, each splitting keeps one state w and asks x for its reflection 2z − w
(Milovic 2018, `Milovic2018`).
"""

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.optim.solution import Solution
from qsmkit.optim.solvers import iterate
from qsmkit.physics.box import Box
from qsmkit.physics.derivatives import gradient_symbol
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import irfftn, rfftn
from qsmkit.recon.inversion.edges import steepest
from qsmkit.recon.inversion.fidelity import Cost, Fidelity


class Penalties(NamedTuple):
    """Penalty ρ of each splitting. They set how fast the iteration converges, not what it converges to."""

    gradient: float
    field: float
    source: float


class Prior(Protocol):
    """A split gradient: `TotalVariation`, `TotalGeneralisedVariation`."""

    relaxation: Any

    def update(self, x: FloatArray) -> float:
        """Step with x and return the relative fixed-point residual."""

    def pull(self, out: FloatArray) -> None:
        """Write what is asked of x."""


class Data(Protocol):
    """The quadratic part of an inversion."""

    def solve(self, asked: FloatArray) -> FloatArray:
        """Return x in ppm from what gradient and sources ask, times their penalties."""


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
    cost : {"squares", "wrapped", "absolute"}
        What a difference from the measured field costs, see `qsmkit.recon.inversion.fidelity`.
    phase_scale : float
        Phase of a field of 1 ppm, rad/ppm, for the cost "wrapped".
    """

    def __init__(
        self, measured: FloatArray, weight: FloatArray, grid: Grid, penalties: Penalties,
        relaxation: float | np.floating[Any], *, kernel: Kernel, cost: Cost = "squares", phase_scale: float = 1.0,
    ) -> None:  # fmt: skip
        dtype, x, y, z = measured.dtype, *measured.shape
        self._penalties = np.array(penalties, dtype)
        self._fidelity = Fidelity(measured, weight, penalties.field, relaxation, cost=cost, phase_scale=phase_scale)
        self._asked = self._fidelity.start()
        self._dipole = dipole_kernel(grid, (x, y, z), kind=kernel, dtype=dtype)
        self._response = gradient_symbol((x, y, z), grid.voxel_size, dtype=dtype)
        self._response *= self._penalties[0]
        self._response += self._penalties[1] * self._dipole**2 + self._penalties[2]
        np.reciprocal(self._response, out=self._response)

    def solve(self, asked: FloatArray) -> FloatArray:
        """Return x in ppm from what gradient and sources ask, times their penalties, and step w with its field."""
        shape = asked.shape[0], asked.shape[1], asked.shape[2]
        chi, field = rfftn(asked), rfftn(self._asked)
        del self._asked
        _solve(chi, field, self._dipole, self._response, self._penalties)
        self._asked = irfftn(field, shape)
        del field
        self._fidelity.step(self._asked)
        return irfftn(chi, shape)


def invert(
    data: Data, prior: Prior, inside: BoolArray, penalties: Penalties, *, tolerance: float, max_iterations: int,
    start: FloatArray | None = None,
) -> Solution[FloatArray]:  # fmt: skip
    """Find χ from a split field, a prior, and a mask outside which it is zero, each split off (ADMM).

    Parameters
    ----------
    data : Data
        Solves the quadratic part: `SplitField`.
    prior : Prior
        The split gradient, for example a `TotalVariation`. One that has been used goes on from where it is.
    inside : (X, Y, Z) bool array
        The mask, padded.
    penalties : Penalties
        Those of `data`.
    tolerance : float
        Stop when the prior's fixed-point residual is this small.
    max_iterations : int
        Most iterations to do.
    start : (X, Y, Z) array, optional
        χ to begin from, ppm; zero if omitted.

    Returns
    -------
    Solution
        χ in ppm, on the padded box, to be masked.
    """
    dtype = prior.relaxation.dtype
    pull_gradient, pull_support = dtype.type(penalties.gradient), dtype.type(penalties.source)
    asked = np.empty(inside.shape, dtype)
    prior.pull(asked)
    asked *= pull_gradient
    w_support = np.zeros(inside.shape, dtype) if start is None else start * inside
    asked += pull_support * w_support
    x = asked

    def step() -> float:
        nonlocal x
        x = asked  # lets go of the last one
        x = data.solve(asked)
        residual = prior.update(x)
        prior.pull(asked)
        _confine(x, inside, pull_gradient, pull_support, prior.relaxation, w_support, asked)
        return residual

    status, history = iterate(step, tolerance=tolerance, max_iterations=max_iterations)
    return Solution(x, status, len(history), history)


def gradient_threshold(
    value: float, box: Box, grid: Grid, mask: BoolArray, magnitude: FloatArray | None, edges: float,
    dtype: npt.DTypeLike,
) -> FloatArray:  # fmt: skip
    """Return κ, the gradient below which the split one is zero: everywhere the same, but zero on magnitude edges.

    Parameters
    ----------
    value : float
        κ in ppm/mm.
    box : Box
        Gives the padded shape.
    grid : Grid
        Gives the voxel size.
    mask : (X, Y, Z) bool array
        Where to look for edges.
    magnitude : (X, Y, Z, E) array or None
        Magnitude, echo last, arbitrary units.
    edges : float
        Share of the mask's voxels, those in which the root sum of squares over echoes is steepest, that are edges.
    dtype : dtype
        Type of the result.

    Returns
    -------
    (X, Y, Z) array
        κ in ppm/mm on the padded box; without edges one row (1, 1, Z) that stands for all.

    Raises
    ------
    InputError
        Edges are asked for without a magnitude.
    """
    if not edges:
        return np.full((1, 1, box.shape[2]), value, dtype)
    if magnitude is None:
        raise InputError(f"edges = {edges} needs the magnitude, which is missing; give it, or leave edges 0")
    threshold = np.full(box.shape, value, dtype)
    threshold[box.pad(steepest(magnitude, mask, grid, edges))] = 0
    return threshold


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
def _confine(x, inside, pull_gradient, pull_support, relaxation, w, asked):  # type: ignore[no-untyped-def]
    """Step w of the support, whose z is w inside and zero outside; join what it and the gradient ask."""
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                z = w[i, j, k] if inside[i, j, k] else relaxation - relaxation
                new = w[i, j, k] + relaxation * (x[i, j, k] - z)
                w[i, j, k] = new
                reflected = new if inside[i, j, k] else -new
                asked[i, j, k] = pull_gradient * asked[i, j, k] + pull_support * reflected
