"""What was done, with what, to which files: enough to do it again and to be believed."""

import hashlib
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qsmkit.compiled import thread_count
from qsmkit.io.bids import RAW
from qsmkit.pipeline.run import Result
from qsmkit.volume import Scan

_LIBRARIES = ("numpy", "scipy", "numba", "nibabel")


def software() -> dict[str, str]:
    """Return versions of qsmkit, Python and the libraries that make the numbers."""
    return {"qsmkit": version("qsmkit"), "python": platform.python_version()} | {
        name: version(name) for name in _LIBRARIES
    }


def file_hash(path: str | Path) -> str:
    """Return the SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_files(scan: Scan, source: Path | None = None) -> list[Path]:
    """Return the files that a scan was read from; `source` is the data set that its BIDS URIs point into."""
    names = [s.removeprefix(f"bids:{RAW}:") for s in scan.sources]
    paths = [(source or Path()) / name for name in names]
    return [p for p in paths if p.is_file()]


def provenance(result: Result, source: Path | None = None) -> dict[str, Any]:
    """Return the whole record of a reconstruction as plain values for JSON."""
    scan = result.scan
    return {
        "Recipe": result.plan.recipe.model_dump(exclude_defaults=True),
        "Software": software(),
        "Machine": {"system": platform.system(), "processor": platform.machine(), "threads": thread_count()},
        "Finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "Inputs": [{"path": p.name, "sha256": file_hash(p)} for p in source_files(scan, source)],
        "Scan": {
            "shape": list(scan.grid.shape),
            "voxel_size_mm": list(scan.grid.voxel_size),
            "b0_direction_voxel_axes": scan.grid.b0_direction.tolist(),
            "echo_times_s": scan.echo_times.tolist(),
            "field_strength_T": scan.field_strength,
            "invalid_voxels": 0 if scan.valid is None else int(scan.valid.size - scan.valid.sum()),
        },
        "Steps": [
            {
                "Method": s.method,
                "Stage": s.stage,
                "Revision": s.rev,
                "Settings": s.settings,
                "Inputs": s.inputs,
                "Outputs": s.outputs,
                "Seconds": round(s.seconds, 3),
                "FromCache": s.cached,
                "Messages": s.messages,
                "Warnings": s.warnings,
            }
            for s in result.steps
        ],
        "Skipped": [{"Method": name, "Reason": reason} for name, reason in result.plan.skipped],
        "Reference": result.reference.as_dict() if result.reference else None,
        "Uncertainty": result.uncertainty.as_dict() if result.uncertainty else None,
    }
