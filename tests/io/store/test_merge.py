import csv
import dataclasses

import pytest

from qsmkit.errors import InputError
from qsmkit.io.store.columnar import export_tables
from qsmkit.io.store.given import read_import
from qsmkit.io.store.merge import merge
from qsmkit.io.store.redcap import export_redcap
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import Event, Lesion, Patient, Session
from qsmkit.io.store.verify import verify


@pytest.fixture
def folder(filled, tmp_path):
    registry, _ = filled
    export_tables(registry, tmp_path / "out", "csv")
    return tmp_path / "out"


def change_cell(path, row, **cells):
    """Write cells into a row of a table, as one does in a spreadsheet."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows[row] |= cells
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def do(registry, path, *, table=None, apply=False):
    return merge(registry, read_import(path, table), actor="JD", reason="import", apply=apply)


def statuses(found):
    return {(d.table, d.status) for d in found if d.status != "unchanged"}


def test_an_export_that_nobody_touched_changes_nothing(filled, folder):
    registry, rows = filled
    head = registry.head()
    found = do(registry, folder, apply=True)
    assert len(found) == len(rows)
    assert {d.status for d in found} == {"unchanged"}
    assert registry.head() == head


def test_changes_are_shown_and_entered_only_when_asked(filled, folder):
    registry, _ = filled
    change_cell(folder / "patient.csv", 0, sex="M")
    change_cell(folder / "observation.csv", 0, note="blurred")
    head = registry.head()
    found = do(registry, folder)
    assert statuses(found) == {("patient", "changed"), ("observation", "changed")}
    assert next(d.what for d in found if d.table == "patient") == "sex: F → M"
    assert registry.head() == head
    do(registry, folder, apply=True)
    assert registry.get(Patient, "P012").sex == "M"
    assert registry.head().seq == head.seq + 2
    with registry.reading() as connection:
        assert verify(connection).problems == ()


def test_a_row_that_was_changed_in_the_registry_since_the_export_is_in_conflict(filled, folder):
    registry, _ = filled
    with registry.change("RM") as change:
        change.edit(Patient, "P012", arm="placebo")
    change_cell(folder / "patient.csv", 0, sex="M")
    (found,) = [d for d in do(registry, folder, apply=True) if d.status != "unchanged"]
    assert (found.status, found.line) == ("conflict", 2)
    assert "RM changed it on 20" in found.what
    assert "arm: active → placebo" in found.what
    assert registry.get(Patient, "P012").sex == "F"


def test_what_was_changed_or_removed_in_the_registry_alone_stays_so(filled, folder):
    registry, rows = filled
    with registry.change("RM") as change:
        change.edit(Patient, "P012", arm="placebo")
        change.remove(type(rows["qc"]), rows["qc"].id)
        change.edit(Patient, "P012", sex="M")
    found = do(registry, folder, apply=True)
    assert {d.status for d in found} == {"unchanged"}
    assert sorted(d.table for d in found if "that stays" in d.what) == ["patient", "qc"]
    assert registry.get(Patient, "P012") == dataclasses.replace(rows["patient"], sex="M", arm="placebo")
    assert registry.counts()["qc"] == 0
    change_cell(folder / "qc.csv", 0, value="7")
    assert statuses(do(registry, folder)) == {("qc", "conflict")}


def test_an_export_of_another_registry_is_refused(filled, folder, tmp_path):
    other = Registry.create(tmp_path / "other.sqlite", actor="JD")
    with other, pytest.raises(InputError, match="exported from another registry"):
        do(other, folder)


def test_nothing_is_entered_if_one_row_cannot_be(filled, tmp_path):
    registry, _ = filled
    path = tmp_path / "patient.csv"
    path.write_text("id,sex\nP020,F\nSmith,M\nP021,X\nP022,M\n")
    found = do(registry, path, apply=True)
    assert [(d.line, d.status) for d in found] == [(2, "new"), (3, "bad"), (4, "bad"), (5, "new")]
    assert "may identify a person" in found[1].what
    assert registry.counts()["patient"] == 1
    path.write_text("id,sex\nP020,F\nP022,M\n")
    do(registry, path, apply=True)
    assert registry.counts()["patient"] == 3


def test_rows_without_identifier_are_known_by_what_is_unique_or_by_content(filled, tmp_path):
    registry, rows = filled
    lesions, events = tmp_path / "lesion.csv", tmp_path / "onsets.csv"
    lesions.write_text("patient;label;kind;location\nP012;L01;cavernoma;pons\nP012;L02;microbleed;\n")
    events.write_text("patient,type,onset\nP012,seizure,2024-03-01\nP012,seizure,2024-04-01\n")
    found = do(registry, lesions, apply=True)
    assert [d.status for d in found] == ["changed", "new"]
    assert registry.get(Lesion, rows["lesion"].id) == dataclasses.replace(rows["lesion"], location="pons")
    assert [d.status for d in do(registry, events, table="event", apply=True)] == ["new", "new"]
    for path, table in ((lesions, None), (events, "event")):
        assert {d.status for d in do(registry, path, table=table, apply=True)} == {"unchanged"}
    assert len(registry.rows(Event)) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("patient,visit,date,days_from_index,scanner\nP012,m24,2023-01-31,731,3T-A\n", "dates reversed"),
        ("patient,visit,date,scanner\nP012,m24,2026-01-31,X\n", "scanner 'X' is not in the registry"),
        ("patient,visit,date\nP099,m00,2026-01-31\n", "patient 'P099' is not in the registry"),
        ("patient,visit,date\nP012,m24,2024-02-01\nP012,m24,2024-03-01\n", "line 2 of session.csv says otherwise"),
    ],
)
def test_conflicts_are_told_with_their_line(filled, tmp_path, text, words):
    registry, _ = filled
    (tmp_path / "session.csv").write_text(text)
    found = do(registry, tmp_path / "session.csv", apply=True)
    assert found[-1].status == "conflict"
    assert words in found[-1].what
    assert registry.counts()["session"] == 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("patient.csv", b"id,sex\nP020\n", "line 2 has 1 cells, line 1 names 2 columns"),
        ("patient.csv", b"id,gender\nP020,F\n", "patient has no column 'gender'"),
        ("patient.csv", b"id,sexx\nP020,F\n", "did you mean 'sex'"),
        ("patient.csv", b"id,id\nP020,F\n", "names the column 'id' twice"),
        ("patient.csv", b"id,sex\nP020,\"F\n", "cannot be read as CSV"),
        ("patient.csv", b"id,sex\nP020,\xff\n", "save it as CSV in UTF-8"),
        ("patient.csv", b"", "names no columns"),
        ("people.csv", b"id,sex\nP020,F\n", "does not say which table it is; add --table"),
        ("records.csv", b"record_id,redcap_event_name,hair\nP020,a_arm_1,red\n", "field 'hair' is of no instrument"),
        ("records.csv", b"redcap_event_name,patient_sex\na_arm_1,F\n", "the column record_id is missing"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_import(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no records\.csv and no table"):
        read_import(tmp_path)
    with pytest.raises(InputError, match="is not there"):
        read_import(tmp_path / "none.csv")


def test_records_typed_into_redcap_find_their_patient_and_visit(filled, tmp_path):
    registry, _ = filled
    path = tmp_path / "export.csv"
    path.write_text(
        "record_id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,patient_sex,session_visit,"
        "session_date,clinical_mrs,lesion_label,lesion_kind,event_type,event_onset\n"
        "P050,enrolment_arm_1,,,F,,,,,,,\n"
        "P050,enrolment_arm_1,lesion,1,,,,,L01,microbleed,,\n"
        "P050,enrolment_arm_1,event,1,,,,,,,seizure,2025-02-01\n"
        "P050,m00_arm_1,,,,m00,2025-01-31,2,,,,\n"
    )
    found = do(registry, path, apply=True)
    assert sorted((d.table, d.line, d.status) for d in found) == [
        ("clinical", 5, "new"), ("event", 4, "new"), ("lesion", 3, "new"), ("patient", 2, "new"),
        ("session", 5, "new"),
    ]  # fmt: skip
    assert registry.get(Session, "P050-m00").patient == "P050"
    assert {d.status for d in do(registry, path, apply=True)} == {"unchanged"}
    path.write_text(path.read_text().replace("2025-02-01", "2025-02-11"))  # corrected there: the same event
    assert statuses(do(registry, path, apply=True)) == {("event", "changed")}


def test_blank_fields_of_redcap_clear_nothing(filled, tmp_path):
    registry, rows = filled
    export_redcap(registry, tmp_path / "out")
    path = tmp_path / "out/records.csv"
    change_cell(path, 0, patient_genotype="", patient_sex="M")
    do(registry, tmp_path / "out", apply=True)
    assert registry.get(Patient, "P012") == dataclasses.replace(rows["patient"], sex="M")
