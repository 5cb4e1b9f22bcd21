"""Motor outcome over visits: change from baseline, responders, and its relation to where the lead lies."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from qsmkit.clinical.outcome.scales import Scale
from qsmkit.clinical.stats.concordance import pearson, spearman
from qsmkit.clinical.stats.fractions import wilson
from qsmkit.clinical.stats.paired import pair
from qsmkit.errors import DataWarning, InputError
from qsmkit.measure import Measure

State = Literal["on", "off", ""]

RESPONSE = 30.0
"""Improvement, per cent of the baseline score, from which a patient is called a responder."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One examination.

    Attributes
    ----------
    patient : str
        Pseudonym.
    month : float
        Months since surgery; 0 is the baseline before it.
    medication, stimulation : {"on", "off", ""}
        States during the examination; stimulation is "" or "off" before surgery.
    score : float
        Points; NaN is missing.
    """

    patient: str
    month: float
    medication: State
    stimulation: State
    score: float


@dataclass(frozen=True, slots=True)
class Change:
    """A patient's change from baseline.

    Attributes
    ----------
    patient : str
        Pseudonym.
    baseline, score, change : float
        Points; change is score minus baseline, negative if better.
    percent : float
        Improvement, per cent of baseline, positive if better; NaN if the baseline is zero.
    grade : str
        What the change means to a patient.
    responder : bool
        Whether the improvement reaches `RESPONSE`.
    """

    patient: str
    baseline: float
    score: float
    change: float
    percent: float
    grade: str
    responder: bool


@dataclass(frozen=True, eq=False)
class Comparison:
    """One condition at one visit against the baseline in the same state of medication.

    Attributes
    ----------
    month : float
        Months since surgery.
    medication, stimulation : {"on", "off", ""}
        The condition.
    changes : tuple of Change
        Each patient with both scores.
    statistics : dict of str to Measure
        "baseline", "score" and "change" (mean, points), "percent_of_means" and "mean_percent" (improvement),
        "responders" (of those whose baseline is not zero) and "clinically_better" (shares).
    p_t, p_wilcoxon : float
        Paired tests of no change; NaN where they are undefined, as all changes are equal (t) or zero (Wilcoxon).
    """

    month: float
    medication: State
    stimulation: State
    changes: tuple[Change, ...]
    statistics: dict[str, Measure]
    p_t: float
    p_wilcoxon: float

    @property
    def name(self) -> str:
        """The condition in words."""
        states = [f"medication {self.medication}"] if self.medication else []
        states += [f"stimulation {self.stimulation}"] if self.stimulation else []
        return f"{self.month:g} months, {', '.join(states) or 'state not given'}"


def check_visits(visits: Sequence[Visit], scale: Scale) -> None:
    """Refuse visits that cannot be analysed.

    Raises
    ------
    InputError
        A score is outside the scale, a visit is listed twice (before surgery in one state of medication), a month is
        negative, stimulation is on before surgery, or there is no baseline.
    """
    seen: set[tuple[str, float, str, str]] = set()
    for v in visits:
        if v.score < 0 or v.score > scale.highest:
            raise InputError(
                f"patient {v.patient}, month {v.month:g}: {v.score:g} is outside {scale.name}'s 0 … {scale.highest:g}; "
                "is it another scale?"
            )
        if v.month < 0:
            raise InputError(f"patient {v.patient}: month {v.month:g} is negative; 0 is the baseline before surgery")
        if v.month == 0 and v.stimulation == "on":
            raise InputError(f"patient {v.patient} has stimulation on at month 0, before surgery; correct the row")
        key = (v.patient, v.month, v.medication, v.stimulation if v.month else "")
        if key in seen:
            raise InputError(f"patient {v.patient}, month {v.month:g} is listed twice in one state; keep one row")
        seen.add(key)
    if not any(v.month == 0 for v in visits):
        raise InputError("no row has month 0; give the baseline before surgery")


def compare(visits: Sequence[Visit], scale: Scale, *, confidence: float = 0.95) -> list[Comparison]:
    """Compare every condition after surgery with the baseline in the same state of medication.

    Intervals of means are t intervals over patients; those of shares Wilson's. The improvement in per cent is given
    both as that of the means and as the mean of the patients', which differ.

    Parameters
    ----------
    visits : sequence of Visit
        All examinations on one scale.
    scale : Scale
        The scale.
    confidence : float
        Of the intervals.

    Raises
    ------
    InputError
        As `check_visits`, or no patient has both a baseline and a later score in one state of medication.
    """
    check_visits(visits, scale)
    baseline = {(v.patient, v.medication): v.score for v in visits if v.month == 0 and np.isfinite(v.score)}
    conditions = sorted({(v.month, v.medication, v.stimulation) for v in visits if v.month > 0})
    found = []
    for month, medication, stimulation in conditions:
        later = [v for v in visits if (v.month, v.medication, v.stimulation) == (month, medication, stimulation)]
        changes = tuple(
            _change(v, baseline[v.patient, medication], scale)
            for v in later
            if np.isfinite(v.score) and (v.patient, medication) in baseline
        )
        lost = len(later) - len(changes)
        if lost:
            told = f"month {month:g}: {lost} scores have no baseline or are missing; left out"
            warnings.warn(DataWarning(told), stacklevel=2)
        if len(changes) >= 2:
            found.append(Comparison(month, medication, stimulation, changes, *_summary(changes, confidence)))
    if not found:
        raise InputError("fewer than two patients have a baseline and a later score in one state of medication")
    return found


def levodopa_response(visits: Sequence[Visit], *, confidence: float = 0.95) -> Measure | None:
    """Return the mean improvement by medication before surgery, per cent of the score off medication."""
    off = {v.patient: v.score for v in visits if v.month == 0 and v.medication == "off"}
    on = {v.patient: v.score for v in visits if v.month == 0 and v.medication == "on"}
    both = [p for p in off if p in on and off[p] > 0 and np.isfinite(on[p])]
    if len(both) < 2:
        return None
    return mean([100 * (off[p] - on[p]) / off[p] for p in both], "%", confidence)


def stimulation_effect(visits: Sequence[Visit], *, confidence: float = 0.95) -> Iterator[tuple[float, State, Measure]]:
    """Yield, for each later month and state of medication, the mean improvement by stimulation, in points."""
    for month, medication in sorted({(v.month, v.medication) for v in visits if v.month > 0}):
        here = [v for v in visits if (v.month, v.medication) == (month, medication) and np.isfinite(v.score)]
        off = {v.patient: v.score for v in here if v.stimulation == "off"}
        on = {v.patient: v.score for v in here if v.stimulation == "on"}
        both = [p for p in off if p in on]
        if len(both) >= 2:
            yield month, medication, mean([off[p] - on[p] for p in both], "points", confidence)


def relation(
    comparison: Comparison, value: dict[str, float], *, unit: str, confidence: float = 0.95
) -> dict[str, Measure]:
    """Return how the improvement in per cent goes with a number of each patient, such as the lead's distance to target.

    Parameters
    ----------
    comparison : Comparison
        The condition.
    value : dict of str to float
        The number by patient, in `unit`.
    unit : str
        Its unit.
    confidence : float
        Of the intervals.

    Returns
    -------
    dict
        "pearson", "spearman" (pure numbers) and "slope" (per cent per unit, least squares with t interval).

    Raises
    ------
    InputError
        Fewer than three patients have both, or all have the same value.
    """
    both = [(value[c.patient], c.percent) for c in comparison.changes if c.patient in value and np.isfinite(c.percent)]
    x, y = (np.array(v, np.float64) for v in zip(*both, strict=True)) if both else (np.empty(0), np.empty(0))
    kept = np.isfinite(x)
    x, y = x[kept], y[kept]
    if len(x) < 3 or np.ptp(x) == 0:
        raise InputError(f"{len(x)} patients have a value and an outcome, or all values are equal; give 3 or more")
    pairs = pair(x, y, same_unit=True)
    fit = stats.linregress(x, y)
    reach = float(stats.t.ppf((1 + confidence) / 2, len(x) - 2) * fit.stderr)
    steep = float(fit.slope)
    slope = Measure(steep, steep - reach, steep + reach, f"%/{unit}", len(x), "least squares, t interval")
    return {
        "pearson": pearson(pairs, confidence=confidence),
        "spearman": spearman(pairs, confidence=confidence),
        "slope": slope,
    }


def mean(values: Sequence[float] | npt.NDArray[np.float64], unit: str, confidence: float) -> Measure:
    """Return the mean of values in `unit` with its t interval."""
    v = np.asarray(values, np.float64)
    if len(v) < 2:
        return Measure(float(v.mean()) if len(v) else float("nan"), np.nan, np.nan, unit, len(v), "no interval: n < 2")
    reach = float(stats.t.ppf((1 + confidence) / 2, len(v) - 1) * v.std(ddof=1) / np.sqrt(len(v)))
    return Measure(float(v.mean()), float(v.mean()) - reach, float(v.mean()) + reach, unit, len(v), "mean, t interval")


def _change(visit: Visit, baseline: float, scale: Scale) -> Change:
    change = visit.score - baseline
    percent = -100 * change / baseline if baseline > 0 else float("nan")
    return Change(visit.patient, baseline, visit.score, change, percent, scale.grade(change), bool(percent >= RESPONSE))


def _summary(changes: Sequence[Change], confidence: float) -> tuple[dict[str, Measure], float, float]:
    before, after = (np.array([getattr(c, name) for c in changes]) for name in ("baseline", "score"))
    better = [c.grade not in ("unchanged", "worse") for c in changes]
    percent = [c.percent for c in changes if np.isfinite(c.percent)]
    found = {
        "baseline": mean(before, "points", confidence),
        "score": mean(after, "points", confidence),
        "change": mean(after - before, "points", confidence),
        "percent_of_means": _percent_of_means(before, after, confidence),
        "mean_percent": mean(percent, "%", confidence),
        "responders": _share([c.responder for c in changes if np.isfinite(c.percent)], confidence),
        "clinically_better": _share(better, confidence),
    }
    difference = after - before
    p_t = float(stats.ttest_rel(after, before).pvalue) if np.ptp(difference) > 0 else float("nan")
    return found, p_t, float(stats.wilcoxon(difference).pvalue) if difference.any() else float("nan")


def _percent_of_means(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], confidence: float) -> Measure:
    """Return 100 (1 − mean after/mean before) with the interval of the ratio by its linearisation."""
    n, mean = len(before), float(before.mean())
    if mean == 0:
        return Measure(np.nan, np.nan, np.nan, "%", n, "undefined: the baseline is zero")
    ratio = float(after.mean()) / mean
    error = float((after - ratio * before).std(ddof=1)) / np.sqrt(n) / mean
    reach = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * error
    low, high = 100 * (1 - ratio - reach), 100 * (1 - ratio + reach)
    return Measure(100 * (1 - ratio), low, high, "%", n, "ratio of means, linearised t interval")


def _share(hits: Sequence[bool], confidence: float) -> Measure:
    if not hits:
        return Measure(np.nan, np.nan, np.nan, "1", 0, "undefined: every baseline is zero")
    p, n = float(np.mean(hits)), len(hits)
    low, high = wilson(p, n, float(stats.norm.ppf((1 + confidence) / 2)))
    return Measure(p, min(low, p), max(high, p), "1", n, "Wilson")
