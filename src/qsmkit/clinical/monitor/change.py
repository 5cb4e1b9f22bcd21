"""What became of a lesion between two visits, and whether the scans can tell.

    D% = 100 (χ₁ − χ₀)/χ₀,    annualised: D%/Δt, or 100 [(χ₁/χ₀)^(1/Δt) − 1],    Δt = days/365.25

The interval is Fieller's, the probabilities are those that belong to it: of r = χ₁/χ₀ exceeding ρ,

    P(r > ρ) = F((χ₁ − ρ χ₀)/√(s₁² + ρ² s₀²)),    F Student's t (normal where the errors are known).

A flag says: review this lesion. It does not say haemorrhage; see `qsmkit.clinical.monitor.events`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from qsmkit.clinical.monitor.error_model import ErrorModel, Estimate, quantile, satterthwaite, upper
from qsmkit.clinical.monitor.observation import UNITS, Observation, Quantity, has, series, years
from qsmkit.errors import InputError, ParameterError
from qsmkit.measure import Measure

Basis = Literal["epoch", "annual"]
Epochs = Literal["consecutive", "baseline"]

THRESHOLDS: dict[Quantity, float] = {"mean": 6.0, "permeability": 40.0}
"""Rise in % that is flagged: mean χ, and permeability by dynamic contrast (circulating-molecules study; Hage 2024)."""

WINDOW = (9.0, 15.0)
"""Length of an epoch, in months, within which published thresholds were used."""

CERTAIN = 3.0
"""Standard deviations of the reference that χ₀ must exceed for a relative change to mean something."""

DOUBT = 0.05
"""Probability from which a rise above the threshold counts as possible."""

Verdict = Literal[
    "review: beyond noise", "review: within noise", "below threshold", "below threshold, rise not excluded",
    "undefined", "not comparable", "review: noise unknown", "below threshold, noise unknown",
]


@dataclass(frozen=True, slots=True)
class Rule:
    """When a lesion is flagged.

    Attributes
    ----------
    quantity : str
        What is followed.
    threshold : float or None
        Rise in %, inclusive, from which on it is flagged; None flags nothing.
    basis : {"epoch", "annual"}
        Whether the change over the epoch is held against it, or the linearly annualised one.
    epochs : {"consecutive", "baseline"}
        Pairs of visits: each with the one before it, or with the first.
    confidence : float
        Of intervals, and of the smallest detectable change.
    """

    quantity: Quantity = "mean"
    threshold: float | None = 6.0
    basis: Basis = "epoch"
    epochs: Epochs = "consecutive"
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 < self.threshold < math.inf:
            raise ParameterError(f"threshold = {self.threshold:g} % is not positive; 6 % of χ and 40 % of permeability "
                                 "are usual")  # fmt: skip
        if not 0 < self.confidence < 1:
            raise ParameterError(f"confidence = {self.confidence} is not between 0 and 1; 0.95 is usual")

    @classmethod
    def usual(cls, quantity: Quantity = "mean") -> "Rule":
        """Return the published rule of a quantity."""
        return cls(quantity, THRESHOLDS.get(quantity))

    def sentence(self) -> str:
        """Return what a report says of it."""
        pairs = "with the visit before" if self.epochs == "consecutive" else "with the first visit"
        if self.threshold is None:
            return f"Change of {self.quantity}, each visit {pairs}; nothing is flagged."
        basis = "over the epoch, unrounded" if self.basis == "epoch" else "annualised linearly"
        return (f"A lesion is flagged for review where its {self.quantity} rose by {self.threshold:g} % or more "
                f"{basis}; each visit is compared {pairs}.")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of a lesion in an epoch.

    Attributes
    ----------
    before, after : Observation
        The two measurements.
    quantity : str
        What was followed.
    years : float
        Between them.
    difference : Measure
        In the quantity's unit.
    percent : Measure
        Relative to the earlier, %; NaN if it is undefined or the two may not be compared.
    annual, compound : float
        The same per year, linear and compound, %.
    detectable : float
        Smallest detectable change, %: what an unchanged lesion exceeds in (1 − confidence) of cases.
    p_rise, p_exceeds : float
        Probability that it rose, and that it rose by the threshold; NaN if the errors are unknown.
    flagged : bool
        Whether to review the lesion.
    verdict : str
        The flag, beside what noise can do.
    notes : tuple of str
        Why it is undefined or not comparable, what is not known, and an unusual length of the epoch.
    """

    before: Observation
    after: Observation
    quantity: Quantity
    years: float
    difference: Measure
    percent: Measure
    annual: float
    compound: float
    detectable: float
    p_rise: float
    p_exceeds: float
    flagged: bool
    verdict: Verdict
    notes: tuple[str, ...]

    def as_row(self) -> dict[str, object]:
        """Return the change as one row of a table."""
        a, b = self.before, self.after
        return {
            "patient": a.patient, "lesion": a.lesion, "label": a.label, "kind": a.kind, "index": a.index,
            "quantity": self.quantity, "from": a.visit, "to": b.visit, "from_date": a.day.isoformat(),
            "to_date": b.day.isoformat(), "years": self.years, "before": a.value(self.quantity),
            "after": b.value(self.quantity), "unit": UNITS[self.quantity], "difference": self.difference.value,
            "difference_low": self.difference.low, "difference_high": self.difference.high,
            "percent": self.percent.value, "percent_low": self.percent.low, "percent_high": self.percent.high,
            "percent_per_year": self.annual, "percent_per_year_compound": self.compound,
            "detectable_percent": self.detectable, "p_rise": self.p_rise, "p_exceeds": self.p_exceeds,
            "flag": "review" if self.flagged else "", "verdict": self.verdict, "notes": "; ".join(self.notes),
        }  # fmt: skip


def changes(
    observations: Iterable[Observation], rule: Rule | None = None, errors: ErrorModel | None = None
) -> list[Change]:
    """Return the change of every lesion in every epoch.

    Parameters
    ----------
    observations : iterable of Observation
        All measurements; lesions seen once have no change.
    rule : Rule, optional
        What to follow and when to flag; `Rule.usual()` if omitted.
    errors : ErrorModel, optional
        What is known of the errors; only each scan's noise if omitted.

    Raises
    ------
    InputError
        There is no measurement, or a lesion was measured twice on a day.
    """
    chosen, model = rule or Rule.usual(), errors or ErrorModel()
    found = []
    for course in series(observations).values():
        known = [o for o in course if has(o.value(chosen.quantity))]
        for i, after in enumerate(known[1:], 1):
            before = known[i - 1] if chosen.epochs == "consecutive" else known[0]
            found.append(change(before, after, chosen, model))
    return found


def change(
    before: Observation, after: Observation, rule: Rule | None = None, errors: ErrorModel | None = None
) -> Change:
    """Return what became of a lesion between two measurements.

    Raises
    ------
    InputError
        The two are of different lesions, or not in the order of their dates.
    """
    chosen, model = rule or Rule.usual(), errors or ErrorModel()
    if (before.patient, before.lesion) != (after.patient, after.lesion):
        raise InputError(
            f"{before.label} of {before.patient} and {after.label} of {after.patient} are not one lesion; link them"
        )
    apart = years(before.day, after.day)
    if apart <= 0:
        raise InputError(
            f"lesion {before.label}: visit {after.visit} ({after.day}) is not later than {before.visit} "
            f"({before.day}); swap the visits, or correct the dates"
        )
    one, two = model.of(before, chosen.quantity), model.of(after, chosen.quantity)
    notes = _window(apart)
    stopped = _comparable(before, after, notes)
    undefined = "" if stopped else _undefined(before, one, chosen)
    difference = _difference(one, two, chosen)
    if stopped or undefined:
        none = Measure(math.nan, math.nan, math.nan, "%", 2, "not comparable" if stopped else "undefined")
        verdict: Verdict = "not comparable" if stopped else "undefined"
        numbers = {"percent": none, "annual": math.nan, "compound": math.nan, "detectable": math.nan,
                   "p_rise": _beyond(one, two, 1.0), "p_exceeds": math.nan, "flagged": False}  # fmt: skip
        notes = [*stopped, *([undefined] if undefined else []), *notes]
    else:
        numbers, verdict = _judge(one, two, apart, chosen)
    return Change(before=before, after=after, quantity=chosen.quantity, years=apart, difference=difference,
                  verdict=verdict, notes=tuple(notes), **numbers)  # type: ignore[arg-type]  # fmt: skip


def _judge(one: Estimate, two: Estimate, apart: float, rule: Rule) -> tuple[dict[str, object], Verdict]:
    ratio = two.value / one.value
    percent = 100 * (ratio - 1)
    low, high = (100 * (end - 1) for end in fieller(one, two, rule.confidence))
    detectable = 100 * quantile(rule.confidence, _joint(one, two, 1.0)) * math.hypot(one.sd, two.sd) / one.value
    held = percent if rule.basis == "epoch" else percent / apart
    flagged = rule.threshold is not None and held >= rule.threshold
    scale = 1.0 if rule.basis == "epoch" else apart
    p_exceeds = math.nan if rule.threshold is None else _beyond(one, two, 1 + scale * rule.threshold / 100)
    if not has(detectable):
        verdict: Verdict = "review: noise unknown" if flagged else "below threshold, noise unknown"
    elif flagged:
        verdict = "review: beyond noise" if percent > detectable else "review: within noise"
    else:
        verdict = "below threshold, rise not excluded" if p_exceeds > DOUBT else "below threshold"
    return {
        "percent": Measure(percent, low, high, "%", 2, f"Fieller, {100 * rule.confidence:g} %"),
        "annual": percent / apart,
        "compound": 100 * (ratio ** (1 / apart) - 1) if ratio > 0 else math.nan,
        "detectable": detectable, "p_rise": _beyond(one, two, 1.0), "p_exceeds": p_exceeds, "flagged": flagged,
    }, verdict  # fmt: skip


def fieller(one: Estimate, two: Estimate, confidence: float) -> tuple[float, float]:
    """Return the interval of two/one: all ρ with (two − ρ one)² ≤ t² (s₂² + ρ² s₁²); infinite if `one` may be 0."""
    if not (has(one.sd) and has(two.sd)):
        return math.nan, math.nan
    t = quantile(confidence, _joint(one, two, two.value / one.value))
    a = one.value**2 - (t * one.sd) ** 2
    if a <= 0:
        return -math.inf, math.inf
    middle = one.value * two.value
    reach = math.sqrt(max(0.0, middle**2 - a * (two.value**2 - (t * two.sd) ** 2)))
    ratio = two.value / one.value
    return min((middle - reach) / a, ratio), max((middle + reach) / a, ratio)


def _joint(one: Estimate, two: Estimate, ratio: float) -> float:
    return satterthwaite(((ratio * one.sd) ** 2, one.degrees), (two.sd**2, two.degrees))


def _beyond(one: Estimate, two: Estimate, ratio: float) -> float:
    """Return the probability that the later is more than `ratio` times the earlier."""
    spread = math.hypot(two.sd, ratio * one.sd)
    if not has(spread):
        return math.nan
    gap = two.value - ratio * one.value
    if spread == 0:
        return float(gap > 0)
    return upper(gap / spread, _joint(one, two, ratio))


def _difference(one: Estimate, two: Estimate, rule: Rule) -> Measure:
    value, spread = two.value - one.value, math.hypot(one.sd, two.sd)
    reach = quantile(rule.confidence, _joint(one, two, 1.0)) * spread
    how = "difference; errors of both" if has(reach) else "difference; errors unknown"
    return Measure(value, value - reach, value + reach, UNITS[rule.quantity], 2, how)


def _comparable(before: Observation, after: Observation, notes: list[str]) -> list[str]:
    """Return why the two may not be compared; say in `notes` what is not known."""
    unknown = before.context.unknown(after.context)
    if unknown:
        notes.append(f"not recorded, so taken for the same: {', '.join(unknown)}")
    differ = before.context.differences(after.context)
    return [f"not comparable: {', '.join(differ)}; measure both alike (qsmkit monitor remeasure)"] if differ else []


def _undefined(before: Observation, one: Estimate, rule: Rule) -> str:
    if not one.value > 0:
        return f"{rule.quantity} at {before.visit} is {one.value:.4g} {UNITS[rule.quantity]}: a relative change is " \
               "undefined unless it is positive"  # fmt: skip
    if rule.quantity == "mean" and one.value < CERTAIN * before.reference_spread:
        return (f"χ at {before.visit} is {1000 * one.value:.4g} ppb, less than {CERTAIN:g} SD of the reference "
                f"({1000 * before.reference_spread:.4g} ppb): a relative change would be noise")  # fmt: skip
    return ""


def _window(apart: float) -> list[str]:
    months = 12 * apart
    low, high = WINDOW
    return [] if low <= months <= high else [f"{months:.1f} months apart, outside {low:g} to {high:g}"]
