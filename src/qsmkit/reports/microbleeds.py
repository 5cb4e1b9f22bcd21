"""The page on which a reader looks at candidates for microbleeds, one by one."""

import base64
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from qsmkit.arrays import AnyArray
from qsmkit.clinical.microbleeds.burden import Burden
from qsmkit.clinical.microbleeds.findings import Finding
from qsmkit.grid import Grid
from qsmkit.io.atomic import write_text
from qsmkit.io.sidecar import as_json
from qsmkit.reports.html import CONVENTION
from qsmkit.reports.page import write_page
from qsmkit.reports.planes import Plane, orthogonal
from qsmkit.reports.plot import figure_png

HALF, WINDOW, DPI = 14.0, (-0.2, 0.5), 90
"""Half the width of a picture, mm; grey values of χ, ppm; dots per inch."""

PLATE = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 0.8}


def write_microbleeds(
    found: Burden, out: Path, *, source: Path, chi: AnyArray | None, grid: Grid | None, magnitude: AnyArray | None,
    rejected: Sequence[dict[str, object]] = (), notes: Sequence[str] = (), overwrite: bool = False,
) -> Path:
    """Write report.html, candidates.tsv (the review table), rejected.tsv and summary.json into a folder.

    Parameters
    ----------
    found : Burden
        Candidates and what they amount to.
    out : Path
        The folder; made if need be.
    source : Path
        The map.
    chi, magnitude : (X, Y, Z) array or None
        The map (ppm) and an image to see beside it; no pictures without the map.
    grid : Grid or None
        Geometry of both.
    rejected : sequence of rows
        Spots that were rejected, and why.
    notes : sequence of str
        What was used, for whoever reads the page.
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
    pictures = {}
    if chi is not None and grid is not None:
        pictures = {f.name: base64.b64encode(thumbnail(f, chi, grid, magnitude)).decode() for f in found.findings}
    tables = {"candidates.tsv": [f.as_row() for f in found.findings], "rejected.tsv": list(rejected)}
    write_text(out / "summary.json", as_json(found.as_dict()), overwrite=overwrite)
    return write_page(
        out, "microbleeds.html.j2", found, source=source, figures=(), overwrite=overwrite, pictures=pictures,
        tables={name: rows for name, rows in tables.items() if rows}, notes=list(notes), convention=CONVENTION,
    )  # fmt: skip


def thumbnail(finding: Finding, chi: AnyArray, grid: Grid, magnitude: AnyArray | None = None) -> bytes:
    """Return three planes through a candidate as a PNG file, the magnitude below the map if there is one."""
    rows: list[tuple[AnyArray, tuple[float, float] | None]] = [(chi, WINDOW)]
    if magnitude is not None:
        rows.append((magnitude, None))
    figure = Figure(figsize=(6.9, 2.15 * len(rows)), dpi=DPI, facecolor="black")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(
        len(rows), 3, squeeze=False,
        gridspec_kw={"left": 0, "right": 0.9, "top": 1, "bottom": 0, "wspace": 0.02, "hspace": 0.02},
    )  # fmt: skip
    for line, (data, window) in zip(all_axes, rows, strict=True):
        for axes, (name, plane) in zip(line, orthogonal(finding.position, HALF).items(), strict=True):
            shown = _draw(axes, plane, name, data, grid, window)
        if window:
            low, high = line[-1].get_position().intervaly
            bar = figure.colorbar(shown, cax=figure.add_axes((0.915, low + 0.06 / len(rows), 0.02, 0.7 * (high - low))))
            bar.ax.tick_params(colors="white", labelsize=7, length=2)
            bar.ax.set_title("χ ppm", color="white", fontsize=7, loc="left")
    return figure_png(figure)


def _draw(
    axes: Axes, plane: Plane, name: str, data: AnyArray, grid: Grid, window: tuple[float, float] | None
) -> AxesImage:
    values = plane.sample(data, grid)
    low, high = window or (0.0, float(values[values == values].max(initial=1e-9)))
    shown = axes.imshow(values, cmap="gray", vmin=low, vmax=high, extent=(-HALF, HALF, HALF, -HALF))
    axes.set_axis_off()
    for start, end in ((-6.0, -3.5), (3.5, 6.0)):  # a cross that leaves the candidate free
        axes.plot((start, end), (0, 0), color="#f0a830", lw=0.8)
        axes.plot((0, 0), (start, end), color="#f0a830", lw=0.8)
    left, right, up, down = plane.letters()
    for text, x, y in ((left, 0.04, 0.5), (right, 0.96, 0.5), (up, 0.5, 0.95), (down, 0.5, 0.05), (name, 0.17, 0.05)):
        axes.text(x, y, text, transform=axes.transAxes, color="white", fontsize=7, ha="center", va="center", bbox=PLATE)
    return shown
