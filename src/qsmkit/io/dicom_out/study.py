"""Who was examined and in which study: what derived objects take over from the scanner's, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from qsmkit.errors import GeometryError, InputError
from qsmkit.grid import Grid
from qsmkit.io.dicom_out.series import PARALLEL, PLACE_TOLERANCE, Frame, Series, lattice_difference
from qsmkit.io.dicom_out.uid import Uids

_TAKEN_OVER = (
    "SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
    "PatientAge", "PatientSize", "PatientWeight", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified",
    "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber",
    "ReferringPhysicianName",
)  # fmt: skip
"""Of patient and study."""

_WITH_SPACE = (
    "PatientPosition", "PositionReferenceIndicator", "MagneticFieldStrength", "ImagingFrequency", "ImagedNucleus",
    "BodyPartExamined", "RepetitionTime", "FlipAngle", "AcquisitionDate", "AcquisitionTime", "MRAcquisitionType",
    "ScanningSequence", "SequenceVariant", "ScanOptions",
)  # fmt: skip
"""Of the acquisition, only for voxels that lie where it put them."""

_FILLED = ("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
           "ReferringPhysicianName")  # fmt: skip
"""Must be there, if only empty."""


@dataclass(frozen=True, eq=False)
class Study:
    """What a derived object says about patient, study and space.

    Attributes
    ----------
    attributes : Dataset
        Patient and study, and the acquisition if the voxels share its space.
    frame_uid : str
        Frame of Reference UID.
    sources : tuple of Series
        The series on whose voxels the map lies: what it was made from.
    shares_space : bool
        Whether the frame of reference is that of the source.
    space : str
        Why it is, or is not; one line.
    """

    attributes: Dataset
    frame_uid: str
    sources: tuple[Series, ...]
    shares_space: bool
    space: str

    def sources_at(self, position: npt.NDArray[np.float64], normal: npt.NDArray[np.float64]) -> list[Dataset]:
        """Return the source's objects: those in the plane at `position` (LPS mm) if it has such, else all."""
        frames, positions, normals = self._planes
        if not frames:
            return []
        here = (np.abs((positions - position) @ normal) < PLACE_TOLERANCE) & (np.abs(normals @ normal) > 1 - PARALLEL)
        found = {str(f.header.SOPInstanceUID): f.header for f, same in zip(frames, here, strict=True) if same}
        return list(found.values()) or [h for series in self.sources for h in series.headers]

    @cached_property
    def _planes(self) -> tuple[list[Frame], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Every plane of the sources, their positions (N, 3) in mm and normals (N, 3)."""
        frames = [f for series in self.sources for f in series.frames]
        normals = np.array([np.cross(f.row, f.column) for f in frames])
        return frames, np.array([f.position for f in frames]), normals


def study_of(series: tuple[Series, ...], grid: Grid, uids: Uids) -> Study:
    """Return the study of a source, and whether a grid lies in its space.

    The frame of reference is taken over only if the grid's voxels lie on the lattice of one of the series; otherwise a
    new one is made, because nothing in a NIfTI file says that its world is the scanner's. Every series on that lattice
    and in that frame (magnitude and phase, echo by echo) counts as a source.

    Parameters
    ----------
    series : tuple of Series
        From the source, of one study.
    grid : Grid
        Of the map.
    uids : callable
        Maker of UIDs.
    """
    fitting, why = [], []
    for one in series:
        try:
            difference = lattice_difference(one.grid(), grid)
        except GeometryError as error:
            difference = str(error)
        if difference is None and one.headers[0].get("FrameOfReferenceUID"):
            fitting.append(one)
        else:
            why.append(difference or f"{one.description} names no frame of reference")
    if not fitting:
        space = f"not the source's space: {why[0]}"
        return Study(_attributes(series[0].headers[0], _TAKEN_OVER), uids("frame of reference"), (), False, space)
    first = fitting[0].headers[0]
    frame = str(first.FrameOfReferenceUID)
    sources = tuple(s for s in fitting if str(s.headers[0].FrameOfReferenceUID) == frame)
    space = f"the voxels are those of {fitting[0].description}"
    return Study(_attributes(first, (*_TAKEN_OVER, *_WITH_SPACE)), frame, sources, True, space)


def study_without_source(patient_id: str, uids: Uids, *, patient_name: str = "") -> Study:
    """Return a new study of a patient of whom only a name for the record is known.

    Parameters
    ----------
    patient_id : str
        Patient ID.
    uids : callable
        Maker of UIDs.
    patient_name : str
        In DICOM's form, Family^Given.

    Raises
    ------
    InputError
        The ID is empty or longer than 64 characters.
    """
    if not 0 < len(patient_id.strip()) <= 64 or "\\" in patient_id:
        raise InputError(f"patient ID {patient_id!r} is not 1 to 64 characters without backslash; give another")
    attributes = Dataset()
    attributes.PatientID = patient_id.strip()
    attributes.PatientName = patient_name
    attributes.StudyInstanceUID = uids("study")
    _fill(attributes)
    return Study(attributes, uids("frame of reference"), (), False, "no source was named")


def _attributes(header: Dataset, keywords: tuple[str, ...]) -> Dataset:
    attributes = Dataset()
    for keyword in keywords:
        if keyword in header:
            attributes[keyword] = header[keyword]
    _fill(attributes)
    return attributes


def _fill(attributes: Dataset) -> None:
    for keyword in _FILLED:
        if keyword not in attributes:
            setattr(attributes, keyword, "")
