import hashlib
import json
import sqlite3
from contextlib import closing

import pytest

from qsmkit.errors import InputError, OutputError
from qsmkit.io.store.backup import back_up, restore
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.verify import verify


@pytest.mark.parametrize("name", ["backup.sqlite", "backup.jsonl"])
def test_a_backup_restores_as_it_was(filled, tmp_path, name):
    registry, rows = filled
    head = registry.head()
    made = back_up(registry, tmp_path / name)
    assert (made.head, made.problems) == (head, ())
    assert [p.name for p in tmp_path.glob("*backup*")] == [name]
    found = restore(tmp_path / name, tmp_path / "again.sqlite", actor="RM", head=head.hash)
    assert found.head.seq == head.seq + 1
    with Registry.open(tmp_path / "again.sqlite") as again:
        for row in rows.values():
            assert again.get(type(row), row.id) == row
        with again.reading() as connection:
            assert verify(connection, [head.hash]).problems == ()
        with again.change("RM", "goes on") as change:
            change.edit(type(rows["patient"]), "P012", sex="M")


def test_nothing_is_overwritten_unasked(filled, tmp_path):
    registry, _ = filled
    out = tmp_path / "b.jsonl"
    back_up(registry, out)
    with pytest.raises(OutputError, match="is there already"):
        back_up(registry, out)
    with pytest.raises(OutputError, match="is there already"):
        restore(out, registry.place.path, actor="JD")
    back_up(registry, out, overwrite=True)
    registry.close()
    assert restore(out, registry.place.path, actor="JD", overwrite=True).problems == ()


def test_a_damaged_backup_is_not_restored(filled, tmp_path):
    registry, _ = filled
    out, target = tmp_path / "b.jsonl", tmp_path / "again.sqlite"
    back_up(registry, out)
    lines = out.read_text().splitlines(keepends=True)
    damaged = {
        "cut off": lines[:-3],
        "empty": [],
        "changed": [line.replace('"sex":"F"', '"sex":"M"') for line in lines],
        "not ours": ['{"a":1}\n'],
    }
    for content in damaged.values():
        out.write_text("".join(content))
        with pytest.raises(InputError, match="no whole backup"):
            restore(out, target, actor="JD")
    with pytest.raises(InputError, match="is not there"):
        restore(tmp_path / "none.jsonl", target, actor="JD")
    assert list(tmp_path.glob("*again*")) == []


def test_a_backup_that_somebody_wrote_anew_does_not_verify(filled, tmp_path):
    """A right checksum does not help: the rows must be as the chain says, and the chain must hold the head."""
    registry, _ = filled
    out = tmp_path / "b.jsonl"
    back_up(registry, out)
    lines = out.read_text().replace('"mass":12.5', '"mass":99.5', 1).splitlines(keepends=True)[:-1]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    out.write_text("".join(lines) + json.dumps({"sha256": digest}) + "\n")
    with pytest.raises(InputError, match=r"does not verify: observation .* mass is 99.5, the audit says 12.5"):
        restore(out, tmp_path / "again.sqlite", actor="JD")
    back_up(registry, out, overwrite=True)
    with pytest.raises(InputError, match="not in the chain"):
        restore(out, tmp_path / "again.sqlite", actor="JD", head="0" * 64)
    assert not (tmp_path / "again.sqlite").exists()


@pytest.mark.parametrize("name", ["b.sqlite", "b.jsonl"])
def test_a_disk_that_fills_up_leaves_no_backup(filled, tmp_path, name):
    resource = pytest.importorskip("resource")  # a limit on the size of files stands for the disk
    registry, _ = filled
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OutputError, match=f"{name} cannot be written"):
            back_up(registry, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.glob("*b.*l*")) == []
    back_up(registry, tmp_path / name)


def test_an_unsound_registry_is_not_backed_up(filled, tmp_path):
    registry, _ = filled
    with closing(sqlite3.connect(registry.place.path)) as connection, connection:
        connection.execute("UPDATE patient SET sex = 'M'")
    for name in ("b.jsonl", "b.sqlite"):
        with pytest.raises(InputError, match="does not verify"):
            back_up(registry, tmp_path / name)
        assert not (tmp_path / name).exists()


def test_a_backup_of_a_newer_schema_is_refused(filled, tmp_path):
    registry, _ = filled
    out = tmp_path / "b.jsonl"
    back_up(registry, out)
    lines = out.read_text().replace('"schema":"0002"}', '"schema":"0099"}', 1).splitlines(keepends=True)[:-1]
    out.write_text("".join(lines) + json.dumps({"sha256": hashlib.sha256("".join(lines).encode()).hexdigest()}) + "\n")
    with pytest.raises(InputError, match="has schema 0099, newer than"):
        restore(out, tmp_path / "again.sqlite", actor="JD")
