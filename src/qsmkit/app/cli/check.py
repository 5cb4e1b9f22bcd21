"""`qsmkit check`: the consensus' list of what an acquisition should be, for every scan of a dataset."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.io import bids
from qsmkit.io.bids_filter import read_filter
from qsmkit.pipeline.acquisition import check_acquisition
from qsmkit.reports.acquisition import write_acquisition

_Labels = Annotated[list[str] | None, Parameter(consume_multiple=True)]


def check(
    bids_dir: Path,
    /,
    *,
    participant_label: _Labels = None,
    session_label: _Labels = None,
    bids_filter_file: Path | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    json: Flag = False,
) -> int:
    """Hold the acquisition of every scan against the consensus: PASS, WARN or FAIL, item by item.

    Exit status 1 if a scan fails.

    Parameters
    ----------
    bids_dir
        Folder of the BIDS dataset.
    participant_label
        Participants to check; all if omitted.
    session_label
        Sessions to check; all if omitted.
    bids_filter_file
        JSON file with the entities that scans must have, as for recon.
    out
        Folder for acquisition.html and acquisition.json; none is written if omitted.
    overwrite
        Replace a report that is there already.
    json
        Print the result as JSON on stdout.
    """
    found = bids.find_scans(
        bids_dir,
        participants=participant_label,
        sessions=session_label,
        only=read_filter(bids_filter_file) if bids_filter_file else None,
    )
    checked = [check_acquisition(files) for files in found]
    if json:
        console.print_json([a.as_dict() for a in checked])
    else:
        for one in checked:
            console.print_table(("item", "outcome", "found", "advice"), one.items, f"{one.scan}: {one.outcome}")
    if out is not None:
        console.say(f"written: {write_acquisition(checked, out, source=bids_dir, overwrite=overwrite)}")
    return 1 if any(a.outcome == "FAIL" for a in checked) else 0
