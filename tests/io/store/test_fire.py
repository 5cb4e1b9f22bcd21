"""The registry under fire, in a file and in a real PostgreSQL; benchmarks/registry.py measures it."""

import pytest

from postgresql_cluster import Cluster, binaries
from qsmkit.errors import InputError, OutputError
from qsmkit.io.store.backup import back_up, restore
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import Patient, Qc
from qsmkit.io.store.verify import verify
from registry_fire import SHARED, check_crowd, crowd, kill_writers, prepare


@pytest.fixture(scope="module")
def cluster():
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg")
    with Cluster(durable=False) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """Where a registry is to be."""
    if request.param == "sqlite":
        return str(tmp_path / "registry.sqlite")
    return request.getfixturevalue("cluster").database()


def test_writers_at_once_lose_nothing(place):
    prepare(place)
    crowd(place, 16, 6)
    check_crowd(place, 16, 6)


def test_a_writer_that_is_killed_leaves_a_registry_that_verifies_and_goes_on(place, rng):
    prepare(place)
    assert kill_writers(place, 4, rng, longest=0.1) >= 4


@pytest.mark.slow
def test_sixteen_writers_of_five_hundred_operations(place):
    prepare(place)
    crowd(place, 16, 500)
    check_crowd(place, 16, 500)


@pytest.mark.slow
def test_fifty_kills(place, rng):
    prepare(place)
    assert kill_writers(place, 50, rng) >= 50


def test_postgresql_keeps_its_audit_and_shows_who_tampers(cluster, tmp_path):
    url = cluster.database()
    prepare(url)
    with Registry.open(url) as registry:
        with pytest.raises(InputError, match="holds a registry; choose an empty one"):
            Registry.create(url, actor="JD")
        for statement in ("UPDATE audit SET actor = 'XX'", "DELETE FROM audit", "TRUNCATE audit"):
            with pytest.raises(RuntimeError, match="append-only"):
                cluster.sql(url, statement)
        with pytest.raises(InputError, match="PostgreSQL is backed up portably"):
            back_up(registry, tmp_path / "b.sqlite")
        back_up(registry, tmp_path / "b.jsonl")
        cluster.sql(url, f"UPDATE qc SET value = 7 WHERE id = '{SHARED}'")
        with registry.reading() as connection:
            assert "value is 7.0, the audit says 0.0" in verify(connection).problems[0]
        cluster.sql(url, "ALTER TABLE audit DISABLE TRIGGER audit_rows")
        with registry.reading() as connection:
            assert "triggers that keep the audit are gone" in verify(connection).problems[0]
    # From PostgreSQL into a file, and from the file into PostgreSQL.
    restore(tmp_path / "b.jsonl", tmp_path / "again.sqlite", actor="JD")
    with Registry.open(tmp_path / "again.sqlite") as registry:
        assert registry.get(Qc, SHARED).value == 0
        head = back_up(registry, tmp_path / "c.sqlite").head
    other = cluster.database()
    assert restore(tmp_path / "c.sqlite", other, actor="JD", head=head.hash).problems == ()
    with pytest.raises(InputError, match="holds a registry"):
        restore(tmp_path / "c.sqlite", other, actor="JD")


def test_postgresql_goes_down_and_up(cluster):
    url = cluster.database()
    prepare(url)
    with Registry.open(url) as registry, registry.change("JD") as change:
        change.edit(Patient, "P000", arm="placebo")
    Registry.migrate(url, actor="JD", target="0001")
    with pytest.raises(InputError, match="has schema 0001"):
        Registry.open(url)
    Registry.migrate(url, actor="JD")
    with Registry.open(url) as registry, registry.reading() as connection:
        assert registry.get(Patient, "P000").arm == "placebo"
        assert verify(connection).problems == ()


def test_postgresql_that_is_gone_or_read_only_is_one_clear_line(cluster):
    url = cluster.database()
    prepare(url)
    cluster.sql(url, "CREATE ROLE reader LOGIN")
    cluster.sql(url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    with Registry.open(url.replace("qsmkit@", "reader@")) as registry:
        with pytest.raises(OutputError, match="is read-only; nothing was written"), registry.change("JD") as change:
            change.add(Patient(id="P001"))
        cluster.stop("immediate")
        try:
            with pytest.raises(OutputError, match="cannot be reached"):
                registry.head()
        finally:
            cluster.start()
        assert registry.head().seq == 5
