"""FHIR R4: a bundle of patients, lesions and measurements.

Codes are of public systems only where they are certain (DICOM and SNOMED CT as DICOM's own tools list them, UCUM for
units); all others are of our local system, with text.
"""

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydicom.sr.codedict import codes
from sqlalchemy import Connection

from qsmkit.io.atomic import write_text
from qsmkit.io.sidecar import as_json
from qsmkit.io.store.column import columns
from qsmkit.io.store.flat import measurements
from qsmkit.io.store.query import select_rows
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import Lesion, Observation, Patient

LOCAL = "https://qsmkit.invalid/fhir"
"""Base of our own code and identifier systems: names, where nothing is to be fetched."""

_SYSTEMS = {"DCM": "http://dicom.nema.org/resources/ontology/DCM", "SCT": "http://snomed.info/sct"}
_UCUM = {"ppm": "[ppm]", "mm³": "mm3", "ppm·mm³": "[ppm].mm3", "µg": "ug", "mL/(100 g·min)": "mL/(100.g.min)"}
_KNOWN = dict.fromkeys(("mean", "median", "maximum", "p95"), codes.DCM.MagneticSusceptibility) | {
    "volume": codes.SCT.Volume
}
_QUANTITIES = ("mean", "median", "maximum", "p95", "chi_total", "volume", "permeability", "mass")
_GENDERS = {"F": "female", "M": "male", "other": "other", "unknown": "unknown"}


def export_fhir(registry: Registry, out: Path, *, overwrite: bool = False) -> int:
    """Write a bundle and return the number of its resources.

    Parameters
    ----------
    registry : Registry
        The registry.
    out : Path
        File, .json.
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    OutputError
        The file is there already, or cannot be written.
    """
    with registry.reading() as connection:
        made = bundle(connection)
    write_text(out, as_json(made), overwrite=overwrite)
    return len(made["entry"])


def bundle(connection: Connection) -> dict[str, Any]:
    """Return patients, lesions (BodyStructure) and measurements (Observation) as a collection."""
    resources = [
        *map(_patient, select_rows(connection, Patient)),
        *map(_lesion, select_rows(connection, Lesion)),
        *(resource for seen in measurements(connection) for resource in _observations(seen)),
    ]
    entries = [{"fullUrl": _url(r["resourceType"], r["id"]), "resource": r} for r in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _patient(row: Patient) -> dict[str, Any]:
    made = {
        "resourceType": "Patient",
        "id": row.id,
        "identifier": [{"system": f"{LOCAL}/pseudonym", "value": row.id}],
        "gender": _GENDERS[row.sex],
    }
    return made | ({"birthDate": str(row.birth_year)} if row.birth_year else {})


def _lesion(row: Lesion) -> dict[str, Any]:
    identifiers = [
        {"system": "urn:dicom:uid", "value": f"urn:oid:2.25.{uuid.UUID(row.id).int}"},
        {"system": f"{LOCAL}/lesion", "value": row.label},
    ]
    place = " ".join(filter(None, (row.mars and row.mars.replace("_", " "), row.location)))
    made = {
        "resourceType": "BodyStructure", "id": row.id, "identifier": identifiers, "active": row.status != "excluded",
        "morphology": _local("lesion-kind", row.kind, row.kind.replace("_", " ")),
        "patient": {"reference": _url("Patient", row.patient)},
    }  # fmt: skip
    return made | ({"location": {"text": place}} if place else {})


def _observations(seen: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    units = {c.name: c for c in columns(Observation)}
    for name in _QUANTITIES:
        if seen[name] is None:
            continue
        unit, known = units[name].unit, _KNOWN.get(name)
        coding = [_coding(known.scheme_designator, known.value, known.meaning)] if known else []
        local = _local("quantity", name, units[name].meaning)
        ends = [
            {"code": _local("quantity", f"{name}_{end}", units[f"{name}_{end}"].meaning),
             "valueQuantity": _quantity(seen[f"{name}_{end}"], unit)}
            for end in ("low", "high") if seen.get(f"{name}_{end}") is not None
        ]  # fmt: skip
        made = {
            "resourceType": "Observation",
            "id": str(uuid.uuid5(uuid.UUID(seen["id"]), name)),
            "status": "final" if seen["verdict"] == "pass" else "preliminary",
            "category": [{"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "imaging"
            }]}],
            "code": {"coding": [*coding, *local["coding"]], "text": local["text"]},
            "subject": {"reference": _url("Patient", seen["patient"])},
            "focus": [{"reference": _url("BodyStructure", seen["lesion"])}],
            "effectiveDateTime": seen["date"].isoformat(),
            "valueQuantity": _quantity(seen[name], unit),
            "method": {"text": _method(seen)},
            "note": [{"text": "Research use only. Not a medical device. Dates are shifted."}],
        }  # fmt: skip
        yield made | ({"component": ends} if ends else {})


def _method(seen: Mapping[str, Any]) -> str:
    parts = (
        f"{seen['pipeline']} {seen['version']}", seen["reference"] and f"relative to {seen['reference']}",
        f"mask {seen['method']} by {seen['rater']}", seen["rule"],
    )  # fmt: skip
    return "; ".join(filter(None, parts))


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": _UCUM[unit]}


def _coding(scheme: str, code: str, display: str) -> dict[str, str]:
    return {"system": _SYSTEMS[scheme], "code": code, "display": display}


def _local(system: str, code: str, text: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{LOCAL}/{system}", "code": code, "display": text}], "text": text}


def _url(kind: str, row_id: str) -> str:
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{LOCAL}/{kind}/{row_id}')}"


