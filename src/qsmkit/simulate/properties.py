"""What the magnet sees of a body: susceptibility of either sign, relaxation, proton density.

Within the brain, reversible decay follows from the sources, whatever their sign:

    R2′ = D_r(B0) (|χ⁺| + |χ⁻|),    D_r = 137 Hz/ppm · B0 / 3 T        (`Shin2021`, as coded in a phantom)

Sums χ⁺ + χ⁻ lie in the middle of what is seen in vivo at 3 T in adults; how a sum is split, relaxation times and proton
densities are typical values, recalled and rounded. What surrounds the brain is a modelling choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.errors import ParameterError
from qsmkit.physics.signal import RELAXIVITY
from qsmkit.simulate.body import Body
from qsmkit.simulate.iron import CURVES, REFERENCE_AGE, iron
from qsmkit.simulate.tissue import Label, spread

Disease = Literal["healthy", "parkinson"]


class Sources(NamedTuple):
    """A tissue: χ⁺ and χ⁻ in ppm, R2 in 1/s, T1 in s, density over CSF's; R2′ in 1/s at 3 T unless it is D_r Σ|χ|."""

    chi_positive: float
    chi_negative: float
    r2: float
    t1: float
    density: float
    r2prime: float | None = None


SOURCES: Mapping[Label, Sources] = {
    Label.CAUDATE: Sources(0.060, -0.015, 12.5, 1.25, 0.84),
    Label.PUTAMEN: Sources(0.074, -0.019, 13.5, 1.20, 0.83),
    Label.ACCUMBENS: Sources(0.050, -0.015, 12.0, 1.30, 0.85),
    Label.GPE: Sources(0.178, -0.028, 16.5, 0.95, 0.76),
    Label.GPI: Sources(0.158, -0.033, 15.5, 0.93, 0.75),
    Label.THALAMUS: Sources(0.038, -0.028, 12.5, 1.05, 0.78),
    Label.STN: Sources(0.132, -0.027, 15.0, 1.05, 0.78),
    Label.SNC: Sources(0.133, -0.018, 14.5, 1.05, 0.79),
    Label.SNR: Sources(0.162, -0.022, 15.5, 1.00, 0.78),
    Label.RED_NUCLEUS: Sources(0.128, -0.023, 14.5, 0.95, 0.78),
    Label.ZONA_INCERTA: Sources(0.036, -0.036, 13.0, 0.92, 0.74),
    Label.DENTATE: Sources(0.133, -0.023, 14.5, 1.00, 0.80),
    Label.INTERNAL_CAPSULE: Sources(0.012, -0.047, 13.0, 0.82, 0.70),
    Label.WHITE_MATTER: Sources(0.016, -0.042, 13.5, 0.84, 0.70),
    Label.GREY_MATTER: Sources(0.033, -0.013, 10.5, 1.40, 0.83),
    Label.CSF: Sources(0.019, 0.0, 0.6, 4.2, 1.0, 0.8),
    Label.VITREOUS: Sources(0.019, 0.0, 0.8, 4.0, 0.99, 0.8),
    Label.VEIN: Sources(0.36, -0.01, 18.0, 1.65, 0.85),
    Label.FAT: Sources(0.65, 0.0, 15.0, 0.38, 0.80, 15.0),
    Label.SKIN: Sources(0.10, 0.0, 30.0, 0.90, 0.55, 20.0),
    Label.MUSCLE: Sources(0.02, -0.02, 28.0, 1.40, 0.72, 6.0),
    Label.BONE: Sources(0.0, -2.1, 400.0, 0.35, 0.12, 100.0),
    Label.DIPLOE: Sources(0.25, -0.75, 22.0, 0.42, 0.45, 90.0),
    Label.AIR: Sources(9.4, 0.0, 150.0, 1.0, 0.0, 150.0),
    Label.CALCIFICATION: Sources(0.0, -2.0, 60.0, 0.8, 0.35, 120.0),
}
"""Of every tissue that `draw_body` draws. Blood: χ = 0.36 ppm is a vein at haematocrit 0.42 and saturation 0.75."""

UNEVEN = 0.12
"""Standard deviation of the sources' density within a tissue, over its mean: a modelling choice."""

UNEVEN_SHARE = {"chi_positive": 1.0, "chi_negative": 1.0, "r2prime": 1.0, "r2": 0.3, "t1": -0.3}
"""How each property follows: χ and R2′ in proportion, so that R2′ = D_r Σ|χ| holds at every sample."""

PERSONAL = 0.08
"""Standard deviation of a nucleus' iron, over its mean, between people of an age: a modelling choice."""

NIGRAL_EXCESS = {Label.SNC: (0.030, 0.060), Label.SNR: (0.015, 0.040)}
"""Lowest and highest χ⁺, ppm, that Parkinson's disease adds to the substantia nigra: 0.02 to 0.05 on the whole."""

EVEN = {Label.CSF, Label.VITREOUS, Label.VEIN, Label.AIR, Label.CALCIFICATION}
"""Without texture."""


@dataclass(frozen=True, eq=False)
class Properties:
    """Magnetic properties of every sample of a body: (X, Y, Z) float32 arrays on its grid.

    Attributes
    ----------
    chi_positive, chi_negative : array
        Susceptibility of paramagnetic and of diamagnetic sources, ppm relative to water; `chi_negative` ≤ 0.
    r2 : array
        Irreversible transverse relaxation rate, 1/s.
    r2prime : array
        Reversible transverse relaxation rate at 3 T, 1/s; it grows in proportion to the field.
    t1 : array
        Longitudinal relaxation time, s.
    density : array
        Proton density relative to CSF.
    """

    chi_positive: FloatArray
    chi_negative: FloatArray
    r2: FloatArray
    r2prime: FloatArray
    t1: FloatArray
    density: FloatArray

    @property
    def chi(self) -> FloatArray:
        """Susceptibility χ = χ⁺ + χ⁻, ppm relative to water: (X, Y, Z)."""
        return self.chi_positive + self.chi_negative


def properties(
    body: Body, *, age: float = 55.0, disease: Disease = "healthy", rng: int | np.random.Generator = 1
) -> Properties:
    """Return what the magnet sees of a body.

    Parameters
    ----------
    body : Body
        Labels, texture and thin veins.
    age : float
        In years: iron of the grey matter grows with it, and so does χ⁺.
    disease : {"healthy", "parkinson"}
        Parkinson's disease adds iron to the substantia nigra.
    rng : int or Generator
        Seed or source of randomness: how much iron this person's nuclei have.

    Returns
    -------
    Properties
        Thin veins are mixed in by their share of a sample.

    Raises
    ------
    ParameterError
        The age is out of range, the disease unknown, or a label has no properties.
    """
    if disease not in ("healthy", "parkinson"):
        raise ParameterError(f"disease = {disease!r} is unknown; it must be 'healthy' or 'parkinson'")
    strange = set(np.flatnonzero(np.bincount(body.labels.ravel(), minlength=1)).tolist()) - set(SOURCES)
    if strange:
        raise ParameterError(f"labels {sorted(strange)} have no magnetic properties; set them after those of the body")
    table = of_person(age, disease, np.random.default_rng(rng))
    maps = {
        name: spread(body.labels, {label: getattr(tissue, name) for label, tissue in table.items()})
        for name in (f.name for f in fields(Properties))
    }
    uneven = np.float32(UNEVEN) * body.texture
    uneven *= spread(body.labels, {label: float(label not in EVEN) for label in table})
    np.clip(uneven, -0.5, 0.5, out=uneven)
    for name, share in UNEVEN_SHARE.items():
        maps[name] *= 1 + np.float32(share) * uneven
    if body.veins is not None:
        blood = table[Label.VEIN]
        for name, values in maps.items():
            values += body.veins * (np.float32(getattr(blood, name)) - values)
    return Properties(**maps)


def of_person(age: float, disease: Disease, rng: np.random.Generator) -> Mapping[Label, Sources]:
    """Return the tissues of one person, R2′ filled in: χ⁺ scaled by iron at that age, personal variation, disease."""
    table = {}
    for label, tissue in SOURCES.items():
        luck, excess = np.exp(PERSONAL * np.clip(rng.standard_normal(), -2.5, 2.5)), rng.random()
        chi_positive = tissue.chi_positive
        if label in CURVES:
            chi_positive *= luck * iron(label, age) / iron(label, REFERENCE_AGE)
        if disease == "parkinson" and label in NIGRAL_EXCESS:
            low, high = NIGRAL_EXCESS[label]
            chi_positive += low + (high - low) * excess
        r2prime = tissue.r2prime
        if r2prime is None:
            r2prime = RELAXIVITY * (chi_positive - tissue.chi_negative)
        table[label] = tissue._replace(chi_positive=float(chi_positive), r2prime=float(r2prime))
    return table
