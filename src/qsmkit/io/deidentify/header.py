"""A DICOM object without its patient: a new one is built from what may stay."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydicom import DataElement, Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID

from qsmkit.errors import InputError
from qsmkit.io.deidentify import profile
from qsmkit.io.deidentify.dates import kept_time, moved_date, moved_datetime
from qsmkit.io.deidentify.key import Key
from qsmkit.io.deidentify.private import SAFE, VALUES
from qsmkit.io.deidentify.words import cleaned, device_text, name_parts, names_someone, naming_words
from qsmkit.io.dicom_out.object import code, software_version

_BINARY = frozenset({"FL", "FD", "SL", "SS", "SV", "UL", "US", "UV", "AT", "OB", "OW", "OF", "OD", "OL", "OV"})
_DECIMAL = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*")
_CODE = re.compile(r"[A-Z0-9_ ]{0,16}")
_CODED = re.compile(r"[0-9A-Za-z .,;:()/\[\]{}^*%+_-]{0,64}")

_Replace = Callable[[str], str]


class Refused(InputError):
    """An object that no header rule can make safe."""


@dataclass(frozen=True, eq=False)
class Rules:
    """How the objects of a patient are changed.

    Attributes
    ----------
    key : Key
        The secret.
    characteristics : bool
        Whether sex, age, size and weight stay.
    """

    key: Key
    characteristics: bool = False


def patient_of(header: Dataset) -> str:
    """Return what a patient is told apart by: ID, else name and birth date, else the study."""
    found = str(header.get("PatientID") or "").strip()
    if found:
        return found
    name = f"{header.get('PatientName') or ''} {header.get('PatientBirthDate') or ''}".strip()
    return name or f"study {header.get('StudyInstanceUID', '')}"


def refuse_unsafe(header: Dataset) -> None:
    """Let images of known kinds pass.

    Raises
    ------
    Refused
        The object is of another kind, or may show a name in its pixels.
    """
    kind = header.get("SOPClassUID")
    if str(kind) not in profile.SOP_CLASSES:
        name = getattr(kind, "name", "an object without a class")
        raise Refused(f"{name} may carry identity in its content; only MR, CT and parametric maps are let through")
    if str(header.get("BurnedInAnnotation") or "").strip().upper() == "YES":
        raise Refused("Burned In Annotation is YES: the pixels show text; blank them first")
    parts = {str(v).strip().upper() for v in _values(header.get("ImageType"))}
    if parts & profile.CAPTURED:
        raise Refused(f"Image Type {sorted(parts & profile.CAPTURED)[0]}: a copy of a screen; leave it out")


def deidentified(header: Dataset, rules: Rules) -> tuple[Dataset, Counter[str]]:
    """Return a new object with what may stay, and how many attributes met which fate.

    Parameters
    ----------
    header : Dataset
        The object, with its file meta information.
    rules : Rules
        Key and options.

    Returns
    -------
    Dataset
        Ready to be saved.
    Counter
        Of "kept", "removed", "moved dates", "new UIDs", "cleaned" and "private kept".

    Raises
    ------
    Refused
        See `refuse_unsafe`.
    """
    refuse_unsafe(header)
    patient = patient_of(header)
    work = _Work(rules, rules.key.days(patient), identity(header))
    made = work.filtered(header)
    made.PatientID = made.PatientName = rules.key.pseudonym(patient)
    for keyword in profile.EMPTY - set(made.dir()):
        setattr(made, keyword, "")
    _state_method(made, rules)
    made.file_meta = _meta(header, made)
    return made, work.fates


def identity(header: Dataset) -> frozenset[str]:
    """Return the words, in lower case, by which an object names people and places, words of the field apart."""
    found: list[str] = []
    for element in header.iterall():
        values = [str(v) for v in _values(element.value)] if element.VR == "PN" or element.keyword in _NAMING else []
        found += values
        if element.VR == "PN":
            found += [part for value in values for part in name_parts(value)]
    return naming_words(found)


_NAMING = frozenset({
    "PatientID", "OtherPatientIDs", "IssuerOfPatientID", "AccessionNumber", "StudyID", "InstitutionName", "StationName",
    "InstitutionAddress", "InstitutionalDepartmentName", "DeviceSerialNumber", "PatientAddress", "MedicalRecordLocator",
    "RequestedProcedureID", "PerformedStationName", "PatientTelephoneNumbers", "PatientBirthName", "GantryID",
})  # fmt: skip


class _Work:
    def __init__(self, rules: Rules, days: int, names: frozenset[str]) -> None:
        self.fates: Counter[str] = Counter()
        self._rules, self._days, self._names = rules, days, names

    def filtered(self, source: Dataset, *, nested: bool = False) -> Dataset:
        """Return what may stay of a data set, nested ones included."""
        made = Dataset()
        for element in source:
            if element.tag.is_private:
                continue
            coded = element.keyword in profile.CODED_TEXT
            kept = self._standard(element) if nested or not coded else None
            if kept is None:
                self.fates["removed"] += 1
            else:
                made.add(kept)
        self._copy_private(source, made)
        return made

    def _standard(self, element: DataElement) -> DataElement | None:
        keyword = element.keyword
        wanted = profile.CHARACTERISTICS if self._rules.characteristics else frozenset()
        if keyword in wanted:
            return self._characteristic(element)
        if keyword in profile.EMPTY or keyword in profile.EMPTIED:
            return DataElement(element.tag, element.VR, "")
        if keyword in profile.CLEANED:
            self.fates["cleaned"] += 1
            return self._text(element, cleaned)
        if keyword in profile.DEVICE_TEXT:
            return self._text(element, lambda text: device_text(keyword, text))
        if keyword in profile.CODED_TEXT:
            return self._text(element, lambda text: text if _CODED.fullmatch(text) else "")
        return self._by_representation(element) if keyword in profile.KEPT else None

    def _by_representation(self, element: DataElement) -> DataElement | None:
        kind = element.VR
        if kind == "SQ":
            return DataElement(element.tag, "SQ", [self.filtered(item, nested=True) for item in element.value])
        if kind in _BINARY:
            self.fates["kept"] += 1
            return element
        if kind == "UI":
            return self._replaced(element, "new UIDs", self._uid)
        if kind in ("DA", "DT"):
            move = moved_date if kind == "DA" else moved_datetime
            return self._replaced(element, "moved dates", lambda text: move(text, self._days))
        if kind == "TM":
            return self._replaced(element, "kept", kept_time)
        if kind in ("DS", "IS"):
            return self._replaced(element, "kept", lambda text: text if _DECIMAL.fullmatch(text) else "")
        if kind == "CS":
            return self._text(element, lambda text: text if _CODE.fullmatch(text.strip()) else "")
        return None

    def _replaced(self, element: DataElement, fate: str, replace: _Replace) -> DataElement | None:
        values = [replace(str(v)) for v in _values(element.value)]
        if any(values) and not all(values) and element.VR in ("DS", "IS"):
            return None  # a coordinate without one of its numbers is no coordinate
        self.fates[fate] += 1
        return DataElement(element.tag, element.VR, values if len(values) > 1 else (values[0] if values else ""))

    def _text(self, element: DataElement, clean: _Replace) -> DataElement:
        values = [clean(str(v)) for v in _values(element.value)]
        values = ["" if not v.isascii() or names_someone(v, self._names) else v for v in values]
        return DataElement(element.tag, element.VR, values if len(values) > 1 else (values[0] if values else ""))

    def _characteristic(self, element: DataElement) -> DataElement | None:
        text = str(element.value or "")
        if element.keyword == "PatientAge":
            if not re.fullmatch(r"\d{3}[DWMY]", text):
                return None
            old = text.endswith("Y") and int(text[:3]) > profile.OLDEST
            return DataElement(element.tag, "AS", "090Y" if old else text)
        if element.keyword == "PatientSex":
            return DataElement(element.tag, "CS", text if text in ("M", "F", "O") else "")
        return self._by_representation(element)

    def _uid(self, uid: str) -> str:
        """Return another UID, except for those that DICOM itself defines: they identify no one."""
        return uid if not uid or UID(uid).name != uid else str(self._rules.key.uid(uid))

    def _copy_private(self, source: Dataset, made: Dataset) -> None:
        for (creator, group), elements in SAFE.items():
            try:
                block = source.private_block(group, creator)
            except KeyError:
                continue
            for low in sorted(elements):
                if low not in block:
                    continue
                kept = self._private(block[low])
                if kept is not None:
                    # Where it was: converters look for these elements at their usual places, not by creator.
                    made.add(kept)
                    made.add(DataElement((group, block.block_start >> 8), "LO", creator))
                    self.fates["private kept"] += 1
        self.fates["removed"] += sum(e.tag.is_private for e in source) - sum(e.tag.is_private for e in made)

    def _private(self, element: DataElement) -> DataElement | None:
        return self._by_representation(element) if element.VR in VALUES else None


def _state_method(made: Dataset, rules: Rules) -> None:
    made.PatientIdentityRemoved = "YES"
    made.LongitudinalTemporalInformationModified = "MODIFIED"
    made.DeidentificationMethod = [f"qsmkit {software_version()}"[:64], "PS3.15 Basic Profile by list of what to keep"]
    codes = dict(profile.METHOD_CODES)
    if rules.characteristics:
        codes |= dict([profile.CHARACTERISTICS_CODE])
    made.DeidentificationMethodCodeSequence = [code(value, "DCM", meaning) for value, meaning in codes.items()]
    if not made.get("BurnedInAnnotation"):
        made.pop("BurnedInAnnotation", None)


def _meta(header: Dataset, made: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = header.file_meta.TransferSyntaxUID
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    return meta


def _values(value: object) -> Iterator[object]:
    if value is None:
        return iter(())
    return iter(value) if isinstance(value, MultiValue | list | tuple) else iter((value,))
