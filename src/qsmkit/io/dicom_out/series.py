"""DICOM series on disk: their headers, and the grid on which their images lie."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from qsmkit.errors import GeometryError, InputError
from qsmkit.grid import Grid
from qsmkit.io.dicom_out.planes import LPS

PARALLEL = 1e-4
"""Largest difference of direction cosines between planes that count as parallel (headers keep four digits or more)."""

PLACE_TOLERANCE = 0.01
"""Largest distance, mm, between a plane and where even spacing puts it, and between voxels of one lattice."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One image plane of a DICOM object.

    Attributes
    ----------
    header : Dataset
        The object it belongs to.
    position, row, column : (3,) array
        Place of the first pixel (LPS mm), directions of rows and of columns.
    spacing : tuple of float
        Distance of rows and of columns, mm.
    """

    header: Dataset
    position: npt.NDArray[np.float64]
    row: npt.NDArray[np.float64]
    column: npt.NDArray[np.float64]
    spacing: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Series:
    """The objects of one series.

    Attributes
    ----------
    headers : tuple of Dataset
        One an object, in order of instance numbers; with pixels only if they were asked for.
    paths : tuple of Path
        Their files.
    frames : tuple of Frame
        Every plane of every object that states its place.
    """

    headers: tuple[Dataset, ...]
    paths: tuple[Path, ...]
    frames: tuple[Frame, ...]

    @property
    def description(self) -> str:
        """Number and name, for messages."""
        first = self.headers[0]
        return f"series {first.get('SeriesNumber', '?')} ({first.get('SeriesDescription') or 'no description'})"

    def grid(self) -> Grid:
        """Return the grid of the series; echoes and parts at the same place count once.

        Raises
        ------
        GeometryError
            Planes are not parallel, evenly spaced and one behind the other, or do not state their place.
        """
        if not self.frames:
            raise GeometryError(f"{self.description}: its images do not state where they are; choose another series")
        first = self.frames[0]
        rows, columns = int(first.header.Rows), int(first.header.Columns)
        normal = np.cross(first.row, first.column)
        for frame in self.frames:
            turned = max(np.abs(frame.row - first.row).max(), np.abs(frame.column - first.column).max())
            same = (int(frame.header.Rows), int(frame.header.Columns)) == (rows, columns)
            if turned > PARALLEL or not same or not np.allclose(frame.spacing, first.spacing, rtol=1e-4):
                raise GeometryError(f"{self.description}: its planes differ in direction, size or spacing")
        places = _distinct(np.array([f.position for f in self.frames]), normal)
        step = (places[-1] - places[0]) / max(len(places) - 1, 1)
        if len(places) == 1:
            step = normal * float(first.header.get("SpacingBetweenSlices") or first.header.get("SliceThickness") or 1)
        apart = np.linalg.norm(places - (places[0] + np.arange(len(places))[:, None] * step), axis=1).max()
        lean = np.linalg.norm(step - (step @ normal) * normal) * max(len(places) - 1, 1)
        if max(apart, lean) > PLACE_TOLERANCE:
            raise GeometryError(
                f"{self.description}: planes lie up to {max(apart, lean):.3g} mm off an even stack; "
                "a slice is missing or the gantry was tilted"
            )
        affine = np.eye(4)
        affine[:3, 0] = LPS * first.row * first.spacing[1]
        affine[:3, 1] = LPS * first.column * first.spacing[0]
        affine[:3, 2] = LPS * step
        affine[:3, 3] = LPS * places[0]
        return Grid((columns, rows, len(places)), affine)


def read_series(path: Path | str, *, pixels: bool = False) -> tuple[Series, ...]:
    """Read every DICOM series in a folder, or the one of a file.

    Parameters
    ----------
    path : Path or str
        A file, or a folder that is searched to any depth.
    pixels : bool
        Whether pixels are read as well as headers.

    Returns
    -------
    tuple of Series
        The series with the most planes first.

    Raises
    ------
    InputError
        There is no DICOM object, or the objects belong to several patients or studies.
    """
    path = Path(path)
    found: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    for file, header in _objects(path, pixels=pixels):
        found[str(header.get("SeriesInstanceUID", ""))].append((file, header))
    if not found:
        raise InputError(f"{path} holds no DICOM image; name a file or folder of the series")
    studies = {(h.get("PatientID"), h.get("StudyInstanceUID")) for objects in found.values() for _, h in objects}
    if len(studies) > 1:
        raise InputError(f"{path} holds {len(studies)} different patients or studies; name the folder of one")
    made = []
    for objects in found.values():
        objects.sort(key=lambda o: (int(o[1].get("InstanceNumber") or 0), str(o[1].SOPInstanceUID)))
        headers = tuple(h for _, h in objects)
        try:
            frames = tuple(itertools.chain.from_iterable(_frames(h) for h in headers))
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            raise InputError(f"{path}: a damaged DICOM header ({error}); copy the series again") from error
        made.append(Series(headers, tuple(p for p, _ in objects), frames))
    return tuple(sorted(made, key=lambda s: -len(s.frames)))


def lattice_difference(one: Grid, other: Grid) -> str | None:
    """Return why the voxels of `other` are not voxels of the lattice of `one`, or None if they are.

    Axes may be permuted and turned, and `other` may be a part of `one` or reach beyond it.
    """
    relative = np.linalg.inv(one.affine) @ other.affine
    whole = np.rint(relative)
    steps = np.abs(whole[:3, :3])
    if not ((steps.sum(0) == 1).all() and (steps.sum(1) == 1).all()):
        sizes = [" × ".join(f"{v:.4g}" for v in g.voxel_size) for g in (other, one)]
        return f"voxels of {sizes[0]} mm, turned or of another size than those of {sizes[1]} mm"
    corners = np.array(list(itertools.product(*[(0, n - 1) for n in other.shape])), float)
    exact = corners @ whole[:3, :3].T + whole[:3, 3]
    error = np.linalg.norm(one.world(exact) - other.world(corners), axis=1).max()
    if error > PLACE_TOLERANCE:
        return f"voxel centres up to {error:.3g} mm beside those of the source"
    if (exact.max(0) < 0).any() or (exact.min(0) > np.array(one.shape) - 1).any():
        return "no voxel in common"
    return None


def _objects(path: Path, *, pixels: bool) -> Iterator[tuple[Path, Dataset]]:
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        try:
            header = dcmread(file, stop_before_pixels=not pixels)
        except (InvalidDicomError, OSError, EOFError, ValueError, NotImplementedError) as error:
            if path.is_file():
                raise InputError(f"{path} is no readable DICOM file ({error}); name another") from error
            continue
        if "SOPInstanceUID" in header and "Rows" in header:
            yield file, header


def _frames(header: Dataset) -> Iterator[Frame]:
    if "ImagePositionPatient" in header and "ImageOrientationPatient" in header and "PixelSpacing" in header:
        yield _frame(header, header.ImagePositionPatient, header.ImageOrientationPatient, header.PixelSpacing)
        return
    shared = (header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    for group in header.get("PerFrameFunctionalGroupsSequence") or ():
        places = [g for s in (group, shared) for g in s.get("PlanePositionSequence") or ()]
        turns = [g for s in (group, shared) for g in s.get("PlaneOrientationSequence") or ()]
        sizes = [g for s in (group, shared) for g in s.get("PixelMeasuresSequence") or ()]
        if places and turns and sizes:
            yield _frame(
                header, places[0].ImagePositionPatient, turns[0].ImageOrientationPatient, sizes[0].PixelSpacing
            )


def _frame(header: Dataset, position: object, orientation: object, spacing: object) -> Frame:
    place, turn, size = (np.array(v, np.float64) for v in (position, orientation, spacing))
    row, column = (v / np.linalg.norm(v) for v in (turn[:3], turn[3:]))
    return Frame(header, place, row, column, (float(size[0]), float(size[1])))


def _distinct(
    positions: npt.NDArray[np.float64], normal: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the different places of planes, (N, 3) mm, along the normal."""
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    new = np.diff(along[order], prepend=-np.inf) > PLACE_TOLERANCE
    return positions[order][new]
