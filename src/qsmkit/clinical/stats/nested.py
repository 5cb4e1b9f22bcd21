"""Hemispheres nested in subjects: a mixed model in which two sides of one head are not two people."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from statsmodels.tools.sm_exceptions import ConvergenceWarning as FitWarning

from qsmkit.errors import InputError
from qsmkit.measure import Measure


@dataclass(frozen=True, eq=False)
class Nested:
    """The fit of value ~ condition + side + (1 | subject) + (1 | subject : side).

    Attributes
    ----------
    differences : dict of str to Measure
        Reference condition minus each other one, in the values' unit.
    p : float
        Of no difference between conditions: Wald's F on k − 1 and n − 1 degrees of freedom.
    f : float
        That F.
    subject_sd, hemisphere_sd, residual_sd : float
        Square roots of the components of variance, in the values' unit.
    trouble : str
        What the fit complained of; empty if nothing.
    """

    differences: dict[str, Measure]
    p: float
    f: float
    subject_sd: float
    hemisphere_sd: float
    residual_sd: float
    trouble: str


def nested_model(
    values: Sequence[float], subjects: Sequence[str], sides: Sequence[str], conditions: Sequence[str], reference: str,
    *, unit: str = "1", confidence: float = 0.95,
) -> Nested:  # fmt: skip
    """Fit the mixed model by REML to every value that there is; a missing side or contrast leaves the rest in.

    Parameters
    ----------
    values : sequence of float
        In `unit`; NaN is left out.
    subjects, sides, conditions : sequence of str
        Of each value.
    reference : str
        Condition that the others are compared with.
    unit : str
        Unit of the values.
    confidence : float
        Of the intervals: Student's t with one degree of freedom fewer than there are subjects.

    Raises
    ------
    InputError
        Fewer than 3 subjects, one side only, or the reference is no condition.
    """
    frame = pd.DataFrame({"value": values, "subject": subjects, "side": sides, "condition": conditions}).dropna()
    people, others = frame["subject"].nunique(), sorted(set(frame["condition"]) - {reference})
    if people < 3 or frame["side"].nunique() < 2 or reference not in set(frame["condition"]) or not others:
        raise InputError(
            f"the mixed model needs 3 subjects, both sides and the condition {reference!r} beside another; there are "
            f"{people} subjects, sides {', '.join(sorted(set(frame['side'])))}, "
            f"conditions {', '.join(sorted(set(frame['condition'])))}"
        )
    scale = float(frame["value"].std()) or 1.0
    second = sorted(set(frame["side"]))[1]
    columns = {f"d{i}": (frame["condition"] == c).astype(float) for i, c in enumerate(others)}
    design = frame.assign(value=frame["value"] / scale, second=(frame["side"] == second).astype(float), **columns)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = sm.MixedLM.from_formula(
            f"value ~ {' + '.join(columns)} + second", design, groups="subject", re_formula="1",
            vc_formula={"hemisphere": "0 + C(side)"},
        ).fit(reml=True)
    effect, error = np.asarray(fit.fe_params)[1:-1] * scale, np.asarray(fit.bse_fe)[1:-1] * scale
    covariance = np.asarray(fit.cov_params())[1 : len(others) + 1, 1 : len(others) + 1] * scale**2
    f = float(effect @ np.linalg.solve(covariance, effect)) / len(others)
    reach = stats.t.ppf((1 + confidence) / 2, people - 1) * error
    how = "mixed model, hemisphere nested in subject, REML, t interval"
    differences = {
        c: Measure(float(-e), float(-e - r), float(-e + r), unit, people, how)
        for c, e, r in zip(others, effect, reach, strict=True)
    }
    told = " ".join(str(w.message) for w in caught if issubclass(w.category, FitWarning))
    trouble = "" if fit.converged else "not converged"
    if "boundary" in told or "singular" in told:
        trouble = ", ".join(filter(None, (trouble, "a component of variance is at its bound")))
    return Nested(
        differences, float(stats.f.sf(f, len(others), people - 1)), f,
        float(np.sqrt(np.asarray(fit.cov_re)[0, 0])) * scale, float(np.sqrt(np.asarray(fit.vcomp)[0])) * scale,
        float(np.sqrt(fit.scale)) * scale, trouble,
    )  # fmt: skip
