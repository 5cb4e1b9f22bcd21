"""A simulated head as a BIDS dataset, its truth as a derivative beside it."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from qsmkit.arrays import AnyArray
from qsmkit.io import bids_name
from qsmkit.io.atomic import write_text
from qsmkit.io.derivatives import BIDS_VERSION, result_path, write_artifact, write_description
from qsmkit.io.nifti import save_volume
from qsmkit.io.sidecar import write_sidecar
from qsmkit.volume import Scan


class Simulated(Protocol):
    """What a simulation offers for writing; see `qsmkit.simulate.head.SimulatedHead`."""

    @property
    def scan(self) -> Scan:
        """The scan."""
    @property
    def truth(self) -> Mapping[str, AnyArray]:
        """True maps by artifact name."""
    @property
    def labels(self) -> AnyArray:
        """Label of each voxel."""
    @property
    def label_names(self) -> Mapping[int, str]:
        """Name of each label."""
    def stored_phase(self) -> AnyArray:
        """Return the phase as the scanner's integers, echo last."""
    def stored_magnitude(self) -> AnyArray:
        """Return the magnitude as the scanner's integers, echo last."""


def write_head(out: Path, made: Simulated, *, overwrite: bool = False) -> None:
    """Write a simulated scan as raw BIDS (MEGRE, integer phase) and its truth under derivatives/truth.

    Parameters
    ----------
    out : Path
        Folder of the dataset.
    made : Simulated
        The simulation.
    overwrite : bool
        Whether files that are there already may be replaced.

    Raises
    ------
    OutputError
        A file is there already, or the folder cannot be written.
    """
    scan = made.scan
    description = {
        "Name": "Simulated head",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "qsmkit", "Version": version("qsmkit")}],
    }
    write_sidecar(out / "dataset_description.json", description, overwrite=overwrite)
    write_text(out / "README", "A simulated head; its truth is under derivatives/truth.\n", overwrite=overwrite)
    for part, stored, more in (
        ("mag", made.stored_magnitude(), {}),
        ("phase", made.stored_phase(), {"Units": "arbitrary"}),
    ):
        for e, time in enumerate(scan.echo_times):
            path = result_path(out, scan, f"echo-{e + 1}_part-{part}_MEGRE")
            save_volume(path, stored[..., e], scan.grid, overwrite=overwrite)
            sidecar: dict[str, Any] = {"EchoTime": round(float(time), 9), **scan.metadata, **more}
            write_sidecar(path, sidecar, overwrite=overwrite)
    truth = out / "derivatives" / "truth"
    write_description(truth, out)
    bare = replace(scan, sources=())
    for name, array in made.truth.items():
        write_artifact(truth, bare, "brain_mask" if name == "mask" else name, array, overwrite=overwrite)
    labels = result_path(truth, scan, "dseg")
    save_volume(labels, made.labels, scan.grid, overwrite=overwrite)
    rows = "".join(f"{index}\t{name}\n" for index, name in made.label_names.items())
    write_text(labels.with_name(f"{bids_name.stem(labels.name)}.tsv"), f"index\tname\n{rows}", overwrite=overwrite)
