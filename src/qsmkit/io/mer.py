"""Microelectrode recordings: loudness by depth from tables, and from raw recordings through neo."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qsmkit.errors import InputError
from qsmkit.extras import require
from qsmkit.io.tables import Table, read_table

DEPTHS = ("RecordingSiteDTT", "depth_mm", "depth")
"""Names of the column with the distance to the target, mm; the first is that of Lead-OR's export."""


@dataclass(frozen=True, eq=False)
class Profile:
    """The loudness of one channel along its track.

    Attributes
    ----------
    channel : str
        Name of the channel or track.
    depth : list of float
        Distance to the target, mm, positive above it.
    rms : list of float
        Root mean square, in the file's unit (µV as a rule).
    """

    channel: str
    depth: list[float]
    rms: list[float]


def read_profiles(path: Path) -> list[Profile]:
    """Read a table of sites: a column of depths, and a column of RMS values for each channel.

    A table with a column `file` instead names a raw recording for each depth, relative to the table; every channel's
    RMS is then computed from it, which needs the extra `mer`.

    Parameters
    ----------
    path : Path
        CSV, TSV or Excel file.

    Raises
    ------
    InputError
        There is no column of depths, no channel, or a recording cannot be read.
    MissingExtraError
        Raw recordings are named, and neo is not installed.
    """
    table = read_table(path)
    name = next((n for n in DEPTHS if n in table.columns), None)
    if name is None:
        raise InputError(f"{path} has no column of depths; call it {' or '.join(DEPTHS)} (mm above the target)")
    depth = table.numbers(name)
    if "file" in table.columns:
        return _from_recordings(path, table, depth)
    channels = [c for c in table.columns if c != name]
    if not channels:
        raise InputError(f"{path} has depths but no channel; give a column of RMS values for each")
    return [Profile(c, *_complete(depth, table.numbers(c))) for c in channels]


def recording_rms(path: Path) -> dict[str, float]:
    """Return the root mean square of every channel of a raw recording, about its mean, in the file's unit.

    Parameters
    ----------
    path : Path
        A file that neo can read.

    Raises
    ------
    InputError
        The file is not there, cannot be read, or holds no signal.
    MissingExtraError
        neo is not installed.
    """
    neo = require("neo", "mer")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # neo warns of headers that do not matter here
            block = neo.io.get_io(str(path)).read_block()
    except Exception as error:
        raise InputError(f"{path} cannot be read as a recording ({error}); check the file and its format") from error
    found: dict[str, list[np.ndarray]] = {}
    for segment in block.segments:
        for signal in segment.analogsignals:
            values = np.asarray(signal.magnitude, np.float64)
            for i in range(values.shape[1]):
                found.setdefault(f"{signal.name or 'channel'}-{i}", []).append(values[:, i])
    if not found:
        raise InputError(f"{path} holds no analogue signal; name the file of the raw recording")
    return {name: float(np.concatenate(parts).std()) for name, parts in found.items()}


def _from_recordings(path: Path, table: Table, depth: list[float]) -> list[Profile]:
    sites = [recording_rms(path.parent / name) for name in table.text("file")]
    channels = list(dict.fromkeys(c for site in sites for c in site))
    return [Profile(c, *_complete(depth, [site.get(c, float("nan")) for site in sites])) for c in channels]


def _complete(depth: list[float], rms: list[float]) -> Iterator[list[float]]:
    kept = [(d, r) for d, r in zip(depth, rms, strict=True) if np.isfinite(d) and np.isfinite(r)]
    yield [d for d, _ in kept]
    yield [r for _, r in kept]
