"""What every object that leaves the program says about itself."""

from __future__ import annotations

import re
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID, ExplicitVRLittleEndian

from qsmkit.errors import ParameterError

MANUFACTURER, MODEL = "qsmkit", "qsmkit"

DISCLAIMER = "RESEARCH - NOT FOR DIAGNOSTIC USE"

STATION_NOTE = (
    "Research use only. Planning stations require that a user verifies the fusion: the exporter makes no claim that a "
    "station accepts or places these images rightly."
)


def described(words: str) -> str:
    """Return a series description that ends in the disclaimer, within the 64 characters of its kind.

    Raises
    ------
    ParameterError
        The words are not plain ASCII, or leave no room.
    """
    text = f"{' '.join(words.split())} {DISCLAIMER}"
    if len(text) > 64 or not text.isascii() or "\\" in text:
        raise ParameterError(
            f"description {words!r} is not at most {63 - len(DISCLAIMER)} plain characters; shorten it"
        )
    return text


def new_object(study: Dataset, sop_class: UID, instance_uid: UID, when: datetime) -> Dataset:
    """Return an object of a class, in a study, made by this program at a time."""
    made = Dataset()
    made.update(study)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    made.file_meta = meta
    made.SOPClassUID = sop_class
    made.SOPInstanceUID = instance_uid
    stamp(made, when)
    made.Manufacturer = MANUFACTURER
    made.ManufacturerModelName = MODEL
    made.SoftwareVersions = software_version()
    return made


def stamp(made: Dataset, when: datetime) -> None:
    """Say when an object was made."""
    made.InstanceCreationDate = made.SeriesDate = made.ContentDate = when.strftime("%Y%m%d")
    made.InstanceCreationTime = made.SeriesTime = made.ContentTime = when.strftime("%H%M%S.%f")


def software_version() -> str:
    """Return the version, as far as DICOM's characters go."""
    return re.sub(r"[^0-9A-Za-z.+-]", "", version("qsmkit"))[:64]


def is_ours(path: Path) -> bool:
    """Return whether a file is a DICOM object that this program made."""
    try:
        return str(dcmread(path, stop_before_pixels=True).get("Manufacturer")) == MANUFACTURER
    except (InvalidDicomError, OSError, EOFError, ValueError):
        return False


def reference(header: Dataset) -> Dataset:
    """Return a reference to an object."""
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    return item


def derivation_code() -> Dataset:
    """Return the code of how these objects come from the scanner's."""
    return code("113041", "DCM", "Derived by non-standard processing")


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return an item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item
