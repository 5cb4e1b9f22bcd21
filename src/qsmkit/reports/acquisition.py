"""The report on how scans were acquired: one table a scan."""

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from qsmkit.io.atomic import write_text
from qsmkit.io.sidecar import as_json
from qsmkit.pipeline.acquisition import Acquisition
from qsmkit.reports.html import DISCLAIMER, environment


def write_acquisition(found: Sequence[Acquisition], out: Path, *, source: Path, overwrite: bool = False) -> Path:
    """Write acquisition.html and acquisition.json into a folder.

    Parameters
    ----------
    found : sequence of Acquisition
        One for each scan.
    out : Path
        The folder; made if need be.
    source : Path
        The data set that was checked.
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
    page = environment().get_template("acquisition.html.j2").render(
        found=found, source=source.name, when=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        version=version("qsmkit"), shade={"PASS": "ok", "WARN": "look", "FAIL": "bad"}, disclaimer=DISCLAIMER,
    )  # fmt: skip
    write_text(out / "acquisition.json", as_json([a.as_dict() for a in found]), overwrite=overwrite)
    write_text(out / "acquisition.html", page, overwrite=overwrite)
    return out / "acquisition.html"
