"""The table of trial sizes for cavernous malformations, by clinical event and by biomarker.

The rates are those of the published cohorts. Rows per patient take the printed share of patients over the whole
follow-up for the probability at one yearly assessment, as the printed text suggests but does not prove; the rows
per patient-year are the reading that can be defended.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from qsmkit.clinical.stats.sample_size import Design, binary, rate


@dataclass(frozen=True, slots=True)
class Scenario:
    """A base rate and where it comes from.

    Attributes
    ----------
    name : str
        As in the table.
    p1 : float
        Probability that a yearly assessment is positive, untreated.
    reading : {"per patient", "per patient-year", "per assessment"}
        What the rate is a rate of.
    source : str
        Key of the publication.
    """

    name: str
    p1: float
    reading: str
    source: str


SCENARIOS = (
    Scenario("clinical_SH_or_growth_printed_0.31", 0.31, "per patient", "Zeineddine2018"),
    Scenario("biomarker_QSM6pct_printed_0.62", 0.62, "per patient", "Zeineddine2018"),
    Scenario("clinical_5of16", 5 / 16, "per patient", "Zeineddine2018"),
    Scenario("biomarker_10of16", 10 / 16, "per patient", "Zeineddine2018"),
    Scenario("clinical_5per22py", 5 / 22, "per patient-year", "Zeineddine2018"),
    Scenario("biomarker_10per22py", 10 / 22, "per patient-year", "Zeineddine2018"),
    Scenario("TR1_SH_21per178.3py", 21 / 178.3, "per patient-year", "Flemming2024"),
    Scenario("TR2_QSM6_65of143", 65 / 143, "per assessment", "Hage2024"),
)

REDUCTIONS = (0.2, 0.3, 0.5)
"""Relative reductions by a treatment: 50 % off a rate of 0.31 leaves 0.155."""

TESTS = ((0.1, 0.9), (0.05, 0.9), (0.05, 0.8))
"""Two-sided level and power."""

ASSESSMENTS, CORRELATION, LOSS = 2, 0.8, 0.2
"""Yearly assessments of a patient, their correlation, and the share of patients that a trial loses for imaging."""


def trial_table() -> Iterator[dict[str, str | float | int]]:
    """Yield the rows: patients per arm by four formulas, unrounded and rounded up, and after dropout.

    Numbers are pure; `raw_…` have four digits after the point, probabilities six.
    """
    for scenario in SCENARIOS:
        for reduction in REDUCTIONS:
            for alpha, power in TESTS:
                yield _row(scenario, reduction, Design(alpha, power, ASSESSMENTS, CORRELATION, dropout=LOSS))


def _row(scenario: Scenario, reduction: float, design: Design) -> dict[str, str | float | int]:
    p1, p2 = scenario.p1, scenario.p1 * (1 - reduction)
    sizes = {
        "diggle_pooled": binary(p1, p2, design),
        "unpooled": binary(p1, p2, design, "unpooled"),
        "gee_logit": binary(p1, p2, design, "gee_logit"),
        "lograte_poisson": rate(p1, p2, design),
    }
    return {
        "scenario": scenario.name,
        "p1": round(p1, 6),
        "rel_reduction": reduction,
        "p2": round(p2, 6),
        "m": design.m,
        "rho": design.rho,
        "alpha_two_sided": design.alpha,
        "power": design.power,
        **{f"raw_{name}": round(size.raw, 4) for name, size in sizes.items()},
        **{f"n_{name}": size.n1 for name, size in sizes.items()},
        "n_pooled_inflated_20pct_dropout": sizes["diggle_pooled"].enrol1,
    }
