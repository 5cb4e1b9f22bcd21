"""Geometry of the leads that surgeons implant: contacts, gaps, tip and marker of every model.

The table `electrodes.csv` holds one number, or one list of numbers from the tip upwards, a row, with its source and
with what other sources say. Sources: MDT-19 and MDT-21, the manufacturer's manuals of the 3387/3389 (2019) and of
SenSight (2021); SJM-17, the manufacturer's lead manual of 2017; LD, OSS, TG and PC, the tables of Lead-DBS, OSS-DBS,
trajectoryGuide and PaCER. Manuals come first where sources disagree.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from qsmkit.errors import ParameterError

MarkerKind = Literal["arc", "pair"]

SEGMENT_WIDTH = 90.0
"""Width of each of a level's three segments in degrees, 30° apart (recalled)."""

SEGMENT_LETTERS = "ABC"


@dataclass(frozen=True, slots=True)
class Segment:
    """A patch of metal on the lead's surface, in degrees about the lead.

    Zero is the direction of the orientation marker; angles turn right-handed about the direction from tip to entry.
    """

    start: float
    width: float

    @property
    def middle(self) -> float:
        """Direction in which the segment looks, degrees."""
        return self.start + self.width / 2

    def shifted(self, angle: float) -> "Segment":
        """Return the segment turned by `angle` degrees."""
        return Segment(self.start + angle, self.width)


RING = Segment(0.0, 360.0)


@dataclass(frozen=True, slots=True)
class Level:
    """One ring of contacts: its lower edge above the lead's end, its length (mm), and its segments."""

    bottom: float
    length: float
    segments: tuple[Segment, ...]

    @property
    def top(self) -> float:
        """Upper edge above the lead's end, mm."""
        return self.bottom + self.length

    @property
    def middle(self) -> float:
        """Centre above the lead's end, mm."""
        return self.bottom + self.length / 2


@dataclass(frozen=True, slots=True)
class Marker:
    """The radio-opaque orientation marker.

    Attributes
    ----------
    centre, length : float
        Position above the lead's end and extent along the lead, mm.
    kind : {"arc", "pair"}
        Half a ring that looks along segment A; or two of them one above the other, the lower along B, the upper
        along A.
    """

    centre: float
    length: float
    kind: MarkerKind

    def bands(self) -> tuple[Level, ...]:
        """Return the marker's pieces of metal."""
        bottom, half = self.centre - self.length / 2, Segment(-90.0, 180.0)
        if self.kind == "arc":
            return (Level(bottom, self.length, (half,)),)
        each = 0.4 * self.length
        return (
            Level(bottom, each, (half.shifted(120.0),)),
            Level(bottom + self.length - each, each, (half,)),
        )


@dataclass(frozen=True, slots=True)
class Electrode:
    """A model of lead.

    Attributes
    ----------
    model : str
        Manufacturer and model.
    diameter : float
        Of the lead, mm.
    tip : float
        Length of the insulating tip below the first contact, or of the first contact where it is the tip, mm.
    tip_is_contact : bool
        Whether the lowest contact includes the lead's end.
    levels : tuple of Level
        Contacts from the tip upwards.
    marker : Marker or None
        Of directional leads.
    array : float or None
        Published length from the lower edge of the first to the upper edge of the last contact, mm.
    sources : mapping of str to str
        Where each quantity of the table comes from.
    """

    model: str
    diameter: float
    tip: float
    tip_is_contact: bool
    levels: tuple[Level, ...]
    marker: Marker | None
    array: float | None
    sources: Mapping[str, str]

    @property
    def radius(self) -> float:
        """Half the diameter, mm."""
        return self.diameter / 2

    @property
    def directional(self) -> bool:
        """Whether some level is divided into segments."""
        return any(len(level.segments) > 1 for level in self.levels)

    @property
    def height(self) -> float:
        """Upper end of the topmost metal above the lead's end, mm."""
        tops = [level.top for level in (*self.levels, *(self.marker.bands() if self.marker else ()))]
        return max(tops)


def models() -> tuple[str, ...]:
    """Return the name of every model in the table."""
    return tuple(_table())


def electrode(model: str) -> Electrode:
    """Return a model's geometry.

    Parameters
    ----------
    model : str
        Manufacturer and model, in upper or lower case.

    Raises
    ------
    ParameterError
        The model is not in the table; the message names similar ones.
    """
    names = {name.casefold(): name for name in _table()}
    wanted = " ".join(model.split()).casefold()
    if wanted not in names:
        close = [full for full in names if wanted and wanted in full] or get_close_matches(wanted, names, 4, 0.4)
        similar = ", ".join(names[c] for c in close)
        advice = f"did you mean {similar}?" if close else f"choose from {', '.join(names.values())}"
        raise ParameterError(f"lead model {model!r} is unknown; {advice}")
    return _table()[names[wanted]]


@cache
def _table() -> Mapping[str, Electrode]:
    rows: dict[str, dict[str, dict[str, str]]] = {}
    with files("qsmkit.leads").joinpath("electrodes.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["model"], {})[row["quantity"]] = row
    return {model: _electrode(model, quantities) for model, quantities in rows.items()}


def _electrode(model: str, rows: Mapping[str, Mapping[str, str]]) -> Electrode:
    values = {quantity: row["value"] for quantity, row in rows.items()}
    counts, lengths, gaps = (
        [float(v) for v in values[quantity].split()] for quantity in ("segments", "lengths", "gaps")
    )
    tip, tip_is_contact = float(values["tip"]), values["tip_is_contact"] == "1"
    bottom, levels = 0.0 if tip_is_contact else tip, []
    for count, length, gap in zip(counts, lengths, [*gaps, 0.0], strict=True):
        levels.append(Level(bottom, length, _segments(int(count))))
        bottom += length + gap
    marker = None
    if "marker_kind" in values:
        kinds: dict[str, MarkerKind] = {kind: kind for kind in get_args(MarkerKind)}
        marker = Marker(
            float(values["marker_centre"]), float(values["marker_length"]), kinds[values["marker_kind"]]
        )
    return Electrode(
        model, float(values["diameter"]), tip, tip_is_contact, tuple(levels), marker,
        float(values["array"]) if "array" in values else None,
        {quantity: row["source"] for quantity, row in rows.items()},
    )


def _segments(count: int) -> tuple[Segment, ...]:
    if count == 1:
        return (RING,)
    return tuple(Segment(k * 360 / count - SEGMENT_WIDTH / 2, SEGMENT_WIDTH) for k in range(count))
