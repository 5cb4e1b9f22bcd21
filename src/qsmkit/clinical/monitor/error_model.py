"""How far the measured mean of an unchanged lesion strays from scan to scan.

    s² = max(noise² + reference², (wCV · χ)²)        where wCV is a test–retest's, which holds both already,
    s² = noise² + reference² + (wCV · χ)²            where wCV is what repositioning and redrawing add to them.

`noise` is the random error of this scan (repeats with new noise, or a map of σ), `reference` the standard deviation of
the reference's mean from scan to scan beyond that noise, wCV the within-subject coefficient of variation.
"""

import math
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from qsmkit.clinical.monitor.observation import Observation, Quantity, has
from qsmkit.clinical.stats.repeatability import SPAN
from qsmkit.errors import ParameterError

Scope = Literal["test-retest", "beyond noise"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that errs.

    Attributes
    ----------
    value : float
        In its unit.
    sd : float
        Standard deviation of its error, same unit; NaN if unknown.
    degrees : float
        Degrees of freedom of `sd`.
    """

    value: float
    sd: float
    degrees: float = math.inf


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """What is known of the errors of a site.

    Attributes
    ----------
    cv : float
        Within-subject coefficient of variation, %; NaN if it was never measured.
    scope : {"test-retest", "beyond noise"}
        Whether it holds noise and reference already.
    reference_sd : float
        SD of the reference's mean from scan to scan, ppm, beyond its noise.
    """

    cv: float = math.nan
    scope: Scope = "test-retest"
    reference_sd: float = 0.0

    def __post_init__(self) -> None:
        if self.cv < 0 or self.cv >= 100:
            raise ParameterError(f"wCV = {self.cv:g} % is out of range; give per cent between 0 and 100")
        if not self.reference_sd >= 0:
            raise ParameterError(f"reference SD = {self.reference_sd:g} ppm is negative; give ppm of 0 or more")

    def of(self, seen: Observation, quantity: Quantity = "mean") -> Estimate:
        """Return the quantity with its error; that of volume, total and permeability is known from wCV only."""
        value = seen.value(quantity)
        relative = abs(value) * self.cv / 100
        if quantity != "mean":
            return Estimate(value, relative)
        scan = math.hypot(seen.noise, self.reference_sd)
        if not has(self.cv):
            return Estimate(value, scan, _degrees(seen.noise, seen.noise_degrees, scan))
        if not has(scan):
            return Estimate(value, relative)
        if self.scope == "test-retest":
            larger = scan > relative
            return Estimate(value, max(scan, relative),
                            _degrees(seen.noise, seen.noise_degrees, scan) if larger else math.inf)  # fmt: skip
        sd = math.hypot(scan, relative)
        return Estimate(value, sd, _degrees(seen.noise, seen.noise_degrees, sd))

    def sentence(self) -> str:
        """Return what a report says of it."""
        parts = ["each scan's noise where it is known"]
        if self.reference_sd:
            parts.append(f"a reference that varies by {1000 * self.reference_sd:.3g} ppb (SD)")
        if has(self.cv):
            parts.append(f"a within-subject coefficient of variation of {self.cv:.3g} % ({self.scope}); the smallest "
                         f"relative change it lets detect is {SPAN * self.cv:.3g} %")  # fmt: skip
        else:
            parts.append("no test–retest repeatability was given: what repositioning and redrawing add is not counted")
        return "Errors: " + "; ".join(parts) + "."


def satterthwaite(*parts: tuple[float, float]) -> float:
    """Return the degrees of freedom of Σ vᵢ, of variances vᵢ with νᵢ degrees: (Σ vᵢ)²/Σ(vᵢ²/νᵢ)."""
    spent = sum(v**2 / degrees for v, degrees in parts if degrees > 0)
    return sum(v for v, _ in parts) ** 2 / spent if spent > 0 else math.inf


def upper(statistic: float, degrees: float) -> float:
    """Return the probability that Student's t (or the normal, for infinite degrees) is below a statistic."""
    return float(stats.norm.cdf(statistic) if math.isinf(degrees) else stats.t.cdf(statistic, degrees))


def quantile(confidence: float, degrees: float) -> float:
    """Return the two-sided quantile of Student's t, or of the normal for infinite degrees."""
    side = (1 + confidence) / 2
    return float(stats.norm.ppf(side) if math.isinf(degrees) else stats.t.ppf(side, degrees))


def _degrees(noise: float, degrees: float, whole: float) -> float:
    """Return the degrees of freedom of an SD of which only the noise's part is estimated."""
    return math.inf if not whole > 0 or noise == 0 else degrees * (whole / noise) ** 4
