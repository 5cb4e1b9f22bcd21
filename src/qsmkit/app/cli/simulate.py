"""`qsmkit simulate`: digital patients as BIDS datasets with ground truth."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from qsmkit.app import console
from qsmkit.errors import OutputError
from qsmkit.io.echo_times import to_seconds
from qsmkit.io.simulated import write_head
from qsmkit.simulate.head import SimulatedHead
from qsmkit.simulate.head import head as simulate_head

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
