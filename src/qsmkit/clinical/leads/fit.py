"""A model of lead laid into a CT: where every contact is, how the lead is turned, and how sure both are.

    predicted(x) = min(ceiling, t + Σ_k a_k Σ_n w_n G(x − p_n))

over pieces n of metal of kind k at p_n, with tissue t, strengths a_k and the Gaussian G of the scanner's blur in and
across slices; all of it fitted to the voxels about the lead, with the lead's axis, depth and rotation. Voxels are
compared, not interpolated values, so that slices of any thickness and direction are treated alike.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares
from scipy.spatial import cKDTree

from qsmkit.arrays import FloatArray
from qsmkit.clinical.leads.pieces import MARKER, Pieces, pieces_of, spread
from qsmkit.clinical.leads.slices import across
from qsmkit.leads.curve import Curve, Points
from qsmkit.leads.electrodes import RING, Electrode
from qsmkit.volume import Volume

AROUND, BELOW = 2.6, 3.0
"""Voxels so close to the axis, and so far below the metal, are compared, mm."""

FWHM = 0.9
"""Width of the scanner's blur from which the fit starts, mm."""

FWHM_PER_SIGMA = 2.3548
"""Full width at half maximum of a Gaussian over its standard deviation."""

NOISE, SHARE = 80.0, 0.03
"""Standard deviation allowed a voxel: streaks, HU, and a share of the metal's signal (modelling choice)."""

BENDS = 3
"""Polynomials across the lead, in either direction, by which its axis may differ from the centroids'."""

TURNS = 12
"""Rotations from which a directional lead's fit starts."""

# Order of the parameters: depth, rotation, blur in and across slices, tissue, three strengths, bends.
DEPTH, ROTATION, BLUR, TISSUE, STRENGTH, BEND = 0, 1, 2, 4, 5, 8
STEPS = np.array([0.02, 0.02, 0.01, 0.01, 1.0, 0.01, 0.01, 0.01, *[0.01] * (2 * BENDS)])
"""By which parameters are varied: mm, rad, ln mm, ln mm, HU, ln, ln, ln, mm."""


CORRELATED = 40.0
"""Voxels that err alike: noise and streaks are coloured (modelling choice)."""

# What is known beforehand of the logarithms of strengths and blurs (modelling choices): a contact is about three times
# as dense as the conductors, a marker somewhat denser than a contact, the blur about as wide across slices as in them.
RATIOS = np.zeros((4, len(STEPS)))
RATIOS[0, [STRENGTH, STRENGTH + 1]] = RATIOS[1, [STRENGTH + 2, STRENGTH]] = RATIOS[2, [BLUR + 1, BLUR]] = 1, -1
RATIOS[3, BLUR] = 1
EXPECTED = np.log([3.5, 1.5, 1.0, FWHM / FWHM_PER_SIGMA])
ALLOWED = np.array([0.4, 0.3, 0.3, 0.3])
PRIOR_WEIGHT = float(np.sqrt(CORRELATED))


@dataclass(frozen=True, eq=False)
class Site:
    """The voxels about a lead.

    Attributes
    ----------
    place : (N, 3) int array
        Where they are in the box.
    value : (N,) array
        Their CT numbers, HU.
    corner : (3,) int array
        First voxel of the box.
    shape : tuple of int
        Of the box.
    ct : Volume
        The whole CT.
    axis : Curve
        Through the metal's centroids, RAS mm.
    end : float
        Arc length on it up to which voxels are compared, mm.
    ceiling : float
        CT number that the scanner cuts off at, HU.
    """

    place: npt.NDArray[np.intp]
    value: Points
    corner: npt.NDArray[np.intp]
    shape: tuple[int, int, int]
    ct: Volume
    axis: Curve
    end: float
    ceiling: float

    @property
    def through(self) -> int:
        """The voxel axis across the slices: the one whose voxels are unlike the others', else the third."""
        size = np.array(self.ct.grid.voxel_size)
        off = np.abs(np.log(size / np.median(size)))
        return int(off.argmax()) if off.max() > 0.02 else 2


@dataclass(frozen=True, eq=False)
class Fit:
    """A model laid into a CT.

    Attributes
    ----------
    model : Electrode
        The model.
    axis : Curve
        Of the lead, from its end upwards, RAS mm.
    rotation : float
        Of the marker from `across`'s first vector, rad.
    parameters : (P,) array
        As fitted.
    covariance : (P, P) array
        Of the parameters, as the residuals have it.
    misfit : float
        Mean of the squared residuals over their allowed variance.
    voxels : int
        That were compared.
    strengths : tuple of float
        HU mm² of contacts, conductors and marker.
    blur : tuple of float
        Standard deviation in and across slices, mm.
    places : (C, 3) array
        Of the contacts from the tip upwards, A, B, C about the lead: on the axis for a ring, on the surface for a
        segment; RAS mm.
    spread : (C, 3, 3) array
        Their covariance, as the residuals have it, mm².
    """

    model: Electrode
    axis: Curve
    rotation: float
    parameters: Points
    covariance: Points
    misfit: float
    voxels: int
    strengths: tuple[float, float, float]
    blur: tuple[float, float]
    places: Points
    spread: Points


def odds(worse: float, better: float, voxels: int) -> float:
    """Return exp(−(N/2c) (m₁ − m₀)/m₀), the likelihood ratio of two misfits to N voxels of which c err alike."""
    return float(np.exp(-voxels / CORRELATED / 2 * (worse - better) / better))


def site_of(ct: Volume, axis: Curve, end: float, ceiling: float) -> Site:
    """Return the voxels within a few millimetres of an axis, from below its start up to arc length `end`, mm."""
    s = np.arange(-BELOW, end, 0.25)
    points = axis.at(s)
    index = ct.grid.voxel(points)
    margin = np.ceil((AROUND + 2.0) / np.array(ct.grid.voxel_size))
    low = np.maximum(np.floor(index.min(0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(index.max(0) + margin) + 1, ct.data.shape).astype(int)
    x, y, z = (int(n) for n in high - low)
    place = np.stack(np.meshgrid(*map(np.arange, (x, y, z)), indexing="ij"), -1).reshape(-1, 3)
    world = ct.grid.world(place + low)
    distance, nearest = cKDTree(points).query(world, distance_upper_bound=AROUND)
    near = np.isfinite(distance) & (nearest < len(points) - 1)
    place = place[near]
    value = np.asarray(ct.data[tuple((place + low).T)], np.float64)
    return Site(place, value, low, (x, y, z), ct, axis, end, ceiling)


class Renderer:
    """Predicts the voxels of a site for one model."""

    def __init__(self, site: Site, model: Electrode) -> None:
        self.site, self.model = site, model
        self.pieces: Pieces = pieces_of(model, site.end + 8.0)
        fine = np.arange(-8.0, site.end + 12.0, 0.1)
        front, left = across(site.axis, np.clip(fine, 0, site.axis.length))
        self._table = fine, np.concatenate([site.axis.at(fine), front, left], 1)
        self._scale = max(site.end, 20.0)
        self.out = np.zeros((3, *site.shape), np.float32)
        size = np.array(site.ct.grid.voxel_size)
        self._box = size**2 / 12
        self._through = site.through
        self._size = size

    def _frames(self, s: Points) -> tuple[Points, Points, Points]:
        fine, table = self._table
        at = np.clip((s - fine[0]) / 0.1, 0, len(fine) - 1.001)
        i = at.astype(int)
        mixed = table[i] + (at - i)[:, None] * (table[i + 1] - table[i])
        return mixed[:, :3], mixed[:, 3:6], mixed[:, 6:]

    def points(self, s: Points, radius: Points, angle: Points, p: Points) -> Points:
        """Return where points of the lead are, RAS mm: (N, 3)."""
        middle, front, left = self._frames(s + p[DEPTH])
        u = s / self._scale
        bends = np.stack([u**k for k in range(BENDS)], 1)
        a = radius * np.cos(angle + p[ROTATION]) + bends @ p[BEND : BEND + BENDS]
        b = radius * np.sin(angle + p[ROTATION]) + bends @ p[BEND + BENDS : BEND + 2 * BENDS]
        placed: Points = middle + a[:, None] * front + b[:, None] * left
        return placed

    def axis(self, s: Points, p: Points) -> Points:
        """Return points of the lead's axis, RAS mm: (N, 3)."""
        zero = np.zeros(len(s))
        return self.points(s, zero, zero, p)

    def images(self, p: Points) -> FloatArray:
        """Return what each kind of metal adds to the site's voxels at unit strength, 1/mm²: (3, N)."""
        q, site = self.pieces, self.site
        place = site.ct.grid.voxel(self.points(q.s, q.radius, q.angle, p)) - site.corner
        blur = np.full(3, np.exp(p[BLUR]))
        blur[self._through] = np.exp(p[BLUR + 1])
        sigma = np.sqrt(blur**2 + self._box) / self._size
        self.out[:] = 0
        spread(place, q.weight / site.ct.grid.voxel_volume, q.kind, sigma, self.out)
        return self.out[:, site.place[:, 0], site.place[:, 1], site.place[:, 2]]

    def predicted(self, p: Points, images: FloatArray | None = None) -> Points:
        """Return the CT numbers of the site's voxels, HU: (N,)."""
        seen = self.images(p) if images is None else images
        full: Points = p[TISSUE] + np.exp(p[STRENGTH : STRENGTH + 3]) @ seen
        return np.minimum(full, self.site.ceiling)


def fit(site: Site, model: Electrode, depth: float, rotation: float | None = None, *, quick: bool = False) -> Fit:
    """Lay a model into a CT.

    Parameters
    ----------
    site : Site
        Voxels about the lead.
    model : Electrode
        The model.
    depth : float
        Arc length on the site's axis of the lead's end, mm, to start from.
    rotation : float or None
        Of the marker to start from, rad; all directions are tried if omitted.
    quick : bool
        Whether a few iterations do (to tell models apart).
    """
    render = Renderer(site, model)
    start = _start(site, depth)
    start[STRENGTH : STRENGTH + 3] += np.log(_brightness(render, start))
    free = np.ones(len(start), bool)
    free[ROTATION] = model.directional
    free[STRENGTH + MARKER] = model.marker is not None
    if model.directional:
        start[ROTATION] = _best_turn(render, start, site) if rotation is None else rotation
    scale = np.sqrt(NOISE**2 + (SHARE * np.clip(site.value - start[TISSUE], 0, None)) ** 2)

    def whole(q: Points) -> Points:
        p = start.copy()
        p[free] = q
        return p

    def residual(q: Points) -> Points:
        off: Points = (render.predicted(whole(q)) - site.value) / scale
        return np.concatenate([off, PRIOR_WEIGHT * (RATIOS @ whole(q) - EXPECTED) / ALLOWED])

    def slope(q: Points) -> Points:
        p = whole(q)
        images = render.images(p)
        base = render.predicted(p, images)
        below = (base < site.ceiling) / scale
        columns = np.empty((len(scale), len(p)))
        for i in np.flatnonzero(free):
            if i == TISSUE:
                columns[:, i] = below
            elif STRENGTH <= i < STRENGTH + 3:
                columns[:, i] = np.exp(p[i]) * images[i - STRENGTH] * below
            else:
                more = p.copy()
                more[i] += STEPS[i]
                columns[:, i] = (render.predicted(more) - base) / STEPS[i] / scale
        return np.concatenate([columns, PRIOR_WEIGHT * RATIOS / ALLOWED[:, None]])[:, free]

    found = least_squares(
        residual, start[free], slope, loss="soft_l1", x_scale=10 * STEPS[free], max_nfev=8 if quick else 30,
        xtol=1e-4, ftol=1e-4,
    )
    p = whole(found.x)
    off = residual(found.x)
    weight = 1 / np.sqrt(1 + off**2)
    jacobian = slope(found.x)
    normal = jacobian.T @ (weight[:, None] * jacobian)
    misfit = float((weight * off**2).sum() / weight.sum())
    covariance = np.zeros((len(p), len(p)))
    inside = np.linalg.inv(normal + 1e-9 * np.eye(len(normal)) * np.trace(normal)) * misfit
    covariance[np.ix_(free, free)] = inside
    places, moves = _contacts(render, p)
    fine = np.arange(0.0, site.end + 0.05, 0.1)
    a, b, c = (float(v) for v in np.exp(p[STRENGTH : STRENGTH + 3]))
    blur = float(np.exp(p[BLUR])), float(np.exp(p[BLUR + 1]))
    return Fit(
        model, Curve(render.axis(fine, p)), float(p[ROTATION]), p, covariance,
        float(2 * found.cost / len(site.value)), len(site.value),
        (a, b, c), blur, places,
        np.einsum("cip,pq,cjq->cij", moves, covariance, moves),
    )


def _contacts(render: Renderer, p: Points) -> tuple[Points, Points]:
    """Return the contacts' places (C, 3), mm, and their change with the parameters (C, 3, P)."""
    model = render.model
    at = [
        (level.middle, 0.0 if segment == RING else model.radius, np.deg2rad(segment.middle))
        for level in model.levels for segment in level.segments
    ]
    s, radius, angle = np.array(at).T
    base = render.points(s, radius, angle, p)
    moves = np.zeros((*base.shape, len(p)))
    for i in [DEPTH, ROTATION, *range(BEND, len(p))]:
        more = p.copy()
        more[i] += STEPS[i]
        moves[:, :, i] = (render.points(s, radius, angle, more) - base) / STEPS[i]
    return base, moves


def _start(site: Site, depth: float) -> Points:
    p = np.zeros(len(STEPS))
    p[DEPTH] = depth
    p[BLUR : BLUR + 2] = np.log(FWHM / FWHM_PER_SIGMA)
    low = site.value < METAL_EDGE
    p[TISSUE] = float(np.median(site.value[low])) if low.any() else 30.0
    p[STRENGTH : STRENGTH + 3] = np.log([15000.0, 3000.0, 20000.0])
    return p


METAL_EDGE = 150.0
"""Voxels below are tissue, HU."""


def _brightness(render: Renderer, start: Points) -> float:
    """Return by how much the metal at the start is to be multiplied to be as bright as the CT's."""
    metal = render.site.value > METAL_EDGE
    factors = np.geomspace(0.1, 3.0, 18)
    images = render.images(start)
    costs = []
    for factor in factors:
        p = start.copy()
        p[STRENGTH : STRENGTH + 3] += np.log(factor)
        costs.append(np.abs(render.predicted(p, images) - render.site.value)[metal].sum())
    return float(factors[int(np.argmin(costs))])


def _best_turn(render: Renderer, start: Points, site: Site) -> float:
    """Return the rotation, of those tried, that explains the voxels best."""
    turns = np.linspace(0, 2 * np.pi, TURNS, endpoint=False)
    costs = []
    for turn in turns:
        p = start.copy()
        p[ROTATION] = turn
        costs.append(np.abs(render.predicted(p) - site.value).sum())
    return float(turns[int(np.argmin(costs))])
