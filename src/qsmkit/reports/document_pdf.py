"""A document on A4 pages, set with matplotlib: text, tables and pictures one below the other."""

import textwrap
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.lines import Line2D

from qsmkit.reports.document import Document, Grid, Heading, Paragraph, Picture
from qsmkit.reports.html import DISCLAIMER
from qsmkit.reports.plot import INK, SOFT

WIDTH, HEIGHT, MARGIN = 8.27, 11.69, 0.7
"""Of a page, inches."""

GLYPH = 0.0076
"""Mean width of a letter, inches per point of its size."""

BOLD = 1.15
"""How much wider a bold letter is."""

LINE = 1.35 / 72
"""Height of a line, inches per point."""

NOTE = "#f1f4f6"


def pdf(document: Document, path: Path, made: str) -> None:
    """Write a document as a PDF file.

    Parameters
    ----------
    document : Document
        The report.
    path : Path
        The file.
    made : str
        When and by what it was made.
    """
    with path.open("wb") as file, PdfPages(file, metadata={"Title": document.title, "Creator": "qsmkit"}) as pages:
        sheet = _Sheets(pages, made)
        sheet.text(document.title, 15, bold=True)
        sheet.text(f"{document.subtitle} · {made}", 8)
        for block in document.blocks:
            if isinstance(block, Heading):
                sheet.need(1.6)
                sheet.gap(0.16)
                sheet.text(block.text, 11.5, bold=True)
            elif isinstance(block, Paragraph):
                sheet.text(block.text, 8.5, ground=NOTE if block.note else None)
            elif isinstance(block, Grid):
                sheet.table(block)
            elif isinstance(block, Picture):
                sheet.picture(block)
        sheet.end()


class _Sheets:
    """Pages that fill from the top."""

    def __init__(self, pages: PdfPages, made: str) -> None:
        self._pages, self._made, self._number = pages, made, 0
        self._new()

    def _new(self) -> None:
        self._figure = Figure(figsize=(WIDTH, HEIGHT))
        FigureCanvasAgg(self._figure)
        self._top = HEIGHT - MARGIN
        self._number += 1

    def end(self) -> None:
        """Finish the page."""
        self._figure.text(MARGIN / WIDTH, 0.35 / HEIGHT, f"{DISCLAIMER}  {self._made}", fontsize=7, color=INK)
        self._figure.text(1 - MARGIN / WIDTH, 0.35 / HEIGHT, str(self._number), fontsize=7, ha="right", color=INK)
        self._pages.savefig(self._figure)  # type: ignore[no-untyped-call]

    def need(self, height: float) -> None:
        """Turn the page unless there is room, inches."""
        if self._top - height < MARGIN:
            self.end()
            self._new()

    def gap(self, height: float) -> None:
        """Leave room."""
        self._top -= height

    def text(self, text: str, size: float, *, bold: bool = False, ground: str | None = None) -> None:
        """Set a paragraph."""
        letters = int((WIDTH - 2 * MARGIN) / (GLYPH * size * (1.08 if bold else 1)))
        for line in textwrap.wrap(text, letters) or [""]:
            self.need(LINE * size)
            self._put(MARGIN, line, size, bold=bold, ground=ground)
            self._top -= LINE * size
        self.gap(0.05)

    def table(self, block: Grid, size: float = 6.8) -> None:
        """Set a table; cells wrap, rows stay whole."""
        rows = [list(block.head), *([str(c) for c in row] for row in block.rows)]
        words = [BOLD * max(map(len, h.split() or [""])) for h in block.head]
        cells_of = [[r[i] for r in rows[1:]] for i in range(len(block.head))]
        wide = np.array([max(word, *(_room(c) for c in cells or [""])) for word, cells in
                         zip(words, cells_of, strict=True)]) + 1.5  # fmt: skip
        share = wide / wide.sum() * (WIDTH - 2 * MARGIN)
        left = MARGIN + np.concatenate([[0], np.cumsum(share)[:-1]])
        if block.caption:
            self.need(0.8)
            self.text(block.caption, 7.5)
        for number, row in enumerate(rows):
            glyph = GLYPH * size * (BOLD if number == 0 else 1)
            cells = [textwrap.wrap(c, max(3, int(w / glyph) - 1), break_long_words=False) or [""]
                     for c, w in zip(row, share, strict=True)]  # fmt: skip
            tall = max(map(len, cells)) * LINE * size + 0.05
            self.need(tall)
            for x, lines in zip(left, cells, strict=True):
                for i, line in enumerate(lines):
                    self._put(float(x), line, size, bold=number == 0, down=i * LINE * size)
            self._top -= tall
            self._rule()
        self.gap(0.12)

    def picture(self, block: Picture) -> None:
        """Set a picture as wide as the page, or as there is room, with its caption."""
        image = imread(BytesIO(block.png))
        wide = WIDTH - 2 * MARGIN
        tall = min(wide * image.shape[0] / image.shape[1], HEIGHT - 2 * MARGIN - 0.8)
        wide = tall * image.shape[1] / image.shape[0]
        self.need(tall + 0.5)
        box = (MARGIN / WIDTH, (self._top - tall) / HEIGHT, wide / WIDTH, tall / HEIGHT)
        axes = self._figure.add_axes(box)
        axes.set_axis_off()
        axes.imshow(image, aspect="auto", interpolation="none")
        self._top -= tall + 0.04
        self.text(block.caption, 7.5)

    def _put(
        self, x: float, text: str, size: float, *, bold: bool = False, down: float = 0.0, ground: str | None = None
    ) -> None:
        box = {"facecolor": ground, "edgecolor": "none", "pad": 1.5} if ground else None
        self._figure.text(x / WIDTH, (self._top - down) / HEIGHT, text, fontsize=size, va="top", color=INK,
                          fontweight="bold" if bold else "normal", bbox=box, parse_math=False)  # fmt: skip

    def _rule(self) -> None:
        ends: Sequence[float] = (MARGIN / WIDTH, 1 - MARGIN / WIDTH)
        height = (self._top + 0.015) / HEIGHT
        self._figure.add_artist(Line2D(ends, [height, height], color=SOFT, lw=0.4))


def _room(cell: str) -> int:
    """Return how many letters wide a column wants to be for a cell: its longest word, and a line of up to 30."""
    return max(min(max(map(len, cell.split() or [""])), 18), min(len(cell), 30))
