"""Sidecars and NIfTI headers without their patient: the same rules as for DICOM, from a list of what to keep."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Mapping
from typing import Any

from qsmkit.errors import InputError
from qsmkit.io.deidentify import profile
from qsmkit.io.deidentify.dates import kept_time, moved_iso
from qsmkit.io.deidentify.header import Rules
from qsmkit.io.deidentify.words import cleaned, device_text, is_word, name_parts, names_someone, naming_words

_NUMBERS = frozenset("""
    AcquisitionDuration AcquisitionMatrixPE AcquisitionNumber BandwidthPerPixelPhaseEncode BaseResolution
    DwellTime EchoNumber EchoTime EchoTime1 EchoTime2 EchoTrainLength EffectiveEchoSpacing FlipAngle ImagingFrequency
    ImageOrientationPatientDICOM InversionTime MagneticFieldStrength MultibandAccelerationFactor NumberOfAverages
    ParallelReductionFactorInPlane ParallelReductionOutOfPlane PartialFourier PercentPhaseFOV PercentSampling
    PhaseEncodingSteps PhaseEncodingStepsNoPartialFourier PhaseResolution PhilipsRescaleIntercept PhilipsRescaleSlope
    PhilipsScaleSlope PixelBandwidth RawImage ReconMatrixPE RepetitionTime RepetitionTimeExcitation
    RepetitionTimePreparation RescaleIntercept RescaleSlope SAR SeriesNumber SliceThickness SliceTiming
    SpacingBetweenSlices TotalReadoutTime TxRefAmp UsePhilipsFloatNotDisplayScaling WaterFatShift BipolarReadout
""".split())  # noqa: SIM905
"""Keys whose numbers, truth values and lists of them stay."""

_CODES = frozenset("""
    Modality ImageType MRAcquisitionType PhaseEncodingDirection PhaseEncodingAxis SliceEncodingDirection PatientPosition
    ScanningSequence SequenceVariant ScanOptions BodyPartExamined BodyPart InPlanePhaseEncodingDirectionDICOM
    MatrixCoilMode ComplexImageComponent Units NonlinearGradientCorrection
""".split())  # noqa: SIM905
"""Keys whose words stay if they are words of the field or code strings."""

_CODE = re.compile(r"[A-Z0-9_ ]{1,16}|[ijk]-?")
_NAMING = ("PatientName", "PatientID", "AccessionNumber", "InstitutionName", "InstitutionAddress", "StationName",
           "InstitutionalDepartmentName", "DeviceSerialNumber", "StudyID")  # fmt: skip
_CLEANED = frozenset({"SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName", "PulseSequenceDetails",
                      "ReceiveCoilName", "CoilString", "ScanningTechnique"})  # fmt: skip
_DATES = frozenset({"AcquisitionDateTime", "AcquisitionDate", "StudyDate", "SeriesDate"})
_UIDS = frozenset({"StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID"})

_FIELDS = ((4, 14), (14, 32), (148, 228), (228, 252), (328, 344))
"""Where the header of NIfTI-1 holds text: data type, database, description, auxiliary file, intent."""

_HEADER, _EXTENSION = 348, slice(348, 352)


def deidentified_sidecar(content: Mapping[str, Any], patient: str, rules: Rules) -> dict[str, Any]:
    """Return a sidecar with what may stay.

    Parameters
    ----------
    content : mapping
        The sidecar.
    patient : str
        Whom it belongs to.
    rules : Rules
        Key and options.
    """
    days = rules.key.days(patient)
    texts = [str(content[key]) for key in _NAMING if key in content]
    names = naming_words([*texts, *(part for text in texts for part in name_parts(text))])
    made: dict[str, Any] = {}
    for key, value in content.items():
        if key in _NUMBERS:
            kept = value if _is_numbers(value) else None
        elif key in _CODES:
            kept = _each(value, lambda text: text if _CODE.fullmatch(text) or is_word(text) else "")
        elif key in _CLEANED:
            kept = _each(value, cleaned)
        elif key in profile.DEVICE_TEXT:
            kept = _each(value, lambda text, key=key: device_text(key, text))
        elif key in _DATES:
            kept = _each(value, lambda text: moved_iso(text, days))
        elif key == "AcquisitionTime":
            kept = kept_time(value.replace(":", "")) and value if isinstance(value, str) else None
        elif key in _UIDS:
            kept = _each(value, lambda text: str(rules.key.uid(text)))
        elif key in profile.CHARACTERISTICS and rules.characteristics:
            kept = value if _is_numbers(value) or value in ("M", "F", "O") else None
        else:
            kept = None
        if key not in _NUMBERS and names_someone(str(kept), names):
            kept = None
        if kept not in (None, "", []):
            made[key] = kept
    return made


def deidentified_nifti(content: bytes) -> bytes:
    """Return a NIfTI-1 file, gzipped or not, whose header says nothing in words and has no extensions.

    Raises
    ------
    InputError
        It is no NIfTI-1 file in one part.
    """
    packed = content[:2] == b"\x1f\x8b"
    try:
        image = bytearray(gzip.decompress(content) if packed else content)
    except (OSError, EOFError) as error:
        raise InputError(f"damaged or cut short ({error}); convert it again") from error
    if len(image) < 352 or image[344:348] != b"n+1\0":
        raise InputError("no NIfTI-1 file in one part; convert it")
    for start, end in _FIELDS:
        image[start:end] = bytes(end - start)
    order = "<" if struct.unpack("<i", image[:4])[0] == _HEADER else ">"
    first = int(struct.unpack(f"{order}f", image[108:112])[0])
    image[_EXTENSION] = bytes(4)
    image[352 : max(352, min(first, len(image)))] = bytes(max(0, min(first, len(image)) - 352))
    return gzip.compress(bytes(image), mtime=0) if packed else bytes(image)


def _is_numbers(value: Any) -> bool:
    return all(isinstance(v, int | float) for v in (value if isinstance(value, list) else [value]))


def _each(value: Any, clean: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return [kept for kept in map(clean, value) if kept]
    return None
