"""Streaks: what dense matter does to a CT because X-rays are not of one energy and a helix is not a circle.

The line integral p that a scanner measures falls short of the true one by β p² / (1 + β p), because the beam hardens on
its way, and by β₁ p₁² / (1 + β₁ p₁) for each thin object by itself, because a detector averages what passes beside the
metal with what passes through it. Filtered back projection of the deficit is the artefact: dark along lines that join
dense pieces, bright beside them, and star-shaped about a lead that is not round. As the table moves during a turn,
each view also sees a slightly different slice, which turns the ends of contacts and oblique leads into streaks that
wind from slice to slice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.fft

from qsmkit.arrays import ComplexArray, FloatArray
from qsmkit.compiled import parallel, prange, thread_count
from qsmkit.grid import Grid
from qsmkit.leads.curve import Points
from qsmkit.simulate.hounsfield import AIR
from qsmkit.simulate.metal import FWHM_PER_SIGMA, Cloud
from qsmkit.simulate.transfer import points_per_voxel, transfer

WATER = 0.0193
"""Attenuation of water at 70 keV, 1/mm (recalled)."""

BONE_THRESHOLD = 300
"""CT number above which there is bone or metal, HU."""

COARSE = 3.0
"""Voxel size on which beam hardening by bone is computed, mm."""

BATCH = 16
"""Slices whose projections are held at once."""


@dataclass(frozen=True, slots=True)
class Beam:
    """How the projections of a scan are taken; lengths in mm. The defaults, for metal, are modelling choices.

    Attributes
    ----------
    hardening, edge : float
        β of all objects together and β₁ of each by itself.
    views : int
        Angles over half a turn.
    element : float
        Width of a detector's element.
    feed, turn : float
        Extent along the table of what the views of one slice see, and travel of the table in half a turn.
    ripple : float
        Relative noise of each view's deficit: few photons are left behind metal.
    reach, faint : float
        Where streaks end, or earlier where they are fainter than so many HU.
    """

    hardening: float = 1.0
    edge: float = 1.5
    views: int = 240
    element: float = 0.4
    feed: float = 0.4
    turn: float = 9.0
    ripple: float = 0.05
    reach: float = 45.0
    faint: float = 4.0

    def times(self, factor: float) -> "Beam":
        """Return the beam that makes streaks `factor` times as strong."""
        return replace(self, hardening=factor * self.hardening, edge=factor * self.edge)


BONE_BEAM = Beam(hardening=0.03, edge=0.0, views=90, element=3.0, feed=0.0, ripple=0.0, reach=1e4, faint=1e-6)
"""What is left of beam hardening by bone after a scanner's own correction (modelling choice)."""


def add_streaks(
    clouds: Sequence[Cloud], grid: Grid, fwhm: float, out: FloatArray, rng: np.random.Generator, beam: Beam
) -> None:
    """Add to a CT the streaks of dense objects.

    Parameters
    ----------
    clouds : sequence of Cloud
        Objects of metal or bone, in the world of `grid`; HU count above water.
    grid : Grid
        The scan's; slices are its third axis.
    fwhm : float
        Full width at half maximum of the point-spread function, in the slice and across it, mm.
    out : (X, Y, Z) float32 array
        CT numbers, HU; changed in place.
    rng : Generator
        Source of randomness.
    beam : Beam
        Projections.
    """
    size = np.array(grid.voxel_size)
    centre = (np.array(grid.shape[:2]) - 1) / 2 * size[:2]
    objects = [_object(cloud, grid, np.array([*centre, 0.0])) for cloud in clouds if len(cloud.points)]
    radius = max((float(np.linalg.norm(place[:, :2], axis=1).max()) for place, _ in objects), default=0.0)
    ramp = _ramp(2 * int(np.ceil(radius / beam.element)) + 5, beam.element, fwhm / FWHM_PER_SIGMA)
    height = np.arange(grid.shape[2]) * size[2]
    sigma = float(np.hypot(fwhm / FWHM_PER_SIGMA, size[2] / np.sqrt(12)))
    margin = 3 * sigma + beam.feed / 2
    spans = [np.stack([np.searchsorted(p[:, 2], height - margin), np.searchsorted(p[:, 2], height + margin)], 1)
             for p, _ in objects]
    gain = 1 + np.float32(beam.ripple) * rng.standard_normal((grid.shape[2], beam.views, 1), np.float32)
    busy = np.flatnonzero(np.any([span[:, 1] > span[:, 0] for span in spans], axis=0))
    for slices in np.array_split(busy, max(1, len(busy) // BATCH)):
        together = np.zeros((len(slices), beam.views, ramp.bins), np.float32)
        deficit = np.zeros_like(together)
        for (place, mass), span in zip(objects, spans, strict=True):
            one = np.zeros_like(together)
            _project(place, mass, span[slices], height[slices], beam.feed, beam.turn, sigma, beam.element, one)
            together += one
            deficit += _deficit(one, beam.edge)
        deficit += _deficit(together, beam.hardening)
        deficit *= gain[slices]
        spots = np.stack([_extremes(objects, [span[k] for span in spans]) for k in slices]) + centre
        missing = deficit.sum(2).max(1) * beam.element * 1000 / WATER
        reach = np.minimum(beam.reach, np.sqrt(missing / beam.faint))
        _back_project(ramp.filtered(deficit) * np.float32(-np.pi / beam.views * 1000 / WATER), slices, spots, reach,
                      centre, size, beam.element, out)


def add_bone_bands(hu: FloatArray, grid: Grid, strength: float) -> None:
    """Add to a CT the dark bands between dense bones, computed on coarse voxels.

    Parameters
    ----------
    hu : (X, Y, Z) float32 array
        CT numbers, HU; changed in place.
    grid : Grid
        The scan's.
    strength : float
        Multiple of the usual.
    """
    if strength == 0:
        return
    coarse = _coarsened(grid)
    rough = transfer(hu, grid, coarse, outside=float(AIR), points=points_per_voxel(grid, coarse))
    index = np.argwhere(rough > BONE_THRESHOLD)
    if len(index) == 0:
        return
    density = rough[tuple(index.T)].astype(np.float64)
    bone = Cloud(coarse.world(index), np.full(len(index), coarse.voxel_volume), density)
    bands = np.zeros(coarse.shape, np.float32)
    add_streaks([bone], coarse, COARSE, bands, np.random.default_rng(0), BONE_BEAM.times(strength))
    hu += transfer(bands, coarse, grid)


def _coarsened(grid: Grid) -> Grid:
    """Return a grid of coarse voxels over the same field of view."""
    extent = np.array(grid.shape) * grid.voxel_size
    x, y, z = (int(n) for n in np.ceil(extent / COARSE) + 1)
    affine = grid.affine.copy()
    affine[:3, :3] = grid.axes * COARSE
    return Grid((x, y, z), affine)


def _deficit(integral: FloatArray, strength: float) -> FloatArray:
    b = np.float32(strength)
    missing: FloatArray = b * integral * integral / (1 + b * integral)
    return missing


def _object(cloud: Cloud, grid: Grid, centre: Points) -> tuple[Points, Points]:
    """Return places (N, 3), mm along the voxel axes from the centre of rotation, and masses, ordered by slice."""
    place = grid.voxel(cloud.points) * np.array(grid.voxel_size) - centre
    order = np.argsort(place[:, 2], kind="stable")
    return place[order], (cloud.volume * cloud.hu / 1000 * WATER)[order]


@dataclass(frozen=True, eq=False)
class _Ramp:
    bins: int
    response: ComplexArray

    def filtered(self, sinogram: FloatArray) -> FloatArray:
        n = 2 * (len(self.response) - 1)
        spectrum = scipy.fft.rfft(sinogram, n, workers=thread_count())
        spectrum *= self.response
        result: FloatArray = scipy.fft.irfft(spectrum, n, workers=thread_count(), overwrite_x=True)[..., : self.bins]
        return result


def _ramp(bins: int, width: float, sigma: float) -> _Ramp:
    """Return the ramp filter, blurred by a Gaussian, for detectors of `bins` elements of `width` mm."""
    n = 1 << int(np.ceil(np.log2(2 * bins)))
    k = np.minimum(np.arange(n), n - np.arange(n))
    kernel = np.where(k % 2 == 1, -1 / (np.pi * np.maximum(k, 1)) ** 2, 0.0)
    kernel[0] = 0.25
    blur = np.exp(-0.5 * (2 * np.pi * sigma * scipy.fft.rfftfreq(n, width)) ** 2)
    return _Ramp(bins, (scipy.fft.rfft(kernel / width) * blur).astype(np.complex64))


def _extremes(objects: Sequence[tuple[Points, Points]], spans: Sequence[npt.NDArray[np.intp]]) -> Points:
    """Return the outermost places of a slice's metal along either axis: (4, 2) mm."""
    points = np.concatenate([place[a:b, :2] for (place, _), (a, b) in zip(objects, spans, strict=True)])
    found: Points = points[[points[:, 0].argmin(), points[:, 0].argmax(), points[:, 1].argmin(), points[:, 1].argmax()]]
    return found


@parallel
def _project(  # type: ignore[no-untyped-def]
    place, mass, span, height, feed, turn, sigma, width, sinogram
):
    views, middle = sinogram.shape[1], sinogram.shape[2] // 2
    norm = 1 / (np.sqrt(2 * np.pi) * sigma * width)
    for n in prange(len(span)):
        for v in range(views):
            c, s = np.cos(np.pi * v / views), np.sin(np.pi * v / views)
            phase = v / views - height[n] / turn
            seen = height[n] + feed * (phase - np.floor(phase) - 0.5)
            for p in range(span[n, 0], span[n, 1]):
                z = (place[p, 2] - seen) / sigma
                if abs(z) < 3:
                    t = (place[p, 0] * c + place[p, 1] * s) / width + middle
                    b = int(t)
                    value = mass[p] * norm * np.exp(-0.5 * z * z)
                    sinogram[n, v, b] += value * (1 - (t - b))
                    sinogram[n, v, b + 1] += value * (t - b)


@parallel
def _back_project(  # type: ignore[no-untyped-def]
    filtered, slices, spots, reach, centre, size, width, out
):
    views, bins = filtered.shape[1], filtered.shape[2]
    angles = np.pi * np.arange(views) / views
    cosine, sine = (np.cos(angles) / width).astype(np.float32), (np.sin(angles) / width).astype(np.float32)
    for i in prange(out.shape[0]):
        x = i * size[0]
        across = np.float32(x - centre[0])
        for n in range(len(slices)):
            for j in range(out.shape[1]):
                y = j * size[1]
                along = np.float32(y - centre[1])
                near = 1e9
                for m in range(spots.shape[1]):
                    near = min(near, np.hypot(x - spots[n, m, 0], y - spots[n, m, 1]))
                if near < reach[n]:
                    total = np.float32(0)
                    for v in range(views):
                        t = across * cosine[v] + along * sine[v] + np.float32(bins // 2)
                        b = int(t)
                        if 0 <= b < bins - 1:
                            low = filtered[n, v, b]
                            total += low + (filtered[n, v, b + 1] - low) * (t - np.float32(b))
                    out[i, j, slices[n]] += total * np.float32(min(1.0, 2 - 2 * near / reach[n]))
