"""What leads are made of in a CT: contacts, conductors, marker and insulation, as points that carry volume.

A lead is far thinner than the blur of a scanner, so its voxels cannot be looked up: it is cut into small pieces, and
every piece is spread by the point-spread function over the voxels around it.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.compiled import serial
from qsmkit.grid import Grid
from qsmkit.leads.curve import Points
from qsmkit.leads.electrodes import Electrode, Level
from qsmkit.leads.lead import Lead

# CT numbers in HU, modelling choices: solid platinum is far denser than these, but the reconstruction of so thin a
# ring never shows it, because hardly a photon of low energy passes.
CONTACT, MARKER, CONDUCTOR, INSULATION, CAP = 18000.0, 30000.0, 7000.0, 150.0, 420.0

CAP_RADIUS = 8.0
"""Of the ring in a burr hole, mm (modelling choice)."""

WALL = 0.26
"""Thickness of contacts and marker, mm (modelling choice)."""

CORE = 0.62
"""Radius of the bundle of conductors over the lead's (modelling choice)."""

STEP = 0.12
"""Distance of the points along and across the lead, mm."""

COARSE = 0.3
"""Distance of the points along the lead beyond the skull, mm."""

FWHM_PER_SIGMA = 2.3548
"""Full width at half maximum of a Gaussian over its standard deviation."""

REACH = 3.5
"""A point is spread this many standard deviations far."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Small pieces of matter.

    Attributes
    ----------
    points : (N, 3) array
        Where they are, mm.
    volume : (N,) array
        Their size, mm³.
    hu : (N,) array
        Their CT number, HU.
    """

    points: Points
    volume: Points
    hu: Points

    def denser(self, hu: float) -> "Cloud":
        """Return the pieces above a CT number, HU."""
        dense = self.hu > hu
        return Cloud(self.points[dense], self.volume[dense], self.hu[dense])

    def moved(self, transform: Points) -> "Cloud":
        """Return the pieces after a rigid transform (4, 4)."""
        return Cloud(self.points @ transform[:3, :3].T + transform[:3, 3], self.volume, self.hu)


def joined(clouds: Sequence[Cloud]) -> Cloud:
    """Return the pieces of one or more clouds as one."""
    fields = zip(*[(c.points, c.volume, c.hu) for c in clouds], strict=True)
    points, volume, hu = (np.concatenate(field) for field in fields)
    return Cloud(points, volume, hu)


def lead_cloud(lead: Lead) -> Cloud:
    """Return a lead, from its tip to the end of its wire, in small pieces."""
    model = lead.electrode
    fine = np.arange(STEP / 2, lead.depth, STEP)
    coarse = np.arange(lead.depth + COARSE / 2, lead.curve.length, COARSE)
    clouds = [_stack(lead, model, s, step) for s, step in ((fine, STEP), (coarse, COARSE)) if len(s)]
    return joined(clouds)


def tube_cloud(points: Points, radius: float, hu: float, step: float = 0.4) -> Cloud:
    """Return a round rod along a polygon (N, 3) in mm whose corners are about `step` mm apart."""
    offsets, area, _ = _disc(radius, step)
    direction = np.gradient(points, axis=0)
    length = np.linalg.norm(direction, axis=1)
    direction /= length[:, None]
    side = np.cross(direction, np.eye(3)[np.abs(direction).argmin(1)])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(direction, side)
    placed = points[:, None] + offsets[:, :1] * side[:, None] + offsets[:, 1:] * other[:, None]
    volume = length[:, None] * area
    return Cloud(placed.reshape(-1, 3), volume.ravel(), np.full(volume.size, hu))


def cap_cloud(lead: Lead) -> Cloud:
    """Return the plastic ring that anchors a lead in its burr hole."""
    axis, turn = lead.curve.tangent(lead.depth), np.linspace(0, 360, 161)[:-1]
    circle = lead.entry + CAP_RADIUS * lead.direction(np.full(160, lead.depth), turn) + axis
    return joined([tube_cloud(circle + h * axis, 1.2, CAP, 0.3) for h in (0.0, 1.5)])


def splat(cloud: Cloud, grid: Grid, fwhm: float, out: FloatArray) -> None:
    """Put the pieces of a cloud into a CT, each spread by the scanner's point-spread function.

    The change at a voxel's centre x is Σ (h − t) V G(x − p) over pieces at p of volume V and CT number h that take the
    place of tissue of CT number t, with the Gaussian G as wide as the point-spread function and the voxel together.

    Parameters
    ----------
    cloud : Cloud
        In the world of `grid`.
    grid : Grid
        The scan's.
    fwhm : float
        Full width at half maximum of the point-spread function, mm.
    out : (X, Y, Z) float32 array
        CT numbers, HU; changed in place.
    """
    size, place = np.array(grid.voxel_size), grid.voxel(cloud.points)
    sigma = np.sqrt((fwhm / FWHM_PER_SIGMA) ** 2 + size**2 / 12) / size
    i, j, k = np.clip(np.rint(place).astype(int), 0, np.array(out.shape) - 1).T
    _splat(place, (cloud.hu - out[i, j, k]) * cloud.volume / grid.voxel_volume, sigma, out)


def _stack(lead: Lead, model: Electrode, s: Points, step: float) -> Cloud:
    """Return discs of the lead at arc lengths `s`, mm."""
    wall = min(WALL, model.radius / 2)
    offsets, area, width = _disc(model.radius, wall / 2)
    rho, phi = np.hypot(*offsets.T), np.rad2deg(np.arctan2(offsets[:, 1], offsets[:, 0]))
    angle = lead.plan.rotation
    front, side = lead.direction(s, np.full(len(s), angle)), lead.direction(s, np.full(len(s), angle + 90))
    points = lead.curve.at(s)[:, None] + offsets[:, :1] * front[:, None] + offsets[:, 1:] * side[:, None]
    hu = np.full(points.shape[:2], INSULATION)
    above = _overlap(s, step, model.tip, np.inf)
    hu[:, rho < CORE * model.radius] += above[:, None] * (CONDUCTOR - INSULATION)
    for metal, levels in ((CONTACT, model.levels), (MARKER, model.marker.bands() if model.marker else ())):
        for level in levels:
            around = np.where(rho > model.radius - wall, _covered(level, phi, width), 0.0)
            hu += _overlap(s, step, level.bottom, level.top)[:, None] * around * (metal - hu)
    if model.tip_is_contact:
        hu += _overlap(s, step, 0.0, wall)[:, None] * (CONTACT - hu)
    inside = rho <= np.sqrt(np.maximum(model.radius**2 - np.maximum(model.radius - s, 0) ** 2, 0))[:, None]
    volume = np.broadcast_to(step * area, points.shape[:2])
    return Cloud(points[inside], volume[inside], hu[inside])


def _overlap(middle: Points, length: float | Points, low: float, high: float) -> Points:
    """Return which share of intervals about `middle` lies between two bounds, all in one unit: (N,)."""
    inside = np.minimum(middle + length / 2, high) - np.maximum(middle - length / 2, low)
    share: Points = np.clip(inside / length, 0.0, 1.0)
    return share


def _covered(level: Level, phi: Points, width: Points) -> Points:
    """Return which share of pieces `width` wide at angles `phi` from the marker, degrees, lies in segments."""
    share = np.zeros(phi.shape)
    for segment in level.segments:
        if segment.width >= 360:
            return np.ones(phi.shape)
        off = (phi - segment.middle + 180) % 360 - 180
        share += _overlap(off, width, -segment.width / 2, segment.width / 2)
    return share


def _disc(radius: float, step: float) -> tuple[Points, Points, Points]:
    """Return points (N, 2), mm, in rings that fill a disc, and the area (N,), mm², and width (N,), degrees, of each."""
    count = max(1, round(radius / step))
    edge = radius * np.arange(count + 1) / count
    around = [max(6, 6 * round(np.pi * (a + b) / 6 / step)) for a, b in itertools.pairwise(edge)]
    rho = np.repeat((edge[1:] + edge[:-1]) / 2, around)
    phi = 2 * np.pi * np.concatenate([(np.arange(n) + 0.5) / n for n in around])
    area = np.repeat(np.pi * np.diff(edge**2) / around, around)
    width = np.repeat(360.0 / np.array(around), around)
    return rho[:, None] * np.stack([np.cos(phi), np.sin(phi)], 1), area, width


@serial
def _splat(
    points: Points, mass: Points, sigma: Points, out: FloatArray
) -> None:
    norm = 1.0 / ((2 * np.pi) ** 1.5 * sigma[0] * sigma[1] * sigma[2])
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for n in range(len(points)):
        for d in range(3):
            low[d] = max(0, int(np.ceil(points[n, d] - REACH * sigma[d])))
            high[d] = min(out.shape[d], int(np.floor(points[n, d] + REACH * sigma[d])) + 1)
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        for i in range(low[0], high[0]):
            a = mass[n] * norm * np.exp(-0.5 * ((i - x) / sigma[0]) ** 2)
            for j in range(low[1], high[1]):
                b = a * np.exp(-0.5 * ((j - y) / sigma[1]) ** 2)
                for k in range(low[2], high[2]):
                    out[i, j, k] += b * np.exp(-0.5 * ((k - z) / sigma[2]) ** 2)
