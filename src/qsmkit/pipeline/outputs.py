"""Results of a reconstruction on disk: BIDS derivatives, and a record that is written last.

A scan is complete when its record is there. The record holds the keys of all steps, so that the same command run again
finds its work done, and results of other settings are not replaced unasked.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qsmkit.errors import OutputError
from qsmkit.io.atomic import write_text
from qsmkit.io.derivatives import artifact_path, scan_stem, write_artifact, write_description
from qsmkit.io.sidecar import as_json, read_sidecar, sidecar_path
from qsmkit.pipeline.provenance import provenance
from qsmkit.pipeline.run import Result
from qsmkit.volume import Scan

WRITTEN = (
    "chi", "r2star", "t2star", "total_field", "field_sd", "fit_residual", "local_field", "phase_quality",
    "phase_offset", "reference_mask", "r2prime", "chi_para", "chi_dia", "swi", "clear_swi", "tswi",
    "smwi", "minip",
    "sigma_chi", "chi_deviations",
)  # fmt: skip
"""Artifacts that are written if a reconstruction made them; the two masks come on top."""

CACHE = ".qsmkit-cache"
"""Folder, inside the derivative data set, for results of steps."""

_NOT_BIDS = ("*_report.html", "*_record.json", f"{CACHE}/")


class Outputs:
    """The derivative data set in which results of scans are kept.

    Parameters
    ----------
    out : Path
        Its folder, made by the first write.
    source : Path, optional
        BIDS data set that the scans come from.
    overwrite : bool
        Whether results of other settings may be replaced.
    """

    def __init__(self, out: Path, source: Path | None = None, *, overwrite: bool = False) -> None:
        self.out = out
        self.source = source
        self.overwrite = overwrite

    def prepare(self) -> None:
        """Make the folder and its description, before any work is done.

        Raises
        ------
        OutputError
            The folder holds something else, or cannot be written.
        """
        write_description(self.out, self.source, ignored=_NOT_BIDS)

    def report_path(self, scan: Scan) -> Path:
        """Return where a scan's report is written."""
        return self.out / f"{scan_stem(scan)}_report.html"

    def record_path(self, scan: Scan) -> Path:
        """Return where a scan's record is written."""
        return self.out / f"{scan_stem(scan)}_record.json"

    def record(self, scan: Scan) -> dict[str, Any] | None:
        """Return the record of a scan's last complete reconstruction, or None if there is none."""
        path = self.record_path(scan)
        return read_sidecar(path) if path.is_file() else None

    def holds(self, scan: Scan, keys: Sequence[str]) -> bool:
        """Return whether the results of just these steps are there, with their report.

        Raises
        ------
        OutputError
            There are results of other settings, and they may not be replaced.
        """
        record = self.record(scan)
        if record is None:
            return False
        if record.get("Signature") == signature(keys):
            return not self.overwrite and self.report_path(scan).is_file()
        if not self.overwrite:
            raise OutputError(
                f"{self.out} holds results of {scan.name} made with other settings or another version; "
                "choose another folder, or pass --overwrite"
            )
        return False

    def write(self, result: Result) -> list[Path]:
        """Write all images of a reconstruction with their sidecars, and return the images' paths.

        Images of this scan that an earlier reconstruction made and this one does not are taken away.
        """
        self.record_path(result.scan).unlink(missing_ok=True)
        steps = {name: step for step in result.steps for name in step.outputs}
        arrays = {name: result.artifacts[name] for name in WRITTEN if name in result.artifacts and name in steps}
        if result.uncertainty:
            arrays |= {"sigma_chi": result.artifacts["sigma_chi"], "chi_deviations": result.uncertainty.volume()}
        arrays |= {"brain_mask": result.brain_mask}
        arrays |= {"mask": result.artifacts["mask"]} if "mask" in result.artifacts else {}
        for name in {*WRITTEN, "mask"} - set(arrays):
            path = artifact_path(self.out, result.scan, name)
            path.unlink(missing_ok=True)
            sidecar_path(path).unlink(missing_ok=True)
        paths = []
        for name, array in arrays.items():
            more: dict[str, Any] = {}
            if name in steps:
                more = {"Method": steps[name].method, "Settings": steps[name].settings}
            if name in ("sigma_chi", "chi_deviations") and result.uncertainty:
                more = result.uncertainty.as_dict()
            if name == "chi" and result.reference:
                more["Reference"] = result.reference.as_dict()
            paths.append(write_artifact(self.out, result.scan, name, array, metadata=more, overwrite=True))
        return paths

    def finish(self, result: Result, keys: Sequence[str], summary: dict[str, Any]) -> Path:
        """Write the record, by which the scan counts as complete."""
        path = self.record_path(result.scan)
        content = {"Signature": signature(keys), "Quality": summary, **provenance(result, self.source)}
        write_text(path, as_json(content), overwrite=True)
        return path


def signature(keys: Sequence[str]) -> str:
    """Return one hash for the keys of all steps."""
    return hashlib.blake2b(json.dumps(list(keys)).encode(), digest_size=16).hexdigest()


def save(result: Result, out: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Write a reconstruction as BIDS derivatives: images, sidecars and the record of how they were made.

    Parameters
    ----------
    result : Result
        From `qsmkit.reconstruct`.
    out : path
        Folder of the derivative data set; made if needed.
    overwrite : bool
        Whether results that are there for this scan may be replaced.

    Returns
    -------
    list of Path
        The images.

    Raises
    ------
    OutputError
        Results are there already, or the folder cannot be written.
    """
    outputs = Outputs(Path(out), overwrite=overwrite)
    outputs.prepare()
    if outputs.record(result.scan) and not overwrite:
        raise OutputError(f"{out} holds results of {result.scan.name}; choose another folder, or pass overwrite=True")
    paths = outputs.write(result)
    outputs.finish(result, result.keys, {})
    return paths
