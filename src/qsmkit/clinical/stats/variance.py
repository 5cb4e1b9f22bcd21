"""Why an intraclass correlation is what it is: the spread between cases beside the methods' disagreement."""

import math
from dataclasses import dataclass

import numpy as np

from qsmkit.clinical.stats.clustered import jackknife, variance_interval
from qsmkit.clinical.stats.icc import MeanSquares, mean_squares
from qsmkit.clinical.stats.paired import Paired
from qsmkit.measure import Measure

POOR, MODERATE, GOOD = 0.5, 0.75, 0.9
"""Grades of Koo and Li (2016): poor below, then moderate, good, excellent."""

SYSTEMATIC = 0.05
"""Loss of ICC(A,1) against what the spreads imply from which a systematic difference is named: a modelling choice."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Two standard deviations and what they imply.

    Attributes
    ----------
    between : Measure
        Standard deviation of the true values of the cases, in the pairs' unit; 0 if they differ no more than errors
        make them.
    difference : Measure
        Standard deviation of the differences between the methods, in the pairs' unit.
    implied_icc : float
        σ_between²/(σ_between² + MS_E), a pure number; MS_E = σ_difference²/2 for independent pairs.
    """

    between: Measure
    difference: Measure
    implied_icc: float


def spread(pairs: Paired, difference: Measure, *, confidence: float = 0.95) -> Spread:
    """Return the standard deviation between cases beside that of the differences, and the ICC that they imply.

    σ_between² = (MS_R − MS_E)/2. Its interval is recovered from the χ² intervals of both mean squares (Zou & Donner
    2008); with clusters, a mean square has the degrees of freedom that its jackknife error stands for, 2 MS²/SE².

    Parameters
    ----------
    pairs : Paired
        The pairs.
    difference : Measure
        Standard deviation of the differences, in the pairs' unit.
    confidence : float
        Of the interval.
    """
    a = _squares(pairs)
    variance = (a.cases - a.error) / 2
    degrees, how = (a.n - 1.0, a.n - 1.0), "variance recovery"
    if pairs.cluster is not None:
        how = "variance recovery, degrees of freedom by jackknife over clusters"
        squares, error, _ = jackknife(lambda p: np.array([_squares(p).cases, _squares(p).error]), pairs)
        found = np.where(error == 0, a.n - 1, 2 * (squares / np.where(error == 0, 1, error)) ** 2)
        degrees = float(found[0]), float(found[1])
    low_r, high_r = variance_interval(a.cases, degrees[0], confidence)
    low_e, high_e = variance_interval(a.error, degrees[1], confidence)
    low = variance - math.hypot(a.cases - low_r, high_e - a.error) / 2
    high = variance + math.hypot(high_r - a.cases, a.error - low_e) / 2
    value, bottom, top = (float(np.sqrt(max(v, 0.0))) for v in (variance, low, high))
    between = Measure(value, bottom, top, pairs.unit, pairs.n, how)
    total = value**2 + a.error
    return Spread(between, difference, value**2 / total if total > 0 else float("nan"))


def _squares(pairs: Paired) -> MeanSquares:
    return mean_squares(np.stack([pairs.x, pairs.y], 1))


def grade(icc: float) -> str:
    """Return the word that Koo and Li (2016) have for an intraclass correlation."""
    if np.isnan(icc):
        return "undefined"
    return "poor" if icc < POOR else "moderate" if icc < MODERATE else "good" if icc < GOOD else "excellent"


def explain(found: Spread, icc: float, unit: str) -> str:
    """Return a sentence that says why the intraclass correlation is high or low."""
    u = "" if unit == "1" else f" {unit}"
    facts = (
        f"cases differ from one another with a standard deviation of {found.between.value:.3g}{u}, the two methods "
        f"from each other with one of {found.difference.value:.3g}{u}"
    )
    if np.isnan(icc):
        return "The intraclass correlation is undefined: nothing varies."
    told = f"The intraclass correlation is {grade(icc)} ({icc:.2f}) because {facts}"
    if found.implied_icc - icc > SYSTEMATIC:
        told += f"; alone they imply {found.implied_icc:.2f}, and a systematic difference counts against it"
    if found.implied_icc < POOR:
        told += (
            ": one cannot tell the cases apart by either method. A correlation or a normalised plot can hide this; the "
            "fractions of cases that agree within a stated distance cannot"
        )
    return f"{told}."
