"""Results as a BIDS derivative data set."""

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qsmkit.arrays import AnyArray
from qsmkit.artifacts import ARTIFACTS, Artifact
from qsmkit.errors import InputError, OutputError
from qsmkit.io import bids_name
from qsmkit.io.atomic import replacing, write_text
from qsmkit.io.bids import RAW
from qsmkit.io.nifti import save_volume
from qsmkit.io.sidecar import as_json, read_sidecar, sidecar_path
from qsmkit.volume import Scan

BIDS_VERSION = "1.10.0"

_WITH_SKULL = ("phase", "magnitude", "swi", "clear_swi", "tswi", "smwi")
_BIDS_UNIT = {"a.u.": "arbitrary"}


NOT_BIDS = ("*_MEGRE.*", "*_fieldmap.*", "*_phase.*", "*_swi.*", "*_minIP.*", "*_R2primemap.*")
"""Results that have no name in BIDS yet, or one with other demands (units, folders); listed in `.bidsignore`."""


def write_description(out: Path | str, source: Path | str | None = None, *, ignored: Sequence[str] = ()) -> Path:
    """Make a folder a derivative data set: write its `dataset_description.json` and `.bidsignore`.

    Parameters
    ----------
    out : Path or str
        The folder; made if needed. One that qsmkit wrote before is kept.
    source : Path or str, optional
        Data set that the results are made from.
    ignored : sequence of str
        Patterns of more files that are not of BIDS.

    Returns
    -------
    Path
        The description.

    Raises
    ------
    OutputError
        The folder holds another data set, or cannot be written.
    """
    path = Path(out) / "dataset_description.json"
    content: dict[str, Any] = {
        "Name": "Quantitative susceptibility maps",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "qsmkit", "Version": version("qsmkit")}],
    }
    if source is not None:
        url = Path(source).resolve().as_uri()
        content |= {"SourceDatasets": [{"URL": url}], "DatasetLinks": {RAW: url}}
    if path.is_file():
        there = read_sidecar(path)
        makers = {m.get("Name") for m in there.get("GeneratedBy") or [] if isinstance(m, Mapping)}
        if "qsmkit" not in makers:
            raise OutputError(f"{path.parent} holds a data set not made by qsmkit; choose another folder")
        if there.get("DatasetType") != "derivative":
            raise OutputError(f"{path.parent} holds raw data, not results; choose another folder")
    write_text(path, as_json(content), overwrite=True)
    write_text(path.with_name(".bidsignore"), "".join(f"{p}\n" for p in (*NOT_BIDS, *ignored)), overwrite=True)
    return path


def scan_stem(scan: Scan) -> str:
    """Return the BIDS stem of a scan's results; a name not of BIDS becomes the participant's label."""
    name = bids_name.parse(f"{scan.name}_x")
    if name and "sub" in name.entities:
        return name.without("echo", "part").stem
    return f"sub-{re.sub(r'[^0-9A-Za-z]', '', scan.name) or 'scan'}"


def result_path(out: Path | str, scan: Scan, ending: str, extension: str = ".nii.gz") -> Path:
    """Return where a result belongs: `sub-01/[ses-1/]anat/<scan's entities>_<ending>`.

    Parameters
    ----------
    out : Path or str
        Folder of the derivative data set.
    scan : Scan
        The scan that it was made from.
    ending : str
        Entities of its own and suffix, e.g. `Chimap` or `desc-brain_mask`; entities are put in BIDS order.
    extension : str
        With its dot.
    """
    name = bids_name.parse(f"{scan_stem(scan)}_{ending}")
    if name is None:
        raise InputError(f"{ending!r} does not end a BIDS name; give entities and suffix: desc-brain_mask")
    folders = [f"{key}-{name.entities[key]}" for key in ("sub", "ses") if key in name.entities]
    return Path(out).joinpath(*folders, "anat", f"{name}{extension}")


def artifact_path(out: Path | str, scan: Scan, artifact: str) -> Path:
    """Return where an artifact of a scan is written; see `result_path`.

    Raises
    ------
    InputError
        The artifact is unknown, or not one that is written as an image.
    """
    row = ARTIFACTS.get(artifact)
    if row is None or not row.bids:
        images = ", ".join(a.name for a in ARTIFACTS.values() if a.bids)
        raise InputError(f"{artifact!r} is not written as an image; those that are: {images}")
    return result_path(out, scan, row.bids)


def write_artifact(
    out: Path | str,
    scan: Scan,
    artifact: str,
    data: AnyArray,
    *,
    metadata: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write an artifact with its sidecar; both appear, or neither.

    Parameters
    ----------
    out : Path or str
        Folder of the derivative data set.
    scan : Scan
        The scan that it was made from, on whose grid it lies.
    artifact : str
        Its name in the artifact table, which gives file name and unit.
    data : (X, Y, Z) or (X, Y, Z, E) array
        Values in the artifact's unit.
    metadata : mapping, optional
        More keys for the sidecar.
    overwrite : bool
        Whether files that are there already may be replaced.

    Returns
    -------
    Path
        The image.

    Raises
    ------
    InputError
        The artifact is unknown, or not one that is written as an image.
    OutputError
        A file is there already, or the folder cannot be written.
    """
    path = artifact_path(out, scan, artifact)
    content = {**_describe(ARTIFACTS[artifact], scan), **(metadata or {})}
    with replacing(sidecar_path(path), overwrite=overwrite) as scratch:
        scratch.write_text(as_json(content), encoding="utf-8")
        save_volume(path, data, scan.grid, overwrite=overwrite)
    return path


def _describe(row: Artifact, scan: Scan) -> dict[str, Any]:
    about: dict[str, Any] = {"Description": row.meaning, "Sources": list(scan.sources)}
    if row.kind == "mask":
        about["Type"] = "ROI" if row.name == "reference_mask" else "Brain"
    else:
        about |= {"Units": _BIDS_UNIT.get(row.unit, row.unit), "SkullStripped": row.name not in _WITH_SKULL}
    if row.kind == "series":
        about["EchoTime"] = scan.echo_times
    return about | {"MagneticFieldStrength": scan.field_strength}
