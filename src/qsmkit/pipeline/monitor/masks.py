"""Where a visit's label image comes from: given, grown from seeds, or carried over from another visit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qsmkit.clinical.monitor.propose import Proposal, carry, follow, grow
from qsmkit.clinical.monitor.region import labelled
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.io.nifti import load_volume
from qsmkit.transform import Transform
from qsmkit.volume import Volume

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A label image and where it comes from.

    Attributes
    ----------
    labels : (X, Y, Z) int32 array
        Number of the lesion of each voxel.
    sources : dict of int to str
        How each came about.
    notes : list of str
        What a reader should look at.
    """

    labels: Labels
    sources: dict[int, str]
    notes: list[str]


def given(paths: Sequence[Path], grid: Grid) -> Drawn:
    """Read one label image, or several masks.

    Raises
    ------
    GeometryError
        One does not lie where the map does.
    InputError
        One is empty or not of whole numbers, or masks overlap.
    """
    images = [load_volume(path) for path in paths]
    for path, image in zip(paths, images, strict=True):
        grid.require_same(image.grid, path, "the map", "masks stay in the space of the scan they were drawn on")
        if not np.all(np.isfinite(image.data)) or np.any(image.data != np.rint(image.data)) or image.data.min() < 0:
            raise InputError(f"{path} is no label image; give whole numbers, 0 for no lesion")
        if not image.data.any():
            raise InputError(f"{path} is empty; draw the lesion, or leave the file out")
    if len(images) == 1:
        labels = np.rint(images[0].data).astype(np.int32)
    else:
        labels = labelled({n: image.data > 0 for n, image in enumerate(images, 1)})
    return Drawn(labels, dict.fromkeys(_numbers(labels), "given"), [])


def grown(chi: Volume, seeds: Sequence[tuple[float, float, float]], sign: int, dark: Volume | None) -> Drawn:
    """Grow a lesion from each seed; raise as `propose.grow`, and InputError where two share voxels."""
    found = {n: grow(chi.data, chi.grid, seed, sign=sign, dark=None if dark is None else dark.data)
             for n, seed in enumerate(seeds, 1)}  # fmt: skip
    return _drawn(found)


def carried(
    chi: Volume, before: Labels, before_grid: Grid, transform: Transform, *, sign: int = 1, anew: bool = True,
    dark: Volume | None = None,
) -> Drawn:
    """Carry every lesion of an earlier visit over, and grow it anew (or leave it fixed).

    Parameters
    ----------
    chi : Volume
        This visit's map, ppm.
    before, before_grid : array, Grid
        Labels of the earlier visit, on their grid.
    transform : Transform
        From this visit's space to the earlier one's.
    sign : int
        +1 for paramagnetic, −1 for diamagnetic lesions.
    anew : bool
        Whether to grow about what was carried over.
    dark : Volume, optional
        T2-weighted image or magnitude on this visit's grid.
    """
    found: dict[int, Proposal] = {}
    for number in _numbers(before):
        moved = carry(before == number, before_grid, chi.grid, transform)
        image = None if dark is None else dark.data
        found[number] = follow(chi.data, chi.grid, moved.mask, sign=sign, dark=image) if anew else moved
    return _drawn(found)


def _numbers(labels: Labels) -> list[int]:
    return [int(n) for n in np.unique(labels) if n > 0]


def _drawn(found: dict[int, Proposal]) -> Drawn:
    notes = [f"lesion {n}: {note}" for n, p in found.items() for note in p.notes]
    return Drawn(labelled({n: p.mask for n, p in found.items()}), {n: p.source for n, p in found.items()}, notes)
