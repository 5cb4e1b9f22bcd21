"""All that a table of motor scores says."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qsmkit.clinical.outcome.mixed import mixed_model
from qsmkit.clinical.outcome.motor import (
    RESPONSE,
    Comparison,
    State,
    Visit,
    compare,
    levodopa_response,
    mean,
    relation,
    stimulation_effect,
)
from qsmkit.clinical.outcome.scales import Scale
from qsmkit.errors import DataWarning, InputError
from qsmkit.measure import Measure


@dataclass(frozen=True, eq=False)
class Outcome:
    """The analysis of motor scores over visits.

    Attributes
    ----------
    scale : Scale
        The one scale of all scores.
    visits : tuple of Visit
        What was analysed.
    comparisons : list of Comparison
        Each condition after surgery against its baseline.
    levodopa_response : Measure or None
        Mean improvement by medication before surgery, %.
    stimulation_effect : list
        Month, state of medication, and mean improvement by stimulation in points.
    models : dict of str to dict of float to Measure
        Change in points by month from the mixed model, by condition.
    relations : dict of str to dict of str to Measure
        Improvement (%) against the lead's distance (mm), by the comparison's name.
    ledd_change : dict of float to Measure
        Mean change of the levodopa equivalent daily dose, mg, by month.
    """

    scale: Scale
    visits: tuple[Visit, ...]
    comparisons: list[Comparison]
    levodopa_response: Measure | None
    stimulation_effect: list[tuple[float, State, Measure]]
    models: dict[str, dict[float, Measure]]
    relations: dict[str, dict[str, Measure]]
    ledd_change: dict[float, Measure]

    def sentences(self) -> Iterator[str]:
        """Yield what the numbers mean."""
        for c in self.comparisons:
            s, better = c.statistics, c.statistics["clinically_better"]
            reached = f"{_of(s['responders'])} improved by {RESPONSE:g} % or more, " if s["responders"].n else ""
            yield (
                f"{c.name}: the score changed by {s['change']} from {s['baseline'].value:.3g}; {reached}{_of(better)} "
                f"by what matters to patients ({self.scale.source})."
            )
        if self.levodopa_response:
            yield f"Before surgery, medication improved the score by {self.levodopa_response}."
        for month, state, m in self.stimulation_effect:
            yield f"At {month:g} months, medication {state or 'not given'}, stimulation improved the score by {m}."


def _of(share: Measure) -> str:
    return f"{100 * share.value:.0f} % of {share.n} patients"


def study(
    visits: Sequence[Visit],
    scale: Scale,
    *,
    distance: Mapping[str, float] | None = None,
    ledd: Mapping[tuple[str, float], float] | None = None,
    confidence: float = 0.95,
) -> Outcome:
    """Analyse motor scores over visits.

    Parameters
    ----------
    visits : sequence of Visit
        All examinations, on one scale.
    scale : Scale
        That scale.
    distance : mapping of str to float, optional
        Distance of a patient's lead to its target, mm.
    ledd : mapping of (str, float) to float, optional
        Levodopa equivalent daily dose, mg, by patient and month.
    confidence : float
        Of the intervals.

    Raises
    ------
    InputError
        As `compare`.

    Warns
    -----
    DataWarning
        As `compare` and `mixed_model`, or too few patients of a condition have a distance.
    """
    comparisons = compare(visits, scale, confidence=confidence)
    models = {}
    for medication, stimulation in sorted({(c.medication, c.stimulation) for c in comparisons}):
        name = f"medication {medication or 'not given'}, stimulation {stimulation or 'not given'}"
        if len({v.patient for v in visits if v.medication == medication and np.isfinite(v.score)}) >= 3:
            models[name] = mixed_model(visits, medication, stimulation, confidence=confidence)
    apart = dict(distance or {})
    relations = {}
    for c in comparisons if apart else ():
        try:
            relations[c.name] = relation(c, apart, unit="mm", confidence=confidence)
        except InputError as error:
            warnings.warn(DataWarning(f"{c.name}: no relation to the lead's distance, {error}"), stacklevel=2)
    return Outcome(
        scale, tuple(visits), comparisons, levodopa_response(visits, confidence=confidence),
        list(stimulation_effect(visits, confidence=confidence)), models, relations,
        _ledd_change(ledd or {}, confidence),
    )  # fmt: skip


def _ledd_change(ledd: Mapping[tuple[str, float], float], confidence: float) -> dict[float, Measure]:
    negative = next((key for key, dose in ledd.items() if dose < 0), None)
    if negative:
        raise InputError(f"patient {negative[0]}, month {negative[1]:g}: a dose of {ledd[negative]:g} mg is negative")
    before = {patient: dose for (patient, month), dose in ledd.items() if month == 0}
    found = {}
    for month in sorted({month for _, month in ledd if month > 0}):
        change = [dose - before[p] for (p, m), dose in ledd.items() if m == month and p in before]
        if len(change) >= 2:
            found[month] = mean(change, "mg", confidence)
    return found
