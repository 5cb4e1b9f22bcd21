"""One slice of a DICOM file, classic or multi-frame, as far as its header tells."""

from __future__ import annotations

import hashlib
import math
import struct
import warnings
from collections.abc import Iterator, MutableSequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, EnhancedCTImageStorage, EnhancedMRImageStorage, MRImageStorage

from qsmkit.errors import InputError
from qsmkit.io.dicom_in.kind import Kind, kind_of

UNCOMPRESSED = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"}
"""Transfer syntaxes whose pixels are stored plainly."""

_PHILIPS_1, _PHILIPS_5 = "Philips MR Imaging DD 001", "Philips MR Imaging DD 005"
_SIEMENS = "SIEMENS MR SDI 02"
_IMAGES = {MRImageStorage: "MR", EnhancedMRImageStorage: "MR", CTImageStorage: "CT", EnhancedCTImageStorage: "CT"}
_PRIVATE = ("1.3.12.2.1107.", "1.3.46.670589.", "1.2.840.113619.")  # Siemens, Philips, GE: protocols, raw data
_DISTORTION = ("DIS3D", "DIS2D", "ND")


@dataclass(frozen=True, slots=True)
class Protocol:
    """How an image was acquired; the same for all slices of a volume.

    Attributes
    ----------
    modality, manufacturer, description, protocol, sequence_name : str
        As in the header.
    image_type : tuple of str
        Of the image or frame, in capitals.
    sequence : frozenset of str
        Of GR, SE, IR, EP.
    scan_options : frozenset of str
        As in the header.
    distortion : str
        DIS2D or DIS3D where gradient distortion was corrected, ND where that is said not to be so, else empty.
    dimensions : str
        2D, 3D or empty.
    repetition_time, inversion_time, flip_angle, frequency, field_strength : float
        In ms, ms, degrees, MHz and T; 0 where unknown.
    tilt : float
        Angle of a CT gantry in degrees.
    """

    modality: str
    manufacturer: str
    description: str
    protocol: str
    sequence_name: str
    image_type: tuple[str, ...]
    sequence: frozenset[str]
    scan_options: frozenset[str]
    distortion: str
    dimensions: str
    repetition_time: float
    inversion_time: float
    flip_angle: float
    frequency: float
    field_strength: float
    tilt: float


@dataclass(frozen=True, slots=True)
class Pixels:
    """How the values of an image are stored.

    Attributes
    ----------
    rows, columns, bits_allocated, bits_stored, high_bit, signed, samples : int
        As in the header.
    photometric : str
        As in the header.
    slope, intercept : float
        Of the rescaling; 1 and 0 where there is none.
    private_scale : float
        Philips: stored value over floating-point value; 0 where unknown.
    syntax : str
        Transfer syntax.
    """

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: int
    samples: int
    photometric: str
    slope: float
    intercept: float
    private_scale: float
    syntax: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One slice.

    Attributes
    ----------
    path : Path
        Its file.
    index : int
        Its number within the file, from 0.
    multiframe : bool
        Whether the file is a multi-frame object.
    patient, study, series, instance : str
        Identity, hashed where it names a person; never written.
    series_number, acquisition, instance_number : int
        As in the header; 0 where absent.
    date : str
        Date and time of the study; only for putting studies in order.
    time : str
        Time of the acquisition; only to match magnitude with phase.
    kind : Kind
        What its values are.
    echo_time : float
        In ms.
    coil : str
        Name of the receive coil or element.
    protocol : Protocol
        How it was acquired.
    pixels : Pixels
        How its values are stored.
    spacing : tuple of float
        Distance of rows and of columns, mm.
    orientation : tuple of float
        Direction along a row and down a column, LPS.
    position : tuple of float
        Centre of the first voxel, LPS mm.
    """

    path: Path
    index: int
    multiframe: bool
    patient: str
    study: str
    series: str
    instance: str
    series_number: int
    acquisition: int
    instance_number: int
    date: str
    time: str
    kind: Kind
    echo_time: float
    coil: str
    protocol: Protocol
    pixels: Pixels
    spacing: tuple[float, float]
    orientation: tuple[float, ...]
    position: tuple[float, float, float]


def looks_like_dicom(path: Path) -> bool:
    """Return whether a file begins as DICOM files do."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read_header(path: Path) -> Dataset:
    """Read a DICOM file without its pixels.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(path, stop_before_pixels=True, force=not looks_like_dicom(path))
    except Exception as error:  # a damaged file makes the parser fail in any way
        raise InputError(f"its header cannot be read ({_reason(error)})") from error


def read_frames(path: Path) -> list[Frame]:
    """Return the slices of a DICOM image; none if the object holds no image.

    Raises
    ------
    InputError
        The file is damaged, or lacks what a slice needs.
    """
    data = read_header(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(_frames(path, data)) if _is_image(data) else []
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"its header makes no sense ({_reason(error)})") from error


def _is_image(data: Dataset) -> bool:
    """Return whether a data set is an MR or CT image; false only if it is plainly something else.

    Raises
    ------
    InputError
        It is neither, so that the file must be damaged.
    """
    sop, modality = UID(str(data.get("SOPClassUID", ""))), str(data.get("Modality", ""))
    if sop in _IMAGES:
        if modality != _IMAGES[sop] or not data.get("Rows"):
            raise InputError(f"it is a {sop.name} of modality {modality or 'unknown'} and {data.get('Rows', 0)} rows")
        return True
    slice_of_a_volume = modality in ("MR", "CT") and "ImagePositionPatient" in data
    if not (sop.name != sop or sop.startswith(_PRIVATE)) or slice_of_a_volume:
        raise InputError(f"its class {sop or 'unknown'} does not fit what it holds")
    return False


def _frames(path: Path, data: Dataset) -> Iterator[Frame]:
    groups = data.get("PerFrameFunctionalGroupsSequence")
    if not groups:
        if int(data.get("NumberOfFrames") or 1) > 1:
            raise InputError(f"it has {data.NumberOfFrames} frames, but does not say where they lie")
        yield _frame(path, 0, False, _Tags([data]), data)
        return
    if len(groups) != int(data.get("NumberOfFrames") or 0):
        raise InputError(f"it says {data.get('NumberOfFrames')} frames, but describes {len(groups)}")
    shared = list(data.get("SharedFunctionalGroupsSequence") or ())
    flat = [_flat(group) for group in shared]
    for index, group in enumerate(groups):
        private = _item(group, 0x2005, 0x0F, _PHILIPS_5)
        nested = list(private.value) if private is not None and private.VR == "SQ" else []
        siemens = [item for part in (group, *shared) for item in _siemens(part)]
        yield _frame(path, index, True, _Tags([_flat(group), *flat, *nested, *siemens, data]), data)


class _Tags:
    """Data sets in which a tag is looked up one after the other."""

    def __init__(self, sources: list[Dataset]) -> None:
        self.sources = sources

    def value(self, keyword: str) -> Any:
        for source in self.sources:
            value = source.get(keyword)
            if value not in (None, ""):
                return value
        return None

    def text(self, keyword: str) -> str:
        value = self.value(keyword)
        return "" if value is None else str(value).strip()

    def texts(self, keyword: str) -> tuple[str, ...]:
        value = self.value(keyword)
        values = [value] if isinstance(value, str) else list(value or ())
        return tuple(str(v).strip().upper() for v in values)

    def number(self, keyword: str, default: float = 0.0) -> float:
        value = self.value(keyword)
        number = default if value is None else float(value)
        if not math.isfinite(number):
            raise InputError(f"its {keyword} is {value}")
        return number

    def numbers(self, keyword: str, count: int) -> tuple[float, ...]:
        value = self.value(keyword)
        numbers = tuple(float(v) for v in value or ()) if not isinstance(value, str) else ()
        if len(numbers) != count or not all(map(math.isfinite, numbers)):
            raise InputError(f"its {keyword} is {'missing' if value is None else value}")
        return numbers

    def private(self, group: int, element: int, creator: str) -> Any:
        for source in self.sources:
            item = _item(source, group, element, creator)
            if item is not None and item.value not in (None, ""):
                return item.value
        return None

    def private_number(self, group: int, element: int, creator: str, code: str) -> float | None:
        """Return the first number of a private element; `code` tells how it is stored if the file does not."""
        value = self.private(group, element, creator)
        if isinstance(value, bytes):
            size = struct.calcsize(code)
            return float(struct.unpack(code, value[:size])[0]) if len(value) >= size else None
        value = value[0] if isinstance(value, MutableSequence) else value
        return float(value) if isinstance(value, int | float | str) else None


def _frame(path: Path, index: int, multiframe: bool, tags: _Tags, data: Dataset) -> Frame:
    if tags.number("SamplesPerPixel", 1) != 1:
        raise InputError("it is a colour picture")
    image_type = tags.texts("FrameType") or tags.texts("ImageType")
    vendor = tags.private(0x0021, 0x75, _SIEMENS) or ()
    vendor = [vendor] if isinstance(vendor, str) else vendor
    everything = {*image_type, *tags.texts("ImageType"), *(str(v).upper() for v in vendor)}
    ge = tags.private_number(0x0043, 0x2F, "GEMS_PARM_01", "<h")
    description = tags.text("SeriesDescription")
    kind = kind_of(
        everything,
        component=tags.text("ComplexImageComponent"),
        ge=None if ge is None else int(ge),
        unit=tags.text("CodeValue") if multiframe else _unit(data),
        description=description,
    )
    return Frame(
        path=path,
        index=index,
        multiframe=multiframe,
        patient=_hashed(data.get("PatientID"), data.get("PatientName"), data.get("PatientBirthDate")),
        study=str(data.get("StudyInstanceUID", "")),
        series=str(data.get("SeriesInstanceUID", "")),
        instance=str(data.get("SOPInstanceUID", "")),
        series_number=int(tags.number("SeriesNumber")),
        acquisition=int(tags.number("TemporalPositionIdentifier") or tags.number("AcquisitionNumber")),
        instance_number=int(tags.number("InstanceNumber")),
        date=f"{data.get('StudyDate', '')}{data.get('StudyTime', '')}",
        time=tags.text("AcquisitionTime") or tags.text("AcquisitionDateTime"),
        kind=kind,
        echo_time=tags.number("EffectiveEchoTime") or tags.number("EchoTime"),
        coil=_coil(tags),
        protocol=Protocol(
            modality=tags.text("Modality"),
            manufacturer=tags.text("Manufacturer"),
            description=description,
            protocol=tags.text("ProtocolName"),
            sequence_name=tags.text("SequenceName") or tags.text("PulseSequenceName"),
            image_type=image_type,
            sequence=_sequence(tags),
            scan_options=frozenset(tags.texts("ScanOptions")),
            distortion=next((d for d in _DISTORTION if d in everything), ""),
            dimensions=tags.text("MRAcquisitionType"),
            repetition_time=tags.number("RepetitionTime"),
            inversion_time=tags.number("InversionTime"),
            flip_angle=tags.number("FlipAngle"),
            frequency=tags.number("ImagingFrequency") or tags.number("TransmitterFrequency"),
            field_strength=tags.number("MagneticFieldStrength"),
            tilt=tags.number("GantryDetectorTilt"),
        ),
        pixels=Pixels(
            rows=int(tags.number("Rows")),
            columns=int(tags.number("Columns")),
            bits_allocated=int(tags.number("BitsAllocated")),
            bits_stored=int(tags.number("BitsStored")),
            high_bit=int(tags.number("HighBit")),
            signed=int(tags.number("PixelRepresentation")),
            samples=1,
            photometric=tags.text("PhotometricInterpretation"),
            slope=tags.number("RescaleSlope", 1.0),
            intercept=tags.number("RescaleIntercept"),
            private_scale=tags.private_number(0x2005, 0x0E, _PHILIPS_1, "<f") or 0.0,
            syntax=str(data.file_meta.get("TransferSyntaxUID", "")) if hasattr(data, "file_meta") else "",
        ),
        spacing=tags.numbers("PixelSpacing", 2),  # type: ignore[arg-type]
        orientation=tags.numbers("ImageOrientationPatient", 6),
        position=tags.numbers("ImagePositionPatient", 3),  # type: ignore[arg-type]
    )


def _flat(group: Dataset) -> Dataset:
    """Return a functional group with the contents of its sequences as if they were its own."""
    flat = Dataset()
    for element in group:
        if element.VR != "SQ":
            flat.add(element)
        elif not element.tag.is_private and element.value:
            for inner in element.value[0]:
                if inner.VR != "SQ":
                    flat.add(inner)
                elif inner.keyword == "MeasurementUnitsCodeSequence" and inner.value:
                    flat.CodeValue = str(inner.value[0].get("CodeValue", ""))
                elif inner.keyword == "MultiCoilDefinitionSequence" and len(inner.value) == 1:
                    flat.add(inner.value[0]["MultiCoilElementName"])
    return flat


def _unit(data: Dataset) -> str:
    mapping = data.get("RealWorldValueMappingSequence")
    codes = mapping[0].get("MeasurementUnitsCodeSequence") if mapping else None
    return str(codes[0].get("CodeValue", "")) if codes else ""


def _coil(tags: _Tags) -> str:
    siemens = tags.private(0x0051, 0x0F, "SIEMENS MR HEADER")
    return str(siemens or tags.value("MultiCoilElementName") or tags.text("ReceiveCoilName")).strip()


def _sequence(tags: _Tags) -> frozenset[str]:
    found = set(tags.texts("ScanningSequence"))
    found |= {"GR"} if tags.text("EchoPulseSequence") in ("GRADIENT", "BOTH") else set()
    found |= {"SE"} if tags.text("EchoPulseSequence") in ("SPIN", "BOTH") else set()
    found |= {"IR"} if tags.text("InversionRecovery") == "YES" else set()
    found |= {"EP"} if tags.text("EchoPlanarPulseSequence") == "YES" else set()
    return frozenset(found)


def _siemens(group: Dataset) -> list[Dataset]:
    """Return what newer Siemens software keeps of a frame in a sequence of its own."""
    nested = _item(group, 0x0021, 0xFE, _SIEMENS)
    return list(nested.value) if nested is not None and nested.VR == "SQ" else []


def _item(data: Dataset, group: int, element: int, creator: str) -> Any:
    try:
        return data.get_private_item(group, element, creator)
    except KeyError:
        return None


def _hashed(*values: Any) -> str:
    return hashlib.blake2b("|".join(str(v or "") for v in values).encode(), digest_size=12).hexdigest()


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
