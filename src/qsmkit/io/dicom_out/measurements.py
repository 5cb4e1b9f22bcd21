"""Measurements of regions as a DICOM structured report: template TID 1500."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from highdicom.sr import (
    CodedConcept,
    DeviceObserverIdentifyingAttributes,
    EnhancedSR,
    FindingSite,
    Measurement,
    MeasurementProperties,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    ReferencedSegment,
    SourceImageForMeasurementGroup,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)  # fmt: skip
from pydicom import Dataset
from pydicom.sr.codedict import codes

from qsmkit.errors import InputError
from qsmkit.io.atomic import replacing
from qsmkit.io.dicom_out.object import MANUFACTURER, MODEL, described, software_version, stamp
from qsmkit.io.dicom_out.series import Series
from qsmkit.io.dicom_out.structures import PRIVATE_SCHEME, concept, own_code, side_code, structure_code
from qsmkit.io.dicom_out.uid import Uids, tracking_uid, uid_maker
from qsmkit.io.tables import read_table
from qsmkit.measure import Measure

SERIES_NUMBER = 9200
"""Series number of reports."""

_UNITS = {
    "ppm": "[ppm]", "ppb": "[ppb]", "1/s": "/s", "s": "s", "ms": "ms", "mm": "mm", "mm3": "mm3", "mm³": "mm3",
    "mL": "mL", "ppm·mm³": "[ppm].mm3", "µg": "ug", "%": "%", "1": "1", "Hz": "Hz", "rad": "rad",
}  # fmt: skip
"""Unit → UCUM."""

_QUANTITIES = {
    "chi": concept(codes.DCM.MagneticSusceptibility),
    "r2star": concept(codes.DCM.R2Star),
    "t2star": concept(codes.DCM.T2Star),
    "volume": concept(codes.SCT.Volume),
}
_SUMS = ("volume", "chi_total", "mass")
"""Quantities that are no means over the region."""

_OF_UNIT = {
    "ppm": "chi", "ppb": "chi", "1/s": "r2star", "ms": "t2star", "s": "t2star",
    "mm3": "volume", "mm³": "volume", "mL": "volume",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """A measurement of a region.

    Attributes
    ----------
    region : str
        Its name.
    quantity : str
        What was measured: chi, r2star, t2star, volume, or any other word.
    measure : Measure
        Value, interval, unit, number of observations, method.
    tracking : str
        UID by which the region is followed; "" for one that follows from patient and name.
    """

    region: str
    quantity: str
    measure: Measure
    tracking: str = ""


_ROI = {"mean": "value", "voxels": "n"}
"""Columns of `qsmkit roi`, and what they are here."""


def read_findings(path: Path, names: Mapping[int, str] | None = None) -> list[Finding]:
    """Read measurements from a table or JSON, as `roi` and `uncertainty regions --json` make them.

    Parameters
    ----------
    path : Path
        .json, or a table. Columns or keys: `value`, `unit` and either `name` or `label`; `low`, `high`, `n`, `method`,
        `quantity` and `tracking_uid` if known; `mean` and `voxels` stand for `value` and `n` where there is no `value`.
    names : mapping of int to str, optional
        Names of labels.

    Raises
    ------
    InputError
        Something that is needed is missing, or a unit is not known.
    """
    rows = _json_rows(path) if path.suffix.lower() == ".json" else _table_rows(path)
    made = []
    for number, given in enumerate(rows, 1):
        row = given if "value" in given else {_ROI.get(k, k): v for k, v in given.items()}
        where = f"{path}, measurement {number}"
        label, unit = str(row.get("label") or ""), str(row.get("unit") or "")
        region = str(row.get("name") or "")
        if not region and label:
            region = (names or {}).get(int(float(label)), f"label {label}")
        if not region:
            raise InputError(f"{where} has neither name nor label; add one")
        if unit not in _UNITS:
            raise InputError(f"{where}: unit {unit!r} is not known; use one of {', '.join(_UNITS)}")
        value, low, high = (_number(row.get(k), k, where) for k in ("value", "low", "high"))
        if math.isnan(value):
            raise InputError(f"{where} ({region}) has no value; leave the row out")
        n = _number(row.get("n"), "n", where)
        measure = Measure(value, low, high, unit, 0 if math.isnan(n) else int(n), str(row.get("method") or ""))
        quantity = str(row.get("quantity") or _OF_UNIT.get(unit, "value"))
        made.append(Finding(region, quantity, measure, str(row.get("tracking_uid") or "")))
    if not made:
        raise InputError(f"{path} holds no measurement; give at least one")
    return made


def write_report(
    out: Path,
    findings: Sequence[Finding],
    images: Series,
    segmentation: Dataset | None,
    uids: Uids,
    *,
    when: datetime,
    overwrite: bool = False,
) -> Path:
    """Write measurements as a TID 1500 report, a group for each region.

    A region that is a segment of the segmentation refers to it; others name their site only. An interval becomes the
    template's upper and lower measurement uncertainty (TID 310): the distances of its ends from the value. A region's
    tracking UID is the same for the same patient and name at every visit.

    Parameters
    ----------
    out : Path
        The file, .dcm.
    findings : sequence of Finding
        The measurements.
    images : Series
        Headers of the series that was measured.
    segmentation : Dataset or None
        A DICOM SEG of that series.
    uids : callable
        Maker of UIDs.
    when : datetime
        Time of making.
    overwrite : bool
        Whether a file that is there already may be replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        The segmentation belongs to another series.
    OutputError
        The file is there already, or cannot be written.
    """
    first = images.headers[0]
    patient = str(first.get("PatientID", ""))
    segments = _segments(segmentation, images)
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.region, []).append(finding)
    report = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(
                observer_type=concept(codes.DCM.Device),
                observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
                    uid=uid_maker("device")(f"qsmkit {software_version()}"), name="qsmkit", model_name=MODEL,
                    manufacturer_name=MANUFACTURER,
                ),
            )
        ),
        procedure_reported=CodedConcept("qsm", PRIVATE_SCHEME, "Quantitative susceptibility mapping"),
        imaging_measurements=[
            _group(region, rows, segmentation, segments.get(region), first, patient) for region, rows in groups.items()
        ],
        title=concept(codes.DCM.ImagingMeasurementReport),
    )  # fmt: skip
    made = EnhancedSR(
        evidence=[*images.headers, *([segmentation] if segmentation is not None else [])],
        content=report,
        series_instance_uid=uids("report series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=uids("report"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        series_description=described("Measurements"),
    )
    made.ManufacturerModelName = MODEL
    made.SoftwareVersions = software_version()
    stamp(made, when)
    with replacing(out, overwrite=overwrite) as scratch:
        made.save_as(scratch, enforce_file_format=True)
    return out


def _group(
    region: str,
    rows: Sequence[Finding],
    segmentation: Dataset | None,
    segment: int | None,
    image: Dataset,
    patient: str,
) -> VolumetricROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations:
    tracking = rows[0].tracking or tracking_uid(patient, region)
    shared: dict[str, Any] = {
        "tracking_identifier": TrackingIdentifier(uid=tracking, identifier=region[:64]),
        "finding_type": structure_code(region),
        "finding_sites": [FindingSite(anatomic_location=structure_code(region), laterality=side_code(region))],
        "measurements": [_measurement(row) for row in rows],
    }
    if segmentation is not None and segment is not None:
        return VolumetricROIMeasurementsAndQualitativeEvaluations(
            referenced_segment=ReferencedSegment(
                segmentation.SOPClassUID, segmentation.SOPInstanceUID, segment,
                source_series=SourceSeriesForSegmentation(image.SeriesInstanceUID),
            ),
            **shared,
        )  # fmt: skip
    source = SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID)
    return MeasurementsAndQualitativeEvaluations(source_images=[source], **shared)


def _measurement(row: Finding) -> Measurement:
    measure = row.measure
    return Measurement(
        name=_QUANTITIES.get(row.quantity) or own_code(row.quantity),
        value=_sixteen(measure.value),
        unit=_unit(measure),
        derivation=None if row.quantity in _SUMS else concept(codes.SCT.Mean),
        method=own_code(measure.method) if measure.method else None,
        properties=_interval(measure),
    )


def _interval(measure: Measure) -> MeasurementProperties | None:
    """Return how far the ends of an interval lie from the value, in the value's own unit."""
    known: dict[str, Any] = {
        f"{side}_measurement_uncertainty": _sixteen(abs(end - measure.value))
        for side, end in (("upper", measure.high), ("lower", measure.low))
        if not math.isnan(end)
    }
    if not known:
        return None
    properties = MeasurementProperties(**known)
    for item in properties:  # the library calls these distances pure numbers
        item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence = [_unit(measure)]
    return properties


def _unit(measure: Measure) -> CodedConcept:
    return CodedConcept(_UNITS[measure.unit], "UCUM", measure.unit.replace("³", "3"))


def _segments(segmentation: Dataset | None, images: Series) -> dict[str, int]:
    if segmentation is None:
        return {}
    referred = {str(s.SeriesInstanceUID) for s in segmentation.get("ReferencedSeriesSequence") or ()}
    if str(images.headers[0].SeriesInstanceUID) not in referred:
        raise InputError(f"the segmentation lies on another series than {images.description}; give that series")
    return {str(s.SegmentLabel): int(s.SegmentNumber) for s in segmentation.SegmentSequence}


def _sixteen(value: float) -> float:
    """Return a number that is exact in the 16 characters of a decimal string."""
    return float(f"{value:.9g}")


def _json_rows(path: Path) -> list[Mapping[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}); check the file") from error
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise InputError(f"{path} is not a list of measurements; give what roi or uncertainty regions --json prints")
    return content


def _table_rows(path: Path) -> list[Mapping[str, Any]]:
    table = read_table(path)
    from_roi = "mean" in table.columns and "value" not in table.columns
    table.text("mean" if from_roi else "value"), table.text("unit")
    return [{name: column[i] for name, column in table.columns.items()} for i in range(len(table))]


def _number(value: Any, key: str, where: str) -> float:
    if value is None or value == "":
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{where}: {key} is {value!r}, not a number; correct it") from None
