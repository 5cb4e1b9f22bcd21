"""`qsmkit monitor remeasure`: all visits with one pipeline version and one rule."""

from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.options import Actor, actor_of
from qsmkit.app.cli.monitor.study import Patients
from qsmkit.app.cli.recon import recon
from qsmkit.clinical.monitor.region import RegionRule
from qsmkit.errors import InputError
from qsmkit.io.store import rows
from qsmkit.io.store.registry import Registry
from qsmkit.pipeline.monitor.remeasure import remeasure as measure_again
from qsmkit.pipeline.monitor.visit_files import pipeline_of


def remeasure(
    registry: str,
    data: Path,
    /,
    *,
    raw: Path | None = None,
    masks: Path | None = None,
    patient: Patients = None,
    recipe: str = "default",
    rule: str = "whole",
    actor: Actor = None,
    json: Flag = False,
) -> int:
    """Measure all visits anew from their masks, so that they may be compared; with --raw also reconstruct them anew.

    Earlier measurements stay in the registry. Analyses take the pipeline and rule that most visits share.

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    data
        Folder of maps: one that `qsmkit recon` wrote, or with --raw a new one.
    raw
        BIDS data set to reconstruct with this version of the software; visits that are done already are kept.
    masks
        Folder with the label images that were measured before, where it is another.
    patient
        Only these patients.
    recipe
        Recipe to reconstruct with.
    rule
        Which voxels are measured: whole, core-1mm, rim-1mm, above-0.1ppm, fixed.
    actor
        Who does it, initials or a code; by default the name of the account.
    json
        Print JSON on stdout.
    """
    chosen = RegionRule.parse(rule)
    with Registry.open(registry) as opened:
        known = [p.id for p in opened.rows(rows.Patient)]
        wanted = patient or known
        unknown = [p for p in wanted if p not in known]
        if unknown:
            raise InputError(f"patient {unknown[0]!r} is not in the registry; it has {', '.join(known[:8]) or 'none'}")
        if raw is not None and recon(raw, data, participant_label=wanted, recipe=recipe):
            raise InputError("a visit could not be reconstructed; nothing is measured, as some visits alone could not "
                             "be compared")  # fmt: skip
        done = []
        for session, files, count in measure_again(
            opened, data, masks or data, wanted, rule=chosen, actor=actor_of(actor)
        ):
            pipeline = pipeline_of(files.recipe, files.version, files.parameters)
            done.append({"patient": session.patient, "visit": session.visit, "lesions": count, "pipeline": pipeline,
                         "rule": str(chosen)})  # fmt: skip
            made = pipeline or "pipeline not known"
            console.say(f"{session.patient}, {session.visit}: {count} lesions, {made}, {chosen}")
    if json:
        console.print_json(done)
    alike = len({d["pipeline"] for d in done}) == 1
    if not alike:
        console.say("warning: these maps are of different pipelines; reconstruct all with one (--raw)")
    return 0 if alike else 1
