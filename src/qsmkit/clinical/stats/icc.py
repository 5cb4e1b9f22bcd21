"""Intraclass correlation: how much of the spread is between cases rather than between methods."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from qsmkit.clinical.stats.clustered import jackknife, t_interval
from qsmkit.clinical.stats.paired import Paired, Values
from qsmkit.errors import InputError
from qsmkit.measure import Measure

FORMS = ("ICC(1,1)", "ICC(A,1)", "ICC(C,1)")


@dataclass(frozen=True, slots=True)
class MeanSquares:
    """Two-way analysis of variance of n cases by k methods.

    Attributes
    ----------
    n, k : int
        Cases and methods.
    cases, methods, error, within : float
        Mean squares of rows, columns, residual, and of everything within a case.
    """

    n: int
    k: int
    cases: float
    methods: float
    error: float
    within: float


def mean_squares(table: npt.ArrayLike) -> MeanSquares:
    """Return the mean squares of a complete table of measurements.

    Parameters
    ----------
    table : (n, k) array
        A row a case, a column a method; any unit.

    Raises
    ------
    InputError
        Fewer than two cases or methods, or a value is missing.
    """
    values = np.asarray(table, np.float64)
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise InputError(f"a table of shape {values.shape} with missing values or fewer than 2 × 2; give complete rows")
    n, k = values.shape
    centred = values - values.mean()
    rows, columns = centred.mean(1), centred.mean(0)
    inside = ((centred - rows[:, None]) ** 2).sum()
    residual = ((centred - rows[:, None] - columns) ** 2).sum()
    return MeanSquares(
        n, k, float(k * (rows**2).sum() / (n - 1)), float(n * (columns**2).sum() / (k - 1)),
        float(residual / ((n - 1) * (k - 1))), float(inside / (n * (k - 1))),
    )  # fmt: skip


def icc(table: npt.ArrayLike, *, confidence: float = 0.95) -> dict[str, Measure]:
    """Return the single-measurement intraclass correlations with their exact intervals.

    ICC(1,1) = (MS_R − MS_W)/(MS_R + (k−1) MS_W), ICC(C,1) = (MS_R − MS_E)/(MS_R + (k−1) MS_E),
    ICC(A,1) = (MS_R − MS_E)/(MS_R + (k−1) MS_E + k (MS_C − MS_E)/n).

    Parameters
    ----------
    table : (n, k) array
        A row a case, a column a method; independent rows.
    confidence : float
        Of the intervals.

    Returns
    -------
    dict
        "ICC(1,1)", "ICC(A,1)", "ICC(C,1)": a pure number each; NaN where nothing varies.

    References
    ----------
    McGraw & Wong 1996 (forms, intervals); Shrout & Fleiss 1979 (the forms' first names).
    """
    a = mean_squares(table)
    n, k = a.n, a.k
    upper = (1 + confidence) / 2
    one, absolute, consistency = _coefficients(a)
    limits = {
        "ICC(1,1)": (one, *_f_interval(a.cases, a.within, n - 1, n * (k - 1), k, upper)),
        "ICC(A,1)": (absolute, *_absolute_interval(a, absolute, upper)),
        "ICC(C,1)": (consistency, *_f_interval(a.cases, a.error, n - 1, (n - 1) * (k - 1), k, upper)),
    }
    return {
        form: Measure(value, _at_most(low, value), _at_least(high, value), "1", n, "McGraw–Wong F interval")
        for form, (value, low, high) in limits.items()
    }


def icc_of_pairs(pairs: Paired, *, confidence: float = 0.95) -> dict[str, Measure]:
    """Return the intraclass correlations of two methods; pairs of one patient are not taken for independent.

    Independent pairs get the exact intervals of `icc`. Clustered ones get ± t SE of the jackknife over clusters on the
    scale of Fisher's z.
    """
    table = np.stack([pairs.x, pairs.y], 1)
    exact = icc(table, confidence=confidence)
    if pairs.cluster is None:
        return exact

    def transformed(p: Paired) -> Values:
        found = np.array(_coefficients(mean_squares(np.stack([p.x, p.y], 1))))
        z: Values = np.arctanh(np.clip(found, -1 + 1e-12, 1 - 1e-12))
        return z

    z, error, degrees = jackknife(transformed, pairs)
    low, high = (np.tanh(end) for end in t_interval(z, error, degrees, confidence))
    how = "jackknife over clusters, Fisher z"
    return {
        form: Measure(value, _at_most(float(low[i]), value), _at_least(float(high[i]), value), "1", pairs.n, how)
        for i, form in enumerate(FORMS)
        for value in [exact[form].value]
    }


def _coefficients(a: MeanSquares) -> tuple[float, float, float]:
    n, k = a.n, a.k
    return (
        _ratio(a.cases - a.within, a.cases + (k - 1) * a.within),
        _ratio(a.cases - a.error, a.cases + (k - 1) * a.error + k * (a.methods - a.error) / n),
        _ratio(a.cases - a.error, a.cases + (k - 1) * a.error),
    )


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else float("nan")


def _f_interval(cases: float, error: float, df1: int, df2: int, k: int, upper: float) -> tuple[float, float]:
    if error == 0:
        return (1.0, 1.0) if cases > 0 else (float("nan"), float("nan"))
    f = cases / error
    low, high = f / stats.f.ppf(upper, df1, df2), f * stats.f.ppf(upper, df2, df1)
    return float((low - 1) / (low + k - 1)), float((high - 1) / (high + k - 1))


def _absolute_interval(a: MeanSquares, icc_a: float, upper: float) -> tuple[float, float]:
    n, k = a.n, a.k
    if not np.isfinite(icc_a):
        return float("nan"), float("nan")
    if a.error == 0 and a.methods == 0:
        return 1.0, 1.0
    # with ρ near 1 both weights grow without bound; only their ratio matters for the degrees of freedom
    wide, tight = k * icc_a / n, (1 - icc_a) + k * icc_a * (n - 1) / n
    total = wide * a.methods + tight * a.error
    parts = (wide * a.methods) ** 2 / (k - 1) + (tight * a.error) ** 2 / ((n - 1) * (k - 1))
    v = max(total**2 / parts, k - 1) if parts > 0 else 1.0  # a negative ρ would make the degrees vanish
    f_low, f_high = float(stats.f.ppf(upper, n - 1, v)), float(stats.f.ppf(upper, v, n - 1))
    spread = k * a.methods + (k * n - k - n) * a.error
    return (
        n * (a.cases - f_low * a.error) / (f_low * spread + n * a.cases),
        n * (f_high * a.cases - a.error) / (spread + n * f_high * a.cases),
    )


def _at_most(low: float, value: float) -> float:
    return min(low, value) if np.isfinite(low) else low


def _at_least(high: float, value: float) -> float:
    return max(high, value) if np.isfinite(high) else high
