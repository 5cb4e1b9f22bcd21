"""How a lesion changes from visit to visit.

With t the days since the first visit and y = t / 365.25, susceptibility and volume are, relative to the first visit,

    χ(t) / χ(0) = (1 + a)^y · (1 + Σ_e j_e f_e(t)),        V(t) / V(0) = (1 + g)^y · (1 + Σ_e v_e f_e(t)),
    f_e(t) = s + (1 − s) 2^(−(t − t_e) / T_e)  from the day t_e of event e on, 0 before,

with the yearly accrual a and growth g, the jumps j and v of each event, the share s that stays for good, and the
half-life T of the rest. Before its onset a lesion is not there. Haemorrhage and growth are told apart as Al-Shahi
Salman 2008 does: growth alone is no haemorrhage.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from qsmkit.errors import ParameterError

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happens to a lesion at a date.

    Attributes
    ----------
    kind : str
        "haemorrhage" (symptomatic), "asymptomatic_change" (bleeding without symptoms) or "growth".
    day : float
        Days since the first visit.
    chi, volume : float
        Jumps relative to the first visit: 0.6 is +60 %.
    half_life : float
        Of what does not stay, days.
    remains : float
        Share of the jumps that stays for good.
    """

    kind: Literal["haemorrhage", "asymptomatic_change", "growth"]
    day: Annotated[float, Ge(-36525), Le(36525)]
    chi: Annotated[float, Gt(-1), Le(10)] = 0.0
    volume: Annotated[float, Gt(-1), Le(50)] = 0.0
    half_life: Annotated[float, Gt(0), Le(36525)] = 180.0
    remains: Annotated[float, Ge(0), Le(1)] = 0.3

    def __post_init__(self) -> None:
        if self.kind == "growth" and self.chi:
            raise ParameterError(f"chi = {self.chi:g} goes with a haemorrhage; growth changes the volume alone")
        if not self.chi and not self.volume:
            raise ParameterError(f"{self.kind} on day {self.day:g} changes nothing; give chi or volume")

    def left(self, day: float) -> float:
        """Return the share f of the jumps that is there on a day."""
        since = day - self.day
        return 0.0 if since < 0 else self.remains + (1 - self.remains) * 0.5 ** (since / self.half_life)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The course of a lesion; by default it is stable.

    Attributes
    ----------
    onset : float or None
        Day from which on it is there; None for a lesion from before.
    accrual, growth : float
        Susceptibility and volume gained in a year, relative: 0.08 is +8 % a year.
    events : tuple of Event
        In the order of their days.
    """

    onset: Annotated[float, Ge(-36525), Le(36525)] | None = None
    accrual: Annotated[float, Gt(-1), Le(5)] = 0.0
    growth: Annotated[float, Gt(-1), Le(5)] = 0.0
    events: tuple[Event, ...] = field(default=())

    def __post_init__(self) -> None:
        days = [e.day for e in self.events]
        if days != sorted(days):
            raise ParameterError(f"events are on days {days}, out of order; list them by date")
        if self.onset is not None and days and days[0] < self.onset:
            raise ParameterError(f"an event on day {days[0]:g} precedes the onset on day {self.onset:g}")

    def there(self, day: float) -> bool:
        """Return whether the lesion is there on a day."""
        return self.onset is None or day >= self.onset

    def chi(self, day: float) -> float:
        """Return the susceptibility on a day relative to the first visit."""
        return float((1 + self.accrual) ** (day / DAYS_PER_YEAR)) * (1 + sum(e.chi * e.left(day) for e in self.events))

    def volume(self, day: float) -> float:
        """Return the volume on a day relative to the first visit."""
        jumps = sum(e.volume * e.left(day) for e in self.events)
        return float((1 + self.growth) ** (day / DAYS_PER_YEAR)) * (1 + jumps)
