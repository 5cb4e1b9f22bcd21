"""A lesion's course with its noise, and how it looked at its first and its last visit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.clinical.monitor.change import Change, Rule
from qsmkit.clinical.monitor.cohort import Cohort
from qsmkit.clinical.monitor.error_model import ErrorModel, quantile
from qsmkit.clinical.monitor.events import Event
from qsmkit.clinical.monitor.observation import UNITS, Observation, has
from qsmkit.reports.plot import ACCENT, DPI, INK, SOFT

WINDOW = (-0.1, 0.5)
"""Values shown as black and as white, ppm: the same at every visit."""

ALARM, MARK = "#b5541c", "#7a4fa3"

MARKS = {"symptomatic_haemorrhage": "haemorrhage", "asymptomatic_change": "asympt. change"}


@dataclass(frozen=True, eq=False)
class Look:
    """A slice through a lesion.

    Attributes
    ----------
    image : (rows, columns) array
        χ in ppm from anterior to posterior, the patient's right at the left; NaN is left black.
    outline : (rows, columns) bool array
        The lesion.
    size : tuple of float
        Width and height, mm.
    title : str
        Visit, date, place.
    """

    image: FloatArray
    outline: BoolArray
    size: tuple[float, float]
    title: str


def lesion_png(
    course: Sequence[Observation], found: Sequence[Change], events: Sequence[Event], looks: Sequence[Look], rule: Rule,
    errors: ErrorModel,
) -> bytes:
    """Return a lesion's course, and its slices beside it, as a PNG file."""
    figure = Figure(figsize=(10, 2.9), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 1 + len(looks), width_ratios=[2.1, *(1.0 for _ in looks)], squeeze=False)[0]
    _course(axes[0], course, found, events, rule, errors)
    for panel, look in zip(axes[1:], looks, strict=True):
        _look(panel, look)
    return _png(figure)


def _course(
    axes: Axes, course: Sequence[Observation], found: Sequence[Change], events: Sequence[Event], rule: Rule,
    errors: ErrorModel,
) -> None:
    factor = 1000.0 if rule.quantity == "mean" else 1.0
    days = [_number(o.day) for o in course]
    values = [factor * o.value(rule.quantity) for o in course]
    first = errors.of(course[0], rule.quantity)
    span = max(days[-1] - days[0], 30.0)
    ends = [days[0] - 0.06 * span, days[-1] + 0.06 * span]
    reach = factor * np.sqrt(2) * quantile(rule.confidence, first.degrees) * first.sd
    if has(reach):
        axes.fill_between(ends, values[0] - reach, values[0] + reach, color=SOFT, alpha=0.5, lw=0,
                          label="unchanged: 95 % of scans" if rule.confidence == 0.95 else "unchanged")  # fmt: skip
    if rule.threshold is not None and values[0] > 0:
        axes.axhline(values[0] * (1 + rule.threshold / 100), color=ALARM, lw=1, ls="--",
                     label=f"+{rule.threshold:g} % of the first visit")  # fmt: skip
    bars = [factor * quantile(rule.confidence, e.degrees) * e.sd if has(e.sd) else 0.0
            for e in (errors.of(o, rule.quantity) for o in course)]  # fmt: skip
    axes.errorbar(days, values, yerr=bars, color=ACCENT, marker="o", ms=4.5, lw=1.6, capsize=3)
    for c in found:
        if c.flagged:
            axes.annotate("review", (_number(c.after.day), factor * c.after.value(rule.quantity)), (0, 9),
                          textcoords="offset points", ha="center", fontsize=8, color=ALARM)  # fmt: skip
    _marks(axes, course, events, ends)
    axes.set_xlim(*ends)
    axes.margins(y=0.3)
    axes.xaxis_date()
    formatter = ConciseDateFormatter(axes.xaxis.get_major_locator())  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)
    unit = "ppb" if rule.quantity == "mean" else UNITS[rule.quantity]
    axes.set_ylabel(f"{'mean χ' if rule.quantity == 'mean' else rule.quantity} ({unit})", fontsize=8)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles, labels, fontsize=7, frameon=False, loc="upper left", ncols=2)


def _marks(axes: Axes, course: Sequence[Observation], events: Sequence[Event], ends: list[float]) -> None:
    """Mark events by the span of their dates, and visits from which on something else was measured."""
    for event in events:
        low, high = (_number(d) for d in event.span())
        if high < ends[0] or low > ends[1]:
            continue
        axes.axvspan(low, high + 1, color=ALARM, alpha=0.25, lw=0.8)
        name = MARKS.get(event.type, event.type.replace("_", " "))
        told = name if event.adjudication == "confirmed" else f"{name} ({event.adjudication})"
        axes.text((low + high) / 2, 0.02, told, transform=axes.get_xaxis_transform(), rotation=90, fontsize=7,
                  color=ALARM, ha="right", va="bottom")  # fmt: skip
    for before, after in pairwise(course):
        differ = before.context.differences(after.context)
        if differ:
            middle = _number(after.day) - 0.5 * (after.day - before.day).days
            axes.axvline(middle, color=MARK, lw=1.2, ls=":")
            told = f"{differ[0].split()[0]} changed"
            axes.text(middle, 0.98, told, transform=axes.get_xaxis_transform(), rotation=90, fontsize=7, color=MARK,
                      ha="right", va="top")  # fmt: skip


def _look(axes: Axes, look: Look) -> None:
    wide, tall = look.size
    axes.set_facecolor("black")
    axes.imshow(np.ma.masked_invalid(look.image), cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1],
                extent=(0, wide, tall, 0), interpolation="bilinear")  # fmt: skip
    if look.outline.any():
        rows, columns = look.outline.shape
        x, y = (np.arange(columns) + 0.5) * wide / columns, (np.arange(rows) + 0.5) * tall / rows
        axes.contour(x, y, look.outline.astype(float), [0.5], colors="#f0a830", linewidths=0.9)
    axes.set(xticks=[], yticks=[])
    axes.set_title(look.title, fontsize=8, color=INK)
    axes.text(0.02, 0.5, "R", transform=axes.transAxes, color="white", fontsize=7, va="center")


def change_png(made: Cohort) -> bytes:
    """Return every epoch's change with its interval, sorted, and the curve of thresholds where there is one."""
    shown = sorted((c for c in made.changes if has(c.percent.value)), key=lambda c: c.percent.value)
    figure = Figure(figsize=(10, 3.4), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[1.8, 1])
    x = np.arange(len(shown))
    value = np.array([c.percent.value for c in shown])
    reach = np.array([(c.percent.value - c.percent.low, c.percent.high - c.percent.value) for c in shown])
    reach = np.nan_to_num(reach.reshape(-1, 2), posinf=3 * float(np.abs(value).max(initial=10)))  # beyond the others
    colours = [ALARM if c.flagged else ACCENT for c in shown]
    left.vlines(x, value - reach[:, 0], value + reach[:, 1], color=colours, lw=1)
    left.scatter(x, value, c=colours, s=14, zorder=3)
    left.axhline(0, color=SOFT, lw=1)
    if made.rule.threshold is not None:
        left.axhline(made.rule.threshold, color=ALARM, lw=1, ls="--")
    left.set(xlabel="lesion and epoch, sorted", ylabel="change (%)")
    if made.curve is not None:
        curve = np.array([[0, *(1 - made.curve.specificity)], [0, *made.curve.sensitivity]])  # from no one flagged
        right.plot(*curve, color=ACCENT)
        right.set(xlabel="1 − specificity", ylabel="sensitivity", title=f"ROC by epoch, area {made.curve.area}")
        right.plot([0, 1], [0, 1], color=SOFT, lw=1)
        right.title.set_fontsize(8)
    elif made.to_flag is not None:
        right.set(xlabel="years", ylabel="share flagged (between the lines)", ylim=(0, 1))
        seen = np.concatenate([made.to_flag.left, made.to_flag.right])
        times = np.linspace(0, float(seen[np.isfinite(seen)].max()) * 1.05, 200)
        ends = np.array([made.to_flag.happened(float(t)) for t in times])
        right.fill_between(times, ends[:, 0], ends[:, 1], color=ACCENT, alpha=0.25, lw=0, step="post")
        right.step(times, ends[:, 0], color=ACCENT, where="post")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8, colors=INK)
    return _png(figure)


def title_of(seen: Observation, place: str) -> str:
    """Return the title of a slice."""
    day: date = seen.day
    return f"{seen.visit}, {day.isoformat()}, {place}"


def _number(day: date) -> float:
    return float(date2num(day))  # type: ignore[no-untyped-call]


def _png(figure: Figure) -> bytes:
    stream = BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
