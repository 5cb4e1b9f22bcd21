"""Lesions measured on a map of susceptibility, in the space in which it was made."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.clinical.monitor.error_model import quantile
from qsmkit.clinical.monitor.observation import Context, Kind, Observation
from qsmkit.clinical.monitor.region import RegionRule
from qsmkit.clinical.rois import Noise, Region, regions
from qsmkit.errors import InputError, ShapeError
from qsmkit.grid import Grid

SHELL = (2.0, 4.0)
"""Distance from the lesion, mm, of the tissue that counts as its background."""

DILATED = 1
"""Voxels by which the mask is widened for χ_tot, which collects what blurring spread."""

ABSENT = 0.1
"""Share of a lesion's voxels without a susceptibility from which it is said."""

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Named:
    """Who a label is.

    Attributes
    ----------
    lesion : str
        Identity, a UUID.
    label : str
        Name for people.
    kind : str
        What it is.
    index : bool
        Whether it bled at enrolment.
    source : str
        Where the mask comes from.
    """

    lesion: str
    label: str
    kind: Kind = "cavernoma"
    index: bool = False
    source: str = "given"


@dataclass(frozen=True, slots=True)
class Visited:
    """A scan of a patient.

    Attributes
    ----------
    patient, visit : str
        Pseudonym, label of the session.
    day : date
        Of the scan.
    context : Context
        What the numbers depend on; its rule is filled in.
    """

    patient: str
    visit: str
    day: date
    context: Context = field(default_factory=Context)


def observe(
    chi: FloatArray, labels: npt.NDArray[np.integer], grid: Grid, visited: Visited, named: Mapping[int, Named], *,
    rule: RegionRule | None = None, noise: Noise | None = None, reference: BoolArray | None = None,
    reference_spread: float = float("nan"),
) -> tuple[list[Observation], list[str]]:
    """Measure every lesion of a visit.

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility in ppm, NaN where it has none.
    labels : (X, Y, Z) int array
        Number of the lesion of each voxel, 0 for none; on the map's own voxels, never resampled.
    grid : Grid
        Geometry of both.
    visited : Visited
        Whose map, when, and how it was made.
    named : mapping of int to Named
        Who the numbers are.
    rule : RegionRule, optional
        Which voxels are measured; the whole mask if omitted.
    noise : Noise, optional
        Errors of the map.
    reference : (X, Y, Z) bool array, optional
        Region whose mean is subtracted; the map's own reference if omitted.
    reference_spread : float
        SD of the voxels of the map's own reference, ppm; with `reference` it is measured.

    Returns
    -------
    observations : list of Observation
        One for each lesion, by number.
    notes : list of str
        What a reader should know.

    Raises
    ------
    InputError
        A label has no name, or a lesion lies where the map has no value.
    ShapeError
        The arrays do not lie on the grid.
    MaskError
        The rule leaves nothing of a lesion.
    """
    chosen = rule or RegionRule()
    for name, array in (("labels", labels), ("map", chi), ("reference", reference)):
        if array is not None and array.shape != grid.shape:
            raise ShapeError(f"the {name} has shape {array.shape}, the grid {grid.shape}; give images of one space")
    numbers = [int(n) for n in np.unique(labels) if n != 0]
    if not numbers:
        raise InputError("the label image is empty: no lesion to measure; draw or propose masks first")
    unnamed = [n for n in numbers if n not in named]
    if unnamed:
        raise InputError(f"labels {unnamed} belong to no lesion; name them, or take them out of the label image")
    measured = np.zeros(grid.shape, np.int32)
    notes = []
    for number in numbers:
        mask = labels == number
        absent = int((mask & ~np.isfinite(chi)).sum())
        if absent == mask.sum():
            raise InputError(f"lesion {named[number].label} lies where the map has no value (all {absent} voxels); "
                             "check that mask and map are of one scan, or reconstruct with a wider mask")  # fmt: skip
        if absent > ABSENT * mask.sum():
            notes.append(f"lesion {named[number].label}: {absent} of {int(mask.sum())} voxels have no susceptibility "
                         "(signal void) and are left out: its mean is uncertain by more than noise")  # fmt: skip
        measured[chosen.apply(mask, chi, grid)] = number
        if mask.sum() == 1:
            notes.append(f"lesion {named[number].label} is one voxel: its mean is that of the blur; look at χ_tot")
    base = max(numbers) + 1
    if reference is not None:
        measured[reference & (labels == 0) & np.isfinite(chi)] = base
        reference_spread = float(np.std(chi[measured == base])) if (measured == base).any() else float("nan")
    found = regions(chi, measured, grid, noise=noise, reference=base if reference is not None else None,
                    confidence=CONFIDENCE)  # fmt: skip
    degrees = float("inf") if noise is None or noise.deviations is None else noise.deviations.shape[-1] - 1
    about = replace(visited.context, rule=str(chosen))
    offset = float(np.mean(chi[measured == base], dtype=np.float64)) if reference is not None else 0.0
    rows = []
    for region in found:
        who, mask = named[region.label], labels == region.label
        total, background = _total(chi, mask, labels, grid)
        rows.append(Observation(
            patient=visited.patient, visit=visited.visit, day=visited.day, lesion=who.lesion, label=who.label,
            kind=who.kind, index=who.index, mean=region.mean, noise=_sd(region, degrees), noise_degrees=degrees,
            total=total, background=background - offset, volume=float(mask.sum()) * grid.voxel_volume,
            median=region.median, p95=region.percentiles[95], maximum=region.maximum, sd=region.sd,
            voxels=region.voxels, reference_spread=reference_spread, centre=_centre(mask, grid), context=about,
            source=who.source,
        ))  # fmt: skip
    return rows, notes


def _sd(region: Region, degrees: float) -> float:
    """Return the standard deviation that the interval of a mean stands for."""
    return (region.mean.high - region.mean.low) / 2 / quantile(CONFIDENCE, degrees)


def _total(chi: FloatArray, mask: BoolArray, labels: npt.NDArray[np.integer], grid: Grid) -> tuple[float, float]:
    """Return χ_tot in ppm·mm³ above the background, and the background in ppm."""
    (found,) = ndimage.find_objects(mask.astype(np.uint8))
    room = np.ceil((SHELL[1] + 1) / np.array(grid.voxel_size)).astype(int)
    box = tuple(slice(max(0, s.start - r), s.stop + r) for s, r in zip(found, room, strict=True))
    own, values = mask[box], chi[box]
    free = (labels[box] == 0) & np.isfinite(values)
    far = ndimage.distance_transform_edt(~own, sampling=grid.voxel_size)
    shell = free & (far >= SHELL[0]) & (far <= SHELL[1])
    if not shell.any():
        return float("nan"), float("nan")
    background = float(np.median(values[shell]))
    wide = ndimage.binary_dilation(own, iterations=DILATED) & (own | (labels[box] == 0)) & np.isfinite(values)
    return float((values[wide].astype(np.float64) - background).sum()) * grid.voxel_volume, background


def _centre(mask: BoolArray, grid: Grid) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in grid.world(np.argwhere(mask).mean(0)))
    return x, y, z
