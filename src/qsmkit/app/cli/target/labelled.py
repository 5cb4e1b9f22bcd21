"""Images and the structures drawn on them, on one grid."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qsmkit.arrays import AnyArray, BoolArray
from qsmkit.clinical.target.mixture import Part, parts_of
from qsmkit.errors import InputError
from qsmkit.io import bids_name
from qsmkit.io.dicom_out.labels import read_names
from qsmkit.io.maps import load_map
from qsmkit.io.nifti import load_volume
from qsmkit.volume import Volume


def together(images: list[Path], labels: Path) -> tuple[list[Volume], AnyArray]:
    """Read images and labels on one grid; labels are 0 where an image has no value."""
    volumes, marks = [load_map(p) for p in images], load_volume(labels)
    for path, volume in zip([*images[1:], labels], [*volumes[1:], marks], strict=True):
        volumes[0].grid.require_same(volume.grid, path, images[0], "use qsmkit register --resampled")
    there = np.all([np.isfinite(v.data) for v in volumes], axis=0)
    return volumes, np.where(there, np.rint(marks.data), 0).astype(np.int32)


def parts(
    volume: Volume, marks: AnyArray, pairs: list[str], labels: Path, names: Path | None, *, by_side: bool
) -> Iterator[Part]:
    """Yield each pair, once for each side if sides are told apart."""
    beside = labels.with_name(f"{bids_name.stem(labels.name)}.tsv")
    table = names or (beside if beside.is_file() else None)
    known = {name: label for label, name in read_names(table).items()} if table else {}
    for text in pairs:
        roi, background = (_voxels(marks, label, known) for label in _split(text))
        yield from parts_of(text, roi, background, volume.grid, by_side=by_side)


def subject_of(path: Path) -> str:
    """Return `sub-…` of a BIDS name, empty of any other."""
    name = bids_name.parse(path.name)
    return f"sub-{name.entities['sub']}" if name and "sub" in name.entities else ""


def contrast_of(path: Path) -> str:
    """Return what a BIDS name says of an image and not of whose it is; the file's name if it is no BIDS name."""
    name = bids_name.parse(path.name)
    return str(name.without("sub", "ses", "run", "space")) if name else path.name


def _split(text: str) -> tuple[str, str]:
    roi, mark, background = text.partition(":")
    if not (roi and mark and background):
        raise InputError(f"pair {text!r} is not two labels such as 18:23 or gpi:internal_capsule")
    return roi, background


def _voxels(marks: AnyArray, label: str, known: dict[str, int]) -> BoolArray:
    number = int(label) if label.isdecimal() else known.get(label)
    inside: BoolArray = marks == number if number is not None else np.zeros(marks.shape, bool)
    if not inside.any():
        there = {n: name for name, n in known.items()}
        found = ", ".join(f"{n} {there.get(n, '')}".strip() for n in np.unique(marks[marks > 0]))
        raise InputError(f"no voxel has the label {label}; labels are {found or 'none'}")
    return inside
