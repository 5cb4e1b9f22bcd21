"""One lesion at one visit: the numbers, and what must be the same before two of them may be compared."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Literal, get_args

import numpy as np

from qsmkit.errors import InputError
from qsmkit.measure import Measure

Kind = Literal[
    "cavernoma", "microbleed", "haematoma", "calcification", "enhancing", "rim_lesion", "depot", "siderosis", "other"
]
KINDS: tuple[Kind, ...] = get_args(Kind)

Quantity = Literal["mean", "total", "volume", "permeability"]
"""What is followed: mean χ (ppm), χ_tot (ppm·mm³), volume (mm³), or a permeability that the user supplies."""

UNITS: dict[Quantity, str] = {"mean": "ppm", "total": "ppm·mm³", "volume": "mm³", "permeability": "a.u."}

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Context:
    """What a number depends on besides the lesion; empty where it is not known.

    Attributes
    ----------
    scanner : str
        Vendor, model, station: one machine.
    protocol : str
        Sequence and its settings, or a hash of them.
    pipeline : str
        Recipe with version and settings, or a hash of them.
    reference : str
        What susceptibilities are relative to.
    rule : str
        Which voxels of the lesion are measured.
    """

    scanner: str = ""
    protocol: str = ""
    pipeline: str = ""
    reference: str = ""
    rule: str = ""

    def differences(self, other: "Context") -> list[str]:
        """Return what is known to differ, in words."""
        pairs = [(f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        return [f"{name} {mine!r} → {theirs!r}" for name, mine, theirs in pairs if mine and theirs and mine != theirs]

    def unknown(self, other: "Context") -> list[str]:
        """Return the names of what is not known of both, and so may differ."""
        return [f.name for f in fields(self) if not (getattr(self, f.name) and getattr(other, f.name))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A lesion as it was measured at a visit.

    Attributes
    ----------
    patient, visit : str
        Pseudonym, and label of the session.
    day : date
        Of the scan.
    lesion : str
        Its identity, the same at every visit: a UUID.
    label : str
        Its name for people, e.g. "L03".
    kind : str
        One of `KINDS`.
    index : bool
        Whether it is the lesion that bled at enrolment, of which the primary analysis is.
    mean : Measure
        Mean χ over the region, ppm relative to the reference; the interval is the scan's random error.
    noise : float
        Standard deviation of `mean` from the scan's noise, ppm, the reference's own error within; NaN if unknown.
    noise_degrees : float
        Degrees of freedom of `noise`: K − 1 of K repeats; infinite if it comes from a model.
    total : float
        χ_tot, ppm·mm³ above the background, over the mask widened by a voxel.
    background : float
        Median of the tissue 2 to 4 mm around, ppm relative to the reference.
    volume : float
        mm³.
    median, p95, maximum, sd : float
        Of the region's voxels, ppm.
    voxels : int
        Number of them.
    permeability : float
        As the user supplies it; NaN if not.
    reference_spread : float
        Standard deviation of the voxels of the reference region, ppm; NaN if unknown.
    centre : tuple of float
        RAS+ mm in the space of this visit's scan.
    context : Context
        What must agree.
    source : str
        Where the region comes from: drawn, proposed, carried over, and by whom.
    """

    patient: str
    visit: str
    day: date
    lesion: str
    label: str
    mean: Measure
    kind: Kind = "cavernoma"
    index: bool = False
    noise: float = float("nan")
    noise_degrees: float = float("inf")
    total: float = float("nan")
    background: float = float("nan")
    volume: float = float("nan")
    median: float = float("nan")
    p95: float = float("nan")
    maximum: float = float("nan")
    sd: float = float("nan")
    voxels: int = 0
    permeability: float = float("nan")
    reference_spread: float = float("nan")
    centre: tuple[float, float, float] = (float("nan"),) * 3
    context: Context = field(default_factory=Context)
    source: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"lesion {self.label}: kind {self.kind!r} is unknown; it is one of {', '.join(KINDS)}")

    def value(self, quantity: Quantity) -> float:
        """Return the quantity that is followed, in its unit."""
        return self.mean.value if quantity == "mean" else float(getattr(self, quantity))


def series(observations: Iterable[Observation]) -> dict[tuple[str, str], list[Observation]]:
    """Return the observations of each lesion by date; keys are patient and lesion.

    Raises
    ------
    InputError
        There is none, or a lesion was measured twice on a day.
    """
    found: dict[tuple[str, str], list[Observation]] = {}
    for seen in sorted(observations, key=lambda o: (o.patient, o.label, o.day)):
        course = found.setdefault((seen.patient, seen.lesion), [])
        if course and course[-1].day == seen.day:
            raise InputError(
                f"lesion {seen.label} of {seen.patient} was measured twice on {seen.day} (visits {course[-1].visit} "
                f"and {seen.visit}); keep one measurement a visit, or correct the dates"
            )
        course.append(seen)
    if not found:
        raise InputError("there is no measurement; measure lesions first (qsmkit monitor measure)")
    return found


def years(first: date, last: date) -> float:
    """Return the time between two dates in years of 365.25 days."""
    return (last - first).days / DAYS_PER_YEAR


def follow_up(visits: Iterable[tuple[str, date]], stopped: dict[str, date] | None = None) -> dict[str, float]:
    """Return patient-years: from each patient's first to last scan, or to what ended it (resection, radiosurgery).

    Parameters
    ----------
    visits : iterable of (patient, date)
        All scans.
    stopped : dict, optional
        Date of a treatment that ends follow-up, by patient.
    """
    days: dict[str, list[date]] = {}
    for patient, day in visits:
        days.setdefault(patient, []).append(day)
    ends = stopped or {}
    return {
        patient: max(0.0, years(min(seen), min(max(seen), ends.get(patient, date.max))))
        for patient, seen in days.items()
    }


def has(value: float) -> bool:
    """Return whether a number is known."""
    return bool(np.isfinite(value))
