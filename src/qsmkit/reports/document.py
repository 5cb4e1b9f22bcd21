"""A report as a list of blocks, written as one HTML file and as a PDF of the same content."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from qsmkit.io.atomic import replacing, write_text
from qsmkit.io.tables import write_table
from qsmkit.reports.html import DISCLAIMER, environment


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; a note stands out."""

    text: str
    note: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text cells.

    Attributes
    ----------
    head : sequence of str
        Names of the columns.
    rows : sequence of sequences of str
        Cells.
    caption : str
        What the table shows.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG file with its caption."""

    png: bytes
    caption: str


Block = Heading | Paragraph | Grid | Picture


@dataclass(frozen=True, slots=True)
class Document:
    """A report.

    Attributes
    ----------
    title : str
        Of the page.
    subtitle : str
        What it is made from.
    blocks : sequence of Block
        Content in order.
    """

    title: str
    subtitle: str
    blocks: Sequence[Block]


def write_document(
    document: Document, out: Path, *, tables: Mapping[str, Sequence[Mapping[str, object]]], overwrite: bool = False
) -> Path:
    """Write report.html, report.pdf and tables into a folder, the page last.

    Parameters
    ----------
    document : Document
        The report.
    out : Path
        The folder; made if need be.
    tables : mapping of str to rows
        Rows by file name; those without rows are left out.
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
    from qsmkit.reports.document_pdf import pdf  # draws text with the same blocks

    when = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    made = f"{when} · qsmkit {version('qsmkit')}"
    for name, rows in tables.items():
        if rows:
            write_table(out / name, rows, overwrite=overwrite)
    with replacing(out / "report.pdf", overwrite=overwrite) as scratch:
        pdf(document, scratch, made)
    blocks = [(type(b).__name__, b, base64.b64encode(b.png).decode() if isinstance(b, Picture) else "")
              for b in document.blocks]  # fmt: skip
    page = environment().get_template("document.html.j2").render(
        document=document, blocks=blocks, made=made, disclaimer=DISCLAIMER
    )
    write_text(out / "report.html", page, overwrite=overwrite)
    return out / "report.html"
