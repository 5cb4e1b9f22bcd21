"""What an image shows, by its name and sidecar: impostors are not reconstructed as phase or magnitude."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qsmkit.errors import InputError
from qsmkit.io import bids_name

_PHASE = {"P", "PHASE", "PHASE MAP"}
_MAGNITUDE = {"M", "MAGNITUDE"}
_COMPLEX = {"R", "REAL", "I", "IMAGINARY"}
_FIELD_MAP = {"B0", "B0 MAP", "FIELD_MAP", "FIELDMAP"}
_FILTERED = {"FIL", "FILTERED", "HOMODYNE", "SWI"}


def require_phase(path: Path, metadata: Mapping[str, Any]) -> None:
    """Raise InputError if name or sidecar say that an image is not the wrapped phase of one echo."""
    kind = _image_type(metadata)
    suffix = bids_name.stem(path.name).split("_")[-1].lower()
    guess = str(metadata.get("BidsGuess", "")).lower()
    if _unit(metadata) == "hz" or suffix.startswith("fieldmap") or kind & _FIELD_MAP:
        raise InputError(
            f"{path} is a field map in Hz, not phase; give the phase of each echo, "
            "or convert it to ppm and give it as the total field"
        )
    if suffix == "phasediff" or "phasediff" in guess or {"EchoTime1", "EchoTime2"} <= metadata.keys():
        raise InputError(
            f"{path} is the phase difference of two echoes, not the phase of one; "
            "export the phase of each echo"
        )
    if kind & _FILTERED:
        named = ", ".join(sorted(kind & _FILTERED))
        raise InputError(
            f"{path} is filtered phase (ImageType {named}), which has lost the field; "
            "export the unfiltered phase"
        )
    if kind & (_MAGNITUDE | _COMPLEX) and not kind & _PHASE:
        named = ", ".join(sorted(kind & (_MAGNITUDE | _COMPLEX)))
        raise InputError(f"{path} is not phase (ImageType {named}); give the phase image in its place")


def require_magnitude(path: Path, metadata: Mapping[str, Any]) -> None:
    """Raise InputError if the sidecar says that an image is not a magnitude."""
    kind = _image_type(metadata)
    if kind & (_PHASE | _COMPLEX) and not kind & _MAGNITUDE:
        named = ", ".join(sorted(kind & (_PHASE | _COMPLEX)))
        raise InputError(f"{path} is not magnitude (ImageType {named}); give the magnitude in its place")


def _image_type(metadata: Mapping[str, Any]) -> set[str]:
    value = metadata.get("ImageType", ())
    return {str(v).strip().upper() for v in (value.split("\\") if isinstance(value, str) else value)}


def _unit(metadata: Mapping[str, Any]) -> str:
    return str(metadata.get("Units", "")).strip().lower()
