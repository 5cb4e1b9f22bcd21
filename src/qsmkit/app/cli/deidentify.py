"""`qsmkit deidentify`: scans without their patients."""

from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.console import UsageError
from qsmkit.io.deidentify.folder import deidentify as deidentify_folder
from qsmkit.io.deidentify.folder import write_crosswalk
from qsmkit.io.deidentify.header import Rules
from qsmkit.io.deidentify.key import load_key

FACES = "Faces are not removed: a head can be rendered from its voxels. Deface images before you publish them."


def deidentify(
    source: Path,
    out: Path,
    /,
    *,
    key_file: Path,
    keep_characteristics: Flag = False,
    crosswalk: Path | None = None,
    overwrite: bool = False,
    json: Flag = False,
) -> None:
    """Remove the patient from DICOM objects, NIfTI images and sidecars (PS3.15 basic profile), and verify it.

    Only what images need is kept; dates move back by a number of days that is the patient's own, so that intervals
    stay; UIDs and pseudonyms come from the key and are the same at every visit. What was written is then searched for
    every identifier of the originals, and released only if none is found.

    Parameters
    ----------
    source
        Folder, to any depth, or one file.
    out
        Folder to make.
    key_file
        Secret from which pseudonyms, UIDs and shifts are made; written if it is not there. Keep it, and keep it apart:
        with it later visits get the same pseudonym, and whoever has it can test a guess at an identity.
    keep_characteristics
        Keep sex, age (90 for above 89), size and weight.
    crosswalk
        Table of who is who to write, readable by you alone.
    overwrite
        Replace a folder of earlier results.
    json
        Print a summary as JSON on stdout.
    """
    for name, path in (("--key-file", key_file), ("--crosswalk", crosswalk)):
        if path is not None and {out.resolve(), source.resolve()} & {path.resolve(), *path.resolve().parents}:
            raise UsageError(f"{name} {path} would lie with the data; keep it apart from both folders")
    key, new = load_key(key_file)
    if new:
        console.say(f"a new key → {key_file}: keep it, and keep it secret")
    outcome = deidentify_folder(source, out, Rules(key, keep_characteristics), overwrite=overwrite)
    if crosswalk is not None:
        write_crosswalk(crosswalk, outcome, overwrite=overwrite)
    if json:
        console.print_json(outcome.as_dict())
        return
    if outcome.left_out:
        console.print_table(("left out", "why"), outcome.left_out)
    files = ", ".join(f"{count} {kind}" for kind, count in sorted(outcome.written.items()))
    people = "1 patient" if len(outcome.patients) == 1 else f"{len(outcome.patients)} patients"
    console.say(f"{files} of {people} → {out}; {len(outcome.left_out)} files left out")
    console.say(f"verified: none of {outcome.identifiers} identifiers of the originals is in what was written")
    console.say(FACES)
