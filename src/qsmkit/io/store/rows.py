"""Rows of the registry: one frozen dataclass a table.

Annotations are the schema (see `column`): they carry each column's meaning, unit, bounds and form, and every row is
checked when it is made. An identifier that is not given is made: a UUID, or for a session its patient and visit.
A lesion's identifier is its identity for good, and its Tracking UID in DICOM (as 2.25.…).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self

from annotated_types import Ge, Gt, Le

from qsmkit.errors import InputError
from qsmkit.io.store import identity
from qsmkit.io.store.column import Column, Refers, Unit, columns

LesionKind = Literal[
    "cavernoma", "microbleed", "haematoma", "calcification", "enhancing", "rim_lesion", "depot", "siderosis", "other"
]
EventType = Literal[
    "symptomatic_haemorrhage", "asymptomatic_change", "growth", "seizure", "focal_deficit", "surgery", "radiosurgery",
    "placement", "death", "other",
]  # fmt: skip
Relation = Literal["same", "split", "merge", "new", "resolved", "uncertain"]
Decision = Literal["proposed", "accepted", "rejected"]
Verdict = Literal["pass", "warn", "fail", "unread"]
MarsRegion = Literal[
    "frontal", "parietal", "temporal", "occipital", "insula", "basal_ganglia", "thalamus", "internal_capsule",
    "external_capsule", "corpus_callosum", "deep_white_matter", "brainstem", "cerebellum",
]  # fmt: skip
"""Regions of the Microbleed Anatomical Rating Scale (Gregoire 2009)."""

_Id = Annotated[str, identity.unique, "Identifier"]
_Ppm = Unit("ppm")
_CubicMm = Unit("mm³")


class Row:
    """What all rows do: they check themselves, and are told as plain values."""

    __slots__ = ()
    table: ClassVar[str]
    unique: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Columns that together name only one row."""

    id: str

    def __post_init__(self) -> None:
        own, *others = columns(type(self))
        for column in others:
            self._check(column)
        self._name()
        self._check(own)

    def _check(self, column: Column) -> None:
        object.__setattr__(self, column.name, column.check(getattr(self, column.name)))

    def _name(self) -> None:
        """Make the identifier, where it follows from other columns."""

    def plain(self) -> dict[str, Any]:
        """Return the row as JSON has it."""
        return {c.name: c.plain(getattr(self, c.name)) for c in columns(type(self))}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the row of some values by column name.

        Raises
        ------
        InputError
            A column is unknown, or a value is not one of its column.
        """
        known = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]  # every subclass is a dataclass
        unknown = next((name for name in values if name not in known), None)
        if unknown:
            raise InputError(f"{cls.table} has no column {unknown!r}; it has {', '.join(known)}")
        there = {name: value for name, value in values.items() if value is not None}
        lacking = [n for n, f in known.items() if f.default is f.default_factory is MISSING and n not in there]
        if lacking:
            raise InputError(f"{cls.table}: {lacking[0]} is missing; give it")
        return cls(**there)

    @classmethod
    def read(cls, cells: Mapping[str, str]) -> Self:
        """Return the row that cells of a table hold, by column name; empty ones are missing.

        Raises
        ------
        InputError
            A column is unknown, or a cell does not hold a value of its column.
        """
        return cls.of(cls.read_some(cells))

    @classmethod
    def read_some(cls, cells: Mapping[str, str]) -> dict[str, Any]:
        """Return the values that some cells hold, None for an empty one; raise as `read` does."""
        by_name = {c.name: c for c in columns(cls)}
        return {name: by_name[name].read(cell) if name in by_name else cell for name, cell in cells.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site(Row):
    """A centre."""

    table: ClassVar[str] = "site"
    id: Annotated[str, identity.label, "Site's code"]
    name: Annotated[str | None, "Name of the institution"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner(Row):
    """A scanner: percent changes are comparable on the same one only."""

    table: ClassVar[str] = "scanner"
    id: Annotated[str, identity.label, "Scanner's code"]
    site: Annotated[str | None, Refers("site"), "Where it stands"] = None
    vendor: Annotated[str | None, "Manufacturer"] = None
    model: Annotated[str | None, "Model"] = None
    software: Annotated[str | None, "Version of its software"] = None
    field_strength: Annotated[float | None, Gt(0), Le(25), Unit("T"), "Field strength"] = None
    serial_hash: Annotated[str | None, identity.digest, "Digest of its serial number"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient(Row):
    """A person under a pseudonym. What leads back to the person, and the shift of dates, are kept elsewhere."""

    table: ClassVar[str] = "patient"
    id: Annotated[str, identity.pseudonym, "Pseudonym"]
    site: Annotated[str | None, Refers("site"), "Site that follows the patient"] = None
    sex: Annotated[Literal["F", "M", "other", "unknown"], "Sex"] = "unknown"
    birth_year: Annotated[int | None, Ge(1750), Le(2200), "Year of birth, on the calendar of the shifted dates"] = None
    genotype: Annotated[
        Literal["CCM1", "CCM2", "CCM3", "none", "unknown", "not_applicable"], "Mutated gene of a cavernoma's carrier"
    ] = "unknown"
    familial: Annotated[bool | None, "Whether the disease runs in the family"] = None
    consent: Annotated[Literal["given", "withdrawn", "waived", "unknown"], "Consent to research"] = "unknown"
    arm: Annotated[str | None, identity.label, "Arm of a trial"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session(Row):
    """A visit to a scanner."""

    table: ClassVar[str] = "session"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("patient", "visit"),)
    id: Annotated[str, identity.label, "Identifier, by default patient and visit"] = ""
    patient: Annotated[str, Refers("patient"), "Whom"]
    visit: Annotated[str, identity.label, "Label of the visit, unique for the patient"]
    date: Annotated[date, "Shifted date of the scan"]
    days_from_index: Annotated[int | None, Unit("d"), "Days since the patient's index date"] = None
    scanner: Annotated[str | None, Refers("scanner"), "Scanner"] = None
    protocol: Annotated[str | None, identity.digest, "Digest of the protocol's parameters"] = None
    gadolinium: Annotated[bool | None, "Whether contrast agent was given before the scan"] = None
    hematocrit: Annotated[float | None, Gt(0), Le(1), Unit("1"), "Volume fraction of red cells"] = None
    age: Annotated[float | None, Ge(0), Le(120), Unit("a"), "Age"] = None

    def _name(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", f"{self.patient}-{self.visit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series(Row):
    """A series of images of a session."""

    table: ClassVar[str] = "series"
    id: Annotated[str, identity.dicom_uid, "Remapped Series Instance UID"]
    session: Annotated[str, Refers("session"), "Visit"]
    echo_times: Annotated[tuple[float, ...] | None, Unit("s"), "Echo times"] = None
    voxel: Annotated[tuple[float, ...] | None, Unit("mm"), "Edges of a voxel"] = None
    b0: Annotated[tuple[float, ...] | None, "Direction of B0 in voxel axes, unit vector"] = None
    path: Annotated[str | None, identity.inside, "Image, relative to the data set"] = None
    sha256: Annotated[str | None, identity.digest, "Digest of the image"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recon(Row):
    """A reconstruction of a session. Baseline and follow-up are compared only from one pipeline version."""

    table: ClassVar[str] = "recon"
    id: _Id = field(default_factory=identity.new)
    session: Annotated[str, Refers("session"), "Visit"]
    pipeline: Annotated[str, "Name of the recipe"]
    version: Annotated[str, "Version of the software"]
    revision: Annotated[str | None, identity.digest, "Commit of the software"] = None
    parameters: Annotated[dict[str, Any] | None, "Parameters of its steps"] = None
    reference: Annotated[str | None, "Region whose mean is zero"] = None
    container: Annotated[str | None, "Digest of the container"] = None
    path: Annotated[str | None, identity.inside, "Susceptibility map, relative to the data set"] = None
    sha256: Annotated[str | None, identity.digest, "Digest of the map"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion(Row):
    """A lesion, haematoma or depot that is followed."""

    table: ClassVar[str] = "lesion"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("patient", "label"),)
    id: Annotated[str, identity.unique, "Identity for good, a UUID: the Tracking UID in DICOM"] \
        = field(default_factory=identity.new)  # fmt: skip
    patient: Annotated[str, Refers("patient"), "Whose"]
    label: Annotated[str, identity.label, "Short name, unique for the patient"]
    kind: Annotated[LesionKind, "What it is"]
    location: Annotated[str | None, "Where it lies, in words or as a code of an atlas"] = None
    mars: Annotated[MarsRegion | None, "Region of the Microbleed Anatomical Rating Scale"] = None
    index_lesion: Annotated[bool, "Whether it bled at enrolment and is the primary one"] = False
    first_seen: Annotated[str | None, Refers("session"), "Visit at which it was first seen"] = None
    status: Annotated[Literal["candidate", "active", "resolved", "treated", "excluded"], "State"] = "active"
    agent: Annotated[str | None, "Agent of a depot"] = None
    placed_on: Annotated[date | None, "Shifted date on which a depot was placed"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(Row):
    """What was measured of a lesion in a reconstruction, in its native space."""

    table: ClassVar[str] = "observation"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("lesion", "recon", "rater", "method", "reading"),)
    id: _Id = field(default_factory=identity.new)
    lesion: Annotated[str, Refers("lesion"), "Lesion"]
    recon: Annotated[str, Refers("recon"), "Reconstruction"]
    rater: Annotated[str, identity.label, "Who drew the mask"] = "software"
    method: Annotated[str, identity.label, "How the mask was drawn"] = "manual"
    reading: Annotated[int, Ge(1), "Number of the reading by this rater"] = 1
    mask: Annotated[str | None, identity.inside, "Mask, relative to the data set"] = None
    mask_sha256: Annotated[str | None, identity.digest, "Digest of the mask"] = None
    rule: Annotated[str | None, "Which voxels of the mask are measured"] = None
    centre: Annotated[tuple[float, ...] | None, Unit("mm"), "Centre of the mask in the scan's space, RAS+"] = None
    voxels: Annotated[int | None, Ge(0), "Voxels of the mask"] = None
    volume: Annotated[float | None, Ge(0), _CubicMm, "Volume"] = None
    mean: Annotated[float | None, _Ppm, "Mean susceptibility relative to the reference"] = None
    mean_low: Annotated[float | None, _Ppm, "Lower end of the mean's 95 % interval"] = None
    mean_high: Annotated[float | None, _Ppm, "Upper end of the mean's 95 % interval"] = None
    noise: Annotated[float | None, Ge(0), _Ppm, "Standard deviation of the mean from the scan's noise"] = None
    noise_degrees: Annotated[float | None, Gt(0), "Degrees of freedom of the noise; infinite if missing"] = None
    median: Annotated[float | None, _Ppm, "Median susceptibility"] = None
    maximum: Annotated[float | None, _Ppm, "Largest susceptibility"] = None
    p95: Annotated[float | None, _Ppm, "95th percentile of the susceptibility"] = None
    sd: Annotated[float | None, Ge(0), _Ppm, "Standard deviation of the voxels"] = None
    chi_total: Annotated[float | None, Unit("ppm·mm³"), "Susceptibility above the background's times volume"] = None
    chi_total_low: Annotated[float | None, Unit("ppm·mm³"), "Lower end of its 95 % interval"] = None
    chi_total_high: Annotated[float | None, Unit("ppm·mm³"), "Upper end of its 95 % interval"] = None
    chi_background: Annotated[float | None, _Ppm, "Susceptibility of the tissue around"] = None
    reference_sd: Annotated[float | None, Ge(0), _Ppm, "Standard deviation of the reference region"] = None
    permeability: Annotated[float | None, Ge(0), Unit("mL/(100 g·min)"), "Mean permeability by dynamic contrast"] = None
    mass: Annotated[float | None, Ge(0), Unit("µg"), "Mass of a depot's agent, or of iron"] = None
    mass_low: Annotated[float | None, Unit("µg"), "Lower end of the mass's 95 % interval"] = None
    mass_high: Annotated[float | None, Unit("µg"), "Upper end of the mass's 95 % interval"] = None
    verdict: Annotated[Verdict, "Quality"] = "unread"
    note: Annotated[str | None, "Remark, without anything that identifies a person"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Row):
    """What became of a lesion between two visits. One that software proposes waits until somebody decides."""

    table: ClassVar[str] = "link"
    id: _Id = field(default_factory=identity.new)
    parent: Annotated[str | None, Refers("lesion"), "Lesion at the earlier visit; none if it is new"] = None
    child: Annotated[str | None, Refers("lesion"), "Lesion at the later visit; none if it resolved"] = None
    before: Annotated[str | None, Refers("session"), "Earlier visit"] = None
    after: Annotated[str, Refers("session"), "Later visit"]
    relation: Annotated[Relation, "What became of it"]
    iou: Annotated[float | None, Ge(0), Le(1), Unit("1"), "Overlap of the masks: intersection over union"] = None
    distance: Annotated[float | None, Ge(0), Unit("mm"), "Distance of the centroids"] = None
    hausdorff: Annotated[float | None, Ge(0), Unit("mm"), "Hausdorff distance of the masks"] = None
    decision: Annotated[Decision, "Whether it holds"] = "proposed"
    decided_by: Annotated[str | None, identity.label, "Who decided"] = None

    def __post_init__(self) -> None:
        Row.__post_init__(self)
        if self.parent is None and self.child is None:
            raise InputError("a link without parent and child links nothing; give at least one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Row):
    """Something that happened to a patient or lesion. Growth alone, or a rim alone, is no haemorrhage."""

    table: ClassVar[str] = "event"
    id: _Id = field(default_factory=identity.new)
    patient: Annotated[str, Refers("patient"), "To whom"]
    lesion: Annotated[str | None, Refers("lesion"), "To which lesion"] = None
    type: Annotated[EventType, "What happened"]
    onset: Annotated[date, "Shifted date on which it began"]
    precision: Annotated[Literal["day", "month", "year"], "How exactly the date is known"] = "day"
    adjudicators: Annotated[tuple[str, ...] | None, identity.label, "Who decided what it was"] = None
    adjudication: Annotated[Literal["pending", "confirmed", "rejected"], "Their decision"] = "pending"
    definition: Annotated[str | None, "Definition by which it was judged, with its version"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinical(Row):
    """Scales and drugs at a visit."""

    table: ClassVar[str] = "clinical"
    unique: ClassVar[tuple[tuple[str, ...], ...]] = (("session",),)
    id: Annotated[str, identity.label, "Identifier, by default the visit's"] = ""
    session: Annotated[str, Refers("session"), "Visit"]
    mrs: Annotated[int | None, Ge(0), Le(6), "Modified Rankin Scale"] = None
    nihss: Annotated[int | None, Ge(0), Le(42), "NIH Stroke Scale"] = None
    eq5d: Annotated[float | None, Ge(-1), Le(1), Unit("1"), "EQ-5D index"] = None
    promis: Annotated[float | None, Ge(0), Le(100), Unit("T score"), "PROMIS-29 T score"] = None
    drugs: Annotated[str | None, "Drugs that matter, with daily dose"] = None

    def _name(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", self.session)


@dataclass(frozen=True, slots=True, kw_only=True)
class Qc(Row):
    """A check of a reconstruction."""

    table: ClassVar[str] = "qc"
    id: _Id = field(default_factory=identity.new)
    recon: Annotated[str, Refers("recon"), "Reconstruction"]
    check: Annotated[str, identity.label, "What was checked"]
    value: Annotated[float | None, "What was found"] = None
    unit: Annotated[str | None, "Unit of the value"] = None
    verdict: Annotated[Verdict, "Verdict"] = "unread"
    reader: Annotated[str, identity.label, "Who or what checked"] = "software"


ROWS: dict[str, type[Row]] = {
    made.table: made
    for made in (Site, Scanner, Patient, Session, Series, Recon, Lesion, Observation, Link, Event, Clinical, Qc)
}
"""Tables by name; each refers to earlier ones only."""
