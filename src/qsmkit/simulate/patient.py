"""A digital patient: one anatomy, scanned visit by visit, and everything that is true about each scan.

The only module that knows all parts. A scenario is drawn into a `Patient`; `scans` then yields one `Acquired` after the
other, so that no more than one scan is in memory.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmkit.artifacts import ARTIFACTS
from qsmkit.grid import Grid
from qsmkit.simulate.body import Body, draw_body
from qsmkit.simulate.ct import CtScan, head_ct
from qsmkit.simulate.gre import GreScan, gre
from qsmkit.simulate.image import Image
from qsmkit.simulate.implants import ImplantedLead, implant
from qsmkit.simulate.lesions.contrast import add_contrast
from qsmkit.simulate.lesions.placed import LesionRow, PlacedLesion, draw_lesions, lesion_events, place_lesions
from qsmkit.simulate.lesions.plans import Circumstances
from qsmkit.simulate.properties import Properties, properties
from qsmkit.simulate.scanner import encode_magnitude, encode_phase
from qsmkit.simulate.scans import AnyScan, Ct, GradientEcho, Structural, ending, entities, space
from qsmkit.simulate.scenario import Scenario, Visit
from qsmkit.simulate.structural import StructuralScan, structural
from qsmkit.simulate.template import Template
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.transfer import moved, rigid_motion, transfer_labels

Matrix = npt.NDArray[np.float64]
Progress = Callable[[int, int, str], None]
Row = dict[str, Any]

VISIT_POSE = (3.0, 4.0)
"""Standard deviation of how differently a head lies at another visit, degrees and mm: a modelling choice."""

SCAN_MOTION = (0.3, 0.4)
"""The same from scan to scan of a visit."""

CT_POSE = (4.0, 8.0)
"""The same for a CT."""

SHIFT_HALF_LIFE = 7.0
"""Days in which half of the brain shift goes back: a modelling choice."""

TRUTH = {"mask": "brain_mask", "chi_positive": "chi_para"}
"""Artifacts under which truths are written whose own name is another."""


@dataclass(frozen=True, eq=False)
class Patient:
    """Who is scanned.

    Attributes
    ----------
    scenario : Scenario
        The description.
    body : Body
        The head, without lesions.
    properties : Properties
        What the magnet sees of it.
    lesions : tuple of PlacedLesion
        With their places.
    leads : tuple of ImplantedLead
        As planned, and as they lie.
    """

    scenario: Scenario
    body: Body
    properties: Properties
    lesions: tuple[PlacedLesion, ...]
    leads: tuple[ImplantedLead, ...]

    def head_labels(self) -> Image:
        """Return the labels of the head without lesions, on its own samples."""
        return Image("space-head_dseg", self.body.labels, self.body.grid, {"SpatialReference": "the head's own"})

    def landmarks(self) -> list[Row]:
        """Return the landmarks: name and scanner RAS mm of the body."""
        return [{"name": name, **_xyz(point)} for name, point in sorted(self.body.landmarks.items())]

    def events(self) -> list[Row]:
        """Return everything that happens, by date."""
        found: list[Row] = [asdict(event) for event in lesion_events(self.lesions)]
        found += [{"day": one.day, "kind": "implantation", "lead": one.actual.name} for one in self.leads]
        found += [
            {"day": v.day, "kind": "gadolinium", "visit": v.name} for v in self.scenario.visits if v.gadolinium
        ]
        when = self.scenario.when
        return [{"date": when(e["day"]).date().isoformat(), **e} for e in sorted(found, key=lambda e: e["day"])]

    def implants(self) -> list[Row]:
        """Return the leads, planned and actual, scanner RAS mm of the body."""
        return [
            {
                "name": one.actual.name, "model": one.actual.model, "side": one.actual.side, "day": one.day,
                **_xyz(one.planned.target, "planned_"), **_xyz(one.actual.target, "tip_"),
                **_xyz(one.actual.entry, "entry_"),
                **{key: getattr(one.actual, key) for key in ("rotation", "sag", "sag_direction")},
            }
            for one in self.leads
        ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Acquired:
    """A scan and its truth.

    Attributes
    ----------
    visit : Visit
        When.
    wanted : scan
        What the scenario asked for.
    scan : GreScan, StructuralScan or CtScan
        What was made.
    name : str
        End of its BIDS name.
    space : str
        Entities, with an underscore, of what is true in its space.
    images, truth : tuple of Image
        What the scanner stores, and what is true.
    from_head : (4, 4) array
        Scanner RAS mm of the body → scanner RAS mm of this scan.
    tables : mapping of str to list of rows
        "lesions" of a gradient echo, as they are; "contacts" of the leads in a CT; both in this scan's RAS mm.
    shift : mapping or None
        Parameters of the brain shift, see `brain_shift.BrainShift`.
    """

    visit: Visit
    wanted: AnyScan
    scan: GreScan | StructuralScan | CtScan
    name: str
    space: str
    images: tuple[Image, ...]
    truth: tuple[Image, ...]
    from_head: Matrix
    tables: Mapping[str, list[Row]]
    shift: Mapping[str, Any] | None = None


def patient(scenario: Scenario, *, template: Template | None = None, rng: int | np.random.Generator = 1) -> Patient:
    """Draw the patient that a seed makes of a scenario.

    Parameters
    ----------
    scenario : Scenario
        All chance drawn.
    template : Template, optional
        Needed if the scenario's anatomy is drawn from it.
    rng : int or Generator
        Seed or source of randomness.

    Raises
    ------
    ScenarioError, ParameterError
        A lesion or a lead cannot be where it is asked for.
    """
    anatomy, iron, lesions, leads, _ = np.random.default_rng(rng).spawn(5)
    subject = scenario.subject
    body = draw_body(
        template=template if subject.anatomy == "template" else None, step=subject.step, pose=None, rng=anatomy
    )
    implanted = implant(scenario.leads, body, leads)
    named = dict(zip(scenario.lesion_names(), scenario.lesions, strict=True))
    placed = place_lesions(named, body, scenario.visits[-1].day, lesions)
    seen = properties(body, age=subject.age, disease=subject.disease, rng=iron)
    return Patient(scenario, body, seen, placed, implanted)


def scans(who: Patient, *, rng: int | np.random.Generator = 1, progress: Progress | None = None) -> Iterator[Acquired]:
    """Yield every scan of every visit.

    Parameters
    ----------
    who : Patient
        From `patient`.
    rng : int or Generator
        The patient's own seed, or a source of randomness.
    progress : callable, optional
        Called with number, total and name of each scan before it is made.
    """
    *_, scanning = np.random.default_rng(rng).spawn(5)
    visits = who.scenario.visits
    total, number = sum(len(v.scans) for v in visits), 0
    for visit, child in zip(visits, scanning.spawn(len(visits)), strict=True):
        pose = np.eye(4) if visit is visits[0] else _motion(who.body, VISIT_POSE, child)
        state: _Present | None = None
        for i, (wanted, source) in enumerate(zip(visit.scans, child.spawn(len(visit.scans)), strict=True)):
            number += 1
            if progress:
                progress(number, total, f"{visit.name} {ending(wanted)}")
            strength = 3.0 if isinstance(wanted, Ct) else wanted.field_strength
            if state is None or state.field_strength != strength:
                state = _present(who, Circumstances(visit.day, strength, visit.gadolinium))
            shaking, making = source.spawn(2)
            if isinstance(wanted, Ct):
                yield _ct(who, visit, wanted, state.body, shaking, making)
                continue
            motion = _motion(who.body, SCAN_MOTION, shaking) @ pose if i else pose
            if isinstance(wanted, GradientEcho):
                motion = np.array(wanted.motion) @ motion
            made = _magnetic(wanted, state, motion, making)
            yield _acquired(visit, wanted, made, motion, state)


@dataclass(frozen=True, eq=False)
class _Present:
    """The head as it is at a visit, in a field: lesions and contrast agent drawn, and the lesions' table and map."""

    field_strength: float
    body: Body
    properties: Properties
    rows: list[LesionRow]
    indices: npt.NDArray[np.uint8]


def _present(who: Patient, now: Circumstances) -> _Present:
    body = replace(who.body, labels=who.body.labels.copy())
    seen = Properties(**{name: values.copy() for name, values in vars(who.properties).items()})
    if now.gadolinium:
        add_contrast(body, seen, now.gadolinium)
    return _Present(now.field_strength, body, seen, *draw_lesions(who.lesions, now, body, seen))


def _motion(body: Body, sd: tuple[float, float], rng: np.random.Generator) -> Matrix:
    """Return a random rigid motion about the middle of the head, of standard deviations in degrees and mm."""
    centre = body.grid.world((np.array(body.grid.shape) - 1) / 2)
    return rigid_motion(rng.normal(0, sd[0], 3), rng.normal(0, sd[1], 3), centre)


def _magnetic(
    wanted: GradientEcho | Structural, now: _Present, motion: Matrix, rng: np.random.Generator
) -> GreScan | StructuralScan:
    where = tuple(tuple(float(v) for v in row) for row in motion)
    if isinstance(wanted, GradientEcho):
        return gre(now.body, now.properties, replace(wanted, motion=where), rng)
    return structural(now.body, now.properties, replace(wanted.protocol(), motion=where), rng)


def _acquired(
    visit: Visit, wanted: AnyScan, made: GreScan | StructuralScan, motion: Matrix, now: _Present
) -> Acquired:
    images, truth = _gre_images(wanted, made) if isinstance(made, GreScan) else _structural_images(wanted, made)
    if visit.gadolinium:
        agent = {"ContrastBolusIngredient": "GADOLINIUM"}
        images = [replace(image, sidecar={**image.sidecar, **agent}) for image in images]
    truth.append(_labels(wanted, made.labels, made.grid))
    tables = {}
    if isinstance(made, GreScan) and now.rows:
        tables = {"lesions": [_lesion(row, motion) for row in now.rows]}
        indices = transfer_labels(now.indices, moved(now.body.grid, motion), made.grid, outside=0)
        truth.append(Image(f"{entities(wanted)}desc-lesions_dseg", indices, made.grid))
    return Acquired(visit, wanted, made, ending(wanted), space(wanted), tuple(images), tuple(truth), motion, tables)


def _gre_images(wanted: AnyScan, made: GreScan) -> tuple[list[Image], list[Image]]:
    own, images = entities(wanted), []
    for part, stored, more in (
        ("mag", encode_magnitude(made.magnitude), {}),
        ("phase", encode_phase(made.phase), {"Units": "arbitrary"}),
    ):
        for e, time in enumerate(made.protocol.echo_times):
            sidecar = {"EchoTime": round(float(time), 9), **made.metadata, **more}
            images.append(Image(f"{own}echo-{e + 1}_part-{part}_MEGRE", stored[..., e], made.grid, sidecar))
    maps = {TRUTH.get(name, name): values for name, values in made.truth.items() if name != "chi_negative"}
    maps["chi_dia"] = -made.truth["chi_negative"]
    return images, [_map(own, name, values, made.grid) for name, values in maps.items()]


def _map(own: str, artifact: str, values: npt.NDArray[Any], grid: Grid) -> Image:
    row = ARTIFACTS[artifact]
    about: Row = {"Description": row.meaning}
    about |= {"Type": "Brain"} if row.kind == "mask" else {"Units": row.unit, "SkullStripped": True}
    return Image(own + row.bids, values, grid, about | _reference(own))


def _reference(own: str) -> Row:
    """Return what BIDS wants to know of an image that says in whose space it is."""
    return {"SpatialReference": f"the scan itself ({own.strip('_')})"} if "space-" in own else {}


def _labels(wanted: AnyScan, labels: npt.NDArray[np.uint8], grid: Grid) -> Image:
    return Image(f"{space(wanted)}dseg", labels, grid, _reference(space(wanted)))


def _structural_images(wanted: AnyScan, made: StructuralScan) -> tuple[list[Image], list[Image]]:
    image = Image(ending(wanted), encode_magnitude(made.image), made.grid, made.metadata)
    return [image], [_map(space(wanted), "brain_mask", made.mask, made.grid)]


def _ct(
    who: Patient, visit: Visit, wanted: Ct, body: Body, shaking: np.random.Generator, making: np.random.Generator
) -> Acquired:
    there = [one for one in who.leads if one.day <= visit.day]
    since = visit.day - max((one.day for one in there), default=0.0)
    amount = who.scenario.brain_shift * 0.5 ** (since / SHIFT_HALF_LIFE) if there else 0.0
    pose = replace(
        wanted, rotation=_vector(np.add(wanted.rotation, shaking.normal(0, CT_POSE[0], 3))),
        translation=_vector(np.add(wanted.translation, shaking.normal(0, CT_POSE[1], 3))),
    )
    made = head_ct(body, [one.actual for one in there], pose, shift=(amount, amount), rng=making)
    own, motion = space(wanted), made.truth.to_ct
    image = Image(ending(wanted), made.hu, made.grid, {"Manufacturer": "Simulated", "Units": "HU"}, "ct")
    labels = transfer_labels(body.labels, moved(body.grid, motion), made.grid, outside=Label.AIR)
    truth = [replace(_labels(wanted, labels, made.grid), folder="ct")]
    if made.truth.air.any():
        truth.append(Image(f"{own}desc-air_mask", made.truth.air, made.grid, {"Type": "ROI"}, "ct"))
    shift = None if made.truth.shift is None else asdict(made.truth.shift)
    tables = {"contacts": _contacts(made)}
    return Acquired(visit, wanted, made, ending(wanted), own, (image,), tuple(truth), motion, tables, shift)


def _contacts(made: CtScan) -> list[Row]:
    return [
        {"lead": lead.plan.name, "contact": contact.name, **_xyz(contact.centre), **_xyz(contact.axis, "axis_"),
         **_xyz(contact.normal, "normal_")}
        for lead in made.truth.leads_in_ct for contact in lead.contacts
    ]  # fmt: skip


def _lesion(row: LesionRow, motion: Matrix) -> Row:
    return asdict(row) | _xyz(motion[:3, :3] @ (row.x, row.y, row.z) + motion[:3, 3])


def _xyz(point: npt.ArrayLike, prefix: str = "") -> Row:
    return {f"{prefix}{axis}": round(float(v), 4) for axis, v in zip("xyz", np.asarray(point, np.float64), strict=True)}


def _vector(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z
