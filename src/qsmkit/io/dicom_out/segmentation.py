"""Labels as DICOM SEG: a binary segment for each structure, on the slices of an exported series."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom import Dataset

from qsmkit.errors import InputError
from qsmkit.io.atomic import replacing
from qsmkit.io.dicom_out.labels import Drawn, Labels
from qsmkit.io.dicom_out.object import DISCLAIMER, MANUFACTURER, MODEL, described, software_version, stamp
from qsmkit.io.dicom_out.series import Series
from qsmkit.io.dicom_out.structures import CATEGORY, PRIVATE_SCHEME, side_code, structure_code
from qsmkit.io.dicom_out.uid import Uids, tracking_uid

SERIES_NUMBER = 9100
"""Series number of segmentations."""


@dataclass(frozen=True, slots=True)
class ExportedSegments:
    """What was written.

    Attributes
    ----------
    file : Path
        The object.
    series_uid, referenced_series_uid : str
        Its series, and the series of images it lies on.
    segments : tuple of dict
        Of each segment: `number`, `label` in the image, `name`, and `voxels`.
    """

    file: Path
    series_uid: str
    referenced_series_uid: str
    segments: tuple[dict[str, Any], ...]


def write_segmentation(
    out: Path,
    labels: Labels,
    reference: Series,
    uids: Uids,
    *,
    when: datetime,
    title: str = "Structures",
    drawn: Drawn = "automatic",
    overwrite: bool = False,
) -> ExportedSegments:
    """Write labels as one DICOM SEG object that refers to a series of single-frame images.

    Parameters
    ----------
    out : Path
        The file, .dcm.
    labels : Labels
        On the lattice of the series.
    reference : Series
        Headers of the images.
    uids : callable
        Maker of UIDs.
    when : datetime
        Time of making.
    title : str
        Begin of the series description.
    drawn : {"automatic", "semiautomatic", "manual"}
        How the labels came about.
    overwrite : bool
        Whether a file that is there already may be replaced.

    Raises
    ------
    GeometryError
        The labels do not lie on the images' voxels, or reach beyond them.
    InputError
        The series is not a stack of single-frame images, one a place.
    OutputError
        The file is there already, or cannot be written.
    """
    grid = reference.grid()
    frames = sorted(reference.frames, key=lambda f: float(f.position @ np.cross(f.row, f.column)))
    if len(frames) != grid.shape[2] or len(frames) != len(reference.headers):
        raise InputError(
            f"{reference.description} has {len(frames)} images at {grid.shape[2]} places; "
            "refer to a series of single slices, as export dicom writes it"
        )
    # Numbered 1, 2, …: segments must be, labels need not.
    found = list(labels.names)
    numbers = np.searchsorted(np.array([0, *found]), labels.on(grid)).astype(np.uint16)
    patient = str(frames[0].header.get("PatientID", ""))
    series_uid = uids("segmentation series")
    made = Segmentation(
        source_images=[f.header for f in frames],
        pixel_array=np.ascontiguousarray(numbers.transpose(2, 1, 0)),
        segmentation_type="BINARY",
        segment_descriptions=[_segment(k + 1, labels.names[v], patient, drawn) for k, v in enumerate(found)],
        series_instance_uid=series_uid,
        series_number=SERIES_NUMBER,
        sop_instance_uid=uids("segmentation"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=software_version(),
        device_serial_number="none",
        content_description=DISCLAIMER,
        content_label="STRUCTURES",
        series_description=described(title),
    )
    stamp(made, when)
    _keep_character_set(made, frames[0].header)
    with replacing(out, overwrite=overwrite) as scratch:
        made.save_as(scratch, enforce_file_format=True)
    return ExportedSegments(
        out, str(series_uid), str(frames[0].header.SeriesInstanceUID),
        tuple(
            {"number": k + 1, "label": v, "name": labels.names[v], "voxels": int((numbers == k + 1).sum())}
            for k, v in enumerate(found)
        ),
    )  # fmt: skip


def _algorithm() -> highdicom.AlgorithmIdentificationSequence:
    """Return what is known of how labels in a NIfTI file were made: nothing."""
    unknown = CodedConcept("unstated", PRIVATE_SCHEME, "Not stated")
    return highdicom.AlgorithmIdentificationSequence(name="not stated", family=unknown, version="not stated")


def _segment(number: int, name: str, patient: str, drawn: Drawn) -> SegmentDescription:
    label = name[:64]
    made = SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=CATEGORY,
        segmented_property_type=structure_code(name),
        algorithm_type=drawn.upper(),
        algorithm_identification=None if drawn == "manual" else _algorithm(),
        tracking_uid=tracking_uid(patient, name),
        tracking_id=label,
    )
    side = side_code(name)
    if side is not None:
        made.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [side]
    return made


def _keep_character_set(made: Dataset, source: Dataset) -> None:
    if "SpecificCharacterSet" in source:
        made.SpecificCharacterSet = source.SpecificCharacterSet
