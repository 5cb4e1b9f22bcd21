"""Leads as a scenario describes them: a model for a nucleus, or between two points, and by how much it was missed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Le

from qsmkit.errors import ParameterError, ScenarioError
from qsmkit.leads.electrodes import electrode
from qsmkit.leads.lead import LARGEST_SAG, LeadPlan
from qsmkit.simulate.bearings import Bearings
from qsmkit.simulate.body import Body
from qsmkit.simulate.surgery import operate
from qsmkit.simulate.targeting import plan_lead

_Millimetres = Annotated[float, Ge(-120), Le(120)]
_Angle = Annotated[float, Ge(-360), Le(360)]
Vector = tuple[_Millimetres, _Millimetres, _Millimetres]


@dataclass(frozen=True, slots=True, kw_only=True)
class Implant:
    """A lead.

    Points and displacements are lateral, anterior and superior, mm, along the axes of the commissures; points count
    from the middle of the commissures.

    Attributes
    ----------
    name : str or None
        Label in tables; nucleus and side if left out.
    model : str
        Manufacturer and model, see `electrodes`.
    side : str
        "left" or "right".
    nucleus : str or None
        "STN" or "GPi", for which a plausible trajectory is planned; needed unless `target` and `entry` are given.
    target, entry : tuple of float or None
        Where the lead's end is to lie, and where it leaves the skull.
    deviation : tuple of float
        By how much the operation misses the planned target, mm.
    rotation, sag, sag_direction : float
        As in `LeadPlan`: degrees, mm, degrees.
    day : float
        Of the implantation, counted from the first visit.
    """

    name: str | None = None
    model: str
    side: Literal["left", "right"]
    nucleus: Literal["STN", "GPi"] | None = None
    target: Vector | None = None
    entry: Vector | None = None
    deviation: Vector = (0.0, 0.0, 0.0)
    rotation: _Angle = 0.0
    sag: Annotated[float, Ge(-LARGEST_SAG), Le(LARGEST_SAG)] = 0.0
    sag_direction: _Angle = 0.0
    day: Annotated[float, Ge(-36525), Le(36525)] = 0.0

    def __post_init__(self) -> None:
        electrode(self.model)
        if self.nucleus is None and (self.target is None or self.entry is None):
            raise ParameterError("give nucleus, or both target and entry")
        if self.nucleus is not None and (self.target is not None or self.entry is not None):
            raise ParameterError("give either nucleus, or target and entry, not both")

    @property
    def label(self) -> str:
        """Name in tables."""
        return self.name or f"{self.nucleus or 'lead'}_{self.side[0].upper()}"


@dataclass(frozen=True, slots=True)
class ImplantedLead:
    """A lead as planned and as it came to lie, both in scanner RAS mm of the body."""

    planned: LeadPlan
    actual: LeadPlan
    day: float


def implant(implants: tuple[Implant, ...], body: Body, rng: np.random.Generator) -> tuple[ImplantedLead, ...]:
    """Plan every lead in a body, and miss the plans as the scenario says.

    Raises
    ------
    ScenarioError
        A lead does not lie in the head, or leads cross.
    """
    done = []
    for i, (wanted, child) in enumerate(zip(implants, rng.spawn(len(implants)), strict=True)):
        with _naming(f"leads[{i}]"):
            one = _implanted(wanted, body, child)
            operate(body, [one.actual])
        done.append(one)
    with _naming("leads"):
        operate(body, [one.actual for one in done])
    return tuple(done)


def _implanted(wanted: Implant, body: Body, rng: np.random.Generator) -> ImplantedLead:
    bearings = Bearings.of(body.landmarks)
    if wanted.target is not None and wanted.entry is not None:
        target, entry = (_point(p, wanted.side, bearings) for p in (wanted.target, wanted.entry))
        planned = LeadPlan(wanted.label, wanted.model, wanted.side, target, entry)
    else:
        nucleus = f"{wanted.nucleus}_{wanted.side[0].upper()}"
        planned = replace(plan_lead(body, nucleus, wanted.model, rng=rng), name=wanted.label)
    missed = np.add(planned.target, _along(wanted.deviation, wanted.side, bearings))
    actual = replace(
        planned, target=_vector(missed), rotation=wanted.rotation, sag=wanted.sag, sag_direction=wanted.sag_direction
    )
    return ImplantedLead(planned, actual, wanted.day)


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Put the place in the scenario before what is wrong with a lead."""
    try:
        yield
    except ParameterError as error:
        raise ScenarioError(f"{path}: {error}") from error


def _point(local: Vector, side: str, bearings: Bearings) -> tuple[float, float, float]:
    return _vector(bearings.origin + _along(local, side, bearings))


def _vector(point: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in point)
    return x, y, z


def _along(local: Vector, side: str, bearings: Bearings) -> npt.NDArray[np.float64]:
    """Return lateral, anterior, superior lengths as a displacement in scanner RAS, mm."""
    x, y, z = local
    outward = 1.0 if side == "right" else -1.0
    moved: npt.NDArray[np.float64] = outward * x * bearings.right + y * bearings.anterior + z * bearings.superior
    return moved
