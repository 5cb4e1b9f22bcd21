"""A number that says how sure it is and where it comes from."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from qsmkit.errors import InputError


@dataclass(frozen=True, slots=True)
class Measure:
    """A value with its interval, unit, sample size and the method that made it.

    Attributes
    ----------
    value : float
        The estimate, in `unit`.
    low, high : float
        Ends of the interval, in `unit`; NaN where no interval is known.
    unit : str
        Unit of all three; "1" for a pure number.
    n : int
        Number of independent observations behind the value (voxels, cases, …).
    method : str
        How value and interval were made, e.g. "mean ± 1.96 SE".
    """

    value: float
    low: float
    high: float
    unit: str
    n: int
    method: str

    def __post_init__(self) -> None:
        if self.low > self.value or self.value > self.high:
            raise InputError(
                f"interval [{self.low}, {self.high}] {self.unit} does not hold its value {self.value}; "
                "give low ≤ value ≤ high, or NaN for an unknown end"
            )

    def __str__(self) -> str:
        unit = "" if self.unit == "1" else f" {self.unit}"
        if math.isnan(self.low) or math.isnan(self.high):
            return f"{self.value:.4g}{unit}"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]{unit}"

    def as_dict(self) -> dict[str, Any]:
        """Return the measure as plain values for JSON; unknown ends become None."""
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(self).items()}
