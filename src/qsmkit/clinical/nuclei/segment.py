"""Labels of the deep grey nuclei in the space of a map of χ.

The atlas is laid on the whole brain by an affine transform, deformed on χ and whatever other images there are, and each
voxel near a nucleus is then judged by atlas, intensities and neighbours together. This is done several times with
different stiffness and different images; the runs are averaged, and where they disagree confidence is low.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmkit.arrays import BoolArray, FloatArray, IntArray
from qsmkit.clinical.nuclei import atlas as atlases
from qsmkit.clinical.nuclei.atlas import Atlas
from qsmkit.clinical.nuclei.contrasts import Contrast, at_points, points_of
from qsmkit.clinical.nuclei.demons import Stiffness
from qsmkit.clinical.nuclei.findings import (
    VERDICTS,
    Finding,
    Verdict,
    chi_mean,
    confidence,
    dice,
    judged,
    shell_contrast,
    weighted_centre,
)
from qsmkit.clinical.nuclei.fit import Fit, fit
from qsmkit.clinical.nuclei.posterior import Posterior, Refinement, largest_part, refine
from qsmkit.clinical.nuclei.structures import Side, structures
from qsmkit.clinical.register import register
from qsmkit.clinical.target.acpc import Commissures
from qsmkit.errors import DataWarning, GeometryError, InputError, ShapeError
from qsmkit.grid import Grid
from qsmkit.measure import Measure
from qsmkit.transform import Transform
from qsmkit.volume import Volume

RUNS = ((Stiffness(2.0, 1.0), True), (Stiffness(2.0, 1.4), False))
"""Stiffness of each run, and whether it looks at all images or at χ alone."""

RIGID, AFFINE = 2.0, 3.0
"""Least voxel size at which images of one head, and the atlas's brain, are registered, mm: finer costs time alone."""

EDGES = "edge overlap"
"""The gate that alone does not leave an image out: T2w and an early echo share few edges where they lie well."""

SHELL = (1.5, 4.0)
"""Distances from its surface between which a nucleus's surroundings are, mm."""

MARGIN = 6.0
"""Room about the deformed atlas in which voxels are looked at, mm."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Nuclei:
    """The nuclei of a patient.

    Attributes
    ----------
    labels : Volume
        (X, Y, Z) int16, by default on the grid of χ; the numbers of `structures`, alike on both sides.
    table : tuple of Finding
        One for each nucleus and side.
    atlas : str
        What was laid on the patient.
    commissures : Commissures
        Of the AC–PC coordinates: the user's, or where the atlas puts them.
    contrasts : tuple of Contrast
        The patient's images, χ first.
    fits : tuple of Fit
        One for each run.
    notes : tuple of str
        What a reader should know.
    """

    labels: Volume
    table: tuple[Finding, ...]
    atlas: str
    commissures: Commissures
    contrasts: tuple[Contrast, ...]
    fits: tuple[Fit, ...]
    notes: tuple[str, ...]
    _classes: tuple[tuple[str, Side], ...]
    _box: tuple[slice, ...]
    _maps: FloatArray

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the nuclei."""
        return max((f.verdict for f in self.table), key=VERDICTS.index)

    @cached_property
    def probabilities(self) -> dict[str, Volume]:
        """The probability of each nucleus, both sides together, by name, on the grid of the labels."""
        return {n: self.probability(n) for n in structures()}

    def probability(self, name: str, side: Side | None = None) -> Volume:
        """Return the probability of a nucleus, of one side or of both, on the grid of the labels."""
        data = np.zeros(self.labels.grid.shape, np.float32)
        for k, (n, s) in enumerate(self._classes):
            if n == name and side in (None, s):
                data[self._box] += self._maps[k]
        return Volume(data, self.labels.grid, "1")

    def mask(self, name: str, side: Side) -> BoolArray:
        """Return the voxels (X, Y, Z) of a nucleus on one side."""
        inside = np.zeros(self.labels.grid.shape, bool)
        k = self._classes.index((name, side))
        inside[self._box] = self._maps[k] > 0
        inside &= self.labels.data == structures()[name].label
        others = [j for j, c in enumerate(self._classes) if c[0] == name and c[1] != side]
        for j in others:
            inside[self._box] &= self._maps[k] >= self._maps[j]
        return inside

    def image(self, name: str) -> Volume:
        """Return one of the patient's images on the grid of the labels; of χ, NaN where it has no value."""
        contrast = next(c for c in self.contrasts if c.name == name)
        grid = self.labels.grid
        if contrast.volume.grid.difference(grid) is None and contrast.name == "chi":
            return contrast.volume
        return Volume(contrast.at(points_of(grid)), grid, contrast.volume.unit)

    def finding(self, name: str, side: Side) -> Finding:
        """Return what was found of a nucleus on one side."""
        return next(f for f in self.table if (f.name, f.side) == (name, side))


def segment(
    chi: Volume,
    atlas: Atlas,
    *,
    magnitude: Volume | None = None,
    t1w: Volume | None = None,
    t2w: Volume | None = None,
    fgatir: Volume | None = None,
    mask: BoolArray | None = None,
    commissures: Commissures | None = None,
    onto: Grid | None = None,
    refinement: Refinement | None = None,
    progress: Progress | None = None,
) -> Nuclei:
    """Find the deep grey nuclei of a patient.

    Parameters
    ----------
    chi : Volume
        Susceptibility, (X, Y, Z), ppm; NaN or exactly 0 where it has no value.
    atlas : Atlas
        The nuclei in MNI152 space.
    magnitude : Volume, optional
        Magnitude of an early echo on the grid of χ, a.u.: shows the whole head, to which other images are registered.
    t1w, t2w, fgatir : Volume, optional
        Other images of the same head, a.u., in any position; without a magnitude, they must lie in the space of χ.
    mask : (X, Y, Z) bool array, optional
        Voxels in which χ has a value.
    commissures : Commissures, optional
        AC and PC, RAS mm of χ; else where the atlas puts them.
    onto : Grid, optional
        Grid of the labels, in the space of χ; that of χ if omitted. Finer voxels help where χ is coarse and there is
        another, finer image.
    refinement : Refinement, optional
        How voxels are judged.
    progress : callable, optional
        Called with number, total and name of each step.

    Raises
    ------
    ShapeError
        χ is not 3-D.
    GeometryError
        The magnitude or the mask does not lie on the grid of χ, or χ does not show the deep brain.
    InputError
        χ has too few values.

    Warns
    -----
    DataWarning
        An image does not register well to the magnitude; one that fails is left out.
    """
    say = progress or (lambda _number, _total, _step: None)
    total = 3 + len(RUNS)
    inside = _support(chi, mask)
    _same_grid(chi, magnitude)
    say(1, total, "other images")
    contrasts, notes = _contrasts(chi, magnitude, {"t1w": t1w, "t2w": t2w, "fgatir": fgatir})
    say(2, total, "atlas on the brain")
    affine = _affine(contrasts, magnitude, inside, atlas)
    covering = Contrast("inside", Volume(inside.astype(np.float32), chi.grid, "1"), Transform.identity())
    fits: list[Fit] = []
    for number, (stiffness, everything) in enumerate(RUNS, 3):
        say(number, total, "atlas on the deep brain")
        fits.append(fit(contrasts if everything else contrasts[:1], atlas, affine, covering, stiffness))
    say(total, total, "voxels")
    grid = onto or chi.grid
    box = _box(grid, atlas, fits[0])
    points = points_of(_cropped(grid, box))
    images = {c.name: c.at(points) for c in contrasts}
    valued = covering.at(points) > 0.5
    runs = [_run(f, atlas, points, images, valued, refinement or Refinement()) for f in fits]
    maps = _averaged([p for p, _ in runs], len(atlas.classes))
    own = _labelled(maps)
    labels = np.zeros(grid.shape, np.int16)
    numbers = np.array([0, *(structures()[n].label for n, _ in atlas.classes)], np.int16)
    labels[box] = numbers[own]
    where = commissures or Commissures(*(fits[0].from_atlas(p) for p in (atlases.AC, atlases.PC, atlases.MIDLINE)))
    table = _table(atlas, own, maps, runs, images, valued, points, grid.voxel_volume, where)
    return Nuclei(
        Volume(labels, grid, "1"), table, atlas.name, where, tuple(contrasts), tuple(fits), _drawn(atlas) + notes,
        atlas.classes, box, maps,
    )  # fmt: skip


def _drawn(atlas: Atlas) -> tuple[str, ...]:
    """Return a note on the nuclei that an atlas of labels lacks."""
    if not 0 < len(atlas.drawn) < len(atlas.classes):
        return ()
    told = ", ".join(f"{name} {side}" for name, side in atlas.drawn)
    return (f"{atlas.name} does not hold {told}; the built-in solids stand for them",)


def _support(chi: Volume, mask: BoolArray | None) -> BoolArray:
    if chi.data.ndim != 3:
        raise ShapeError(f"χ has shape {chi.data.shape}; give one 3-D volume")
    inside: BoolArray = np.isfinite(chi.data) & (chi.data != 0)
    if mask is not None:
        if mask.shape != chi.data.shape:
            raise GeometryError(f"the mask has shape {mask.shape}, χ {chi.data.shape}; resample it first")
        inside &= mask
    volume = inside.sum() * chi.grid.voxel_volume / 1000
    if volume < 100:
        raise InputError(f"χ has values in {volume:.3g} ml only; give a map of the whole brain or of its deep part")
    return inside


def _same_grid(chi: Volume, magnitude: Volume | None) -> None:
    if magnitude is None:
        return
    if magnitude.data.ndim != 3:
        raise ShapeError(f"the magnitude has shape {magnitude.data.shape}; give one echo")
    apart = chi.grid.difference(magnitude.grid)
    if apart:
        raise GeometryError(f"the magnitude does not lie where χ does: {apart}; give an echo of the same scan")


def _contrasts(
    chi: Volume, magnitude: Volume | None, others: Mapping[str, Volume | None]
) -> tuple[list[Contrast], tuple[str, ...]]:
    made, notes = [Contrast("chi", chi, Transform.identity())], []
    for name, volume in others.items():
        if volume is None:
            continue
        if magnitude is None:
            notes.append(f"{name} was taken to lie in the space of χ, because no magnitude was given to register it to")
            made.append(Contrast(name, volume, Transform.identity()))
            continue
        found = register(_thinned(magnitude, RIGID), _thinned(volume, RIGID))
        failed = any(g.verdict == "FAIL" for g in found.gates if g.name != EDGES)
        if not failed:
            made.append(Contrast(name, volume, found.transform))
        if found.verdict != "PASS":
            gates = ", ".join(f"{g.name} {g.value:.3g}" for g in found.gates if g.verdict != "PASS")
            done = "is left out" if failed else "is used, but look at it"
            notes.append(f"{name} does not register well to the magnitude ({gates}); it {done}")
            warnings.warn(DataWarning(notes[-1]), stacklevel=3)
    return made, tuple(notes)


def _affine(
    contrasts: Sequence[Contrast], magnitude: Volume | None, inside: BoolArray, atlas: Atlas
) -> Transform:
    """Return the transform from χ's space to the atlas's."""
    chi = contrasts[0].volume
    if magnitude is not None:
        image = np.asarray(magnitude.data, np.float32)
    elif len(contrasts) > 1:
        image = contrasts[1].at(points_of(chi.grid))
    else:  # white matter dark, grey matter and vessels bright
        image = 0.3 - np.clip(np.nan_to_num(chi.data), -0.1, 0.2)
    brain = ndimage.binary_fill_holes(inside)
    shown = Volume(np.where(brain, image, 0).astype(np.float32), chi.grid)
    return register(_thinned(shown, AFFINE), _thinned(atlas.template, AFFINE), kind="affine", check=False).transform


def _thinned(volume: Volume, size: float) -> Volume:
    """Return the volume in voxels of no less than `size` mm, each the mean of those in it."""
    step = np.maximum(1, np.round(size / np.array(volume.grid.voxel_size))).astype(int)
    if (step == 1).all():
        return volume
    kept = [n // s * s for n, s in zip(volume.grid.shape, step, strict=True)]
    data = np.nan_to_num(np.asarray(volume.data, np.float32))[tuple(slice(k) for k in kept)]
    x, y, z = (int(k // s) for k, s in zip(kept, step, strict=True))
    blocks = data.reshape(x, step[0], y, step[1], z, step[2]).mean((1, 3, 5))
    affine = volume.grid.affine.copy()
    affine[:3, :3] = affine[:3, :3] * step
    affine[:3, 3] = volume.grid.world((step - 1) / 2)
    return Volume(blocks, Grid((x, y, z), affine), volume.unit)


def _cropped(grid: Grid, box: tuple[slice, ...]) -> Grid:
    x, y, z = box
    return grid.cropped((x.start, y.start, z.start), (x.stop - x.start, y.stop - y.start, z.stop - z.start))


def _box(grid: Grid, atlas: Atlas, found: Fit) -> tuple[slice, ...]:
    """Return the part of χ's grid that holds the nuclei, with a margin."""
    surface = atlas.grid.world(np.argwhere(atlas.distances.min(0) < 0)[::7])
    voxels = grid.voxel(found.from_atlas(surface))
    room = MARGIN / np.array(grid.voxel_size)
    low = np.maximum(np.floor(voxels.min(0) - room), 0).astype(int)
    high = np.minimum(np.ceil(voxels.max(0) + room) + 1, grid.shape).astype(int)
    if (high - low < 2).any():
        raise GeometryError("χ does not show the deep brain where the atlas puts it; check the map and its orientation")
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _run(
    found: Fit, atlas: Atlas, points: npt.NDArray[np.float64], images: Mapping[str, FloatArray], inside: BoolArray,
    refinement: Refinement,
) -> tuple[Posterior, FloatArray]:
    """Return the posterior of one run, and the distances of the deformed atlas."""
    index = atlas.grid.voxel(found.into_atlas(points))
    distances, tissues = (
        np.stack([at_points(m, index, mode="nearest") for m in maps]) for maps in (atlas.distances, atlas.tissues)
    )
    used = {name: images[name] for name in found.means}
    softness = np.array([structures()[n].border for n, _ in atlas.classes])
    return refine(used, distances, tissues, softness, inside, refinement), distances


def _averaged(posteriors: Sequence[Posterior], count: int) -> FloatArray:
    """Return the mean probability of each nucleus, (K, X, Y, Z)."""
    return np.stack([sum(p.map_of(k) for p in posteriors) / np.float32(len(posteriors)) for k in range(count)])


def _labelled(maps: FloatArray) -> IntArray:
    """Return one plus the number of the nucleus that each voxel belongs to, or 0; each nucleus in one piece."""
    none = 1 - maps.sum(0)
    own = np.where(maps.max(0) > none, maps.argmax(0) + 1, 0)
    for k in range(1, len(maps) + 1):
        inside = own == k
        if inside.any():
            own[inside & ~largest_part(inside)] = 0
    return own


def _table(
    atlas: Atlas, own: IntArray, maps: FloatArray, runs: Sequence[tuple[Posterior, FloatArray]],
    images: Mapping[str, FloatArray], inside: BoolArray, points: npt.NDArray[np.float64], voxel: float,
    commissures: Commissures,
) -> tuple[Finding, ...]:
    alone = [_labelled(np.stack([p.map_of(k) for k in range(len(maps))])) for p, _ in runs]
    frame = commissures.transform()
    found = []
    for k, (name, side) in enumerate(atlas.classes):
        structure, distance = structures()[name], runs[0][1][k]
        mine, each = own == k + 1, [a == k + 1 for a in alone]
        pairs = [dice(a, b) for i, a in enumerate(each) for b in each[:i]]
        weights = np.where(mine, maps[k], 0)
        centre = weighted_centre(points[mine], weights[mine])
        shell = (distance > SHELL[0]) & (distance < SHELL[1]) & (own == 0) & inside
        contrast = {c: shell_contrast(image, mine, shell) for c, image in images.items()}
        posterior = float(maps[k][mine].mean()) if mine.any() else 0.0
        agreement = float(np.mean(pairs))
        sizes = [m.sum() * voxel for m in each] + [mine.sum() * voxel]
        size = Measure(float(sizes[-1]), float(min(sizes)), float(max(sizes)), "mm³", int(mine.sum()), "range of runs")
        means = [float(images["chi"][m].mean()) if m.any() else np.nan for m in each]
        covered = float(inside[distance < 0].mean()) if (distance < 0).any() else 0.0
        chi = chi_mean(images["chi"][mine], maps[k][mine], means)
        sure = confidence(name, posterior, agreement)
        verdict, reasons = judged(structure, size.value, chi.value, contrast, sure, covered)
        found.append(Finding(
            name, side, structure.label, size, _triple(centre), _triple(frame.apply(centre)), chi, contrast,
            posterior, agreement, sure, verdict, reasons,
        ))  # fmt: skip
    return tuple(found)


def _triple(point: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in point)
    return x, y, z
