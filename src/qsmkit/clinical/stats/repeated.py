"""Several conditions measured on the same subjects: one-way and repeated-measures analysis of variance, Friedman.

    x_ij = μ + subject_i + condition_j + e_ij,   F = MS_condition / MS_e on ε(k − 1), ε(k − 1)(n − 1) degrees

ε is Greenhouse and Geisser's: 1 if all differences of two conditions vary alike (sphericity), 1/(k − 1) at worst.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from qsmkit.clinical.stats import intervals
from qsmkit.errors import InputError, ShapeError
from qsmkit.measure import Measure

Values = npt.NDArray[np.float64]

LEAST = 3
"""Subjects below which nothing is tested."""


@dataclass(frozen=True, eq=False)
class Repeated:
    """Values of the same subjects under every condition.

    Attributes
    ----------
    values : (n, k) array
        A row a subject, a column a condition, in `unit`; complete.
    subjects, conditions : tuple of str
        Names of rows and columns.
    unit : str
        Unit of the values; "1" for a pure number.
    dropped : tuple of str
        Subjects that were left out because a value is missing.
    """

    values: Values
    subjects: tuple[str, ...]
    conditions: tuple[str, ...]
    unit: str = "1"
    dropped: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of subjects."""
        return len(self.values)

    @property
    def k(self) -> int:
        """Number of conditions."""
        return len(self.conditions)

    def means(self, confidence: float = 0.95) -> dict[str, Measure]:
        """Return the mean of each condition with its t interval over subjects."""
        how = "mean over subjects, t interval"
        columns = zip(self.conditions, self.values.T, strict=True)
        return {c: intervals.mean(column, self.unit, how, confidence) for c, column in columns}


@dataclass(frozen=True, slots=True)
class Test:
    """A test of whether the conditions differ.

    Attributes
    ----------
    name : str
        Which.
    statistic : float
        F, or χ² of Friedman's.
    degrees : tuple of float
        Of freedom, before any correction.
    p : float
        Probability of a statistic at least as large if the conditions do not differ, corrected if `epsilon` is.
    epsilon : float
        Factor of the degrees of freedom in `p`; 1 if not corrected.
    p_uncorrected : float
        The same with `epsilon` = 1.
    effects : tuple of (name, Measure)
        Effect sizes with their intervals.
    note : str
        What it takes for granted.
    """

    name: str
    statistic: float
    degrees: tuple[float, ...]
    p: float
    epsilon: float
    p_uncorrected: float
    effects: tuple[tuple[str, Measure], ...]
    note: str


def repeated(
    values: npt.ArrayLike, subjects: tuple[str, ...], conditions: tuple[str, ...], *, unit: str = "1"
) -> Repeated:
    """Return the subjects that have a value under every condition.

    Parameters
    ----------
    values : (n, k) array
        In `unit`; NaN is missing.
    subjects, conditions : tuple of str
        Names of rows and columns.
    unit : str
        Unit of the values.

    Raises
    ------
    ShapeError
        The names do not fit the values.
    InputError
        Fewer than 2 conditions or 3 complete subjects.
    """
    table = np.asarray(values, np.float64)
    if table.shape != (len(subjects), len(conditions)):
        raise ShapeError(
            f"values of shape {table.shape} are not those of {len(subjects)} subjects × {len(conditions)} conditions"
        )
    whole = [bool(np.isfinite(row).all()) for row in table]
    kept, lost = (tuple(s for s, w in zip(subjects, whole, strict=True) if w == want) for want in (True, False))
    if len(conditions) < 2 or len(kept) < LEAST:
        raise InputError(
            f"{len(kept)} of {len(subjects)} subjects have all of {', '.join(conditions)}; a comparison needs 2 "
            f"conditions and {LEAST} complete subjects"
        )
    return Repeated(table[whole], kept, conditions, unit, lost)


def sums_of_squares(values: Values) -> tuple[Values, Values, Values]:
    """Return the sums of squares of conditions, subjects and error of (…, n, k) tables, in unit²."""
    n, k = values.shape[-2:]
    grand = values.mean((-2, -1), keepdims=True)
    rows, columns = values.mean(-1, keepdims=True), values.mean(-2, keepdims=True)
    condition: Values = n * ((columns - grand) ** 2).sum((-2, -1))
    subject: Values = k * ((rows - grand) ** 2).sum((-2, -1))
    error: Values = ((values - rows - columns + grand) ** 2).sum((-2, -1))
    return condition, subject, error


def greenhouse_geisser(values: Values) -> Values:
    """Return ε = (tr Σ̃)² / ((k − 1) tr Σ̃²) of (…, n, k) tables, Σ̃ the doubly centred covariance of the conditions."""
    k = values.shape[-1]
    centred = values - values.mean(-2, keepdims=True)
    centred = centred - centred.mean(-1, keepdims=True)
    covariance = np.swapaxes(centred, -1, -2) @ centred
    trace = np.trace(covariance, axis1=-2, axis2=-1)
    epsilon: Values = trace**2 / ((k - 1) * (covariance**2).sum((-2, -1)))
    return epsilon


def huynh_feldt(epsilon: float, n: int, k: int) -> float:
    """Return Huynh and Feldt's ε from Greenhouse and Geisser's, at most 1."""
    room = (k - 1) * (n - 1 - (k - 1) * epsilon)
    return min(1.0, (n * (k - 1) * epsilon - 2) / room) if room > 0 else 1.0


def corrected_p(values: Values) -> Values:
    """Return the p values of the repeated-measures analyses, degrees times ε, of (…, n, k) tables."""
    n, k = values.shape[-2:]
    condition, _, error = sums_of_squares(values)
    epsilon = greenhouse_geisser(values)
    p: Values = stats.f.sf(condition * (n - 1) / error, epsilon * (k - 1), epsilon * (k - 1) * (n - 1))
    return p


def repeated_anova(table: Repeated, *, confidence: float = 0.95, rng: int | np.random.Generator = 1) -> Test:
    """Return the repeated-measures analysis of variance, its degrees of freedom times Greenhouse and Geisser's ε.

    Effects: partial η² = SS_c/(SS_c + SS_e), interval by the noncentral F distribution with the corrected degrees;
    generalised η² = SS_c/(SS_c + SS_s + SS_e) (Olejnik & Algina 2003), by bootstrap of subjects.

    Parameters
    ----------
    table : Repeated
        The values.
    confidence : float
        Of the intervals.
    rng : int or Generator
        Seed or source of randomness.

    Raises
    ------
    InputError
        Nothing is left to chance: the conditions differ by the same amount in every subject.
    """
    condition, subject, error = (float(s) for s in sums_of_squares(table.values))
    if error <= 1e-24 * (condition + subject + np.abs(table.values).max() ** 2):
        raise InputError("the conditions differ by the same amount in every subject; no chance is left to test against")
    d1 = table.k - 1
    d2 = d1 * (table.n - 1)
    f = condition / d1 / (error / d2)
    epsilon = float(greenhouse_geisser(table.values))
    partial = condition / (condition + error)
    low, high = intervals.partial_eta_squared(f, epsilon * d1, epsilon * d2, confidence)
    how = "SS_c/(SS_c + SS_e), noncentral F with corrected degrees"
    return Test(
        "repeated-measures ANOVA", f, (d1, d2), float(stats.f.sf(f, epsilon * d1, epsilon * d2)), epsilon,
        float(stats.f.sf(f, d1, d2)),
        (
            ("partial η²", intervals.measure(partial, low, high, table.n, how)),
            ("generalised η²", intervals.bootstrap(
                _generalised, table.values, "SS_c/(SS_c + SS_s + SS_e), BCa bootstrap of subjects", confidence, rng)),
        ),
        "residuals normal; unequal variances of differences are corrected for by Greenhouse–Geisser's ε",
    )  # fmt: skip


def friedman(table: Repeated, *, confidence: float = 0.95, rng: int | np.random.Generator = 1) -> Test:
    """Return Friedman's test of ranks within subjects, with Kendall's W = χ²/(n(k − 1)).

    Parameters
    ----------
    table : Repeated
        The values.
    confidence : float
        Of the interval of W, by bootstrap of subjects.
    rng : int or Generator
        Seed or source of randomness.
    """
    chi2 = float(_friedman(table.values))
    p = float(stats.chi2.sf(chi2, table.k - 1))
    w = intervals.bootstrap(
        lambda v: _friedman(v) / (v.shape[-2] * (v.shape[-1] - 1)), table.values,
        "χ²/(n(k − 1)), BCa bootstrap of subjects", confidence, rng,
    )  # fmt: skip
    return Test("Friedman", chi2, (table.k - 1,), p, 1.0, p, (("Kendall's W", w),), "only the order within subjects")


def one_way_anova(table: Repeated, *, confidence: float = 0.95) -> Test:
    """Return the one-way analysis of variance, which takes the subjects of each condition for other people.

    Published comparisons of contrasts use it; the repeated-measures analysis is the right one.
    """
    f, p = (float(v) for v in stats.f_oneway(*table.values.T))
    d1, d2 = table.k - 1, table.k * (table.n - 1)
    low, high = intervals.partial_eta_squared(f, d1, d2, confidence)
    eta = f * d1 / (f * d1 + d2)
    return Test(
        "one-way ANOVA", f, (d1, d2), p, 1.0, p,
        (("η²", intervals.measure(eta, low, high, table.n, "SS_c/SS_total, noncentral F")),),
        "takes the measurements of one subject for those of different people: as published, not the right one",
    )  # fmt: skip


def _generalised(values: Values) -> Values:
    condition, subject, error = sums_of_squares(values)
    whole = condition + subject + error
    share: Values = np.divide(condition, whole, out=np.full_like(whole, np.nan), where=whole > 0)
    return share


def _friedman(values: Values) -> Values:
    """Return χ² of (…, n, k) tables, corrected for ties."""
    n, k = values.shape[-2:]
    ranks = stats.rankdata(values, axis=-1)
    between = n * ((ranks.mean(-2) - (k + 1) / 2) ** 2).sum(-1)
    spread = ((ranks - (k + 1) / 2) ** 2).sum((-2, -1)) / (n * (k - 1))
    chi2: Values = np.divide(between, spread, out=np.zeros_like(between), where=spread > 0)
    return chi2
