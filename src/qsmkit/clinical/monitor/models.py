"""Models of log χ over time: the slope is the relative change per year, 100 (e^b − 1) %."""

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from statsmodels.tools.sm_exceptions import ConvergenceWarning as FitWarning

from qsmkit.clinical.monitor.observation import Observation, series, years
from qsmkit.errors import DataWarning, InputError
from qsmkit.measure import Measure

Model = Literal["mixed", "gee"]

FEW = 40
"""Patients below which the covariance of a GEE is corrected for bias."""


def frame(observations: Sequence[Observation]) -> pd.DataFrame:
    """Return a row per measurement with log χ, years since the lesion's first scan, patient and lesion.

    A measurement whose context is known to differ from that of the lesion's first one is left out, as is χ ≤ 0.
    """
    rows = [
        {"patient": o.patient, "lesion": o.lesion, "years": years(course[0].day, o.day), "logchi": np.log(o.mean.value)}
        for course in map(_comparable, _positive(observations)) if len(course) > 1
        for o in course
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["patient", "lesion", "years", "logchi"])


def _positive(observations: Sequence[Observation]) -> list[list[Observation]]:
    return [[o for o in course if o.mean.value > 0] for course in series(observations).values()]


def _comparable(course: list[Observation]) -> list[Observation]:
    return [o for o in course if not course[0].context.differences(o.context)]


def annual_change(observations: Sequence[Observation], model: Model = "mixed", *, confidence: float = 0.95) -> Measure:
    """Return the relative change of χ per year in all lesions, %.

    "mixed": log χ ~ years + (1 | patient) + (1 | lesion in patient), REML. "gee": log χ, centred for each lesion, ~
    years with patients as clusters and a robust covariance (bias-reduced for fewer than 40 patients); the working
    correlation is that of independence, as centring leaves none that could be exchangeable.

    Parameters
    ----------
    observations : sequence of Observation
        Measurements; those with χ ≤ 0, those that may not be compared with the lesion's first, and lesions seen once
        are left out.
    model : {"mixed", "gee"}
        Which model.
    confidence : float
        Of the interval: t with one degree of freedom fewer than there are patients.

    Raises
    ------
    InputError
        Fewer than three patients have a lesion seen twice.

    Warns
    -----
    DataWarning
        The fit did not converge, or measurements are left out because they may not be compared.
    """
    data = frame(observations)
    apart = sum(len(course) - len(_comparable(course)) for course in _positive(observations))
    if apart:
        told = (f"{apart} of {len(observations)} measurements were made unlike the lesion's first and are left out of "
                "the model; measure them alike (qsmkit monitor remeasure)")  # fmt: skip
        warnings.warn(DataWarning(told), stacklevel=2)
    patients = data["patient"].nunique()
    if patients < 3:
        raise InputError(f"a model over patients needs 3 of them with a lesion seen twice; there are {patients}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        slope, error, how = _mixed(data) if model == "mixed" else _gee(data, patients)
    told = next((str(w.message) for w in caught if issubclass(w.category, FitWarning)), "")
    if told:
        warnings.warn(DataWarning(f"the {model} model is doubtful ({told})"), stacklevel=2)
    reach = float(stats.t.ppf((1 + confidence) / 2, patients - 1)) * error
    value, low, high = (100 * float(np.expm1(b)) for b in (slope, slope - reach, slope + reach))
    return Measure(value, low, high, "%/y", len(data), f"{how}; {patients} patients, t")


def _mixed(data: pd.DataFrame) -> tuple[float, float, str]:
    nested = data.groupby("patient")["lesion"].nunique().max() > 1
    parts = {"lesion": "0 + C(lesion)"} if nested else None
    try:
        fit = sm.MixedLM.from_formula(
            "logchi ~ years", groups="patient", vc_formula=parts, re_formula="1", data=data
        ).fit(reml=True)
    except np.linalg.LinAlgError as error:
        raise InputError("the mixed model cannot be fitted to so few measurements (singular); use gee") from error
    if not fit.converged:
        warnings.warn(FitWarning("not converged"), stacklevel=1)
    how = f"mixed model of log χ, {'lesion in patient' if nested else 'one lesion a patient'}, REML"
    return float(fit.fe_params["years"]), float(fit.bse_fe["years"]), how


def _gee(data: pd.DataFrame, patients: int) -> tuple[float, float, str]:
    middle = data.groupby("lesion")[["logchi", "years"]].transform("mean")
    centred = data[["logchi", "years"]] - middle
    robust = "bias_reduced" if patients < FEW else "robust"
    fit = sm.GEE(
        centred["logchi"].to_numpy(), sm.add_constant(centred["years"].to_numpy()), groups=data["patient"].to_numpy(),
        cov_struct=sm.cov_struct.Independence(),
    ).fit(cov_type=robust)  # fmt: skip
    return float(fit.params[1]), float(fit.bse[1]), f"GEE of log χ within lesions, clustered in patients, {robust}"
