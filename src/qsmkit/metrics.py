"""How far a map is from the truth.

The measures, their constants and the label numbers are those of the public QSM-CI benchmark, so that scores
can be compared. Two things differ by default. Both volumes are masked first: measures with a window (XSIM,
HFEN) otherwise see the bone beyond the brain, and a perfect map scores badly. And `score` always tells the
coverage, and scores by depth below the edge of the *true* mask, because a map that is eroded to where it is
good looks better than one that keeps the cortex.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_laplace, uniform_filter

from qsmkit.arrays import AnyArray, BoolArray, FloatArray, IntArray
from qsmkit.errors import MaskError, ShapeError
from qsmkit.grid import Grid
from qsmkit.physics.box import bounding_box

DEEP_GREY = (1, 2, 3, 4, 5, 6)
TISSUE = (7, 8, 9)
BLOOD = 11
CALCIFICATION = 16

DEPTHS = (0.0, 3.0, 6.0, 12.0)
"""Depths below the edge of the true mask, mm, at which `score` looks."""

XSIM_WINDOW, XSIM_C1, XSIM_C2 = 5, 1e-4, 1e-6
HFEN_SIGMA, HFEN_TRUNCATE = 1.5, 5.0
_REACH = (round(HFEN_SIGMA * HFEN_TRUNCATE + 1),) * 3

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """Scores of a map inside one region; NaN where a score is undefined (nothing to score, label absent).

    Attributes
    ----------
    depth : float
        The region is the true mask deeper than this below its edge, mm.
    share : float
        Part of the true mask that the region is.
    coverage : float
        Part of the region that the map fills.
    nrmse : float
        Root mean square error over the truth's, both demeaned, %.
    nrmse_detrend : float
        The same after removing the line that fits map to truth, %.
    correlation : float
        Pearson's.
    xsim : float
        Mean structural similarity with the constants for susceptibility.
    hfen : float
        High-frequency error norm, %.
    nrmse_tissue, nrmse_blood, nrmse_dgm : float
        `nrmse_detrend` in thalamus, white and grey matter; in dilated veins; in the deep grey nuclei, %.
    dgm_slope : float
        Slope of the line through the means of the deep grey nuclei, map against truth.
    dgm_linearity : float
        |1 − dgm_slope|.
    calc_moment_dev : float
        Error of the calcification's moment, ppm voxels.
    calc_streak : float
        Streaking about the calcification relative to its susceptibility.
    """

    depth: float
    share: float
    coverage: float
    nrmse: float = np.nan
    nrmse_detrend: float = np.nan
    correlation: float = np.nan
    xsim: float = np.nan
    hfen: float = np.nan
    nrmse_tissue: float = np.nan
    nrmse_blood: float = np.nan
    nrmse_dgm: float = np.nan
    dgm_slope: float = np.nan
    dgm_linearity: float = np.nan
    calc_moment_dev: float = np.nan
    calc_streak: float = np.nan

    def as_dict(self) -> dict[str, float | None]:
        """Return the scores as plain values for JSON; undefined ones become None."""
        return {k: None if np.isnan(v) else float(v) for k, v in asdict(self).items()}


def score(
    chi: FloatArray,
    truth: FloatArray,
    mask: BoolArray | None = None,
    *,
    reference_mask: BoolArray,
    grid: Grid,
    labels: IntArray | None = None,
    depths: Sequence[float] = DEPTHS,
    mask_first: bool = True,
) -> tuple[Score, ...]:
    """Score a map against the truth, over the true mask and deeper and deeper inside it.

    Parameters
    ----------
    chi : (X, Y, Z) array
        Map to score (χ or a field), ppm; zero where it was not reconstructed.
    truth : (X, Y, Z) array
        Truth, ppm.
    mask : (X, Y, Z) bool array, optional
        The map's own mask, if it says more than where the map is not zero.
    reference_mask : (X, Y, Z) bool array
        The true mask. Scores are taken where it meets the map's voxels; coverage and depth refer to it.
    grid : Grid
        Geometry.
    labels : (X, Y, Z) int array, optional
        Numbering of `qsmkit.simulate.tissue.Label`; without it, scores by region are NaN.
    depths : sequence of float
        Depths below the edge of the true mask, mm.
    mask_first : bool
        Set both volumes to zero outside the scored voxels before anything else. False gives the variant of
        QSM-CI, whose windows, dilated veins and regions reach beyond them.

    Returns
    -------
    tuple of Score
        One per depth, in the order given.

    Raises
    ------
    ShapeError
        Volumes do not lie on the grid.
    MaskError
        The map is zero throughout the true mask.
    """
    for name, volume in (("map", chi), ("truth", truth), ("mask", mask), ("reference mask", reference_mask),
                         ("labels", labels)):
        if volume is not None and volume.shape != grid.shape:
            raise ShapeError(f"score: {name} has shape {volume.shape}, but the grid has {grid.shape}")
    scored = reference_mask & (chi != 0) if mask is None else reference_mask & mask & (chi != 0)
    if not scored.any():
        raise MaskError("score: the map is zero throughout the true mask; check that both lie in one place")
    box = bounding_box(reference_mask, _REACH)
    recon, true, m, whole = (np.ascontiguousarray(v[box]) for v in (chi, truth, scored, reference_mask))
    recon, true = recon.astype(np.float64), true.astype(np.float64)
    seg = None if labels is None else np.asarray(labels)[box]
    if mask_first:
        recon *= m
        true *= m
    similarity, edges = similarity_map(recon, true), _edges(recon)
    true_edges = _edges(true)
    depth = distance_transform_edt(np.pad(whole, 1), sampling=grid.voxel_size)[1:-1, 1:-1, 1:-1]
    scores = []
    for limit in depths:
        region = whole & (depth > limit)
        inside = region & m
        size, found = float(region.sum()), float(inside.sum())
        place = (float(limit), size / float(whole.sum()), _ratio(found, size))
        if not inside.any():
            scores.append(Score(*place))
            continue
        scores.append(Score(
            *place,
            nrmse=nrmse(recon[inside], true[inside]),
            nrmse_detrend=nrmse_detrend(recon[inside], true[inside]),
            correlation=correlation(recon[inside], true[inside]),
            xsim=float(similarity[inside].mean()),
            hfen=_relative(edges[inside] - true_edges[inside], true_edges[inside]),
            **({} if seg is None else _by_label(recon, true, inside, seg, mask_first)),
        ))
    return tuple(scores)


def nrmse(recon: AnyArray, truth: AnyArray) -> float:
    """Return 100 ‖r − t‖ / ‖t‖ of two vectors after demeaning both, %."""
    t = truth - truth.mean(dtype=np.float64)
    return _relative(recon - recon.mean(dtype=np.float64) - t, t)


def nrmse_detrend(recon: AnyArray, truth: AnyArray) -> float:
    """Return `nrmse` after removing slope and offset of the least-squares line of recon on truth, %.

    Infinite if the slope is zero.
    """
    r, t = recon - recon.mean(dtype=np.float64), truth - truth.mean(dtype=np.float64)
    slope = _ratio(float(np.dot(r, t)), float(np.dot(t, t)))
    return np.inf if slope == 0 else _relative(r / slope - t, t)


def correlation(recon: AnyArray, truth: AnyArray) -> float:
    """Return Pearson's correlation of two vectors; NaN if one is constant."""
    r, t = recon - recon.mean(dtype=np.float64), truth - truth.mean(dtype=np.float64)
    return _ratio(float(np.dot(r, t)), float(np.linalg.norm(r) * np.linalg.norm(t)))


def xsim(recon: FloatArray, truth: FloatArray, mask: BoolArray, *, mask_first: bool = True) -> float:
    """Return the mean structural similarity of two volumes over the mask (Milovic 2025, `Milovic2025`).

    Parameters
    ----------
    recon, truth : (X, Y, Z) array
        In ppm.
    mask : (X, Y, Z) bool array
        Where to average.
    mask_first : bool
        Whether windows see zeros outside the mask.
    """
    r, t, m = _prepare(recon, truth, mask, mask_first)
    return float(similarity_map(r, t)[m].mean())


def hfen(recon: FloatArray, truth: FloatArray, mask: BoolArray, *, mask_first: bool = True) -> float:
    """Return the high-frequency error norm, %: the relative error in the mask of the Laplacian of a Gaussian.

    Parameters
    ----------
    recon, truth : (X, Y, Z) array
        In ppm.
    mask : (X, Y, Z) bool array
        Where to compare.
    mask_first : bool
        Whether the filter sees zeros outside the mask.
    """
    r, t, m = _prepare(recon, truth, mask, mask_first)
    edges = _edges(t)[m]
    return _relative(_edges(r)[m] - edges, edges)


def similarity_map(a: AnyArray, b: AnyArray) -> AnyArray:
    """Return the structural similarity at every voxel, in 5 × 5 × 5 windows cut off at the volume's ends."""
    full = _window_mean(np.ones_like(a))

    def mean(x: AnyArray) -> AnyArray:
        result: AnyArray = _window_mean(x) / full
        return result

    mean_a, mean_b = mean(a), mean(b)
    square = mean_a**2 + mean_b**2
    product = mean_a * mean_b
    variances = mean(a * a + b * b) - square
    covariance = mean(a * b) - product
    similarity: AnyArray = (2 * product + XSIM_C1) * (2 * covariance + XSIM_C2)
    similarity /= (square + XSIM_C1) * (variances + XSIM_C2)
    return similarity


def para_leak(chi_para: FloatArray, true_para: FloatArray, true_dia: FloatArray, mask: BoolArray) -> float:
    """Return how much of the diamagnetic sources a map of the paramagnetic ones holds.

    The slope b of the least-squares fit χ⁺ ≈ a χ⁺ₜ + b χ⁻ₜ + c over the mask: 0 for a clean separation; NaN if the
    true sources do not tell a from b.

    Parameters
    ----------
    chi_para : (X, Y, Z) array
        Map of paramagnetic sources, ppm.
    true_para, true_dia : (X, Y, Z) array
        True sources of either sign as sizes, ppm.
    mask : (X, Y, Z) bool array
        Where to look.
    """
    return _slope_on_other(chi_para[mask], true_para[mask], true_dia[mask])


def dia_leak(chi_dia: FloatArray, true_para: FloatArray, true_dia: FloatArray, mask: BoolArray) -> float:
    """Return how much of the paramagnetic sources a map of the diamagnetic ones holds.

    The slope b of the least-squares fit χ⁻ ≈ a χ⁻ₜ + b χ⁺ₜ + c over the mask, all as sizes; see `para_leak`.

    Parameters
    ----------
    chi_dia : (X, Y, Z) array
        Map of diamagnetic sources as sizes, ppm.
    true_para, true_dia : (X, Y, Z) array
        True sources of either sign as sizes, ppm.
    mask : (X, Y, Z) bool array
        Where to look.
    """
    return _slope_on_other(chi_dia[mask], true_dia[mask], true_para[mask])


def iron_leak(chi_dia: FloatArray, labels: IntArray, mask: BoolArray) -> float:
    """Return the mean size of the diamagnetic sources in deep grey nuclei and veins, ppm; NaN if there are none.

    Parameters
    ----------
    chi_dia : (X, Y, Z) array
        Map of diamagnetic sources, ppm.
    labels : (X, Y, Z) int array
        Numbering of `qsmkit.simulate.tissue.Label`.
    mask : (X, Y, Z) bool array
        Where to look.
    """
    return _mean_size(chi_dia[mask & np.isin(labels, (*DEEP_GREY, BLOOD))])


def calc_leak(chi_para: FloatArray, labels: IntArray, mask: BoolArray) -> float:
    """Return the mean size of the paramagnetic sources in the calcification, ppm; NaN if there is none.

    Parameters
    ----------
    chi_para : (X, Y, Z) array
        Map of paramagnetic sources, ppm.
    labels : (X, Y, Z) int array
        Numbering of `qsmkit.simulate.tissue.Label`.
    mask : (X, Y, Z) bool array
        Where to look.
    """
    return _mean_size(chi_para[mask & (labels == CALCIFICATION)])


def dice(a: BoolArray, b: BoolArray) -> float:
    """Return Dice's overlap of two masks, 2 |A ∩ B| / (|A| + |B|)."""
    return _ratio(2.0 * float((a & b).sum()), float(a.sum() + b.sum()))


def _slope_on_other(recon: AnyArray, same: AnyArray, other: AnyArray) -> float:
    r, s, o = (v - v.mean(dtype=np.float64) for v in (recon, same, other))
    ss, so, oo = float(s @ s), float(s @ o), float(o @ o)
    determinant = ss * oo - so * so
    return (ss * float(o @ r) - so * float(s @ r)) / determinant if determinant > 1e-9 * ss * oo else np.nan


def _mean_size(values: AnyArray) -> float:
    return float(np.abs(values).mean(dtype=np.float64)) if values.size else np.nan


def _by_label(
    recon: AnyArray, truth: AnyArray, inside: BoolArray, labels: IntArray, mask_first: bool
) -> dict[str, float]:
    def detrended(where: BoolArray) -> float:
        return nrmse_detrend(recon[where], truth[where]) if where.sum() > 2 else np.nan

    veins = binary_dilation(inside & (labels == BLOOD), np.ones((3, 3, 3), bool))
    slope = _dgm_slope(recon, truth, labels * inside if mask_first else labels)
    moment, streak = _calcification(recon, truth, labels * inside if mask_first else labels)
    return {
        "nrmse_tissue": detrended(inside & np.isin(labels, TISSUE)),
        "nrmse_blood": detrended(veins),
        "nrmse_dgm": detrended(inside & np.isin(labels, DEEP_GREY)),
        "dgm_slope": slope,
        "dgm_linearity": abs(1 - slope),
        "calc_moment_dev": moment,
        "calc_streak": streak,
    }


def _dgm_slope(recon: AnyArray, truth: AnyArray, labels: IntArray) -> float:
    regions = [r for r in (labels == n for n in DEEP_GREY) if r.any()]
    if len(regions) < 2:
        return np.nan
    return float(np.polyfit([truth[r].mean() for r in regions], [recon[r].mean() for r in regions], 1)[0])


def _calcification(recon: AnyArray, truth: AnyArray, labels: IntArray) -> tuple[float, float]:
    """Return error of the moment, ppm voxels, and streaking, of the calcification (Marques 2021).

    The calcification of the map is what, in a cube about the true one, is more diamagnetic than everything in
    a shell about the cube.
    """
    calcification = labels == CALCIFICATION
    if not calcification.any():
        return np.nan, np.nan
    cube, rim, outer = (bounding_box(calcification, (n, n, n)) for n in (3, 7, 11))
    around = np.zeros(labels.shape, bool)
    around[outer] = True
    around[cube] = False
    threshold = _least_negative_below(recon[around])
    found = recon[cube][recon[cube] < threshold]
    deviation = abs(float(truth[calcification].sum()) - float(found.sum()))
    shell = np.zeros(labels.shape, bool)
    shell[rim] = True
    shell[cube] = False
    r, t = recon[shell], truth[shell]
    slope, offset = np.polyfit(t, r, 1) if np.ptp(t) > 0 else (0.0, r.mean())
    return deviation, float(np.std(r - slope * t - offset) / abs(found.mean())) if found.size else np.nan


def _least_negative_below(values: AnyArray) -> float:
    """Return the first of 0, −0.01, …, −3.5 ppm that no value lies below (the last if there is none)."""
    return float(np.clip(np.floor(min(values.min(initial=0), 0) * 100) / 100, -3.5, 0))


def _prepare(
    recon: FloatArray, truth: FloatArray, mask: BoolArray, mask_first: bool
) -> tuple[Vector, Vector, BoolArray]:
    box = bounding_box(mask, _REACH)
    m = mask[box]
    r, t = recon[box].astype(np.float64), truth[box].astype(np.float64)
    return (r * m, t * m, m) if mask_first else (r, t, m)


def _window_mean(x: AnyArray) -> AnyArray:
    result: AnyArray = uniform_filter(x, XSIM_WINDOW, mode="constant")
    return result


def _edges(x: AnyArray) -> AnyArray:
    result: AnyArray = gaussian_laplace(x, HFEN_SIGMA, truncate=HFEN_TRUNCATE)
    return result


def _relative(error: AnyArray, truth: AnyArray) -> float:
    return 100 * _ratio(float(np.linalg.norm(error)), float(np.linalg.norm(truth)))


def _ratio(a: float, b: float) -> float:
    return a / b if b != 0 else np.nan
