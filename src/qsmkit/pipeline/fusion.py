"""A fusion on disk, bound to the images that it was made from."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qsmkit.clinical.registration.gates import Gate
from qsmkit.clinical.target.fuse import Fusion, Shift
from qsmkit.errors import InputError, MetadataError
from qsmkit.io.atomic import write_text
from qsmkit.io.sidecar import as_json, read_sidecar
from qsmkit.measure import Measure
from qsmkit.pipeline.provenance import file_hash
from qsmkit.transform import Transform


def fusion_record(found: Fusion, inputs: Mapping[str, Path]) -> dict[str, Any]:
    """Return a fusion as plain values for JSON, with its inputs' paths and hashes."""
    shift = None if found.shift is None else {k: m.as_dict() for k, m in _measures(found.shift).items()}
    return {
        "matrix": found.transform.matrix.tolist(),
        "convention": "maps RAS+ mm of the MR to RAS+ mm of the CT, in the deep brain: its inverse carries contacts",
        "skull_matrix": found.skull.matrix.tolist(),
        "skull_convention": "the same of the whole head: its inverse carries entries, burr holes and a frame",
        "verdict": found.verdict,
        "gates": [asdict(gate) for gate in found.gates],
        "pneumocephalus": {side: m.as_dict() for side, m in found.pneumocephalus.items()},
        "shift": shift,
        "inputs": {name: {"path": str(path), "sha256": file_hash(path)} for name, path in inputs.items()},
    }


def write_fusion(path: Path, found: Fusion, inputs: Mapping[str, Path], *, overwrite: bool = False) -> None:
    """Write a fusion as JSON; `read_transform` reads it, too.

    Parameters
    ----------
    path : Path
        The file.
    found : Fusion
        The fusion.
    inputs : mapping of str to Path
        The images, by what they are: `ct`, `mr`, `before`.
    overwrite : bool
        Whether a file that is there already may be replaced.

    Raises
    ------
    OutputError
        The file is there already, or cannot be written.
    """
    write_text(path, as_json(fusion_record(found, inputs)), overwrite=overwrite)


def read_fusion(path: Path) -> Fusion:
    """Read a fusion, and check that the images that it was made from have not changed.

    Parameters
    ----------
    path : Path
        What `write_fusion` wrote. Its images' paths count from the working folder, as when it was written.

    Raises
    ------
    MetadataError
        The file is no fusion.
    InputError
        It is stale: an image has changed, or is gone.
    """
    content = read_sidecar(path)
    for name, one in content.get("inputs", {}).items():
        image = Path(one["path"])
        if not image.is_file():
            raise InputError(f"fusion is stale: its {name} image {image} is not there; fuse again")
        if file_hash(image) != one["sha256"]:
            raise InputError(f"fusion is stale: its {name} image {image} has changed since; fuse again")
    try:
        shift = content["shift"] and Shift(**{k: _measure(m) for k, m in content["shift"].items()})
        return Fusion(
            Transform(content["matrix"]), Transform(content["skull_matrix"]),
            tuple(Gate(**{**g, "value": _number(g["value"])}) for g in content["gates"]),
            {side: _measure(m) for side, m in content["pneumocephalus"].items()}, shift,
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise MetadataError(f"{path} is no fusion ({error}); make one with qsmkit target fuse") from error


def _measures(shift: Shift) -> dict[str, Measure]:
    return {name: getattr(shift, name) for name in Shift.__dataclass_fields__}


def _measure(values: dict[str, Any]) -> Measure:
    return Measure(**{**values, **{k: _number(values[k]) for k in ("value", "low", "high")}})


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
