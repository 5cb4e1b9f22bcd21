"""What an operation leaves in a head: burr holes, wires below the scalp, air, and a brain that has sunk."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from qsmkit.arrays import BoolArray
from qsmkit.errors import ParameterError
from qsmkit.leads.curve import Points, resampled
from qsmkit.leads.lead import Lead, LeadPlan, check_apart, lead
from qsmkit.simulate.bearings import Bearings, Shell
from qsmkit.simulate.body import Body
from qsmkit.simulate.brain_shift import BrainShift
from qsmkit.simulate.shapes import rounded
from qsmkit.simulate.tissue import Label

BONE = (Label.BONE, Label.DIPLOE)

BURR_HOLE, DRILLED = 7.0, 18.0
"""Radius of a burr hole, and how far from the entry bone is drilled at most, mm."""

SUBARACHNOID = 6.0
"""Greatest distance of the skull from the brain's hull, mm."""

MOVED = 2.5
"""Tissue deeper than this many decay lengths below the top is left where it was (it would move by 4 %)."""

PILLOW = 20.0
"""Angle in degrees by which the head of a supine patient is raised."""

AIR_DEPTH = 16.0
"""Air lies within this many mm below the highest point of the brain (modelling choice)."""

ENTRY_TOLERANCE = 15.0
"""Greatest distance of an entry from the outer table of the skull, mm."""

SKULL, STRAY = 25.0, 10.0
"""Length of a lead's upper end in skull, meninges and CSF, and how much of the rest may lie outside the brain, mm."""

ACROSS = 5.0
"""How far beyond the midline an entry may lie, mm."""

EXIT = 6.0
"""How far a lead goes straight on out of its burr hole, mm."""

WIRE_HEIGHT = 2.0
"""Of a wire over the skull, mm."""

TUNNEL = ((0.62, -0.45, 0.64), (0.86, -0.50, 0.05), (0.80, -0.58, -0.30))
"""Directions right, anterior, superior, seen from the middle of the head, that a wire passes below the scalp: over the
parietal bone to behind the ear. On the right; a modelling choice."""


@dataclass(frozen=True, eq=False)
class Operated:
    """A head after an operation, on the samples of the body.

    Attributes
    ----------
    labels : (X, Y, Z) uint8 array
        `Label` of every sample.
    air : (X, Y, Z) bool array
        Pneumocephalus.
    leads : tuple of Lead
        In head RAS, with their wires below the scalp.
    shift : BrainShift or None
        How the brain's tissue moved.
    """

    labels: npt.NDArray[np.uint8]
    air: BoolArray
    leads: tuple[Lead, ...]
    shift: BrainShift | None


def operate(body: Body, plans: Sequence[LeadPlan], shift: tuple[float, float] = (0.0, 0.0)) -> Operated:
    """Return the head with leads implanted.

    Parameters
    ----------
    body : Body
        Before.
    plans : sequence of LeadPlan
        The leads; none leaves the skull closed.
    shift : tuple of float
        How far the frontal surface of the brain sinks on the right and on the left, mm. Air takes its place.

    Raises
    ------
    ParameterError
        A lead's target is not in the brain, its entry not at the skull or on the other side, or its way outside the
        brain; leads cross; or the shift is out of range.
    """
    bearings = Bearings.of(body.landmarks)
    shell = Shell(np.isin(body.labels, BONE), body.grid, brain_middle(body))
    leads = implanted(plans, shell, bearings)
    for one in leads:
        _check_path(one, body, shell)
    labels = body.labels.copy()
    air = np.zeros(labels.shape, bool)
    field = None
    if any(shift):
        field = brain_shift(body, bearings, shift)
        air = _sink(body, labels, field)
    for one in leads:
        _drill(labels, body, one)
    return Operated(labels, air, leads, field)


def implanted(plans: Sequence[LeadPlan], shell: Shell, bearings: Bearings) -> tuple[Lead, ...]:
    """Return the leads of plans, each with its wire from the burr hole below the scalp to behind the ear.

    Parameters
    ----------
    plans : sequence of LeadPlan
        What is wanted.
    shell : Shell
        The skull.
    bearings : Bearings
        The patient's axes.

    Raises
    ------
    ParameterError
        An entry is not at the skull or not on its lead's side, a target lies outside the skull, or leads cross.
    """
    for plan in plans:
        _check_ends(plan, shell)
        _check_side(plan, bearings)
    leads = tuple(_with_wire(plan, shell, bearings) for plan in plans)
    check_apart(leads)
    return leads


def _with_wire(plan: LeadPlan, shell: Shell, bearings: Bearings) -> Lead:
    inside = lead(plan, bearings.anterior)
    up = inside.curve.tangent(inside.depth)
    sign = 1 if plan.side == "right" else -1
    stations = [(inside.entry - shell.middle), *(bearings.direction(sign * x, y, z) for x, y, z in TUNNEL)]
    directions = np.concatenate([
        _arc(a / np.linalg.norm(a), b / np.linalg.norm(b)) for a, b in itertools.pairwise(stations)
    ])[4:]
    radius = shell.radius(directions)
    known = np.isfinite(radius)
    if not known.any():
        return inside
    radius = np.interp(np.arange(len(radius)), np.flatnonzero(known), radius[known])
    over = shell.middle + (radius + WIRE_HEIGHT)[:, None] * directions
    polygon = np.concatenate([[inside.entry, inside.entry + EXIT * up], over])
    return replace(inside, curve=inside.curve.followed_by(resampled(rounded(polygon, 4), 0.3)[1:]))


def brain_shift(body: Body, bearings: Bearings, amount: tuple[float, float]) -> BrainShift:
    """Return the shift of a supine patient's brain whose surface sinks by `amount` (right, left) mm at the top."""
    c, s = np.cos(np.deg2rad(PILLOW)), np.sin(np.deg2rad(PILLOW))
    up = bearings.direction(0.0, c, s)
    height = body.grid.world(np.argwhere(body.brain[::3, ::3, ::3]) * 3) @ up
    return BrainShift(up, bearings.right, float(bearings.right @ bearings.origin), float(height.max()), amount)


def brain_middle(body: Body) -> Points:
    """Return the centroid of the brain, mm: (3,).

    Raises
    ------
    ParameterError
        There is no brain.
    """
    found = np.argwhere(body.brain[::4, ::4, ::4]) * 4
    if len(found) == 0:
        raise ParameterError("the body's brain is empty; draw a head that has one")
    middle: Points = body.grid.world(found.mean(0))
    return middle


def _arc(start: Points, end: Points, step: float = 0.04) -> Points:
    """Return unit vectors (N, 3) along the great circle from `start` to `end`, about `step` rad apart."""
    angle = float(np.arccos(np.clip(start @ end, -1, 1)))
    t = np.linspace(0, 1, max(2, round(angle / step)), endpoint=False)[:, None]
    arc: Points = (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / max(np.sin(angle), 1e-6)
    return arc


def _check_path(one: Lead, body: Body, shell: Shell) -> None:
    steps = np.arange(0.0, one.depth - SKULL, 0.5)
    index = np.rint(body.grid.voxel(one.curve.at(steps))).astype(int)
    held = np.all((index >= 0) & (index < body.grid.shape), axis=1)
    i, j, k = np.where(held[:, None], index, 0).T
    held &= body.brain[i, j, k]
    if not held[0]:
        raise ParameterError(
            f"lead {one.plan.name!r}: target {_mm(one.tip)} mm is outside the brain, whose middle is at "
            f"{_mm(shell.middle)} mm; give head RAS mm"
        )
    outside = 0.5 * float((~held).sum())
    if outside > STRAY:
        raise ParameterError(
            f"lead {one.plan.name!r} runs {outside:.0f} mm outside the brain between entry {_mm(one.plan.entry)} mm "
            "and target; move the entry to the vault above the target"
        )


def _check_side(plan: LeadPlan, bearings: Bearings) -> None:
    right = float((np.array(plan.entry) - bearings.origin) @ bearings.right)
    if (right if plan.side == "right" else -right) < -ACROSS:
        raise ParameterError(
            f"lead {plan.name!r} is planned on the {plan.side}, but its entry lies {abs(right):.0f} mm on the other "
            "side; correct the side or the entry"
        )


def _check_ends(plan: LeadPlan, shell: Shell) -> None:
    for name, point in (("entry", plan.entry), ("target", plan.target)):
        ray = np.array(point) - shell.middle
        distance = float(np.linalg.norm(ray))
        radius = float(shell.radius(ray / max(distance, 1e-9)))
        beyond = distance - radius
        if beyond > ENTRY_TOLERANCE or (name == "entry" and not abs(beyond) <= ENTRY_TOLERANCE):
            where = "no skull is met" if np.isnan(radius) else f"the skull's outer table lies {radius:.0f} mm away"
            raise ParameterError(
                f"lead {plan.name!r}: {name} {_mm(point)} mm lies {distance:.0f} mm from the middle of the head, but "
                f"{where} in that direction; give head RAS mm"
            )


def _mm(point: npt.ArrayLike) -> str:
    return "(" + ", ".join(f"{v:.1f}" for v in np.ravel(point)) + ")"


def _sink(body: Body, labels: npt.NDArray[np.uint8], shift: BrainShift) -> BoolArray:
    """Move the brain's labels in place and return where air has come in."""
    grid = body.grid
    x, y, z = np.meshgrid(*[np.arange(n, dtype=np.float32) for n in grid.shape], indexing="ij", sparse=True)
    a, b, c, d = (shift.up @ grid.affine[:3]).astype(np.float32)
    height = a * x + b * y + c * z + d
    near = height > shift.top - MOVED * shift.decay
    rounds = int(np.ceil(SUBARACHNOID / min(grid.voxel_size)))
    box = _box(body.brain & near, rounds)
    part, brain = body.labels[box], body.brain[box]
    inner = binary_dilation(brain, iterations=rounds) & (part == Label.CSF) | brain
    inner &= near[box]
    start = np.array([s.start for s in box])
    origin = np.rint(grid.voxel(shift.before(grid.world(np.argwhere(inner) + start)))).astype(int) - start
    i, j, k = np.clip(origin, 0, np.array(part.shape) - 1).T
    was_brain = brain[i, j, k]
    high = height[box][inner] > shift.top - AIR_DEPTH
    labels[box][inner] = np.where(was_brain, part[i, j, k], np.where(high, Label.AIR, Label.CSF))
    air = np.zeros(labels.shape, bool)
    air[box][inner] = ~was_brain & high
    return air


def _box(mask: BoolArray, margin: int) -> tuple[slice, slice, slice]:
    """Return the slices of the box around a mask, `margin` voxels wider."""
    spans = []
    for axis, n in enumerate(mask.shape):
        there = np.flatnonzero(mask.any(tuple(d for d in range(3) if d != axis)))
        spans.append(slice(max(int(there[0]) - margin, 0), min(int(there[-1]) + margin + 1, n)))
    x, y, z = spans
    return x, y, z


def _drill(labels: npt.NDArray[np.uint8], body: Body, one: Lead) -> None:
    """Replace the bone about a lead's entry by soft tissue."""
    centre, half = body.grid.voxel(one.entry), DRILLED / np.array(body.grid.voxel_size)
    low = np.maximum(np.floor(centre - half).astype(int), 0)
    part = labels[tuple(slice(a, b) for a, b in zip(low, np.ceil(centre + half).astype(int) + 1, strict=True))]
    bone = np.argwhere(np.isin(part, BONE))
    away = body.grid.world(bone + low) - one.entry
    across = np.linalg.norm(np.cross(away, one.curve.tangent(one.depth)), axis=1)
    part[tuple(bone[across < BURR_HOLE].T)] = Label.MUSCLE
