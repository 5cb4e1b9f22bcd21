"""Everything that is to be said about two methods measuring the same thing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from qsmkit.clinical.stats import bland_altman as ba
from qsmkit.clinical.stats import concordance, fractions, regression, variance
from qsmkit.clinical.stats.icc import icc_of_pairs
from qsmkit.clinical.stats.paired import Paired
from qsmkit.errors import ParameterError
from qsmkit.measure import Measure

FEW = 10
"""Cases or clusters below which a warning is given: a modelling choice."""

THRESHOLDS = (0.1, 0.5, 1.0, 2.0)
"""Differences that readers ask about, mm."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """The analysis of two methods.

    Attributes
    ----------
    pairs : Paired
        What was analysed.
    thresholds : tuple of float
        Differences that count as agreement, in the pairs' unit.
    confidence : float
        Of every interval; that of equivalence is 1 − 2 (1 − confidence).
    statistics : dict of str to Measure
        By name; see `agreement`.
    p_values : dict of str to float
        Of those statistics that a test belongs to: proportional bias, equal variances (Pitman–Morgan), equal
        spread over the range, equivalence (two one-sided tests).
    bland_altman : BlandAltman
        Raw.
    normalised : (Paired, BlandAltman) or None
        The methods brought to scales of their own, if asked for.
    spread : Spread
        Between cases, and between methods.
    sentences : tuple of str
        What the numbers mean.
    warnings : tuple of str
        What the reader must know before believing them.
    """

    pairs: Paired
    thresholds: tuple[float, ...]
    confidence: float
    statistics: dict[str, Measure]
    p_values: dict[str, float]
    bland_altman: ba.BlandAltman
    normalised: tuple[Paired, ba.BlandAltman] | None
    spread: variance.Spread
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, dict[str, object]]:
        """Return the statistics as plain values for JSON; those of a test have its p value too."""
        return {
            name: measure.as_dict() | ({"p": self.p_values[name]} if name in self.p_values else {})
            for name, measure in self.statistics.items()
        }

    def cases(self) -> Iterator[dict[str, object]]:
        """Yield a row for each case: both values, mean, difference, and whether they agree within each threshold."""
        p = self.pairs
        hits = [fractions.within(p, t) for t in self.thresholds]
        for i, case in enumerate(p.case):
            row: dict[str, object] = {"case": case}
            if p.cluster is not None:
                row["cluster"] = int(p.cluster[i]) + 1
            row |= {
                p.x_name: float(p.x[i]), p.y_name: float(p.y[i]), "mean": float(p.mean[i]),
                "difference": float(p.difference[i]),
            }  # fmt: skip
            yield row | {f"within_{t:g}": bool(h[i]) for t, h in zip(self.thresholds, hits, strict=True)}


def agreement(
    pairs: Paired,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    confidence: float = 0.95,
    error_ratio: float = 1.0,
    margin: float | None = None,
    tdi_share: float = 0.9,
    resolution: float | None = None,
    normalise: str | None = None,
) -> Agreement:
    """Analyse the agreement of two methods.

    Parameters
    ----------
    pairs : Paired
        The pairs, with their clusters.
    thresholds : sequence of float
        Differences that count as agreement, in the pairs' unit.
    confidence : float
        Of every interval.
    error_ratio : float
        Variance of y's errors over that of x's, for Deming's line.
    margin : float, optional
        Mean difference of no consequence, in the pairs' unit; the largest threshold but one if omitted.
    tdi_share : float
        Share of pairs of the total deviation index.
    resolution : float, optional
        Step or voxel of the coarser method, in the pairs' unit.
    normalise : {"minmax", "z"}, optional
        Also analyse the methods on scales of their own, beside the raw analysis.

    Returns
    -------
    Agreement
        Statistics "pearson", "spearman", "ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "CCC", "bias", "sd_between",
        "sd_difference", "lower_limit", "upper_limit", "proportional_slope", "variance_correlation", "spread_slope",
        "deming_slope", "deming_intercept", "passing_bablok_slope", "passing_bablok_intercept", "TDI", "equivalence"
        and "fraction_within_T" for each threshold T.

    Raises
    ------
    ParameterError
        A setting is out of range.
    """
    if not 0.5 <= confidence < 1:
        raise ParameterError(f"confidence = {confidence} is not between 0.5 and 1; 0.95 is usual")
    if not thresholds:
        raise ParameterError("no threshold is given; name at least one difference that counts as agreement")
    if normalise not in (None, "minmax", "z"):
        raise ParameterError(f"normalise = {normalise!r} is not known; it is minmax or z")
    steps = tuple(sorted(set(map(float, thresholds))))
    limits = ba.bland_altman(pairs, confidence=confidence)
    mean_difference, equivalent_p = fractions.equivalence(
        pairs, steps[max(len(steps) - 2, 0)] if margin is None else margin, alpha=(1 - confidence)
    )
    found = variance.spread(pairs, limits.sd, confidence=confidence)
    deming = regression.deming(pairs, error_ratio=error_ratio, confidence=confidence)
    robust = regression.passing_bablok(pairs, confidence=confidence)
    coefficients = icc_of_pairs(pairs, confidence=confidence)
    statistics = {
        "pearson": concordance.pearson(pairs, confidence=confidence),
        "spearman": concordance.spearman(pairs, confidence=confidence),
        **coefficients,
        "CCC": concordance.ccc(pairs, confidence=confidence),
        "bias": limits.bias,
        "sd_between": found.between,
        "sd_difference": limits.sd,
        "lower_limit": limits.lower_limit,
        "upper_limit": limits.upper_limit,
        "proportional_slope": limits.proportional_slope,
        "variance_correlation": limits.variance_correlation,
        "spread_slope": limits.spread_slope,
        "deming_slope": deming.slope,
        "deming_intercept": deming.intercept,
        "passing_bablok_slope": robust.slope,
        "passing_bablok_intercept": robust.intercept,
        "TDI": fractions.total_deviation_index(pairs, tdi_share, confidence=confidence),
        "equivalence": mean_difference,
        **{f"fraction_within_{t:g}": fractions.agreement_fraction(pairs, t, confidence=confidence) for t in steps},
    }
    p_values = {
        "proportional_slope": limits.proportional_p,
        "variance_correlation": limits.variance_p,
        "spread_slope": limits.spread_p,
        "equivalence": equivalent_p,
    }
    normalised = None
    if normalise:
        scaled = ba.normalised(pairs, normalise)
        normalised = (scaled, ba.bland_altman(scaled, confidence=confidence))
    return Agreement(
        pairs, steps, confidence, statistics, p_values, limits, normalised, found,
        tuple(_sentences(pairs, statistics, p_values, found, steps, 1 - confidence)),
        tuple(_warnings(pairs, steps, resolution)),
    )  # fmt: skip


def _sentences(
    pairs: Paired, statistics: dict[str, Measure], p_values: dict[str, float], found: variance.Spread,
    thresholds: tuple[float, ...], alpha: float,
) -> Iterator[str]:
    unit = "" if pairs.unit == "1" else f" {pairs.unit}"
    shares = ", ".join(
        f"{100 * m.value:.0f} % [{100 * m.low:.0f}, {100 * m.high:.0f}] within {t:g}{unit}"
        for t in thresholds
        for m in [statistics[f"fraction_within_{t:g}"]]
    )
    yield f"{pairs.x_name} and {pairs.y_name} agree in {shares} of {pairs.n} cases."
    yield variance.explain(found, statistics["ICC(A,1)"].value, pairs.unit)
    lower, upper, bias = statistics["lower_limit"], statistics["upper_limit"], statistics["bias"]
    yield (
        f"{pairs.x_name} minus {pairs.y_name} is {bias} on average; "
        f"95 % of cases are expected to differ by {lower.value:+.3g} to {upper.value:+.3g}{unit} (limits of agreement)."
    )
    p = p_values["equivalence"]
    if np.isfinite(p):
        yield (
            f"The mean difference is {'' if p < alpha else 'not '}shown to be of no consequence "
            f"({statistics['equivalence'].method.partition(';')[0]}, p = {p:.2g})."
        )
    if p_values["proportional_slope"] < alpha:
        yield "The difference changes with size (proportional bias): the limits do not hold over the whole range."
    if p_values["spread_slope"] < alpha:
        yield "The differences scatter more for some sizes than for others: the limits are too narrow there."


def _warnings(pairs: Paired, thresholds: tuple[float, ...], resolution: float | None) -> Iterator[str]:
    yield from fractions.check_thresholds(thresholds, resolution, pairs.unit)
    if pairs.dropped:
        yield f"{len(pairs.dropped)} cases with a missing value were left out: {', '.join(pairs.dropped)}"
    for name, values in ((pairs.x_name, pairs.x), (pairs.y_name, pairs.y)):
        if np.ptp(values) == 0:
            yield f"{name} is {values[0]:g} in every case: correlations are undefined"
    if pairs.n < FEW:
        yield f"only {pairs.n} cases: intervals are wide, and normality cannot be judged"
    if pairs.cluster is not None and pairs.clusters < FEW:
        none = "; most statistics have no interval" if pairs.clusters < 3 else ""
        yield f"only {pairs.clusters} clusters: intervals over clusters are wide and approximate{none}"
    if pairs.cluster is not None:
        yield (
            f"{pairs.n} pairs in {pairs.clusters} clusters are not independent: intervals are over clusters; "
            "Passing–Bablok's takes pairs for independent"
        )
