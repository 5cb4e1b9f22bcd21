"""How many patients: closed formulas for two arms followed over several assessments, and for agreement studies.

Every patient is assessed m times and the assessments' correlation is ρ whatever their distance, so that the variance of
a patient's time average is that of one assessment times DE = [1 + (m − 1) ρ]/m.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from scipy import stats

from qsmkit.errors import ParameterError

Formula = Literal["pooled", "unpooled", "gee_logit"]
"""How the variance of a difference of proportions is reckoned."""

LARGEST = 10_000_000
"""Beyond this many per arm the trial is called impossible."""


@dataclass(frozen=True, slots=True)
class Design:
    """What a trial's size depends on besides the effect.

    Attributes
    ----------
    alpha : float
        Level of the test, of both sides together if two-sided.
    power : float
        Probability of finding the effect if it is there.
    m : int
        Assessments of each patient.
    rho : float
        Correlation of two assessments of one patient.
    ratio : float
        Patients of the second arm for each of the first.
    dropout : float
        Share of enrolled patients that yield no assessment.
    two_sided : bool
        Whether either direction counts.
    """

    alpha: float = 0.05
    power: float = 0.9
    m: int = 2
    rho: float = 0.8
    ratio: float = 1.0
    dropout: float = 0.0
    two_sided: bool = True

    def __post_init__(self) -> None:
        for name, low, high in (("alpha", 0.0, 1.0), ("power", 0.0, 1.0)):
            value = getattr(self, name)
            if not low < value < high:
                raise ParameterError(f"{name} = {value} is not between {low:g} and {high:g}; give a probability")
        if self.m < 1:
            raise ParameterError(f"m = {self.m} assessments; give at least 1")
        lowest = -1 / (self.m - 1) if self.m > 1 else -1.0
        if not lowest < self.rho <= 1:
            raise ParameterError(f"rho = {self.rho} is not in ({lowest:.3g}, 1], the range for m = {self.m}")
        if not self.ratio > 0:
            raise ParameterError(f"ratio = {self.ratio} is not positive; give patients of arm 2 for each of arm 1")
        if not 0 <= self.dropout < 1:
            raise ParameterError(f"dropout = {self.dropout} is not between 0 and 1; 0.2 means that a fifth is lost")

    @property
    def effect(self) -> float:
        """The design effect [1 + (m − 1) ρ]/m."""
        return (1 + (self.m - 1) * self.rho) / self.m

    @property
    def z_alpha(self) -> float:
        """Quantile of the normal distribution for the level."""
        return float(stats.norm.ppf(1 - self.alpha / (2 if self.two_sided else 1)))

    @property
    def z_power(self) -> float:
        """Quantile of the normal distribution for the power."""
        return float(stats.norm.ppf(self.power))


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a trial.

    Attributes
    ----------
    raw : float
        Patients of the first arm, unrounded.
    n1, n2 : int
        Patients to analyse in each arm, rounded up.
    enrol1, enrol2 : int
        Patients to enrol in each arm, so that as many remain after dropout.
    """

    raw: float
    n1: int
    n2: int
    enrol1: int
    enrol2: int

    @property
    def total(self) -> int:
        """Patients to analyse in both arms."""
        return self.n1 + self.n2

    @property
    def enrolled(self) -> int:
        """Patients to enrol in both arms."""
        return self.enrol1 + self.enrol2


def continuous(difference: float, sd: float, design: Design, *, t_correction: bool = False) -> Size:
    """Return the size of a trial that compares means over time.

    n₁ = (z_α + z_β)² σ² (1 + 1/r) DE/δ²

    Parameters
    ----------
    difference : float
        δ, difference of the arms' means, in any unit.
    sd : float
        σ, standard deviation of one assessment between patients, in that unit.
    design : Design
        The rest.
    t_correction : bool
        Enlarge the arms until the power holds for the t test of the patients' time averages; worth it below 30 an arm.

    Raises
    ------
    ParameterError
        The difference is zero or the SD is not positive, or no arm is large enough.

    References
    ----------
    Diggle, Heagerty, Liang & Zeger 2002, section 2.4 (time-averaged difference).
    """
    if difference == 0 or not sd > 0:
        raise ParameterError(f"difference = {difference}, sd = {sd}; give a difference other than 0 and a positive sd")
    quantiles = (design.z_alpha + design.z_power) ** 2
    raw = quantiles * sd**2 * (1 + 1 / design.ratio) * design.effect / difference**2
    size = _size(raw, design)
    if t_correction:
        while _t_power(difference, sd, size.n1, size.n2, design) < design.power:
            size = _size(size.n1 + 1, design)
    return replace(size, raw=raw)


def binary(p1: float, p2: float, design: Design, formula: Formula = "pooled") -> Size:
    """Return the size of a trial that compares how often assessments are positive.

    - pooled: n₁ = [z_α √((1 + 1/r) p̄ q̄) + z_β √(p₁ q₁ + p₂ q₂/r)]² DE/(p₁ − p₂)², p̄ = (p₁ + r p₂)/(1 + r)
    - unpooled: n₁ = (z_α + z_β)² (p₁ q₁ + p₂ q₂/r) DE/(p₁ − p₂)²
    - gee_logit: n₁ = (z_α + z_β)² [1/(p₁ q₁) + 1/(r p₂ q₂)] DE/(logit p₁ − logit p₂)²

    Parameters
    ----------
    p1, p2 : float
        Probability that an assessment is positive, in each arm.
    design : Design
        The rest.
    formula : {"pooled", "unpooled", "gee_logit"}
        How the variance is reckoned.

    Raises
    ------
    ParameterError
        A probability is not between 0 and 1, or both are equal.

    References
    ----------
    Diggle et al. 2002, section 2.4; Liu & Wu 2005.
    """
    if not (0 < p1 < 1 and 0 < p2 < 1) or p1 == p2:
        raise ParameterError(f"p1 = {p1}, p2 = {p2}; give two different probabilities between 0 and 1")
    za, zb, r = design.z_alpha, design.z_power, design.ratio
    v1, v2 = p1 * (1 - p1), p2 * (1 - p2)
    if formula == "pooled":
        mean = (p1 + r * p2) / (1 + r)
        top = (za * math.sqrt((1 + 1 / r) * mean * (1 - mean)) + zb * math.sqrt(v1 + v2 / r)) ** 2 / (p1 - p2) ** 2
    elif formula == "unpooled":
        top = (za + zb) ** 2 * (v1 + v2 / r) / (p1 - p2) ** 2
    else:
        top = (za + zb) ** 2 * (1 / v1 + 1 / (r * v2)) / (_logit(p1) - _logit(p2)) ** 2
    return _size(top * design.effect, design)


def rate(rate1: float, rate2: float, design: Design, *, years: float = 1.0, dispersion: float = 0.0) -> Size:
    """Return the size of a trial that compares event rates by a log-linear model.

    n₁ = (z_α + z_β)² [1/(λ₁ T) + 1/(r λ₂ T) + k (1 + 1/r)] DE/(ln λ₁ − ln λ₂)²

    Parameters
    ----------
    rate1, rate2 : float
        λ, events per patient-year, in each arm.
    design : Design
        The rest; m counts periods.
    years : float
        T, length of a period in years.
    dispersion : float
        k of the negative binomial distribution; 0 for Poisson.

    Raises
    ------
    ParameterError
        A rate, the period or the dispersion is out of range, or the rates are equal.
    """
    if not (rate1 > 0 and rate2 > 0 and years > 0 and dispersion >= 0) or rate1 == rate2:
        raise ParameterError(
            f"rates {rate1} and {rate2} per year, periods of {years} years, dispersion {dispersion}; give two "
            "different positive rates, a positive period, and a dispersion of 0 or more"
        )
    r = design.ratio
    spread = 1 / (rate1 * years) + 1 / (r * rate2 * years) + dispersion * (1 + 1 / r)
    quantiles = (design.z_alpha + design.z_power) ** 2
    return _size(quantiles * spread * design.effect / math.log(rate1 / rate2) ** 2, design)


def icc_width(icc: float, width: float, *, methods: int = 2, confidence: float = 0.95) -> int:
    """Return how many cases make the interval of an intraclass correlation as narrow as `width`.

    n = 8 z² (1 − ρ)² [1 + (k − 1) ρ]²/[k (k − 1) w²] + 1; for two methods and ρ ≥ 0.7 with 5 ρ added (Bonett 2002).

    Parameters
    ----------
    icc : float
        Expected correlation, a pure number.
    width : float
        Whole width of the interval.
    methods : int
        k, measurements of each case.
    confidence : float
        Of the interval.

    Raises
    ------
    ParameterError
        A number is out of range.
    """
    if not (methods >= 2 and -1 / (methods - 1) < icc < 1 and 0 < width < 2 and 0 < confidence < 1):
        raise ParameterError(
            f"icc = {icc}, width = {width}, methods = {methods}, confidence = {confidence}; give 2 methods or more, "
            "−1/(methods − 1) < icc < 1, 0 < width < 2 and a confidence between 0 and 1"
        )
    k, z = methods, float(stats.norm.ppf((1 + confidence) / 2))
    n = 8 * z**2 * (1 - icc) ** 2 * (1 + (k - 1) * icc) ** 2 / (k * (k - 1) * width**2) + 1
    return math.ceil(n + (5 * icc if k == 2 and icc >= 0.7 else 0) - 1e-9)


def limits_width(sd: float, width: float, *, confidence: float = 0.95) -> int:
    """Return how many cases make the exact interval of a limit of agreement as narrow as `width`.

    Parameters
    ----------
    sd : float
        Standard deviation of the differences.
    width : float
        Whole width of a limit's interval, in the same unit.
    confidence : float
        Of the interval.

    Returns
    -------
    int
        The smallest n with s (t'₁₋ₐ − t'ₐ)/√n ≤ width, t' quantiles of the noncentral t distribution (Carkeet 2015).

    Raises
    ------
    ParameterError
        A number is out of range.
    """
    if not (sd > 0 and width > 0 and 0 < confidence < 1):
        raise ParameterError(
            f"sd = {sd}, width = {width}, confidence = {confidence}; give positive numbers in one unit and a "
            "confidence between 0 and 1"
        )

    tails = ((1 - confidence) / 2, (1 + confidence) / 2)

    def enough(n: int) -> bool:
        low, high = (float(stats.nct.ppf(q, n - 1, 1.96 * math.sqrt(n))) for q in tails)
        return sd * (high - low) / math.sqrt(n) <= width

    return _smallest(enough, 2)


def _smallest(enough: Callable[[int], bool], start: int) -> int:
    """Return the smallest number from `start` for which `enough` holds; it must hold for all larger ones."""
    high = start
    while not enough(high):
        high *= 2
        if high > LARGEST:
            raise ParameterError(f"more than {LARGEST} cases would be needed; ask for less precision")
    low = max(start, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def _t_power(difference: float, sd: float, n1: int, n2: int, design: Design) -> float:
    """Return the power of the t test of patients' time averages."""
    df = n1 + n2 - 2
    if df < 1:
        return 0.0
    centre = abs(difference) / (sd * math.sqrt(design.effect * (1 / n1 + 1 / n2)))
    critical = float(stats.t.ppf(1 - design.alpha / (2 if design.two_sided else 1), df))
    other = float(stats.nct.cdf(-critical, df, centre)) if design.two_sided else 0.0
    return float(stats.nct.sf(critical, df, centre)) + other


def _size(raw: float, design: Design) -> Size:
    if not raw <= LARGEST:
        raise ParameterError(f"more than {LARGEST} patients an arm would be needed; the effect is too small")
    n1 = max(2, math.ceil(raw - 1e-9))
    n2 = max(2, math.ceil(raw * design.ratio - 1e-9))
    keep = 1 - design.dropout
    return Size(raw, n1, n2, math.ceil(n1 / keep - 1e-9), math.ceil(n2 / keep - 1e-9))


def _logit(p: float) -> float:
    return math.log(p / (1 - p))
