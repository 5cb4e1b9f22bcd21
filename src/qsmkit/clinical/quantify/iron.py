"""Iron of grey matter from susceptibility, and what is expected at an age."""

import math

from qsmkit.clinical.quantify.calibration import Calibration, published
from qsmkit.clinical.quantify.propagate import known, standard_error
from qsmkit.errors import InputError
from qsmkit.measure import Measure
from qsmkit.physics.iron import ADULT_MEANS, CURVES, accumulated

ZHENG = published(0.00110, 0.00008, unit="µg/g", source="Zheng 2013, 1.10 ± 0.08 ppb per µg/g wet tissue")
"""Default line; ferritin's theory gives 1.30, phantoms up to 1.46 ppb per µg/mL."""

LOWEST_SLOPE, HIGHEST_SLOPE = 0.00110, 0.00146
"""Band of published slopes, ppm per µg/g."""

ADULT = 30.0
"""Years from which the means of adults hold."""


def iron(chi: Measure, *, calibration: Calibration = ZHENG, chi_zero: Measure | None = None) -> Measure:
    """Return the iron concentration of grey matter, µg per g of wet tissue.

    Fe = (χ − χ₀)/slope

    Parameters
    ----------
    chi : Measure
        Mean susceptibility of the region, ppm, relative to what χ₀ is relative to.
    calibration : Calibration
        Line in ppm per µg/g. Not for white matter, where myelin outweighs iron.
    chi_zero : Measure, optional
        Susceptibility of the same tissue without iron, ppm; 0 if omitted.

    Raises
    ------
    InputError
        The susceptibility is not in ppm, or the calibration not in µg/g.
    """
    if chi.unit != "ppm" or calibration.unit != "µg/g":
        raise InputError(f"χ in {chi.unit} and a calibration in {calibration.unit}; give ppm and µg/g")
    zero = chi_zero.value if chi_zero else 0.0
    error = math.hypot(standard_error(chi), standard_error(chi_zero) if chi_zero else 0.0)
    return calibration.concentration(chi.value - zero, error, n=chi.n)


def model_band(chi: Measure) -> tuple[float, float]:
    """Return the iron, µg/g, by the highest and by the lowest published slope: what the choice of slope is worth."""
    ends = (chi.value / HIGHEST_SLOPE, chi.value / LOWEST_SLOPE)
    return min(ends), max(ends)


def expected_iron(region: str, age: float) -> float:
    """Return the iron that is usual in a region at an age, µg per g of wet tissue (Hallgren & Sourander 1958).

    Parameters
    ----------
    region : str
        pallidum, putamen, caudate, cortex (by age), red_nucleus, nigra, dentate, thalamus (adults).
    age : float
        Years.

    Raises
    ------
    InputError
        The region is not known, or the age is out of range.
    """
    if not 0 <= age <= 110:
        raise InputError(f"age {age} years is out of range; give 0 … 110")
    if region in CURVES:
        return 10 * accumulated(CURVES[region], age)
    if region in ADULT_MEANS:
        if age < ADULT:
            raise InputError(f"{region} is known for adults from {ADULT:g} years only, not at {age:g}")
        return 10 * ADULT_MEANS[region]
    raise InputError(f"no iron is tabulated for {region!r}; it is one of {', '.join((*CURVES, *ADULT_MEANS))}")


def z_score(value: Measure, mean: float, sd: float) -> Measure:
    """Return by how many standard deviations a value lies above the mean of a norm; its interval is the value's own.

    Parameters
    ----------
    value : Measure
        The patient's value.
    mean, sd : float
        Of the norm, in the same unit.

    Raises
    ------
    InputError
        The standard deviation is not positive.
    """
    if not sd > 0:
        raise InputError(f"a norm with a standard deviation of {sd} {value.unit} gives no score; give a positive one")
    z = (value.value - mean) / sd
    if not known(value):
        return Measure(z, math.nan, math.nan, "1", value.n, f"norm {mean:.4g} ± {sd:.4g} {value.unit}")
    low, high = (value.low - mean) / sd, (value.high - mean) / sd
    return Measure(z, low, high, "1", value.n, f"norm {mean:.4g} ± {sd:.4g} {value.unit}")
