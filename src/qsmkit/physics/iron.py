"""Iron of grey matter by age, after Hallgren and Sourander (`Hallgren1958`).

iron(t) = a (1 − exp(−k t)) + c        mg per 100 g of fresh tissue, t in years
"""

from collections.abc import Mapping
from math import exp

Curve = tuple[float, float, float]
"""a (mg/100 g), k (1/year) and c (mg/100 g)."""

CURVES: Mapping[str, Curve] = {
    "pallidum": (21.41, 0.09, 0.37),
    "putamen": (14.62, 0.04, 0.46),
    "caudate": (9.66, 0.05, 0.33),
    "cortex": (5.79, 0.04, 0.32),
}
"""The published fits; recalled."""

ADULT_MEANS: Mapping[str, float] = {"red_nucleus": 19.5, "nigra": 18.5, "dentate": 10.4, "thalamus": 4.8}
"""Means of adults, mg/100 g, of what was given without a curve; recalled."""


def accumulated(curve: Curve, age: float) -> float:
    """Return the iron of a curve at an age in years, mg per 100 g of fresh tissue."""
    a, k, c = curve
    return a * (1 - exp(-k * age)) + c
