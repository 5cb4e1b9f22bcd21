"""Digital patients from a scenario to a dataset: one, or a cohort that can be interrupted and goes on."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from qsmkit.compiled import thread_count
from qsmkit.errors import OutputError, QsmkitError
from qsmkit.io import patient as store
from qsmkit.io.template import load_template
from qsmkit.pipeline.patient_dicom import write_dicom
from qsmkit.simulate.encoding import Vendor
from qsmkit.simulate.patient import Acquired, Patient, patient, scans
from qsmkit.simulate.scenario import Scenario, drawn
from qsmkit.simulate.template import Template
from qsmkit.simulate.tissue import Label

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """A participant to be made.

    Attributes
    ----------
    label : str
        Without "sub-".
    seed : int
        Its randomness.
    scenario : Scenario
        All chance drawn.
    values : dict
        The same as JSON values.
    dicom : str or None
        Vendor in whose dialect scans are also written as DICOM.
    """

    label: str
    seed: int
    scenario: Scenario
    values: dict[str, Any]
    dicom: Vendor | None = None

    @property
    def record(self) -> dict[str, Any]:
        """What the participant is made from; the same again makes the same again."""
        subject = asdict(self.scenario.subject)
        subject |= {"age": round(subject["age"], 1)}
        return {"Seed": self.seed, "Subject": subject, "Dicom": self.dicom, "Scenario": self.values}


def order(
    tree: Mapping[str, Any], label: str, seed: int, *, years: float | None = None, dicom: Vendor | None = None
) -> Order:
    """Draw the participant that a seed makes of a scenario; raises ScenarioError as `scenario.drawn`."""
    return Order(label, seed, *drawn(tree, seed, years=years), dicom)


def cohort(
    tree: Mapping[str, Any], count: int, seed: int, *, years: float | None = None, dicom: Vendor | None = None
) -> list[Order]:
    """Draw a cohort; participants keep their randomness when it grows. Raises ScenarioError as `scenario.drawn`."""
    seeds = [int(np.random.SeedSequence([seed, i]).generate_state(1)[0]) for i in range(1, count + 1)]
    return [order(tree, f"{i:03d}", own, years=years, dicom=dicom) for i, own in enumerate(seeds, 1)]


def is_done(out: Path, wanted: Order, *, overwrite: bool = False) -> bool:
    """Return whether a participant is complete already.

    Raises
    ------
    OutputError
        It is, but was made from something else and may not be replaced.
    """
    there = store.recorded(out, wanted.label)
    if there is None or overwrite:
        return False
    if there != wanted.record:
        raise OutputError(
            f"{out} holds a sub-{wanted.label} made from another scenario or seed; choose another folder, or pass "
            "--overwrite"
        )
    return True


def make(out: Path, wanted: Order, progress: Progress | None = None) -> None:
    """Simulate a participant and write it.

    Parameters
    ----------
    out : Path
        Folder of the dataset, prepared by `prepare`.
    wanted : Order
        Who.
    progress : callable, optional
        Called with number, total and name of each scan before it is made.

    Raises
    ------
    ScenarioError, ParameterError
        A lesion or lead cannot be where it is asked for.
    OutputError
        The folder cannot be written.
    """
    template = Template(**load_template()) if wanted.scenario.subject.anatomy == "template" else None
    who = patient(wanted.scenario, template=template, rng=wanted.seed)
    with store.participant(out, wanted.label) as writer:
        _write_patient(writer, who)
        for number, acquired in enumerate(scans(who, rng=wanted.seed, progress=progress), 1):
            _write_scan(writer, who, acquired)
            if wanted.dicom:
                folder, when = writer.source(acquired.visit.name), wanted.scenario.when(acquired.visit.day)
                write_dicom(folder, acquired, wanted.dicom, wanted.label, when, number)
        writer.record(wanted.record)


def prepare(out: Path, name: str) -> None:
    """Make a folder ready for participants; raises OutputError as `io.patient.prepare`."""
    store.prepare(out, name, {int(label): label.name.lower() for label in Label})


def make_all(out: Path, orders: list[Order], jobs: int) -> Iterator[tuple[Order, QsmkitError | None]]:
    """Simulate participants, several at a time, and yield each with what went wrong when it ends.

    The processors are shared out among the jobs, of which each needs the memory of a whole head.
    """
    threads = os.environ.get("QSMKIT_THREADS")
    os.environ["QSMKIT_THREADS"] = str(max(1, thread_count() // jobs))
    try:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            running = {pool.submit(make, out, wanted): wanted for wanted in orders}
            for future in as_completed(running):
                error = future.exception()
                if error is not None and not isinstance(error, QsmkitError):
                    raise error
                yield running[future], error
    finally:
        if threads is None:
            del os.environ["QSMKIT_THREADS"]
        else:
            os.environ["QSMKIT_THREADS"] = threads


def _write_patient(writer: store.Writer, who: Patient) -> None:
    sessions = [
        {"session_id": f"ses-{v.name}", "acq_time": who.scenario.when(v.day).isoformat(timespec="seconds"),
         "day": v.day, "gadolinium": v.gadolinium} for v in who.scenario.visits
    ]  # fmt: skip
    writer.table(None, "sessions", sessions, truth=False)
    writer.table(None, "landmarks", [{"scan": "head", **row} for row in who.landmarks()])
    writer.table(None, "leads", who.implants())
    writer.table(None, "events", who.events())
    writer.images(None, [who.head_labels()], truth=True)


def _write_scan(writer: store.Writer, who: Patient, acquired: Acquired) -> None:
    visit = acquired.visit
    writer.images(visit.name, acquired.images, truth=False)
    writer.images(visit.name, acquired.truth, truth=True)
    about = {"session_id": f"ses-{visit.name}", "date": who.scenario.when(visit.day).date().isoformat(),
             "day": visit.day, "scan": acquired.name}  # fmt: skip
    for name, rows in acquired.tables.items():
        writer.table(visit.name, f"{acquired.space}{name}", [about | row for row in rows])
    transform = {"from": "head", "to": acquired.name, "matrix": acquired.from_head}
    if acquired.shift is not None:
        transform |= {"brain_shift": acquired.shift}
    writer.json(visit.name, f"{acquired.space}transforms", transform)
