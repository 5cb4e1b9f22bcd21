"""A small part of a template brought to where it fits an image best: the last millimetres of a landmark.

    maximise  (H(t) + H(i)) / H(t, i)   over shifts

with t the template's values about the landmark, i the image's at the shifted places, and H the entropy of their
histograms (Studholme 1999): any pair of contrasts will do.
"""

import itertools

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import FloatArray
from qsmkit.clinical.target.structure import interpolate
from qsmkit.transform import Matrix, Transform
from qsmkit.volume import Volume

REACH = 5
"""Largest shift along each axis, mm; every whole millimetre is tried."""

STEP, BINS = 2.0, 24
"""Distance of the points of a patch, mm, and bins of each histogram."""

RANGE = (1.0, 99.0)
"""Percentiles that the bins reach over."""


def settled(landmark: Matrix, radius: float, image: Volume, template: Volume, to_template: Transform) -> Matrix:
    """Return the shift (3,), template mm, that a landmark needs beyond where a transform puts it; within ± 5 mm each.

    Parameters
    ----------
    landmark : (3,) array
        Where it is in the template, RAS mm.
    radius : float
        Of the ball about it that is compared, mm.
    image, template : Volume
        (X, Y, Z), any units.
    to_template : Transform
        From the image to the template.
    """
    ticks = np.arange(-radius, radius + STEP / 2, STEP)
    ball = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), -1).reshape(-1, 3)
    ball = ball[np.linalg.norm(ball, axis=1) <= radius]
    wanted = _binned(interpolate(template, landmark + ball, outside=0.0))
    back = to_template.inverse()
    places = back.apply(landmark + ball)
    shifts = np.arange(-REACH, REACH + 1)
    score = np.empty((len(shifts),) * 3)
    for at in itertools.product(range(len(shifts)), repeat=3):
        moved = places + back.matrix[:3, :3] @ shifts[list(at)]
        score[at] = _information(wanted, _binned(interpolate(image, moved, outside=0.0)))
    best = np.unravel_index(int(score.argmax()), score.shape)
    fine: Matrix = np.array([shifts[i] + _vertex(score, best, axis) for axis, i in enumerate(best)])
    return fine


def _binned(values: FloatArray) -> npt.NDArray[np.int64]:
    low, high = np.percentile(values, RANGE)
    share = (values - low) / max(high - low, 1e-12)
    binned: npt.NDArray[np.int64] = np.clip(share * BINS, 0, BINS - 1).astype(np.int64)
    return binned


def _information(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> float:
    joint = np.bincount(one * BINS + other, minlength=BINS**2).reshape(BINS, BINS) / len(one)
    together = _entropy(joint.ravel())
    return (_entropy(joint.sum(0)) + _entropy(joint.sum(1))) / together if together > 0 else 0.0


def _entropy(shares: Matrix) -> float:
    some = shares[shares > 0]
    return -float((some * np.log(some)).sum())


def _vertex(score: Matrix, best: tuple[np.intp, ...], axis: int) -> float:
    """Return where the parabola through the best shift and its neighbours along an axis peaks, −½ … ½ steps."""
    i = int(best[axis])
    if not 0 < i < score.shape[axis] - 1:
        return 0.0
    line = np.moveaxis(score, axis, -1)[tuple(b for a, b in enumerate(best) if a != axis)]
    bend = line[i - 1] - 2 * line[i] + line[i + 1]
    return float((line[i - 1] - line[i + 1]) / (2 * bend)) if bend < 0 else 0.0
