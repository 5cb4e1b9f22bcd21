"""A straight line from concentration to susceptibility, fitted to a phantom series, and read backwards."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.robust.norms import HuberT
from statsmodels.robust.robust_linear_model import RLM

from qsmkit.errors import InputError
from qsmkit.measure import Measure


@dataclass(frozen=True, slots=True)
class Calibration:
    """χ = intercept + slope · concentration.

    Attributes
    ----------
    slope, intercept : float
        ppm per `unit`, and ppm.
    slope_error, intercept_error : float
        Their standard errors.
    covariance : float
        Of slope and intercept, ppm² per `unit`.
    scatter : float
        Standard deviation of a sample about the line, ppm.
    n : int
        Samples behind the line; 0 for a published slope.
    unit : str
        Unit of the concentration.
    source : str
        Phantom, scanner, publication.
    temperature_c : float or None
        Temperature of the samples, °C.
    field_strength : float or None
        Field, T, where the slope depends on it.
    """

    slope: float
    intercept: float
    slope_error: float
    intercept_error: float
    covariance: float
    scatter: float
    n: int
    unit: str
    source: str
    temperature_c: float | None = None
    field_strength: float | None = None

    def chi(self, concentration: float) -> Measure:
        """Return the expected χ (ppm) of a concentration, with the interval of the line."""
        value = self.intercept + self.slope * concentration
        reach = self._quantile() * math.sqrt(self._line_variance(concentration))
        return Measure(value, value - reach, value + reach, "ppm", self.n, f"line of {self.source}")

    def predict(self, concentration: float) -> Measure:
        """Return the χ (ppm) of a new sample of a concentration, with the interval of prediction."""
        value = self.intercept + self.slope * concentration
        reach = self._quantile() * math.sqrt(self._line_variance(concentration) + self.scatter**2)
        return Measure(value, value - reach, value + reach, "ppm", self.n, f"new sample on the line of {self.source}")

    def concentration(self, chi: float, error: float, *, n: int = 1) -> Measure:
        """Return the concentration of a susceptibility, in `unit`, with its 95 % interval.

        The ends are where χ leaves what the line and both errors allow (Fieller's argument for a calibration): the
        line's own uncertainty grows away from its samples, and so does the interval.

        Parameters
        ----------
        chi, error : float
            Measured susceptibility and its standard error, ppm; NaN if that is not known, which leaves no interval.
        n : int
            Observations behind it.
        """
        value = (chi - self.intercept) / self.slope
        how = f"inverse of χ = {self.intercept:.4g} + {self.slope:.4g} c ({self.source})"
        if math.isnan(error):
            return Measure(value, math.nan, math.nan, self.unit, n, f"{how}; no interval, the error of χ is not known")
        line = self._line_variance(value)
        # the measurement's error is known, the line's is estimated: degrees of freedom after Welch and Satterthwaite
        share = line / (line + error**2) if line + error**2 > 0 else 1.0
        t2 = self._quantile(share) ** 2
        a = self.slope**2 - t2 * self.slope_error**2
        b = self.slope * (chi - self.intercept) + t2 * self.covariance
        c = (chi - self.intercept) ** 2 - t2 * (error**2 + self.intercept_error**2)
        how += ", Fieller's interval"
        if a <= 0:
            return Measure(value, math.nan, math.nan, self.unit, n, f"{how}: no ends, the slope is not clear of zero")
        reach = math.sqrt(max(b**2 - a * c, 0.0))
        ends = ((b - reach) / a, (b + reach) / a)
        return Measure(value, min(*ends, value), max(*ends, value), self.unit, n, how)

    def detection_limit(self, error: float) -> float:
        """Return the concentration, in `unit`, whose χ is three standard errors (ppm) of a measurement above zero."""
        return 3 * error / abs(self.slope)

    def at(self, temperature_c: float) -> "Calibration":
        """Return the line at another temperature: Curie's law scales the slope by the absolute temperatures' ratio.

        Raises
        ------
        InputError
            The temperature of the samples is not known.
        """
        if self.temperature_c is None:
            raise InputError(f"the temperature of {self.source} is not known; give it when fitting the calibration")
        factor = (self.temperature_c + 273.15) / (temperature_c + 273.15)
        return Calibration(
            self.slope * factor, self.intercept, self.slope_error * factor, self.intercept_error,
            self.covariance * factor, self.scatter, self.n, self.unit, self.source, temperature_c, self.field_strength,
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Return the line as plain values for JSON."""
        return asdict(self)

    def _quantile(self, share: float = 1.0) -> float:
        """Return the quantile for a variance of which `share` is estimated from the samples, the rest known."""
        if self.n <= 2 or share == 0:
            return float(stats.norm.ppf(0.975))
        return float(stats.t.ppf(0.975, (self.n - 2) / share**2))

    def _line_variance(self, concentration: float) -> float:
        return max(
            self.intercept_error**2 + 2 * concentration * self.covariance + concentration**2 * self.slope_error**2, 0.0
        )


def fit(
    concentration: npt.ArrayLike, chi: npt.ArrayLike, *, unit: str, source: str, temperature_c: float | None = None,
    field_strength: float | None = None,
) -> Calibration:
    """Fit a line to a series of samples by robust regression (Huber's weights).

    Where most samples lie exactly on the line, the scatter is that of all about it by least squares.

    Parameters
    ----------
    concentration : (n,) array
        In `unit`.
    chi : (n,) array
        Measured susceptibility of each sample, ppm.
    unit : str
        Unit of the concentration, such as "mM".
    source : str
        Phantom, scanner, date.
    temperature_c, field_strength : float, optional
        °C and T, during the measurement.

    Raises
    ------
    InputError
        Fewer than three samples, a value is missing, or all have one concentration.

    References
    ----------
    Huber 1964; Fox & Weisberg 2018 (standard errors).
    """
    c, x = np.asarray(concentration, np.float64), np.asarray(chi, np.float64)
    if c.ndim != 1 or c.shape != x.shape or len(c) < 3 or not (np.isfinite(c).all() and np.isfinite(x).all()):
        raise InputError(f"{c.shape} concentrations and {x.shape} susceptibilities; give 3 complete samples or more")
    if np.ptp(c) == 0:
        raise InputError(f"all samples have a concentration of {c[0]:g} {unit}; give several")
    design = np.stack([np.ones_like(c), c], 1)
    line, *_ = np.linalg.lstsq(design, x, rcond=None)
    if np.abs(x - design @ line).max() <= 1e-12 * max(float(np.abs(x).max()), 1e-30):
        return Calibration(float(line[1]), float(line[0]), 0.0, 0.0, 0.0, 0.0, len(c), unit, source, temperature_c,
                           field_strength)  # fmt: skip
    model = RLM(x, design, M=HuberT()).fit()
    line, covariance, scatter = model.params, np.asarray(model.cov_params()), float(model.scale)
    if scatter <= 1e-12 * float(np.abs(x).max()):  # most samples exactly on the line, as rounded ones: the others tell
        scatter = float(np.sqrt(((x - design @ line) ** 2).sum() / (len(c) - 2)))
        covariance = scatter**2 * np.linalg.inv(design.T @ design)
    return Calibration(
        float(line[1]), float(line[0]), float(covariance[1, 1] ** 0.5), float(covariance[0, 0] ** 0.5),
        float(covariance[0, 1]), scatter, len(c), unit, source, temperature_c, field_strength,
    )  # fmt: skip


def published(slope: float, slope_error: float, *, unit: str, source: str, intercept: float = 0.0) -> Calibration:
    """Return a line of which only the slope and its standard error are known, ppm per `unit`."""
    return Calibration(slope, intercept, slope_error, 0.0, 0.0, 0.0, 0, unit, source)


def from_dict(values: Mapping[str, Any], source: str) -> Calibration:
    """Return the line that `Calibration.as_dict` gave.

    Raises
    ------
    InputError
        A key is missing or unknown, or a number makes no sense.
    """
    try:
        made = Calibration(**values)
        numbers = np.array(
            [made.slope, made.intercept, made.slope_error, made.intercept_error, made.scatter], np.float64
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"{source} is not a calibration ({error}); make it with qsmkit quantify calibrate") from error
    if not np.isfinite(numbers).all() or made.slope == 0:
        raise InputError(f"{source} has a slope of {made.slope} and errors that are not finite numbers; make it again")
    return made
