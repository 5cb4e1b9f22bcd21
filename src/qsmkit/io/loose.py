"""Scans from loose files: whatever the user names, with sidecars beside the files where there are any."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmkit.errors import ContradictionWarning, DataWarning, InputError, MetadataError
from qsmkit.io import bids_name
from qsmkit.io.assemble import assemble_scan
from qsmkit.io.echo_times import sidecar_times, to_seconds
from qsmkit.io.field_strength import find_field_strength
from qsmkit.io.sidecar import read_inherited
from qsmkit.volume import Scan

TIME_TOLERANCE = 0.01
"""Largest relative difference between stated echo times and those of the sidecars that goes unmentioned."""


def load_scan(
    phase_paths: Sequence[Path | str],
    magnitude_paths: Sequence[Path | str] = (),
    echo_times: Sequence[float] | None = None,
    field_strength: float | None = None,
    *,
    phase_max: float | None = None,
    flip_phase: bool = False,
) -> Scan:
    """Read a scan from loose files.

    Parameters
    ----------
    phase_paths, magnitude_paths : sequence of path
        One 3-D file an echo, or one 4-D file; the magnitude may be left out.
    echo_times : sequence of float, optional
        Echo times in s or ms, one for each file or volume; needed where sidecars beside the phase lack them.
    field_strength : float, optional
        Main field in T; needed where sidecars do not give it.
    phase_max : float, optional
        The stored phase value that stands for π.
    flip_phase : bool
        Negate the phase.

    Returns
    -------
    Scan
        Sorted by echo time. Stated values win over sidecars; a conflict is a `ContradictionWarning`.

    Raises
    ------
    InputError
        A file, the metadata or their combination cannot be used.
    """
    phases, magnitudes = [Path(p) for p in phase_paths], [Path(p) for p in magnitude_paths]
    if not phases:
        raise InputError("no phase file is given; name at least one")
    name = _name(phases[0])
    if magnitudes and len(phases) > 1 and len(magnitudes) > 1 and len(phases) != len(magnitudes):
        raise InputError(
            f"{name}: {len(phases)} phase files, but {len(magnitudes)} of magnitude; give one of each an echo"
        )
    phase_metadata = [read_inherited(p) for p in phases]
    times, decision = _echo_times(echo_times, phase_metadata, name)
    tesla, origin = find_field_strength(phase_metadata[0], stated=field_strength, name=name)
    return assemble_scan(
        name,
        phases,
        magnitudes,
        phase_metadata=phase_metadata,
        magnitude_metadata=[read_inherited(p) for p in magnitudes],
        echo_times=times,
        field_strength=tesla,
        phase_max=phase_max,
        flip_phase=flip_phase,
        sources=tuple(str(p.absolute()) for p in (*phases, *magnitudes)),
        decisions={"echo_times": decision, "field_strength": origin},
    )


def _echo_times(
    stated: Sequence[float] | None, metadata: Sequence[Mapping[str, Any]], name: str
) -> tuple[npt.NDArray[np.float64], str]:
    found = sidecar_times(metadata, name)
    if stated is None:
        if not found:
            raise MetadataError(f"{name}: echo times are not known; state them (--te), one for each echo")
        return to_seconds(found, source="sidecar", name=name)
    times, decision = to_seconds(stated, source="argument", name=name)
    if len(found) == len(times):
        known, _ = to_seconds(found, source="sidecar", name=name)
        if np.abs(times / known - 1).max() > TIME_TOLERANCE:
            warnings.warn(
                f"{name}: echo times {_ms(times)} ms were given, but the sidecars say {_ms(known)} ms; "
                "those given are used", ContradictionWarning, stacklevel=3,
            )  # fmt: skip
    if (np.diff(times) < 0).any():
        warnings.warn(
            f"{name}: echo times {_ms(times)} ms are not ascending; echoes are sorted by them",
            DataWarning, stacklevel=3,
        )  # fmt: skip
    return times, decision


def _ms(times: npt.NDArray[np.float64]) -> str:
    return ", ".join(f"{1000 * t:g}" for t in times)


def _name(path: Path) -> str:
    name = bids_name.parse(path.name)
    if name and "sub" in name.entities:
        return name.without("echo", "part").without_coil().stem
    return bids_name.stem(path.name)
