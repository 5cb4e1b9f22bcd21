"""The targeting report: from images to leads among nuclei, with every verdict."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from qsmkit.clinical.target.contrast import FORMULAS
from qsmkit.io.atomic import replacing, write_text
from qsmkit.io.nifti import save_volume
from qsmkit.io.sidecar import as_json
from qsmkit.io.tables import write_table
from qsmkit.pipeline.nuclei import results_folder, write_nuclei
from qsmkit.pipeline.provenance import file_hash, provenance, software
from qsmkit.pipeline.target_found import TargetReport, contact_rows, error_rows, numbers
from qsmkit.reports.figures import Picture
from qsmkit.reports.html import CONVENTION, DISCLAIMER, environment
from qsmkit.reports.lead_views import Backdrop, lead_pictures
from qsmkit.reports.scene import scene, scene_markup

CHOSEN = "cnr_mean_variance"
"""The ratio that the page shows; the table has all of them."""

COLOURS = {"PASS": "ok", "REVIEW": "look", "FAIL": "bad", "NOT DONE": "look"}


def write_target_report(found: TargetReport, out: Path, *, conversion: list[Any] | None = None) -> Path:
    """Write report.html, report.json, tables and the hybrid image into a folder, the page last.

    Parameters
    ----------
    found : TargetReport
        What was found.
    out : Path
        The folder, which is there; files of an earlier report are replaced.
    conversion : list, optional
        Rows of the conversion from DICOM.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    content = numbers(found) | {
        "Conversion": [r.as_dict() for r in conversion or []],
        "Inputs": [{"what": n, "file": p.name, "sha256": file_hash(p)} for n, p in found.case.images().items()],
        "Reconstruction": provenance(found.result, found.case.root) if found.result else None,
        "Software": software(), "Disclaimer": DISCLAIMER,
    }  # fmt: skip
    contacts, errors = contact_rows(found), error_rows(found)
    for name, rows in (("contacts.csv", contacts), ("errors.csv", errors), ("contrast.csv", found.contrasts)):
        if rows:
            write_table(out / name, rows, overwrite=True)
    if "hybrid" in found.images:
        volume = found.images["hybrid"]
        save_volume(out / "hybrid.nii.gz", volume.data.astype(np.float32), volume.grid, overwrite=True)
    if found.nuclei:
        with results_folder(out / "nuclei", overwrite=True) as folder:
            write_nuclei(folder, found.nuclei, found.case.images())
    pictures = []
    for picture in _pictures(found):
        with replacing(out / f"{picture.name}.png", overwrite=True) as scratch:
            scratch.write_bytes(picture.png)
        pictures.append((picture, base64.b64encode(picture.png).decode()))
    masks = found.masks()
    space = found.nuclei.labels.grid if found.nuclei else None
    shown = scene(masks, space, [one.lead for one in found.leads], found.planned) if space and masks else None
    write_text(out / "report.json", as_json(content), overwrite=True)
    page = environment().get_template("target.html.j2").render(
        found=found, colours=COLOURS, contacts=contacts, errors=errors, pictures=pictures,
        contrast=contrast_table(found), formula=CHOSEN, formulas=FORMULAS,
        scene=scene_markup(shown) if shown else None, conversion=conversion or [], convention=CONVENTION,
        when=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"), version=version("qsmkit"),
        disclaimer=DISCLAIMER,
    )  # fmt: skip
    write_text(out / "report.html", page, overwrite=True)
    return out / "report.html"


def contrast_table(found: TargetReport) -> list[dict[str, Any]]:
    """Return a row for each pair and side with the chosen ratio of each image, and which is largest."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for r in found.contrasts:
        if r["statistic"] == CHOSEN:
            row = rows.setdefault((r["pair"], r["side"]), {"pair": r["pair"], "side": r["side"], "images": {}})
            row["images"][r["image"]] = r
    for row in rows.values():
        row["best"] = max(row["images"], key=lambda image, row=row: row["images"][image]["value"])  # type: ignore[misc]
    return list(rows.values())


def _pictures(found: TargetReport) -> Iterator[Picture]:
    masks = found.masks()
    names = {"χ": "Susceptibility", "hybrid": "Hybrid image of T1w and χ"}
    planned = {p.plan.name: p for p in found.planned}
    for lead in found.leads:
        for image, words in names.items():
            if image in found.images:
                backdrop = Backdrop.of(found.images[image], words, masks)
                through, eye = lead_pictures(backdrop, lead.lead, planned=planned.get(lead.name))
                yield replace(through, name=f"{through.name}_{words.split()[0].lower()}")
                if image == "χ":
                    yield eye
