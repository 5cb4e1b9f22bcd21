import dataclasses
import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from qsmkit.errors import InputError, OutputError
from qsmkit.io.store.chain import entries
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import (
    ROWS,
    Clinical,
    Event,
    Lesion,
    Link,
    Observation,
    Patient,
    Recon,
    Scanner,
    Session,
)  # fmt: skip
from qsmkit.io.store.tables import METADATA


def add(registry, *rows):
    with registry.change("JD") as change:
        for row in rows:
            change.add(row)


def test_rows_come_back_as_they_were_entered(filled):
    registry, rows = filled
    for row in rows.values():
        assert registry.get(type(row), row.id) == row
    assert registry.rows(Observation, lesion=rows["lesion"].id, mass=12.5) == [rows["seen12"]]
    assert registry.rows_of_patient(Observation, "P012") == registry.rows(Observation)
    assert registry.rows_of_patient(Observation, "P013") == []
    frame = registry.frame(Session, visit=["m00", "m12"])
    assert list(frame.days_from_index) == [0, 366]
    with pytest.raises(InputError, match="no column 'colour'"):
        registry.rows(Patient, colour="red")


def test_the_migrations_make_the_tables_that_the_rows_describe(filled):
    registry, _ = filled
    with registry.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA) == []


def test_a_change_is_kept_as_a_whole_or_not_at_all(filled):
    registry, _ = filled
    before = registry.head()
    visit = Session(patient="P013", visit="m00", date="2025-02-01", scanner="X")
    with pytest.raises(InputError, match="scanner 'X' is not in the registry"):
        add(registry, Patient(id="P013"), visit)
    assert registry.head() == before
    assert registry.get(Patient, "P013") is None


def test_corrections_and_removals_are_audited(filled):
    registry, rows = filled
    with registry.change("RM", "typo") as change:
        change.edit(Patient, "P012", sex="M", arm=None)
        change.update(registry.get(Scanner, "3T-A"))  # equal: no entry
        change.remove(Clinical, rows["clinical"].id)
    assert registry.get(Patient, "P012") == dataclasses.replace(rows["patient"], sex="M", arm=None)
    with registry.reading() as connection:
        last = list(entries(connection))[-2:]
    assert [(e.actor, e.action, e.reason) for e in last] == [("RM", "update", "typo"), ("RM", "delete", "typo")]
    assert last[0].told() == "arm: active → None; sex: F → M"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (lambda r: Session(patient="P012", visit="m00", date="2025-05-05"), "session P012-m00 is there already"),
        (lambda r: Session(id="x", patient="P012", visit="m00", date="2025-05-05"), "there already, as P012-m00"),
        (lambda r: Session(patient="P099", visit="m00", date="2025-05-05"), "patient 'P099' is not in the registry"),
        (lambda r: Session(patient="P012", visit="m24", date="2023-05-05", days_from_index=700), "dates reversed"),
        (lambda r: Session(patient="P012", visit="m24", date="1979-05-05"), "before the patient's birth in 1980"),
        (lambda r: Session(patient="P012", visit="m24", date="2999-05-05"), "lies in the future"),
        (lambda r: Event(patient="P012", type="surgery", onset="1950-01-01"), "before the patient's birth"),
        (lambda r: Lesion(patient="P012", label="L01", kind="microbleed"), "label L01 is there already"),
        (lambda r: Observation(lesion=r["lesion"].id, recon=r["recon"].id, mean=0.4), "is there already, as"),
        (lambda r: Observation(lesion=r["lesion"].id, recon=r["recon"].id, reading=2, mean=0.2, mean_low=0.3),
         "mean_low = 0.3 is above mean = 0.2"),
        (lambda r: Link(parent=r["lesion"].id, before=r["m12"].id, after=r["m00"].id, relation="same"), "swap them"),
    ],
)  # fmt: skip
def test_a_row_that_contradicts_others_is_refused(filled, row, words):
    registry, rows = filled
    with pytest.raises(InputError, match=words):
        add(registry, row(rows))


def test_nothing_of_one_patient_is_mixed_with_another(filled):
    registry, rows = filled
    with registry.change("JD") as change:
        change.add(Patient(id="P013"))
        visit = change.add(Session(patient="P013", visit="m00", date="2024-01-31"))
        recon = change.add(Recon(session=visit.id, pipeline="default", version="1.0"))
        other = change.add(Lesion(patient="P013", label="L01", kind="cavernoma"))
    mixed = [
        Observation(lesion=rows["lesion"].id, recon=recon.id, mean=0.3),
        Event(patient="P012", lesion=other.id, type="growth", onset="2024-01-31"),
        Link(parent=rows["lesion"].id, child=other.id, after=visit.id, relation="same"),
        Lesion(patient="P013", label="L02", kind="cavernoma", first_seen=rows["m00"].id),
    ]
    for row in mixed:
        with pytest.raises(InputError, match=r"is patient P01\d's, not P01\d's"), registry.change("JD") as change:
            change.add(row)
    with pytest.raises(InputError, match="is named by 2 observation"), registry.change("JD") as change:
        change.edit(Lesion, rows["lesion"].id, patient="P013", first_seen=None)


def test_what_others_name_is_not_removed(filled):
    registry, _ = filled
    for made, row_id in ((Patient, "P012"), (Scanner, "3T-A"), (Session, "P012-m00")):
        with pytest.raises(InputError, match="is named by"), registry.change("JD") as change:
            change.remove(made, row_id)


def test_an_actor_is_a_code(filled):
    registry, _ = filled
    with pytest.raises(InputError, match="actor 'Jane Doe' is no label"), registry.change("Jane Doe"):
        pass
    with pytest.raises(InputError, match=r"reason 'Doe.Jane' holds a caret"), registry.change("JD", "Doe^Jane"):
        pass


def test_reading_and_writing_go_on_beside_each_other(filled):
    registry, _ = filled
    with registry.reading() as connection:
        first = connection.exec_driver_sql("SELECT count(*) FROM patient").scalar()
        with registry.change("JD") as change:
            change.add(Patient(id="P013"))
        assert connection.exec_driver_sql("SELECT count(*) FROM patient").scalar() == first
    assert registry.counts()["patient"] == first + 1


def test_a_registry_that_is_open_for_reading_is_not_changed(filled):
    registry, _ = filled
    with Registry.open(registry.place.path, readonly=True) as opened:
        assert opened.head() == registry.head()
        with pytest.raises(OutputError, match="for reading only"), opened.change("JD"):
            pass


def test_opening_and_creating_say_what_is_wrong(tmp_path):
    with pytest.raises(InputError, match="is not there; make it with: qsmkit monitor init"):
        Registry.open(tmp_path / "none.sqlite")
    assert not (tmp_path / "none.sqlite").exists()
    (tmp_path / "text.sqlite").write_text("this is not a database, but a text\n" * 100)
    with pytest.raises(InputError, match="is no registry: not an SQLite database"):
        Registry.open(tmp_path / "text.sqlite")
    sqlite3.connect(tmp_path / "other.sqlite").executescript("CREATE TABLE a (b)").connection.close()
    with pytest.raises(InputError, match="holds no registry"):
        Registry.open(tmp_path / "other.sqlite")
    with pytest.raises(OutputError, match="is there already, and a registry is never replaced"):
        Registry.create(tmp_path / "other.sqlite", actor="JD")
    with pytest.raises(OutputError, match="cannot be written"):
        Registry.create(tmp_path / "text.sqlite" / "x.sqlite", actor="JD")
    with pytest.raises(InputError, match="mysql is not supported"):
        Registry.open("mysql://user@host/name")
    with pytest.raises(OutputError, match="cannot be reached") as caught:
        Registry.open("postgresql://user:secret@127.0.0.1:1/name")
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_full_disk_keeps_nothing_of_a_change(filled):
    registry, _ = filled
    head = registry.head()
    many = [Patient(id=f"P-{number}") for number in range(500)]
    with registry.reading() as connection:  # the same connection is used again below
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # becomes as many as there are already
    with pytest.raises(OutputError, match="disk is full"):
        add(registry, *many)
    assert registry.head() == head
    assert registry.counts()["patient"] == 1


def test_a_file_that_is_read_only_is_read_but_not_written(filled, monkeypatch):
    registry, _ = filled
    with registry.reading() as connection:  # the same connection is used again below
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(OutputError, match="is read-only; nothing was written"):
        add(registry, Patient(id="P013"))
    path = registry.place.path
    registry.close()
    monkeypatch.setattr("os.access", lambda *_: False)
    with Registry.open(path, readonly=True) as opened:
        assert opened.counts()["patient"] == 1
        assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_writer_waits_for_its_turn_and_says_when_it_gives_up(filled, monkeypatch):
    registry, _ = filled
    monkeypatch.setattr("qsmkit.io.store.connect.BUSY_SECONDS", 0.05)
    with Registry.open(registry.place.path) as other, registry.change("JD") as change:
        change.add(Patient(id="P013"))
        with pytest.raises(OutputError, match="is in use by others"):
            add(other, Patient(id="P014"))


def test_tables_know_every_kind_of_row():
    assert set(ROWS) | {"audit"} == set(METADATA.tables)
