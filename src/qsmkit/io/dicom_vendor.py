"""Scans as a scanner would export them: DICOM in the dialects of three vendors, for simulations and tests.

The opposite of `qsmkit.io.dicom_in`. A header holds what a converter reads to tell parts, echoes and coils apart and to
scale them, in the elements in which the vendor keeps it; the patient is invented.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
)
from pydicom.valuerep import format_number_as_ds

from qsmkit.arrays import AnyArray
from qsmkit.errors import ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.io.atomic import replacing
from qsmkit.io.dicom_out.planes import Planes, ds
from qsmkit.io.dicom_out.uid import Uids, uid_maker
from qsmkit.units import hz_per_ppm

Vendor = Literal["siemens", "ge", "philips"]
Layout = Literal["classic", "enhanced"]
SeriesPer = Literal["part", "scan", "echo"]

_MAKER = {"siemens": "SIEMENS", "ge": "GE MEDICAL SYSTEMS", "philips": "Philips Medical Systems"}
_LETTER = {"magnitude": "M", "phase": "P", "real": "R", "imaginary": "I"}
_GE_NUMBER = {"magnitude": 0, "phase": 1, "real": 2, "imaginary": 3}


class Part(Protocol):
    """One part of an image as stored; see `qsmkit.simulate.encoding.StoredPart`."""

    @property
    def part(self) -> str:
        """One of magnitude, phase, real, imaginary."""
    @property
    def pixels(self) -> AnyArray:
        """(X, Y, Z, E) or (X, Y, Z, E, C) integers."""
    @property
    def slope(self) -> float:
        """Of the rescaling."""
    @property
    def intercept(self) -> float:
        """Of the rescaling."""
    @property
    def rescaled(self) -> bool:
        """Whether the header has a rescaling."""
    @property
    def private_scale(self) -> float:
        """Philips' private scale, or 0."""


@dataclass(frozen=True)
class Exam:
    """Who was scanned, when and how; the same exam gives the same bytes.

    Attributes
    ----------
    vendor : {"siemens", "ge", "philips"}
        Whose dialect.
    patient : str
        Invented name and ID.
    study : str
        Told apart from the patient's other studies by this; goes into the UIDs.
    date : str
        Of the study, YYYYMMDD.
    field_strength : float
        In T.
    repetition_time : float
        In s.
    flip_angle : float
        In degrees.
    extra : mapping of str to Any
        More elements of every header, or other values of them, by DICOM keyword; None leaves one out.
    """

    vendor: Vendor = "siemens"
    patient: str = "SIMULATED"
    study: str = "1"
    date: str = "20200101"
    field_strength: float = 3.0
    repetition_time: float = 0.05
    flip_angle: float = 15.0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Slice:
    part: Part
    echo: int
    coil: int | None
    plane: int


def write_gradient_echo(
    out: Path,
    parts: Sequence[Part],
    grid: Grid,
    echo_times: Sequence[float],
    exam: Exam | None = None,
    *,
    layout: Layout = "classic",
    series_per: SeriesPer = "part",
    first_series: int = 5,
    description: str = "qsm_gre",
    overwrite: bool = False,
) -> list[Path]:
    """Write a gradient-echo scan as DICOM.

    Parameters
    ----------
    out : Path
        Folder, made if needed; files are named SERIES_NUMBER.dcm.
    parts : sequence of Part
        From `qsmkit.simulate.encoding.encode` for the exam's vendor.
    grid : Grid
        Geometry of the voxels.
    echo_times : sequence of float
        In s, ascending.
    exam : Exam, optional
        Patient, study, scanner.
    layout : {"classic", "enhanced"}
        A file for each slice, or a multi-frame object for each series (of Siemens: for each echo and part).
    series_per : {"part", "scan", "echo"}
        What has a series of its own: each part; everything together; or each part of each echo.
    first_series : int
        Number of the first series.
    description : str
        Of the series and protocol.
    overwrite : bool
        Whether files that are there already may be replaced.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ShapeError
        A part does not lie on the grid, or has another number of echoes.
    OutputError
        A file is there already, or cannot be written.
    """
    exam = exam or Exam()
    for part in parts:
        if part.pixels.shape[:3] != grid.shape or part.pixels.shape[3] != len(echo_times):
            raise ShapeError(f"{part.part} of shape {part.pixels.shape} is no {len(echo_times)} echoes on {grid.shape}")
    planes = Planes.cut(grid, anisotropic=True)
    scan = _Scan(exam, planes, tuple(echo_times), description, uid_maker(f"{exam.patient} {exam.study}"))
    paths: list[Path] = []
    for number, slices in enumerate(_series(parts, len(echo_times), planes.shape[0], series_per), first_series):
        if layout == "classic":
            headers: Iterable[Dataset] = (scan.classic(s, number, i) for i, s in enumerate(slices, 1))
        else:
            headers = scan.enhanced(slices, number)
        paths += _saved(headers, out, number, overwrite=overwrite)
    return paths


def write_volume(
    out: Path,
    data: AnyArray,
    grid: Grid,
    weighting: Literal["T1w", "T2w", "CT"],
    exam: Exam | None = None,
    *,
    series: int = 2,
    overwrite: bool = False,
) -> list[Path]:
    """Write a T1w, T2w or CT volume as classic DICOM.

    Parameters
    ----------
    out : Path
        Folder, made if needed.
    data : (X, Y, Z) array
        Values: HU for CT, arbitrary units from 0 for MR.
    grid : Grid
        Geometry.
    weighting : {"T1w", "T2w", "CT"}
        What it is.
    exam : Exam, optional
        Patient, study, scanner.
    series : int
        Its number.
    overwrite : bool
        Whether files that are there already may be replaced.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ParameterError
        The weighting is unknown.
    OutputError
        A file is there already, or cannot be written.
    """
    if weighting not in _WEIGHTING:
        raise ParameterError(f"weighting = {weighting!r} is unknown; it may be {', '.join(_WEIGHTING)}")
    exam = exam or Exam()
    ct = weighting == "CT"
    low, high = (-1024, 3071) if ct else (0, 4095)
    stored = np.rint(data if ct else data * (4095 / max(float(data.max()), 1e-30))).clip(low, high).astype(np.int16)
    part = _Volume(stored[..., None])
    name, times, more = _WEIGHTING[weighting]
    exam = replace(exam, extra={**more, **exam.extra})
    planes = Planes.cut(grid, anisotropic=True)
    scan = _Scan(exam, planes, times, name, uid_maker(f"{exam.patient} {exam.study}"))
    headers = (scan.classic(_Slice(part, 0, None, p), series, p + 1) for p in range(planes.shape[0]))
    return _saved(headers, out, series, overwrite=overwrite)


def _saved(headers: Iterable[Dataset], out: Path, series: int, *, overwrite: bool) -> list[Path]:
    paths = []
    for number, header in enumerate(headers, 1):
        paths.append(out / f"{series:03d}_{number:05d}.dcm")
        with replacing(paths[-1], overwrite=overwrite) as scratch:
            header.save_as(scratch, enforce_file_format=True)
    return paths


@dataclass(frozen=True, eq=False)
class _Volume:
    pixels: AnyArray
    part: str = "magnitude"
    slope: float = 1.0
    intercept: float = 0.0
    rescaled: bool = False
    private_scale: float = 0.0


_WEIGHTING: dict[str, tuple[str, tuple[float, ...], dict[str, Any]]] = {
    "T1w": (
        "t1_mprage_sag", (0.003,),
        {"RepetitionTime": "2300", "InversionTime": "900", "FlipAngle": "9", "ScanningSequence": ["GR", "IR"]},
    ),
    "T2w": ("t2_space_sag", (0.4,), {"RepetitionTime": "3200", "FlipAngle": "120", "ScanningSequence": "SE"}),
    "CT": (
        "Head 1.0 H60s", (0.0,),
        {
            "Modality": "CT", "SOPClassUID": CTImageStorage, "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "KVP": "120", "RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "HU", "ScanningSequence": None,
            "SequenceVariant": None, "MRAcquisitionType": None, "EchoTime": None, "RepetitionTime": None,
            "FlipAngle": None, "EchoNumbers": None, "MagneticFieldStrength": None, "ImagingFrequency": None,
        },
    ),
}  # fmt: skip
"""Series description, echo time in s, and elements that differ from a gradient echo's."""


def _series(parts: Sequence[Part], echoes: int, planes: int, series_per: SeriesPer) -> Iterator[list[_Slice]]:
    """Yield the slices of each series, in the order of their instance numbers."""
    volumes = [[_slices(part, echo, planes) for echo in range(echoes)] for part in parts]
    if series_per == "echo":
        yield from (volume for part in volumes for volume in part)
    elif series_per == "part":
        yield from ([s for volume in part for s in volume] for part in volumes)
    else:
        yield [s for part in volumes for volume in part for s in volume]


def _slices(part: Part, echo: int, planes: int) -> list[_Slice]:
    coils = range(part.pixels.shape[4]) if part.pixels.ndim == 5 else (None,)
    return [_Slice(part, echo, coil, plane) for coil in coils for plane in range(planes)]


@dataclass(frozen=True)
class _Scan:
    """What the headers of a scan share."""

    exam: Exam
    planes: Planes
    echo_times: tuple[float, ...]
    description: str
    uids: Uids

    def classic(self, piece: _Slice, series: int, instance: int) -> Dataset:
        """Return one slice as an object of its own."""
        header = self._common(series, MRImageStorage, f"series {series} slice {instance}")
        header.InstanceNumber = str(instance)
        header.update(self._image(piece, series))
        header.EchoTime = ds(1000 * self.echo_times[piece.echo])
        header.EchoNumbers = str(piece.echo + 1)
        header.ImagePositionPatient = self.planes.position_text(piece.plane)
        header.ImageOrientationPatient = self.planes.orientation_text
        header.SpacingBetweenSlices, header.PixelSpacing = self.planes.spacing_text()
        header.SliceThickness = header.SpacingBetweenSlices
        self._finish(header, self._pixels(piece)[None], classic=True)
        return header

    def enhanced(self, pieces: Sequence[_Slice], series: int) -> Iterator[Dataset]:
        """Yield the multi-frame objects of a series: one, or for Siemens one for each part, echo and coil."""
        groups: dict[Any, list[_Slice]] = {}
        for piece in pieces:
            key = (piece.part.part, piece.echo, piece.coil) if self.exam.vendor == "siemens" else 0
            groups.setdefault(key, []).append(piece)
        for instance, members in enumerate(groups.values(), 1):
            header = self._common(series, EnhancedMRImageStorage, f"series {series} object {instance}")
            header.InstanceNumber = str(instance)
            header.ImageType = ["ORIGINAL", "PRIMARY", "T1", "NONE" if len(groups) > 1 else "MIXED"]
            header.EchoPulseSequence, header.EchoPlanarPulseSequence = "GRADIENT", "NO"
            header.VolumetricProperties, header.ComplexImageComponent = "VOLUME", "MIXED"
            header.SharedFunctionalGroupsSequence = [self._shared()]
            header.PerFrameFunctionalGroupsSequence = [self._frame(p, i) for i, p in enumerate(members)]
            header.NumberOfFrames = str(len(members))
            self._finish(header, np.stack([self._pixels(p) for p in members]), classic=False)
            yield header

    def _common(self, series: int, sop_class: Any, words: str) -> Dataset:
        exam = self.exam
        header = Dataset()
        header.SOPClassUID = sop_class
        header.SOPInstanceUID = self.uids(words)
        header.Modality = "MR"
        header.Manufacturer = _MAKER[exam.vendor]
        header.ManufacturerModelName = "Simulated"
        header.PatientName = header.PatientID = exam.patient
        header.PatientBirthDate, header.PatientSex = "", "O"
        header.PatientPosition = "HFS"
        header.StudyInstanceUID = self.uids("study")
        header.SeriesInstanceUID = self.uids(f"series {series}")
        header.FrameOfReferenceUID = self.uids("frame of reference")
        header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = exam.date
        header.StudyTime = header.SeriesTime = header.AcquisitionTime = header.ContentTime = "120000"
        header.StudyID, header.AccessionNumber, header.ReferringPhysicianName = exam.study, "", ""
        header.SeriesNumber, header.AcquisitionNumber = str(series), "1"
        header.SeriesDescription = header.ProtocolName = self.description
        header.ScanningSequence, header.SequenceVariant, header.ScanOptions = "GR", "SP", ""
        header.MRAcquisitionType = "3D"
        header.SequenceName = "*fl3d" if exam.vendor == "siemens" else ""
        header.RepetitionTime, header.FlipAngle = ds(1000 * exam.repetition_time), ds(exam.flip_angle)
        header.MagneticFieldStrength = ds(exam.field_strength)
        header.ImagingFrequency = ds(round(hz_per_ppm(exam.field_strength), 6))
        header.ImagedNucleus, header.EchoTrainLength = "1H", str(len(self.echo_times))
        header.PixelBandwidth = "300"
        header.SoftwareVersions = "simulated"
        return header

    def _image(self, piece: _Slice, series: int) -> Dataset:
        """Return what tells a slice's part, coil and scaling, where classic objects of the vendor keep it."""
        part, header = piece.part, Dataset()
        letter = _LETTER[part.part]
        vendor = self.exam.vendor
        if vendor == "siemens":
            header.ImageType = ["ORIGINAL", "PRIMARY", letter, "ND"]
            if piece.coil is not None:
                block = header.private_block(0x0051, "SIEMENS MR HEADER", create=True)
                block.add_new(0x0F, "LO", f"H{piece.coil + 1}")
        elif vendor == "philips":
            shown = "PHASE MAP" if letter == "P" else f"{letter}_FFE"
            header.ImageType = ["ORIGINAL", "PRIMARY", shown, letter, "FFE"]
            block = header.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
            block.add_new(0x0D, "FL", 0.0)
            block.add_new(0x0E, "FL", part.private_scale)
            header.RescaleType = "mrad" if letter == "P" else "normalized"
            number = header.private_block(0x2001, "Philips Imaging DD 001", create=True)
            number.add_new(0x18, "SL", self.planes.shape[0])
        else:
            header.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
            block = header.private_block(0x0043, "GEMS_PARM_01", create=True)
            block.add_new(0x2F, "SS", _GE_NUMBER[part.part])
        if vendor != "siemens" and piece.coil is not None:
            header.ReceiveCoilName = f"C{piece.coil + 1}"
        if part.rescaled:
            header.RescaleSlope, header.RescaleIntercept = _ds(part.slope), _ds(part.intercept)
        return header

    def _shared(self) -> Dataset:
        exam, group = self.exam, Dataset()
        group.MRTimingAndRelatedParametersSequence = [_item(
            RepetitionTime=ds(1000 * exam.repetition_time), FlipAngle=ds(exam.flip_angle),
            EchoTrainLength=str(len(self.echo_times)),
        )]
        group.MRImagingModifierSequence = [_item(
            PixelBandwidth="300", TransmitterFrequency=round(hz_per_ppm(exam.field_strength), 6),
        )]
        group.MRModifierSequence = [_item(InversionRecovery="NO")]
        group.PlaneOrientationSequence = [_item(ImageOrientationPatient=self.planes.orientation_text)]
        spacing, square = self.planes.spacing_text()
        group.PixelMeasuresSequence = [_item(SliceThickness=spacing, SpacingBetweenSlices=spacing, PixelSpacing=square)]
        return group

    def _frame(self, piece: _Slice, index: int) -> Dataset:
        part, group = piece.part, Dataset()
        shape = (part.part.upper(), _LETTER[part.part])
        group.MREchoSequence = [_item(EffectiveEchoTime=1000 * self.echo_times[piece.echo])]
        group.MRImageFrameTypeSequence = [_item(
            FrameType=["ORIGINAL", "PRIMARY", shape[1], "NONE"], ComplexImageComponent=shape[0],
            PixelPresentation="MONOCHROME", VolumetricProperties="VOLUME", VolumeBasedCalculationTechnique="NONE",
        )]
        number = 1 + piece.echo + len(self.echo_times) * list(_LETTER).index(part.part)
        group.FrameContentSequence = [_item(
            StackID="1", InStackPositionNumber=piece.plane + 1, TemporalPositionIndex=1,
            DimensionIndexValues=[1, piece.plane + 1, number, 1 + (piece.coil or 0)],
            FrameAcquisitionDateTime=f"{self.exam.date}120000",
        )]
        group.PlanePositionSequence = [_item(ImagePositionPatient=self.planes.position_text(piece.plane))]
        group.PixelValueTransformationSequence = [_item(
            RescaleSlope=_ds(part.slope), RescaleIntercept=_ds(part.intercept), RescaleType="US",
        )]
        if piece.coil is not None:
            element = _item(MultiCoilElementName=f"C{piece.coil + 1}", MultiCoilElementUsed="YES")
            group.MRReceiveCoilSequence = [_item(
                ReceiveCoilName=element.MultiCoilElementName, ReceiveCoilType="MULTICOIL",
                MultiCoilDefinitionSequence=[element],
            )]
        if self.exam.vendor == "philips":
            nested = self._image(piece, 0)
            nested.EchoTime, nested.EchoNumbers = ds(1000 * self.echo_times[piece.echo]), str(piece.echo + 1)
            nested.ImagePositionPatient = self.planes.position_text(piece.plane)
            nested.InstanceNumber = str(index + 1)
            block = group.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
            block.add_new(0x0F, "SQ", [nested])
        return group

    def _pixels(self, piece: _Slice) -> AnyArray:
        echo = piece.part.pixels[:, :, :, piece.echo]
        pixels: AnyArray = self.planes.arrange(echo if piece.coil is None else echo[..., piece.coil])[piece.plane]
        return pixels

    def _finish(self, header: Dataset, frames: AnyArray, *, classic: bool) -> None:
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.Rows, header.Columns = frames.shape[1:]
        signed = frames.dtype.kind == "i"
        header.BitsAllocated = 16
        header.BitsStored = 16 if signed else 12
        header.HighBit = header.BitsStored - 1
        header.PixelRepresentation = int(signed)
        header.PixelData = np.ascontiguousarray(frames, "<i2" if signed else "<u2").tobytes()
        for keyword, value in self.exam.extra.items():
            if value is None:
                if keyword in header:
                    delattr(header, keyword)
            elif classic or keyword in header:
                setattr(header, keyword, value)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
        header.file_meta = meta


def _item(**elements: Any) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _ds(value: float) -> str:
    return format_number_as_ds(float(value))
