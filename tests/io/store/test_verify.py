import dataclasses
import json
import sqlite3
from contextlib import closing

import pytest

from qsmkit.errors import InputError, OutputError
from qsmkit.io.store.chain import entries
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import Patient, Session
from qsmkit.io.store.verify import verify


def check(registry, *written):
    with registry.reading() as connection:
        return verify(connection, written)


def tamper(registry, *statements):
    """Change a registry as one does who goes past the software."""
    with closing(sqlite3.connect(registry.place.path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


OPENED = ("DROP TRIGGER audit_UPDATE", "DROP TRIGGER audit_DELETE")
CLOSED = [f"CREATE TRIGGER audit_{verb} BEFORE {verb} ON audit BEGIN SELECT 1; END" for verb in ("UPDATE", "DELETE")]


def test_a_registry_that_nobody_touched_is_sound(filled):
    registry, rows = filled
    found = check(registry)
    assert found.problems == ()
    assert found.rows == len(rows)
    assert found.head == registry.head()
    assert found.head.seq == len(rows) + 1


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE observation SET mean = 0.99 WHERE mass = 12.5", "mean is 0.99, the audit says 0.35"),
        ("UPDATE session SET date = '2024-01-31x' WHERE visit = 'm00'", "date is '2024-01-31x', the audit says"),
        ("UPDATE lesion SET index_lesion = 0", "index_lesion is False, the audit says True"),
        ("UPDATE patient SET birth_year = '1980x'", "birth_year is '1980x', the audit says 1980"),
        ("UPDATE patient SET sex = 'nonsense'", "sex is 'nonsense', the audit says 'F'"),
        ("UPDATE recon SET parameters = '{}' WHERE parameters IS NOT NULL", "parameters is {}, the audit says"),
        ("DELETE FROM qc", "is not there, but the audit knows of no removal"),
        ("INSERT INTO patient (id, sex, genotype, consent) VALUES ('P9', 'F', 'none', 'given')", "put in behind it"),
    ],
)
def test_a_row_that_was_tampered_with_is_found(filled, statement, words):
    registry, _ = filled
    tamper(registry, statement)
    (problem,) = check(registry).problems
    assert words in problem


def test_a_value_that_cannot_be_read_is_one_clear_line(filled):
    registry, _ = filled
    tamper(registry, "UPDATE session SET date = 'yesterday'")
    with pytest.raises(InputError, match=r"a session in the registry is not as it can have been .* monitor verify"):
        registry.rows(Session)


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'XX' WHERE seq = 3", "DELETE FROM audit"])
def test_triggers_keep_the_audit(filled, statement):
    registry, _ = filled
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        tamper(registry, statement)
    with pytest.raises(OutputError, match="keeps its audit for good"), registry.change("JD") as change:
        change._connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE audit SET actor = 'XX' WHERE seq = 3", "entry 3 was changed"),
        ("UPDATE audit SET after = replace(after, '0.31', '0.33') WHERE \"table\" = 'observation'", "was changed"),
        ("DELETE FROM audit WHERE seq = 9", "entry 9 is missing"),
        ("DELETE FROM audit WHERE seq = 1", "entry 1 is missing"),
        ("UPDATE audit SET previous = hash WHERE seq = 5", "entry 5 does not follow"),
    ],
)
def test_an_audit_that_was_tampered_with_is_found(filled, statement, words):
    registry, _ = filled
    tamper(registry, *OPENED, statement)
    (problem,) = check(registry).problems
    assert words in problem


def test_a_cut_off_end_is_found_by_the_head_that_was_written_down(filled):
    registry, _ = filled
    with registry.change("JD") as change:
        change.add(Patient(id="P013"))
    written = registry.head()
    tamper(registry, *OPENED, f"DELETE FROM audit WHERE seq = {written.seq}", "DELETE FROM patient WHERE id = 'P013'")
    assert "triggers that keep the audit are gone" in check(registry).problems[0]
    tamper(registry, *CLOSED)
    assert check(registry).problems == ()  # the chain alone cannot know
    assert "not in the chain" in check(registry, written.hash).problems[0]
    assert check(registry, registry.head().hash).problems == ()


def test_a_chain_that_was_written_anew_does_not_replay(filled):
    """Whoever can compute hashes still has to tell a story that fits the rows."""
    registry, _ = filled
    with registry.reading() as connection:
        last = list(entries(connection))[-1]
    false = dataclasses.replace(last, seq=last.seq + 1, action="update", before=json.dumps({"value": 9.0}), after="{}",
                                previous=last.hash)  # fmt: skip
    false = dataclasses.replace(false, hash=false.expected())
    with closing(sqlite3.connect(registry.place.path)) as connection, connection:
        connection.execute(f"INSERT INTO audit VALUES ({', '.join('?' * 11)})", dataclasses.astuple(false))
    assert "was not as it says" in check(registry).problems[0]


def test_versions_go_down_and_up_and_keep_what_is_known(filled):
    registry, rows = filled
    path = registry.place.path
    registry.close()
    assert Registry.migrate(path, actor="JD", target="0001") == ("0002", "0001")
    with closing(sqlite3.connect(path)) as connection:
        assert "arm" not in [row[1] for row in connection.execute("PRAGMA table_info(patient)")]
        assert connection.execute("SELECT sex, birth_year FROM patient").fetchall() == [("F", 1980)]
    with pytest.raises(InputError, match="has schema 0001, this software needs 0002"):
        Registry.open(path)
    assert Registry.migrate(path, actor="JD") == ("0001", "0002")
    with Registry.open(path) as again:
        assert check(again).problems == ()
        for row in rows.values():
            assert again.get(type(row), row.id) == row  # arm, adjudication and mass are back


def test_a_newer_schema_is_refused(filled):
    registry, _ = filled
    tamper(registry, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(InputError, match="has schema 9999, which is newer than this software's 0002; update qsmkit"):
        Registry.open(registry.place.path)
    with pytest.raises(InputError, match="has schema 9999"), registry.change("JD"):
        pass
    with pytest.raises(InputError, match="9999 is newer"):
        Registry.migrate(registry.place.path, actor="JD")
    with pytest.raises(InputError, match="schema '0' is not known; there are 0001, 0002"):
        Registry.migrate(registry.place.path, actor="JD", target="0")
