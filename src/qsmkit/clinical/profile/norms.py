"""What is usual at an age, and how far a patient is from it.

    z = (χ − m(t))/s,   m(t) = mean + per_year (t − at_age)
    t_CH = z/√((n + 1)/n),   n − 1 degrees of freedom

The second line is the test of a single patient against a small sample of controls: with n controls, m and s are
themselves uncertain, and z alone calls too many patients abnormal.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from qsmkit.clinical.quantify.propagate import Z, standard_error
from qsmkit.errors import InputError
from qsmkit.measure import Measure

Sex = Literal["F", "M", ""]

OLDEST = 110.0
"""Years."""


@dataclass(frozen=True, slots=True)
class Norm:
    """Susceptibility of one region in controls.

    Attributes
    ----------
    region : str
        As the patient's table names it.
    mean, sd : float
        Of the controls, ppm, at `at_age`, by the same pipeline and reference region as the patient.
    n : int
        Number of controls.
    age_low, age_high : float
        Ages, years, for which it holds.
    per_year : float
        Change of the mean, ppm/year.
    at_age : float
        Age, years, to which `mean` belongs; of no matter where `per_year` is 0.
    sex : {"F", "M", ""}
        For whom it holds; empty for both.
    source : str
        Where it comes from.

    Raises
    ------
    InputError
        A standard deviation is not positive, there are fewer than 3 controls, or the ages are out of order.
    """

    region: str
    mean: float
    sd: float
    n: int
    age_low: float = 0.0
    age_high: float = OLDEST
    per_year: float = 0.0
    at_age: float = 0.0
    sex: Sex = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and self.sd > 0):
            told = f"norm of {self.region}: {self.mean} ± {self.sd} ppm is none"
            raise InputError(f"{told}; give a mean and a standard deviation above 0")
        if self.n < 3:
            raise InputError(f"norm of {self.region}: {self.n} controls tell no spread; give at least 3")
        if not 0 <= self.age_low <= self.age_high:
            raise InputError(f"norm of {self.region}: ages {self.age_low:g} to {self.age_high:g} are out of order")

    def expected(self, age: float) -> float:
        """Return the mean at an age in years, ppm."""
        return self.mean + (self.per_year * (age - self.at_age) if self.per_year else 0.0)

    def holds(self, region: str, age: float, sex: Sex) -> bool:
        """Return whether it is for this region, age (years) and sex."""
        return self.region == region and self.age_low <= age <= self.age_high and self.sex in ("", sex)


@dataclass(frozen=True, slots=True)
class Score:
    """A patient's region against controls.

    Attributes
    ----------
    norm : Norm
        The controls.
    expected : float
        Their mean at the patient's age, ppm.
    z : Measure
        Standard deviations above it; the interval holds the patient's own error and that of the controls' mean.
    percentile : float
        Estimated share of controls below the patient, percent.
    p : float
        Two-sided, that a control is as far away.
    """

    norm: Norm
    expected: float
    z: Measure
    percentile: float
    p: float


def find(norms: Iterable[Norm], region: str, age: float, sex: Sex = "") -> Norm | None:
    """Return the norm for a region at an age in years; None if there is none.

    Raises
    ------
    InputError
        Two norms hold: which one is meant cannot be told.
    """
    fitting = [norm for norm in norms if norm.holds(region, age, sex)]
    exact = [norm for norm in fitting if norm.sex] or fitting
    if len(exact) > 1:
        told = f"{len(exact)} norms hold for {region} at {age:g} years"
        raise InputError(f"{told}; make their ages or sexes exclude each other")
    return exact[0] if exact else None


def score(chi: Measure, norm: Norm, age: float) -> Score:
    """Return how far a region is from the controls.

    Parameters
    ----------
    chi : Measure
        Mean susceptibility of the patient's region, ppm.
    norm : Norm
        Controls.
    age : float
        Of the patient, years.

    Raises
    ------
    InputError
        The value is not in ppm.

    References
    ----------
    Crawford 1998 (single case against a small sample).
    """
    if chi.unit != "ppm":
        raise InputError(f"χ of {norm.region} is in {chi.unit}, norms are in ppm; convert it first")
    expected = norm.expected(age)
    z = (chi.value - expected) / norm.sd
    own = standard_error(chi)
    reach = Z * math.hypot(own / norm.sd, 1 / math.sqrt(norm.n))
    t = z / math.sqrt((norm.n + 1) / norm.n)
    below = float(stats.t.cdf(t, norm.n - 1))
    told = f"against {norm.n} controls, {expected:.4g} ± {norm.sd:.3g} ppm"
    measure = Measure(z, z - reach, z + reach, "1", norm.n, told)
    return Score(norm, expected, measure, 100 * below, 2 * min(below, 1 - below))
