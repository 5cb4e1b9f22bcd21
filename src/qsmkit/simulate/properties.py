"""What the magnet sees of a body: susceptibility of either sign, relaxation, proton density."""

from dataclasses import dataclass

from qsmkit.arrays import FloatArray


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
