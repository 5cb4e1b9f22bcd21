"""Pictures of a registration: what the eye must see before it believes a number."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import ndimage

from qsmkit.arrays import AnyArray, FloatArray
from qsmkit.clinical.register import resample
from qsmkit.reports.display import Plane, View
from qsmkit.transform import Transform
from qsmkit.volume import Volume

PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")

SQUARE = 20.0
"""Width of the chequerboard's squares, mm."""

EDGE_SHARE = 88
"""Percentile of the moving image's gradient from which on an edge is drawn."""

DPI = 110
COLOURS = {"PASS": "#7fd48a", "REVIEW": "#f0c048", "FAIL": "#ff6b5e"}
PLATE = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 1.0}


def overlay(fixed: Volume, moving: Volume, transform: Transform, verdict: str) -> bytes:
    """Return a PNG file: above, both images as a chequerboard; below, the moving one's edges on the fixed one.

    Parameters
    ----------
    fixed, moving : Volume
        The images, (X, Y, Z).
    transform : Transform
        From the fixed to the moving one.
    verdict : str
        Written above.
    """
    carried = resample(moving, fixed.grid, transform).data
    pair = [_scaled(fixed.data), _scaled(carried)]
    edge = ndimage.gaussian_gradient_magnitude(pair[1], 1.0 / np.array(fixed.grid.voxel_size))
    strong = edge > max(float(np.percentile(edge, EDGE_SHARE)), 0.02)
    view = View.of(fixed.grid, pair[0] > 0.15)
    turned = [view.turn(a) for a in (*pair, strong.astype(np.float32))]
    widths = [view.extent(p)[0] for p in PLANES]
    heights = [view.extent(p)[1] for p in PLANES]
    inch = 12.0 / sum(widths)
    figure = Figure(figsize=(12.0, 2 * max(heights) * inch + 0.4), dpi=DPI, facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3, gridspec_kw={"width_ratios": widths, "wspace": 0.01, "hspace": 0.01})
    figure.subplots_adjust(0, 0, 1, 1 - 0.35 / figure.get_figheight())
    for column, plane in enumerate(PLANES):
        position = view.positions(plane, 1)[0]
        first, second, lines = (view.image(a, plane, position) for a in turned)
        size = view.extent(plane)
        board = _board(first.shape, size)
        _draw(axes[0, column], np.where(board, first, second), size, view.letters(plane), view.place(plane, position))
        _draw(axes[1, column], first, size, view.letters(plane), view.place(plane, position))
        if lines.any():
            x, y = ((np.arange(n) + 0.5) * mm / n for n, mm in zip(lines.shape[::-1], size, strict=True))
            axes[1, column].contour(x, y, lines, [0.5], colors="#f0a830", linewidths=0.7)
    words = f"{verdict}: chequerboard of both images (above), edges of the moving on the fixed image (below)"
    figure.text(0.5, 1 - 0.18 / figure.get_figheight(), words, color=COLOURS.get(verdict, "white"), ha="center",
                va="center", fontsize=10)  # fmt: skip
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor="black", metadata={"Software": None})
    return file.getvalue()


def _scaled(data: AnyArray) -> FloatArray:
    values = np.nan_to_num(np.asarray(data, np.float32))
    low, high = np.percentile(values[::2, ::2, ::2], (1, 99))
    scaled: FloatArray = np.clip((values - low) / max(float(high - low), 1e-9), 0, 1).astype(np.float32)
    return scaled


def _board(shape: tuple[int, ...], size: tuple[float, float]) -> AnyArray:
    down, across = (np.arange(n) * mm / n // SQUARE for n, mm in zip(shape, size[::-1], strict=True))
    board: AnyArray = (down[:, None] + across) % 2 == 0
    return board


def _draw(
    axes: Axes, image: AnyArray, size: tuple[float, float], letters: tuple[str, str, str, str], place: str
) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, extent=(0, size[0], size[1], 0), interpolation="bilinear")
    axes.set_axis_off()
    where = ((0.02, 0.5, "left"), (0.98, 0.5, "right"), (0.5, 0.96, "center"), (0.5, 0.04, "center"))
    def write(x: float, y: float, text: str, side: str) -> None:
        axes.text(x, y, text, transform=axes.transAxes, color="white", ha=side, va="center", fontsize=9, bbox=PLATE)

    for letter, (x, y, side) in zip(letters, where, strict=True):
        write(x, y, letter, side)
    write(0.02, 0.04, place, "left")
