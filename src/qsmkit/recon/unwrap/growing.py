"""Region growing along the best edges: Prim's maximum spanning tree with a bucket queue.

Voxels are joined to their six neighbours by edges with whole weights: `weights[x, y, z, a]` (uint8) belongs
to the edge from voxel (x, y, z) to the next one along axis a; 255 is best, 0 is no edge. Growing takes, at
every step, the best edge between a settled and a pending voxel and settles the latter. With 256 buckets of
linked lists each step costs the same, whatever the size of the volume (Dymerska 2020, `Dymerska2020`).

Only whole turns are computed: the unwrapped phase is `phase + 2π turns`, congruent by construction.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray, IntArray
from qsmkit.compiled import serial

TURN = 2 * math.pi
SETTLED = 255

Weights = npt.NDArray[np.uint8]
Turns = npt.NDArray[np.int16]


class Regions(NamedTuple):
    """Connected regions, in the order in which they were grown.

    Region r consists of the voxels (flat indices) `order[starts[r]:starts[r + 1]]`.
    """

    order: IntArray
    starts: IntArray


def grow(phase: FloatArray, weights: Weights, turns: Turns, pending: BoolArray) -> Regions:
    """Unwrap the pending voxels from the settled ones, best edges first.

    A connected region without any settled voxel starts at its first voxel, which keeps its turns. Where it
    starts does not matter: the tree of best edges is the same, the result differs by a constant per region.

    Parameters
    ----------
    phase : (X, Y, Z) array
        Phase in rad, C-contiguous.
    weights : (X, Y, Z, 3) uint8 array
        Edge weights, 0 (no edge) to 255 (best).
    turns : (X, Y, Z) int16 array
        Whole turns of the phase; those of pending voxels are set in place.
    pending : (X, Y, Z) bool array
        Voxels to unwrap.

    Returns
    -------
    Regions
        The voxels that were settled, by region; those that grew from settled ones together come first.
    """
    strides = np.array([phase.shape[1] * phase.shape[2], phase.shape[2], 1])
    index = np.int32 if weights.size < 2**31 else np.int64
    order: IntArray = np.empty(np.count_nonzero(pending), index)
    following: IntArray = np.empty(weights.size, index)
    reached = np.where(pending, 0, SETTLED).astype(np.uint8)
    flat = (a.reshape(-1) for a in (phase, weights, turns, reached))
    return Regions(order, _grow(strides, order, following, *flat))


@serial
def _grow(strides, order, following, phase, weights, turns, reached):  # type: ignore[no-untyped-def]
    """Settle all voxels that are not; return where each region starts in `order`.

    `reached` tells the weight of the best edge that has been queued towards a pending voxel (at most 254), or
    SETTLED. An edge is queued only if it betters that. It is queued from one end only, hence once, so that
    `following` can link the edges of every bucket: first in, first out.
    """
    heads, tails = np.full(256, -1, np.int64), np.full(256, -1, np.int64)
    starts = [0]
    settled, seed, best = 0, 0, 0
    for voxel in range(reached.size):
        if reached[voxel] == SETTLED:
            best = max(best, _queue(voxel, weights, strides, reached, heads, tails, following))
    while settled < order.size:
        while best > 0 and heads[best] < 0:
            best -= 1
        if best > 0:
            edge = heads[best]
            heads[best] = following[edge]
            start, voxel = edge // 3, edge // 3 + strides[edge % 3]
            if reached[start] != SETTLED:
                start, voxel = voxel, start
            elif reached[voxel] == SETTLED:
                continue
            turns[voxel] = turns[start] + round((phase[start] - phase[voxel]) / TURN)
        else:
            while reached[seed] == SETTLED:
                seed += 1
            voxel = seed
            if settled > 0:
                starts.append(settled)
        reached[voxel] = SETTLED
        order[settled] = voxel
        settled += 1
        best = max(best, _queue(voxel, weights, strides, reached, heads, tails, following))
    starts.append(settled)
    return np.array(starts)


@serial
def _queue(voxel, weights, strides, reached, heads, tails, following):  # type: ignore[no-untyped-def]
    """Queue the edges that lead from `voxel` to a pending neighbour; return the best of their weights."""
    best = 0
    for axis in range(3):
        below = voxel - strides[axis]
        for start, end in ((voxel, voxel + strides[axis]), (below, below)):
            if start < 0:
                continue
            edge = 3 * start + axis
            weight = weights[edge]
            if weight > 0 and weight > reached[end]:  # without an edge there may be no voxel at its end
                reached[end] = min(weight, SETTLED - 1)
                if heads[weight] < 0:
                    heads[weight] = edge
                else:
                    following[tails[weight]] = edge
                tails[weight] = edge
                following[edge] = -1
                best = max(best, weight)
    return best
