"""The power that a trial really has, by simulating it."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from qsmkit.clinical.stats.fractions import wilson
from qsmkit.clinical.stats.sample_size import Design
from qsmkit.errors import ParameterError
from qsmkit.measure import Measure

Test = Literal["gee_logit", "wald"]
"""Logistic GEE with robust variance, or the difference of proportions with robust variance."""


def binary_power(
    p1: float, p2: float, n1: int, n2: int, design: Design, *, test: Test = "gee_logit", repeats: int = 10_000,
    rng: int | np.random.Generator = 1,
) -> Measure:
    """Return the share of simulated trials that find a difference of proportions.

    An assessment of a patient is, with probability √ρ, the patient's own draw and otherwise a new one, which makes the
    correlation of any two ρ. The number of a patient's positive assessments is then a mixture of two binomials, and
    a trial is one multinomial draw for each arm. For two arms and equal numbers of assessments, the GEE with
    exchangeable correlation has the closed form used here: logit p̂ in each arm with the robust variance
    Σ(ȳᵢ − p̂)²/(n p̂ q̂)².

    Parameters
    ----------
    p1, p2 : float
        Probability that an assessment is positive, in each arm; equal ones give the level instead of the power.
    n1, n2 : int
        Patients analysed in each arm.
    design : Design
        Level, sides, assessments and their correlation (not negative); its power, ratio and dropout are not used.
    test : {"gee_logit", "wald"}
        How the trial is analysed.
    repeats : int
        Simulated trials.
    rng : int or Generator
        Seed or source of randomness.

    Returns
    -------
    Measure
        A pure number with Wilson's interval for the simulation's own error; n is the number of repeats. A trial in
        which an arm has no or only positive assessments finds nothing.

    Raises
    ------
    ParameterError
        A number is out of range.
    """
    if not (0 < p1 < 1 and 0 < p2 < 1):
        raise ParameterError(f"p1 = {p1}, p2 = {p2}; give probabilities between 0 and 1")
    if min(n1, n2) < 2 or repeats < 1:
        raise ParameterError(f"n1 = {n1}, n2 = {n2}, repeats = {repeats}; give at least 2 patients an arm and 1 repeat")
    if design.rho < 0:
        raise ParameterError(f"rho = {design.rho} is negative, which the simulation cannot draw; give 0 … 1")
    generator = np.random.default_rng(rng)
    (a, va), (b, vb) = (_arm(p, n, design, repeats, generator) for p, n in ((p1, n1), (p2, n2)))
    estimable = (a > 0) & (a < 1) & (b > 0) & (b < 1) & (va + vb > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        if test == "gee_logit":
            z = (np.log(a / (1 - a)) - np.log(b / (1 - b))) / np.sqrt(va / (a * (1 - a)) ** 2 + vb / (b * (1 - b)) ** 2)
        else:
            z = (a - b) / np.sqrt(va + vb)
    z = np.where(estimable, z, 0)
    effect = np.abs(z) if design.two_sided else np.sign(p1 - p2 or 1) * z
    found = float(np.mean(effect > design.z_alpha))
    low, high = wilson(found, repeats, float(stats.norm.ppf(0.975)))
    return Measure(found, low, high, "1", repeats, f"simulated trials, {test}, robust variance")


def _arm(
    p: float, n: int, design: Design, repeats: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return each trial's proportion in an arm, and its robust variance."""
    own, number = np.sqrt(design.rho), np.arange(design.m + 1)
    pmf = p * stats.binom.pmf(number, design.m, own + (1 - own) * p)
    pmf += (1 - p) * stats.binom.pmf(number, design.m, (1 - own) * p)
    counts = rng.multinomial(n, pmf / pmf.sum(), size=repeats)
    share = number / design.m
    mean = counts @ share / n
    return mean, (counts @ share**2 / n - mean**2) / n
