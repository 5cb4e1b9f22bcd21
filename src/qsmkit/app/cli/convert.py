"""`qsmkit convert`: scanner files become a BIDS dataset."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from qsmkit.app import console
from qsmkit.io.dicom_in.convert import convert as convert_folder


def convert(
    dicom_dir: Path,
    bids_dir: Path,
    /,
    *,
    participant_label: str | None = None,
    session_label: str | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    overwrite: bool = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Convert a folder of DICOM to a BIDS dataset, and say what became of every series.

    Gradient echoes (magnitude, phase, real and imaginary parts, single coils), T1w, T2w, FLAIR, SWI, CT and field maps
    are recognised by how they were acquired. dcm2niix converts; every voxel is then read a second time and compared.
    Running it again adds what is new and leaves what is there.

    Parameters
    ----------
    dicom_dir
        Folder with DICOM files, classic or multi-frame, in any order; archives in it are unpacked aside.
    bids_dir
        Folder of the dataset; made if needed.
    participant_label
        Label of the patient; numbered if omitted. A patient whose earlier scans are in the dataset is recognised only
        if the folder holds one of those again.
    session_label
        Label of the study; studies are numbered if a patient has several.
    dry_run
        Say what would be done, and write nothing.
    overwrite
        Convert again what is there already.
    json
        Print the table as JSON on stdout.
    """
    rows = convert_folder(
        dicom_dir, bids_dir, participant=participant_label, session=session_label, dry_run=dry_run, overwrite=overwrite,
        progress=lambda name: console.say(f"converting {name}"),
    )  # fmt: skip
    if json:
        console.print_json([r.as_dict() for r in rows])
    else:
        cells = [
            (
                str(r.series or ""), r.description, r.shows, f"{r.volumes} × {r.slices}" if r.volumes else "",
                " ".join(f"{t:g}" for t in r.echo_times), r.outcome, "\n".join((*r.files, *filter(None, [r.reason]))),
            )
            for r in rows
        ]  # fmt: skip
        console.print_table(("series", "description", "shows", "volumes", "TE ms", "outcome", "files, reason"), cells)
    useful = {"converted", "planned", "there already"}
    if not useful & {r.outcome for r in rows}:
        console.say("qsmkit: nothing could be converted; the table says why")
        return 1
    return 0
