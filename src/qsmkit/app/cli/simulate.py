"""`qsmkit simulate`: digital patients as BIDS datasets with ground truth."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from qsmkit.app import console
from qsmkit.errors import OutputError, ParameterError, QsmkitError
from qsmkit.io.echo_times import to_seconds
from qsmkit.io.patient import gather
from qsmkit.io.sidecar import read_sidecar
from qsmkit.io.simulated import write_head
from qsmkit.pipeline.patients import Order, is_done, make, make_all, prepare
from qsmkit.pipeline.patients import cohort as draw_cohort
from qsmkit.pipeline.patients import order as draw_order
from qsmkit.simulate.encoding import Vendor
from qsmkit.simulate.head import SimulatedHead
from qsmkit.simulate.head import head as simulate_head
from qsmkit.simulate.scenario import names, shipped

app = App(name="simulate", help="Simulate digital patients as BIDS datasets with ground truth.")


@app.command
def head(
    out: Path,
    /,
    *,
    seed: int = 1,
    b0: float = 3.0,
    te: Annotated[list[float] | None, Parameter(consume_multiple=True)] = None,
    snr: float = 100.0,
    tilt: float = 0.0,
    voxel: tuple[float, float, float] = (1.0, 1.0, 1.0),
    size: Literal["full", "small"] = "full",
    bipolar: bool = False,
    overwrite: bool = False,
) -> None:
    """Simulate a multi-echo gradient-echo scan of a digital head, with its truth under derivatives/truth.

    Parameters
    ----------
    out
        Folder of the BIDS dataset.
    seed
        The same seed gives the same head at any voxel size, tilt, field strength and noise.
    b0
        Field strength (T).
    te
        Echo times, in s or ms; 4 12 20 28 ms if omitted.
    snr
        Bright signal of the first echo over the noise's standard deviation per channel.
    tilt
        Angle (degrees) by which image and head are turned about the left-right axis.
    voxel
        Voxel size (mm).
    size
        "small" doubles the voxel size, for quick trials.
    bipolar
        Read every second echo backwards.
    overwrite
        Replace files that are there.
    """
    if any(out.glob("*")) and not overwrite:
        raise OutputError(f"{out} is not empty; choose another folder, or pass --overwrite")
    times = (0.004, 0.012, 0.020, 0.028) if te is None else tuple(to_seconds(te, source="argument", name="--te")[0])
    made: SimulatedHead = simulate_head(
        voxel_size=voxel, size=size, tilt=tilt, field_strength=b0, echo_times=times, snr=snr, bipolar=bipolar, rng=seed
    )
    write_head(out, made, overwrite=overwrite)
    console.say(f"head {made.scan.grid.shape}, {b0:g} T, {len(times)} echoes → {out}")


@app.command
def patient(
    scenario: str,
    out: Path,
    /,
    *,
    seed: int = 1,
    label: str = "01",
    dicom: Vendor | None = None,
    overwrite: bool = False,
) -> None:
    """Simulate a patient from a scenario: every scan of every visit, with the truth under derivatives/truth.

    Parameters
    ----------
    scenario
        Name of a scenario that qsmkit brings (see `qsmkit simulate scenarios`), or path of a .json file.
    out
        Folder of the BIDS dataset; participants of other labels that are there stay.
    seed
        The same seed gives the same patient.
    label
        Of the participant, without "sub-".
    dicom
        Also write the scans as DICOM, in the dialect of this vendor, under sourcedata/dicom.
    overwrite
        Replace a participant of this label that was made from something else.
    """
    if not (label.isalnum() and label.isascii()):
        raise ParameterError(f"--label {label!r} is no participant's label; use letters and digits only")
    wanted = draw_order(_scenario(scenario), label, seed, dicom=dicom)
    if is_done(out, wanted, overwrite=overwrite):
        console.say(f"sub-{label}: done already → {out}")
        return
    prepare(out, "Digital patients")
    with console.StepProgress(f"sub-{label}") as progress:
        make(out, wanted, progress)
    gather(out)
    console.say(f"sub-{label}: {_sum(wanted)} → {out}")


@app.command
def cohort(
    *,
    scenario: str,
    n: int,
    out: Path,
    seed: int = 1,
    years: float | None = None,
    dicom: Vendor | None = None,
    jobs: int = 1,
    overwrite: bool = False,
) -> int:
    """Simulate many patients of a scenario, each with chance of its own. Running the same command again goes on.

    Parameters
    ----------
    scenario
        Name of a scenario, or path of a .json file.
    n
        Number of participants, sub-001 …; a larger number later adds to them.
    out
        Folder of the BIDS dataset.
    seed
        The same seed gives the same cohort.
    years
        Length of follow-up: later visits are left out.
    dicom
        Also write the scans as DICOM, in the dialect of this vendor, under sourcedata/dicom.
    jobs
        Participants to simulate at once; each takes up to 8 GB of memory.
    overwrite
        Make participants anew that are there.
    """
    for name, value in (("--n", n), ("--jobs", jobs)):
        if not 1 <= value <= 999:
            raise ParameterError(f"{name} {value} is out of range; it must be between 1 and 999")
    if years is not None and not years >= 0:
        raise ParameterError(f"--years {years} is out of range; it must be at least 0")
    orders = draw_cohort(_scenario(scenario), n, seed, years=years, dicom=dicom)
    left = [wanted for wanted in orders if not is_done(out, wanted, overwrite=overwrite)]
    prepare(out, "Cohort of digital patients")
    failures = 0
    for wanted, error in _each(out, left, jobs):
        gather(out)
        if error is not None:
            failures += 1
            console.say(f"qsmkit: sub-{wanted.label}: {' '.join(str(error).split())}")
        elif jobs > 1:
            console.say(f"sub-{wanted.label}: {_sum(wanted)}")
    console.say(f"{n - failures} of {n} participants, {n - len(left)} of them done before → {out}")
    return 1 if failures else 0


@app.command
def scenarios(*, show: str | None = None) -> None:
    """List the scenarios that qsmkit brings.

    Parameters
    ----------
    show
        Print this one, as JSON, to copy and change.
    """
    if show is not None:
        console.print_json(shipped(show))
        return
    console.print_table(("name", "what it is"), [(name, shipped(name)["description"]) for name in names()])


def _each(out: Path, orders: list[Order], jobs: int) -> Iterator[tuple[Order, QsmkitError | None]]:
    """Make participants one after the other with a bar for each, or several at a time."""
    if jobs > 1:
        yield from make_all(out, orders, jobs)
        return
    for wanted in orders:
        error = None
        try:
            with console.StepProgress(f"sub-{wanted.label}") as progress:
                make(out, wanted, progress)
        except QsmkitError as failed:
            error = failed
        yield wanted, error


def _scenario(name: str) -> dict[str, Any]:
    return read_sidecar(Path(name)) if name.endswith(".json") else shipped(name)


def _sum(wanted: Order) -> str:
    made = wanted.scenario
    parts = [(len(made.visits), "visit"), (sum(len(v.scans) for v in made.visits), "scan"),
             (len(made.lesions), "lesion"), (len(made.leads), "lead")]  # fmt: skip
    return ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in parts if count)
