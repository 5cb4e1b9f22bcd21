"""The command line, called in-process, and one small head that it simulated and reconstructed."""

import contextlib
import io
import json
import warnings
from dataclasses import dataclass

import pytest

from qsmkit.app import console
from qsmkit.app.cli import main


@dataclass
class Ran:
    """What a command did: its exit status, and what it said where."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def run_command(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
        pytest.MonkeyPatch.context() as patch,
    ):
        warnings.simplefilter("default")
        patch.setattr(console.out, "file", out)
        patch.setattr(console.err, "file", err)
        try:
            status = main.run([str(a) for a in arguments])
        except SystemExit as stop:
            status = stop.code or 0
    return Ran(status, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def qsmkit():
    """The command: `qsmkit("methods", "--json")` returns status, stdout and stderr."""
    return run_command


@pytest.fixture(scope="session")
def head(tmp_path_factory):
    """A simulated head of 5 mm voxels as a BIDS dataset."""
    folder = tmp_path_factory.mktemp("head") / "bids"
    ran = run_command("simulate", "head", folder, "--size", "small", "--voxel", 2.5, 2.5, 2.5)
    assert ran.status == 0, ran.err
    return folder


@pytest.fixture(scope="session")
def results(head, tmp_path_factory):
    """Its reconstruction by the fast recipe; tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("results") / "out"
    ran = run_command("recon", head, folder, "participant", "--recipe", "fast")
    assert ran.status == 0, ran.err
    assert ran.out == ""
    return folder
