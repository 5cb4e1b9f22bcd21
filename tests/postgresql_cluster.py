"""A PostgreSQL server of our own: an unprivileged cluster in a temporary folder, reached by a socket in it."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

ACCOUNT = "nobody"
"""Who runs it where we are root, as which PostgreSQL refuses to run."""


def binaries():
    """Return the folder of initdb and postgres, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    there = shutil.which("initdb") or (found[-1] if found else None)
    return Path(there).resolve().parent if there else None


class Cluster:
    """The server; `with` starts and ends it.

    Parameters
    ----------
    durable : bool
        Whether commits wait for the disk, as they do by default.
    """

    def __init__(self, *, durable=True):
        self._programs = binaries()
        self._durable = durable
        self._account = {"user": ACCOUNT, "group": pwd.getpwnam(ACCOUNT).pw_gid} if os.geteuid() == 0 else {}
        self._number = 0

    def __enter__(self):
        # A socket's path must be short, and every folder above it open to the account.
        self.folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
        if self._account:
            os.chown(self.folder, pwd.getpwnam(ACCOUNT).pw_uid, self._account["group"])
        quick = () if self._durable else ("--no-sync",)
        self._run("initdb", *quick, "-U", "qsmkit", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-D", self._data)
        self.start()
        return self

    def __exit__(self, *_):
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _data(self):
        return self.folder / "data"

    def start(self):
        settings = f"-k {self.folder} -c listen_addresses='' -c max_connections=60"
        if not self._durable:
            settings += " -c fsync=off"
        self._run("pg_ctl", "-D", self._data, "-l", self.folder / "log", "-o", settings, "-w", "start")

    def stop(self, mode):
        """End the server; "immediate" is as a crash."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def database(self):
        """Return the URL of a new, empty database."""
        self._number += 1
        name = f"registry{self._number}"
        self._run("createdb", "-h", self.folder, "-U", "qsmkit", name)
        return f"postgresql://qsmkit@/{name}?host={self.folder}"

    def sql(self, url, statement):
        """Run a statement past the software; {name} in it is the database."""
        name = url.partition("@/")[2].partition("?")[0]
        self._run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "qsmkit", name, "-c",
                  statement.replace("{name}", name))  # fmt: skip

    def _run(self, program, *arguments):
        done = subprocess.run(
            [str(self._programs / program), *map(str, arguments)], check=False, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd="/", text=True, **self._account,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")
