"""A registry under fire: many writers at once, and writers that are killed in the middle of what they do.

Each operation is a change of its own. In turn: count up a number that all writers share (read, then write), add a
visit, correct it, add a lesion.
"""

import contextlib
import multiprocessing
import time

from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import Lesion, Patient, Qc, Recon, Session
from qsmkit.io.store.verify import verify

SHARED = "00000000-0000-4000-8000-000000000001"
ACTOR = "W"


def prepare(where):
    """Make a registry with a patient and the shared number, 0."""
    with Registry.create(where, actor=ACTOR) as registry, registry.change(ACTOR) as change:
        change.add(Patient(id="P000"))
        visit = change.add(Session(patient="P000", visit="m00", date="2025-01-01"))
        recon = change.add(Recon(session=visit.id, pipeline="default", version="1"))
        change.add(Qc(id=SHARED, recon=recon.id, check="counter", value=0))


def operate(registry, writer, number):
    """Do one operation of one writer."""
    visit = f"w{writer}-{number - number % 4}"
    with registry.change(f"{ACTOR}{writer}") as change:
        if number % 4 == 0:
            change.edit(Qc, SHARED, value=change.get(Qc, SHARED).value + 1)
        elif number % 4 == 1:
            change.add(Session(patient="P000", visit=visit, date="2025-01-01"))
        elif number % 4 == 2:
            change.edit(Session, f"P000-{visit}", age=40.5)
        else:
            change.add(Lesion(patient="P000", label=visit, kind="microbleed", first_seen=f"P000-{visit}"))


def write(where, writer, operations, told):
    """Do operations one after another; tell after each, once it is kept."""
    with Registry.open(where) as registry:
        for number in operations:
            operate(registry, writer, number)
            told.send(number)
    told.close()


def processes():
    """Return what starts processes that have the libraries loaded already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([
        "__main__", "qsmkit.io.store.verify", "qsmkit.io.store.registry", "sqlalchemy.dialects.sqlite",
        "sqlalchemy.dialects.postgresql.psycopg", "psycopg",
    ])  # fmt: skip
    return context


def crowd(where, writers, operations):
    """Let writers work at once; return the seconds that they took."""
    context = processes()
    started, running = time.perf_counter(), []
    for writer in range(writers):
        receive, send = context.Pipe(duplex=False)
        process = context.Process(target=write, args=(where, writer, range(operations), send))
        process.start()
        send.close()
        running.append((process, receive))
    for process, receive in running:
        kept = list(_received(receive))
        process.join()
        assert process.exitcode == 0
        assert kept == list(range(operations))
    return time.perf_counter() - started


def check_crowd(where, writers, operations):
    """Assert that nothing was lost, and return the verdict."""
    with Registry.open(where, readonly=True) as registry:
        turns = [writers * len(range(turn, operations, 4)) for turn in range(4)]
        assert registry.get(Qc, SHARED).value == turns[0]
        sessions = registry.rows(Session)
        assert len(sessions) == turns[1] + 1
        assert sum(s.age == 40.5 for s in sessions) == turns[2]
        assert len(registry.rows(Lesion)) == turns[3]
        with registry.reading() as connection:
            verdict = verify(connection)
    assert verdict.problems == ()
    assert verdict.head.seq == 5 + writers * operations
    return verdict


def kill_writers(where, kills, rng, longest=0.2):
    """Kill a writer after a random time, again and again; return how many operations were confirmed in all.

    After each kill the registry opens and verifies, holds everything that was confirmed and at most one operation
    more, and the next writer goes on from there.
    """
    context, number, confirmed = processes(), 0, 0
    for _ in range(kills):
        receive, send = context.Pipe(duplex=False)
        process = context.Process(target=write, args=(where, 0, range(number, number + 10**6), send))
        process.start()
        send.close()
        first = receive.recv()
        time.sleep(rng.uniform(0, longest))
        process.kill()
        process.join()
        assert process.exitcode == -9
        told = [first, *_received(receive)]
        confirmed += len(told)
        with Registry.open(where) as registry, registry.reading() as connection:
            verdict = verify(connection)
        assert verdict.problems == ()
        kept = verdict.head.seq - 5
        assert told[-1] + 1 <= kept <= told[-1] + 2
        number = kept
    return confirmed


def _received(pipe):
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            yield pipe.recv()
