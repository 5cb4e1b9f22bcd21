"""The report on two methods' agreement: figures fit for a paper, every number, every case."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from qsmkit.clinical.stats import fractions
from qsmkit.clinical.stats.agreement import Agreement
from qsmkit.clinical.stats.bland_altman import BlandAltman
from qsmkit.clinical.stats.paired import Paired
from qsmkit.io.atomic import write_text
from qsmkit.io.sidecar import as_json
from qsmkit.reports.page import write_page
from qsmkit.reports.plot import ACCENT, INK, SOFT, Drawing


def write_agreement(found: Agreement, out: Path, *, source: Path, overwrite: bool = False) -> Path:
    """Write report.html, statistics.json, statistics.csv, cases.csv and the figures into a folder.

    Parameters
    ----------
    found : Agreement
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
    write_text(out / "statistics.json", as_json(found.as_dict()), overwrite=overwrite)
    cases = list(found.cases())
    statistics = [{"statistic": name, **values} for name, values in found.as_dict().items()]
    return write_page(
        out, "agreement.html.j2", found, source=source, figures=_figures(found),
        tables={"statistics.csv": statistics, "cases.csv": cases}, cases=cases, methods=methods_sentence(found),
        overwrite=overwrite,
    )  # fmt: skip


def methods_sentence(found: Agreement) -> str:
    """Return what a paper's methods section says of the analysis."""
    p = found.pairs
    independence = (
        "Pairs were taken for independent; intervals are McGraw and Wong's (ICC), Lin's (CCC), exact by the noncentral "
        "t distribution (limits of agreement) and Wilson's (fractions)."
        if p.cluster is None
        else f"The {p.n} pairs come from {p.clusters} patients; intervals are over patients: jackknife with Fisher's z "
        "(ICC, CCC, correlations), variance components with variance recovery (limits of agreement), Wilson's for the "
        "effective number of pairs (fractions)."
    )
    return (
        f"Agreement of {p.x_name} and {p.y_name} ({p.n} complete pairs) was described by the intraclass correlations "
        "ICC(1,1), ICC(A,1) and ICC(C,1), Lin's concordance correlation, Bland–Altman limits of agreement "
        "(bias ± 1.96 SD), Deming and Passing–Bablok regression, and the fraction of cases that differ by no more than "
        f"{', '.join(f'{t:g}' for t in found.thresholds)}{'' if p.unit == '1' else f' {p.unit}'}. {independence} "
        f"Intervals hold {100 * found.confidence:g} %. Computed with qsmkit {version('qsmkit')}."
    )


def _figures(found: Agreement) -> Iterator[tuple[str, str, Drawing]]:
    p = found.pairs
    unit = "" if p.unit == "1" else f" ({p.unit})"
    yield (
        "scatter",
        "Each case, the line of identity (grey) and Deming's line (blue).",
        lambda a: _scatter(a, found, unit),
    )  # fmt: skip
    yield (
        "bland_altman",
        "Difference against mean: bias and limits of agreement (lines) with their intervals (bands).",
        lambda a: _bland_altman(a, p, found.bland_altman, unit),
    )  # fmt: skip
    yield (
        "fractions",
        "Share of cases that differ by no more than a distance, with its interval; dots: the thresholds asked for.",
        lambda a: _curve(a, found, unit),
    )  # fmt: skip
    if found.normalised:
        scaled, shown = found.normalised
        yield (
            "bland_altman_normalised",
            "The same with each method on a scale of its own: it hides bias and scale; read it beside the raw plot.",
            lambda a: _bland_altman(a, scaled, shown, " (normalised)"),
        )


def _scatter(axes: Axes, found: Agreement, unit: str) -> None:
    p = found.pairs
    ends = np.array([min(p.x.min(), p.y.min()), max(p.x.max(), p.y.max())])
    ends += np.array([-0.05, 0.05]) * max(float(np.ptp(ends)), 1e-9)
    axes.plot(ends, ends, color=SOFT, lw=1.5)
    slope, start = found.statistics["deming_slope"].value, found.statistics["deming_intercept"].value
    if np.isfinite(slope):
        axes.plot(ends, start + slope * ends, color=ACCENT, lw=1.5)
    axes.scatter(p.x, p.y, s=18, color=INK, alpha=0.8, linewidths=0)
    axes.set(xlim=ends, ylim=ends, xlabel=f"{p.x_name}{unit}", ylabel=f"{p.y_name}{unit}", aspect="equal")


def _bland_altman(axes: Axes, pairs: Paired, limits: BlandAltman, unit: str) -> None:
    for measure, colour in ((limits.bias, ACCENT), (limits.lower_limit, INK), (limits.upper_limit, INK)):
        axes.axhspan(measure.low, measure.high, color=colour, alpha=0.1, lw=0)
        axes.axhline(measure.value, color=colour, lw=1.3, ls="-" if measure is limits.bias else "--")
        axes.annotate(f"{measure.value:+.3g}", (1, measure.value), xycoords=("axes fraction", "data"), fontsize=8,
                      ha="right", va="bottom", color=colour)  # fmt: skip
    axes.axhline(0, color=SOFT, lw=1, zorder=0)
    axes.scatter(pairs.mean, pairs.difference, s=18, color=INK, alpha=0.8, linewidths=0)
    axes.set(xlabel=f"mean of both{unit}", ylabel=f"{pairs.x_name} − {pairs.y_name}{unit}")


def _curve(axes: Axes, found: Agreement, unit: str) -> None:
    p = found.pairs
    reach = 1.1 * max(float(np.abs(p.difference).max()), found.thresholds[-1])
    steps = np.linspace(reach / 120, reach, 120)
    curve = [fractions.agreement_fraction(p, float(t), confidence=found.confidence) for t in steps]
    low, middle, high = ([100 * getattr(m, end) for m in curve] for end in ("low", "value", "high"))
    axes.fill_between(steps, low, high, color=ACCENT, alpha=0.15, lw=0)
    axes.plot(steps, middle, color=ACCENT, lw=1.5)
    for t in found.thresholds:
        m = found.statistics[f"fraction_within_{t:g}"]
        axes.plot(t, 100 * m.value, "o", color=INK, ms=5)
        axes.annotate(f"{100 * m.value:.0f} %", (t, 100 * m.value), (6, -10), textcoords="offset points", fontsize=8)
    axes.set(xlabel=f"distance{unit}", ylabel="cases that agree (%)", ylim=(0, 101), xlim=(0, reach))
