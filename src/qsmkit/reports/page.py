"""A folder that holds one analysis: its page, its figures and its tables."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qsmkit.io.atomic import replacing, write_text
from qsmkit.io.tables import write_table
from qsmkit.reports.html import DISCLAIMER, environment
from qsmkit.reports.plot import Drawing, png


def write_page(
    out: Path, template: str, found: object, *, source: Path, figures: Iterable[tuple[str, str, Drawing]],
    tables: Mapping[str, Sequence[Mapping[str, object]]], overwrite: bool = False, **more: Any,
) -> Path:
    """Write report.html with the figures in it, each figure as a PNG file, and the tables.

    Parameters
    ----------
    out : Path
        The folder; made if need be.
    template : str
        Name of the page's template; it is given `found`, `source`, `when`, `version`, `figures`, `disclaimer` and
        `more`.
    found : object
        The analysis.
    source : Path
        The table that was analysed.
    figures : iterable of (name, caption, drawing)
        Figures in the page's order.
    tables : mapping of str to rows
        Rows by file name.
    overwrite : bool
        Whether files that are there already may be replaced.

    Returns
    -------
    Path
        The page, written last.

    Raises
    ------
    OutputError
        A file is there already, or cannot be written.
    """
    pictures = []
    for name, caption, draw in figures:
        picture = png(draw)
        with replacing(out / f"{name}.png", overwrite=overwrite) as scratch:
            scratch.write_bytes(picture)
        pictures.append((caption, base64.b64encode(picture).decode()))
    for name, rows in tables.items():
        write_table(out / name, rows, overwrite=overwrite)
    when = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    page = environment().get_template(template).render(
        found=found, source=source.name, when=when, version=version("qsmkit"), figures=pictures, disclaimer=DISCLAIMER,
        **more,
    )  # fmt: skip
    write_text(out / "report.html", page, overwrite=overwrite)
    return out / "report.html"
