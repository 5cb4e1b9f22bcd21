"""The search for the best transform: many starts, several resolutions. The optimiser is SimpleITK's."""

import itertools

import SimpleITK as sitk

from qsmkit.clinical.registration.blocks import Kind, blocks
from qsmkit.clinical.registration.images import LPS, Points, Pyramid, as_affine, as_transform
from qsmkit.transform import Transform

SEED = 20261125
"""Of the metric's random samples: the same images give the same transform."""

COARSE, LEVELS = 6.0, (4.0, 2.0, 1.5)
"""Voxel sizes, mm, of the search for a start and of the optimiser's levels."""

TURNS = (-24.0, 0.0, 24.0)
"""Angles, degrees, about each axis from which the search starts."""

STARTS = 3
"""Candidates of the search that are optimised."""

BINS, SAMPLES, ITERATIONS = 48, 40_000, 50
"""Bins of the joint histogram, voxels that are looked at in every step, and largest number of steps."""

ENOUGH = 20
"""Blocks without which a transform is not fitted to them."""

Found = tuple[Transform, float]
"""A transform from the fixed to the moving image, and the mutual information at it, nats."""


def search(fixed: Pyramid, moving: Pyramid, kind: Kind) -> Found:
    """Return the best transform from many starts, and its mutual information (nats).

    The moving head's foreground is centred on the fixed one's and turned through 27 orientations at 6 mm; the best
    three are optimised, and the best of them at 4 and 2 mm. Blocks of the head then say where they would rather lie, a
    robust fit to them moves the transform, and it is optimised at 2 and 1.5 mm. No step may lose information.
    """
    small = fixed.level(COARSE), moving.level(COARSE)
    middle, shift = fixed.centre(), moving.centre() - fixed.centre()
    turns = itertools.product(TURNS, repeat=3)
    starts = sorted((_about(middle, turn, shift) for turn in turns), key=lambda t: -information(*small, t))
    rough = [_improved(fixed, moving, start, COARSE, "rigid", step=4.0) for start in starts[:STARTS]]
    best = max(rough, key=lambda t: information(*small, t))
    for size in LEVELS[:2]:
        best = _improved(fixed, moving, best, size, kind)
    for size in LEVELS[1:]:
        wish = blocks(fixed, moving, best)
        asked = best.after(wish.fitted(kind)) if len(wish.lengths) >= ENOUGH else best
        best = _better(fixed, moving, LEVELS[1], best, asked)
        best = _improved(fixed, moving, best, size, kind)
    return best, information(fixed.level(LEVELS[-1]), moving.level(LEVELS[-1]), best)


def inner(kind: Kind, middle: Points) -> sitk.Transform:
    """Return the transform that does nothing, ready to be optimised about the middle of the head (RAS+ mm)."""
    turn = sitk.Euler3DTransform() if kind == "rigid" else sitk.AffineTransform(3)
    turn.SetCenter((LPS @ middle).tolist())
    return turn


def _about(middle: Points, turn: tuple[float, ...], shift: Points) -> Transform:
    return Transform.rigid(turn, shift, middle)


def _improved(
    fixed: Pyramid, moving: Pyramid, start: Transform, size: float, kind: Kind, step: float | None = None
) -> Transform:
    turn = inner(kind, fixed.centre())
    images = fixed.level(size), moving.level(size)
    optimise(*images, turn, step=step or size / 4, least=size / 400, then=start)
    return _better(fixed, moving, size, start, start.after(as_transform(turn)))


def _better(fixed: Pyramid, moving: Pyramid, size: float, old: Transform, new: Transform) -> Transform:
    images = fixed.level(size), moving.level(size)
    return new if information(*images, new) >= information(*images, old) else old


def optimise(
    fixed: sitk.Image, moving: sitk.Image, turn: sitk.Transform, *, then: Transform, step: float, least: float,
    seed: int = SEED, mask: sitk.Image | None = None,
) -> None:  # fmt: skip
    """Improve a transform in place; leave it as it is if the images lose each other on the way.

    Parameters
    ----------
    fixed, moving : Image
        The images.
    turn : Transform
        What is changed.
    then : Transform
        Applied after it, and not changed.
    step, least : float
        First and last step, mm.
    seed : int
        Of the voxels that are looked at.
    mask : Image, optional
        Voxels of the fixed image that count.
    """
    before = turn.GetParameters()
    method = _method(fixed, seed)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=step, minStep=least, numberOfIterations=ITERATIONS, gradientMagnitudeTolerance=1e-8,
        relaxationFactor=0.6,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(turn, inPlace=True)
    method.SetMovingInitialTransform(as_affine(then))
    if mask is not None:
        method.SetMetricFixedMask(mask)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:  # no overlap any more
        turn.SetParameters(before)


def information(fixed: sitk.Image, moving: sitk.Image, transform: Transform) -> float:
    """Return the mutual information (nats) at a transform; 0 if the images do not overlap."""
    method = _method(fixed, SEED)
    method.SetInitialTransform(as_affine(transform))
    try:
        return -float(method.MetricEvaluate(fixed, moving))
    except RuntimeError:  # no overlap
        return 0.0


def _method(fixed: sitk.Image, seed: int) -> sitk.ImageRegistrationMethod:
    share = SAMPLES / fixed.GetNumberOfPixels()
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.RANDOM if share < 1 else method.NONE)
    if share < 1:
        method.SetMetricSamplingPercentage(share, seed)
    # Differences at the samples: smoothed gradients of whole images take longer and end farther from the optimum.
    method.SetMetricUseFixedImageGradientFilter(False)
    method.SetMetricUseMovingImageGradientFilter(False)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetGlobalDefaultNumberOfThreads(1)
    return method
