"""Where a point of one image lies in another of the same head: rigid and affine, any pair of contrasts.

The optimiser is SimpleITK's (Mattes' mutual information, several resolutions). What is ours is the search for a start
over large rotations, and the gates: a registration that cannot be trusted says so.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.transform import Matrix, Transform
from qsmkit.volume import Volume

Kind = Literal["rigid", "affine"]
Verdict = Literal["PASS", "REVIEW", "FAIL"]

SEED = 20261125
"""Of the metric's random samples: the same images give the same transform."""

COARSE, LEVELS = 6.0, (4.0, 2.0, 1.0)
"""Voxel sizes, mm, of the search for a start and of the optimiser's levels."""

TURNS = (-24.0, 0.0, 24.0)
"""Angles, degrees, about each axis from which the search starts."""

STARTS = 3
"""Candidates of the search that are optimised."""

BINS, SAMPLES = 48, 200_000
"""Bins of the joint histogram, and voxels that are looked at in every step."""

LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Gate:
    """One test of a registration.

    Attributes
    ----------
    name : str
        What is tested.
    value : float
        In `unit`.
    unit : str
        Unit of the value; "1" for a pure number.
    verdict : {"PASS", "REVIEW", "FAIL"}
        What it says.
    text : str
        What it means.
    """

    name: str
    value: float
    unit: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, eq=False)
class Registration:
    """A transform and whether it may be used.

    Attributes
    ----------
    transform : Transform
        From the fixed to the moving image, RAS+ mm.
    gates : tuple of Gate
        The tests.
    information : float
        Mutual information at the transform, nats.
    """

    transform: Transform
    gates: tuple[Gate, ...]
    information: float

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the gates."""
        order: tuple[Verdict, ...] = ("PASS", "REVIEW", "FAIL")
        return max((g.verdict for g in self.gates), key=order.index)


def register(fixed: Volume, moving: Volume, *, kind: Kind = "rigid", check: bool = True) -> Registration:
    """Register two 3-D images of one head.

    Both are brought to robust ranges (0.5th to 99.5th percentile); the moving head's foreground is centred on the fixed
    one's and turned through 27 orientations at 6 mm; the best three are optimised, and the best of them refined at
    2 mm and 1 mm.

    Parameters
    ----------
    fixed, moving : Volume
        Images, (X, Y, Z), any unit; CT in HU.
    kind : {"rigid", "affine"}
        Six or twelve degrees of freedom. Two images of one head need six.
    check : bool
        Whether to run the gates, which cost about as much again.

    Returns
    -------
    Registration
        The transform and its verdict. It is returned also when it FAILs: the caller decides, and is told.

    Raises
    ------
    InputError
        An image is not 3-D, holds no contrast, or is thinner than 16 mm.

    References
    ----------
    Mattes 2003; Maes 1997; Studholme 1999.
    """
    images = [_prepare(v, name) for v, name in ((fixed, "fixed"), (moving, "moving"))]
    found, metric = _search(images[0], images[1], kind)
    transform = _transform(found)
    gates = tuple(_gates(fixed, moving, images, found, transform, kind)) if check else ()
    return Registration(transform, gates, -metric)


def resample(moving: Volume, onto: Grid, transform: Transform, *, nearest: bool = False) -> Volume:
    """Return the moving image on the voxels of the fixed one, by linear interpolation, or nearest for labels.

    Parameters
    ----------
    moving : Volume
        Image to carry over.
    onto : Grid
        Grid of the fixed image.
    transform : Transform
        From the fixed to the moving space.
    nearest : bool
        Whether values are labels.
    """
    matrix = np.linalg.inv(moving.grid.affine) @ transform.matrix @ onto.affine
    data = ndimage.affine_transform(
        np.asarray(moving.data), matrix[:3, :3], matrix[:3, 3], output_shape=onto.shape, order=0 if nearest else 1,
        mode="constant", cval=float(moving.data.min()) if not nearest else 0.0,
    )  # fmt: skip
    return Volume(data, onto, moving.unit)


def _prepare(volume: Volume, name: str) -> sitk.Image:
    """Return an image in a robust range of 0 … 1, at no finer than 1 mm."""
    if volume.data.ndim != 3:
        raise InputError(f"the {name} image has shape {volume.data.shape}; give one 3-D volume")
    data = np.nan_to_num(np.asarray(volume.data, np.float32))
    extent = np.array(volume.grid.shape) * volume.grid.voxel_size
    if extent.min() < 16:
        raise InputError(f"the {name} image is {extent.min():.3g} mm thick; registration needs 16 mm")
    low, high = np.percentile(data[::2, ::2, ::2], (0.5, 99.5))
    if not high > low:
        raise InputError(f"the {name} image holds no contrast (all of it is {low:g}); check the file")
    scaled = np.clip((data - low) / (high - low), 0, 1)
    fine = [max(1.0, LEVELS[-1] / v) for v in volume.grid.voxel_size]
    if max(fine) > 1.2:
        scaled = ndimage.gaussian_filter(scaled, [0.42 * (f - 1) for f in fine], truncate=3)
    return _image(scaled.astype(np.float32), volume.grid)


def _image(data: FloatArray, grid: Grid) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    image.SetSpacing(grid.voxel_size)
    image.SetOrigin((LPS @ grid.affine[:3, 3]).tolist())
    image.SetDirection((LPS @ grid.axes).ravel().tolist())
    return image


def _coarse(image: sitk.Image, size: float) -> sitk.Image:
    """Return the image smoothed and sampled anew in voxels of about `size` mm, where it was."""
    spacing, shape = np.array(image.GetSpacing()), np.array(image.GetSize())
    less = np.maximum(1, np.round(shape * spacing / np.maximum(size, spacing))).astype(int)
    wide = shape * spacing / less
    blur = np.maximum(0.4 * np.sqrt(np.maximum(wide**2 - spacing**2, 0)), 0.1)
    first = image.TransformContinuousIndexToPhysicalPoint((0.5 * wide / spacing - 0.5).tolist())
    smooth = sitk.SmoothingRecursiveGaussian(image, blur.tolist())
    return sitk.Resample(
        smooth, less.tolist(), sitk.Transform(3, sitk.sitkIdentity), sitk.sitkLinear, first, wide.tolist(),
        image.GetDirection(),
    )  # fmt: skip


def _centre(image: sitk.Image) -> tuple[float, ...]:
    """Return the middle of the head, LPS mm."""
    data = sitk.GetArrayViewFromImage(image)
    index = ndimage.center_of_mass(np.asarray(data) > 0.15)
    point: tuple[float, ...] = image.TransformContinuousIndexToPhysicalPoint([float(i) for i in index[::-1]])
    return point


def _method(fixed: sitk.Image, samples: int = SAMPLES, seed: int = SEED) -> sitk.ImageRegistrationMethod:
    share = samples / fixed.GetNumberOfPixels()
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.RANDOM if share < 1 else method.NONE)
    if share < 1:
        method.SetMetricSamplingPercentage(share, seed)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetGlobalDefaultNumberOfThreads(1)
    return method


def _start(kind: Kind, centre: tuple[float, ...], rigid: sitk.Euler3DTransform) -> sitk.Transform:
    if kind == "rigid":
        return sitk.Euler3DTransform(rigid)
    affine = sitk.AffineTransform(3)
    affine.SetCenter(centre)
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetTranslation(rigid.GetTranslation())
    return affine


def _optimise(
    fixed: sitk.Image, moving: sitk.Image, start: sitk.Transform, *, step: float, least: float, seed: int = SEED,
) -> tuple[sitk.Transform, float]:
    method = _method(fixed, seed=seed)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=step, minStep=least, numberOfIterations=200, gradientMagnitudeTolerance=1e-8, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=True)
    method.Execute(fixed, moving)
    return start, float(method.GetMetricValue())


def _search(fixed: sitk.Image, moving: sitk.Image, kind: Kind) -> tuple[sitk.Transform, float]:
    """Return the best transform from many starts, and minus its mutual information."""
    small = [_coarse(image, COARSE) for image in (fixed, moving)]
    centre = _centre(small[0])
    shift = np.subtract(_centre(small[1]), centre)
    candidates = []
    for turn in itertools.product(TURNS, repeat=3):
        rigid = sitk.Euler3DTransform()
        rigid.SetCenter(centre)
        rigid.SetRotation(*np.deg2rad(turn).tolist())
        rigid.SetTranslation(shift.tolist())
        candidates.append((_value(small[0], small[1], rigid), rigid))
    candidates.sort(key=lambda c: c[0])
    starts = [c for _, c in candidates[:STARTS]]
    rough = [_optimise(small[0], small[1], start, step=4.0, least=0.2) for start in starts]
    best = min(rough, key=lambda r: r[1])[0]
    transform: sitk.Transform = _start(kind, centre, sitk.Euler3DTransform(best))
    value = 0.0
    for size in LEVELS:
        level = [_coarse(image, size) for image in (fixed, moving)]
        transform, value = _optimise(level[0], level[1], transform, step=size / 2, least=size / 400)
    return transform, value


def _value(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> float:
    method = _method(fixed)
    method.SetInitialTransform(transform)
    try:
        return float(method.MetricEvaluate(fixed, moving))
    except RuntimeError:  # no overlap
        return 0.0


def _transform(found: sitk.Transform) -> Transform:
    """Return the transform in RAS+."""
    corners = np.vstack([np.zeros(3), np.eye(3)])
    images = np.array([found.TransformPoint(c.tolist()) for c in corners])
    matrix = np.eye(4)
    matrix[:3, :3] = LPS @ (images[1:] - images[0]).T @ LPS
    matrix[:3, 3] = LPS @ images[0]
    return Transform(matrix)


def _gates(
    fixed: Volume, moving: Volume, images: list[sitk.Image], found: sitk.Transform, transform: Transform, kind: Kind
) -> Iterator[Gate]:
    yield _consistency(images, found, transform, kind)
    yield _margin(images, found)
    yield _edges(fixed, moving, transform)
    yield _overlap(fixed, moving, transform)
    if kind == "affine":
        yield _scale(transform)


def _consistency(images: list[sitk.Image], found: sitk.Transform, transform: Transform, kind: Kind) -> Gate:
    """Start again from elsewhere, with other samples, and see whether the runs end at one place."""
    level = [_coarse(image, LEVELS[1]) for image in images]
    points, apart = _head_points(images[0]), []
    for sign in (1, -1):
        again = sitk.Euler3DTransform(found) if kind == "rigid" else sitk.AffineTransform(found)
        again.SetTranslation((np.array(again.GetTranslation()) + sign * np.array([3.0, -2.0, 2.5])).tolist())
        again, _ = _optimise(level[0], level[1], again, step=2.0, least=0.005, seed=SEED + 7 + sign)
        apart.append(float(_transform(again).distance(transform, points).mean()))
    worst = max(apart)
    verdict: Verdict = "PASS" if worst < 0.7 else "REVIEW" if worst < 1.5 else "FAIL"
    return Gate("consistency", worst, "mm", verdict, "mean distance in the head between runs from starts 4 mm away")


def _margin(images: list[sitk.Image], found: sitk.Transform) -> Gate:
    """Compare the information with that of the same images moved apart: a peak must stand out."""
    level = [_coarse(image, LEVELS[0]) for image in images]
    here = -_value(level[0], level[1], found)
    apart = []
    for axis, side in itertools.product(range(3), (-1, 1)):
        shift = [side * 12.0 if a == axis else 0.0 for a in range(3)]
        moved = sitk.CompositeTransform([sitk.TranslationTransform(3, shift), found])
        apart.append(-_value(level[0], level[1], moved))
    ratio = here / max(max(apart), 1e-9)
    verdict: Verdict = "PASS" if ratio > 1.25 else "REVIEW" if ratio > 1.12 else "FAIL"
    return Gate("information margin", ratio, "1", verdict, "mutual information over the best one 12 mm away")


def _edges(fixed: Volume, moving: Volume, transform: Transform) -> Gate:
    """Compare edges: where one image has an edge, the other should more often than by chance."""
    grid = _even(fixed.grid)
    pair = [_edge_map(v, grid, t) for v, t in ((fixed, Transform.identity()), (moving, transform))]
    inside = np.logical_and(*(e > 0 for e in pair))
    if inside.sum() < 1000:
        return Gate("edge overlap", 0.0, "1", "FAIL", "the images hardly overlap")
    strong = [e > np.percentile(e[inside], 85) for e in pair]
    near = ndimage.binary_dilation(strong[1], iterations=1) & inside
    share = float((strong[0] & near).sum() / max((strong[0] & inside).sum(), 1))
    chance = float(near.sum() / inside.sum())
    gain = share / max(chance, 1e-6)
    verdict: Verdict = "PASS" if gain > 1.45 else "REVIEW" if gain > 1.25 else "FAIL"
    return Gate("edge overlap", gain, "1", verdict, "shared strong edges over what chance would share")


def _overlap(fixed: Volume, moving: Volume, transform: Transform) -> Gate:
    """Return how much of the fixed head lies inside the moving image."""
    points = fixed.grid.world(_foreground_points(fixed))
    index = moving.grid.voxel(transform.apply(points))
    share = float(np.all((index >= -0.5) & (index <= np.array(moving.grid.shape) - 0.5), axis=1).mean())
    verdict: Verdict = "PASS" if share > 0.6 else "REVIEW" if share > 0.35 else "FAIL"
    return Gate("overlap", share, "1", verdict, "share of the fixed head that the moving image shows")


def _scale(transform: Transform) -> Gate:
    stretch = float(np.abs(np.log(np.linalg.svd(transform.matrix[:3, :3])[1])).max())
    verdict: Verdict = "PASS" if stretch < 0.15 else "REVIEW" if stretch < 0.3 else "FAIL"
    return Gate("scale", float(np.exp(stretch)), "1", verdict, "largest stretch along any direction")


def _even(grid: Grid) -> Grid:
    """Return a grid of 2 mm voxels over the same field of view."""
    shape = [max(2, round(n * v / 2.0)) for n, v in zip(grid.shape, grid.voxel_size, strict=True)]
    affine = np.eye(4)
    affine[:3, :3] = grid.axes * 2.0
    affine[:3, 3] = grid.affine[:3, 3]
    return Grid((shape[0], shape[1], shape[2]), affine)


def _edge_map(volume: Volume, grid: Grid, transform: Transform) -> FloatArray:
    data = np.nan_to_num(np.asarray(volume.data, np.float32))
    low, high = np.percentile(data, (1, 99))
    matrix = np.linalg.inv(volume.grid.affine) @ transform.matrix @ grid.affine
    scaled = ndimage.affine_transform(
        np.clip((data - low) / max(high - low, 1e-9), 0, 1) + 1, matrix[:3, :3], matrix[:3, 3], output_shape=grid.shape,
        order=1, mode="constant", cval=0,
    )  # fmt: skip
    edge: FloatArray = ndimage.gaussian_gradient_magnitude(scaled, 1.0)
    covered: BoolArray = ndimage.binary_erosion(scaled >= 1, iterations=3)
    return np.where(covered, edge + 1e-6, 0).astype(np.float32)


def _foreground_points(volume: Volume, count: int = 4000) -> Matrix:
    data = np.nan_to_num(np.asarray(volume.data, np.float32))
    low, high = np.percentile(data[::2, ::2, ::2], (0.5, 99.5))
    inside = np.argwhere((data - low) > 0.15 * (high - low))
    return inside[:: max(1, len(inside) // count)].astype(np.float64)


def _head_points(image: sitk.Image) -> Matrix:
    """Return a lattice of points in the head, RAS+ mm."""
    centre = LPS @ np.array(_centre(_coarse(image, COARSE)))
    points: Matrix = centre + np.array(list(itertools.product((-50.0, 0.0, 50.0), repeat=3)))
    return points
