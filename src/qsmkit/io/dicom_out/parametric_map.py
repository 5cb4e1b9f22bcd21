"""Maps as DICOM Parametric Map: floats in one object, for research archives."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import highdicom
import numpy as np
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import MRImageStorage

from qsmkit.arrays import AnyArray
from qsmkit.io.atomic import replacing_folder
from qsmkit.io.dicom_out.encoding import Encoding
from qsmkit.io.dicom_out.images import SERIES_NUMBER, Exported, verified_placement, warn_of_losses
from qsmkit.io.dicom_out.object import (
    MANUFACTURER,
    MODEL,
    code,
    derivation_code,
    described,
    is_ours,
    new_object,
    reference,
    software_version,
    stamp,
)  # fmt: skip
from qsmkit.io.dicom_out.planes import Planes
from qsmkit.io.dicom_out.structures import PRIVATE_SCHEME, concept
from qsmkit.io.dicom_out.study import Study
from qsmkit.io.dicom_out.uid import Uids

_QUANTITIES = {
    "chi": concept(codes.DCM.MagneticSusceptibility),
    "r2star": concept(codes.DCM.R2Star),
    "t2star": concept(codes.DCM.T2Star),
}


def write_parametric_map(
    out: Path | str,
    data: AnyArray,
    planes: Planes,
    encoding: Encoding,
    study: Study,
    uids: Uids,
    *,
    when: datetime,
    series_number: int | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a map as one Parametric Map of 32-bit floats, nothing rounded or clipped.

    Parameters and errors as `write_images`; values are stored in the encoding's `unit`, its other numbers are not used.
    """
    out = Path(out)
    description = described(f"{encoding.title} {encoding.unit}")
    values = planes.arrange(data).astype(np.float32) * np.float32(encoding.per_unit)
    finite = np.isfinite(values)
    values = np.where(finite, values, np.float32(0))
    quantity = _QUANTITIES.get(encoding.quantity, CodedConcept(encoding.quantity[:16], PRIVATE_SCHEME, encoding.title))
    distance, spacing = planes.spacing_text()
    mapping = RealWorldValueMapping(
        lut_label=encoding.quantity[:16],
        lut_explanation=f"{encoding.title} in {encoding.unit}"[:64],
        unit=CodedConcept(encoding.ucum, "UCUM", encoding.unit),
        value_range=(float(values.min()), float(values.max())),
        slope=1.0,
        intercept=0.0,
        quantity_definition=quantity,
    )
    made = ParametricMap(
        source_images=[_stand_in(study, planes, uids, when)],
        pixel_array=np.ascontiguousarray(values),
        series_instance_uid=uids("parametric map series"),
        series_number=SERIES_NUMBER if series_number is None else series_number,
        sop_instance_uid=uids("parametric map"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=software_version(),
        device_serial_number="none",
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[highdicom.VOILUTTransformation(*encoding.shown_window)],
        pixel_measures=highdicom.PixelMeasuresSequence(
            pixel_spacing=[float(v) for v in spacing], slice_thickness=float(distance),
            spacing_between_slices=float(distance),
        ),
        plane_orientation=highdicom.PlaneOrientationSequence("PATIENT", [float(v) for v in planes.orientation_text]),
        plane_positions=[
            highdicom.PlanePositionSequence("PATIENT", [float(v) for v in planes.position_text(k)])
            for k in range(planes.shape[0])
        ],
        content_label="MAP",
        content_description=encoding.title[:64],
        series_description=description,
    )  # fmt: skip
    stamp(made, when)
    if "BodyPartExamined" not in made:
        made.Laterality = ""
    _refer_to_source(made, study)
    with replacing_folder(out, is_ours, overwrite=overwrite) as scratch:
        made.save_as(scratch / "PM0001.dcm", enforce_file_format=True)
        error = verified_placement(scratch, planes)
    missing = 100 * float(1 - finite.mean())
    warn_of_losses(out, planes, 0.0, missing)
    return Exported(
        (out / "PM0001.dcm",), str(made.StudyInstanceUID), str(made.SeriesInstanceUID), study.frame_uid,
        study.shares_space, study.space, description, planes.shape, error, encoding.unit, 1.0, 0.0,
        encoding.shown_window, 0.0, missing,
    )  # fmt: skip


def _stand_in(study: Study, planes: Planes, uids: Uids, when: datetime) -> Dataset:
    """Return an image that patient, study and space are read from; the map does not refer to it."""
    image = new_object(study.attributes, MRImageStorage, uids("stand-in"), when)
    image.Modality = "MR"
    image.SeriesInstanceUID = uids("stand-in series")
    image.FrameOfReferenceUID = study.frame_uid
    _, image.Rows, image.Columns = planes.shape
    image.ImageOrientationPatient = planes.orientation_text
    image.ImagePositionPatient = planes.position_text(0)
    image.PixelSpacing = planes.spacing_text()[1]
    image.SliceThickness = planes.spacing_text()[0]
    image.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.BurnedInAnnotation, image.LossyImageCompression = "NO", "00"
    return image


def _refer_to_source(made: Dataset, study: Study) -> None:
    made.pop("SourceImageSequence", None)
    made.pop("ReferencedSeriesSequence", None)
    (shared,) = made.SharedFunctionalGroupsSequence
    for group in (shared, *made.PerFrameFunctionalGroupsSequence):
        group.pop("DerivationImageSequence", None)
    if not study.sources:
        return
    made.ReferencedSeriesSequence = []
    for source in study.sources:
        series = Dataset()
        series.SeriesInstanceUID = source.headers[0].SeriesInstanceUID
        series.ReferencedInstanceSequence = [reference(h) for h in source.headers]
        made.ReferencedSeriesSequence.append(series)
    derivation = Dataset()
    derivation.DerivationCodeSequence = [derivation_code()]
    derivation.SourceImageSequence = [reference(h) for source in study.sources for h in source.headers]
    for item in derivation.SourceImageSequence:
        item.PurposeOfReferenceCodeSequence = [code("121322", "DCM", "Source image for image processing operation")]
    shared.DerivationImageSequence = [derivation]
