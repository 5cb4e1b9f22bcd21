"""Gadolinium from the rise of susceptibility."""

import math

from qsmkit.clinical.quantify.calibration import Calibration, published
from qsmkit.clinical.quantify.propagate import standard_error
from qsmkit.errors import InputError
from qsmkit.measure import Measure
from qsmkit.physics.magnetism import BODY, GADOLINIUM_MU2, curie_ppm_per_mm

THEORY_ERROR = 0.05
"""Relative standard error of the theoretical slope: phantoms on 15 scanners gave 0.350, theory 0.326 at 31 °C."""


def theory(temperature_c: float = BODY) -> Calibration:
    """Return the line of Curie's law for Gd³⁺ at a temperature (°C), ppm per mM: 0.319 at 37 °C, 0.338 at 20 °C."""
    slope = curie_ppm_per_mm(GADOLINIUM_MU2, temperature_c=temperature_c)
    source = f"Curie's law, Gd³⁺ at {temperature_c:g} °C, ± {100 * THEORY_ERROR:g} %"
    return published(slope, THEORY_ERROR * slope, unit="mM", source=source)


def gadolinium(
    post: Measure, pre: Measure | None = None, *, calibration: Calibration | None = None, temperature_c: float = BODY
) -> Measure:
    """Return the concentration of gadolinium, mM.

    c = (χ_post − χ_pre − offset)/slope

    Parameters
    ----------
    post, pre : Measure
        Susceptibility after and before the agent, ppm, to one reference; without `pre`, `post` is the rise itself.
    calibration : Calibration, optional
        Line of the site's phantom in ppm per mM, brought to `temperature_c` by Curie's law if its temperature is known;
        theory if omitted.
    temperature_c : float
        Of the tissue, °C.

    Raises
    ------
    InputError
        A susceptibility is not in ppm, or the calibration not in mM.
    """
    line = calibration or theory(temperature_c)
    if line.unit != "mM" or post.unit != "ppm" or (pre and pre.unit != "ppm"):
        raise InputError(f"χ in {post.unit} and a calibration in {line.unit}; give ppm and mM")
    if calibration and calibration.temperature_c is not None:
        line = calibration.at(temperature_c)
    rise = post.value - (pre.value if pre else 0.0)
    error = math.hypot(standard_error(post), standard_error(pre) if pre else 0.0)
    found = line.concentration(rise, error, n=post.n)
    limit = line.detection_limit(error)
    if error and found.value < limit:
        told = f"{found.method}; below the detection limit of {limit:.3g} mM"
        return Measure(found.value, found.low, found.high, "mM", found.n, told)
    return found
