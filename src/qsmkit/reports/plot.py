"""Small figures for a paper, as PNG files in memory."""

from collections.abc import Callable
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 160
INK, ACCENT, SOFT = "#1d2a33", "#1f6fb2", "#b9c7d1"

Drawing = Callable[[Axes], None]


def png(draw: Drawing) -> bytes:
    """Return what `draw` draws into one pair of axes, as a PNG file."""
    figure = Figure(figsize=(5.2, 4.2), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes)
    return figure_png(figure)


def figure_png(figure: Figure) -> bytes:
    """Return a figure, on the colour of its own face, as a PNG file that depends on nothing but what is drawn."""
    stream = BytesIO()
    figure.savefig(stream, format="png", facecolor=figure.get_facecolor(), metadata={"Software": None})
    return stream.getvalue()
