"""What was found of every nucleus: how large, where, how magnetic, how sure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.clinical.nuclei.structures import Side, Structure
from qsmkit.measure import Measure

Verdict = Literal["PASS", "REVIEW", "FAIL"]

VERDICTS: tuple[Verdict, ...] = ("PASS", "REVIEW", "FAIL")

CORRELATED = 8
"""Voxels that err alike, where the map's noise is not known: a modelling choice."""

UNSEEN = 0.5
"""Contrast with the surroundings, in standard deviations, below which a nucleus is not seen in an image."""

UNUSUAL = 3.0
"""Distance from the expected susceptibility, in its spread between people, from which it is worth a look."""

HULL = {"dentate": 0.75}
"""Greatest Dice coefficient that an outline can have where the nucleus is a folded sheet, and the outline its hull."""

SURE, DOUBTFUL = 0.75, 0.5
"""Confidence from which a nucleus passes, and below which it fails."""

OUT_OF_RANGE = 1.5
"""Factor beyond the plausible volumes at which a nucleus fails."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One nucleus on one side.

    Attributes
    ----------
    name : str
        Which: "gpi".
    side : {"L", "R"}
        The patient's side.
    label : int
        Its number in the label image.
    volume : Measure
        mm³; interval: the least and the greatest of the runs.
    centroid : (3,) tuple
        Probability-weighted, RAS mm.
    acpc : (3,) tuple
        The same relative to the midcommissural point, AC–PC mm; the commissures are the atlas's unless given.
    chi : Measure
        Probability-weighted mean, ppm.
    contrast : mapping of str to float
        |mean inside − mean of the shell about it| over the SD, for each image.
    posterior, agreement : float
        Mean probability of its voxels; Dice coefficient of its outlines in different runs.
    confidence : float
        Dice coefficient with the truth that is to be expected; see `confidence`.
    verdict : {"PASS", "REVIEW", "FAIL"}
        Whether it may be used.
    reasons : tuple of str
        Why not PASS.
    """

    name: str
    side: Side
    label: int
    volume: Measure
    centroid: tuple[float, float, float]
    acpc: tuple[float, float, float]
    chi: Measure
    contrast: Mapping[str, float]
    posterior: float
    agreement: float
    confidence: float
    verdict: Verdict
    reasons: tuple[str, ...]

    def as_row(self) -> dict[str, object]:
        """Return the finding as one row of a table."""
        row: dict[str, object] = {"index": self.label, "name": self.name, "side": self.side}
        row |= {"volume_mm3": self.volume.value, "volume_low": self.volume.low, "volume_high": self.volume.high}
        row |= dict(zip(("x_mm", "y_mm", "z_mm"), self.centroid, strict=True))
        row |= dict(zip(("acpc_x_mm", "acpc_y_mm", "acpc_z_mm"), self.acpc, strict=True))
        row |= {"chi_ppm": self.chi.value, "chi_low": self.chi.low, "chi_high": self.chi.high}
        row |= {f"contrast_{k}": v for k, v in self.contrast.items()}
        row |= {"posterior": self.posterior, "agreement": self.agreement, "confidence": self.confidence}
        return row | {"verdict": self.verdict, "reasons": "; ".join(self.reasons) or None}

    def as_dict(self) -> dict[str, object]:
        """Return the finding as plain values for JSON."""
        return asdict(self) | {"volume": self.volume.as_dict(), "chi": self.chi.as_dict()}


def chi_mean(values: FloatArray, weights: FloatArray, runs: Sequence[float]) -> Measure:
    """Return the weighted mean of χ, with an interval from the spread of voxels and from that of the runs.

    Parameters
    ----------
    values, weights : (N,) array
        χ, ppm, and probability, of the voxels of a nucleus.
    runs : sequence of float
        Means over the outlines of the runs, ppm.
    """
    total = float(weights.sum())
    if not total > 0:
        return Measure(np.nan, np.nan, np.nan, "ppm", 0, "no voxel")
    mean = float((weights * values).sum() / total)
    variance = float((weights * (values - mean) ** 2).sum() / total)
    error = 1.96 * float(np.sqrt(variance * CORRELATED / max(total, CORRELATED) + np.nanvar(runs)))
    method = f"probability-weighted mean ± 1.96 √(SD²·{CORRELATED}/n + variance between runs)"
    return Measure(mean, mean - error, mean + error, "ppm", int(round(total)), method)


def shell_contrast(image: FloatArray, inside: BoolArray, shell: BoolArray) -> float:
    """Return how far a nucleus stands out of the shell about it in an image, in standard deviations."""
    if inside.sum() < 2 or shell.sum() < 2:
        return 0.0
    within, about = image[inside], image[shell]
    sd = np.sqrt(0.5 * (within.var() + (1.4826 * np.median(np.abs(about - np.median(about)))) ** 2))
    return float(abs(within.mean() - np.median(about)) / max(float(sd), 1e-12))


def dice(one: BoolArray, other: BoolArray) -> float:
    """Return twice the intersection over the sum of two masks; 0 if both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 0.0


def confidence(name: str, posterior: float, agreement: float) -> float:
    """Return the Dice coefficient with the truth that is expected of a nucleus.

    c = h p a^⅓, with p the mean posterior and a the agreement of the runs: within 0.03 of the mean of each nucleus in
    digital patients that were used for building; h is the ceiling of `HULL`.

    Parameters
    ----------
    name : str
        Which nucleus.
    posterior, agreement : float
        As in `Finding`.
    """
    return float(HULL.get(name, 1.0) * posterior * agreement ** (1 / 3))


def judged(
    structure: Structure, volume: float, chi: float, contrast: Mapping[str, float], confidence: float, covered: float
) -> tuple[Verdict, tuple[str, ...]]:
    """Return whether a nucleus may be used, and the reasons against it.

    Parameters
    ----------
    structure : Structure
        What it should be like.
    volume : float
        mm³.
    chi : float
        Mean susceptibility, ppm.
    contrast : mapping of str to float
        As in `Finding`.
    confidence : float
        As in `Finding`.
    covered : float
        Share of the nucleus in the deformed atlas for which χ has a value.
    """
    low, high = structure.volume
    found: list[tuple[Verdict, str]] = []
    if covered < 0.95:
        verdict: Verdict = "FAIL" if covered < 0.6 else "REVIEW"
        found.append((verdict, f"only {100 * covered:.0f} % of it lie where χ has a value"))
    if not low <= volume <= high:
        far = volume < low / OUT_OF_RANGE or volume > high * OUT_OF_RANGE
        found.append(("FAIL" if far else "REVIEW", f"{volume:.0f} mm³ is outside of {low:.0f} … {high:.0f} mm³"))
    if not abs(chi - structure.chi) <= UNUSUAL * structure.chi_sd:
        told = f"mean χ {chi:.3f} ppm is far from the usual {structure.chi:g} ± {structure.chi_sd:g} ppm"
        found.append(("REVIEW", f"{told}: check outline, sign and reference"))
    if max(contrast.values(), default=0) < UNSEEN:
        found.append(("REVIEW", "not seen: it does not stand out in any image, so its outline is the atlas's"))
    if confidence < SURE:
        found.append(("FAIL" if confidence < DOUBTFUL else "REVIEW", f"confidence {confidence:.2f} is low"))
    worst: Verdict = max((v for v, _ in found), key=VERDICTS.index, default="PASS")
    return worst, tuple(text for _, text in found)


def weighted_centre(points: npt.NDArray[np.float64], weights: FloatArray) -> npt.NDArray[np.float64]:
    """Return the weighted mean of points (N, 3); NaN if nothing weighs."""
    total = float(weights.sum())
    if not total > 0:
        return np.full(3, np.nan)
    centre: npt.NDArray[np.float64] = (points * weights[:, None]).sum(0) / total
    return centre
