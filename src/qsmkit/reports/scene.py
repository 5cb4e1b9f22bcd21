"""Nuclei and leads in three dimensions, as data for the viewer that a page carries with it."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from qsmkit.arrays import BoolArray
from qsmkit.grid import Grid
from qsmkit.io.dicom_out.surface import Surface, surface_of
from qsmkit.leads.electrodes import RING, Level
from qsmkit.leads.lead import Lead
from qsmkit.reports.lead_views import CONTACT_COLOUR, PLAN_COLOUR, STRUCTURE_COLOURS

SHAFT_COLOUR = "#c9ced2"
SHOWN = 45.0
"""Length of a lead that is shown, mm from its tip: the rest only makes the scene small."""

SIDES = 20
"""Corners of a lead's cross section."""

GLASS = 0.3
"""Opacity of structures at first."""

PROUD = 1.02
"""Radius of contacts over the lead's, so that they are seen on it."""


def scene(
    structures: Mapping[str, BoolArray], grid: Grid, leads: Sequence[Lead], planned: Sequence[Lead] = ()
) -> dict[str, Any]:
    """Return what the viewer shows: surfaces of structures, leads with their contacts, planned leads.

    Parameters
    ----------
    structures : mapping of str to (X, Y, Z) bool array
        Nuclei by name.
    grid : Grid
        Their geometry.
    leads : sequence of Lead
        Leads as they lie, in the structures' space, RAS mm.
    planned : sequence of Lead
        Leads as they were planned.

    Returns
    -------
    dict
        `centre` (RAS mm), `radius` (mm) and `parts`: name, group, colour, opacity, and vertices (float32, RAS mm from
        the centre) and triangles (uint32) in base64.
    """
    parts = [
        _part(name.replace("_", " "), "structure", STRUCTURE_COLOURS[i % len(STRUCTURE_COLOURS)], GLASS, [surface])
        for i, (name, region) in enumerate(structures.items())
        if region.any()
        for surface in [surface_of(region, grid)]
    ]
    for lead in leads:
        name = lead.plan.name
        parts.append(_part(f"{name}, lead", "lead", SHAFT_COLOUR, 1.0, [tube(lead, 0.0, SHOWN)]))
        patches = [p for level in lead.electrode.levels for p in _contacts(lead, level)]
        parts.append(_part(f"{name}, contacts", "contacts", CONTACT_COLOUR, 1.0, patches))
        if lead.electrode.marker:
            bands = [p for level in lead.electrode.marker.bands() for p in _contacts(lead, level)]
            parts.append(_part(f"{name}, orientation marker", "lead", "#f5e663", 1.0, bands))
    parts += [
        _part(f"{p.plan.name}, planned", "plan", PLAN_COLOUR, 0.5, [tube(p, 0.0, SHOWN, swell=0.6)]) for p in planned
    ]
    points = np.concatenate([p.pop("points") for p in parts]) if parts else np.zeros((1, 3))
    low, high = points.min(0), points.max(0)
    centre = (low + high) / 2
    for part in parts:
        vertices = part.pop("vertices") - centre
        part["vertices"] = _encoded(vertices.astype("<f4"))
    return {"centre": centre.round(3).tolist(), "radius": float(np.linalg.norm(high - low) / 2), "parts": parts}


def scene_markup(content: Mapping[str, Any]) -> Markup:
    """Return the scene as JSON that can stand in a page's script element."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def tube(
    lead: Lead, start: float, end: float, *, swell: float = 1.0, first: float = 0.0, width: float = 360.0
) -> Surface:
    """Return a piece of a lead's surface.

    Parameters
    ----------
    lead : Lead
        Whose.
    start, end : float
        Arc lengths from the tip, mm.
    swell : float
        Radius over the lead's.
    first, width : float
        Where the piece begins about the lead and how far it goes, degrees from the orientation marker.
    """
    along = np.linspace(start, end, max(2, round((end - start) / 1.5) + 1))
    sides = max(3, round(SIDES * width / 360))
    turn = lead.plan.rotation + first + np.linspace(0, width, sides + 1)
    s, angle = np.meshgrid(along, turn, indexing="ij")
    ring = lead.curve.at(s) + swell * lead.electrode.radius * lead.direction(s, angle)
    cells = np.arange(len(along) - 1)[:, None] * (sides + 1) + np.arange(sides)
    a, b, c, d = (cells + shift for shift in (0, 1, sides + 1, sides + 2))
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, d), (a, d, c))])
    vertices = ring.reshape(-1, 3)
    caps = lead.curve.at(np.array([start, end]))
    count, rim = len(vertices), np.arange(sides)
    last = count - sides - 1
    ends = [
        np.stack([np.full(sides, count), rim + 1, rim], -1),
        np.stack([np.full(sides, count + 1), last + rim, last + rim + 1], -1),
    ]
    return Surface(np.concatenate([vertices, caps]), np.concatenate([faces, *ends]).astype(np.int64))


def _contacts(lead: Lead, level: Level) -> Iterator[Surface]:
    for segment in level.segments:
        first = 0.0 if segment == RING else segment.start
        yield tube(lead, level.bottom, level.top, swell=PROUD, first=first, width=segment.width)


def _part(name: str, group: str, colour: str, opacity: float, surfaces: Sequence[Surface]) -> dict[str, Any]:
    shift = np.cumsum([0, *(len(s.vertices) for s in surfaces)])
    vertices = np.concatenate([s.vertices for s in surfaces])
    triangles = np.concatenate([s.triangles + n for s, n in zip(surfaces, shift, strict=False)])
    return {
        "name": name, "group": group, "colour": colour, "opacity": opacity, "points": vertices, "vertices": vertices,
        "triangles": _encoded(triangles.astype("<u4")),
    }  # fmt: skip


def _encoded(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()
