"""Leads: what a surgeon plans, and what comes to lie in the head."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from qsmkit.errors import ParameterError
from qsmkit.leads.curve import Curve, Points, bow
from qsmkit.leads.electrodes import RING, SEGMENT_LETTERS, Electrode, electrode

Vector = tuple[float, float, float]

LARGEST_SAG = 10.0
"""A lead that bows by more mm than this has been broken or misread."""

LEAST_LENGTH = 20.0
"""Least distance of entry and target beyond the topmost metal, mm: a lead is anchored in the skull."""


@dataclass(frozen=True, slots=True)
class LeadPlan:
    """One lead, as it is to lie in the head.

    Attributes
    ----------
    name : str
        By which results name it, such as "STN_L".
    model : str
        Manufacturer and model, see `electrodes.models`.
    side : {"left", "right"}
        Hemisphere.
    target : tuple of float
        Where the lead's lower end comes to lie, head RAS mm.
    entry : tuple of float
        Where the lead leaves the outer table of the skull, head RAS mm.
    rotation : float
        Direction of the orientation marker in degrees: zero is anterior, positive turns right-handed about the
        direction from target to entry (seen from above, to the patient's left).
    sag : float
        How far the middle of the lead lies from the straight line, mm.
    sag_direction : float
        Direction of the bow in degrees, counted as `rotation`.

    Raises
    ------
    ParameterError
        The model is unknown, a number is not finite or out of range, or entry and target are too close together.
    """

    name: str
    model: str
    side: Literal["left", "right"]
    target: Vector
    entry: Vector
    rotation: float = 0.0
    sag: float = 0.0
    sag_direction: float = 0.0

    def __post_init__(self) -> None:
        model = electrode(self.model)
        if self.side not in ("left", "right"):
            raise ParameterError(f"lead {self.name!r}: side {self.side!r} is not 'left' or 'right'")
        for field in ("target", "entry"):
            value = tuple(float(v) for v in np.ravel(getattr(self, field)))
            if len(value) != 3 or not np.isfinite(value).all():
                raise ParameterError(f"lead {self.name!r}: {field} {value} is not three finite lengths in mm")
            object.__setattr__(self, field, value)
        if not np.isfinite([self.rotation, self.sag, self.sag_direction]).all():
            raise ParameterError(f"lead {self.name!r}: rotation, sag and its direction must be finite numbers")
        if abs(self.sag) > LARGEST_SAG:
            raise ParameterError(f"lead {self.name!r}: sag = {self.sag} mm is out of range; give at most {LARGEST_SAG}")
        length, least = float(np.linalg.norm(np.subtract(self.entry, self.target))), model.height + LEAST_LENGTH
        if length < least:
            raise ParameterError(
                f"lead {self.name!r}: entry and target are {length:.1f} mm apart; a {model.model} needs {least:.1f} mm"
            )


@dataclass(frozen=True, eq=False)
class Contact:
    """One electrical contact.

    Attributes
    ----------
    level, segment : int
        Counted from the tip upwards, and about the lead; zero is the lowest level and segment A, or a whole ring.
    name : str
        "1" for a ring, "2A" for a segment, with levels from 1.
    centre : (3,) array
        On the axis for a ring, on the surface for a segment, mm.
    normal : (3,) array
        Unit vector outwards through the segment's middle; along the orientation marker for a ring.
    axis : (3,) array
        Unit vector along the lead, away from the tip.
    """

    level: int
    segment: int
    name: str
    centre: Points
    normal: Points
    axis: Points


@dataclass(frozen=True, eq=False)
class Lead:
    """A lead in space, in head RAS or, once `moved`, in another space.

    Attributes
    ----------
    plan : LeadPlan
        What was asked for; always in head RAS.
    curve : Curve
        Its axis from the tip through the brain and the burr hole, and on along the skull, mm.
    depth : float
        Length of the curve from the tip to the entry, mm.
    anterior : (3,) array
        Unit vector from which angles about the lead count.
    """

    plan: LeadPlan
    curve: Curve
    depth: float
    anterior: Points

    @cached_property
    def electrode(self) -> Electrode:
        """Geometry of the model."""
        return electrode(self.plan.model)

    @property
    def tip(self) -> Points:
        """The lead's lower end, mm: (3,)."""
        point: Points = self.curve.points[0]
        return point

    @property
    def entry(self) -> Points:
        """Where the lead leaves the skull, mm: (3,)."""
        return self.curve.at(self.depth)

    def direction(self, s: npt.ArrayLike, angle: npt.ArrayLike) -> Points:
        """Return v = cos α a + sin α (d × a), unit vectors across the lead: (…, 3).

        Parameters
        ----------
        s : (…) array
            Arc length from the tip, mm; d is the lead's direction there and a the part of `anterior` across it.
        angle : (…) array
            α, degrees from anterior.
        """
        d = self.curve.tangent(s)
        a = self.anterior - (d @ self.anterior)[..., None] * d
        a /= np.linalg.norm(a, axis=-1, keepdims=True)
        turn = np.deg2rad(np.asarray(angle, np.float64))[..., None]
        across: Points = np.cos(turn) * a + np.sin(turn) * np.cross(d, a)
        return across

    @cached_property
    def contacts(self) -> tuple[Contact, ...]:
        """Every contact, from the tip upwards and A, B, C about the lead."""
        found = []
        for i, level in enumerate(self.electrode.levels):
            middle, axis = self.curve.at(level.middle), self.curve.tangent(level.middle)
            for j, segment in enumerate(level.segments):
                ring = segment == RING
                normal = self.direction(level.middle, self.plan.rotation + (0.0 if ring else segment.middle))
                centre = middle if ring else middle + self.electrode.radius * normal
                found.append(Contact(i, j, f"{i + 1}{'' if ring else SEGMENT_LETTERS[j]}", centre, normal, axis))
        return tuple(found)

    @cached_property
    def level_centres(self) -> Points:
        """Points of the axis in the middle of every level, mm: (levels, 3)."""
        return self.curve.at([level.middle for level in self.electrode.levels])

    @property
    def marker(self) -> Points | None:
        """Point of the axis in the middle of the orientation marker, mm: (3,); None if the model has none."""
        return None if self.electrode.marker is None else self.curve.at(self.electrode.marker.centre)

    @property
    def marker_direction(self) -> Points | None:
        """Unit vector across the lead in which the orientation marker looks: (3,); None if the model has none."""
        marker = self.electrode.marker
        return None if marker is None else self.direction(marker.centre, self.plan.rotation)

    def moved(self, transform: Points) -> "Lead":
        """Return the lead after a rigid transform (4, 4)."""
        return replace(self, curve=self.curve.moved(transform), anterior=transform[:3, :3] @ self.anterior)


def lead(plan: LeadPlan, anterior: npt.ArrayLike = (0.0, 1.0, 0.0)) -> Lead:
    """Return the lead of a plan, from its tip to the skull.

    Parameters
    ----------
    plan : LeadPlan
        Where it lies.
    anterior : (3,) array
        The patient's front in head RAS.
    """
    start, end = np.array(plan.target), np.array(plan.entry)
    front = np.asarray(anterior, np.float64)
    straight = Lead(plan, bow(start, end, np.zeros(3)), float(np.linalg.norm(end - start)), front)
    if plan.sag == 0:
        return straight
    curve = bow(start, end, plan.sag * straight.direction(0.0, plan.sag_direction))
    return replace(straight, curve=curve, depth=curve.length)


def check_apart(leads: Sequence[Lead]) -> None:
    """Refuse leads that run through each other.

    Raises
    ------
    ParameterError
        Two leads have the same name, or come closer than their radii allow.
    """
    for one, other in itertools.combinations(leads, 2):
        if one.plan.name == other.plan.name:
            raise ParameterError(f"two leads are named {one.plan.name!r}; give each its own name")
        distance = float(np.min(cKDTree(one.curve.points).query(other.curve.points)[0]))
        least = one.electrode.radius + other.electrode.radius
        if distance < least:
            raise ParameterError(
                f"leads {one.plan.name!r} and {other.plan.name!r} cross: they come within {distance:.2f} mm, "
                f"their radii need {least:.2f} mm; move a target or an entry"
            )
