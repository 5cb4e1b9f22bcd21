"""The images that a measurement becomes: converted, checked by the second reader, repaired."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.uid import DeflatedExplicitVRLittleEndian

from qsmkit.arrays import FloatArray
from qsmkit.io import nifti
from qsmkit.io.dicom_in import converter, witness
from qsmkit.io.dicom_in.converter import Converted
from qsmkit.io.dicom_in.kind import Kind
from qsmkit.io.dicom_in.measurement import Measurement
from qsmkit.io.dicom_in.repair import repair_ge, to_magnitude_and_phase
from qsmkit.io.dicom_in.role import Role
from qsmkit.io.dicom_in.stack import Stack
from qsmkit.io.nifti import save_volume
from qsmkit.io.phase_scale import to_radians

NOT_TOLD = (
    "StudyDescription", "ProcedureStepDescription", "InstitutionName", "InstitutionAddress",
    "InstitutionalDepartmentName", "StationName", "DeviceSerialNumber", "BidsGuess", "RawImage", "PatientSize",
    "PatientWeight", "PatientSex", "PatientAge", "AccessionNumber", "ConsistencyInfo",
)  # fmt: skip
"""Keys of the converter's sidecars that tell of patient and place, or guess."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a data set.

    Attributes
    ----------
    ending : str
        Entities of its own and suffix, e.g. `echo-1_part-phase_MEGRE`.
    sources : tuple of Stack
        The volumes that it is made of.
    """

    ending: str
    sources: tuple[Stack, ...]


def images_of(measurement: Measurement) -> list[Image]:
    """Return which images a measurement becomes, without converting any."""
    role = measurement.role
    if role == Role.FIELD:
        return _of_field_map(measurement)
    if role != Role.GRE:
        suffix = {Role.SWI: "swi", Role.CT: "ct"}.get(role, role.value)
        return [Image(suffix, (stack,)) for stack in measurement.stacks]
    echoes, coils = measurement.echo_times, measurement.coils
    made = []
    for parts, name in (
        ((Kind.MAGNITUDE,), "mag"), ((Kind.PHASE,), "phase"),
        ((Kind.REAL, Kind.IMAGINARY), "mag"), ((Kind.REAL, Kind.IMAGINARY), "phase"),
    ):  # fmt: skip
        chosen = [measurement.of(kind) for kind in parts]
        for sources in zip(*chosen, strict=True):
            frame = sources[0].first
            coil = f"rec-coil{coils.index(frame.coil) + 1}_" if coils else ""
            echo = f"echo-{echoes.index(round(frame.echo_time, 2)) + 1}_" if len(echoes) > 1 else ""
            suffix = "MEGRE" if len(echoes) > 1 else "T2starw"
            made.append(Image(f"{coil}{echo}part-{name}_{suffix}", sources))
    return made


def _of_field_map(measurement: Measurement) -> list[Image]:
    magnitudes = measurement.of(Kind.MAGNITUDE)
    if measurement.difference:
        made = [Image("phasediff", (s,)) for s in measurement.of(Kind.PHASE)]
        return made + [Image(f"magnitude{n}", (s,)) for n, s in enumerate(magnitudes[:2], 1)]
    made = [Image("fieldmap", (s,)) for s in measurement.of(Kind.FIELD_HZ)]
    return made + [Image("magnitude", (s,)) for s in magnitudes[:1]]


def make(measurement: Measurement, into: Path, tell: Callable[[str], None]) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Convert the volumes of a measurement and return image and sidecar by ending.

    Parameters
    ----------
    measurement : Measurement
        Not refused.
    into : Path
        A folder that may be filled.
    tell : callable
        Called with what was repaired, or could not be checked.

    Raises
    ------
    InputError
        A volume cannot be converted, or the converter's image is not what the headers say.
    """
    converted = _Conversions(into, tell)
    plan = images_of(measurement)
    made = {}
    if any(len(image.sources) > 1 for image in plan) or _counts_backwards(measurement):
        made = _repaired(measurement, plan, converted, into, tell)
    for image in plan:
        if image.ending not in made:
            one = converted[image.sources[0]]
            made[image.ending] = (one.image, _told(one.sidecar, image.sources[0], image.ending))
    if measurement.difference:
        _, sidecar = made["phasediff"]
        times = [t / 1000 for t in measurement.echo_times]
        sidecar.setdefault("EchoTime1", times[0])
        sidecar.setdefault("EchoTime2", times[-1])
    return made


class _Conversions:
    """The converter's image of each volume; files that hold several are converted once."""

    def __init__(self, into: Path, tell: Callable[[str], None]) -> None:
        self._into, self._tell = into, tell
        self._runs: dict[tuple[Path, ...], list[Converted]] = {}
        self._found: dict[Stack, Converted] = {}

    def __getitem__(self, stack: Stack) -> Converted:
        if stack not in self._found:
            self._found[stack] = self._convert(stack)
        return self._found[stack]

    def _convert(self, stack: Stack) -> Converted:
        files = tuple(dict.fromkeys(f.path for f in stack.frames))
        if files not in self._runs:
            deflated = stack.first.pixels.syntax == DeflatedExplicitVRLittleEndian
            self._runs[files] = converter.run(files, self._into, deflated=deflated)
        found = witness.find(stack, self._runs[files])
        if not found.checked:
            self._tell("compressed pixels were decoded by the converter alone")
        return found.converted


def _counts_backwards(measurement: Measurement) -> bool:
    maker = measurement.first.first.protocol.manufacturer.upper()
    return measurement.role == Role.GRE and maker.startswith("GE") and bool(measurement.of(Kind.PHASE, Kind.REAL))


def _repaired(
    measurement: Measurement, plan: Sequence[Image], converted: _Conversions, into: Path, tell: Callable[[str], None]
) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Return magnitude and phase made of real and imaginary parts, GE's alternation and sense of phase undone."""
    made: dict[str, tuple[Path, dict[str, Any]]] = {}
    coils: Sequence[str | None] = measurement.coils or [None]
    for coil in coils:
        images = [i for i in plan if "part-phase" in i.ending and coil in (None, i.sources[0].first.coil)]
        ones = [converted[i.sources[0]] for i in images]
        magnitudes, phases = _polar(images, measurement, converted)
        notes: tuple[str, ...] = ()
        if _counts_backwards(measurement):
            phases, notes = repair_ge(phases, magnitudes[0], _slice_axis(images[0].sources[0], ones[0]))
        for note in notes:
            tell(note)
        said = {"PhaseNegated": bool(notes), "Repairs": list(notes)}
        for image, one, magnitude, phase in zip(images, ones, magnitudes, phases, strict=True):
            keys = {"Units": "rad", "ImageType": ["DERIVED", "PRIMARY", "P", "PHASE"], **said}
            made[image.ending] = _saved(phase, one, image, image.ending, keys, into)
            if len(image.sources) > 1:
                keys = {"Units": "arbitrary", "ImageType": ["DERIVED", "PRIMARY", "M", "MAGNITUDE"]}
                ending = image.ending.replace("part-phase", "part-mag")
                made[ending] = _saved(magnitude, one, image, ending, keys, into)
    return made


def _saved(
    values: FloatArray, one: Converted, image: Image, ending: str, keys: dict[str, Any], into: Path
) -> tuple[Path, dict[str, Any]]:
    path = into / f"repaired_{ending}.nii"
    save_volume(path, values, nifti.read(one.image).grid)
    return path, _told(one.sidecar, image.sources[0], ending) | keys


def _polar(
    images: Sequence[Image], measurement: Measurement, converted: _Conversions
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Return magnitude and phase (rad) of each echo, made of real and imaginary parts, or as the scanner made them."""
    if len(images[0].sources) > 1:
        pairs = [to_magnitude_and_phase(*(_values(converted[s]) for s in i.sources)) for i in images]
        return [m for m, _ in pairs], [p for _, p in pairs]
    stored = np.stack([_values(converted[i.sources[0]]) for i in images], axis=-1)
    phases, _ = to_radians(stored, metadata=converted[images[0].sources[0]].sidecar, name=images[0].ending)
    beside = {(round(s.first.echo_time, 2), s.first.coil): s for s in measurement.of(Kind.MAGNITUDE)}
    frames = [i.sources[0].first for i in images]
    found = [beside.get((round(f.echo_time, 2), f.coil)) for f in frames]
    magnitudes = [np.ones_like(stored[..., 0]) if s is None else _values(converted[s]) for s in found]
    return magnitudes, [phases[..., e] for e in range(phases.shape[3])]


def _values(converted: Converted) -> FloatArray:
    image = nifti.read(converted.image)
    out: FloatArray = np.empty(image.raw.shape, np.float32)
    image.scale_into(out)
    return out


def _slice_axis(stack: Stack, converted: Converted) -> int:
    image = nifti.read(converted.image)
    order = witness.voxel_order(stack.affine, stack.shape, image.grid.affine, image.grid.shape)
    assert order is not None
    return order[0].index(2)


def _told(sidecar: Mapping[str, Any], stack: Stack, ending: str) -> dict[str, Any]:
    """Return the converter's sidecar without what it must not tell, completed from the headers."""
    told = {k: v for k, v in sidecar.items() if k not in NOT_TOLD}
    frame, protocol = stack.first, stack.first.protocol
    known = {
        "Manufacturer": protocol.manufacturer,
        "EchoTime": frame.echo_time / 1000,
        "RepetitionTime": protocol.repetition_time / 1000,
        "FlipAngle": protocol.flip_angle,
        "ImagingFrequency": protocol.frequency,
        "MagneticFieldStrength": protocol.field_strength,
        "MRAcquisitionType": protocol.dimensions,
    }
    told |= {k: v for k, v in known.items() if v and k not in told} if protocol.modality == "MR" else {}
    if frame.kind == Kind.FIELD_HZ:
        told["Units"] = "Hz"
        told.pop("EchoTime", None)
    elif "part-phase" in ending:
        told.setdefault("Units", "rad" if told.get("UsePhilipsFloatNotDisplayScaling") else "arbitrary")
    if frame.kind == Kind.PHASE and "phasediff" in ending:
        told.pop("EchoTime", None)
    return told
