import csv
import json
import re

import pytest
from pyarrow import parquet

from qsmkit.errors import InputError, OutputError
from qsmkit.io.store.columnar import export_tables
from qsmkit.io.store.fhir import export_fhir
from qsmkit.io.store.findings import export_findings
from qsmkit.io.store.given import read_import
from qsmkit.io.store.merge import merge
from qsmkit.io.store.redcap import export_redcap
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import ROWS, Patient, Session


def lines(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_measurements_know_what_they_depend_on(filled):
    registry, rows = filled
    frame = registry.measurements(kind="cavernoma")
    assert list(frame["visit"]) == ["m00", "m12"]
    assert list(frame["mean"]) == [0.31, 0.35]
    assert set(frame["scanner"]) == {"3T-A"}
    assert set(frame["lesion"]) == {rows["lesion"].id}
    assert set(frame["genotype"]) == {"CCM1"}
    assert len(registry.measurements(kind="microbleed")) == 0


def test_csv_is_one_file_a_table_with_its_dictionary(filled, tmp_path):
    registry, _ = filled
    made = export_tables(registry, tmp_path / "out", "csv")
    assert made["observation"] == made["measurements"] == 2
    (first, _) = lines(tmp_path / "out/measurements.csv")
    assert (first["patient"], first["visit"], first["mean"]) == ("P012", "m00", "0.31")
    assert lines(tmp_path / "out/series.csv")[0]["echo_times"] == "0.004 0.0081"
    told = json.loads((tmp_path / "out/columns.json").read_text())
    assert told["observation"]["mean"]["Units"] == "ppm"
    assert set(told) == {*ROWS, "measurements"}
    with pytest.raises(OutputError, match="not empty"):
        export_tables(registry, tmp_path / "out", "csv")


def test_parquet_keeps_types_and_units(filled, tmp_path):
    registry, rows = filled
    export_tables(registry, tmp_path / "out", "parquet")
    table = parquet.read_table(tmp_path / "out/observation.parquet")
    assert table.schema.field("volume").metadata[b"unit"].decode() == "mm³"
    assert sorted(table.column("mean").to_pylist()) == [0.31, 0.35]
    (series,) = parquet.read_table(tmp_path / "out/series.parquet").to_pylist()
    assert series["echo_times"] == [0.004, 0.0081]
    assert parquet.read_table(tmp_path / "out/measurements.parquet").column("date").to_pylist()[0] == rows["m00"].date


@pytest.fixture
def project(filled, tmp_path):
    registry, _ = filled
    export_redcap(registry, tmp_path / "redcap")
    return tmp_path / "redcap"


def test_redcap_has_a_longitudinal_project_with_repeating_instruments(project, filled):
    _, rows = filled
    dictionary = lines(project / "data_dictionary.csv")
    names = [field["Variable / Field Name"] for field in dictionary]
    assert names[0] == "record_id"
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,99}", name) for name in names)
    by_name = {field["Variable / Field Name"]: field for field in dictionary}
    assert by_name["patient_sex"]["Choices, Calculations, OR Slider Labels"].startswith("F, F | M, M")
    assert by_name["session_date"]["Text Validation Type OR Show Slider Number"] == "date_ymd"
    assert by_name["clinical_mrs"]["Text Validation Max"] == "6"
    assert by_name["observation_mean"]["Field Note"] == "ppm"
    records = lines(project / "records.csv")
    events = {row["unique_event_name"] for row in lines(project / "events.csv")}
    mapped = {(r["unique_event_name"], r["form"]) for r in lines(project / "instrument_event_mappings.csv")}
    repeating = {(r["event_name"], r["form_name"]) for r in lines(project / "repeating_instruments.csv")}
    assert events == {"enrolment_arm_1", "m00_arm_1", "m12_arm_1"}
    for record in records:
        place = (record["redcap_event_name"], record["redcap_repeat_instrument"])
        filled_in = {name.partition("_")[0] for name, value in list(record.items())[4:] if value}
        assert {(place[0], form) for form in filled_in} <= mapped
        if place[1]:
            assert place in repeating
            assert filled_in == {place[1]}
            assert record["redcap_repeat_instance"] == "1"
        else:
            assert not {(place[0], form) for form in filled_in} & repeating
    (measured,) = [r for r in records if r["observation_id"] == rows["seen12"].id]
    assert (measured["redcap_event_name"], measured["observation_mass"]) == ("m12_arm_1", "12.5")


def test_visits_that_redcap_cannot_tell_apart_are_refused(filled, tmp_path):
    registry, _ = filled
    with registry.change("JD") as change:
        change.add(Session(patient="P012", visit="M-00", date="2024-02-01"))
        change.add(Session(patient="P012", visit="M.00", date="2024-02-02"))
    with pytest.raises(InputError, match=r"'M-00' and 'M.00' are one event in REDCap, m_00_arm_1"):
        export_redcap(registry, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("export", [lambda r, out: export_tables(r, out, "csv"), export_redcap], ids=["csv", "redcap"])
def test_an_export_fills_an_empty_registry_with_the_same_rows(filled, tmp_path, export):
    registry, rows = filled
    export(registry, tmp_path / "out")
    (tmp_path / "out/registry.json").unlink()  # it is not this registry that is filled
    with Registry.create(tmp_path / "other.sqlite", actor="JD") as other:
        found = merge(other, read_import(tmp_path / "out"), actor="JD", apply=True)
        assert {d.status for d in found} == {"new"}
        for row in rows.values():
            assert other.get(type(row), row.id) == row


def test_fhir_is_a_bundle_whose_references_are_in_it(filled, tmp_path):
    registry, rows = filled
    number = export_fhir(registry, tmp_path / "bundle.json")
    made = json.loads((tmp_path / "bundle.json").read_text())
    urls = {entry["fullUrl"] for entry in made["entry"]}
    assert (made["resourceType"], made["type"], len(urls)) == ("Bundle", "collection", number)
    kinds = [entry["resource"]["resourceType"] for entry in made["entry"]]
    assert {k: kinds.count(k) for k in kinds} == {"Patient": 1, "BodyStructure": 1, "Observation": 5}
    for resource in (entry["resource"] for entry in made["entry"]):
        assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", resource["id"])
        for reference in re.findall(r'"reference": ?"([^"]+)"', json.dumps(resource)):
            assert reference in urls
        if resource["resourceType"] == "Observation":
            assert resource["valueQuantity"]["system"] == "http://unitsofmeasure.org"
            assert resource["status"] in ("final", "preliminary")
            assert resource["effectiveDateTime"] in ("2024-01-31", "2025-01-31")
    mean = next(e["resource"] for e in made["entry"] if e["resource"].get("component"))
    assert mean["valueQuantity"] == {
        "value": 0.31, "unit": "ppm", "system": "http://unitsofmeasure.org", "code": "[ppm]",
    }  # fmt: skip
    assert mean["component"][0]["valueQuantity"]["value"] == 0.30
    assert str(int(rows["lesion"].id.replace("-", ""), 16)) in json.dumps(made)


@pytest.mark.slow  # the models take seconds to load
def test_fhir_holds_to_the_published_model(filled, tmp_path):
    models = pytest.importorskip("fhir.resources.R4B.bundle")
    registry, _ = filled
    export_fhir(registry, tmp_path / "bundle.json")
    assert len(models.Bundle.model_validate_json((tmp_path / "bundle.json").read_text()).entry) == 7


def test_findings_say_each_quantity_of_each_lesion(filled, tmp_path):
    registry, rows = filled
    assert export_findings(registry, "P012-m12", tmp_path / "f.csv") == 3
    told = lines(tmp_path / "f.csv")
    assert [(r["quantity"], r["value"], r["unit"]) for r in told] == [
        ("chi", "0.35", "ppm"), ("volume", "260", "mm³"), ("mass", "12.5", "µg"),
    ]  # fmt: skip
    assert {r["tracking_uid"] for r in told} == {f"2.25.{int(rows['lesion'].id.replace('-', ''), 16)}"}
    with pytest.raises(InputError, match="session 'P012-m99' is not in the registry"):
        export_findings(registry, "P012-m99", tmp_path / "g.csv")
    with registry.change("JD") as change:
        change.add(Patient(id="P013"))
        change.add(Session(patient="P013", visit="m00", date="2024-02-01"))
    with pytest.raises(InputError, match="nothing was measured at session P013-m00"):
        export_findings(registry, "P013-m00", tmp_path / "g.csv")
