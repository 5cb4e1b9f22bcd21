"""An independent look at what was written, for any identifier of the originals.

Nothing here knows what was kept or how. Identifiers are gathered from the originals by what they are (names of persons,
places and devices, numbers of patients and orders, dates, UIDs), and looked for in every element, nested sequences
included, in the raw bytes outside the pixels, and in the name of every file written.
"""

from __future__ import annotations

import gzip
import json
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom import DataElement, Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID

from qsmkit.io.deidentify.words import MAKERS, is_word

_IDENTIFYING = frozenset("""
    PatientID OtherPatientIDs IssuerOfPatientID PatientAddress PatientTelephoneNumbers PatientBirthName
    PatientMotherBirthName MedicalRecordLocator MilitaryRank BranchOfService CountryOfResidence RegionOfResidence
    PatientReligiousPreference Occupation PatientInsurancePlanCodeSequence AccessionNumber StudyID InstitutionName
    InstitutionAddress InstitutionalDepartmentName StationName DeviceSerialNumber DeviceUID GantryID DetectorID
    RequestedProcedureID ScheduledProcedureStepID PerformedProcedureStepID PerformedStationName PerformedStationAETitle
    PerformedLocation ScheduledStationName ScheduledStationAETitle AdmissionID IssuerOfAdmissionID ServiceEpisodeID
    CurrentPatientLocation PatientInstitutionResidence FillerOrderNumberImagingServiceRequest
    PlacerOrderNumberImagingServiceRequest OrderCallbackPhoneNumber OrderEntererLocation RequestingService
    ReferringPhysicianAddress ReferringPhysicianTelephoneNumbers PersonAddress PersonTelephoneNumbers CassetteID PlateID
    ProtocolContextSequence SourceApplicationEntityTitle SendingApplicationEntityTitle ReceivingApplicationEntityTitle
    RetrieveAETitle ClinicalTrialSubjectID ClinicalTrialSiteName ClinicalTrialSponsorName ClinicalTrialProtocolName
    AdditionalPatientHistory PatientComments ImageComments StudyComments Allergies MedicalAlerts
""".split())  # noqa: SIM905
"""Attributes whose text names a person, place, device or order (from PS3.15 Table E.1-1)."""

_OF_SOFTWARE = frozenset({"ImplementationClassUID", "TransferSyntaxUID"})
_UID = re.compile(r"(?<![0-9.])[0-2](?:\.\d+){4,}(?![0-9.]*\d)")
_DATE = re.compile(r"(?<![\d.])(?:19|20)\d{2}-?[01]\d-?[0-3]\d(?=\D|\d{6}|$)")
_SHORTEST, _SHORT_WORD, _SHORT_NUMBER = 2, 5, 6
"""Characters: shorter texts identify no one; shorter words and numbers count only as words of their own in a text."""


@dataclass(frozen=True, slots=True)
class Leak:
    """An identifier that survived.

    Attributes
    ----------
    file : str
        Where, relative to the output folder.
    place : str
        Element, "bytes" or "name".
    kind : str
        What it is: text, date or UID. The value itself is not told again.
    """

    file: str
    place: str
    kind: str


@dataclass(eq=False)
class Identifiers:
    """What identifies the originals.

    Attributes
    ----------
    texts : set of str
        Names and numbers, in lower case.
    dates : set of str
        YYYYMMDD.
    uids : set of str
        Those that DICOM does not define.
    """

    texts: set[str] = field(default_factory=set)
    dates: set[str] = field(default_factory=set)
    uids: set[str] = field(default_factory=set)

    def add_object(self, original: Dataset) -> None:
        """Gather from a DICOM object."""
        for element in (*_elements(original), *_elements(getattr(original, "file_meta", Dataset()))):
            for value in _strings(element.value):
                if element.VR == "PN":
                    self._add_name(value)
                elif element.VR == "UI" and element.keyword not in _OF_SOFTWARE:
                    self._add_uid(value)
                elif element.VR in ("DA", "DT"):
                    self._add_date(value)
                elif element.keyword in _IDENTIFYING:
                    self._add_text(value)

    def add_sidecar(self, content: Any) -> None:
        """Gather from a JSON sidecar."""
        for key, value in content.items() if isinstance(content, dict) else ():
            for text in value if isinstance(value, list) else [value]:
                if not isinstance(text, str):
                    continue
                if key.endswith("UID"):
                    self._add_uid(text)
                elif "Date" in key:
                    self._add_date(text)
                elif key in _IDENTIFYING or (re.search(r"Name$|Physician|Operator", key) and _personal(key)):
                    self._add_name(text)

    def _add_name(self, value: str) -> None:
        for part in (value, *re.split(r"[\^=,\s]+", value)):
            self._add_text(part)

    def _add_text(self, value: str) -> None:
        text = value.strip().lower()
        plain = [word for word in re.split(r"[^0-9a-z]+", text) if word]
        long_enough = len(text) >= (_SHORTEST if text.isalpha() else _SHORTEST + 1)
        if long_enough and text not in MAKERS and not all(is_word(word) for word in plain):
            self.texts.add(text)

    def _add_date(self, value: str) -> None:
        match = _DATE.match(value.strip().replace(".", "", 2))
        if match:
            self.dates.add(match[0].replace("-", ""))

    def _add_uid(self, value: str) -> None:
        if value and UID(value).name == value:  # one that DICOM defines has a name
            self.uids.add(value.strip())

    def within(self, texts: Iterable[str]) -> Identifiers:
        """Return those whose letters occur somewhere in some texts: the only ones worth a closer look there."""
        whole = "\n".join(texts).lower()
        return Identifiers({known for known in self.texts if known in whole}, self.dates, self.uids)

    def found_in(self, text: str, *, short: bool = True) -> Iterator[str]:
        """Yield the kinds of identifiers that a text holds; short ones count as whole words only, if at all."""
        lower = text.lower()
        if any(_holds(lower, known, short=short) for known in self.texts):
            yield "text"
        if any(d.replace("-", "") in self.dates for d in _DATE.findall(text)):
            yield "date"
        if any(u in self.uids for u in _UID.findall(text)):
            yield "UID"


def leaks(folder: Path, known: Identifiers) -> list[Leak]:
    """Look for identifiers in every file below a folder.

    Parameters
    ----------
    folder : Path
        What was written.
    known : Identifiers
        Of the originals.
    """
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        said = [("name", name, False), *_texts(path)]
        near = known.within(text for _, text, _ in said)
        found += [Leak(name, place, kind) for place, text, short in said for kind in near.found_in(text, short=short)]
    return found


def _texts(path: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield what a file says: place, text, and whether a short word or number in it would mean anything."""
    content = path.read_bytes()
    if path.name.endswith((".nii", ".nii.gz")):
        image = gzip.decompress(content) if path.suffix == ".gz" else content
        (first,) = struct.unpack("<f", image[108:112])
        yield "header", image[: int(first) if 352 <= first < len(image) else 352].decode("latin-1"), False
        if path.suffix == ".gz":
            yield "bytes", content[:64].decode("latin-1"), False
        return
    if path.suffix == ".json":
        for text in _words_of(json.loads(content)):
            yield "content", text, True
        return
    try:
        read = dcmread(path)
    except InvalidDicomError:
        yield "bytes", content.decode("latin-1"), False
        return
    for element in [*read.iterall(), *read.file_meta]:
        words = element.VR in ("LO", "SH", "PN", "LT", "ST", "UT", "UC", "AE", "CS", "UN")
        for value in _strings(element.value):
            yield f"{element.tag} {element.name}", value, words
    pixels = read.get("PixelData")
    if isinstance(pixels, bytes) and not read.file_meta.TransferSyntaxUID.is_compressed:
        content = content.replace(pixels, b"")
    yield "bytes", content.decode("utf-8", "replace"), False
    yield "bytes", content.decode("latin-1"), False


def _elements(original: Dataset) -> Iterator[DataElement]:
    """Yield every element that can be decoded, nested ones included."""
    for tag in sorted(original.keys()):
        try:
            element = original[tag]
        except Exception:
            continue
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item)


def _words_of(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield key
            yield from _words_of(value)
    elif isinstance(content, list):
        for value in content:
            yield from _words_of(value)


def _strings(value: Any) -> Iterable[str]:
    values = value if isinstance(value, MultiValue | list | tuple) and not isinstance(value, Sequence) else [value]
    for one in values:
        if isinstance(one, bytes):
            if len(one) < 65536:
                yield one.decode("latin-1")
        elif one is not None and not isinstance(one, Dataset | Sequence | float):
            yield str(one)


def _holds(text: str, known: str, *, short: bool) -> bool:
    if known not in text:
        return False
    if known.isdigit():
        if len(known) < _SHORT_NUMBER and not short:
            return False
        return re.search(rf"(?<![0-9.]){known}(?![0-9.]*[0-9])", text) is not None
    if len(known) < _SHORT_WORD:
        return short and re.search(rf"(?<![0-9a-z]){re.escape(known)}(?![0-9a-z])", text) is not None
    return True


def _personal(key: str) -> bool:
    return not re.search(r"Manufacturer|Sequence|Protocol|Coil|Model", key)
