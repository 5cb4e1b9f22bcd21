"""An atlas of the deep grey nuclei in MNI152 space: where each of them is on average, and what lies around."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from qsmkit.arrays import AnyArray, BoolArray, FloatArray
from qsmkit.clinical.nuclei import solids
from qsmkit.clinical.nuclei.structures import SIDES, Side, recognised, structures
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.volume import Volume

BOX = ((-42, 42), (-80, 40), (-52, 34))
"""The part of MNI152 space that holds the nuclei and 8 mm around them, mm."""

AC, PC, MIDLINE = (0.0, 2.5, -4.5), (0.0, -25.0, -2.0), (0.0, -11.0, 40.0)
"""Middles of the commissures and a point of the midsagittal plane above them in MNI152 space, mm: read off its T1w."""

TISSUES = ("white matter", "grey matter", "CSF")
"""What a voxel is that belongs to no nucleus."""

Class = tuple[str, Side]


@dataclass(frozen=True, eq=False)
class Atlas:
    """Nuclei and tissues about them.

    Attributes
    ----------
    name : str
        What the atlas is called in reports.
    grid : Grid
        Of `BOX`, 1 mm, MNI RAS.
    classes : tuple of (str, side)
        The nuclei.
    distances : (K, X, Y, Z) float32 array
        Distance from the surface of each nucleus, mm, negative inside.
    tissues : (3, X, Y, Z) float32 array
        Share of each of `TISSUES` in a voxel, as if there were no nuclei; they add up to 1.
    template : Volume
        T1-weighted brain in the same space, zero outside the brain.
    drawn : tuple of Class
        Nuclei, each with its side, that the atlas's files do not hold and that were taken from the built-in solids.
    """

    name: str
    grid: Grid
    classes: tuple[Class, ...]
    distances: FloatArray
    tissues: FloatArray
    template: Volume
    drawn: tuple[Class, ...]


def built_in(template: Volume) -> Atlas:
    """Return the atlas of solids.

    Parameters
    ----------
    template : Volume
        T1-weighted brain in MNI152 space, zero outside the brain.
    """
    return _assembled("built-in solids", template, {})


def from_labels(name: str, labels: Volume, names: Mapping[int, str], template: Volume) -> Atlas:
    """Return the atlas of a label image; nuclei that it does not hold come from the built-in solids.

    Parameters
    ----------
    name : str
        What to call it.
    labels : Volume
        (X, Y, Z) int labels, MNI152 RAS mm.
    names : mapping of int to str
        What each label is called; sides are told from it ("L Putamen"), else from the sign of x.
    template : Volume
        T1-weighted brain in the same space, zero outside the brain.

    Raises
    ------
    InputError
        None of the names is that of a nucleus, or the labels hold none of them within `BOX`.
    """
    onto = _grid()
    left = onto.world(np.argwhere(np.ones(onto.shape, bool)))[:, 0].reshape(onto.shape) < 0
    values = _sampled(labels, onto, order=0)
    found: dict[Class, BoolArray] = {}
    for index, called in names.items():
        known = recognised(called)
        if known is None:
            continue
        inside = values == index
        for side in SIDES if known[1] is None else (known[1],):
            part = inside if known[1] else inside & (left == (side == "L"))
            if part.any():
                found[known[0].name, side] = found.get((known[0].name, side), np.zeros(onto.shape, bool)) | part
    if not found:
        told = ", ".join(list(names.values())[:5]) or "none"
        raise InputError(f"{name} holds no nucleus that is known here (its names: {told}, …); check names and space")
    return _assembled(name, template, {c: _signed(m) for c, m in found.items()})


def _assembled(name: str, template: Volume, given: Mapping[Class, FloatArray]) -> Atlas:
    onto = _grid()
    classes = tuple((s, side) for s in structures() for side in SIDES)
    drawn = tuple(c for c in classes if c not in given)
    distances = np.stack([given[c] if c in given else solids.distance(*c, onto) for c in classes])
    for k, c in enumerate(classes):  # what the files say goes before what is drawn
        for other, there in given.items():
            if c not in given and other != c:
                np.maximum(distances[k], -there, out=distances[k])
    return Atlas(name, onto, classes, distances, _tissues(template, onto), template, drawn)


def _grid() -> Grid:
    affine = np.eye(4)
    affine[:3, 3] = [low for low, _ in BOX]
    x, y, z = (high - low + 1 for low, high in BOX)
    return Grid((x, y, z), affine)


def _sampled(volume: Volume, onto: Grid, order: Literal[0, 1] = 1) -> AnyArray:
    matrix = np.linalg.inv(volume.grid.affine) @ onto.affine
    sampled: AnyArray = ndimage.affine_transform(
        np.asarray(volume.data, np.float32), matrix[:3, :3], matrix[:3, 3], output_shape=onto.shape, order=order,
        mode="constant",
    )  # fmt: skip
    return sampled


def _signed(inside: BoolArray) -> FloatArray:
    """Return the distance from the surface of a mask of 1 mm voxels, mm, smooth across voxel corners."""
    found, room = ndimage.find_objects(inside.astype(np.uint8))[0], int(solids.REACH)
    box = tuple(slice(max(0, s.start - room), s.stop + room) for s in found)
    part = inside[box]
    outer, inner = ndimage.distance_transform_edt(~part), ndimage.distance_transform_edt(part)
    far = np.full(inside.shape, solids.REACH, np.float32)
    far[box] = np.minimum(ndimage.gaussian_filter(np.where(part, 0.5 - inner, outer - 0.5), 0.6), solids.REACH)
    return far


def _tissues(template: Volume, onto: Grid) -> FloatArray:
    """Share voxels of a T1-weighted brain among CSF, grey and white matter by intensity, linearly between the means."""
    t1 = _sampled(template, onto).astype(np.float32)
    brain = t1[t1 > 0]
    means = np.quantile(brain, (0.02, 0.45, 0.9))
    for _ in range(20):
        nearest = np.abs(brain[:, None] - means).argmin(1)
        means = np.array([brain[nearest == i].mean() for i in range(3)])
    csf, grey, white = means
    wm = np.clip((t1 - grey) / (white - grey), 0, 1)
    fluid = np.clip((grey - t1) / (grey - csf), 0, 1)
    return np.stack([wm, 1 - wm - fluid, fluid]).astype(np.float32)
