"""`qsmkit monitor` from an empty registry to a verified backup."""

import shutil
import sqlite3
from contextlib import closing

import pytest


@pytest.fixture(scope="module")
def registry(qsmkit, tmp_path_factory):
    path = tmp_path_factory.mktemp("monitor") / "registry.sqlite"
    for arguments in (
        ("init", path),
        ("add", "patient", path, "--id", "P012", "--sex", "F", "--familial", "yes"),
        ("add", "session", path, "--patient", "P012", "--visit", "m00", "--date", "2025-01-31"),
        ("add", "lesion", path, "--patient", "P012", "--label", "L01", "--kind", "microbleed", "--mars", "thalamus"),
        ("edit", "patient", path, "--id", "P012", "--sex", "M", "--reason", "typo"),
    ):
        ran = qsmkit("monitor", *arguments, *(() if arguments[0] == "init" else ("--actor", "JD")))
        assert ran.status == 0, ran.err
        assert ran.out == ""
    return path


def test_rows_are_shown_counted_and_written(qsmkit, registry, tmp_path):
    counted = qsmkit("monitor", "show", registry, "--json").json
    assert counted["rows"]["lesion"] == 1
    assert counted["entries"] == 5
    assert "microbleed" in qsmkit("monitor", "show", registry, "lesion", "--patient", "P012").out
    out = tmp_path / "lesions.csv"
    (lesion,) = qsmkit("monitor", "show", registry, "lesion", "--out", out, "--json").json
    assert lesion["mars"] == "thalamus"
    assert out.read_text().count("\n") == 2
    nothing = qsmkit("monitor", "show", registry, "lesion", "--patient", "P013")
    assert (nothing.status, nothing.err) == (0, "no lesion found\n")


def test_help_says_what_each_command_and_option_is_for(qsmkit):
    assert "Prove that the audit's chain holds" in qsmkit("monitor", "--help").out
    assert "Lesions over years" in qsmkit("monitor", "--help").out
    assert "A visit to a scanner." in qsmkit("monitor", "add", "--help").out
    assert "Exit status is 1 if a row cannot be read" in qsmkit("monitor", "import", "--help").out
    assert "Field strength (T)" in qsmkit("monitor", "add", "scanner", "--help").out


def test_history_says_who_changed_what_and_why(qsmkit, registry):
    ran = qsmkit("monitor", "history", registry, "patient", "P012")
    assert "sex: F → M" in ran.out
    assert "typo" in ran.out
    entries = qsmkit("monitor", "history", registry, "--last", 2, "--json").json
    assert [e["seq"] for e in entries] == [4, 5]
    assert entries[1]["before"]["sex"] == "F"
    assert {e["actor"] for e in entries} == {"JD"}


def test_verify_backup_restore_and_versions(qsmkit, registry, tmp_path):
    sound = qsmkit("monitor", "verify", registry, "--json")
    assert (sound.status, sound.json["sound"], sound.json["rows"]) == (0, True, 3)
    head = sound.json["head"]
    assert head in qsmkit("monitor", "verify", registry, "--head", head).out
    heads = tmp_path / "heads.txt"
    for _ in range(2):
        assert qsmkit("monitor", "verify", registry, "--heads", heads).status == 0
    assert heads.read_text().split()[1:] == ["5", head]
    made = qsmkit("monitor", "backup", registry, tmp_path / "b.jsonl", "--json")
    assert made.json["head"] == head
    again = tmp_path / "again.sqlite"
    assert qsmkit("monitor", "restore", tmp_path / "b.jsonl", again, "--head", head).status == 0
    assert qsmkit("monitor", "upgrade", again, "--to", "0001", "--json").json == {"from": "0002", "to": "0001"}
    assert "then: qsmkit monitor upgrade" in qsmkit("monitor", "show", again).err
    assert qsmkit("monitor", "upgrade", again).status == 0
    assert qsmkit("monitor", "remove", again, "lesion", made.json["head"], "--reason", "x").status == 1
    (lesion,) = qsmkit("monitor", "show", again, "lesion", "--json").json
    assert qsmkit("monitor", "remove", again, "lesion", lesion["id"], "--reason", "entered twice").status == 0
    assert qsmkit("monitor", "verify", again, "--json").json["rows"] == 2
    heads.write_text(f"{heads.read_text()}2026-11-25T00:00:00 99 {'f' * 64}\n")
    ran = qsmkit("monitor", "verify", registry, "--heads", heads)
    assert (ran.status, "fff that was written down is not in the chain" in ran.err) == (1, True)
    assert len(heads.read_text().splitlines()) == 2
    assert "line 1 is no time" in qsmkit("monitor", "verify", registry, "--heads", tmp_path / "b.jsonl").err


def test_an_unsound_registry_has_exit_status_one(qsmkit, registry, tmp_path):
    path = shutil.copy(registry, tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE lesion SET kind = 'cavernoma'")
    ran = qsmkit("monitor", "verify", path)
    assert ran.status == 1
    assert "kind is 'cavernoma', the audit says 'microbleed'" in ran.err
    assert qsmkit("monitor", "backup", path, tmp_path / "b.jsonl").status == 1


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("add", "patient", "{}", "--id", "Smith"), 1, "may identify a person"),
        (("add", "patient", "{}", "--id", "P012"), 1, "is there already"),
        (("add", "patient", "{}"), 1, "id is missing"),
        (("add", "session", "{}", "--patient", "P012", "--visit", "m12", "--date", "2026-13-01"), 1, "is no date"),
        (("add", "scanner", "{}", "--id", "A", "--field-strength", "3,0"), 1, "decimal mark"),
        (("edit", "patient", "{}", "--id", "P012", "--sex", "M"), 2, "add --reason"),
        (("edit", "patient", "{}", "--id", "P099", "--reason", "x"), 1, "is not in the registry"),
        (("show", "{}", "colour"), 2, "there is no table 'colour'"),
        (("show", "{}", "scanner", "--patient", "P012"), 1, "belongs to no patient"),
        (("show", "none.sqlite"), 1, "is not there"),
        (("init", "{}"), 1, "is there already"),
        (("verify", "{}", "--head", "abc"), 1, "not in the chain"),
    ],
)
def test_bad_input_is_one_clear_line(qsmkit, registry, arguments, status, words):
    ran = qsmkit("monitor", *(str(registry) if a == "{}" else a for a in arguments))
    assert ran.status == status
    assert words in ran.err
    assert "Traceback" not in ran.err


def test_exports_and_import_go_round(qsmkit, registry, tmp_path):
    tables = tmp_path / "tables"
    assert qsmkit("monitor", "export", "tables", registry, tables, "--json").json["lesion"] == 1
    assert qsmkit("monitor", "export", "tables", registry, tmp_path / "p", "--format", "parquet").status == 0
    assert qsmkit("monitor", "export", "redcap", registry, tmp_path / "redcap", "--json").json["records"] == 1
    assert qsmkit("monitor", "export", "fhir", registry, tmp_path / "fhir.json", "--json").json["resources"] == 2
    assert qsmkit("monitor", "export", "fhir", registry, tmp_path / "fhir.json").status == 1
    ran = qsmkit("monitor", "export", "findings", registry, "P012-m00", tmp_path / "f.csv")
    assert "nothing was measured" in ran.err
    for folder in (tables, tmp_path / "redcap"):
        ran = qsmkit("monitor", "import", registry, folder)
        assert (ran.status, "dry run, nothing was written" in ran.err) == (0, True)
    again = tmp_path / "again.sqlite"
    assert qsmkit("monitor", "init", again).status == 0
    assert "exported from another registry" in qsmkit("monitor", "import", again, tables).err
    (tables / "registry.json").unlink()
    ran = qsmkit("monitor", "import", again, tables, "--apply", "--json")
    assert ran.json["applied"]
    assert {row["status"] for row in ran.json["rows"]} == {"new"}
    (tables / "patient.csv").write_text("id,sex\nP012,F\nJones,M\n")
    ran = qsmkit("monitor", "import", again, tables / "patient.csv", "--apply")
    assert ran.status == 1
    assert "1 of 2 rows cannot be entered; nothing was written" in ran.err
    assert "sex: M → F" in ran.out
    assert qsmkit("monitor", "show", again, "patient", "--json").json[0]["sex"] == "M"
