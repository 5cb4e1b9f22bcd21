"""What an analysis of variance takes for granted, tested."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from qsmkit.clinical.stats.repeated import Repeated, greenhouse_geisser, huynh_feldt


@dataclass(frozen=True, slots=True)
class Assumption:
    """One assumption.

    Attributes
    ----------
    name : str
        What is assumed.
    test : str
        By which test.
    statistic, p : float
        W, χ² or F of the test, and its p value; a small one speaks against the assumption.
    meaning : str
        What follows.
    """

    name: str
    test: str
    statistic: float
    p: float
    meaning: str


def assumptions(table: Repeated, *, alpha: float = 0.05) -> list[Assumption]:
    """Return normality of the residuals, sphericity (from 3 conditions on) and equality of variances.

    Parameters
    ----------
    table : Repeated
        The values.
    alpha : float
        Level at which an assumption is called doubtful.
    """
    v = table.values
    rest = v - v.mean(0) - v.mean(1, keepdims=True) + v.mean()
    w, p = (float(x) for x in stats.shapiro(rest.ravel()))
    found = [Assumption(
        "normal residuals", "Shapiro–Wilk", w, p,
        "doubtful: read Friedman's test and the signed ranks" if p < alpha else "no objection",
    )]  # fmt: skip
    if table.k > 2:
        chi2, p = mauchly(table)
        epsilon = float(greenhouse_geisser(v))
        feldt = huynh_feldt(epsilon, table.n, table.k)
        words = f"ε {epsilon:.3f} (Greenhouse–Geisser), {feldt:.3f} (Huynh–Feldt); the degrees are corrected"
        found.append(Assumption("sphericity", "Mauchly", chi2, p, words))
    f, p = (float(x) for x in stats.levene(*v.T, center="median"))
    words = "doubtful: the one-way ANOVA and the mixed model lean on it" if p < alpha else "no objection"
    found.append(Assumption("equal variances", "Levene (Brown–Forsythe)", f, p, words))
    return found


def mauchly(table: Repeated) -> tuple[float, float]:
    """Return χ² and p of Mauchly's test of sphericity; NaN with no more subjects than conditions.

    W = |C S Cᵀ| / (tr(C S Cᵀ)/q)^q with q = k − 1 orthonormal contrasts C;
    χ² = −(n − 1 − (2q² + q + 2)/(6q)) ln W on q(q + 1)/2 − 1 degrees of freedom.
    """
    n, q = table.n, table.k - 1
    if n <= table.k:
        return float("nan"), float("nan")
    contrasts = np.linalg.svd(np.eye(table.k) - 1 / table.k)[0][:, :q]
    s = np.cov(table.values @ contrasts, rowvar=False)
    _, logarithm = np.linalg.slogdet(s)
    log_w = float(logarithm - q * np.log(np.trace(s) / q))
    chi2 = -(n - 1 - (2 * q**2 + q + 2) / (6 * q)) * log_w
    return chi2, float(stats.chi2.sf(chi2, q * (q + 1) / 2 - 1))
