"""What must hold of a registration before it may be used: each gate has a number with a unit, and a verdict."""

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from qsmkit.arrays import FloatArray
from qsmkit.clinical.registration.blocks import Blocks, Kind, blocks
from qsmkit.clinical.registration.images import Pyramid, as_transform
from qsmkit.clinical.registration.mirror import Mirror
from qsmkit.clinical.registration.search import LEVELS, SEED, information, inner, optimise
from qsmkit.grid import Grid
from qsmkit.transform import Transform

Verdict = Literal["PASS", "REVIEW", "FAIL"]

LATTICE = np.array(list(itertools.product((-50.0, 0.0, 50.0), repeat=3)))
"""Points about the middle of the head, mm, at which two transforms are compared."""

ELSEWHERE = (3.0, 2.0, 2.5)
"""From how far away another run starts, mm."""

APART = 12.0
"""How far images are moved apart to see what information is left by chance, mm."""

LOCAL, FEWEST = (0.8, 1.3), 20
"""Median displacement of blocks, mm, up to which a registration passes and from which it fails; and how many blocks are
needed. On digital patients right pairs have 0.3 to 0.5 mm, other patients and mirrored heads more than 2 mm."""

CLEAR = 0.02
"""Loss of information by mirroring that tells left from right; digital patients lose about 0.2."""

POINTS = 4000
"""Points of the head whose place is asked for."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One test of a registration.

    Attributes
    ----------
    name : str
        What is tested.
    value : float
        In `unit`.
    unit : str
        Unit of the value; "1" for a pure number.
    verdict : {"PASS", "REVIEW", "FAIL"}
        What it says.
    text : str
        What it means.
    """

    name: str
    value: float
    unit: str
    verdict: Verdict
    text: str


def worst(gates: tuple[Gate, ...]) -> Verdict:
    """Return the worst verdict of gates; REVIEW if there are none."""
    order: tuple[Verdict, ...] = ("PASS", "REVIEW", "FAIL")
    return max((g.verdict for g in gates), key=order.index, default="REVIEW")


def graded(name: str, value: float, unit: str, text: str, *, good: float, bad: float) -> Gate:
    """Return the gate of a number that passes up to `good` and fails from `bad` on (or down, if `bad` is less)."""
    sign = 1 if bad > good else -1
    passes, fails = sign * value <= sign * good, not sign * value < sign * bad
    return Gate(name, value, unit, "PASS" if passes else "FAIL" if fails else "REVIEW", text)


def consistency(fixed: Pyramid, moving: Pyramid, found: Transform, kind: Kind) -> Gate:
    """Start again from elsewhere, with other samples, and see whether the runs end at one place."""
    size, middle, apart = LEVELS[1], fixed.centre(), []
    for sign in (1, -1):
        away = found.after(Transform.rigid((0, 0, 0), sign * np.array(ELSEWHERE)))
        again = inner(kind, middle)
        images = fixed.level(size), moving.level(size)
        optimise(*images, again, then=away, step=1.0, least=0.005, seed=SEED + 7 + sign)
        apart.append(float(away.after(as_transform(again)).distance(found, middle + LATTICE).mean()))
    text = "mean distance in the head between runs from starts 4 mm away"
    return graded("consistency", max(apart), "mm", text, good=0.7, bad=1.5)


def margin(fixed: Pyramid, moving: Pyramid, found: Transform) -> Gate:
    """Compare the information with that of the same images moved apart: a peak must stand out."""
    level = fixed.level(LEVELS[0]), moving.level(LEVELS[0])
    apart = [
        information(*level, Transform.rigid((0, 0, 0), shift).after(found))
        for shift in APART * np.vstack([np.eye(3), -np.eye(3)])
    ]
    ratio = information(*level, found) / max(*apart, 1e-9)
    text = f"mutual information over the best one {APART:g} mm away"
    return graded("information margin", ratio, "1", text, good=1.25, bad=1.12)


def agreement(found: Blocks) -> Gate:
    """Return how far parts of the head would rather lie from where the transform puts them."""
    if len(found.lengths) < FEWEST:
        text = f"both images show only {len(found.lengths)} parts of the head that could tell; {FEWEST} are needed"
        return Gate("local agreement", float("inf"), "mm", "FAIL", text)
    text = f"median displacement that {len(found.lengths)} parts of the head still ask for"
    return graded("local agreement", float(np.median(found.lengths)), "mm", text, good=LOCAL[0], bad=LOCAL[1])


def sides(fixed: Pyramid, moving: Pyramid, rival: Mirror) -> Gate:
    """Ask whether the images fit better with left and right exchanged."""
    lead = rival.advantage
    text = "share of the mutual information that is lost if one image is mirrored"
    if lead < 0:
        mirrored = agreement(blocks(fixed, moving, rival.transform))
        if mirrored.verdict != "FAIL":
            text = "the images fit mirrored: left and right are exchanged in one of them; check its affine"
        else:
            text = "the images fit neither as they are nor mirrored: they do not show one head"
    elif lead < CLEAR:
        text = "mirrored, the images fit almost as well: check left and right by a mark"
    return graded("left and right", lead, "1", text, good=CLEAR, bad=0.0)


def edges(fixed: Pyramid, moving: Pyramid, transform: Transform) -> Gate:
    """Compare edges: where one image has an edge, the other should more often than by chance."""
    grid = _even(fixed.grid)
    pair = [_edge_map(v, grid, t) for v, t in ((fixed, Transform.identity()), (moving, transform))]
    inside = np.logical_and(*(e > 0 for e in pair))
    if inside.sum() < 1000:
        return Gate("edge overlap", 0.0, "1", "FAIL", "the images hardly overlap")
    strong = [e > np.percentile(e[inside], 85) for e in pair]
    near = ndimage.binary_dilation(strong[1], iterations=1) & inside
    share = float((strong[0] & near).sum() / max((strong[0] & inside).sum(), 1))
    gain = share / max(float(near.sum() / inside.sum()), 1e-6)
    return graded("edge overlap", gain, "1", "shared strong edges over what chance would share", good=1.45, bad=1.25)


def overlap(fixed: Pyramid, moving: Pyramid, transform: Transform) -> Gate:
    """Return how much of the fixed head lies inside the moving image."""
    head = np.argwhere(fixed.head)
    points = fixed.grid.world(head[:: max(1, len(head) // POINTS)])
    index = moving.grid.voxel(transform.apply(points))
    share = float(np.all((index >= -0.5) & (index <= np.array(moving.grid.shape) - 0.5), axis=1).mean())
    return graded("overlap", share, "1", "share of the fixed head that the moving image shows", good=0.6, bad=0.35)


def scale(transform: Transform) -> Gate:
    """Return the largest stretch of an affine transform: heads of one person need none."""
    stretch = float(np.exp(np.abs(np.log(np.linalg.svd(transform.matrix[:3, :3])[1])).max()))
    return graded("scale", stretch, "1", "largest stretch along any direction", good=1.15, bad=1.35)


def _even(grid: Grid) -> Grid:
    """Return a grid of 2 mm voxels over the same field of view."""
    shape = [max(2, round(n * v / 2.0)) for n, v in zip(grid.shape, grid.voxel_size, strict=True)]
    affine = np.eye(4)
    affine[:3, :3] = grid.axes * 2.0
    affine[:3, 3] = grid.affine[:3, 3]
    return Grid((shape[0], shape[1], shape[2]), affine)


def _edge_map(image: Pyramid, grid: Grid, transform: Transform) -> FloatArray:
    matrix = np.linalg.inv(image.grid.affine) @ transform.matrix @ grid.affine
    seen = ndimage.affine_transform(
        image.data, matrix[:3, :3], matrix[:3, 3], output_shape=grid.shape, order=1, mode="constant", cval=-1
    )
    edge: FloatArray = ndimage.gaussian_gradient_magnitude(seen, 1.0)
    covered = ndimage.binary_erosion(seen >= 0, iterations=3)
    return np.where(covered, edge + 1e-6, 0).astype(np.float32)
