"""Where parts of a head would rather lie: an estimate, in mm, of what one transform leaves over.

With p the joint distribution of both images' values in the registered head, a block B of the fixed image votes for
the displacement d that makes its voxels most typical,

    s(d) = Σ_{x ∈ B} log( p(f(x), m(Tx + d)) / (p(f(x)) p(m(Tx + d))) ).

Blocks of one head want to stay where they are; those of another head each want to go somewhere else.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import AnyArray, FloatArray
from qsmkit.clinical.registration.images import FOREGROUND, Points, Pyramid
from qsmkit.compiled import serial
from qsmkit.transform import Transform

Kind = Literal["rigid", "affine"]

STEP, REACH = 2.0, 4
"""Voxel size, mm, and largest displacement along an axis, voxels."""

BLOCK, HOP = 16, 16
"""Width of a block and distance of one from the next, voxels."""

LEVELS = 32
"""Values that each image is rounded to."""

FILLED = 0.6
"""Least share of a block that both images must show."""

PRIOR, OPINION = 0.004, 0.05
"""What a displacement of one voxel costs, and by how much the best one must beat the median one for a block to have an
opinion, nats a voxel: measured on digital patients."""


ROUNDS, KEPT = 6, 0.6
"""Rounds of the robust fit, and the share of blocks that it follows."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of the fixed image and where they would rather lie.

    Attributes
    ----------
    centres : (N, 3) array
        RAS+ mm of the fixed image.
    displacements : (N, 3) array
        By how much more the transform should move each, along the fixed image's RAS+ axes, mm.
    """

    centres: Points
    displacements: Points

    @property
    def lengths(self) -> Points:
        """Lengths of the displacements, mm: (N,)."""
        length: Points = np.linalg.norm(self.displacements, axis=1)
        return length

    def fitted(self, kind: Kind) -> Transform:
        """Return the rigid or affine transform of the fixed space that most blocks ask for: trimmed least squares."""
        wanted = self.centres + self.displacements
        keep = np.ones(len(wanted), bool)
        for _ in range(ROUNDS):
            transform = (_rigid if kind == "rigid" else _affine)(self.centres[keep], wanted[keep])
            left = np.linalg.norm(transform.apply(self.centres) - wanted, axis=1)
            keep = left <= np.quantile(left, KEPT)
        return transform


def _rigid(points: Points, wanted: Points) -> Transform:
    """Return the best rotation and translation (Arun 1987)."""
    p, q = points.mean(0), wanted.mean(0)
    u, _, v = np.linalg.svd((points - p).T @ (wanted - q))
    matrix = np.eye(4)
    matrix[:3, :3] = v.T @ np.diag([1.0, 1.0, np.linalg.det(v.T @ u.T)]) @ u.T
    matrix[:3, 3] = q - matrix[:3, :3] @ p
    return Transform(matrix)


def _affine(points: Points, wanted: Points) -> Transform:
    solved = np.linalg.lstsq(np.column_stack([points, np.ones(len(points))]), wanted, rcond=None)[0]
    return Transform(np.vstack([solved.T, [0.0, 0.0, 0.0, 1.0]]))


def blocks(fixed: Pyramid, moving: Pyramid, transform: Transform) -> Blocks:
    """Return where blocks of the fixed head would rather lie in the moving one.

    Parameters
    ----------
    fixed, moving : Pyramid
        The images.
    transform : Transform
        From the fixed to the moving one.
    """
    shape = tuple(round(n * v / STEP) for n, v in zip(fixed.grid.shape, fixed.grid.voxel_size, strict=True))
    lattice = np.eye(4)
    lattice[:3, :3] = fixed.grid.axes * STEP
    lattice[:3, 3] = fixed.grid.world(0.5 * STEP / np.array(fixed.grid.voxel_size) - 0.5)
    still = _sampled(fixed, lattice, shape)
    wide = lattice.copy()
    wide[:3, 3] -= lattice[:3, :3] @ np.full(3, REACH)
    turned = _sampled(moving, transform.matrix @ wide, tuple(n + 2 * REACH for n in shape))
    inner = tuple(slice(REACH, REACH + n) for n in shape)
    head = ndimage.binary_dilation(still > FOREGROUND * LEVELS, iterations=2)
    table = _typical(still, turned[inner], head)
    corners = _corners(still, turned[inner], head)
    votes = _votes(still, turned, corners, table, BLOCK, REACH).reshape(len(corners), *[2 * REACH + 1] * 3)
    opinion = votes.max((1, 2, 3)) - np.median(votes, (1, 2, 3)) > OPINION
    if not opinion.any():
        nothing = np.zeros((0, 3))
        return Blocks(nothing, nothing)
    middle = corners[opinion] + (BLOCK - 1) / 2
    return Blocks(middle @ lattice[:3, :3].T + lattice[:3, 3], _peaks(votes[opinion]) @ lattice[:3, :3].T)


def _sampled(image: Pyramid, to_world: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    """Return an image's rounded values on a lattice; −1 outside."""
    smooth = ndimage.gaussian_filter(image.data, 0.4 * STEP / np.array(image.grid.voxel_size))
    matrix = np.linalg.inv(image.grid.affine) @ to_world
    values = ndimage.affine_transform(
        smooth, matrix[:3, :3], matrix[:3, 3], output_shape=shape, order=1, mode="constant", cval=-1
    )
    return np.where(values < 0, -1, np.minimum(values * LEVELS, LEVELS - 1)).astype(np.int8)


def _typical(still: AnyArray, turned: AnyArray, head: AnyArray) -> FloatArray:
    """Return how much more often each pair of values is met than if the images were of no relation, as a logarithm."""
    both = head & (still >= 0) & (turned >= 0)
    count = np.bincount(still[both].astype(np.int64) * LEVELS + turned[both], minlength=LEVELS**2)
    joint = ndimage.gaussian_filter(count.reshape(LEVELS, LEVELS).astype(np.float64), 0.7) + 0.1
    joint = joint / joint.sum()
    table: FloatArray = np.log(joint / joint.sum(0) / joint.sum(1)[:, None]).astype(np.float32)
    return table


def _corners(still: AnyArray, turned: AnyArray, head: AnyArray) -> npt.NDArray[np.int64]:
    """Return the first voxels of blocks that lie in the head and are shown by both images."""
    seen = np.pad(np.cumsum(np.cumsum(np.cumsum(head & (turned >= 0) & (still >= 0), 0), 1), 2), ((1, 0),) * 3)
    starts = np.meshgrid(*[np.arange(0, n - BLOCK + 1, HOP) for n in still.shape], indexing="ij")
    corner = np.stack([s.ravel() for s in starts], 1)
    total = sum(
        (-1) ** (3 - sum(o)) * seen[tuple((corner + BLOCK * np.array(o)).T)] for o in np.ndindex(2, 2, 2)
    )
    return np.ascontiguousarray(corner[np.asarray(total) > FILLED * BLOCK**3])


@serial
def _votes(still, turned, corners, table, size, reach):  # type: ignore[no-untyped-def]
    """Return s(d) of every block, averaged over the voxels that are seen."""
    width = 2 * reach + 1
    votes = np.zeros((len(corners), width**3), np.float32)
    for b in range(len(corners)):
        x, y, z = corners[b]
        for d in range(width**3):
            i, j, k = d // (width * width), d // width % width, d % width
            total, count = 0.0, 0
            for u in range(x, x + size):
                for v in range(y, y + size):
                    for w in range(z, z + size):
                        f, m = still[u, v, w], turned[u + i, v + j, w + k]
                        if f >= 0 and m >= 0:
                            total += table[f, m]
                            count += 1
            votes[b, d] = total / max(count, 1)
    return votes


def _peaks(votes: FloatArray) -> Points:
    """Return where votes (N, W, W, W) and the prior together are largest, to a fraction of a voxel: (N, 3)."""
    away = np.indices(votes.shape[1:]) - REACH
    posterior = votes - PRIOR * (away**2).sum(0)
    best = np.stack(np.unravel_index(posterior.reshape(len(votes), -1).argmax(1), votes.shape[1:]), 1)
    peaks = (best - REACH).astype(np.float64)
    block = np.arange(len(votes))
    for axis in range(3):
        along = np.eye(3, dtype=int)[axis]
        inner = (best[:, axis] > 0) & (best[:, axis] < 2 * REACH)
        here, at = best[inner], block[inner]
        low, top, high = (posterior[at, *(here + k * along).T] for k in (-1, 0, 1))
        peaks[inner, axis] += 0.5 * (high - low) / np.maximum(2 * top - low - high, 1e-9)
    return peaks
