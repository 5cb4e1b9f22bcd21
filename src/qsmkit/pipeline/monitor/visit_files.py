"""A visit as `qsmkit recon` left it: its map, how that was made, and on what scanner."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from qsmkit.errors import InputError
from qsmkit.io import bids_name
from qsmkit.io.bids import RAW
from qsmkit.io.sidecar import read_inherited, read_sidecar, sidecar_path
from qsmkit.io.tables import read_table

PROTOCOL = (
    "MagneticFieldStrength", "EchoTime", "RepetitionTime", "FlipAngle", "MRAcquisitionType", "SequenceName",
    "ParallelReductionFactorInPlane", "PartialFourier", "ReceiveCoilName",
)  # fmt: skip
"""Keys of the raw sidecars that make up a protocol."""

LABELS = "desc-lesions_dseg"
"""End of the name of a visit's label image."""


@dataclass(frozen=True)
class VisitFiles:
    """Files and facts of a visit.

    Attributes
    ----------
    data : Path
        The derivative data set.
    chi : Path
        Map of susceptibility.
    repeats, sigma : Path or None
        Deviations in repeats with new noise, or the map of σ, where they were made.
    magnitude : Path or None
        First echo of the raw scan, for registration; on the map's grid.
    day : date or None
        Of the scan, by the raw data set.
    scanner : dict
        Columns of the registry's scanner; empty if nothing is known.
    protocol : str
        Digest of the protocol; empty if nothing is known.
    recipe, version : str
        Of the pipeline; empty if there is no record.
    parameters : dict
        Steps with their revisions and settings.
    reference : str
        Method that referenced the map.
    reference_spread : float
        SD of the reference region's voxels, ppm; NaN if not known.
    """

    data: Path
    chi: Path
    repeats: Path | None
    sigma: Path | None
    magnitude: Path | None
    day: date | None
    scanner: dict[str, Any]
    protocol: str
    recipe: str
    version: str
    parameters: dict[str, Any]
    reference: str
    reference_spread: float

    @property
    def labels(self) -> Path:
        """Where the visit's label image is kept."""
        return self.chi.with_name(self.chi.name.replace("_Chimap", f"_{LABELS}"))

    def inside(self, path: Path) -> str:
        """Return a path relative to the data set."""
        return path.resolve().relative_to(self.data.resolve()).as_posix()


def find_visit(data: Path, patient: str, visit: str, chi: Path | None = None) -> VisitFiles:
    """Find a visit in a derivative data set.

    Parameters
    ----------
    data : Path
        Folder that `qsmkit recon` wrote.
    patient, visit : str
        Labels of participant and session, without "sub-" and "ses-".
    chi : Path, optional
        The map, where there are several.

    Raises
    ------
    InputError
        There is no map, or more than one.
    """
    if chi is None:
        folder = data / f"sub-{patient}" / f"ses-{visit}" / "anat"
        maps = [p for p in sorted(folder.glob(f"sub-{patient}_ses-{visit}*_Chimap.nii*")) if "_desc-" not in p.name]
        if len(maps) != 1:
            told = f"{len(maps)} maps ({', '.join(p.name for p in maps)})" if maps else "no map"
            raise InputError(f"{folder} holds {told} of {patient} at {visit}; reconstruct the visit, or name the map "
                             "(--chi)")  # fmt: skip
        chi = maps[0]
    about = read_sidecar(sidecar_path(chi)) if sidecar_path(chi).is_file() else {}
    name = bids_name.parse(chi.name.split(".")[0])
    stem = name.stem if name else chi.name.split("_Chimap")[0]
    record_path = data / f"{stem}_record.json"
    record = read_sidecar(record_path) if record_path.is_file() else {}
    raw = _raw(data)
    magnitude = _magnitude(about, raw)
    sidecar = read_inherited(magnitude, raw) if magnitude else {}
    spread = about.get("Reference") or {}
    low, high = spread.get("low"), spread.get("high")
    return VisitFiles(
        data=data, chi=chi, repeats=_beside(chi, "_desc-repeats_Chimap"), sigma=_beside(chi, "_desc-sd_Chimap"),
        magnitude=magnitude, day=_day(raw, patient, visit), scanner=_scanner(sidecar),
        protocol=_digest({**{k: sidecar[k] for k in PROTOCOL if k in sidecar}, **_geometry(record)}),
        recipe=str((record.get("Recipe") or {}).get("name", "")),
        version=str((record.get("Software") or {}).get("qsmkit", "")),
        parameters={"steps": [[s["Method"], s["Revision"], s["Settings"]] for s in record.get("Steps", [])]},
        reference=str(about.get("Method", "")),
        reference_spread=(high - low) / 2 if low is not None and high is not None else float("nan"),
    )  # fmt: skip


def _raw(data: Path) -> Path | None:
    path = data / "dataset_description.json"
    url = (read_sidecar(path).get("DatasetLinks") or {}).get(RAW) if path.is_file() else None
    if not url:
        return None
    found = Path(unquote(urlparse(url).path))
    return found if found.is_dir() else None


def _magnitude(about: Mapping[str, Any], raw: Path | None) -> Path | None:
    if raw is None:
        return None
    names = [str(s).removeprefix(f"bids:{RAW}:") for s in about.get("Sources") or []]
    return next((raw / n for n in sorted(names) if "part-mag" in n and (raw / n).is_file()), None)


def _day(raw: Path | None, patient: str, visit: str) -> date | None:
    path = None if raw is None else raw / f"sub-{patient}" / f"sub-{patient}_sessions.tsv"
    if path is None or not path.is_file():
        return None
    table = read_table(path)
    if "acq_time" not in table.columns:
        return None
    days = dict(zip(table.text("session_id"), table.text("acq_time"), strict=True))
    told = days.get(f"ses-{visit}", "")
    try:
        return date.fromisoformat(told[:10]) if told else None
    except ValueError:
        raise InputError(
            f"{path}: acq_time {told!r} of ses-{visit} is no date; write it as 2024-05-17T09:00:00"
        ) from None


def _scanner(sidecar: Mapping[str, Any]) -> dict[str, Any]:
    keys = {"vendor": "Manufacturer", "model": "ManufacturersModelName", "software": "SoftwareVersions"}
    found: dict[str, Any] = {name: str(sidecar[key]) for name, key in keys.items() if sidecar.get(key)}
    if not found:
        return {}
    serial = sidecar.get("DeviceSerialNumber") or sidecar.get("StationName")
    if serial:
        found["serial_hash"] = hashlib.sha256(str(serial).encode()).hexdigest()
    if sidecar.get("MagneticFieldStrength"):
        found["field_strength"] = round(float(sidecar["MagneticFieldStrength"]), 2)
    words = [found.get("vendor", ""), found.get("model", ""), found.get("serial_hash", "")[:6]]
    found["id"] = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(w for w in words if w)).strip("-")
    return found


def _geometry(record: Mapping[str, Any]) -> dict[str, Any]:
    scan = record.get("Scan") or {}
    return {
        "voxel": [round(v, 3) for v in scan.get("voxel_size_mm", [])],
        "echo_times": [round(t, 5) for t in scan.get("echo_times_s", [])],
    } if scan else {}  # fmt: skip


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16] if content else ""


def pipeline_of(recipe: str, version: str, parameters: Mapping[str, Any] | None) -> str:
    """Return in one word how a map was made: recipe, version, and a digest of all settings; empty if not known."""
    return f"{recipe} {version} {_digest(dict(parameters or {}))[:8]}" if recipe else ""


def _beside(chi: Path, ending: str) -> Path | None:
    path = chi.with_name(chi.name.replace("_Chimap", ending))
    return path if path.is_file() else None
