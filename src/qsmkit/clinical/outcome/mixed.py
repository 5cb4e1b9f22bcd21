"""A mixed model of the motor score over visits: every patient counts, also one who missed a visit."""

import warnings
from collections.abc import Sequence

import numpy as np
import statsmodels.api as sm
from scipy import stats
from statsmodels.tools.sm_exceptions import ConvergenceWarning as FitWarning

from qsmkit.clinical.outcome.motor import State, Visit
from qsmkit.errors import DataWarning, InputError
from qsmkit.measure import Measure


def mixed_model(
    visits: Sequence[Visit], medication: State, stimulation: State, *, confidence: float = 0.95
) -> dict[float, Measure]:
    """Return the change from baseline at each month by score ~ month + (1 | patient), fitted by REML.

    Parameters
    ----------
    visits : sequence of Visit
        All examinations on one scale.
    medication : {"on", "off", ""}
        State of medication of the rows that are used.
    stimulation : {"on", "off", ""}
        State of stimulation of the rows after surgery that are used; the baseline has none.
    confidence : float
        Of the intervals: Student's t on the fixed effects' standard errors, with one degree of freedom fewer than there
        are patients, which is exact for two visits and nothing missing.

    Returns
    -------
    dict of float to Measure
        Change in points by month; negative is better.

    Raises
    ------
    InputError
        Fewer than three patients, or no visit after the baseline.

    Warns
    -----
    DataWarning
        The fit did not converge, or the variance between patients is at its bound.
    """
    used = [
        v for v in visits
        if v.medication == medication and np.isfinite(v.score) and (v.month == 0 or v.stimulation == stimulation)
    ]  # fmt: skip
    months = sorted({v.month for v in used if v.month > 0})
    patients = {v.patient for v in used}
    if len(patients) < 3 or not months or not any(v.month == 0 for v in used):
        raise InputError(
            f"a mixed model needs 3 patients, a baseline and a later visit; medication {medication or 'not given'} has "
            f"{len(patients)} patients and {len(months)} later visits"
        )
    design = np.array([[1.0, *(float(v.month == m) for m in months)] for v in used])
    score = np.array([v.score for v in used])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = sm.MixedLM(score, design, groups=np.array([v.patient for v in used])).fit(reml=True)
    troubled = [w for w in caught if issubclass(w.category, FitWarning)]
    if troubled or not fit.converged:
        told = troubled[0].message if troubled else "not converged"
        warnings.warn(DataWarning(f"the mixed model is doubtful ({told})"), stacklevel=2)
    reach = stats.t.ppf((1 + confidence) / 2, len(patients) - 1) * np.asarray(fit.bse_fe, np.float64)
    effect = np.asarray(fit.fe_params, np.float64)
    return {
        month: Measure(
            float(effect[i]), float(effect[i] - reach[i]), float(effect[i] + reach[i]), "points",
            sum(v.month == month for v in used), "mixed model, random intercept of the patient, REML, t interval",
        )
        for i, month in enumerate(months, 1)
    }  # fmt: skip
