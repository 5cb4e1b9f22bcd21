"""Lesions as a scenario describes them: one dataclass a kind, whose fields are its keys in the file.

Lengths are in mm, susceptibilities in ppm relative to water, days count from the first visit. Default values of
susceptibility and thickness are modelling choices within the published ranges.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from qsmkit.errors import ParameterError
from qsmkit.physics.magnetism import total_susceptibility
from qsmkit.simulate.lesions import material
from qsmkit.simulate.lesions.drawing import Form, Matter, ball, heap
from qsmkit.simulate.lesions.history import History
from qsmkit.simulate.lesions.material import BODY_TEMPERATURE
from qsmkit.simulate.tissue import Label

Region = Literal["lobar", "deep", "infratentorial", "white_matter"]

_Coordinate = Annotated[float, Ge(-120), Le(120)]
_Chi = Annotated[float, Gt(0), Le(5)]
_Day = Annotated[float, Ge(-36525), Le(36525)]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a lesion's looks depend on besides itself.

    Attributes
    ----------
    day : float
        Days since the first visit.
    field_strength : float
        T.
    gadolinium : float
        Concentration of contrast agent in blood, mM.
    """

    day: float
    field_strength: float
    gadolinium: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion(ABC):
    """What all lesions have.

    Attributes
    ----------
    name : str or None
        Label in tables; numbered if left out.
    diameter : float
        Of the sphere of the same volume at the first visit, mm.
    region : str or None
        Where to place it at random; needed unless `position` is given.
    position : tuple of float or None
        Right, anterior and superior of the mid-commissural point, mm, along the axes of the AC-PC frame.
    history : History
        Its course.
    """

    name: str | None = None
    diameter: Annotated[float, Gt(0), Le(60)]
    region: Region | None = None
    position: tuple[_Coordinate, _Coordinate, _Coordinate] | None = None
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        if (self.region is None) == (self.position is None):
            raise ParameterError("give either region or position, not " + ("both" if self.region else "neither"))

    def form(self, rng: np.random.Generator) -> Form:
        """Return its form."""
        return ball()

    def volume(self, day: float) -> float:
        """Return its volume on a day, mm³."""
        return float(np.pi / 6 * self.diameter**3 * self.history.volume(day))

    @abstractmethod
    def matter(self, now: Circumstances) -> Matter | None:
        """Return what it is made of, or None while it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cavernoma(Lesion):
    """Cavernous malformation: a popcorn of caverns with blood of all ages, walls and a rim of haemosiderin.

    Attributes
    ----------
    chi, rim_chi : float
        Of the caverns' blood (their mean) and of haemosiderin at the first visit, ppm.
    rim : float
        Thickness of the rim, mm; no more than a quarter of the diameter is used.
    lobes : int
        Number of caverns.
    """

    kind: Literal["cavernoma"]
    diameter: Annotated[float, Ge(3), Le(25)]
    chi: _Chi = 0.22
    rim_chi: _Chi = 0.65
    rim: Annotated[float, Gt(0), Le(5)] = 1.2
    lobes: Annotated[int, Ge(1), Le(60)] = 14

    def form(self, rng: np.random.Generator) -> Form:
        """Return a heap of balls."""
        return heap(self.lobes, rng)

    def matter(self, now: Circumstances) -> Matter | None:
        """Return caverns, walls and rim, their susceptibility after the lesion's history."""
        if not self.history.there(now.day):
            return None
        factor = self.history.chi(now.day)
        # Neighbours in the heap differ most; the mean of the factors is one.
        cores = tuple(material.blood(self.chi * factor * share, ripeness)
                      for share, ripeness in ((1.0, 0.9), (1.4, 0.2), (0.7, 1.0), (1.2, 0.5), (0.7, 0.7)))  # fmt: skip
        grown = self.history.volume(now.day) ** (1 / 3)
        return Matter(
            self.volume(now.day), cores, Label.CAVERNOMA, material.haemosiderin(self.rim_chi * factor),
            rim_width=min(self.rim, self.diameter / 4) * grown,
            septum_width=min(0.35 * self.rim, self.diameter / 20) * grown,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Microbleed(Lesion):
    """Cerebral microbleed: a ball of haemosiderin.

    Attributes
    ----------
    chi : float
        At the first visit, ppm.
    """

    kind: Literal["microbleed"]
    diameter: Annotated[float, Ge(1), Le(10)]
    chi: _Chi = 0.8

    def matter(self, now: Circumstances) -> Matter | None:
        """Return haemosiderin."""
        if not self.history.there(now.day):
            return None
        stained = material.haemosiderin(self.chi * self.history.chi(now.day))
        return Matter(self.volume(now.day), (stained,), Label.MICROBLEED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calcification(Lesion):
    """Calcified lesion: diamagnetic, and bright on CT.

    Attributes
    ----------
    chi : float
        At the first visit, ppm: negative.
    """

    kind: Literal["calcification"]
    chi: Annotated[float, Ge(-5), Lt(0)] = -1.5

    def form(self, rng: np.random.Generator) -> Form:
        """Return a small heap."""
        return heap(4, rng)

    def matter(self, now: Circumstances) -> Matter | None:
        """Return calcified tissue."""
        if not self.history.there(now.day):
            return None
        chalk = material.calcium(self.chi * self.history.chi(now.day))
        return Matter(self.volume(now.day), (chalk,), Label.CALCIFICATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Haematoma(Lesion):
    """Parenchymal haematoma, whose blood ages.

    Attributes
    ----------
    day : float
        Of the bleeding, counted from the first visit.
    half_life : float
        Of its volume, days.
    """

    kind: Literal["haematoma"]
    day: _Day = -1.0
    half_life: Annotated[float, Gt(0), Le(3650)] = 60.0

    def form(self, rng: np.random.Generator) -> Form:
        """Return a few balls."""
        return heap(5, rng)

    def volume(self, day: float) -> float:
        """Return what is left of its volume, mm³; a tenth stays as a cavity."""
        left = 0.1 + 0.9 * 0.5 ** (max(day - self.day, 0.0) / self.half_life)
        return float(np.pi / 6 * self.diameter**3 * self.history.volume(day) * left)

    def matter(self, now: Circumstances) -> Matter | None:
        """Return clot and rim of their age."""
        if now.day < self.day:
            return None
        core, rim = material.haematoma(now.day - self.day)
        width = 0.08 * self.diameter if rim is not core else 0.0
        return Matter(self.volume(now.day), (core,), Label.HAEMATOMA, rim, rim_width=width)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enhancing(Lesion):
    """Lesion with a leaky rim around a core that takes up little contrast agent.

    Attributes
    ----------
    uptake : float
        Concentration in the rim relative to blood.
    core_uptake : float
        The same for the core.
    rim : float
        Thickness, mm.
    temperature : float
        K; gadolinium's susceptibility goes with its inverse.
    """

    kind: Literal["enhancing"]
    uptake: Annotated[float, Ge(0), Le(1)] = 0.5
    core_uptake: Annotated[float, Ge(0), Le(1)] = 0.05
    rim: Annotated[float, Gt(0), Le(20)] = 3.0
    temperature: Annotated[float, Gt(250), Le(350)] = BODY_TEMPERATURE

    def form(self, rng: np.random.Generator) -> Form:
        """Return a few balls."""
        return heap(6, rng)

    def matter(self, now: Circumstances) -> Matter | None:
        """Return tumour tissue with as much gadolinium as leaked in."""
        if not self.history.there(now.day):
            return None
        rim, core = (
            material.enhanced(plain, share * now.gadolinium, self.temperature) for share, plain in (
                (self.uptake, material.of_chi(0.01, r2=11.0, t1=1.4, density=0.9)),
                (self.core_uptake, material.of_chi(0.01, r2=6.0, t1=2.0, density=0.95)),
            )
        )
        return Matter(
            self.volume(now.day), (core,), Label.ENHANCING, rim, min(self.rim, self.diameter / 4), Label.ENHANCING
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Depot(Lesion):
    """Iron-oxide particles: a moment that is saturated at clinical fields, hence χ ∝ 1 / B0.

    The iron that is there t days after the injection is mass · (1 − 2^(−t / uptake)) · 2^(−t / half_life).

    Attributes
    ----------
    mass : float
        Iron that the depot would hold without clearance, µg.
    day : float
        Of the injection, counted from the first visit.
    uptake, half_life : float
        Half times of arrival and of clearance, days.
    magnetisation : float
        Saturation magnetisation Ms, A·m²/kg Fe; 110 of ferumoxides as published, 71 … 95 for others.
    """

    kind: Literal["depot"]
    mass: Annotated[float, Gt(0), Le(1000)]
    day: _Day = 0.0
    uptake: Annotated[float, Gt(0), Le(3650)] = 0.5
    half_life: Annotated[float, Gt(0), Le(3650)] = 14.0
    magnetisation: Annotated[float, Gt(0), Le(150)] = 110.0

    def iron(self, day: float) -> float:
        """Return the iron that is there on a day, µg."""
        since = max(day - self.day, 0.0)
        return float(self.mass * (1 - 0.5 ** (since / self.uptake)) * 0.5 ** (since / self.half_life))

    def matter(self, now: Circumstances) -> Matter | None:
        """Return tissue with iron oxide."""
        iron, volume = self.iron(now.day), self.volume(now.day)
        if iron == 0 or not self.history.there(now.day):
            return None
        moment = material.iron_oxide_moment(iron, self.magnetisation)
        added = total_susceptibility(moment, now.field_strength) / volume
        stained = material.of_chi(added, r2=32.0, t1=1.2, density=0.8)
        return Matter(volume, (stained,), Label.DEPOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RimLesion(Lesion):
    """Chronic active lesion of multiple sclerosis: iron-laden microglia around a demyelinated core.

    Attributes
    ----------
    chi, rim_chi : float
        Of core and rim at the first visit, ppm.
    rim : float
        Thickness, mm.
    """

    kind: Literal["rim_lesion"]
    chi: Annotated[float, Ge(-1), Le(1)] = 0.01
    rim_chi: Annotated[float, Gt(0), Le(1)] = 0.08
    rim: Annotated[float, Gt(0), Le(5)] = 1.2

    def form(self, rng: np.random.Generator) -> Form:
        """Return two or three merged balls."""
        return heap(3, rng)

    def matter(self, now: Circumstances) -> Matter | None:
        """Return core and rim."""
        if not self.history.there(now.day):
            return None
        factor = self.history.chi(now.day)
        core = material.of_chi(self.chi, r2=7.0, t1=1.5, density=0.85)
        rim = material.of_chi(self.rim_chi * factor, r2=11.0, t1=1.2, density=0.8)
        return Matter(
            self.volume(now.day), (core,), Label.RIM_LESION, rim, min(self.rim, self.diameter / 4), Label.RIM_LESION
        )


AnyLesion: TypeAlias = Cavernoma | Microbleed | Calcification | Haematoma | Enhancing | Depot | RimLesion

