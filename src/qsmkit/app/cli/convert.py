"""`qsmkit convert`: scanner files become a BIDS dataset."""

import re
from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.io.dicom_in.convert import convert as convert_folder
from qsmkit.io.dicom_in.report import Row


def convert(
    dicom_dir: Path,
    bids_dir: Path,
    /,
    *,
    participant_label: str | None = None,
    session_label: str | None = None,
    dry_run: Flag = False,
    overwrite: bool = False,
    json: Flag = False,
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
        Label of the visit; visits (days) are numbered if a patient has several.
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
        columns = ("series", "description", "shows", "volumes", "TE ms", "outcome", "files, reason")
        console.print_table(columns, [_cells(r) for r in rows])
    useful = {"converted", "planned", "there already"}
    if not useful & {r.outcome for r in rows}:
        console.say("qsmkit: nothing could be converted; the table says why")
        return 1
    return 0


def _cells(row: Row) -> tuple[str, ...]:
    """Return a row of the table, files named with a star for echoes and coils."""
    files = dict.fromkeys(re.sub(r"(echo-|rec-coil)\d+", r"\1*", name) for name in row.files)
    size = f"{row.volumes} × {row.slices}" if row.slices else ""
    times = " ".join(f"{t:g}" for t in row.echo_times)
    told = "\n".join((*files, row.reason) if row.reason else files)
    return str(row.series or ""), row.description, row.shows, size, times, row.outcome, told
