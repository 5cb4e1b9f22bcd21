"""A digital patient as a JSON file describes it: who it is, what it has, when and how it is scanned.

    {
      "version": 1,
      "name": "ccm",
      "description": "one line",
      "start": "2024-03-11",                          date of the first visit
      "subject": {"age": 45, "sex": "F", "disease": "healthy", "anatomy": "template"},
      "lesions": [{"kind": "cavernoma", "diameter": 14, "region": "lobar"}],
      "leads":   [{"model": "Medtronic 3389", "side": "left", "nucleus": "STN", "day": 30}],
      "visits":  [{"name": "baseline", "day": 0, "scans": [{"kind": "gre"}, {"kind": "t1w"}]}]
    }

Keys and their bounds are those of the dataclasses: `Scenario` here, lesions in `lesions.plans`, leads in `implants`,
scans in `scans`. Any value may be drawn anew for each patient; see `chance`. What is left out has the default value of
its field. A scenario file therefore describes one patient (with a seed) as well as a whole cohort.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from importlib import resources
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le

from qsmkit.errors import ParameterError, ScenarioError
from qsmkit.simulate.chance import draw
from qsmkit.simulate.implants import Implant
from qsmkit.simulate.lesions.history import DAYS_PER_YEAR
from qsmkit.simulate.lesions.plans import AnyLesion
from qsmkit.simulate.scans import AnyScan, ending
from qsmkit.simulate.schema import read

VERSION = 1
"""Of the scenario's schema."""

MOST_LESIONS = 255
"""That a map of lesions can tell apart."""

FIRST_YEAR, LAST_YEAR = 1900, 2100
"""In which a patient may first be scanned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who the patient is.

    Attributes
    ----------
    age : float
        At the first visit, years.
    sex : str
        "F" or "M".
    disease : str
        "parkinson" raises the iron of the substantia nigra.
    anatomy : str
        "template" is folded like a brain and needs nilearn; "parametric" is the light head.
    step : float
        Distance of the samples on which the head is drawn, mm.
    """

    age: Annotated[float, Ge(18), Le(100)] = 45.0
    sex: Literal["F", "M"] = "F"
    disease: Literal["healthy", "parkinson"] = "healthy"
    anatomy: Literal["template", "parametric"] = "template"
    step: Annotated[float, Ge(0.4), Le(4)] = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A day on which the patient is scanned.

    Attributes
    ----------
    name : str
        Letters and digits: the session's label.
    day : float
        Days since the first visit.
    gadolinium : float
        Concentration of contrast agent in blood while scanned, mM.
    scans : tuple of scans
        What is scanned, in this order.
    """

    name: str
    day: Annotated[float, Ge(0), Le(36525)]
    gadolinium: Annotated[float, Ge(0), Le(50)] = 0.0
    scans: tuple[AnyScan, ...]

    def __post_init__(self) -> None:
        if not self.name.isalnum() or not self.name.isascii():
            raise ParameterError(f"name = {self.name!r} is no session label; use letters and digits only")
        if not self.scans:
            raise ParameterError("scans is empty; ask for one at least")
        names = [ending(scan) for scan in self.scans]
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice:
            raise ParameterError(f"two scans are called {twice!r}; give one of them another acq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A patient, all chance drawn.

    Attributes
    ----------
    version : int
        Of the schema, 1.
    name, description : str
        For people.
    start : str
        Date of the first visit, ISO 8601.
    subject : Subject
        Who.
    lesions : tuple of lesions
        What the brain has.
    leads : tuple of Implant
        What is implanted.
    brain_shift : float
        How far the brain's surface sinks at the implantation, mm.
    visits : tuple of Visit
        By date; the first is on day 0.
    """

    version: int
    name: str
    description: str = ""
    start: str = "2024-01-15"
    subject: Subject
    lesions: tuple[AnyLesion, ...] = ()
    leads: tuple[Implant, ...] = ()
    brain_shift: Annotated[float, Ge(0), Le(10)] = 0.0
    visits: tuple[Visit, ...]

    def __post_init__(self) -> None:
        try:
            year = date.fromisoformat(self.start).year
        except ValueError as error:
            raise ParameterError(f"start = {self.start!r} is no date; write it like 2024-03-11") from error
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise ParameterError(f"start = {self.start!r} is out of range; give a year {FIRST_YEAR} … {LAST_YEAR}")
        if not self.visits:
            raise ParameterError("visits is empty; give one at least")
        days = [v.day for v in self.visits]
        late = next((i for i in range(1, len(days)) if days[i] < days[i - 1]), None)
        if late:
            raise ParameterError(f"visits[{late}].day = {days[late]:g} precedes day {days[late - 1]:g} of the visit "
                                 "before it; list visits by date")  # fmt: skip
        if days[0] != 0:
            raise ParameterError(f"visits[0].day = {days[0]:g} is not 0; days count from the first visit")
        for i, visit in enumerate(self.visits):
            for j, scan in enumerate(visit.scans):
                lead = next((x for x in self.leads if x.day <= visit.day), None)
                if lead and scan.kind != "ct":
                    raise ParameterError(f"visits[{i}].scans[{j}] is an MRI after an implantation on day {lead.day:g}, "
                                         "but metal is simulated in CT only; scan before it")  # fmt: skip
        if len(self.lesions) > MOST_LESIONS:
            raise ParameterError(f"{len(self.lesions)} lesions are more than {MOST_LESIONS}; ask for fewer")
        for what, names in (("visits", [v.name for v in self.visits]), ("lesions", self.lesion_names()),
                            ("leads", [x.label for x in self.leads])):  # fmt: skip
            twice = next((n for n in names if names.count(n) > 1), None)
            if twice:
                raise ParameterError(f"two of {what} are named {twice!r}; give each its own name")

    def lesion_names(self) -> list[str]:
        """Return the label of each lesion: its own name, or its number."""
        return [lesion.name or f"L{i:02d}" for i, lesion in enumerate(self.lesions, 1)]

    def when(self, day: float) -> datetime:
        """Return date and time of a day; scans begin at nine o'clock."""
        return datetime.fromisoformat(self.start) + timedelta(days=day, hours=9)


def names() -> list[str]:
    """Return the names of the scenarios that qsmkit brings."""
    return sorted(p.name.removesuffix(".json") for p in _folder().iterdir() if p.name.endswith(".json"))


def shipped(name: str) -> dict[str, Any]:
    """Return a scenario that qsmkit brings, as JSON values.

    Raises
    ------
    ScenarioError
        There is none of this name.
    """
    if name not in names():
        raise ScenarioError(
            f"no scenario is called {name!r}; there are {', '.join(names())}, or give the path of a .json file"
        )
    tree: dict[str, Any] = json.loads((_folder() / f"{name}.json").read_text(encoding="utf-8"))
    return tree


def drawn(
    tree: Mapping[str, Any], rng: int | np.random.Generator, *, years: float | None = None
) -> tuple[Scenario, dict[str, Any]]:
    """Return the patient that a seed makes of a scenario.

    Parameters
    ----------
    tree : mapping
        A scenario's JSON values.
    rng : int or Generator
        Seed or source of randomness.
    years : float, optional
        Leave out visits more than a quarter of a year beyond.

    Returns
    -------
    Scenario, dict
        The patient, and the same as JSON values with all chance drawn.

    Raises
    ------
    ScenarioError
        The scenario is of another version, or a value is unknown, lacking, unfit or contradicts another.
    """
    if not isinstance(tree, Mapping):
        raise ScenarioError(f"a scenario is an object of keys, not {type(tree).__name__}; write {{…}}")
    version = tree.get("version")
    if version != VERSION or isinstance(version, bool):
        said = "is missing" if version is None else f"= {version!r} is not known to this qsmkit"
        raise ScenarioError(f"version {said}; it reads version {VERSION}")
    # Each part has randomness of its own, so that a lesion more leaves the subject as it was.
    root = int(np.random.default_rng(rng).integers(2**63))
    once, values = (
        {key: draw(value, np.random.default_rng([root, *key.encode()]), key, counted=counted)
         for key, value in tree.items()} for counted in (False, True)
    )  # fmt: skip
    read(Scenario, once, "")  # while entries are where they are in the file, so that complaints name their places
    made = read(Scenario, values, "")
    if years is not None:
        kept = [i for i, visit in enumerate(made.visits) if visit.day <= (years + 0.25) * DAYS_PER_YEAR]
        made = replace(made, visits=tuple(made.visits[i] for i in kept))
        values["visits"] = [values["visits"][i] for i in kept]
    return made, values


def _folder() -> Any:
    return resources.files("qsmkit.simulate") / "scenarios"
