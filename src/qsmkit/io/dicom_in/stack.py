"""Slices that make one volume: gathered, put in order, and checked against each other.

A volume is believed only if its slices agree in everything that tells how it was acquired and stored, lie evenly on a
line, and if the other volumes of the series (echoes, magnitude and phase) have the same slices. A slice that was lost,
doubled, damaged or taken from another patient breaks one of these.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmkit.io.dicom_in.frame import Frame
from qsmkit.io.dicom_in.kind import Kind
from qsmkit.io.dicom_in.pixels import frame_digest

EVEN = 0.02
"""How far a slice may lie from its place on the line, relative to the slices' distance."""

SAME_PLACE = 0.01
"""Distance in mm along the normal below which two slices are at the same place."""

SAME_DIRECTION = 1e-4
"""Largest difference of direction cosines within a volume."""

SAME_NUMBER = 1e-4
"""Largest relative difference of a number that is the same for all slices (frequencies drift within a scan)."""

TILT = 0.5
"""Least angle in degrees between the slices' normal and the line on which they lie that is a tilted gantry."""


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The slices of one volume.

    Attributes
    ----------
    frames : tuple of Frame
        In the order of their positions along the normal.
    refusal : str
        Why they make no volume; empty if they do.
    notes : tuple of str
        What was repaired, or should be known.
    affine : (4, 4) array or None
        From column, row and slice to RAS mm; sheared where the gantry was tilted. None if refused.
    tilt : float
        Angle between normal and line of the slices, degrees.
    """

    frames: tuple[Frame, ...]
    refusal: str = ""
    notes: tuple[str, ...] = ()
    affine: npt.NDArray[np.float64] | None = None
    tilt: float = 0.0

    @property
    def first(self) -> Frame:
        """The first slice, which speaks for all."""
        return self.frames[0]

    def lies_with(self, other: Stack) -> bool:
        """Return whether two volumes have the same voxels in the same place."""
        if self.affine is None or other.affine is None or self.shape != other.shape:
            return False
        return bool(np.abs(self.affine - other.affine).max() < SAME_PLACE)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Columns, rows, slices."""
        return self.first.pixels.columns, self.first.pixels.rows, len(self.frames)


def gather(frames: Iterable[Frame]) -> list[Stack]:
    """Return the volumes of all frames, those that are none included, in the order of series and echo."""
    series: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        series[frame.series].append(frame)
    stacks = [stack for members in series.values() for stack in _of_series(members)]
    return sorted(
        _without_orphans(stacks), key=lambda s: (s.first.date, s.first.series_number, s.first.series, _slot(s.first))
    )


@lru_cache(maxsize=4096)
def stack_digest(stack: Stack) -> str:
    """Return a hash of a volume's stored values and echo time, however its files are made."""
    whole = hashlib.blake2b(f"{stack.first.echo_time:.2f}".encode(), digest_size=16)
    for frame in stack.frames:
        whole.update(frame_digest(frame).encode())
    return whole.hexdigest()


def _of_series(frames: Sequence[Frame]) -> list[Stack]:
    patients, studies = len({f.patient for f in frames}), len({f.study for f in frames})
    if patients > 1:
        return [Stack(tuple(frames), f"its files name {patients} different patients; sort them by patient")]
    if studies > 1:
        return [Stack(tuple(frames), f"its files name {studies} studies; a file may be damaged")]
    stacks = _volumes(frames)
    if any(s.refusal for s in stacks) and len({f.coil for f in frames}) > 1:
        # Scanners may name the elements that see a slice: then coils are no volumes.
        merged = _volumes([replace(f, coil="") for f in frames])
        return stacks if any(s.refusal for s in merged) else merged
    return stacks


def _volumes(frames: Sequence[Frame]) -> list[Stack]:
    groups: dict[tuple[Any, ...], list[Frame]] = defaultdict(list)
    for frame in frames:
        groups[_slot(frame)].append(frame)
    stacks = [stack for group in groups.values() for stack in _of_group(group)]
    measured = [s for s in stacks if s.first.kind not in (Kind.DERIVED, Kind.SWI)]
    places = [_places(s) for s in measured]
    reason = next((f"another volume of its series is unusable: {s.refusal}" for s in measured if s.refusal), "")
    if len({len(p) for p in places}) > 1 or any(np.abs(np.subtract(p, places[0])).max() > SAME_PLACE for p in places):
        counts = ", ".join(str(len(p)) for p in places)
        reason = f"the volumes of its series do not have the same slices ({counts}); export the series again"
    return [replace(s, refusal=s.refusal or (reason if s in measured else "")) for s in stacks]


def _slot(frame: Frame) -> tuple[Any, ...]:
    """Return what tells the volumes of a series apart."""
    return frame.kind, round(frame.echo_time, 2), frame.coil, frame.protocol.image_type


def _of_group(frames: Sequence[Frame]) -> list[Stack]:
    stack = _checked(*_without_copies(frames))
    by_acquisition: dict[int, list[Frame]] = defaultdict(list)
    for frame in frames:
        by_acquisition[frame.acquisition].append(frame)
    if not stack.refusal or len(by_acquisition) == 1:
        return [stack]
    repeats = [_checked(*_without_copies(group)) for group in by_acquisition.values()]
    return [stack] if any(r.refusal for r in repeats) else repeats


def _checked(frames: Sequence[Frame], notes: tuple[str, ...]) -> Stack:
    reason = _disagreement(frames)
    if reason:
        return Stack(tuple(frames), reason)
    if len(frames) < 2:
        return Stack(tuple(frames), "it is a single slice")
    row, column = np.reshape(frames[0].orientation, (2, 3))
    if max(abs(np.linalg.norm(row) - 1), abs(np.linalg.norm(column) - 1), abs(row @ column)) > 1e-3:
        return Stack(tuple(frames), f"its ImageOrientationPatient {frames[0].orientation} is no pair of directions")
    if min(frames[0].spacing) <= 0:
        return Stack(tuple(frames), f"its PixelSpacing {frames[0].spacing} is not positive")
    normal = np.cross(row, column)
    ordered = sorted(frames, key=lambda f: float(normal @ f.position))
    positions = np.array([f.position for f in ordered])
    along = positions @ normal
    steps = np.diff(along)
    if steps.min() < SAME_PLACE:
        return Stack(tuple(ordered), f"{int((steps < SAME_PLACE).sum())} of its slices lie where another one does")
    line = (positions[-1] - positions[0]) / (len(positions) - 1)
    stray = positions - positions[0] - np.arange(len(positions))[:, None] * line
    if np.abs(stray).max() > EVEN * np.linalg.norm(line):
        return Stack(tuple(ordered), _uneven(steps))
    tilt = float(np.degrees(np.arccos(min(1.0, float(line @ normal / np.linalg.norm(line))))))
    if tilt > TILT and frames[0].protocol.modality != "CT":
        return Stack(tuple(ordered), f"its slices are sheared by {tilt:.1f}°")
    rows, columns = ordered[0].spacing
    lps = np.column_stack((row * columns, column * rows, line, positions[0]))
    affine = np.vstack((np.diag((-1.0, -1.0, 1.0)) @ lps, (0, 0, 0, 1)))
    if tilt > TILT:
        notes = (*notes, f"gantry tilted by {tilt:.1f}°: straightened by interpolation")
    return Stack(tuple(ordered), "", notes, affine, tilt if tilt > TILT else 0.0)


def _disagreement(frames: Sequence[Frame]) -> str:
    """Return in what the slices differ though they must not; empty if in nothing."""
    first = frames[0]
    for what in ("pixels", "protocol"):
        for field in fields(getattr(first, what)):
            values = [getattr(getattr(f, what), field.name) for f in frames]
            odd = next((v for v in values if not _same(v, values[0])), None)
            if odd is not None:
                name = field.name.replace("_", " ")
                return f"its slices differ in {name} ({_plain(values[0])} and {_plain(odd)}); a file may be damaged"
    for name, tolerance in (("spacing", 1e-4), ("orientation", SAME_DIRECTION)):
        if np.ptp([getattr(f, name) for f in frames], axis=0).max() > tolerance:
            return f"its slices differ in {name}; several planes, or a damaged file"
    return ""


def _same(a: Any, b: Any) -> bool:
    return abs(a - b) <= SAME_NUMBER * max(abs(a), abs(b)) if isinstance(a, float) else bool(a == b)


def _plain(value: Any) -> str:
    if isinstance(value, tuple | frozenset):
        return "/".join(sorted(value) if isinstance(value, frozenset) else value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _without_copies(frames: Sequence[Frame]) -> tuple[list[Frame], tuple[str, ...]]:
    """Return the frames without those that are there twice with the same pixels."""
    kept: dict[tuple[Any, ...], Frame] = {}
    for frame in sorted(frames, key=lambda f: (str(f.path), f.index)):
        place = tuple(round(x, 3) for x in frame.position)
        there = kept.get(place)
        if there is None:
            kept[place] = frame
        elif frame_digest(frame) != frame_digest(there):
            return list(frames), ()
    copies = len(frames) - len(kept)
    return list(kept.values()), (f"{copies} exact copies of slices were left out",) if copies else ()


def _uneven(steps: npt.NDArray[np.float64]) -> str:
    whole = np.rint(steps / steps.min())
    if np.abs(steps / steps.min() - whole).max() < 2 * EVEN and np.median(whole) == 1 < whole.max():
        return f"{int(whole.sum() - len(steps))} slices are missing; copy the series again"
    if np.ptp(steps) < EVEN * steps.min():
        return "its slices are shifted against each other"
    return f"its slices are unevenly spaced ({steps.min():.4g} to {steps.max():.4g} mm)"


def _places(stack: Stack) -> npt.NDArray[np.float64]:
    row, column = np.reshape(stack.first.orientation, (2, 3))
    return np.sort(np.array([f.position for f in stack.frames]) @ np.cross(row, column))


def _without_orphans(stacks: Sequence[Stack]) -> list[Stack]:
    """Refuse a volume of which a slice seems to have strayed into a series of its own."""
    single = [s.first for s in stacks if len(s.frames) == 1]
    return [
        replace(stack, refusal="a slice of it is marked as another series; a file may be damaged")
        if not stack.refusal and any(_continues(stack, frame) for frame in single)
        else stack
        for stack in stacks
    ]


def _continues(stack: Stack, frame: Frame) -> bool:
    """Return whether a lone slice lies where the next slice of a volume would."""
    assert stack.affine is not None
    if np.abs(np.subtract(frame.orientation, stack.first.orientation)).max() > SAME_DIRECTION:
        return False
    place = np.linalg.solve(stack.affine, [-frame.position[0], -frame.position[1], frame.position[2], 1])[:3]
    beyond = min(abs(place[2] + 1), abs(place[2] - len(stack.frames)))
    return bool(np.abs(place[:2]).max() < EVEN and beyond < EVEN)
