"""Deep grey nuclei of one patient beside each other, the other side, and what is usual at the age."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from qsmkit.clinical.profile.norms import OLDEST, Norm, Score, Sex, find, score
from qsmkit.clinical.quantify.iron import ADULT, ZHENG, expected_iron, iron, model_band
from qsmkit.clinical.quantify.propagate import known, normal, ratio, standard_error
from qsmkit.errors import InputError
from qsmkit.measure import Measure

Side = Literal["left", "right", ""]

IRON_REGION = {
    "caudate": "caudate", "putamen": "putamen", "GPe": "pallidum", "GPi": "pallidum", "pallidum": "pallidum",
    "thalamus": "thalamus", "RN": "red_nucleus", "SN": "nigra", "dentate": "dentate",
}  # fmt: skip
"""Under which name the post-mortem iron of a nucleus was tabulated; there is none for the STN."""

UNUSUAL = 0.05
"""Two-sided p below which a region is named in the summary: one region in twenty of a healthy person is."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Mean susceptibility of one nucleus of one side.

    Attributes
    ----------
    region : str
        Name, such as GPi, STN, SN, RN, putamen.
    side : {"left", "right", ""}
        The patient's side.
    chi : Measure
        Mean, ppm, relative to the map's reference region.
    """

    region: str
    side: Side
    chi: Measure

    @property
    def name(self) -> str:
        """Region and side."""
        return f"{self.region} {self.side}".strip()


@dataclass(frozen=True, slots=True)
class Line:
    """What is said of one reading.

    Attributes
    ----------
    reading : Reading
        The nucleus.
    score : Score or None
        Against controls, if a norm holds.
    iron : Measure or None
        Iron that explains the whole susceptibility, µg/g wet tissue, if the nucleus has a post-mortem value.
    iron_band : (float, float)
        The same by the highest and the lowest published slope, µg/g; NaN without.
    expected_iron : float
        Post-mortem iron at the age, µg/g; NaN without.
    """

    reading: Reading
    score: Score | None
    iron: Measure | None
    iron_band: tuple[float, float]
    expected_iron: float


@dataclass(frozen=True, slots=True)
class Asymmetry:
    """Left against right.

    Attributes
    ----------
    region : str
        The nucleus.
    difference : Measure
        Left − right, ppm: the reference region cancels.
    index : Measure
        200 (left − right)/(left + right), percent: depends on the reference region.
    """

    region: str
    difference: Measure
    index: Measure

    @property
    def clear(self) -> bool:
        """Whether the interval of the difference leaves out 0."""
        return known(self.difference) and not self.difference.low <= 0 <= self.difference.high


@dataclass(frozen=True, slots=True)
class Profile:
    """The summary of one patient.

    Attributes
    ----------
    age : float
        Years.
    sex : {"F", "M", ""}
        Sex; empty if not told.
    lines : tuple of Line
        A line for each reading.
    asymmetries : tuple of Asymmetry
        For each nucleus with two sides.
    ratios : dict of str to Measure
        SN over STN by side.
    """

    age: float
    sex: Sex
    lines: tuple[Line, ...]
    asymmetries: tuple[Asymmetry, ...]
    ratios: dict[str, Measure]

    def sentences(self) -> list[str]:
        """Return what a reader is told first."""
        scored = [line for line in self.lines if line.score]
        if not scored:
            told = ["No norms were given: values stand beside post-mortem iron at the age, and say nothing of disease."]
        else:
            out = [line for line in scored if line.score and line.score.p < UNUSUAL]
            chance = UNUSUAL * len(scored)
            names = ", ".join(f"{x.reading.name} (z {x.score.z.value:+.1f})" for x in out if x.score)
            told = [f"{len(out)} of {len(scored)} nuclei are unusual at p < {UNUSUAL:g}"
                    f"{': ' + names if out else ''}; {chance:.1f} would be by chance alone."]  # fmt: skip
        clear = [a for a in self.asymmetries if a.clear]
        sides = ", ".join(f"{a.region} ({'left' if a.difference.value > 0 else 'right'} higher)" for a in clear)
        told.append(f"Left and right differ beyond their errors in {len(clear)} of {len(self.asymmetries)} nuclei"
                    f"{': ' + sides if clear else ''}.")  # fmt: skip
        return told


def profile(readings: Sequence[Reading], age: float, *, sex: Sex = "", norms: Iterable[Norm] = ()) -> Profile:
    """Return the summary of one patient's nuclei.

    Left and right are taken to err independently; where they share a reference region, the interval of their
    difference is too wide rather than too narrow.

    Parameters
    ----------
    readings : sequence of Reading
        Nuclei, ppm.
    age : float
        Years.
    sex : {"F", "M", ""}
        Of the patient, for norms that ask.
    norms : iterable of Norm
        Controls by the same pipeline and reference region.

    Raises
    ------
    InputError
        There is no reading, one stands twice, is not in ppm, or the age is out of range.
    """
    if not readings:
        raise InputError("there is no nucleus to profile; give a table of at least one")
    if not 0 < age <= OLDEST:
        raise InputError(f"age {age:g} years is out of range; give 0 … {OLDEST:g}")
    names = [reading.name for reading in readings]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice:
        raise InputError(f"{twice} stands twice in the table; give one row for each nucleus and side")
    wrong = next((r for r in readings if r.chi.unit != "ppm"), None)
    if wrong:
        raise InputError(f"χ of {wrong.name} is in {wrong.chi.unit}; give ppm")
    known_norms = tuple(norms)
    by_side: dict[Side, dict[str, Measure]] = {
        side: {r.region: r.chi for r in readings if r.side == side} for side in ("left", "right", "")
    }
    asymmetries = tuple(
        _asymmetry(region, left, by_side["right"][region])
        for region, left in by_side["left"].items() if region in by_side["right"]
    )  # fmt: skip
    ratios = {
        f"SN/STN {side}".strip(): _ratio(chi["SN"], chi["STN"])
        for side, chi in by_side.items() if {"SN", "STN"} <= chi.keys()
    }  # fmt: skip
    return Profile(age, sex, tuple(_line(r, age, sex, known_norms) for r in readings), asymmetries, ratios)


def _line(reading: Reading, age: float, sex: Sex, norms: Sequence[Norm]) -> Line:
    norm = find(norms, reading.region, age, sex)
    scored = score(reading.chi, norm, age) if norm else None
    tabulated = IRON_REGION.get(reading.region)
    if tabulated is None or age < ADULT:
        return Line(reading, scored, None, (math.nan, math.nan), math.nan)
    measured = iron(reading.chi, calibration=ZHENG)
    return Line(reading, scored, measured, model_band(reading.chi), expected_iron(tabulated, age))


def _asymmetry(region: str, left: Measure, right: Measure) -> Asymmetry:
    errors = standard_error(left), standard_error(right)
    sure = known(left) and known(right)
    apart, n = left.value - right.value, min(left.n, right.n)
    difference = normal(apart, math.hypot(*errors), "ppm", n, "left − right", sure=sure)
    both = left.value + right.value
    if both <= 0:
        told = "none: the nuclei are not paramagnetic on average"
        return Asymmetry(region, difference, Measure(math.nan, math.nan, math.nan, "%", n, told))
    # ∂/∂l of 200 (l − r)/(l + r) is 400 r/(l + r)², and ∂/∂r is −400 l/(l + r)²
    error = 400 * math.hypot(right.value * errors[0], left.value * errors[1]) / both**2
    index = normal(200 * apart / both, error, "%", n, "200 (left − right)/(left + right), errors propagated", sure=sure)
    return Asymmetry(region, difference, index)


def _ratio(top: Measure, bottom: Measure) -> Measure:
    told = "ratio of means; Fieller's interval; depends on the reference region"
    found = ratio(top.value, standard_error(top), bottom.value, standard_error(bottom))
    return Measure(*found, "1", min(top.n, bottom.n), told)
