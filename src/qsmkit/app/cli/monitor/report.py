"""`qsmkit monitor report`: one patient's lesions, or the whole cohort, as HTML and PDF."""

from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.rates import models_of
from qsmkit.app.cli.monitor.study import Analysis, Lesions, study_from
from qsmkit.clinical.monitor.cohort import cohort
from qsmkit.clinical.monitor.observation import Observation, series
from qsmkit.pipeline.monitor.gather import Study
from qsmkit.pipeline.monitor.looks import REACH, chain, slice_through
from qsmkit.reports.monitor_cohort import write_cohort
from qsmkit.reports.monitor_figures import Look, title_of
from qsmkit.reports.monitor_patient import write_patient

_DEFAULT = Analysis()


def report(
    source: str,
    data: Path | None = None,
    /,
    *,
    out: Path,
    patient: str | None = None,
    events: Path | None = None,
    rater: str | None = None,
    lesions: Lesions = "all",
    analysis: Analysis = _DEFAULT,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Write a report as HTML and PDF: of a patient (courses with noise, images at both times), or of the cohort.

    Parameters
    ----------
    source
        Registry, or a table with columns patient, lesion, date, mean (ppm).
    data
        Folder that `qsmkit recon` wrote, for images in a patient's report.
    out
        Folder to make: report.html, report.pdf, changes.csv.
    patient
        Whom to report on; the whole cohort if omitted.
    events
        With a table: table of events with columns patient, type, onset.
    rater
        Only this rater's masks.
    lesions
        In a cohort's report, index takes only lesions that bled at enrolment.
    analysis
        When to flag, and what is known of errors.
    json
        Print the paths as JSON on stdout.
    overwrite
        Replace files that are there.
    """
    found = study_from(source, None if patient is None else [patient], rater, events)
    rule, errors, name = analysis.rule(), analysis.errors(), Path(source).name
    if patient is not None:
        looks = {} if data is None else _looks(found, data)
        page = write_patient(found.observations, found.events, out, rule=rule, errors=errors, looks=looks,
                             notes=found.notes, source=name, overwrite=overwrite)  # fmt: skip
    else:
        made = cohort(found.observations, found.events, rule=rule, errors=errors, visits=found.visits,
                      index_only=lesions == "index")  # fmt: skip
        used = [o for o in found.observations if o.index or lesions == "all"]
        page = write_cohort(made, models_of(used, analysis.confidence), out, source=name, overwrite=overwrite)
    if json:
        console.print_json({"html": str(page), "pdf": str(page.with_suffix(".pdf")), "disclaimer": console.DISCLAIMER})
    else:
        console.say(f"report → {page}, {page.with_suffix('.pdf')}")


def _looks(found: Study, data: Path) -> dict[str, list[Look]]:
    """Return the slices of each lesion at its first and last visit, in the first one's plane where that is known."""
    looks: dict[str, list[Look]] = {}
    for (_, lesion), course in series(found.observations).items():
        shown: list[Observation] = [course[0]] if len(course) == 1 else [course[0], course[-1]]
        centre, motion, made = None, None, []
        for seen in shown:
            there = found.images.get((lesion, seen.visit))
            if there is None:
                continue
            if seen is not shown[0]:
                motion = chain(data, course)
                centre = centre if motion is not None else None
            chi, mask, number = there
            image, outline, centre = slice_through(data / chi, data / mask, number, centre, motion)
            place = "own plane" if seen is not shown[0] and motion is None else f"z {centre[2]:.0f} mm"
            made.append(Look(image, outline, (2 * REACH, 2 * REACH), title_of(seen, place)))
        looks[lesion] = made
    return looks
