"""Who was examined and in which study: what derived objects take over from the scanner's, and no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from qsmkit.errors import GeometryError, InputError
from qsmkit.grid import Grid
from qsmkit.io.dicom_out.series import Series, lattice_difference
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
    source : Series or None
        The series that the map was made from.
    shares_space : bool
        Whether the frame of reference is that of the source.
    space : str
        Why it is, or is not; one line.
    """

    attributes: Dataset
    frame_uid: str
    source: Series | None
    shares_space: bool
    space: str

    def sources_at(self, position: npt.NDArray[np.float64], normal: npt.NDArray[np.float64]) -> list[Dataset]:
        """Return the source's objects: those in the plane at `position` (LPS mm) if it has such, else all."""
        if self.source is None:
            return []
        there = {
            str(f.header.SOPInstanceUID): f.header
            for f in self.source.frames
            if abs((f.position - position) @ normal) < 0.01 and abs(np.cross(f.row, f.column) @ normal) > 0.9999
        }
        return list(there.values()) or list(self.source.headers)


def study_of(series: tuple[Series, ...], grid: Grid, uids: Uids) -> Study:
    """Return the study of a source, and whether a grid lies in its space.

    The frame of reference is taken over only if the grid's voxels lie on the lattice of one of the series; otherwise a
    new one is made, because nothing in a NIfTI file says that its world is the scanner's.

    Parameters
    ----------
    series : tuple of Series
        From the source, of one study.
    grid : Grid
        Of the map.
    uids : callable
        Maker of UIDs.
    """
    why = []
    for one in series:
        try:
            difference = lattice_difference(one.grid(), grid)
        except GeometryError as error:
            difference = str(error)
        frame = one.headers[0].get("FrameOfReferenceUID")
        if difference is None and frame:
            return Study(
                _attributes(one.headers[0], (*_TAKEN_OVER, *_WITH_SPACE)), str(frame), one, True,
                f"the voxels are those of {one.description}",
            )  # fmt: skip
        why.append(difference or f"{one.description} names no frame of reference")
    return Study(
        _attributes(series[0].headers[0], _TAKEN_OVER), uids("frame of reference"), series[0], False,
        f"not the source's space: {why[0]}",
    )  # fmt: skip


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
    return Study(attributes, uids("frame of reference"), None, False, "no source was named")


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
