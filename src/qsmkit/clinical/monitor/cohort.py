"""What changes and events add up to in a cohort, and what a threshold has to do with events.

Three means of change, which differ and are named:

    pooled        Σ D%ᵢⱼ / Σ Δtᵢⱼ              per patient-year
    mean          mean of D%ᵢⱼ/Δtᵢⱼ            of epochs
    change score  mean of patients' means      (of AT CASH: each patient's epochs first)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
from scipy import stats

from qsmkit.clinical.monitor.change import Change, Rule, changes
from qsmkit.clinical.monitor.error_model import ErrorModel
from qsmkit.clinical.monitor.events import Event, EventType, counted, during, ends, rates
from qsmkit.clinical.monitor.observation import Observation, follow_up, has, years
from qsmkit.clinical.stats.diagnostic import Crosstab, Roc, clustered_shares, roc
from qsmkit.clinical.stats.exact import rate
from qsmkit.clinical.stats.turnbull import Turnbull, turnbull
from qsmkit.errors import InputError
from qsmkit.measure import Measure

CLINICAL: tuple[EventType, ...] = ("symptomatic_haemorrhage", "growth")
"""Events that a threshold is held against, as in Zeineddine 2018."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """A cohort's changes and events.

    Attributes
    ----------
    rule : Rule
        When lesions were flagged.
    errors : ErrorModel
        What was known of errors.
    changes : list of Change
        Of every lesion and epoch.
    events : list of Event
        That count, within follow-up.
    exposure : dict of str to float
        Years of follow-up by patient.
    types : tuple of str
        Events that the threshold is held against.
    index_only : bool
        Whether means and tables take index lesions only.
    rates : dict of str to Measure
        Events by type, and flagged epochs, per patient-year.
    means : dict of str to Measure
        Pooled, mean and change score, % per year.
    by_patient, by_epoch : Crosstab
        Flag against event: whether a patient ever had either; whether an epoch had.
    shares : dict of str to Measure
        Sensitivity, specificity, predictive values by patient.
    epoch_shares : dict of str to Measure
        The same by epoch, with intervals that know that a patient's epochs are not independent.
    curve : Roc or None
        Change in % against events by epoch; None where no epoch, or every one, has an event.
    to_flag : Turnbull or None
        Years from the first scan until a lesion is flagged, known between visits; None without epochs.
    notes : tuple of str
        What limits it.
    """

    rule: Rule
    errors: ErrorModel
    changes: list[Change]
    events: list[Event]
    exposure: dict[str, float]
    types: tuple[EventType, ...]
    index_only: bool
    rates: dict[str, Measure]
    means: dict[str, Measure]
    by_patient: Crosstab
    by_epoch: Crosstab
    shares: dict[str, Measure]
    epoch_shares: dict[str, Measure]
    curve: Roc | None
    to_flag: Turnbull | None
    notes: tuple[str, ...]


def cohort(
    observations: Sequence[Observation], events: Sequence[Event] = (), *, rule: Rule | None = None,
    errors: ErrorModel | None = None, visits: Iterable[tuple[str, date]] | None = None,
    types: Sequence[EventType] = CLINICAL, index_only: bool = False, confirmed: bool = False, rng: int = 0,
) -> Cohort:
    """Analyse a cohort.

    Parameters
    ----------
    observations : sequence of Observation
        All measurements.
    events : sequence of Event
        All events.
    rule : Rule, optional
        What is followed and when it is flagged.
    errors : ErrorModel, optional
        What is known of errors.
    visits : iterable of (patient, date), optional
        All scans, also those on which nothing was measured; those of the observations if omitted.
    types : sequence of str
        Events that the threshold is held against.
    index_only : bool
        Whether only index lesions count, one a patient: the primary analysis.
    confirmed : bool
        Whether only confirmed events count.
    rng : int
        Seed of the bootstrap.

    Raises
    ------
    InputError
        There is no measurement, or no patient with two visits.
    """
    chosen, model = rule or Rule.usual(), errors or ErrorModel()
    used = [o for o in observations if o.index or not index_only]
    if not used:
        raise InputError("no index lesion was measured; name it (index), or analyse all lesions")
    scans = list(visits) if visits is not None else [(o.patient, o.day) for o in observations]
    begun: dict[str, date] = {}
    for who, day in scans:
        begun[who] = min(day, begun.get(who, day))
    stop = ends(e for e in events if e.patient in begun and e.middle() >= begun[e.patient])
    exposure = follow_up(scans, stop)
    alone = sum(y == 0 for y in exposure.values())
    if not sum(exposure.values()):
        raise InputError(f"none of {len(exposure)} patients has two visits; follow-up begins with the second")
    found = [c for c in changes(used, chosen, model)
             if c.after.patient not in stop or c.after.day <= stop[c.after.patient]]  # fmt: skip
    kept = [e for e in counted(events, confirmed=confirmed) if during(e, exposure, begun)]
    held = [e for e in kept if e.type in types]
    usable = [c for c in found if has(c.percent.value)]
    positive, happened, patients, values = _epochs(usable, held)
    followed = sorted(p for p, y in exposure.items() if y > 0)
    flagged = {p for p, hit in zip(patients, positive, strict=True) if hit}
    struck = {e.patient for e in held}
    judged = sorted({*patients})
    by_patient = Crosstab.of([p in flagged for p in judged], [p in struck for p in judged])
    by_epoch = Crosstab.of(positive, happened)
    number = np.unique(patients, return_inverse=True)[1].astype(np.int64)
    varied = 0 < sum(happened) < len(happened)
    all_rates = rates(events, exposure, begun, confirmed=confirmed, confidence=chosen.confidence)
    all_rates["flagged epoch"] = rate(int(sum(positive)), sum(exposure.values()), unit="per patient-year",
                                      confidence=chosen.confidence)  # fmt: skip
    return Cohort(
        rule=chosen, errors=model, changes=found, events=kept, exposure={p: exposure[p] for p in followed},
        types=tuple(types), index_only=index_only, rates=all_rates, means=annual_means(
            [c.percent.value for c in usable], [c.years for c in usable], [c.before.patient for c in usable],
            confidence=chosen.confidence,
        ),
        by_patient=by_patient, by_epoch=by_epoch, shares=by_patient.shares(confidence=chosen.confidence),
        epoch_shares=clustered_shares(positive, happened, number, confidence=chosen.confidence),
        curve=roc(values, happened, patients, rng=rng, confidence=chosen.confidence) if varied else None,
        to_flag=_time_to_flag(found),
        notes=tuple(_notes(found, usable, events, held, alone, set(followed) - set(judged), confirmed)),
    )  # fmt: skip


def _epochs(usable: list[Change], held: list[Event]) -> tuple[list[bool], list[bool], list[str], list[float]]:
    """Return of each patient's epoch: whether a lesion was flagged, whether it has an event, patient, largest D%."""
    groups: dict[tuple[str, date, date], list[Change]] = {}
    for c in usable:
        groups.setdefault((c.before.patient, c.before.day, c.after.day), []).append(c)
    positive = [any(c.flagged for c in of) for of in groups.values()]
    happened = [any(e.patient == p and first < e.middle() <= last for e in held) for p, first, last in groups]
    return positive, happened, [p for p, _, _ in groups], [max(c.percent.value for c in of) for of in groups.values()]


def annual_means(
    percent: npt.ArrayLike, time: npt.ArrayLike, patients: Sequence[str], *, confidence: float = 0.95
) -> dict[str, Measure]:
    """Return pooled, mean and change score, % per year, each with a t interval over patients.

    Parameters
    ----------
    percent : (n,) array
        Change over each epoch, %.
    time : (n,) array
        Its length, years.
    patients : (n,) sequence of str
        Whose.
    confidence : float
        Of the intervals.
    """
    unit, rise, years_of = "%/y", np.asarray(percent, np.float64), np.asarray(time, np.float64)
    if not len(rise):
        none = Measure(np.nan, np.nan, np.nan, unit, 0, "no epoch with a relative change")
        return dict.fromkeys(("pooled", "mean", "change score"), none)
    who, number = np.unique(patients, return_inverse=True)
    annual, clusters = rise / years_of, len(who)
    factor = float(stats.t.ppf((1 + confidence) / 2, clusters - 1)) if clusters > 1 else np.nan
    over = f"{clusters} patients, t" if clusters > 1 else "one patient only: no interval"

    def ratio(above: np.ndarray, below: np.ndarray, how: str) -> Measure:
        value = above.sum() / below.sum()
        apart = np.bincount(number, above - value * below)
        error = np.sqrt(clusters / max(clusters - 1, 1) * (apart**2).sum()) / below.sum()
        reach = float(factor * error)
        return Measure(float(value), float(value) - reach, float(value) + reach, unit, len(rise), how)

    each = np.bincount(number, annual) / np.bincount(number)
    return {
        "pooled": ratio(rise, years_of, f"Σ D%/Σ Δt, per patient-year; linearised, {over}"),
        "mean": ratio(annual, np.ones_like(annual), f"mean of D%/Δt over epochs; clustered, {over}"),
        "change score": _score(each, factor, over),
    }


def _score(each: np.ndarray, factor: float, over: str) -> Measure:
    value = float(each.mean())
    reach = factor * float(each.std(ddof=1)) / np.sqrt(len(each)) if len(each) > 1 else np.nan
    return Measure(value, value - reach, value + reach, "%/y", len(each),
                   f"mean over patients of their mean D%/Δt; {over}")  # fmt: skip


def _time_to_flag(found: list[Change]) -> Turnbull | None:
    """Fit the years from each lesion's first scan until it is flagged; epochs without a relative change tell none."""
    left: list[float] = []
    right: list[float] = []
    courses: dict[tuple[str, str], list[Change]] = {}
    for c in found:
        courses.setdefault((c.before.patient, c.before.lesion), []).append(c)
    for course in courses.values():
        start = course[0].before.day
        seen = 0.0
        for c in (c for c in course if has(c.percent.value)):
            now = years(start, c.after.day)
            if c.flagged:
                left.append(seen)
                right.append(now)
                break
            seen = now
        else:
            if seen > 0:
                left.append(seen)
                right.append(np.inf)
    return turnbull(left, right) if left else None


def _notes(
    found: list[Change], usable: list[Change], events: Sequence[Event], held: list[Event], alone: int,
    unjudged: set[str], confirmed: bool,
) -> list[str]:
    notes = []
    if alone:
        notes.append(f"{alone} patients have one visit and no follow-up; they are left out")
    if len(usable) < len(found):
        notes.append(f"{len(found) - len(usable)} of {len(found)} epochs have no relative change (not comparable, or χ "
                     "of the earlier visit too small); they are left out of means and tables")  # fmt: skip
    if unjudged:
        notes.append(f"{len(unjudged)} patients have follow-up but no epoch with a relative change; their years count "
                     "in rates only")  # fmt: skip
    pending = sum(e.adjudication == "pending" for e in held)
    if pending and not confirmed:
        notes.append(f"{pending} of {len(held)} events await adjudication")
    rejected = sum(e.adjudication == "rejected" for e in events)
    if rejected:
        notes.append(f"{rejected} events were rejected by judges and do not count")
    vague = sum(e.straddles(c.after.day) and e.patient == c.after.patient for e in held for c in usable)
    if vague:
        notes.append(f"{vague} times an event's date is too vague to tell on which side of a scan it was; the middle "
                     "of its month or year decides")  # fmt: skip
    if not held:
        none = f"none of {len(events)} recorded events counts within follow-up" if events else "no event was recorded"
        notes.append(f"{none}: rates have an upper end only, sensitivity and PPV are unknown or zero")
    return notes
