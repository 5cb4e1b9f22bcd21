"""What happened to a patient, as people judged it: a change on a map is no event.

Symptomatic haemorrhage is that of Al-Shahi Salman 2008: acute or subacute symptoms *and* evidence of recent blood.
Growth alone, or a rim of haemosiderin alone, is no haemorrhage.
"""

import calendar
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, get_args

from qsmkit.clinical.monitor.observation import DAYS_PER_YEAR
from qsmkit.clinical.stats.exact import rate
from qsmkit.errors import InputError
from qsmkit.measure import Measure

EventType = Literal[
    "symptomatic_haemorrhage", "asymptomatic_change", "growth", "seizure", "focal_deficit", "surgery", "radiosurgery",
    "placement", "death", "other",
]  # fmt: skip
TYPES: tuple[EventType, ...] = get_args(EventType)
Precision = Literal["day", "month", "year"]
Adjudication = Literal["pending", "confirmed", "rejected"]

ENDS: tuple[EventType, ...] = ("surgery", "radiosurgery", "death")
"""What ends follow-up: after it the lesion is not what it was (AT CASH, Zeineddine 2018)."""

DEFINITION = "Al-Shahi Salman 2008"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes
    ----------
    patient : str
        Pseudonym.
    type : str
        One of `TYPES`.
    onset : date
        Its date, or the first day of the month or year in which it was.
    precision : {"day", "month", "year"}
        How exactly that is known.
    lesion : str or None
        Identity of the lesion, where it is known.
    adjudication : {"pending", "confirmed", "rejected"}
        Whether judges agreed.
    adjudicators : tuple of str
        Who judged.
    definition : str
        By which.
    """

    patient: str
    type: EventType
    onset: date
    precision: Precision = "day"
    lesion: str | None = None
    adjudication: Adjudication = "pending"
    adjudicators: tuple[str, ...] = ()
    definition: str = DEFINITION

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise InputError(f"event {self.type!r} of {self.patient} is unknown; it is one of {', '.join(TYPES)}")

    def span(self) -> tuple[date, date]:
        """Return the first and the last day on which it may have been."""
        days = {"day": 1, "month": calendar.monthrange(self.onset.year, self.onset.month)[1],
                "year": 365 + calendar.isleap(self.onset.year)}[self.precision]  # fmt: skip
        return self.onset, self.onset + timedelta(days=days - 1)

    def middle(self) -> date:
        """Return the middle of the span."""
        first, last = self.span()
        return first + (last - first) / 2

    def straddles(self, day: date) -> bool:
        """Return whether it is unknown if it was before or after a day."""
        first, last = self.span()
        return first < day <= last


def parse_date(text: str) -> tuple[date, Precision]:
    """Return a date and its precision: 2024-05-17 (day), 2024-05 (month), 2024 (year).

    Raises
    ------
    InputError
        The text is no such date.
    """
    parts = re.fullmatch(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", text.strip())
    try:
        if parts is None:
            raise ValueError
        year, month, day = (int(p) if p else None for p in parts.groups())
        assert year is not None
        precision: Precision = "year" if month is None else "month" if day is None else "day"
        return date(year, month or 1, day or 1), precision
    except ValueError:
        raise InputError(f"{text!r} is no date; write 2024-05-17, or 2024-05 or 2024 if the day is not known") from None


def classify(*, symptoms: bool, recent_blood: bool, growth: bool = False, rim_only: bool = False) -> EventType | None:
    """Return what findings are by the 2008 definition, or None for no event.

    Parameters
    ----------
    symptoms : bool
        Acute or subacute: headache, epileptic seizure, impaired consciousness, or a new or worse focal deficit that
        fits the lesion's place.
    recent_blood : bool
        Radiological, pathological, surgical or (rarely) cerebrospinal evidence of recent blood in or around the lesion.
    growth : bool
        The lesion is larger.
    rim_only : bool
        All there is to see is a rim of haemosiderin.
    """
    if recent_blood and not rim_only:
        return "symptomatic_haemorrhage" if symptoms else "asymptomatic_change"
    if growth:
        return "growth"
    return "focal_deficit" if symptoms else None


def counted(
    events: Iterable[Event], types: Sequence[EventType] | None = None, *, confirmed: bool = False
) -> list[Event]:
    """Return events that count, by date: none that judges rejected; only confirmed ones if asked for."""
    kept = [e for e in events if e.adjudication != "rejected" and (not confirmed or e.adjudication == "confirmed")
            and (types is None or e.type in types)]  # fmt: skip
    return sorted(kept, key=lambda e: (e.middle(), e.patient))


def ends(events: Iterable[Event]) -> dict[str, date]:
    """Return the date on which the follow-up of each patient ends by treatment or death."""
    found: dict[str, date] = {}
    for event in counted(events, ENDS):
        found.setdefault(event.patient, event.middle())
    return found


def rates(
    events: Sequence[Event], exposure: dict[str, float], first_scan: dict[str, date], *, first_only: bool = False,
    confirmed: bool = False, confidence: float = 0.95,
) -> dict[str, Measure]:
    """Return events per patient-year during follow-up, by type, with Garwood's exact interval.

    Parameters
    ----------
    events : sequence of Event
        All; those outside a patient's follow-up are not counted.
    exposure : dict
        Patient-years of each patient; see `observation.follow_up`.
    first_scan : dict
        Date on which each patient's follow-up begins.
    first_only : bool
        Whether only a patient's first event of a type counts. Years after it then still count.
    confirmed : bool
        Whether only confirmed events count.
    confidence : float
        Of the intervals.

    Raises
    ------
    InputError
        There are no patient-years.
    """
    total = sum(exposure.values())
    kept = [e for e in counted(events, confirmed=confirmed) if during(e, exposure, first_scan)]
    found: dict[str, Measure] = {}
    for kind in TYPES:
        of_kind = [e for e in kept if e.type == kind]
        count = len({e.patient for e in of_kind}) if first_only else len(of_kind)
        found[kind] = rate(count, total, unit="per patient-year", confidence=confidence)
    return found


def during(event: Event, exposure: dict[str, float], first_scan: dict[str, date]) -> bool:
    """Return whether the middle of an event's span lies in the patient's follow-up, after the day of the first scan."""
    if event.patient not in exposure or event.patient not in first_scan:
        return False
    since = (event.middle() - first_scan[event.patient]).days / DAYS_PER_YEAR
    return 0 < since <= exposure[event.patient] + 1 / DAYS_PER_YEAR
