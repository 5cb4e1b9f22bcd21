"""A post-operative CT brought to the MR on which the operation was planned.

Two rigid transforms are found. The first is that of the head: skull, scalp and brain together. Air that came in
through the burr holes lets the brain sink inside the skull, so that deep nuclei, too, may lie elsewhere; the second is
that of the deep brain alone, refined in a wide region and then in a small one about the basal ganglia (after Schönecker
2009). A lead lies straight where the CT shows it and is carried to the MR by a rigid transform, never bent as tissue.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from qsmkit.arrays import AnyArray, BoolArray, FloatArray
from qsmkit.clinical.register import Registration, register_pyramids
from qsmkit.clinical.registration.gates import Gate, Verdict, graded, worst
from qsmkit.clinical.registration.images import Points, Pyramid, as_image, as_transform, joined, robust_range
from qsmkit.clinical.registration.search import SEED, inner, optimise
from qsmkit.clinical.target.cranium import METAL, Cranium, cranium
from qsmkit.grid import Grid
from qsmkit.measure import Measure
from qsmkit.transform import Matrix, Transform
from qsmkit.volume import Volume

TISSUE = (-10.0, 80.0)
"""CT numbers between which brain and CSF differ, HU: the window of the refinement."""

FROM_MIDDLE = (0.0, 14.0, -8.0)
"""Where the basal ganglia lie from the middle of the brain, mm to the right, front and top (modelling choice)."""

REGIONS = ((48.0, 55.0, 40.0), (36.0, 38.0, 28.0))
"""Half axes of the wide and of the small region about the basal ganglia, mm."""

VOXEL, FINE, ROOM = 1.5, 1.0, 8.0
"""Voxel sizes of the MR and of the CT in the refinement, and how much farther the CT reaches, mm."""

RUNS = 6
"""Refinements, each from another sixth of the voxels, that say how sure the shift is."""

AROUND_METAL = 3.0
"""Voxels up to this far from metal do not count, mm."""

LARGEST = (6.0, 5.0)
"""Shift, mm, and turn, degrees, beyond which a refinement has failed."""

Z = 1.96
"""Standard deviations that hold 95 % of a normal distribution on either side."""

SPREAD = 0.15
"""Standard deviation, mm, of the error of a refinement that its own runs do not show: measured on digital patients."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How the deep brain lies on the CT, compared with where the head's transform puts it.

    Attributes
    ----------
    right, anterior, superior : Measure
        Displacement of the middle of the basal ganglia along the MR's axes, mm.
    length : Measure
        Its length, mm.
    """

    right: Measure
    anterior: Measure
    superior: Measure
    length: Measure


@dataclass(frozen=True, eq=False)
class Fusion:
    """Where a point of the MR lies on the CT, and whether to believe it.

    Attributes
    ----------
    transform : Transform
        From the MR to the CT, RAS+ mm, where the deep brain is: its inverse carries contacts to the MR's nuclei. Rigid.
    skull : Transform
        The same of the head as a whole: its inverse carries entries, burr holes and a frame. Rigid. The same as
        `transform` if the deep brain was not refined.
    gates : tuple of Gate
        The tests.
    pneumocephalus : mapping of str to Measure
        Air inside the skull on the right, on the left and on both sides, mL; empty if the fusion failed.
    shift : Shift or None
        Of the deep brain; None if it was not refined.
    """

    transform: Transform
    skull: Transform
    gates: tuple[Gate, ...]
    pneumocephalus: Mapping[str, Measure]
    shift: Shift | None

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the gates."""
        return worst(self.gates)


def fuse(
    ct: Volume, mr: Volume, *, before: Volume | None = None, centre: npt.ArrayLike | None = None, refine: bool = True
) -> Fusion:
    """Bring a post-operative CT and the MR together.

    Parameters
    ----------
    ct : Volume
        Post-operative CT, HU, (X, Y, Z).
    mr : Volume
        T1-weighted image of the same head, (X, Y, Z), or a magnitude that shows the whole head.
    before : Volume, optional
        Pre-operative CT, HU, (X, Y, Z): the MR is then registered to it, and it to the post-operative one.
    centre : (3,) array, optional
        Middle of the basal ganglia on the MR, RAS+ mm, such as the mid-commissural point; taken from the shape of the
        skull if omitted.
    refine : bool
        Whether to refine the transform in the deep brain.

    Returns
    -------
    Fusion
        The transforms and their verdict; also when it FAILs.

    Raises
    ------
    InputError
        The CT shows no brain inside a skull, or an image cannot be registered at all.
    """
    inside = cranium(ct)
    fixed, moving = Pyramid.of(mr, "MR"), Pyramid.of(ct, "CT")
    if before is None:
        found = register_pyramids(fixed, moving)
        skull, gates, first = found.transform, found.gates, found
    else:
        between = Pyramid.of(before, "pre-operative CT")
        first, second = register_pyramids(fixed, between), register_pyramids(between, moving)
        skull = second.transform.after(first.transform)
        gates = (*_named("MR to pre-operative CT", first), *_named("CT to CT", second))
    gates = (*gates, *_of_ct(inside))
    if worst(gates) == "FAIL":
        return Fusion(skull, skull, gates, {}, None)
    normal, middle = _midplane(first)
    carried = skull.matrix[:3, :3] @ normal
    air = inside.pneumocephalus(carried, skull.apply(middle))
    if not refine:
        return Fusion(skull, skull, gates, air, None)
    at = _basal_ganglia(skull.inverse().apply(inside.middle), normal, middle) if centre is None else np.array(centre)
    deep, shift, gate = _refine(mr, ct, inside, skull, at)
    return Fusion(deep, skull, (*gates, gate), air, shift)


def _named(where: str, found: Registration) -> tuple[Gate, ...]:
    return tuple(replace(gate, name=f"{gate.name}, {where}") for gate in found.gates)


def _of_ct(inside: Cranium) -> tuple[Gate, ...]:
    """Return what the CT itself must show: the whole skull above its base, and metal that it does not cut."""
    text = "share of the skull above its base that the CT shows"
    whole = graded("skull", inside.shown, "1", text, good=0.97, bad=0.85)
    volume = float(inside.metal.sum()) * inside.grid.voxel_volume / 1000
    verdict: Verdict = "PASS"
    text = f"voxels inside the skull that hold more than {METAL:g} HU"
    if not inside.metal.any():
        verdict, text = "REVIEW", f"no metal above {METAL:g} HU inside the skull: is this the CT after the operation?"
    elif inside.metal_is_cut:
        verdict, text = "FAIL", "the image ends inside metal: the CT is cropped through the lead; give all of it"
    return whole, Gate("metal", volume, "mL", verdict, text)


def _midplane(found: Registration) -> tuple[Points, Points]:
    """Return the vector to the right at right angles to the head's midplane, and a point of it, in the fixed image."""
    assert found.rival is not None
    return found.rival.normal, found.rival.middle


def _basal_ganglia(brain: Points, normal: Points, middle: Points) -> Points:
    """Return where the basal ganglia lie about the middle of the brain, RAS+ mm of the MR."""
    anterior = np.array([0.0, 1.0, 0.0]) - normal[1] * normal
    anterior /= np.linalg.norm(anterior)
    superior = np.cross(normal, anterior)
    on_midplane = brain - ((brain - middle) @ normal) * normal
    result: Points = on_midplane + np.stack([normal, anterior, superior]).T @ FROM_MIDDLE
    return result


def _refine(
    mr: Volume, ct: Volume, inside: Cranium, skull: Transform, centre: Points
) -> tuple[Transform, Shift, Gate]:
    """Return the transform of the deep brain, how far it has moved, and whether to believe it."""
    near, wide = _about(centre, REGIONS[0], VOXEL), _about(centre, np.add(REGIONS[0], ROOM), FINE)
    fixed = as_image(_smooth(mr, *robust_range(mr.data), np.eye(4), near), near)
    moving = as_image(_smooth(ct, *TISSUE, skull.matrix, wide), wide)
    masks = _masks(inside, skull, centre, near)

    def improve(turn: sitk.Transform, mask: BoolArray, step: float) -> None:
        image = as_image(mask.astype(np.uint8), near)
        optimise(fixed, moving, turn, then=Transform.identity(), step=step, least=0.002, mask=image)

    turn = inner("rigid", centre)
    for mask in masks:
        improve(turn, mask, 0.5)
    parts = np.random.default_rng(SEED).integers(RUNS, size=masks[-1].shape)
    ends = []
    for part in range(RUNS):
        again = sitk.Euler3DTransform(turn)
        improve(again, masks[-1] & (parts == part), 0.2)
        ends.append(_moved(again, centre))
    spread = np.std(ends, axis=0, ddof=1) / np.sqrt(RUNS)
    moved = as_transform(turn)
    shift = _shift(_moved(turn, centre), np.hypot(spread, SPREAD))
    return skull.after(moved), shift, _believed(shift, moved.angle, float(np.linalg.norm(spread)))


def _about(centre: Points, half: npt.ArrayLike, voxel: float) -> Grid:
    """Return a grid along the MR's RAS+ axes that reaches `half` mm from a point."""
    steps = np.ceil(np.asarray(half) / voxel).astype(int)
    affine = np.diag([voxel, voxel, voxel, 1.0])
    affine[:3, 3] = centre - voxel * steps
    x, y, z = (int(n) for n in 2 * steps + 1)
    return Grid((x, y, z), affine)


def _smooth(volume: Volume, low: float, high: float, transform: Matrix, onto: Grid) -> FloatArray:
    """Return an image from `low` to `high` as 0 … 1, smoothed to the refinement's voxels, on a grid."""
    data, grid = joined(volume, low, high)
    smooth = ndimage.gaussian_filter(data, 0.4 * VOXEL / np.array(grid.voxel_size), truncate=3)
    return _sampled(smooth, grid, transform, onto, order=1)


def _masks(inside: Cranium, skull: Transform, centre: Points, grid: Grid) -> list[BoolArray]:
    """Return the voxels of each region that count: inside the skull, and not near metal."""
    radius = round(AROUND_METAL / min(inside.grid.voxel_size))
    metal = ndimage.binary_dilation(inside.metal, iterations=radius) if inside.metal.any() else inside.metal
    counts = _sampled(inside.cavity & ~metal, inside.grid, skull.matrix, grid, order=0) > 0
    away = grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)) - centre
    return [counts & (((away / axes) ** 2).sum(-1) < 1) for axes in np.array(REGIONS)]


def _sampled(data: AnyArray, grid: Grid, transform: Matrix, onto: Grid, *, order: Literal[0, 1]) -> FloatArray:
    matrix = np.linalg.inv(grid.affine) @ transform @ onto.affine
    values: FloatArray = ndimage.affine_transform(
        data.astype(np.float32), matrix[:3, :3], matrix[:3, 3], output_shape=onto.shape, order=order
    )
    return values


def _moved(turn: sitk.Euler3DTransform, centre: Points) -> Points:
    """Return the displacement of the region's middle, RAS+ mm."""
    moved: Points = as_transform(turn).apply(centre) - centre
    return moved


def _shift(moved: Points, sd: Points) -> Shift:
    method = f"rigid refinement about the basal ganglia; ± 1.96 SD of {RUNS} disjoint parts and of {SPREAD:g} mm"

    def measure(value: float, wide: float, least: float = -np.inf) -> Measure:
        return Measure(value, max(least, value - wide), value + wide, "mm", RUNS, method)

    right, anterior, superior = (measure(float(m), Z * float(s)) for m, s in zip(moved, sd, strict=True))
    length = measure(float(np.linalg.norm(moved)), Z * float(np.sqrt((sd**2).mean())), least=0.0)
    return Shift(right, anterior, superior, length)


def _believed(shift: Shift, angle: float, spread: float) -> Gate:
    length = shift.length.value
    if length > LARGEST[0] or angle > LARGEST[1]:
        text = f"the deep brain would have moved by {length:.1f} mm and {angle:.1f}°: the refinement has failed"
        return Gate("refinement", spread, "mm", "FAIL", f"{text}; look at the images, or fuse without it")
    text = f"standard error of the deep brain's place from {RUNS} parts of it"
    return graded("refinement", spread, "mm", text, good=0.3, bad=1.0)
