"""Tissues of the digital head: their labels and what the magnet sees of them.

Labels follow the numbering that public QSM phantoms use, so that scores by region are comparable.
Susceptibilities are those of the reconstruction challenge's head (Marques 2021, `Marques2021`) relative to
water, with a dentate nucleus in the middle of the range in vivo. Relaxation and proton density are typical
adult values at 3 T, rounded: R2* = R2 + R2' B0 / (3 T), because R2' grows with the field and R2 hardly does.
These, bone, air, fat and calcification are modelling choices, not measurements.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt


class Label(IntEnum):
    """What a voxel of the head is made of."""

    CAUDATE = 1
    PALLIDUM = 2
    PUTAMEN = 3
    RED_NUCLEUS = 4
    DENTATE = 5
    NIGRA_STN = 6
    THALAMUS = 7
    WHITE_MATTER = 8
    GREY_MATTER = 9
    CSF = 10
    VEIN = 11
    FAT = 12
    BONE = 13
    AIR = 14
    MUSCLE = 15
    CALCIFICATION = 16
    GPE = 17
    GPI = 18
    STN = 19
    SNC = 20
    SNR = 21
    ZONA_INCERTA = 22
    INTERNAL_CAPSULE = 23
    DIPLOE = 24
    SKIN = 25
    VITREOUS = 26
    CAVERNOMA = 27
    HAEMOSIDERIN = 28
    MICROBLEED = 29
    HAEMATOMA = 30
    ENHANCING = 31
    DEPOT = 32
    RIM_LESION = 33
    ACCUMBENS = 34


PARENCHYMA = tuple(label for label in Label if label <= Label.GREY_MATTER)
"""Labels of brain tissue proper, the ones that have texture."""


@dataclass(frozen=True, slots=True)
class Tissue:
    """Magnetic properties of one tissue.

    Attributes
    ----------
    chi : float
        Susceptibility relative to water, ppm.
    r2 : float
        Irreversible transverse relaxation rate, 1/s.
    r2prime : float
        Reversible transverse relaxation rate at 3 T, 1/s.
    t1 : float
        Longitudinal relaxation time, s.
    density : float
        Proton density relative to CSF.
    """

    chi: float
    r2: float
    r2prime: float
    t1: float
    density: float


TISSUES: Mapping[Label, Tissue] = {
    Label.CAUDATE: Tissue(0.044, 13, 9, 1.25, 0.84),
    Label.PALLIDUM: Tissue(0.130, 17, 24, 0.95, 0.76),
    Label.PUTAMEN: Tissue(0.038, 14, 11, 1.20, 0.83),
    Label.RED_NUCLEUS: Tissue(0.100, 15, 16, 0.95, 0.78),
    Label.DENTATE: Tissue(0.120, 15, 17, 1.00, 0.80),
    Label.NIGRA_STN: Tissue(0.111, 16, 19, 1.00, 0.78),
    Label.THALAMUS: Tissue(0.010, 13, 7, 1.05, 0.78),
    Label.WHITE_MATTER: Tissue(-0.030, 13, 8, 0.83, 0.70),
    Label.GREY_MATTER: Tissue(0.020, 12, 5, 1.35, 0.82),
    Label.CSF: Tissue(0.019, 1.5, 1.5, 4.0, 1.0),
    Label.VEIN: Tissue(0.190, 15, 30, 1.6, 0.80),
    Label.FAT: Tissue(0.65, 15, 15, 0.38, 0.75),
    Label.BONE: Tissue(-2.1, 150, 50, 0.6, 0.08),
    Label.AIR: Tissue(9.4, 150, 150, 1.0, 0.0),
    Label.MUSCLE: Tissue(0.0, 22, 8, 1.4, 0.72),
    Label.CALCIFICATION: Tissue(-3.0, 30, 30, 1.0, 0.35),
}


def spread(labels: npt.NDArray[np.uint8], values: Mapping[Label, float]) -> npt.NDArray[np.float32]:
    """Return the volume that has at each voxel the value of its label."""
    table = np.zeros(max(Label) + 1, np.float32)
    for label, value in values.items():
        table[label] = value
    return table[labels]
