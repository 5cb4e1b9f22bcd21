"""The hybrid image and the contrast of a target's nuclei in every image, as a step of the targeting report."""

import numpy as np

from qsmkit.arrays import AnyArray, BoolArray
from qsmkit.clinical.target.contrast import contrast
from qsmkit.clinical.target.mixture import mixture, parts_of
from qsmkit.clinical.target.structure import Structure, structure
from qsmkit.pipeline.branches import Done
from qsmkit.pipeline.target_found import TargetReport
from qsmkit.transform import Matrix
from qsmkit.volume import Volume

NEIGHBOUR = {"GPi": "gpe", "STN": "snr"}
"""Nucleus from which a target must be told."""

SURROUNDINGS, SHELL = "surroundings", (1.0, 4.0)
"""What lies so far (mm) from a target and is no nucleus: for GPi and STN, mostly capsule."""


def hybrid_and_contrast(found: TargetReport, rng: int | np.random.Generator) -> Done:
    """Mix T1w and χ for the target and its neighbour, and compare the contrast of all images.

    Parameters
    ----------
    found : TargetReport
        With images and nuclei; hybrid image and contrasts are put into it.
    rng : int or Generator
        Seed or source of randomness.
    """
    nuclei, name = found.nuclei, found.target.lower()
    assert nuclei is not None
    grid, labels = nuclei.labels.grid, nuclei.labels.data
    roi = nuclei.mask(name, "L") | nuclei.mask(name, "R")
    chi, t1w = found.images["χ"], found.images["T1w"]
    seen = np.isfinite(chi.data)
    around = structure(name, roi, grid)
    shell = _shell(around, roi.shape, grid.voxel(around.grid.affine[:3, 3])) & (labels == 0)
    pairs = {
        f"{name}:{NEIGHBOUR[found.target]}": nuclei.mask(NEIGHBOUR[found.target], "L")
        | nuclei.mask(NEIGHBOUR[found.target], "R"),
        f"{name}:{SURROUNDINGS}": shell,
    }
    split = {p: parts_of(p, roi & seen, background & seen, grid, by_side=True) for p, background in pairs.items()}
    first = next(iter(split.values()))
    region = _box(labels > 0)
    found.mixture = mixture(t1w.data, chi.data, first, region)
    found.images["hybrid"] = Volume(found.mixture.image, grid, "1")
    for parts in split.values():
        for part in parts:
            for image, volume in found.images.items():
                known = [np.isfinite(volume.data) & r for r in (part.roi, part.background)]
                made = contrast(*(volume.data[r] for r in known), unit=volume.unit, rng=rng)
                head = {"subject": found.case.participant, "side": part.side, "image": image, "pair": part.pair}
                for statistic, m in {"difference": made.difference, **made.cnr}.items():
                    found.contrasts.append(head | {"statistic": statistic} | m.as_dict())
    w = found.mixture.weights
    return Done(found.mixture, f"weights T1w {w[0]:+.3f}, χ {w[1]:+.3f}, fitted to {first[0].pair} on both sides")


def _shell(around: Structure, shape: tuple[int, ...], start: Matrix) -> BoolArray:
    """Return the voxels of a whole grid that lie in the shell about a structure."""
    shell = np.zeros(shape, bool)
    corner = np.rint(start).astype(int)
    low = np.maximum(corner, 0)
    high = np.minimum(corner + around.distance.shape, shape)
    inner = tuple(slice(a - c, b - c) for a, b, c in zip(low, high, corner, strict=True))
    near = (around.distance[inner] > SHELL[0]) & (around.distance[inner] < SHELL[1])
    shell[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = near
    return shell


def _box(inside: AnyArray) -> BoolArray:
    box = np.zeros(inside.shape, bool)
    at = np.argwhere(inside)
    box[tuple(slice(lo, hi + 1) for lo, hi in zip(at.min(0), at.max(0), strict=True))] = True
    return box
