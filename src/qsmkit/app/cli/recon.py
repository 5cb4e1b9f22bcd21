"""`qsmkit recon`: scans in, susceptibility maps and a report out."""

import tomllib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from cyclopts import Group, Parameter

import qsmkit.recon  # noqa: F401  (registers the methods)
from qsmkit import method
from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.console import UsageError
from qsmkit.arrays import AnyArray
from qsmkit.errors import ContradictionWarning, MaskError, QsmkitError
from qsmkit.io import bids, loose
from qsmkit.io.bids_filter import read_filter
from qsmkit.io.nifti import load_volume
from qsmkit.io.r2_map import find_r2, load_r2
from qsmkit.pipeline.cache import Cache
from qsmkit.pipeline.coils import combined
from qsmkit.pipeline.config import load_recipe
from qsmkit.pipeline.outputs import CACHE, Outputs
from qsmkit.pipeline.plan import Plan, make_plan
from qsmkit.pipeline.run import plan_keys, run
from qsmkit.reports.html import report as write_report
from qsmkit.volume import Scan


class _Job(NamedTuple):
    """How to read a scan, and its files in a BIDS data set."""

    read: Callable[[], Scan]
    files: bids.ScanFiles | None = None


_BIDS = Group("BIDS dataset")
_LOOSE = Group("Loose files")
_HOW = Group("Reconstruction")

_Labels = Annotated[list[str] | None, Parameter(consume_multiple=True, group=_BIDS)]
_Files = Annotated[list[Path] | None, Parameter(consume_multiple=True, group=_LOOSE)]


def recon(
    *paths: Path,
    out: Path | None = None,
    participant_label: _Labels = None,
    session_label: _Labels = None,
    bids_filter_file: Annotated[Path | None, Parameter(group=_BIDS)] = None,
    phase: _Files = None,
    magnitude: _Files = None,
    te: Annotated[list[float] | None, Parameter(consume_multiple=True, group=_LOOSE)] = None,
    b0: Annotated[float | None, Parameter(group=_LOOSE)] = None,
    coils: Annotated[int, Parameter(group=_LOOSE)] = 1,
    phase_max: Annotated[float | None, Parameter(group=_HOW)] = None,
    flip_phase: Annotated[bool, Parameter(group=_HOW, negative="")] = False,
    bipolar: Annotated[bool, Parameter(group=_HOW)] = False,
    mask: Annotated[Path | None, Parameter(group=_HOW)] = None,
    r2: Annotated[Path | None, Parameter(group=_HOW)] = None,
    recipe: Annotated[str, Parameter(group=_HOW)] = "default",
    set: Annotated[list[str] | None, Parameter(consume_multiple=True, group=_HOW)] = None,  # noqa: A002
    uncertainty: Annotated[int | None, Parameter(group=_HOW)] = None,
    work: Path | None = None,
    no_cache: Flag = False,
    overwrite: bool = False,
    dry_run: Flag = False,
    json: bool = False,
) -> int:
    """Reconstruct susceptibility maps from a BIDS dataset, or from loose files.

    qsmkit recon BIDS OUT [participant] [--participant-label 01 02]

    qsmkit recon --phase P1 P2 P3 --magnitude M1 M2 M3 --te 4 8 12 --b0 3 OUT

    Results are BIDS derivatives: Chimap (ppm), R2starmap (1/s), T2starmap (s), masks, fields, sidecars, and an HTML
    report for each scan. Running the same command again resumes.

    Parameters
    ----------
    paths
        BIDS folder, output folder, and optionally the word participant; with --phase only the output folder.
    out
        The output folder, if it is not among the paths.
    participant_label
        Participants to reconstruct, with or without "sub-"; all if omitted.
    session_label
        Sessions to reconstruct, with or without "ses-"; all if omitted.
    bids_filter_file
        JSON file with the entities that scans must have: {"megre": {"acquisition": "qsm", "run": [1, 2]}}.
    phase
        Wrapped phase: one 4-D file, or one file per echo.
    magnitude
        Magnitude, like the phase.
    te
        Echo times, in s or ms; sidecars beside the files are used if omitted.
    b0
        Field strength (T); the sidecars' imaging frequency is used if omitted.
    coils
        How many receive coils the files are from, before combination: phase and magnitude then list all files of the
        first coil, all of the second, and so on. In a BIDS dataset, names with coil-1 or rec-coil1 say it.
    phase_max
        The stored phase value that equals π, where it cannot be told from the data.
    flip_phase
        Negate the phase: for scanners that count it the other way, where veins and pallidum come out diamagnetic.
    bipolar
        Echoes were read out with alternating gradient polarity.
    mask
        Mask to use in place of the recipe's mask steps, on the grid of the (only) scan.
    r2
        Map of R2 (1/s), or of T2 (s) if its name ends in T2map, on the grid of the (only) scan, for recipes that
        separate sources. In a BIDS dataset, a participant's R2map or T2map is found by itself.
    recipe
        Name of a recipe (default, fast, consensus), or path of a .toml file.
    set
        Settings to change: METHOD.SETTING=VALUE.
    uncertainty
        How often to repeat the reconstruction with new noise, for the standard deviation of the susceptibility in
        every voxel and region, e.g. 8; none by default, unless the recipe asks for it.
    work
        Folder for results of steps, kept so that running again resumes; OUT/.qsmkit-cache if omitted.
    no_cache
        Keep no results of steps.
    overwrite
        Replace results that were made with other settings.
    dry_run
        Say what would be done, and do nothing.
    json
        Print the reports' numbers as JSON on stdout.
    """
    method.load_plugins()
    chosen = load_recipe(recipe).with_settings(_changes(set or []))
    if uncertainty is not None:
        chosen = chosen.with_uncertainty(uncertainty)
    source, out = _source_and_out(paths, out, loose_files=phase is not None)
    reading: dict[str, Any] = {"phase_max": phase_max, "flip_phase": flip_phase}
    if source is None:
        parts = zip(_by_coil("phase", phase or [], coils), _by_coil("magnitude", magnitude or [], coils), strict=True)
        readers = [partial(loose.load_scan, p, m, te, b0, **reading) for p, m in parts]
        jobs = [_Job(readers[0] if coils == 1 else partial(combined, readers, bipolar=bipolar))]
    elif magnitude or te or b0 or coils > 1:
        raise UsageError("--magnitude, --te, --b0 and --coils go with --phase; a BIDS dataset has them in its files")
    else:
        only = read_filter(bids_filter_file) if bids_filter_file else None
        found = bids.find_scans(source, participants=participant_label, sessions=session_label, only=only)
        jobs = [_Job(_reader(files, bipolar=bipolar, **reading), files) for files in found]
    for name, path in (("mask", mask), ("r2", r2)):
        if path is not None and len(jobs) > 1:
            many = f"--{name} is for one scan, but there are {len(jobs)}"
            raise UsageError(f"{many}; choose one with --participant-label")
    uses_r2 = any("r2" in (*m.needs, *m.uses) for m in (method.get(s.method) for s in chosen.step))
    if r2 is not None and not uses_r2:
        raise UsageError(f"recipe {chosen.name} has no step that uses --r2; add r2prime and chi_separation to it")
    outputs = Outputs(out, source, overwrite=overwrite)
    kept = None if no_cache else work or out / CACHE
    summaries, failures = [], 0
    for job in jobs:
        try:
            scan = _loaded(job.read, bipolar=bipolar)
            given = {"mask": _mask(mask, scan)} if mask else {}
            rates = r2 or (find_r2(job.files) if uses_r2 and job.files else None)
            if rates:
                given["r2"] = load_r2(rates, scan.grid)
            plan = make_plan(chosen, scan, given)
            if dry_run:
                summaries.append(_preview(scan, plan, quiet=json))
            else:
                summaries.append(_reconstruct(scan, plan, given, outputs, kept, quiet=json))
        except QsmkitError as error:
            if len(jobs) == 1:
                raise
            failures += 1
            console.say(f"qsmkit: {' '.join(str(error).split())}")
    if json:
        console.print_json(summaries)
    if failures:
        console.say(f"qsmkit: {failures} of {len(jobs)} scans could not be reconstructed; the others are done")
    return 1 if failures else 0


def _source_and_out(paths: Sequence[Path], out: Path | None, *, loose_files: bool) -> tuple[Path | None, Path]:
    found = list(paths)
    if not loose_files and len(found) > 1 and str(found[-1]) == "participant":
        found.pop()
    if out is not None:
        found.append(out)
    if loose_files and len(found) != 1:
        raise UsageError(
            f"with --phase, one output folder is needed, not {len(found)}; put it first (qsmkit recon OUT --phase …), "
            "or name it with --out"
        )
    if not loose_files and len(found) != 2:
        given = ", ".join(map(str, found)) or "nothing"
        raise UsageError(f"a BIDS folder and an output folder are needed, not {given}; for loose files use --phase")
    return (None, found[0]) if loose_files else (found[0], found[1])


def _by_coil(what: str, paths: Sequence[Path], coils: int) -> list[Sequence[Path]]:
    """Return the files of each coil, which are listed one coil after the other."""
    if coils < 1 or len(paths) % coils:
        raise UsageError(f"--coils {coils} does not divide {len(paths)} files of {what}; list as many for each coil")
    each = len(paths) // coils
    return [paths[i * each : (i + 1) * each] for i in range(coils)]


def _reader(files: bids.ScanFiles, *, bipolar: bool, **reading: Any) -> Callable[[], Scan]:
    if not files.coils:
        return partial(bids.load_scan, files, **reading)
    return partial(combined, [partial(bids.load_scan, coil, **reading) for coil in files.coils], bipolar=bipolar)


def _changes(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return METHOD.SETTING=VALUE texts as {method: {setting: value}}; values are read as TOML, else as text."""
    changes: dict[str, dict[str, Any]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        name, dot, setting = target.partition(".")
        if not (equals and dot and name and setting):
            raise UsageError(f"--set {text!r} is not METHOD.SETTING=VALUE, e.g. vsharp.threshold=0.05")
        try:
            changes.setdefault(name, {})[setting] = tomllib.loads(f"x = {value}")["x"]
        except tomllib.TOMLDecodeError:
            changes.setdefault(name, {})[setting] = value
    return changes


def _loaded(read: Callable[[], Scan], *, bipolar: bool) -> Scan:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scan = read()
    notes = tuple(dict.fromkeys(str(w.message) for w in caught))
    for note in notes:
        console.say(f"{scan.name}: warning: {note}")
    contradictions = tuple(str(w.message) for w in caught if issubclass(w.category, ContradictionWarning))
    return replace(scan, bipolar=bipolar, notes=notes, contradictions=contradictions)


def _mask(path: Path, scan: Scan) -> AnyArray:
    volume = load_volume(path)
    scan.grid.require_same(volume.grid, f"--mask {path}", scan.name)
    if volume.data.ndim != 3 or not np.isfinite(volume.data).all():
        raise MaskError(f"--mask {path} is not a 3-D volume of finite values; give 0 outside and 1 inside")
    inside: AnyArray = volume.data > 0
    if not inside.any():
        raise MaskError(f"--mask {path} is empty; give 0 outside and 1 inside")
    return inside


def _preview(scan: Scan, plan: Plan, *, quiet: bool) -> dict[str, Any]:
    if not quiet:
        title = f"{scan.name}: {len(scan.echo_times)} echoes, {scan.field_strength:.4g} T, recipe {plan.recipe.name}"
        rows = [(str(i), s.method.stage, s.method.name, _settings(s.settings)) for i, s in enumerate(plan.steps, 1)]
        console.print_table(("", "stage", "method", "settings"), rows, title)
        for name, reason in plan.skipped:
            console.out.print(f"skipped: {name} ({reason})", markup=False)
        if plan.recipe.uncertainty:
            console.out.print(f"uncertainty: {plan.recipe.uncertainty} repeats with new noise", markup=False)
    return {
        "scan": scan.name,
        "recipe": plan.recipe.name,
        "steps": [{"method": s.method.name, "settings": s.settings} for s in plan.steps],
        "skipped": [{"method": name, "reason": reason} for name, reason in plan.skipped],
        "uncertainty": plan.recipe.uncertainty,
    }


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in settings.items())


def _reconstruct(
    scan: Scan, plan: Plan, given: Mapping[str, AnyArray], outputs: Outputs, kept: Path | None, *, quiet: bool
) -> dict[str, Any]:
    keys = plan_keys(plan, scan, given)
    report = outputs.report_path(scan)
    if outputs.holds(scan, keys):
        console.say(f"{scan.name}: done already with these settings → {report}")
        return (outputs.record(scan) or {})["Quality"]  # type: ignore[no-any-return]
    outputs.prepare()
    cache = Cache(kept) if kept else None
    with console.StepProgress(scan.name, quiet=quiet) as progress:
        result = run(plan, scan, given=given, cache=cache, progress=progress)
    for warning in result.warnings[len(scan.notes) :]:
        console.say(f"{scan.name}: warning: {warning}")
    outputs.write(result)
    summary = write_report(result, report, source=outputs.source, overwrite=True)
    outputs.finish(result, keys, summary)
    console.say(f"{scan.name}: {summary['headline']} → {report}")
    return summary
