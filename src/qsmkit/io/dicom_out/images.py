"""Maps as classic MR Image Storage, a file a slice: what planning stations take."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.uid import MRImageStorage

from qsmkit.arrays import AnyArray
from qsmkit.artifacts import ARTIFACTS
from qsmkit.errors import DataWarning, GeometryError, ShapeError
from qsmkit.io.atomic import replacing_folder
from qsmkit.io.dicom_out.encoding import Encoding, encode
from qsmkit.io.dicom_out.object import DISCLAIMER, code, derivation_code, described, is_ours, new_object, reference
from qsmkit.io.dicom_out.planes import CORNER_TOLERANCE, Planes, ds
from qsmkit.io.dicom_out.series import read_series
from qsmkit.io.dicom_out.study import Study
from qsmkit.io.dicom_out.uid import Uids

MOST_SLICES, LARGEST_EXTENT = 400, 1000.0
"""Slices and mm beyond which an importer may refuse a series (Brainlab's published limits, as an indication)."""

SERIES_NUMBER = 9000
"""Series numbers of exported maps begin here: beyond those of a scanner."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and what whoever uses it should know.

    Attributes
    ----------
    files : tuple of Path
        The objects.
    study_uid, series_uid, frame_uid : str
        Their study, series and frame of reference.
    shares_space : bool
        Whether the frame of reference is the source's.
    space : str
        Why it is, or is not.
    description : str
        Series description.
    shape : tuple of int
        Slices, rows, columns.
    corner_error : float
        Largest distance in mm between a corner voxel and where the files put it, as read again.
    unit : str
        Unit after rescaling.
    slope, intercept : float
        value in `unit` = stored · slope + intercept.
    window : tuple of float
        Centre and width of the display window, in `unit`.
    clipped : float
        Per cent of the voxels outside the range that can be stored.
    not_finite : float
        Per cent of the voxels without a value.
    """

    files: tuple[Path, ...]
    study_uid: str
    series_uid: str
    frame_uid: str
    shares_space: bool
    space: str
    description: str
    shape: tuple[int, int, int]
    corner_error: float
    unit: str
    slope: float
    intercept: float
    window: tuple[float, float]
    clipped: float
    not_finite: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; files as the folder and their number."""
        content = asdict(self)
        files = content.pop("files")
        return {"folder": files[0].parent, "files": len(files), **content, "unit_of_corner_error": "mm"}


def write_images(
    out: Path | str,
    data: AnyArray,
    planes: Planes,
    encoding: Encoding,
    study: Study,
    uids: Uids,
    *,
    when: datetime,
    rescale: bool = True,
    series_number: int | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a map as a series of classic single-frame MR images into a folder of its own.

    Parameters
    ----------
    out : Path or str
        The folder; it appears complete or not at all.
    data : (X, Y, Z) array
        Values in the file's unit, on the grid of `planes`.
    planes : Planes
        How it is cut.
    encoding : Encoding
        How values are stored.
    study : Study
        Patient, study and space.
    uids : callable
        Maker of UIDs.
    when : datetime
        Time of making.
    rescale : bool
        Whether Rescale Slope and Intercept are written, and the first window refers to rescaled values. Without, for
        stations that ignore them, the stored values stand for themselves.
    series_number : int, optional
        By default 9000 and the quantity's row in the artifact table.
    overwrite : bool
        Whether a folder that is there already may be replaced.

    Returns
    -------
    Exported
        Its `corner_error` is measured on the files as they were read again.

    Raises
    ------
    ShapeError
        The data are not 3-D, or not on the grid.
    GeometryError
        Read again, the files do not lie where the map does.
    OutputError
        The folder is there already, or cannot be written.
    """
    if data.shape != planes.grid.shape:
        raise ShapeError(f"data of shape {data.shape} do not lie on a grid of {planes.grid.shape}; give one 3-D map")
    out = Path(out)
    description = described(f"{encoding.title} {encoding.unit}")
    stored = encode(data, encoding)
    row = list(ARTIFACTS).index(encoding.quantity) if encoding.quantity in ARTIFACTS else 0
    series = Dataset()
    series.Modality = "MR"
    series.SeriesInstanceUID = uids("series")
    series.SeriesNumber = SERIES_NUMBER + row if series_number is None else series_number
    series.SeriesDescription = description
    series.FrameOfReferenceUID = study.frame_uid
    _describe_pixels(series, stored.pixels, planes, encoding, rescale=rescale)
    _describe_derivation(series, encoding, study)
    with replacing_folder(out, is_ours, overwrite=overwrite) as scratch:
        names = []
        for k, image in enumerate(_slices(series, stored.pixels, planes, study, uids, when)):
            names.append(f"IM{k + 1:04d}.dcm")
            image.save_as(scratch / names[-1], enforce_file_format=True)
        error = verified_placement(scratch, planes)
    warn_of_losses(out, planes, stored.clipped, stored.not_finite)
    return Exported(
        tuple(out / n for n in names), str(study.attributes.StudyInstanceUID), str(series.SeriesInstanceUID),
        study.frame_uid, study.shares_space, study.space, description, planes.shape, error,
        encoding.unit if rescale else f"{encoding.unit} as stored", encoding.slope if rescale else 1.0,
        encoding.intercept if rescale else 0.0, encoding.shown_window if rescale else encoding.stored_window,
        stored.clipped, stored.not_finite,
    )  # fmt: skip


def _slices(
    series: Dataset, pixels: AnyArray, planes: Planes, study: Study, uids: Uids, when: datetime
) -> Iterator[Dataset]:
    normal = np.cross(*np.array(planes.orientation_text, float).reshape(2, 3))
    for k, plane in enumerate(planes.arrange(pixels)):
        image = new_object(study.attributes, MRImageStorage, uids(f"image {k}"), when)
        image.update(series)
        position = planes.position_text(k)
        image.InstanceNumber = k + 1
        image.ImagePositionPatient = position
        image.SliceLocation = ds(float(np.array(position, float) @ normal))
        references = [reference(h) for h in study.sources_at(np.array(position, float), normal)]
        if references:
            image.SourceImageSequence = references
        image.PixelData = np.ascontiguousarray(plane, "<u2").tobytes()
        yield image


def _describe_pixels(series: Dataset, pixels: AnyArray, planes: Planes, encoding: Encoding, *, rescale: bool) -> None:
    distance, in_plane = planes.spacing_text()
    _, series.Rows, series.Columns = planes.shape
    series.PixelSpacing = in_plane
    series.SliceThickness = series.SpacingBetweenSlices = distance
    series.ImageOrientationPatient = planes.orientation_text
    series.SamplesPerPixel = 1
    series.PhotometricInterpretation = "MONOCHROME2"
    series.BitsAllocated, series.BitsStored, series.HighBit, series.PixelRepresentation = 16, 12, 11, 0
    # The same for every slice: stations that scale by these would otherwise show a series that flickers.
    series.SmallestImagePixelValue = series.SmallestPixelValueInSeries = int(pixels.min())
    series.LargestImagePixelValue = series.LargestPixelValueInSeries = int(pixels.max())
    (centre, width), (raw_centre, raw_width) = encoding.shown_window, encoding.stored_window
    if rescale:
        series.RescaleSlope, series.RescaleIntercept = ds(encoding.slope), ds(encoding.intercept)
        series.RescaleType = "US"
        series.WindowCenter, series.WindowWidth = [ds(centre), ds(raw_centre)], [ds(width), ds(raw_width)]
        series.WindowCenterWidthExplanation = [encoding.unit, "stored values"]
    else:
        series.WindowCenter, series.WindowWidth = ds(raw_centre), ds(raw_width)
        series.WindowCenterWidthExplanation = "stored values"


def _describe_derivation(series: Dataset, encoding: Encoding, study: Study) -> None:
    series.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    series.BurnedInAnnotation = "NO"
    series.LossyImageCompression = "00"
    series.DerivationDescription = (
        f"{encoding.title}: value [{encoding.unit}] = stored x {encoding.slope:.10g} + {encoding.intercept:.10g}; "
        f"made by qsmkit from a NIfTI map. {'Frame of reference: ' + study.space}. {DISCLAIMER}"
    )[:1024]
    series.DerivationCodeSequence = [derivation_code()]
    series.ImageComments = DISCLAIMER
    # Type 1 and 2 of the MR Image module; the acquisition's own are kept where the space is shared.
    acquisition = study.attributes
    for keyword, value in (
        ("ScanningSequence", "GR"), ("SequenceVariant", "NONE"), ("ScanOptions", ""), ("MRAcquisitionType", "3D"),
        ("EchoTime", None), ("EchoTrainLength", None), ("RepetitionTime", None), ("PatientPosition", ""),
        ("PositionReferenceIndicator", ""),
    ):  # fmt: skip
        if keyword not in acquisition:
            setattr(series, keyword, value)
    if "BodyPartExamined" not in acquisition:
        series.Laterality = ""
    mapping = Dataset()
    mapping.LUTExplanation = f"{encoding.title} in {encoding.unit}"
    mapping.LUTLabel = encoding.quantity[:16]
    mapping.MeasurementUnitsCodeSequence = [code(encoding.ucum, "UCUM", encoding.unit)]
    mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped = 0, 4095
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = float(encoding.slope), float(encoding.intercept)
    series.RealWorldValueMappingSequence = [mapping]


def verified_placement(folder: Path, planes: Planes) -> float:
    """Return the largest distance in mm of a corner of a written series, as it is read again, from the map's.

    Raises
    ------
    GeometryError
        It is more than a hundredth of a millimetre.
    """
    (written,) = read_series(folder)
    slices, rows, columns = planes.shape
    corners = np.array(np.meshgrid((0, columns - 1), (0, rows - 1), (0, slices - 1))).reshape(3, -1).T
    expected = np.array([planes.place(k, r, c) for c, r, k in corners])
    error = float(np.linalg.norm(written.grid().world(corners) - expected, axis=1).max())
    if error > CORNER_TOLERANCE:
        raise GeometryError(f"read again, a corner lies {error:.3g} mm beside the map's; nothing is written")
    return error


def warn_of_losses(out: Path, planes: Planes, clipped: float, not_finite: float) -> None:
    """Warn of values that did not fit, and of sizes that importers may refuse."""
    extent = max(n * s for n, s in zip(planes.shape, planes.spacing, strict=True))
    for bad, words in (
        (clipped > 0, f"{clipped:.3g} % of the voxels lie outside the range of 12 bits and are clipped"),
        (not_finite > 0, f"{not_finite:.3g} % of the voxels have no finite value and are stored as zero"),
        (planes.shape[0] > MOST_SLICES, f"{planes.shape[0]} slices are more than some importers take ({MOST_SLICES})"),
        (extent > LARGEST_EXTENT, f"an extent of {extent:.0f} mm is more than some importers take (1000 mm)"),
    ):
        if bad:
            warnings.warn(f"{out}: {words}", DataWarning, stacklevel=3)
