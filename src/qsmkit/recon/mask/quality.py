"""Phase quality: how far each voxel's phase can be trusted, from ROMEO's edge weights."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Ge

from qsmkit.arrays import FloatArray
from qsmkit.errors import ParameterError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.recon.unwrap.growing import Weights
from qsmkit.recon.unwrap.romeo_weights import PUBLISHED, Term, echo_weights


@method("mask", produces="phase_quality", cite="Dymerska2020", rev=1)
def romeo_quality(
    phase: FloatArray,
    echo_times: npt.NDArray[np.float64],
    grid: Grid,
    magnitude: FloatArray | None = None,
    *,
    echo: Annotated[int, Ge(1)] = 1,
    weights: tuple[Term, ...] = PUBLISHED,
) -> FloatArray:
    """Rate the phase of every voxel by its coherence with the neighbours.

    The mean of ROMEO's edge weights over the six neighbours of a voxel (Dymerska 2020): near 1 where phase
    and magnitude change smoothly in space and in proportion to echo time, near 0 in noise. A smooth phase
    offset hardly matters: it may be removed before or after.

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Wrapped phase in rad.
    echo_times : (E,) array
        Echo times in s.
    grid : Grid
        Geometry.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude in arbitrary units; without it the phase alone is rated.
    echo : int
        Number of the echo that is rated, 1 is the first. It is compared with the echo before it, the first
        with the second.
    weights : tuple of str
        Terms of the edge weights, see `qsmkit.recon.unwrap.romeo_weights`.

    Returns
    -------
    (X, Y, Z) array
        Quality, 0 to 1.

    Raises
    ------
    ParameterError
        There is no echo of number `echo`, or the weights need data that are absent.
    """
    if echo > phase.shape[-1]:
        raise ParameterError(f"romeo_quality: echo = {echo} of {phase.shape[-1]} echoes; choose one of them")
    everywhere = np.ones(grid.shape, np.bool_)
    edges = echo_weights(phase, echo_times, echo - 1, everywhere, magnitude, weights)
    return mean_weight(edges).astype(phase.dtype, copy=False)


def mean_weight(weights: Weights) -> FloatArray:
    """Return the mean weight of each voxel's edges.

    Parameters
    ----------
    weights : (X, Y, Z, 3) uint8 array
        Edge weights, see `qsmkit.recon.unwrap.romeo_weights.edge_weights`.

    Returns
    -------
    (X, Y, Z) array
        Mean over the neighbours that there are, 0 (also where there are none) to 1.
    """
    total, count = np.zeros(weights.shape[:3], np.uint16), np.zeros(weights.shape[:3], np.uint8)
    for axis in range(3):
        weight = weights[..., axis]
        lower = tuple([slice(None)] * axis + [slice(None, -1)])
        upper = tuple([slice(None)] * axis + [slice(1, None)])
        for part in (lower, upper):
            total[part] += weight[lower]
            count[part] += weight[lower] > 0
    quality: FloatArray = (total - count) / (254 * np.maximum(count, 1).astype(np.float32))
    return quality
