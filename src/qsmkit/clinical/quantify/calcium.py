"""Calcium or blood: the sign of a lesion, and a concentration only by the user's own calibration."""

from typing import Literal

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.clinical.quantify.calibration import Calibration
from qsmkit.clinical.quantify.propagate import standard_error
from qsmkit.errors import InputError
from qsmkit.measure import Measure

Sign = Literal["diamagnetic", "paramagnetic", "indeterminate"]

SURE = 3.0
"""Standard deviations of the background by which the median must differ from it."""


def sign(core: FloatArray, background: FloatArray, *, noise: float = 0.0, sure: float = SURE) -> Sign:
    """Return whether a lesion is diamagnetic (calcium) or paramagnetic (blood, iron), from its core.

    Parameters
    ----------
    core : (n,) array
        Susceptibility of the lesion's core, ppm; its rim has a halo of the opposite sign.
    background : (m,) array
        Susceptibility of the tissue around it, ppm.
    noise : float
        Standard deviation of a voxel by noise, ppm; the background's own spread counts if it is larger.
    sure : float
        How many standard deviations the median must be away from the background's.

    Returns
    -------
    {"diamagnetic", "paramagnetic", "indeterminate"}
        Indeterminate if it is neither, or if a quarter of the core is clearly of the other sign.

    Raises
    ------
    InputError
        Either holds no voxel.
    """
    if core.size == 0 or background.size == 0:
        raise InputError(f"{core.size} voxels of core and {background.size} of background; give both")
    middle = float(np.median(background))
    spread = max(1.4826 * float(np.median(np.abs(background - middle))), noise)
    above = core - middle
    limit = sure * spread
    if np.median(above) > limit:
        return "indeterminate" if np.percentile(above, 25) < -limit else "paramagnetic"
    if np.median(above) < -limit:
        return "indeterminate" if np.percentile(above, 75) > limit else "diamagnetic"
    return "indeterminate"


def calcium(chi: Measure, calibration: Calibration) -> Measure:
    """Return the calcium concentration, mg/mL, by the user's calibration; none is built in.

    Inside dense calcium there is no signal and χ is unreliable; read the value as a lower bound there.

    Raises
    ------
    InputError
        χ is not in ppm and below zero, or the calibration not in mg/mL with a falling line.
    """
    if calibration.unit != "mg/mL" or calibration.slope >= 0:
        raise InputError(
            f"a calibration of {calibration.slope:g} ppm per {calibration.unit} is not one of calcium; "
            "give mg/mL and a negative slope"
        )
    if chi.unit != "ppm" or chi.value >= 0:
        raise InputError(f"χ = {chi} is not below zero; what is not diamagnetic is not calcium")
    return calibration.concentration(chi.value, standard_error(chi), n=chi.n)
