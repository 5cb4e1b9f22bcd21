"""Molar and saturated magnetism: how much susceptibility a concentration makes.

    Curie:       χ = c μ₀ N_A μ_eff² μ_B²/(3 k T)          paramagnetic ions, any field
    saturated:   χ_app = μ₀ M_s c M_Fe/B₀                   iron-oxide particles, falls with the field
    moment:      m = χ_tot B₀/μ₀                            of a compact source, χ_tot its χ times volume

SI throughout, except where a name says otherwise. Constants of nature are CODATA 2018.
"""

from math import pi

from qsmkit.errors import ParameterError

MU0 = 4e-7 * pi
"""Vacuum permeability, T·m/A (its last digits since 2019 do not matter here)."""

AVOGADRO, BOHR_MAGNETON, BOLTZMANN = 6.02214076e23, 9.2740100783e-24, 1.380649e-23
"""1/mol, J/T, J/K."""

BODY = 37.0
"""Temperature of the body, °C."""

KELVIN = 273.15

IRON_MOLAR_MASS = 55.845
"""g/mol."""

GADOLINIUM_MU2 = 63.0
"""μ_eff² of Gd³⁺, 8S7/2 with g = 2, in squared Bohr magnetons."""

FERRITIN_MU = 3.78
"""μ_eff of an iron atom in ferritin, Bohr magnetons."""

SPIO_SATURATION = 110.0
"""Saturation magnetisation of superparamagnetic iron oxide, A·m² per kg of iron; phantoms gave 71 … 110."""


def curie_ppm_per_mm(mu_squared: float, *, temperature_c: float = BODY) -> float:
    """Return the susceptibility of a dilute paramagnet, ppm per mmol/L.

    Parameters
    ----------
    mu_squared : float
        Square of the effective moment, in squared Bohr magnetons.
    temperature_c : float
        °C.

    Raises
    ------
    ParameterError
        The temperature is not above −50 °C and below 100 °C.
    """
    if not -50 < temperature_c < 100:
        raise ParameterError(f"temperature {temperature_c} °C is out of range; give degrees Celsius")
    molar = MU0 * AVOGADRO * mu_squared * BOHR_MAGNETON**2 / (3 * BOLTZMANN * (temperature_c + KELVIN))
    return molar * 1e6  # m³/mol × mol/m³ (= mmol/L), to ppm


def saturated_ppm_per_mm(field_strength: float, *, saturation: float = SPIO_SATURATION) -> float:
    """Return the apparent susceptibility of saturated iron oxide, ppm per mmol/L of iron.

    Parameters
    ----------
    field_strength : float
        T; the particles must be saturated, say from 0.5 T.
    saturation : float
        A·m² per kg of iron.
    """
    return MU0 * saturation * IRON_MOLAR_MASS * 1e-3 / field_strength * 1e6


def moment(total: float, field_strength: float) -> float:
    """Return the magnetic moment, A·m², of a source of total susceptibility `total` (ppm·mm³) at a field (T)."""
    return 1e-15 * total * field_strength / MU0


def total_susceptibility(moment: float, field_strength: float) -> float:
    """Return the total susceptibility, ppm·mm³, that a moment (A·m²) looks like at a field (T)."""
    return 1e15 * MU0 * moment / field_strength


def saturated_iron_ug(total: float, field_strength: float, *, saturation: float = SPIO_SATURATION) -> float:
    """Return the iron, µg, of saturated iron oxide of total susceptibility `total` (ppm·mm³) at a field (T)."""
    return moment(total, field_strength) / saturation * 1e9
