"""The registry under fire: many writers at once, writers that are killed, rows that are tampered with.

    .venv/bin/python -m benchmarks.registry [--writers 16] [--operations 500] [--kills 50] [--cells 200]

Runs on an SQLite file and, where PostgreSQL is installed, on a cluster of its own in a temporary folder, both with
commits that wait for the disk. A run that loses anything ends with an error.

lost       operations that were confirmed to a writer and are not in the registry afterwards.
per s      changes a second, all writers together; each is a transaction of its own.
verify     seconds to prove the chain and every row of the result.
kills      writers ended by SIGKILL at random times; after each, the registry opened, verified, held all that was
           confirmed, and the next writer went on.
tampered   cells changed behind the audit, one at a time, and how many of these changes were found.
"""

import argparse
import shutil
import sqlite3
import sys
import tempfile
import time
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from postgresql_cluster import Cluster, binaries
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.verify import verify
from registry_fire import check_crowd, crowd, kill_writers, prepare


def tampered(path: Path, cells: int, rng: np.random.Generator) -> int:
    """Return how many of some random changes behind the audit `verify` finds."""
    found = 0
    with closing(sqlite3.connect(path)) as connection:
        for _ in range(cells):
            table = rng.choice(["session", "lesion", "patient", "recon", "qc"])
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != "id"]
            name = rng.choice(names)
            (row,) = connection.execute(f'SELECT id, "{name}" FROM {table} ORDER BY random() LIMIT 1').fetchall()
            connection.execute(f"UPDATE {table} SET \"{name}\" = ? WHERE id = ?", (_other(row[1]), row[0]))
            connection.commit()
            with Registry.open(path, readonly=True) as registry, registry.reading() as seen:
                found += len(verify(seen).problems) == 1
            connection.execute(f"UPDATE {table} SET \"{name}\" = ? WHERE id = ?", (row[1], row[0]))
            connection.commit()
    return found


def _other(value: object) -> object:
    if value is None:
        return 1
    return value + 1 if isinstance(value, int | float) else f"{value}x"


def main() -> None:
    """Run on both databases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default in (("writers", 16), ("operations", 500), ("kills", 50), ("cells", 200)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    rng = np.random.default_rng(20261125)
    total = given.writers * given.operations
    folder = Path(tempfile.mkdtemp(prefix="registry"))
    server = Cluster() if binaries() else nullcontext()
    try:
        with server as cluster:
            for name in ("sqlite", *(["postgresql"] if cluster else [])):
                place = str(folder / "crowd.sqlite") if name == "sqlite" else cluster.database()
                prepare(place)
                seconds = crowd(place, given.writers, given.operations)
                began = time.perf_counter()
                verdict = check_crowd(place, given.writers, given.operations)
                checked = time.perf_counter() - began
                print(f"{name:10}  {given.writers} writers × {given.operations} = {total} operations, lost 0, "
                      f"{total / seconds:.0f} per s, {verdict.head.seq} entries, verify {checked:.1f} s", flush=True)
                other = str(folder / "kills.sqlite") if name == "sqlite" else cluster.database()
                prepare(other)
                confirmed = kill_writers(other, given.kills, rng)
                print(f"{name:10}  {given.kills} kills, {confirmed} operations confirmed, lost 0", flush=True)
        if not cluster:
            print("postgresql  not installed, not measured")
        prepare(folder / "cells.sqlite")
        crowd(folder / "cells.sqlite", 2, 20)
        found = tampered(folder / "cells.sqlite", given.cells, rng)
        print(f"sqlite      {given.cells} cells tampered with, {found} found", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
