"""What lesions are made of, and what iron, gadolinium and time do to it.

Susceptibilities follow from the physics of each species where there is one (Curie's law for gadolinium, saturation
for iron oxide). Those of haemorrhage are the range measured in vivo (0.3 … 1.5 ppm), and relaxation times at 3 T and
proton densities are typical ones: recalled, modelling choices.
"""

from dataclasses import dataclass, replace

import numpy as np

from qsmkit.physics.magnetism import BODY, GADOLINIUM_MU2, KELVIN, curie_ppm_per_mm
from qsmkit.physics.signal import RELAXIVITY

BODY_TEMPERATURE = BODY + KELVIN
"""K."""

RELAXIVITY_1, RELAXIVITY_2 = 4.5, 5.5
"""Of a small gadolinium chelate in blood at 3 T, 1/s per mM: recalled."""


@dataclass(frozen=True, slots=True)
class Material:
    """Magnetic properties; see `Properties`.

    Attributes
    ----------
    chi_positive, chi_negative : float
        Susceptibility relative to water of paramagnetic and (≤ 0) of diamagnetic sources, ppm.
    r2 : float
        Irreversible transverse relaxation rate, 1/s.
    r2prime : float
        Reversible transverse relaxation rate at 3 T, 1/s.
    t1 : float
        Longitudinal relaxation time, s.
    density : float
        Proton density relative to CSF.
    """

    chi_positive: float
    chi_negative: float
    r2: float
    r2prime: float
    t1: float
    density: float

    def row(self) -> tuple[float, ...]:
        """Return the values in the order in which `drawing` blends them."""
        return (self.chi_positive, self.chi_negative, self.r2, self.r2prime, self.t1, self.density)


def of_chi(chi: float, *, r2: float, t1: float, density: float) -> Material:
    """Return a material whose sources are all of the sign of `chi`, ppm, and lie in grains: R2′ = Dr |χ|."""
    return Material(max(chi, 0.0), min(chi, 0.0), r2, RELAXIVITY * abs(chi), t1, density)


def haemosiderin(chi: float) -> Material:
    """Return the stained tissue that old blood leaves: dark on T2w."""
    return of_chi(chi, r2=50.0, t1=1.2, density=0.7)


def blood(chi: float, ripeness: float) -> Material:
    """Return blood in a cavern: 0 thrombosed and dark on T2w, 1 with free methaemoglobin, bright on T1w and T2w."""
    return of_chi(chi, r2=36 - 29 * ripeness, t1=1.3 - 0.85 * ripeness, density=0.85)


def calcium(chi: float) -> Material:
    """Return calcified tissue, dark on everything but CT."""
    return of_chi(chi, r2=30.0, t1=1.0, density=0.35)


_DAYS = (0.0, 1.0, 3.0, 7.0, 14.0, 30.0, 90.0)
_HAEMATOMA = {
    "chi": (0.10, 0.80, 0.75, 0.50, 0.45, 0.35, 0.15),
    "r2": (8.0, 40.0, 40.0, 34.0, 8.0, 5.0, 3.0),
    "t1": (1.7, 1.5, 0.8, 0.45, 0.40, 0.60, 2.5),
}


def haematoma(days: float) -> tuple[Material, Material]:
    """Return core and rim of a clot so many days after the bleeding.

    Oxy-, deoxy-, intracellular met-, free methaemoglobin, then a cavity within haemosiderin (bands: hyperacute < 1 d,
    acute 1 … 3 d, early subacute 3 … 7 d, late 8 … 30 d, chronic > 30 d). The core's susceptibility halves within the
    first week as measured (Zhang 2018); the rest is a modelling choice.
    """
    at = np.log1p(max(days, 0.0))
    axis = np.log1p(_DAYS)
    chi, r2, t1 = (float(np.interp(at, axis, _HAEMATOMA[name])) for name in ("chi", "r2", "t1"))
    stained = float(np.interp(days, (3.0, 30.0), (chi, 0.7)))
    core = of_chi(chi, r2=r2, t1=t1, density=0.9)
    return core, haemosiderin(stained) if days > 3 else core


def enhanced(plain: Material, concentration: float, temperature: float = BODY_TEMPERATURE) -> Material:
    """Return a material with gadolinium dissolved in it, mM: 1/T1 += r1 c, R2 += r2 c, χ += χ_mol c."""
    return replace(
        plain,
        chi_positive=plain.chi_positive + gadolinium_susceptibility(concentration, temperature),
        r2=plain.r2 + RELAXIVITY_2 * concentration,
        t1=1 / (1 / plain.t1 + RELAXIVITY_1 * concentration),
    )


def gadolinium_susceptibility(concentration: float, temperature: float = BODY_TEMPERATURE) -> float:
    """Return the susceptibility, ppm, that gadolinium (mM) adds at a temperature in K: χ ∝ 1 / T."""
    return concentration * curie_ppm_per_mm(GADOLINIUM_MU2, temperature_c=temperature - KELVIN)


def iron_oxide_moment(mass: float, magnetisation: float) -> float:
    """Return the moment, A·m², of so many µg of iron as an oxide, saturated: m = Ms · mass (Ms in A·m²/kg Fe)."""
    return magnetisation * mass * 1e-9
