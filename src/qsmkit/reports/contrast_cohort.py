"""The report on a cohort's contrasts: every subject's line, means, tests."""

from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from qsmkit.clinical.stats.intervals import mean
from qsmkit.clinical.target.cohort import Cohort, PairCohort
from qsmkit.io.atomic import write_text
from qsmkit.io.sidecar import as_json
from qsmkit.measure import Measure
from qsmkit.reports.page import write_page
from qsmkit.reports.plot import ACCENT, INK, SOFT, Drawing


def write_contrast_cohort(found: Cohort, out: Path, *, source: Path, overwrite: bool = False) -> Path:
    """Write report.html, statistics.json, a table of each kind and the figures into a folder.

    Parameters
    ----------
    found : Cohort
        The comparison.
    out : Path
        The folder; made if need be.
    source : Path
        Where the readings came from.
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
    rows = found.rows()
    content = {"formula": found.formula, "confidence": found.confidence} | rows
    write_text(out / "statistics.json", as_json(content), overwrite=overwrite)
    return write_page(
        out, "contrast_cohort.html.j2", found, source=source, figures=_figures(found),
        tables={f"{name}.csv": r for name, r in rows.items() if r}, methods=methods_sentence(found),
        overwrite=overwrite,
    )  # fmt: skip


def methods_sentence(found: Cohort) -> str:
    """Return what a paper's methods section says of the comparison."""
    nested = any(p.nested for p in found.pairs)
    sides = (
        " A mixed model with a random intercept of the subject and of the hemisphere within the subject (REML) was "
        "fitted to the values of both sides."
    )
    return (
        f"Contrast-to-noise ratios ({found.formula.replace('_', ' ')}) of the images were compared within subjects, "
        f"{'averaged over sides, ' if nested else ''}by repeated-measures analysis of variance with Greenhouse–Geisser "
        "correction and by Friedman's test, followed by paired t tests and Wilcoxon's signed ranks of every two images "
        "with Holm's procedure; effects are partial and generalised η², Kendall's W and d_z."
        f"{sides if nested else ''} A one-way analysis of variance is given as published elsewhere; it ignores that "
        f"the images are of the same heads. Intervals hold {100 * found.confidence:g} %. Computed with qsmkit "
        f"{version('qsmkit')}."
    )


def _figures(found: Cohort) -> Iterator[tuple[str, str, Drawing]]:
    share = f"{100 * found.confidence:g} %"
    for p in found.pairs:
        name = "".join(c if c.isalnum() else "_" for c in p.pair)
        yield (
            f"contrast_{name}",
            f"{p.pair}: each subject (grey; both sides' mean), mean with its {share} interval (blue), n = {p.table.n}.",
            partial(_lines, found=p, cohort=found),
        )
        yield (
            f"differences_{name}",
            f"{p.pair}: {p.favourite} minus each other image; each subject (grey), mean with its {share} interval.",
            partial(_differences, found=p, confidence=found.confidence),
        )


def _lines(axes: Axes, found: PairCohort, cohort: Cohort) -> None:
    table = found.table
    axes.plot(range(table.k), table.values.T, color=SOFT, lw=0.8, marker="o", ms=2.5, zorder=0)
    _means(axes, list(table.means(cohort.confidence).values()))
    axes.set_xticks(range(table.k), table.conditions)
    axes.set(xlim=(-0.4, table.k - 0.6), ylim=(0, None), ylabel=f"{cohort.formula}, {found.pair} (ratio)")
    axes.tick_params(colors=INK)


def _differences(axes: Axes, found: PairCohort, confidence: float) -> None:
    table, others = found.table, [c for c in found.table.conditions if c != found.favourite]
    column = dict(zip(table.conditions, table.values.T, strict=True))
    gaps = [column[found.favourite] - column[c] for c in others]
    for i, gap in enumerate(gaps):
        axes.scatter(i + np.linspace(-0.12, 0.12, len(gap)), np.sort(gap), s=9, color=SOFT, linewidths=0, zorder=1)
    axes.axhline(0, color=INK, lw=0.8, zorder=0)
    _means(axes, [mean(gap, table.unit, "", confidence) for gap in gaps])
    axes.set_xticks(range(len(others)), [f"{found.favourite}\n− {c}" for c in others])
    axes.set(xlim=(-0.5, len(others) - 0.5), ylabel=f"difference in contrast to noise, {found.pair} (ratio)")
    axes.tick_params(colors=INK)


def _means(axes: Axes, means: list[Measure]) -> None:
    value = np.array([m.value for m in means])
    reach = [value - [m.low for m in means], [m.high for m in means] - value]
    axes.errorbar(range(len(means)), value, yerr=reach, color=ACCENT, marker="o", capsize=4, lw=1.8, ls="none")
