"""Label images on their way out: names, and the voxels of another grid of the same lattice."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from qsmkit.errors import GeometryError, InputError
from qsmkit.grid import Grid
from qsmkit.io import bids_name
from qsmkit.io.dicom_out.series import lattice_difference
from qsmkit.io.nifti import load_volume
from qsmkit.io.tables import read_table

Drawn = Literal["automatic", "semiautomatic", "manual"]
"""How labels came about."""

MOST_LABELS = 1000
"""More than this is no label image."""


@dataclass(frozen=True, eq=False)
class Labels:
    """A label image.

    Attributes
    ----------
    data : (X, Y, Z) int32 array
        Label of each voxel; 0 is none.
    grid : Grid
        Geometry.
    names : mapping of int to str
        Name of each label that occurs, in ascending order.
    """

    data: npt.NDArray[np.int32]
    grid: Grid
    names: Mapping[int, str]

    def on(self, target: Grid) -> npt.NDArray[np.int32]:
        """Return the labels at the voxels of `target`, a grid of the same lattice: permuted, turned, cropped.

        Raises
        ------
        GeometryError
            The lattices differ, or a labelled voxel lies outside `target`.
        """
        difference = lattice_difference(target, self.grid)
        if difference:
            raise GeometryError(
                f"the labels do not lie on the images' voxels: {difference}; resample them (nearest neighbour)"
            )
        step = np.rint(np.linalg.inv(self.grid.affine) @ target.affine).astype(int)
        moved = np.zeros(target.shape, np.int32)
        # Along each axis of the target exactly one axis of the labels moves, by one voxel.
        index = []
        for axis in range(3):
            along = int(np.flatnonzero(step[axis, :3])[0])
            index.append((along, step[axis, 3] + step[axis, along] * np.arange(target.shape[along])))
        inside = [(i >= 0) & (i < n) for (_, i), n in zip(index, self.data.shape, strict=True)]
        picked = self.data[np.ix_(*[i[k] for (_, i), k in zip(index, inside, strict=True)])]
        order = np.argsort([along for along, _ in index])
        keep = [inside[axis] for axis in order]
        moved[np.ix_(*keep)] = picked.transpose(order)
        lost = int((self.data != 0).sum()) - int((moved != 0).sum())
        if lost:
            raise GeometryError(f"{lost} labelled voxels lie outside the images; export the images they were drawn on")
        return moved


def load_labels(path: Path, names: Path | None = None) -> Labels:
    """Read a label image and the names of its labels.

    Parameters
    ----------
    path : Path
        NIfTI image of whole numbers.
    names : Path, optional
        Table with the columns `index` and `name`; by default the one beside the image, if there is one.

    Raises
    ------
    InputError
        The image holds other than whole, non-negative numbers, more than 1000 labels or none; or a name is missing or
        given twice.
    """
    volume = load_volume(path)
    whole = np.rint(volume.data)
    if volume.data.ndim != 3 or not np.array_equal(whole, volume.data) or whole.min() < 0:
        raise InputError(f"{path} is not one volume of whole numbers from 0 on; give a label image")
    data = whole.astype(np.int32)
    found = [int(v) for v in np.unique(data) if v]
    if not 0 < len(found) <= MOST_LABELS:
        raise InputError(f"{path} holds {len(found)} labels; give a label image with 1 to {MOST_LABELS}")
    beside = path.with_name(f"{bids_name.stem(path.name)}.tsv")
    if names is None and beside.is_file():
        names = beside
    known = {} if names is None else read_names(names)
    missing = [v for v in found if v not in known]
    if names is not None and missing:
        raise InputError(f"{names} does not name label {missing[0]} of {path.name}; add a row")
    return Labels(data, volume.grid, {v: known.get(v, f"label {v}") for v in found})


def read_names(path: Path) -> dict[int, str]:
    """Read the names of labels from a table with the columns `index` and `name`.

    Raises
    ------
    InputError
        A column is missing, or two labels share a name.
    """
    table = read_table(path)
    pairs = list(zip(table.numbers("index"), table.text("name"), strict=True))
    made = {int(index): " ".join(name.split()) for index, name in pairs if name}
    for (_, one), (_, other) in itertools.combinations(pairs, 2):
        if one and one == other:
            raise InputError(f"{path} gives the name {one!r} to two labels; name them apart")
    return made
