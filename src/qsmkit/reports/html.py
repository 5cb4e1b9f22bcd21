"""The report: one HTML file that holds all that a reader needs, pictures included."""

import base64
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2

from qsmkit.io.atomic import write_text
from qsmkit.pipeline.provenance import provenance
from qsmkit.pipeline.run import Result
from qsmkit.recon.checks.panel import run_checks
from qsmkit.recon.checks.verdict import Check, headline, overall
from qsmkit.reports.display import View
from qsmkit.reports.figures import pictures
from qsmkit.reports.methods_text import (
    methods_text,
    referencing,
    setting_text,
    signed,
    stage_title,
    uncertainty,
    whole_brain_is_reference,
)

DISCLAIMER = "Research use only. Not a medical device."

CONVENTION = "Radiological convention: the patient's left is on the right."

_CHECKED = (
    "chi", "r2star", "total_field", "field_sd", "fit_residual", "unwrapped_phase", "phase", "magnitude", "local_field",
    "sigma_chi",
)  # fmt: skip

_SIDECAR_ROWS = (
    ("Scanner", ("Manufacturer", "ManufacturersModelName"), 1, ""),
    ("Sequence", ("MRAcquisitionType", "ScanningSequence", "SequenceName"), 1, ""),
    ("Repetition time", ("RepetitionTime",), 1000, " ms"),
    ("Flip angle", ("FlipAngle",), 1, "°"),
    ("Bandwidth", ("PixelBandwidth",), 1, " Hz/pixel"),
    ("Imaging frequency", ("ImagingFrequency",), 1, " MHz"),
    ("Partial Fourier", ("PartialFourier",), 1, ""),
    ("Acceleration", ("ParallelReductionFactorInPlane",), 1, ""),
)
"""Heading, keys of the sidecar, factor and unit: what the consensus asks for, nothing about the person."""


def checks(result: Result) -> list[Check]:
    """Return the automatic checks of a reconstruction."""
    scan, have = result.scan, result.artifacts
    return run_checks(
        scan.grid,
        have.get("mask", result.brain_mask),
        result.brain_mask,
        echo_times=scan.echo_times,
        field_strength=scan.field_strength,
        valid=scan.valid,
        contradictions=scan.contradictions,
        **{name: have[name] for name in _CHECKED if name in have},
    )


def report_json(result: Result) -> dict[str, Any]:
    """Return the report's numbers as plain values for JSON: verdict, warnings, checks and reference."""
    return _summary(result, checks(result))


def report(
    result: Result,
    path: str | Path,
    *,
    title: str | None = None,
    source: Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the report as one self-contained HTML file, atomically.

    Parameters
    ----------
    result : Result
        The reconstruction.
    path : path
        The file to make.
    title : str, optional
        Heading; the scan's name if omitted.
    source : Path, optional
        Data set that the scan was read from, so that its files can be listed with their hashes.
    overwrite : bool
        Whether a file that is there already may be replaced.

    Returns
    -------
    dict
        The numbers of the report, as `report_json` gives them.

    Raises
    ------
    OutputError
        The file cannot be written, or is there already.
    """
    found = checks(result)
    summary = _summary(result, found)
    page = environment().get_template("report.html.j2").render(
        title=title or result.scan.name,
        when=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        recipe=result.plan.recipe,
        summary=summary,
        checks=found,
        pictures=[(p, base64.b64encode(p.png).decode()) for p in pictures(result)],
        scan=list(_scan_rows(result)),
        steps=list(zip(result.steps, result.plan.steps, strict=True)),
        skipped=result.plan.skipped,
        reference=result.reference,
        referencing=referencing(result),
        uncertainty=summary["uncertainty"],
        whole_brain_is_reference=whole_brain_is_reference(result),
        methods=methods_text(result),
        record=provenance(result, source),
        obliquity=View.of(result.scan.grid, result.brain_mask).obliquity,
        convention=CONVENTION,
        disclaimer=DISCLAIMER,
    )
    write_text(Path(path), page, overwrite=overwrite)
    return summary


def environment() -> jinja2.Environment:
    """Return what the templates of all pages are rendered with."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("qsmkit.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"stage_title": stage_title, "setting": setting_text, "signed": signed, "cell": cell}
    return made


def cell(value: object) -> str:
    """Return a value as a table shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _summary(result: Result, found: list[Check]) -> dict[str, Any]:
    return {
        "scan": result.scan.name,
        "recipe": result.plan.recipe.name,
        "verdict": overall(found),
        "headline": headline(found, len(result.warnings)),
        "warnings": result.warnings,
        "checks": [c.as_dict() for c in found],
        "reference": result.reference.as_dict() if result.reference else None,
        "referencing_ppm": referencing(result),
        "uncertainty": uncertainty(result),
    }


def _scan_rows(result: Result) -> Iterator[tuple[str, str]]:
    """Yield headings and values of the scan's parameters."""
    scan, grid = result.scan, result.scan.grid
    view = View.of(grid, result.brain_mask)
    yield "Scan", scan.name
    for heading, keys, factor, unit in _SIDECAR_ROWS:
        values = [scan.metadata[k] for k in keys if scan.metadata.get(k) not in (None, "", [])]
        if values:
            yield heading, " ".join(f"{v * factor:.6g}" if _is_number(v) else str(v) for v in values) + unit
    yield "Field strength", f"{scan.field_strength:.5g} T"
    yield "Echo times", ", ".join(f"{1000 * t:.4g}" for t in scan.echo_times) + " ms"
    yield "Readout", "bipolar" if scan.bipolar else "monopolar"
    yield "Matrix", " × ".join(map(str, grid.shape))
    yield "Voxel size", " × ".join(f"{v:.4g}" for v in grid.voxel_size) + " mm"
    yield "Voxel axes point to", " ".join(view.codes)
    yield "Obliquity", f"{view.obliquity:.1f}° between voxel axes and scanner axes"
    yield "B0 direction", "(" + ", ".join(f"{v:+.4f}" for v in grid.b0_direction) + ") along the voxel axes"
    for what, decision in scan.metadata.get("decisions", {}).items():
        yield f"Decided: {what.replace('_', ' ')}", str(decision)
    if scan.valid is not None:
        yield "Voxels without a finite value", str(int(scan.valid.size - scan.valid.sum()))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
