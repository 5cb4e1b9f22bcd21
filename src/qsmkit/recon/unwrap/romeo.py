"""Exact phase unwrapping along the most trustworthy paths: ROMEO."""

from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Le

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import thread_count
from qsmkit.errors import ParameterError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.physics.box import bounding_box
from qsmkit.recon.unwrap.consistency import settle_echo, settle_template, unwrap_in_time
from qsmkit.recon.unwrap.growing import TURN, Regions, Turns, Weights, grow
from qsmkit.recon.unwrap.romeo_weights import PUBLISHED, Term, echo_weights, edge_weights


@method("unwrap", produces="unwrapped_phase", cite="Dymerska2020", rev=1)
def romeo(
    phase: FloatArray,
    echo_times: npt.NDArray[np.float64],
    mask: BoolArray,
    grid: Grid,
    magnitude: FloatArray | None = None,
    *,
    mode: Literal["template", "individual"] = "template",
    template: Annotated[int, Ge(1)] = 1,
    weights: tuple[Term, ...] = PUBLISHED,
    temporal_uncertainty: Annotated[float, Gt(0), Le(1)] = 0.5,
) -> FloatArray:
    """Unwrap exactly, along the most trustworthy paths through space and echoes.

    φ_unwrapped = φ + 2π n with whole n. Voxels are joined one after another over the best edge between an
    unwrapped and a wrapped voxel, where the weight of an edge tells how coherent phase and magnitude are
    across it (Dymerska 2020). Every connected part of the mask is unwrapped. Its template echo is shifted by
    whole turns so that its median lies nearest to zero, or, in parts other than the largest and if the echo
    times can tell, so that its echoes fit each other as they do in the largest part.

    The paper's choice of seeds is left out: the tree of best edges does not depend on where it is begun.

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Wrapped phase in rad.
    echo_times : (E,) array
        Echo times in s.
    mask : (X, Y, Z) bool array
        Voxels to unwrap.
    grid : Grid
        Geometry.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude in arbitrary units; without it the weights come from the phase alone.
    mode : {"template", "individual"}
        Whether one echo is unwrapped in space and the others in time, each from its neighbour, or every echo
        in space. Unwrapping in time wants the phase offset at echo time zero removed.
    template : int
        Number of the echo to start from; 1 is the first.
    weights : tuple of str
        Terms of the edge weights, see `qsmkit.recon.unwrap.romeo_weights`.
    temporal_uncertainty : float
        Voxels whose phase departs from what the neighbouring echo predicts by more than this fraction of π
        are unwrapped again, in space (template mode only); 1 trusts every prediction.

    Returns
    -------
    (X, Y, Z, E) array
        Unwrapped phase in rad, zero outside the mask.

    Raises
    ------
    ParameterError
        There is no echo of number `template`, or the weights need data that are absent.
    """
    echoes = phase.shape[-1]
    if template > echoes:
        raise ParameterError(f"romeo: template = {template} of {echoes} echoes; choose an echo that there is")
    box = bounding_box(mask)
    inside = np.ascontiguousarray(mask[box])
    phases = [np.ascontiguousarray(phase[box][..., e]) for e in range(echoes)]
    turns = [np.zeros(inside.shape, np.int16) for _ in range(echoes)]

    def edges(e: int) -> Weights:
        return echo_weights(
            phase[box], echo_times, e, inside, None if magnitude is None else magnitude[box], weights
        )

    first = template - 1
    in_space = [first] if mode == "template" else list(range(echoes))
    regions = _grow_all([(phases[e], edges(e), turns[e], inside) for e in in_space])[in_space.index(first)]
    settle_template(phases, echo_times, first, turns[first], regions)
    onwards = [(e, e - 1) for e in range(first + 1, echoes)] + [(e, e + 1) for e in reversed(range(first))]
    for e, known in onwards:
        ratio = echo_times[e] / echo_times[known]
        if mode == "individual":
            settle_echo(phases[e], turns[e], phases[known], turns[known], ratio, regions)
            continue
        turns[e], uncertain = unwrap_in_time(
            phases[e], phases[known], turns[known], ratio, inside, temporal_uncertainty
        )
        if uncertain.any():
            grow(phases[e], edges(e), turns[e], uncertain)

    unwrapped = np.zeros_like(phase)
    for e in range(echoes):
        unwrapped[box][..., e] = _unwrapped(phases[e], turns[e], inside)
    return unwrapped


def unwrap_volume(phase: FloatArray, mask: BoolArray, magnitude: FloatArray | None = None) -> FloatArray:
    """Return one volume unwrapped in space with ROMEO's weights, its median within half a turn of zero.

    Parameters
    ----------
    phase : (X, Y, Z) array
        Wrapped phase in rad.
    mask : (X, Y, Z) bool array
        Voxels to unwrap; each connected part is unwrapped for itself.
    magnitude : (X, Y, Z) array, optional
        Magnitude in arbitrary units.

    Returns
    -------
    (X, Y, Z) array
        Unwrapped phase in rad, zero outside the mask.
    """
    box = bounding_box(mask)
    wrapped, inside = np.ascontiguousarray(phase[box]), np.ascontiguousarray(mask[box])
    turns = np.zeros(inside.shape, np.int16)
    weights = edge_weights(wrapped, inside, None if magnitude is None else magnitude[box])
    regions = grow(wrapped, weights, turns, inside)
    settle_template([wrapped], np.ones(1), 0, turns, regions)
    unwrapped = np.zeros_like(phase)
    unwrapped[box] = _unwrapped(wrapped, turns, inside)
    return unwrapped


def _grow_all(echoes: list[tuple[FloatArray, Weights, Turns, BoolArray]]) -> list[Regions]:
    """Grow several echoes at once, one a thread."""
    with ThreadPoolExecutor(thread_count()) as pool:
        return list(pool.map(lambda echo: grow(*echo), echoes))


def _unwrapped(phase: FloatArray, turns: Turns, mask: BoolArray) -> FloatArray:
    """Return phase + 2π turns in the phase's precision, zero outside the mask."""
    unwrapped: FloatArray = turns * phase.dtype.type(TURN)
    unwrapped += phase
    unwrapped *= mask
    return unwrapped
