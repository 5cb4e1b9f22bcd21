"""The report on motor outcome over visits."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from qsmkit.clinical.outcome.motor import RESPONSE, Comparison
from qsmkit.clinical.outcome.study import Outcome
from qsmkit.reports.page import write_page
from qsmkit.reports.plot import ACCENT, INK, SOFT, Drawing


def write_outcome(found: Outcome, out: Path, *, source: Path, overwrite: bool = False) -> Path:
    """Write report.html, changes.csv and the figures into a folder.

    Parameters
    ----------
    found : Outcome
        The analysis.
    out : Path
        The folder; made if need be.
    source : Path
        The table that was analysed.
    overwrite : bool
        Whether files that are there already may be replaced.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    OutputError
        A file is there already, or cannot be written.
    """
    rows = [
        {"month": c.month, "medication": c.medication, "stimulation": c.stimulation} | asdict(change)
        for c in found.comparisons
        for change in c.changes
    ]
    return write_page(
        out, "outcome.html.j2", found, source=source, figures=_figures(found), tables={"changes.csv": rows},
        response=RESPONSE, overwrite=overwrite,
    )  # fmt: skip


def _figures(found: Outcome) -> Iterator[tuple[str, str, Drawing]]:
    for medication, stimulation in sorted({(c.medication, c.stimulation) for c in found.comparisons}):
        shown = [c for c in found.comparisons if (c.medication, c.stimulation) == (medication, stimulation)]
        states = (f"med-{medication}" if medication else "", f"stim-{stimulation}" if stimulation else "")
        yield (
            "_".join(("course", *filter(None, states))),
            f"{found.scale.name}, medication {medication or 'not given'}, stimulation {stimulation or 'not given'}: "
            "each patient (grey), mean with its interval (blue). Lower is better.",
            partial(_course, shown=shown, scale=found.scale.name),
        )


def _course(axes: Axes, shown: list[Comparison], scale: str) -> None:
    for patient, start in {c.patient: c.baseline for comparison in shown for c in comparison.changes}.items():
        later = [(c.month, change.score) for c in shown for change in c.changes if change.patient == patient]
        axes.plot(*zip((0.0, start), *later, strict=True), color=SOFT, lw=0.8, zorder=0)
    means = [shown[0].statistics["baseline"], *(c.statistics["score"] for c in shown)]
    months = [0.0, *(c.month for c in shown)]
    value = np.array([m.value for m in means])
    reach = [value - [m.low for m in means], [m.high for m in means] - value]
    axes.errorbar(months, value, yerr=reach, color=ACCENT, marker="o", capsize=4, lw=1.8)
    axes.set_xticks(months)
    axes.set(xlabel="months since surgery", ylabel=f"{scale} (points)", ylim=(0, None))
    axes.tick_params(colors=INK)
