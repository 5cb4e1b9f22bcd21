"""`qsmkit monitor rates`: a cohort's changes and events, and what a threshold has to do with events."""

import warnings
from pathlib import Path
from typing import Any

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.study import Analysis, Lesions, Patients, study_from
from qsmkit.clinical.monitor.cohort import Cohort, cohort
from qsmkit.clinical.monitor.models import annual_change
from qsmkit.errors import InputError
from qsmkit.io.atomic import write_text
from qsmkit.io.sidecar import as_json
from qsmkit.measure import Measure

_DEFAULT = Analysis()


def rates(
    source: str,
    /,
    *,
    events: Path | None = None,
    patient: Patients = None,
    rater: str | None = None,
    lesions: Lesions = "all",
    confirmed: Flag = False,
    analysis: Analysis = _DEFAULT,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Print rates per patient-year, mean changes, and sensitivity, specificity and predictive values of the threshold.

    Parameters
    ----------
    source
        Registry, or a table with columns patient, lesion, date, mean (ppm).
    events
        With a table: table of events with columns patient, type, onset.
    patient
        Only these patients.
    rater
        Only this rater's masks.
    lesions
        index takes only the lesion that bled at enrolment: the primary analysis.
    confirmed
        Count only events that judges confirmed.
    analysis
        When to flag, and what is known of errors.
    out
        JSON file to write.
    json
        Print JSON on stdout.
    overwrite
        Replace a file that is there.
    """
    found = study_from(source, patient, rater, events)
    made = cohort(found.observations, found.events, rule=analysis.rule(), errors=analysis.errors(), visits=found.visits,
                  index_only=lesions == "index", confirmed=confirmed)  # fmt: skip
    models = models_of(found.observations if lesions == "all" else [o for o in found.observations if o.index],
                       analysis.confidence)  # fmt: skip
    for note in (*found.notes, *made.notes):
        console.say(note)
    told = as_dict(made, models)
    if out:
        write_text(out, as_json(told), overwrite=overwrite)
    if json:
        console.print_json(told)
    else:
        _print(made, models)


def as_dict(made: Cohort, models: dict[str, Measure]) -> dict[str, Any]:
    """Return a cohort as plain values for JSON."""
    def table(values: dict[str, Measure]) -> dict[str, Any]:
        return {name: m.as_dict() for name, m in values.items()}

    counts = {name: {"tp": t.tp, "fn": t.fn, "fp": t.fp, "tn": t.tn, "mcnemar_p": t.mcnemar()}
              for name, t in (("by_patient", made.by_patient), ("by_epoch", made.by_epoch))}  # fmt: skip
    return {
        "rule": made.rule.sentence(), "errors": made.errors.sentence(), "patients": len(made.exposure),
        "patient_years": sum(made.exposure.values()), "events_held_against_threshold": list(made.types),
        "rates": table(made.rates), "means": table(made.means), "models": table(models), "counts": counts,
        "shares_by_patient": table(made.shares), "shares_by_epoch": table(made.epoch_shares),
        "roc": None if made.curve is None else {
            "area": made.curve.area.as_dict(), "youden_threshold_percent": made.curve.best,
            "youden": made.curve.youden, "optimism": made.curve.optimism,
        },
        "notes": list(made.notes), "disclaimer": console.DISCLAIMER,
    }  # fmt: skip


def models_of(observations: list[Any], confidence: float) -> dict[str, Measure]:
    """Return the change per year by the models that the data allow; say which they do not."""
    found = {}
    for model in ("mixed", "gee"):
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found[model] = annual_change(observations, model, confidence=confidence)
            for text in dict.fromkeys(str(w.message) for w in caught):
                console.say(f"warning: {text}")
        except InputError as error:
            console.say(f"no {model} model: {error}")
    return found


def _print(made: Cohort, models: dict[str, Measure]) -> None:
    years = sum(made.exposure.values())
    kept = {n: m for n, m in made.rates.items() if m.n or n in made.types or n == "flagged epoch"}
    _table(kept, f"{len(made.exposure)} patients, {years:.2f} patient-years: rates per patient-year",
           made.rule.confidence)  # fmt: skip
    _table(made.means | models, "Change of χ, % per year" + (" (index lesions)" if made.index_only else ""),
           made.rule.confidence)  # fmt: skip
    held = " or ".join(t.replace("_", " ") for t in made.types)
    for name, t, shares in (("patient", made.by_patient, made.shares), ("epoch", made.by_epoch, made.epoch_shares)):
        title = f"Flag against {held}, by {name}: TP {t.tp}, FN {t.fn}, FP {t.fp}, TN {t.tn}; McNemar exact p = " \
                f"{t.mcnemar():.4g}"  # fmt: skip
        _table(shares, title, made.rule.confidence)
    if made.curve is not None:
        c = made.curve
        told = f"best threshold {c.best:.1f} %, Youden {c.youden:.2f}, of which {c.optimism:.2f} is optimism"
        console.out.print(f"ROC of the change in %, by epoch: area {c.area} ({c.area.method}); {told}", markup=False)
    console.out.print(made.rule.sentence(), markup=False)
    console.out.print(made.errors.sentence(), markup=False)
    console.disclaim()


def _table(values: dict[str, Measure], title: str, confidence: float) -> None:
    rows = [(name.replace("_", " "), str(m), str(m.n), m.method) for name, m in values.items()]
    console.print_table(("", f"value [{100 * confidence:g} % interval]", "n", "method"), rows, title)
