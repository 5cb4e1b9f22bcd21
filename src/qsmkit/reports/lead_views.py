"""A lead in the picture that shows its target: orthogonal views, views along it, and the probe's eye."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import ndimage

from qsmkit.arrays import AnyArray, BoolArray
from qsmkit.grid import Grid
from qsmkit.leads.lead import Lead
from qsmkit.reports.figures import Picture
from qsmkit.reports.planes import Plane, along, orthogonal
from qsmkit.reports.plot import DPI, figure_png
from qsmkit.volume import Volume

STRUCTURE_COLOURS = ("#ff9f40", "#4bc0e8", "#7ddc7a", "#f06fb3", "#c9a6ff", "#f5e663", "#ff6f61", "#8fd3c8")
LEAD_COLOUR, CONTACT_COLOUR, PLAN_COLOUR = "#ffffff", "#ff3b3b", "#39d353"

TILE = 2.7
"""Width of a view, inches."""

NEAR = 1.5
"""Contacts this near a plane (mm) are drawn full, others as rings: half the length of most."""

SMALL = 9.0
"""Half the width of the probe's-eye views, mm."""


@dataclass(frozen=True, eq=False)
class Backdrop:
    """What leads are seen against.

    Attributes
    ----------
    image : (X, Y, Z) array
        χ or hybrid image; NaN is left black.
    grid : Grid
        Geometry of image and structures.
    name, unit : str
        Of the image; unit "1" for a pure number.
    window : tuple of float
        Values shown black and white, in `unit`.
    structures : mapping of str to (X, Y, Z) bool array
        Nuclei to outline, by name.
    """

    image: AnyArray
    grid: Grid
    name: str
    unit: str
    window: tuple[float, float]
    structures: Mapping[str, BoolArray]

    @classmethod
    def of(cls, volume: Volume, name: str, structures: Mapping[str, BoolArray]) -> "Backdrop":
        """Return a backdrop whose window spans the structures and 3 mm about them, 2nd to 98th percentile."""
        shown = np.isfinite(volume.data)
        if structures:
            about = np.any(list(structures.values()), axis=0)
            steps = max(1, round(3 / min(volume.grid.voxel_size)))
            shown &= ndimage.binary_dilation(about, iterations=steps)
        low, high = (float(v) for v in np.percentile(volume.data[shown], (2, 98)))
        return cls(volume.data, volume.grid, name, volume.unit, (low, high if high > low else low + 1), structures)

    @property
    def colours(self) -> dict[str, str]:
        """Colour of each structure."""
        return {s: STRUCTURE_COLOURS[i % len(STRUCTURE_COLOURS)] for i, s in enumerate(self.structures)}


def lead_pictures(
    backdrop: Backdrop, lead: Lead, *, planned: Lead | None = None, centre: int | None = None
) -> Iterator[Picture]:
    """Yield two pictures of a lead: through it, and across it at every level of contacts.

    Parameters
    ----------
    backdrop : Backdrop
        What it is seen against, in the lead's space.
    lead : Lead
        The lead, RAS mm.
    planned : Lead, optional
        Where it was to lie.
    centre : int, optional
        Level of contacts through which the views go, from zero; the lowest if omitted.
    """
    levels = lead.electrode.levels
    at = levels[centre or 0].middle
    middle, direction = lead.curve.at(at), lead.curve.tangent(at)
    views = dict(orthogonal(middle)) | {k: v for k, v in along(middle, direction).items() if k != "across the lead"}
    name, how = lead.plan.name, _words(backdrop, planned)
    yield Picture(
        f"lead_{name}", f"{name}: through contact level {(centre or 0) + 1}",
        f"{backdrop.name}. Red: contacts (full within {NEAR:g} mm of the plane); white: the lead. {how}",
        _sheet(backdrop, list(views.items()), lead, planned, columns=3),
    )  # fmt: skip
    eye = []
    for i, level in enumerate(levels):
        place, axis = lead.curve.at(level.middle), lead.curve.tangent(level.middle)
        eye.append((f"contact level {i + 1}", along(place, axis, SMALL)["across the lead"]))
    yield Picture(
        f"eye_{name}", f"{name}: across the lead at every level",
        f"{backdrop.name}, perpendicular to the lead, seen from its tip as axial pictures are; circle: the lead at its "
        f"true width, red where a contact is. {how}",
        _sheet(backdrop, eye, lead, planned, columns=min(4, len(eye)), eye=True),
    )  # fmt: skip


def _words(backdrop: Backdrop, planned: Lead | None) -> str:
    low, high = backdrop.window
    unit = "" if backdrop.unit == "1" else f" {backdrop.unit}"
    return (
        f"Black to white: {low:.3g} to {high:.3g}{unit}. Letters: the patient's right R, left L, front A, back P, up S "
        f"and down I.{' Green: planned.' if planned else ''}"
    )


def _sheet(
    backdrop: Backdrop, views: Sequence[tuple[str, Plane]], lead: Lead, planned: Lead | None, *, columns: int,
    eye: bool = False,
) -> bytes:  # fmt: skip
    rows = -(-len(views) // columns)
    spare = rows * columns > len(views)
    figure = Figure((columns * TILE, rows * TILE + (0 if spare else 0.35)), dpi=DPI, facecolor="black")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    figure.subplots_adjust(0.005, 0.005 if spare else 0.35 / (rows * TILE + 0.35), 0.995, 0.995, 0.02, 0.02)
    for axes, (title, plane) in zip(panels, views, strict=False):
        _view(axes, backdrop, plane, title, lead, planned, eye=eye)
    marks = [Line2D([], [], color=c, lw=2, label=s.replace("_", " ")) for s, c in backdrop.colours.items()]
    for axes in panels[len(views) :]:
        axes.set_axis_off()
    style = {"facecolor": "black", "edgecolor": "none", "labelcolor": "white", "fontsize": 8}
    if marks and spare:
        panels[-1].legend(handles=marks, loc="center", **style)
    elif marks:
        figure.legend(handles=marks, loc="lower center", ncols=min(8, len(marks)), **style)
    return figure_png(figure)


def _view(
    axes: Axes, backdrop: Backdrop, plane: Plane, title: str, lead: Lead, planned: Lead | None, *, eye: bool
) -> None:
    half = plane.half
    extent = (-half, half, half, -half)
    values = plane.sample(backdrop.image, backdrop.grid)
    axes.imshow(
        np.ma.masked_invalid(values), cmap="gray", vmin=backdrop.window[0], vmax=backdrop.window[1], extent=extent,
        interpolation="bilinear",
    )  # fmt: skip
    for name, colour in backdrop.colours.items():
        share = plane.sample(backdrop.structures[name], backdrop.grid)
        if np.nanmax(share, initial=0) > 0.5:
            ticks = np.linspace(-half, half, share.shape[0])
            axes.contour(ticks, ticks, np.nan_to_num(share), [0.5], colors=colour, linewidths=1.1)
    mark = _cross if eye else _lead
    mark(axes, plane, lead, LEAD_COLOUR)
    if planned:
        mark(axes, plane, planned, PLAN_COLOUR)
    axes.set(xlim=(-half, half), ylim=(half, -half), xticks=[], yticks=[], facecolor="black")
    _letters(axes, plane, title)


def _lead(axes: Axes, plane: Plane, lead: Lead, colour: str) -> None:
    """Draw a lead's line, and contacts where colour is that of leads that were implanted."""
    flat, _ = plane.inside(lead.curve.at(np.linspace(0, lead.curve.length, 400)))
    axes.plot(flat[:, 0], flat[:, 1], color=colour, lw=0.9, alpha=0.8)
    if colour == PLAN_COLOUR:
        axes.plot(flat[:1, 0], flat[:1, 1], "+", color=colour, ms=8)
        return
    for level in lead.electrode.levels:
        ends, away = plane.inside(lead.curve.at([level.bottom, level.top]))
        axes.plot(ends[:, 0], ends[:, 1], color=CONTACT_COLOUR, lw=3.2 if np.abs(away).min() <= NEAR else 1.2,
                  solid_capstyle="butt")  # fmt: skip


def _cross(axes: Axes, plane: Plane, lead: Lead, colour: str) -> None:
    """Draw where a lead pierces a plane, at its true width."""
    s = np.linspace(0, lead.curve.length, 4000)
    flat, away = plane.inside(lead.curve.at(s))
    nearest = int(np.argmin(np.abs(away)))
    if abs(away[nearest]) > 0.5:
        return
    metal = any(level.bottom <= s[nearest] <= level.top for level in lead.electrode.levels)
    edge = CONTACT_COLOUR if metal and colour == LEAD_COLOUR else colour
    turn = np.linspace(0, 2 * np.pi, 60)
    axes.plot(
        flat[nearest, 0] + lead.electrode.radius * np.cos(turn),
        flat[nearest, 1] + lead.electrode.radius * np.sin(turn), color=edge, lw=1.4,
    )  # fmt: skip


def _letters(axes: Axes, plane: Plane, title: str) -> None:
    plate = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 1.0}
    left, right, top, bottom = plane.letters()
    for text, x, y, h, v in (
        (left, 0.015, 0.5, "left", "center"), (right, 0.985, 0.5, "right", "center"),
        (top, 0.5, 0.985, "center", "top"), (bottom, 0.5, 0.015, "center", "bottom"),
    ):  # fmt: skip
        axes.text(x, y, text, transform=axes.transAxes, ha=h, va=v, color="#ffe08a", fontsize=9, weight="bold",
                  bbox=plate)  # fmt: skip
    axes.text(0.015, 0.985, title, transform=axes.transAxes, ha="left", va="top", color="white", fontsize=7, bbox=plate)
    bar = 10.0 if plane.half > 12 else 2.0
    x, y = plane.half * 0.92, plane.half * 0.92
    axes.plot([x - bar, x], [y, y], color="white", lw=1.5)
    axes.text(x - bar / 2, y - plane.half * 0.03, f"{bar:g} mm", ha="center", va="bottom", color="white", fontsize=6.5)
