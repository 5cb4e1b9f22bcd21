"""The sheet of one lead's plan: coordinates, frame, spans, clearances, and pictures along the track."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from qsmkit.arrays import FloatArray
from qsmkit.clinical.target.plan import Plan
from qsmkit.clinical.target.structure import interpolate
from qsmkit.clinical.target.track import Track
from qsmkit.io.atomic import write_text
from qsmkit.io.sidecar import as_json
from qsmkit.reports.html import DISCLAIMER
from qsmkit.reports.page import write_page
from qsmkit.reports.plot import ACCENT, INK, SOFT, Drawing
from qsmkit.transform import Matrix
from qsmkit.volume import Volume

REACH, STEP = 40.0, 0.5
"""Half the width of a picture across the track, and the distance of its samples, mm."""

CLOSE = 15.0
"""Half the width of the probe's-eye view, mm."""

BEYOND = 15.0
"""How far pictures along the track go beyond its ends, mm."""

COLOURS = ("#f0a830", "#39c5cf", "#e0559a", "#8bd450", "#b58cff", "#ff7a59", "#5aa9ff", "#d9d24a", "#9aa7b0", "#c98f6b")
TRACK, VESSEL, WATER = "#ff3b30", "#ff6b6b", "#6ab7ff"
SIDES = {"R": "#c62828", "L": "#1565c0"}
"""Colours of the patient's sides: letters of other directions are black."""

PHANTOM = "Check the setting on the phantom base."


def write_plan(plan: Plan, out: Path, *, source: Path, image: Volume | None = None, overwrite: bool = False) -> Path:
    """Write report.html, plan.txt, plan.json, and coordinates, spans, clearances and the risk map as CSV.

    Parameters
    ----------
    plan : Plan
        The plan.
    out : Path
        The folder; made if need be.
    source : Path
        The label image.
    image : Volume, optional
        What the pictures show, in any unit and on any grid of the same space; the labels' outlines alone if omitted.
    overwrite : bool
        Whether files that are there already may be replaced.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    OutputError
        A file is there already, or cannot be written.
    """
    write_text(out / "plan.json", as_json(plan.as_dict() | {"source": str(source)}), overwrite=overwrite)
    write_text(out / "plan.txt", "\n".join((*sheet(plan), "", DISCLAIMER, "")), overwrite=overwrite)
    tables = {"coordinates.csv": plan.points()}
    if plan.spans:
        tables["spans.csv"] = spans(plan)
    if plan.clearances:
        tables["clearances.csv"] = [c.as_dict() for c in plan.clearances]
    if plan.corridor:
        tables["risk_map.csv"] = plan.corridor.rows()
    return write_page(
        out, "plan.html.j2", plan, source=source, figures=_figures(plan, image), tables=tables, overwrite=overwrite,
        lines=sheet(plan), phantom=PHANTOM, spans=spans(plan),
    )  # fmt: skip


def spans(plan: Plan) -> list[dict[str, object]]:
    """Return a row for each structure, with the columns that `qsmkit mer` writes: mm above the target."""
    rows = []
    for s in plan.spans:
        row: dict[str, object] = {"side": plan.side, "structure": s.name, "chance": s.chance, "nearest_mm": s.nearest}
        for name in ("entry", "exit", "span"):
            measure = getattr(s.span, name) if s.span else None
            ends = (measure.value, measure.low, measure.high) if measure else (None, None, None)
            row |= dict(zip((f"{name}_mm", f"{name}_low", f"{name}_high"), ends, strict=True))
        rows.append(row)
    return rows


def sheet(plan: Plan) -> tuple[str, ...]:
    """Return the plan in lines of plain text."""
    t = plan.target
    lines = [f"{plan.name} {plan.side.upper()} (the patient's {plan.side})"]
    lines += [f"{r['point']:<7} {r['space']:<16} {r['x']:9.2f} {r['y']:9.2f} {r['z']:9.2f} mm" for r in plan.points()]
    lines.append("AC–PC and scanner: right, anterior, superior are positive; Leksell: X left, Y anterior, Z inferior")
    spread = "set by hand" if np.isnan(t.sd).all() else f"{t.how}; SD {' '.join(f'{v:.2f}' for v in t.sd)} mm"
    customary = "" if np.isnan(t.from_customary) else f"; {t.from_customary:.1f} mm from the customary place"
    lines.append(f"target: {spread}{customary}; AC–PC {plan.commissures.length:.1f} mm")
    if plan.corridor:
        lines.append(plan.corridor.summary)
    if plan.track is None or plan.angles is None:
        lines.append("NO TRACK: no entry is safe")
        return tuple(lines)
    out, ahead = plan.angles
    lines.append(f"track: {plan.track.length:.1f} mm; {out:.1f}° outward (coronal), {ahead:.1f}° forward (sagittal)")
    if plan.frame:
        f = plan.frame
        lines.append(f"frame: ring {f.ring:.1f}°, arc {f.arc:.1f}°, mounting {f.mounting}. {PHANTOM}")
    for s in plan.spans:
        if s.span:
            open_end = " (an end was not seen: a lower bound)" if s.span.open_end else ""
            lines.append(f"{s.name}: entry {s.span.entry}, exit {s.span.exit}, span {s.span.span}{open_end}")
    missed = [f"{s.name} by {s.nearest:.1f} mm" for s in plan.spans if not s.span]
    if missed:
        lines.append(f"missed: {', '.join(missed)}")
    if plan.lamina:
        lines.append(f"lamina between GPe and GPi: {plan.lamina[0]:.2f} … {plan.lamina[1]:.2f} mm above the target")
    for c in plan.clearances:
        near = f"{c.nearest:.1f} mm, {c.depth:.1f} mm above the target" if np.isfinite(c.nearest) else "nowhere near"
        lines.append(f"{c.name}: {near}; at least {c.margin:g} mm asked: {'kept' if c.kept else 'NOT KEPT'}")
    lines += [f"{name}: not checked, no mask was given" for name in plan.unchecked]
    return tuple(lines)


def _figures(plan: Plan, image: Volume | None) -> Iterator[tuple[str, str, Drawing]]:
    axes = plan.commissures.transform().matrix[:3, :3]
    if plan.track:
        up, target, length = plan.track.up, plan.track.target, plan.track.length
        for name, across, letters in (("coronal", -axes[0], "RL"), ("sagittal", -axes[1], "AP")):
            view = _View(target, _orthogonal(across, up), up, (-REACH, REACH), (-BEYOND, length + BEYOND), letters, "")
            told = f"{name.capitalize()} plane along the track (red), entry on top. {_orientation(letters)}"
            yield f"track_{name}", told, partial(_plane, plan=plan, view=view, image=image)
        across, ahead = _orthogonal(axes[0], up), np.cross(up, _orthogonal(axes[0], up))
        view = _View(target, across, ahead, (-CLOSE, CLOSE), (-CLOSE, CLOSE), "LR", "AP")
        told = "Probe's eye: the target's plane across the track, seen from the entry. The patient's LEFT is left here."
        yield "probes_eye", told, partial(_plane, plan=plan, view=view, image=image)
        yield (
            "along_track",
            "Distance from each kind of obstacle along the track (dashed: its margin), and where the track is in which "
            "structure.",
            partial(_profile, plan=plan, track=plan.track),
        )
    if plan.corridor:
        yield (
            "risk_map",
            "Risk of every direction that was tried: 1 touches a margin, less is safer; white dots: no reason against "
            "it; red: the entry chosen; grey: no entry.",
            partial(_risk, plan=plan),
        )


class _View:
    """A plane to be drawn: its middle, its two axes (unit vectors, scanner RAS), and their ranges in mm."""

    def __init__(
        self, middle: Matrix, across: Matrix, up: Matrix, width: tuple[float, float], height: tuple[float, float],
        sides: str, ends: str,
    ) -> None:  # fmt: skip
        self.width, self.height, self.sides, self.ends = width, height, sides, ends
        self.u, self.v = np.arange(*width, STEP), np.arange(*height, STEP)
        self.points = middle + self.u[:, None] * across + self.v[:, None, None] * up

    @property
    def extent(self) -> tuple[float, float, float, float]:
        return (*self.width, *self.height)


def _plane(axes: Axes, plan: Plan, view: _View, image: Volume | None) -> None:
    axes.set_facecolor("black")
    if image is not None:
        seen = interpolate(image, view.points, outside=np.nan)
        known = seen[np.isfinite(seen)]
        if known.size:
            low, high = np.percentile(known, (1, 99))
            axes.imshow(seen, cmap="gray", vmin=low, vmax=high, origin="lower", extent=view.extent)
    marks = []
    for colour, s in zip(COLOURS, plan.structures, strict=False):
        chance = s.sample(view.points)
        if chance.max() > 0.5:
            axes.contour(view.u, view.v, chance, levels=[0.5], colors=colour, linewidths=1.2)
            marks.append(Patch(color=colour, label=s.name))
    for o in plan.obstacles:
        colour = VESSEL if o.name == "veins" else WATER
        away = np.minimum(interpolate(o.distance, view.points, outside=np.inf), 99)
        if away.min() < 0 < away.max():
            axes.contourf(view.u, view.v, away, levels=[-99, 0], colors=colour, alpha=0.45)
            marks.append(Patch(color=colour, label=o.name))
    if view.ends:
        axes.plot(0, 0, "+", color=TRACK, ms=14, mew=1.5)
    elif plan.track:
        axes.plot([0, 0], [0, plan.track.length], color=TRACK, lw=1.2)
        axes.plot([0, 0], [-10, 0], color=TRACK, lw=1.2, ls=":")
        axes.plot(0, 0, "o", color=TRACK, ms=4, mfc="none")
    _letters(axes, view.sides, view.ends)
    axes.set(xlim=view.width, ylim=view.height, aspect="equal", ylabel="mm above the target" if not view.ends else "mm")
    axes.set_xlabel("mm")
    axes.set_title(f"{plan.name} {plan.side.upper()}", color=SIDES[plan.side[0].upper()], fontweight="bold")
    if marks:
        axes.legend(handles=marks, fontsize=6.5, loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)


def _letters(axes: Axes, sides: str, ends: str) -> None:
    """Write what lies to the left and right, and at the bottom and top if given as top and bottom."""
    places = [(0.04, 0.5), (0.96, 0.5), (0.5, 0.95), (0.5, 0.05)]
    for letter, (x, y) in zip(sides + ends, places, strict=False):
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.9}
        axes.text(x, y, letter, transform=axes.transAxes, ha="center", va="center", fontsize=15, fontweight="bold",
                  color=SIDES.get(letter, "black"), bbox=box)  # fmt: skip


def _profile(axes: Axes, plan: Plan, track: Track) -> None:
    depths = np.arange(-10.0, track.length, 0.25)
    points = track.at(depths)
    top = 12.0
    for o in plan.obstacles:
        away: FloatArray = o.along(points, depths, track.length - depths)
        (line,) = axes.plot(depths, np.where(away < top, away, np.nan), lw=1.3, label=o.name)
        axes.axhline(o.margin.least, color=line.get_color(), lw=0.8, ls="--")
    met = [s for s in plan.spans if s.span]
    for i, s in enumerate(met):
        if s.span:
            axes.axvspan(s.span.exit.value, s.span.entry.value, color=COLOURS[i], alpha=0.25, lw=0)
            middle = (s.span.exit.value + s.span.entry.value) / 2
            axes.text(middle, top, s.name, rotation=90, fontsize=8, va="top", ha="center", color=INK)
    axes.axvline(0, color=TRACK, lw=1)
    axes.set(xlim=(track.length, -10), ylim=(min(0, axes.get_ylim()[0]), top), ylabel="distance (mm)",
             xlabel="mm above the target: entry left, target at 0")  # fmt: skip
    if plan.obstacles:
        axes.legend(fontsize=8, frameon=False)


def _risk(axes: Axes, plan: Plan) -> None:
    c = plan.corridor
    if c is None:
        return
    axes.set_facecolor(SOFT)
    half = (c.coronal[1] - c.coronal[0]) / 2
    extent = (c.coronal[0] - half, c.coronal[-1] + half, c.sagittal[0] - half, c.sagittal[-1] + half)
    shown = axes.imshow(c.risk.T, origin="lower", extent=extent, cmap="viridis_r", vmin=0.25, vmax=2, aspect="auto")
    safe = np.argwhere(c.safe)
    axes.plot(c.coronal[safe[:, 0]], c.sagittal[safe[:, 1]], "o", color="white", ms=1.6)
    for i, e in enumerate(c.entries, 1):
        chosen = i == 1
        axes.plot(e.coronal, e.sagittal, "o", color=TRACK if chosen else ACCENT, ms=6, mfc="none", mew=1.6)
        axes.annotate(str(i), (e.coronal, e.sagittal), (5, 4), textcoords="offset points", fontsize=8, color=INK)
    axes.figure.colorbar(shown, ax=axes, label="risk (largest margin / distance)", extend="max")
    axes.set(xlabel=f"outward, to the {plan.side} (°)", ylabel="forward of the AC–PC plane (°; 90 is up)")


def _orthogonal(vector: Matrix, up: Matrix) -> Matrix:
    """Return the unit vector across `up` that is nearest to a vector."""
    across = vector - (vector @ up) * up
    unit: Matrix = across / np.linalg.norm(across)
    return unit


def _orientation(letters: str) -> str:
    return "The patient's RIGHT is on the left." if letters == "RL" else "Anterior is on the left."
