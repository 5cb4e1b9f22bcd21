"""`qsmkit target report`: from a patient's images to leads among nuclei, in one go."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.main import COULD_NOT, DONE
from qsmkit.app.cli.target.flags import AXES, Many
from qsmkit.errors import InputError, OutputError
from qsmkit.io.dicom_in.convert import convert
from qsmkit.io.tables import read_table
from qsmkit.pipeline.cache import Cache
from qsmkit.pipeline.outputs import CACHE, Outputs
from qsmkit.pipeline.reconstruct import plan_for
from qsmkit.pipeline.run import Result, run
from qsmkit.pipeline.target_case import find_case
from qsmkit.pipeline.target_found import PlannedLead, Side, Target, numbers
from qsmkit.pipeline.target_report import target_report
from qsmkit.reports.html import report as write_reconstruction
from qsmkit.reports.target import write_target_report
from qsmkit.volume import Scan

BIDS = "dataset_description.json"


def report(
    folders: Annotated[list[Path], Many],
    /,
    *,
    out: Path,
    target: Target,
    plan: Path | None = None,
    model: str | None = None,
    recipe: str = "default",
    participant_label: str | None = None,
    session_label: str | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> int:
    """Make a patient's targeting report from the scanner's files: χ, nuclei, contrast, leads, contacts, errors.

    Converts DICOM, reconstructs χ, brings T1w, T2w and FGATIR to it, outlines the nuclei, mixes the hybrid image and
    compares contrasts, fuses the CT after the operation, finds the leads, says in which nucleus each contact lies and,
    if there is a plan, how far from it. A step whose gate says FAIL stops what needs it and nothing else; the report
    shows it. Running it again resumes. Exit status 1 if a step failed.

    Parameters
    ----------
    folders
        DICOM folders of one patient (MR and CT), or one BIDS data set.
    out
        Folder to make: report.html, report.json, tables, pictures, hybrid.nii.gz; bids and recon below it.
    target
        What was aimed at: GPi or STN.
    plan
        Table with columns lead, side, target_x … z, entry_x … z, scanner RAS mm of the T1w; target: of the lead's tip.
    model
        Model of the leads, if it is known (see qsmkit.leads); found otherwise.
    recipe
        Recipe of the reconstruction.
    participant_label
        Patient, if the data set has several.
    session_label
        Visit before the operation, if several have a gradient echo.
    json
        Print every number as JSON on stdout.
    overwrite
        Replace a report that is there.
    """
    if (out / "report.html").exists() and not overwrite:
        raise OutputError(f"{out / 'report.html'} is there already; choose another folder, or pass --overwrite")
    planned = _planned(plan) if plan else ()
    rows = []
    if len(folders) == 1 and (folders[0] / BIDS).is_file():
        root = folders[0]
    else:
        root = out / "bids"
        for folder in folders:
            rows += convert(
                folder, root, participant=participant_label or "01", progress=lambda n: console.say(f"converting {n}")
            )
    case = find_case(root, participant=participant_label, session=session_label)
    outputs = Outputs(out / "recon", root, overwrite=True)

    def reconstruct(scan: Scan) -> tuple[Result, Mapping[str, Any]]:
        steps = plan_for(scan, recipe)
        outputs.prepare()
        with console.StepProgress(scan.name, quiet=json) as progress:
            made = run(steps, scan, cache=Cache(out / "recon" / CACHE), progress=progress)
        outputs.write(made)
        summary = write_reconstruction(made, outputs.report_path(scan), source=root, overwrite=True)
        outputs.finish(made, made.keys, summary)
        return made, summary

    found = target_report(case, target, reconstruct, plan=planned, model=model, tell=lambda n: console.say(f"{n} …"))
    path = write_target_report(found, out, conversion=rows)
    if json:
        console.print_json(numbers(found))
    else:
        cells = [(b.name, b.verdict, b.text, f"{b.seconds:.0f}") for b in found.branches]
        console.print_table(("step", "verdict", "what", "s"), cells, f"{case.participant}: {found.verdict}")
        for b in found.branches:
            for g in b.gates:
                if g.verdict == "FAIL":
                    console.out.print(f"FAIL {b.name}, {g.name}: {g.text}", markup=False)
        console.disclaim()
    console.say(f"report → {path}")
    return COULD_NOT if found.verdict == "FAIL" else DONE


def _planned(path: Path) -> tuple[PlannedLead, ...]:
    table = read_table(path)
    names, sides = table.text("lead"), table.text("side")
    points = {n: np.stack([table.numbers(f"{n}_{a}") for a in AXES], 1) for n in ("target", "entry")}
    for i, side in enumerate(sides):
        if side not in get_args(Side):
            raise InputError(f"{path}: side {side!r} of {names[i]} is neither left nor right")
        if not all(np.isfinite(p[i]).all() for p in points.values()):
            raise InputError(f"{path}: a coordinate of {names[i]} is missing; give target and entry in mm")
    return tuple(
        PlannedLead(name, "left" if side == "left" else "right", points["target"][i], points["entry"][i])
        for i, (name, side) in enumerate(zip(names, sides, strict=True))
    )
