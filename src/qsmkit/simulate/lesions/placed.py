"""A patient's lesions: placed once, drawn as they are on the day of a scan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.physics.magnetism import moment
from qsmkit.simulate.body import Body
from qsmkit.simulate.lesions.drawing import Form, draw
from qsmkit.simulate.lesions.placement import place
from qsmkit.simulate.lesions.plans import AnyLesion, Circumstances, Depot, Haematoma
from qsmkit.simulate.properties import Properties

DAYS_SEARCHED = 65
"""Days, first and last visit included, among which a lesion's largest volume is sought."""


@dataclass(frozen=True, eq=False)
class PlacedLesion:
    """A lesion with a name, a form and a place.

    Attributes
    ----------
    name : str
        Label in tables.
    plan : lesion
        Its description.
    form : Form
        Its form.
    position : (3,) array
        Centre, scanner RAS mm of the body.
    """

    name: str
    plan: AnyLesion
    form: Form
    position: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LesionRow:
    """A lesion as it is at a scan: a row of the truth's table.

    Attributes
    ----------
    index : int
        In the map of lesions, from 1.
    name, kind : str
        Label, and kind as in the scenario.
    x, y, z : float
        Centre, scanner RAS mm.
    volume : float
        mm³, partial volumes counted.
    field_strength : float
        Of the scan, T.
    chi : float
        Mean susceptibility over that volume, ppm relative to water.
    chi_total : float
        Susceptibility in excess of the tissue replaced, summed over the volume, ppm·mm³.
    moment : float
        Magnetic moment at the scan's field, A·m².
    iron : float or None
        Iron as oxide, µg; depots only.
    """

    index: int
    name: str
    kind: str
    x: float
    y: float
    z: float
    field_strength: float
    volume: float
    chi: float
    chi_total: float
    moment: float
    iron: float | None


@dataclass(frozen=True, slots=True)
class LesionEvent:
    """Something that happened to a lesion.

    Attributes
    ----------
    day : float
        Days since the first visit.
    kind : str
        onset, haemorrhage, asymptomatic_change, growth or injection.
    lesion : str
        The lesion's label.
    """

    day: float
    kind: str
    lesion: str


def place_lesions(
    plans: Mapping[str, AnyLesion], body: Body, last_day: float, rng: np.random.Generator
) -> tuple[PlacedLesion, ...]:
    """Give lesions, by name, a form and a place where they fit up to the last visit.

    Raises
    ------
    ScenarioError
        As `placement.place`.
    """
    wanted = list(plans.values())
    shaping, placing = rng.spawn(2)
    forms = [plan.form(child) for plan, child in zip(wanted, shaping.spawn(len(wanted)), strict=True)]
    days = np.linspace(0, last_day, DAYS_SEARCHED)
    reaches = [form.reach(max(plan.volume(float(d)) for d in days)) for form, plan in zip(forms, wanted, strict=True)]
    positions = place(wanted, reaches, body, placing)
    return tuple(PlacedLesion(*row) for row in zip(plans, wanted, forms, positions, strict=True))


def draw_lesions(
    lesions: Sequence[PlacedLesion], now: Circumstances, body: Body, properties: Properties
) -> tuple[list[LesionRow], npt.NDArray[np.uint8]]:
    """Draw what is there now onto the body's labels and properties, in place.

    Returns
    -------
    rows : list of LesionRow
        The table.
    indices : (X, Y, Z) uint8 array
        Index of the lesion at each sample, 0 where there is none.
    """
    rows, indices = [], np.zeros(body.grid.shape, np.uint8)
    for index, lesion in enumerate(lesions, 1):
        matter = lesion.plan.matter(now)
        if matter is None:
            continue
        drawn = draw(lesion.form, matter, lesion.position, body.grid, body.labels, properties)
        x, y, z = (float(c) for c in lesion.position)
        indices[drawn.box][drawn.inside] = index
        rows.append(LesionRow(
            index, lesion.name, lesion.plan.kind, x, y, z, now.field_strength, drawn.volume, drawn.chi, drawn.chi_total,
            moment(drawn.chi_total, now.field_strength),
            lesion.plan.iron(now.day) if isinstance(lesion.plan, Depot) else None,
        ))
    return rows, indices


def lesion_events(lesions: Sequence[PlacedLesion]) -> list[LesionEvent]:
    """Return all that happens to the lesions, by date."""
    events = []
    for lesion in lesions:
        history = lesion.plan.history
        happened = [(e.day, str(e.kind)) for e in history.events]
        if history.onset is not None:
            happened.append((history.onset, "onset"))
        if isinstance(lesion.plan, Haematoma):
            happened.append((lesion.plan.day, "haemorrhage"))
        if isinstance(lesion.plan, Depot):
            happened.append((lesion.plan.day, "injection"))
        events += [LesionEvent(day, kind, lesion.name) for day, kind in happened]
    return sorted(events, key=lambda e: (e.day, e.lesion))
