"""The plan of one lead: target, entry, what the track passes, what it keeps away from, and the frame's setting."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from qsmkit.arrays import BoolArray
from qsmkit.clinical.target import frame as frames
from qsmkit.clinical.target.acpc import INDIRECT, Commissures, indirect_target
from qsmkit.clinical.target.corridor import WINDOWS, Corridor, Window, bearing, hull, reach, search
from qsmkit.clinical.target.obstacles import MARGINS, Clearance, Margin, Obstacle, clearances, obstacles
from qsmkit.clinical.target.rules import RULES, Rule, Side, aim
from qsmkit.clinical.target.structure import Structure, signed_distance, structure
from qsmkit.clinical.target.track import PLACEMENT, Passage, Track, lamina, passage
from qsmkit.errors import GeometryError, InputError
from qsmkit.grid import Grid
from qsmkit.transform import Matrix, Transform
from qsmkit.volume import Volume

NUMBERS: Mapping[str, int] = {
    "GPe": 17, "GPi": 18, "STN": 19, "SNc": 20, "SNr": 21, "ZI": 22, "RN": 4, "thalamus": 7, "putamen": 3, "caudate": 1,
}  # fmt: skip
"""Numbers of structures in a label image, as the digital patients' and `qsmkit nuclei`'s."""

CUSTOMARY_SPREAD = 2.0
"""Standard deviation along each axis, mm, of where a nucleus lies against its customary place (modelling choice: it
varies by millimetres between patients)."""

LEVELS = (0.05, 0.95, 25)
"""Chances, from, to and how many, at whose surfaces the target is found again, for its uncertainty."""

FEWEST = 64
"""Lattice points that a surface must hold for that, 8 mm³."""


@dataclass(frozen=True, eq=False)
class Target:
    """Where the lead is to go.

    Attributes
    ----------
    point : (3,) array
        Scanner RAS mm.
    acpc : (3,) array
        The same in the AC–PC frame about MCP, mm.
    how : str
        What made it: the rule, the customary offsets, or a hand.
    sd : (3,) array
        Standard deviation along the AC–PC axes, mm; NaN if set by hand.
    from_customary : float
        Distance from the customary place of its structure, mm; NaN if that has none.
    """

    point: Matrix
    acpc: Matrix
    how: str
    sd: Matrix
    from_customary: float


@dataclass(frozen=True, slots=True)
class FrameSetting:
    """What is set on a Leksell frame.

    Attributes
    ----------
    target, entry : tuple of float
        X, Y, Z, mm.
    ring, arc : float
        Degrees.
    mounting : str
        How the arc sits on the ring.
    """

    target: tuple[float, float, float]
    entry: tuple[float, float, float]
    ring: float
    arc: float
    mounting: frames.Mounting


@dataclass(frozen=True, eq=False)
class Plan:
    """The plan of one lead.

    Attributes
    ----------
    name : str
        The structure that is aimed at.
    side : {"left", "right"}
        The patient's side.
    commissures : Commissures
        The AC–PC frame's points.
    target : Target
        Where to.
    track : Track or None
        From the entry to the target; None if no safe entry was found.
    spans : tuple of Passage
        Every structure of this side, those that the track meets first, uppermost first.
    lamina : tuple of float or None
        Where the track leaves the GPe and enters the GPi, mm above the target.
    clearances : tuple of Clearance
        Distances kept from each kind of obstacle.
    unchecked : tuple of str
        Kinds of obstacles that nothing is known of.
    corridor : Corridor or None
        The search for an entry; None if it was given.
    frame : FrameSetting or None
        What is set on the frame, if one was given.
    structures : tuple of Structure
        All that the label image has on this side.
    obstacles : tuple of Obstacle
        What was kept away from.
    """

    name: str
    side: Side
    commissures: Commissures
    target: Target
    track: Track | None
    spans: tuple[Passage, ...]
    lamina: tuple[float, float] | None
    clearances: tuple[Clearance, ...]
    unchecked: tuple[str, ...]
    corridor: Corridor | None
    frame: FrameSetting | None
    structures: tuple[Structure, ...]
    obstacles: tuple[Obstacle, ...]

    @property
    def entry(self) -> Matrix | None:
        """The entry, scanner RAS mm."""
        return None if self.track is None else self.track.entry

    @property
    def angles(self) -> tuple[float, float] | None:
        """Coronal (outward) and sagittal (forward) angle of the track, degrees, in the AC–PC frame."""
        if self.track is None:
            return None
        return bearing(self.commissures.transform().matrix[:3, :3] @ self.track.up, self.side)

    def points(self) -> list[dict[str, object]]:
        """Return target and entry in every space that is known, a row each, mm."""
        rows: list[dict[str, object]] = []
        to_acpc = self.commissures.transform()
        for name, point in (("target", self.target.point), ("entry", self.entry)):
            if point is None:
                continue
            places = {"scanner RAS": point, "AC–PC about MCP": to_acpc.apply(point)}
            if self.frame:
                places["Leksell"] = np.array(getattr(self.frame, name))
            rows += [
                {"point": name, "space": space, **dict(zip("xyz", map(float, p), strict=True))}
                for space, p in places.items()
            ]
        return rows

    def as_dict(self) -> dict[str, object]:
        """Return plain values: mm and degrees."""
        angles = self.angles
        return {
            "structure": self.name, "side": self.side, "points": self.points(),
            "target": {"how": self.target.how, "sd_mm": self.target.sd.tolist(),
                       "from_customary_mm": self.target.from_customary},
            "coronal_deg": angles[0] if angles else None, "sagittal_deg": angles[1] if angles else None,
            "length_mm": self.track.length if self.track else None,
            "spans": [s.as_dict() for s in self.spans],
            "lamina": {"from_mm": self.lamina[0], "to_mm": self.lamina[1]} if self.lamina else None,
            "clearances": [c.as_dict() for c in self.clearances], "unchecked": list(self.unchecked),
            "frame": asdict(self.frame) if self.frame else None,
            "search": None if self.corridor is None else {
                "summary": self.corridor.summary, "rejected": self.corridor.rejected,
                "entries": [asdict(e) for e in self.corridor.entries],
            },
            "acpc_length_mm": self.commissures.length,
        }  # fmt: skip


def plan(
    labels: Volume,
    commissures: Commissures,
    name: str,
    side: Side,
    *,
    numbers: Mapping[str, int] = NUMBERS,
    probabilities: Mapping[str, Volume] | None = None,
    brain: Volume | None = None,
    avoid: Mapping[str, Volume] | None = None,
    target: Matrix | None = None,
    indirect: bool = False,
    entry: Matrix | None = None,
    rules: Mapping[str, Rule] = RULES,
    window: Window | None = None,
    margins: Mapping[str, Margin] = MARGINS,
    least_span: float = 0.0,
    placement: float = PLACEMENT,
    frame: Transform | None = None,
    mounting: frames.Mounting | None = None,
    rng: int | np.random.Generator = 1,
) -> Plan:
    """Plan one lead.

    Parameters
    ----------
    labels : Volume
        Label image, (X, Y, Z); one number for both sides, which the midsagittal plane parts.
    commissures : Commissures
        Of the same space.
    name : str
        Structure to aim at, a key of `numbers`.
    side : {"left", "right"}
        The patient's side.
    numbers : mapping of str to int
        Numbers of structures in the label image.
    probabilities : mapping of str to Volume, optional
        Chance of structures, 0 … 1, on the label image's grid, where it is known.
    brain : Volume, optional
        Brain mask on the same grid, by which an entry is searched.
    avoid : mapping of str to Volume, optional
        Masks of what to keep away from, on the same grid: "veins", "ventricles", "sulci".
    target : (3,) array, optional
        Set by hand, scanner RAS mm; by the rule if omitted.
    indirect : bool
        Whether to aim at the structure's customary place relative to MCP instead.
    entry : (3,) array, optional
        Where the track enters the brain, scanner RAS mm; searched if omitted.
    rules : mapping of str to Rule
        Which part of a structure is the target.
    window : Window, optional
        Directions of the search; the structure's usual ones if omitted.
    margins : mapping of str to Margin
        What is asked of the distances.
    least_span : float
        Length, mm, that a searched track must have in the structure.
    placement : float
        Standard deviation of where an instrument comes to lie along each axis, mm.
    frame : Transform, optional
        From scanner RAS to frame-aligned RAS about the frame's centre.
    mounting : str, optional
        How the arc sits on the ring; needed with a frame.
    rng : int or Generator
        Seed or source of randomness.

    Returns
    -------
    Plan
        With no track if no entry is safe: `corridor.summary` says why.

    Raises
    ------
    InputError
        The structure or its rule is not known, it is not in the image, neither brain nor entry is given, or a frame
        comes without its mounting.
    GeometryError
        A mask does not lie where the labels do.
    """
    if side not in ("left", "right"):
        raise InputError(f"side {side!r} is neither left nor right")
    if name not in numbers:
        raise InputError(f"{name!r} is no structure of the label image; known are {', '.join(numbers)}")
    if frame is not None and mounting is None:
        raise InputError("the frame's mounting is missing: the same angles mean another direction; give it")
    if entry is None and brain is None:
        raise InputError("an entry can be searched only with a brain mask; give the mask, or the entry")
    masks = {n: _mask(n, v, labels.grid) for n, v in (avoid or {}).items()}
    to_acpc = commissures.transform()
    nuclei = _nuclei(labels, to_acpc, side, numbers, probabilities or {})
    aimed = _target(nuclei.get(name), name, side, to_acpc, rules, target, indirect=indirect)
    corridor = None
    if entry is None and brain is not None:
        used = window or _window(name)
        if name not in nuclei:
            raise InputError(f"{name} has no voxel on the {side} side; give the entry, or another label image")
        whole = _mask("brain", brain, labels.grid)
        box = reach(aimed.point, to_acpc, side, used, labels.grid)
        place = labels.grid.cropped((box[0].start, box[1].start, box[2].start), whole[box].shape)
        surface = Volume(signed_distance(hull(whole[box], place), place), place, "mm")
        met = obstacles(masks, labels.grid, margins, box=box)
        corridor = search(aimed.point, surface, met, to_acpc, side, used, nuclei[name], least_span=least_span)
        entry = np.array(corridor.entries[0].point) if corridor.entries else None
    else:
        met = obstacles(masks, labels.grid, margins)
    track = None if entry is None else Track(aimed.point, entry)
    random = np.random.default_rng(rng)
    spans = {n: passage(track, s, placement=placement, rng=random) for n, s in nuclei.items()} if track else {}
    return Plan(
        name, side, commissures, aimed, track,
        tuple(sorted(spans.values(), key=lambda s: (s.span is None, -s.span.entry.value if s.span else s.nearest))),
        lamina(spans["GPe"], spans["GPi"]) if {"GPe", "GPi"} <= set(spans) else None,
        clearances(track, met) if track else (), tuple(n for n in margins if n not in masks), corridor,
        _setting(track, frame, mounting) if track and frame and mounting else None, tuple(nuclei.values()), met,
    )  # fmt: skip


def _mask(name: str, volume: Volume, grid: Grid) -> BoolArray:
    apart = grid.difference(volume.grid)
    if apart:
        raise GeometryError(f"the mask of {name} does not lie where the labels do: {apart}; resample it first")
    mask: BoolArray = np.asarray(volume.data) > 0
    return mask


def _window(name: str) -> Window:
    if name not in WINDOWS:
        raise InputError(f"no usual angles are known for {name!r}; give a window, or the entry")
    return WINDOWS[name]


def _nuclei(
    labels: Volume, to_acpc: Transform, side: Side, numbers: Mapping[str, int], probabilities: Mapping[str, Volume]
) -> dict[str, Structure]:
    """Return the structures of one side that the label image has."""
    known = np.isin(labels.data, list(numbers.values()))
    at = np.argwhere(known)
    right = to_acpc.apply(labels.grid.world(at))[:, 0] > 0
    at = at[right == (side == "right")]
    values = labels.data[tuple(at.T)]
    found = {}
    for name, number in numbers.items():
        own = at[values == number]
        if len(own):
            inside = np.zeros(labels.grid.shape, bool)
            inside[tuple(own.T)] = True
            found[name] = structure(name, inside, labels.grid, probabilities.get(name))
    return found


def _target(
    nucleus: Structure | None,
    name: str,
    side: Side,
    to_acpc: Transform,
    rules: Mapping[str, Rule],
    by_hand: Matrix | None,
    *,
    indirect: bool,
) -> Target:
    customary = indirect_target(name, side) if name in INDIRECT else np.full(3, np.nan)
    if by_hand is not None:
        acpc, how, sd = to_acpc.apply(by_hand), "set by hand", np.full(3, np.nan)
    elif indirect:
        acpc, how = indirect_target(name, side), "customary offsets from MCP"
        sd = np.full(3, CUSTOMARY_SPREAD)
    else:
        if name not in rules:
            raise InputError(
                f"no rule says where in {name!r} to aim; rules are for {', '.join(rules)}, or give a target"
            )
        if nucleus is None:
            raise InputError(f"{name} has no voxel on the {side} side; check the label image, its numbers and --side")
        acpc, sd = _aim(nucleus, side, to_acpc, rules[name])
        how = rules[name].source
    point = to_acpc.inverse().apply(acpc)
    return Target(point, acpc, how, sd, float(np.linalg.norm(acpc - customary)))


def _aim(nucleus: Structure, side: Side, to_acpc: Transform, rule: Rule) -> tuple[Matrix, Matrix]:
    """Return the target and its standard deviation over surfaces of the nucleus, AC–PC mm."""
    points = nucleus.lattice()
    chance, own = nucleus.sample(points), to_acpc.apply(points)
    best = aim(own[chance >= min(0.5, float(chance.max()))], side, rule)
    aims = []
    for level in np.linspace(*LEVELS):
        inside = chance >= level
        if inside.sum() >= FEWEST:
            aims.append(aim(own[inside], side, rule))
    return best, np.std(aims, axis=0, ddof=1) if len(aims) > 1 else np.full(3, np.nan)


def _setting(track: Track, frame: Transform, mounting: frames.Mounting) -> FrameSetting:
    target, entry = frame.apply(track.target), frame.apply(track.entry)
    found = frames.angles(target, entry, mounting)
    (a, b, c), (x, y, z) = (frames.to_leksell(p).tolist() for p in (target, entry))
    return FrameSetting((a, b, c), (x, y, z), found.ring, found.arc, mounting)
