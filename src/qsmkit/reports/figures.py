"""The report's pictures, as PNG files in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from qsmkit.arrays import AnyArray, BoolArray, FloatArray
from qsmkit.artifacts import ARTIFACTS
from qsmkit.pipeline.run import Result
from qsmkit.reports.display import Plane, View
from qsmkit.reports.plot import figure_png

WIDTH, LARGEST_TILE, DPI = 10.0, 3.2, 130
"""Width of a picture and largest width of one slice in inches, and dots per inch."""

_BAR = 0.85
"""Room for the grey scale, in inches."""

_GAP = 0.02
"""Room between slices, as a share of the widest one."""

_LINE_COLOURS = (
    "#f0a830", "#39c5cf", "#e05d5d", "#7bd153", "#c78bf2", "#f7ef6a", "#4f8ff7", "#f58ac0", "#a0795a", "#19e3a0",
    "#bbbbbb",
)
_PLATE = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 0.8}



@dataclass(frozen=True, slots=True)
class Picture:
    """A picture and its words.

    Attributes
    ----------
    name : str
        The artifact that it shows, or "histogram".
    title, caption : str
        Heading, and what grey values and lines mean.
    png : bytes
        The file.
    """

    name: str
    title: str
    caption: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Tile:
    """One slice, ready to be drawn.

    Attributes
    ----------
    image : (rows, columns) array
        Values from top to bottom and left to right; NaN is left black.
    outlines : tuple of (rows, columns) bool arrays
        Masks to outline, each in the next colour.
    size : tuple of float
        Width and height in mm.
    letters : tuple of str
        Letters at the left, right, top and bottom.
    place, label : str
        Words in the lower and in the upper left corner.
    """

    image: FloatArray
    outlines: tuple[BoolArray, ...]
    size: tuple[float, float]
    letters: tuple[str, str, str, str]
    place: str
    label: str


def pictures(result: Result) -> list[Picture]:
    """Return pictures of what a reconstruction holds: scan, fields, susceptibility, relaxation, weighted images."""
    have, brain = result.artifacts, result.brain_mask
    mask = have.get("mask", brain)
    view = View.of(result.scan.grid, brain)
    echoes = [f"TE {1000 * t:.3g} ms" for t in result.scan.echo_times]

    def rows(name: str, shown: Sequence[int], outlines: Sequence[BoolArray] = ()) -> list[list[Tile]]:
        return [tiles(view, have[name][..., e], label=echoes[e], outlines=outlines) for e in shown]

    made = []
    if "magnitude" in have:
        ends = sorted({0, len(echoes) - 1})
        made.append(_picture(
            "magnitude", rows("magnitude", ends, (brain, mask)), have["magnitude"][brain],
            "Orange: brain mask. Blue: voxels that have a susceptibility.",
        ))  # fmt: skip
    if "phase" in have:
        shown = np.linspace(0, len(echoes) - 1, min(len(echoes), 4)).round().astype(int).tolist()
        made.append(_picture(
            "phase", rows("phase", shown), have["phase"][brain], "As measured.", smooth=False,
        ))  # fmt: skip
    for name, inside in (("total_field", brain), ("field_sd", brain), ("local_field", mask)):
        if name in have:
            made.append(_picture(name, [tiles(view, have[name], inside=inside)], have[name][inside]))
    if "chi" in have:
        axial = tiles(view, have["chi"], (("axial", 12),), inside=mask)
        others = tiles(view, have["chi"], (("coronal", 3), ("sagittal", 3)), inside=mask)
        arranged = [row for row in (axial[:6], axial[6:], others) if row]
        made.append(_picture("chi", arranged, have["chi"][mask], "Bright is paramagnetic."))
        made.append(histogram(have["chi"][mask]))
    if "sigma_chi" in have:
        sd = have["sigma_chi"]
        words = "Random error of the susceptibility in a voxel, from the scan's noise; not that of the method."
        made.append(_picture("sigma_chi", [tiles(view, sd, inside=mask)], sd[mask], words))
    for name in ("r2star", "chi_para", "chi_dia"):
        if name in have:
            made.append(_picture(name, [tiles(view, have[name], inside=mask)], have[name][mask]))
    for name in ("swi", "clear_swi", "tswi", "smwi", "minip"):
        if name in have:
            made.append(_picture(name, [tiles(view, have[name])], have[name][brain]))
    return made


def tiles(
    view: View,
    volume: FloatArray,
    planes: Sequence[tuple[Plane, int]] = (("axial", 6),),
    *,
    label: str = "",
    inside: BoolArray | None = None,
    outlines: Sequence[BoolArray] = (),
) -> list[Tile]:
    """Cut a volume into slices that span the mask of the view.

    Parameters
    ----------
    view : View
        How to turn and cut.
    volume : (X, Y, Z) array
        What to show.
    planes : sequence of (plane, int)
        Planes and how many slices of each.
    label : str
        Words for the first slice.
    inside : (X, Y, Z) bool array, optional
        Voxels to show; all others are left black.
    outlines : sequence of (X, Y, Z) bool arrays
        Masks to outline.
    """
    turned = view.turn(volume)
    if inside is not None:
        turned = np.where(view.turn(inside), turned, np.nan)
    masks = [view.turn(m) for m in outlines]
    made: list[Tile] = []
    for plane, count in planes:
        for position in view.positions(plane, count):
            made.append(Tile(
                view.image(turned, plane, position),
                tuple(view.image(m, plane, position) for m in masks),
                view.extent(plane),
                view.letters(plane),
                view.place(plane, position),
                "" if made else label,
            ))  # fmt: skip
    return made


def mosaic(
    rows: Sequence[Sequence[Tile]], window: tuple[float, float], unit: str, *, smooth: bool = True,
    legend: Sequence[str] = (),
) -> bytes:
    """Draw rows of slices in grey, with a scale of the grey values, and return the PNG file.

    Parameters
    ----------
    rows : sequence of sequences of Tile
        What to draw, all in one scale of millimetres.
    window : tuple of float
        Values shown as black and as white.
    unit : str
        Unit of the values.
    smooth : bool
        Whether to interpolate between voxels; wrapped phase must not be.
    legend : sequence of str
        What the outlines are, in their order.
    """
    heights = [max(t.size[1] for t in row) for row in rows]
    widest = max(t.size[0] for row in rows for t in row)
    gap = _GAP * widest
    width = max(sum(t.size[0] + gap for t in row) for row in rows)
    height = sum(heights) + gap * len(rows)
    inches = min((WIDTH - _BAR) / width, LARGEST_TILE / widest)
    figure = _figure(width * inches + _BAR, max(height * inches, 1.2), "black")
    axes = figure.add_axes((0, 0, width * inches / (width * inches + _BAR), 1))
    axes.set_axis_off()
    shade = Normalize(*window)
    top = gap / 2
    for row, tall in zip(rows, heights, strict=True):
        left = gap / 2
        for tile in row:
            _draw(axes, tile, left, top + (tall - tile.size[1]) / 2, shade, smooth)
            left += tile.size[0] + gap
        top += tall + gap
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
    _grey_scale(figure, shade, unit)
    right = 1 - (_BAR - 0.1) / figure.get_size_inches()[0]
    for number, (name, colour) in enumerate(zip(legend, _LINE_COLOURS, strict=False)):
        figure.text(right, 0.99 - 0.15 * number / figure.get_size_inches()[1], name, color=colour, fontsize=7, va="top")
    return figure_png(figure)


def histogram(values: FloatArray) -> Picture:
    """Return the histogram of χ, in ppm, with its median and its 1st and 99th percentile."""
    unit = ARTIFACTS["chi"].unit
    low, middle, high = (float(v) for v in np.percentile(values, (1, 50, 99)))
    reach = max(2 * ARTIFACTS["chi"].window[1], 1.5 * max(-low, high))
    figure = _figure(WIDTH, 2.8, "white")
    axes = figure.add_axes((0.07, 0.19, 0.91, 0.76))
    count, edges = np.histogram(values, 240, (-reach, reach))
    axes.fill_between(edges[:-1], count, step="post", color="#4a6a82", linewidth=0)
    axes.axvline(0, color="#1d2a33", linewidth=0.8)
    for value, style in ((low, ":"), (middle, "--"), (high, ":")):
        axes.axvline(value, color="#b5541c", linewidth=1.2, linestyle=style)
    axes.set(xlim=(-reach, reach), ylim=(0, None), xlabel=f"χ ({unit})", ylabel="voxels")
    axes.spines[["top", "right"]].set_visible(False)
    caption = (
        f"All {values.size} voxels that have a susceptibility. Dashed: median, {middle:.4f} {unit}. "
        f"Dotted: 1st and 99th percentile, {low:.3f} and {high:.3f} {unit}."
    )
    return Picture("histogram", "Histogram of the susceptibility", caption, figure_png(figure))


def display_window(name: str, values: AnyArray) -> tuple[float, float]:
    """Return an artifact's display window.

    Where the table of artifacts has none it spans the 1st to 99th percentile of the values, or starts at zero
    if none of them is negative.
    """
    if ARTIFACTS[name].window != (0, 0):
        return ARTIFACTS[name].window
    low, high = (float(v) for v in np.percentile(values, (1, 99)))
    low = min(low, 0.0) if values.min() < 0 else 0.0
    return low, high if high > low else low + 1


def _picture(
    name: str, rows: Sequence[Sequence[Tile]], values: AnyArray, words: str = "", *, smooth: bool = True
) -> Picture:
    kind = ARTIFACTS[name]
    low, high = window = display_window(name, values)
    unit = {"1": "", "a.u.": " arbitrary units"}.get(kind.unit, f" {kind.unit}")
    caption = f"Black to white: {low:.4g} to {high:.4g}{unit}. {words}".rstrip()
    title = kind.meaning[0].upper() + kind.meaning[1:].removesuffix(", echo last")
    return Picture(name, title, caption, mosaic(rows, window, kind.unit if unit else "", smooth=smooth))


def _figure(width: float, height: float, colour: str) -> Figure:
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=colour)
    FigureCanvasAgg(figure)
    return figure


def _draw(axes: Axes, tile: Tile, left: float, top: float, shade: Normalize, smooth: bool) -> None:
    width, height = tile.size
    axes.imshow(
        np.ma.masked_invalid(tile.image), cmap="gray", norm=shade, aspect="auto",
        interpolation="bilinear" if smooth else "nearest", extent=(left, left + width, top + height, top),
    )  # fmt: skip
    down, across = tile.image.shape
    x = left + (np.arange(-1, across + 1) + 0.5) * width / across
    y = top + (np.arange(-1, down + 1) + 0.5) * height / down
    for mask, colour in zip(tile.outlines, _LINE_COLOURS, strict=False):
        if mask.any():
            axes.contour(x, y, np.pad(mask, 1).astype(float), [0.5], colors=colour, linewidths=0.8)
    middle, centre, edge = left + width / 2, top + height / 2, 0.01 * width
    places = (
        (left + edge, centre, "left", "center"), (left + width - edge, centre, "right", "center"),
        (middle, top + edge, "center", "top"), (middle, top + height - edge, "center", "bottom"),
        (left + edge, top + edge, "left", "top"), (left + edge, top + height - edge, "left", "bottom"),
    )  # fmt: skip
    words = (*tile.letters, tile.label, tile.place)
    for text, (x_at, y_at, horizontal, vertical) in zip(words, places, strict=True):
        axes.text(x_at, y_at, text, ha=horizontal, va=vertical, color="white", fontsize=7,
                  bbox=_PLATE)  # fmt: skip


def _grey_scale(figure: Figure, shade: Normalize, unit: str) -> None:
    width, height = figure.get_size_inches()
    tall = min(0.72, 2.6 / height)
    axes = figure.add_axes(((width - _BAR + 0.14) / width, (1 - tall) / 2, 0.13 / width, tall))
    bar = figure.colorbar(ScalarMappable(shade, "gray"), cax=axes, format="{x:.6g}")
    bar.outline.set_edgecolor("#8a949b")
    bar.ax.tick_params(colors="white", labelsize=7.5, length=2)
    bar.ax.set_title(unit, color="white", fontsize=8, pad=5, loc="left")
