"""How a surgeon would put a lead: a nucleus for target, an entry before the coronal suture, off the ventricles."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from qsmkit.errors import ParameterError
from qsmkit.leads.curve import Points
from qsmkit.leads.electrodes import electrode
from qsmkit.leads.lead import LeadPlan
from qsmkit.simulate.bearings import Bearings, Shell
from qsmkit.simulate.body import Body
from qsmkit.simulate.surgery import BONE, brain_middle
from qsmkit.simulate.tissue import Label

ANGLES = {"STN": (62.0, 22.0), "GPi": (65.0, 9.0)}
"""Of a trajectory: forward from the plane of the commissures seen from the side, and outward from the midline seen from
the front, degrees (typical, recalled)."""

SIDES: Mapping[str, Literal["left", "right"]] = {"R": "right", "L": "left"}

SPREAD = (4.0, 4.0)
"""Standard deviation of the two angles over patients, degrees (modelling choice)."""

FARTHEST = 1.5
"""A surgeon leaves the typical angles by at most so many standard deviations."""

BELOW = {"STN": 2.5, "GPi": 2.0}
"""How far beyond the nucleus's centroid the lead's end lies, mm (modelling choice)."""

ERROR = 0.5
"""Standard deviation of the target's error along each axis, mm (modelling choice)."""

ATTEMPTS = 60
WATCHED = 10.0
"""A trajectory is kept free of CSF and veins from this many mm above the target to this many below the skull."""


def plan_lead(
    body: Body, nucleus: str, model: str, *, rotation: float = 0.0, sag: float = 0.0, sag_direction: float = 0.0,
    rng: int | np.random.Generator = 1,
) -> LeadPlan:
    """Return a plausible lead for a nucleus.

    Trajectories are drawn around typical angles until one meets neither CSF nor veins; after 60 draws the one that
    meets least is kept.

    Parameters
    ----------
    body : Body
        The patient.
    nucleus : str
        "STN_R", "STN_L", "GPi_R", "GPi_L": a landmark of the body.
    model : str
        Manufacturer and model of the lead.
    rotation, sag, sag_direction : float
        See `LeadPlan`.
    rng : int or Generator
        Seed or source of randomness.

    Raises
    ------
    ParameterError
        The nucleus is not one that leads are placed in, the body lacks it, or no trajectory reaches the skull.
    """
    kind, _, side = nucleus.partition("_")
    if kind not in ANGLES or side not in SIDES or nucleus not in body.landmarks:
        known = [f"{k}_{s}" for k in ANGLES for s in SIDES if f"{k}_{s}" in body.landmarks]
        raise ParameterError(f"nucleus {nucleus!r} is not a target of this body; choose from {', '.join(known)}")
    random = np.random.default_rng(rng)
    bearings = Bearings.of(body.landmarks)
    shell = Shell(np.isin(body.labels, BONE), body.grid, brain_middle(body))
    centre = np.asarray(body.landmarks[nucleus], np.float64) + random.normal(0, ERROR, 3)
    best: tuple[float, Points, Points] | None = None
    for _ in range(ATTEMPTS):
        unusual = np.clip(random.standard_normal(2), -FARTHEST, FARTHEST)
        ahead, out = np.deg2rad(ANGLES[kind] + SPREAD * unusual)
        sign = 1 if side == "R" else -1
        up = bearings.direction(sign * np.tan(out), 1 / np.tan(ahead), 1.0)
        entry = shell.exit(centre, up)
        if entry is None:
            continue
        cost = _met(body, centre, entry)
        if best is None or cost < best[0]:
            best = (cost, up, entry)
        if cost == 0:
            break
    if best is None:
        raise ParameterError(f"no trajectory from {nucleus} reaches the skull; the body has no bone above it")
    _, up, entry = best
    x, y, z = centre - BELOW[kind] * up
    a, b, c = entry
    name, hemisphere = electrode(model).model, SIDES[side]
    return LeadPlan(nucleus, name, hemisphere, (x, y, z), (a, b, c), rotation, sag, sag_direction)


def _met(body: Body, target: Points, entry: Points) -> float:
    """Return the length, mm, of CSF and veins on the way from target to entry, near either left out."""
    length = float(np.linalg.norm(entry - target))
    steps = np.arange(WATCHED, length - 2 * WATCHED, 0.5)
    points = target + steps[:, None] / length * (entry - target)
    index = np.clip(np.rint(body.grid.voxel(points)).astype(int), 0, np.array(body.grid.shape) - 1)
    met = np.isin(body.labels[tuple(index.T)], (Label.CSF, Label.VEIN))
    return 0.5 * float(met.sum())
