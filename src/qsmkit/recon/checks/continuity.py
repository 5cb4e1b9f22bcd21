"""Where a volume jumps from one voxel to the next, and what such jumps cut off."""

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import serial


def jumps(x: FloatArray, mask: BoolArray, limit: float) -> tuple[int, int]:
    """Return how many pairs of face neighbours in the mask differ by more than `limit`, and of how many."""
    found = pairs = 0
    for axis in range(3):
        count = mask.shape[axis] - 1
        one, other = (tuple([slice(None)] * axis + [slice(k, k + count)]) for k in (0, 1))
        both = mask[one] & mask[other]
        found += int(np.count_nonzero((np.abs(x[other] - x[one]) > limit) & both))
        pairs += int(np.count_nonzero(both))
    return found, pairs


def islands(x: FloatArray, mask: BoolArray, limit: float, *, smallest: int) -> int:
    """Return how many voxels lie in islands: parts cut off from the largest by jumps of more than `limit`.

    Islands of less than `smallest` voxels do not count, and neither do parts of the mask that do not touch the largest
    at all, because the mask itself parts them.
    """
    parent = np.arange(mask.size, dtype=np.int64).reshape(mask.shape)
    whole = parent.copy()
    _join(np.ascontiguousarray(x), mask, limit, parent.reshape(-1))
    _join(np.zeros(mask.shape, x.dtype), mask, 1.0, whole.reshape(-1))
    part, piece = (_root(p.reshape(-1)).reshape(mask.shape)[mask] for p in (parent, whole))
    labels, index, sizes = np.unique(part, return_inverse=True, return_counts=True)
    same = piece == piece[np.argmax(part == labels[np.argmax(sizes)])]
    return int(np.count_nonzero(same & (sizes[index] >= smallest) & (index != np.argmax(sizes))))


@serial
def _find(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@serial
def _join(x, mask, limit, parent):  # type: ignore[no-untyped-def]
    """Join every voxel of the mask with its neighbours that differ by no more than `limit`."""
    nx, ny, nz = mask.shape
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                if mask[i, j, k]:
                    here = (i * ny + j) * nz + k
                    if i + 1 < nx and mask[i + 1, j, k] and abs(x[i + 1, j, k] - x[i, j, k]) <= limit:
                        parent[_find(parent, here + ny * nz)] = _find(parent, here)
                    if j + 1 < ny and mask[i, j + 1, k] and abs(x[i, j + 1, k] - x[i, j, k]) <= limit:
                        parent[_find(parent, here + nz)] = _find(parent, here)
                    if k + 1 < nz and mask[i, j, k + 1] and abs(x[i, j, k + 1] - x[i, j, k]) <= limit:
                        parent[_find(parent, here + 1)] = _find(parent, here)


@serial
def _root(parent):  # type: ignore[no-untyped-def]
    for i in range(parent.size):
        parent[i] = _find(parent, i)
    return parent
