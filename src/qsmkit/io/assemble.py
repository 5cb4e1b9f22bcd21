"""From files whose roles are known to a `Scan`: stacked, scaled, checked against each other."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import DataWarning, GeometryError, InputError, ShapeError
from qsmkit.grid import Grid
from qsmkit.io import nifti
from qsmkit.io.image_kind import require_magnitude, require_phase
from qsmkit.io.phase_scale import to_radians
from qsmkit.volume import Scan

logger = logging.getLogger(__name__)

MAGNITUDE_UNDERSHOOT = 0.1
"""How far below zero a magnitude may go, relative to its maximum (interpolation undershoots)."""


def assemble_scan(
    name: str,
    phase_paths: Sequence[Path],
    magnitude_paths: Sequence[Path],
    *,
    phase_metadata: Sequence[Mapping[str, Any]],
    magnitude_metadata: Sequence[Mapping[str, Any]],
    echo_times: npt.NDArray[np.float64],
    field_strength: float,
    phase_max: float | None,
    flip_phase: bool,
    sources: tuple[str, ...],
    decisions: Mapping[str, str],
) -> Scan:
    """Read the files of a scan.

    Parameters
    ----------
    name : str
        BIDS stem or file name, used in messages too.
    phase_paths, magnitude_paths : sequence of Path
        One 3-D file an echo, or one 4-D file; no magnitude at all is allowed.
    phase_metadata, magnitude_metadata : sequence of mapping
        Sidecar of each file.
    echo_times : (E,) array
        Echo times in s in the order of files or volumes, which are sorted by them.
    field_strength : float
        Main field in T.
    phase_max : float or None
        The stored value that stands for π, if stated.
    flip_phase : bool
        Whether to negate the phase (scanners on which a raised field turns it backwards).
    sources : tuple of str
        What to name as the scan's sources.
    decisions : mapping
        What was decided about echo times and field strength, for the record.

    Raises
    ------
    InputError
        A file cannot be used, shows something else, or does not fit the others.
    """
    for path, metadata in zip(phase_paths, phase_metadata, strict=True):
        require_phase(path, metadata)
    for path, metadata in zip(magnitude_paths, magnitude_metadata, strict=True):
        require_magnitude(path, metadata)

    phase, grid = _stack("phase", phase_paths, echo_times, None)
    if min(grid.shape) < 2:
        raise ShapeError(
            f"{phase_paths[0]} is a single slice, {grid.shape}; susceptibility mapping needs several slices"
        )
    phase, scale = to_radians(phase, metadata=phase_metadata[0], phase_max=phase_max, name=f"{name}: phase")
    if flip_phase:
        np.negative(phase, out=phase)
    valid = _zero_where_not_finite(phase)
    magnitude = None
    if magnitude_paths:
        magnitude, _ = _stack("magnitude", magnitude_paths, echo_times, grid)
        valid &= _zero_where_not_finite(magnitude)
        _check_magnitude(magnitude, name)
    else:
        warnings.warn(f"{name}: no magnitude; steps that weigh by it do without", DataWarning, stacklevel=3)
    if not valid.all():
        warnings.warn(
            f"{name}: {valid.size - valid.sum()} of {valid.size} voxels are NaN or infinite in some echo; "
            "they are left out of every mask", DataWarning, stacklevel=3,
        )  # fmt: skip
    manufacturer = str(phase_metadata[0].get("Manufacturer", ""))
    if manufacturer.upper().startswith("GE") and not (flip_phase or phase_metadata[0].get("PhaseNegated")):
        warnings.warn(
            f"{name}: {manufacturer} scanners may store phase with the opposite sign; if veins come out "
            "diamagnetic, flip the phase", DataWarning, stacklevel=3,
        )  # fmt: skip
    first = int(np.argmin(echo_times)) if len(phase_paths) > 1 else 0
    decided = {**decisions, "phase": scale + (", sign flipped" if flip_phase else "")}
    for what, decision in decided.items():
        logger.info("%s: %s: %s", name, what, decision)
    return Scan(
        phase=phase,
        magnitude=magnitude,
        echo_times=np.sort(echo_times),
        field_strength=field_strength,
        grid=grid,
        valid=None if valid.all() else valid,
        name=name,
        sources=sources,
        metadata={**phase_metadata[first], "decisions": decided},
    )


def _stack(
    what: str, paths: Sequence[Path], echo_times: npt.NDArray[np.float64], grid: Grid | None
) -> tuple[FloatArray, Grid]:
    """Return the volumes of all files as one (X, Y, Z, E) array sorted by echo time, and their grid."""
    place = np.argsort(np.argsort(echo_times))
    notes = set()
    data: FloatArray | None = None
    for number, path in enumerate(paths):
        image = nifti.read(path)
        if len(paths) > 1 and image.count > 1:
            raise ShapeError(
                f"{path} is 4-D with {image.count} volumes, yet one of {len(paths)} {what} files; "
                "give 3-D files, one an echo, or a single 4-D file"
            )
        echoes = max(image.count, len(paths))
        if echoes != len(echo_times):
            times = ", ".join(f"{1000 * t:g}" for t in echo_times)
            raise ShapeError(
                f"{path}: {echoes} {what} volumes, but {len(echo_times)} echo times ({times} ms); "
                "give one volume for each echo time"
            )
        _require_same_place(grid, image.grid, path)
        grid = grid or image.grid
        notes |= {image.note}
        if data is None:
            data = np.empty((*image.grid.shape, echoes), image.dtype)
        for volume in range(image.count):
            image.scale_into(data[..., place[number + volume]], volume)
    assert data is not None
    assert grid is not None
    for note in sorted(notes - {""}):
        warnings.warn(f"{paths[0]}: {note}", DataWarning, stacklevel=4)
    return data, grid


def _require_same_place(grid: Grid | None, other: Grid, path: Path) -> None:
    difference = grid.difference(other) if grid else None
    if difference and grid and grid.shape != other.shape:
        raise ShapeError(f"{path} has {difference}, unlike the scan's first file; give images of one scan")
    if difference:
        raise GeometryError(f"{path} lies elsewhere than the scan's first file: {difference}; resample it")


def _zero_where_not_finite(data: FloatArray) -> BoolArray:
    """Set values that are not finite to zero, and return where every echo was finite."""
    finite = np.isfinite(data)
    if not finite.all():
        data[~finite] = 0
    everywhere: BoolArray = np.asarray(finite.all(axis=3))
    return everywhere


def _check_magnitude(magnitude: FloatArray, name: str) -> None:
    for e in range(magnitude.shape[3]):
        low, high = float(magnitude[..., e].min()), float(magnitude[..., e].max())
        if low < -MAGNITUDE_UNDERSHOOT * max(high, 0):
            raise InputError(
                f"{name}: magnitude of echo {e + 1} spans {low:.4g} to {high:.4g}, but magnitudes are not "
                "negative; check that phase and magnitude were not swapped"
            )
        if low == high:
            raise InputError(f"{name}: magnitude of echo {e + 1} is constant ({low:g}); check the file")
