"""The part of a head about one lead, in a CT: all that finding the lead needs, at a tenth of a whole head's cost.

Brain in a skull with a burr hole, scalp and air, with the blur, noise, saturation and streaks of a scanner; or a ball
of water. The lead's bow, rotation, direction and place on the voxels are random.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter

from qsmkit.grid import Grid
from qsmkit.leads.curve import Points
from qsmkit.leads.electrodes import electrode
from qsmkit.leads.lead import Lead, LeadPlan, Vector, lead
from qsmkit.simulate.ct import add_metal
from qsmkit.simulate.hardening import add_bone_bands
from qsmkit.simulate.hounsfield import stored
from qsmkit.simulate.metal import FWHM_PER_SIGMA, lead_cloud
from qsmkit.transform import Transform
from qsmkit.volume import Volume

FWHM, NOISE_HU = 0.9, 10.0
"""Of the point-spread function, mm, and of the noise."""

BRAIN, BONE, SCALP, AIR = 32.0, 1350.0, 55.0, -1000.0
"""CT numbers, HU."""

SKULL, SKIN, BURR_HOLE, MARGIN = 7.0, 5.0, 7.0, 14.0
"""Thickness of skull and scalp, radius of the burr hole, and what is seen beside the lead, mm."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A CT and the lead in it, in one RAS space."""

    ct: Volume
    truth: Lead


def scene(
    model: str, slices: float = 0.6, *, pose: Transform | None = None, rotation: float | None = None, seed: int = 1,
    phantom: bool = False, streaks: float = 1.0, cut: float = 0.0,
) -> Scene:
    """Return the part of a head about one lead.

    Parameters
    ----------
    model : str
        Of the lead.
    slices : float
        Their distance, mm; voxels are 0.5 mm wide.
    pose : Transform or None
        Of the head in the scanner.
    rotation : float or None
        Of the marker, degrees; random if omitted.
    seed : int
        Of the lead's place and of the noise.
    phantom : bool
        A ball of water instead of a head.
    streaks : float
        Strength of beam hardening, in multiples of the usual.
    cut : float
        How much of the lead's lower end lies below the lowest slice, mm.

    Raises
    ------
    ParameterError
        The model is unknown.
    """
    rng = np.random.default_rng(seed)
    length = max(62.0, electrode(model).height + 22.0)
    side = rng.choice([-1, 1])
    away = np.deg2rad([rng.uniform(10, 25), rng.uniform(15, 40)])
    up = np.array([side * np.tan(away[0]), np.tan(away[1]), 1.0])
    up /= np.linalg.norm(up)
    target = rng.uniform(-1, 1, 3)
    turn = rng.uniform(0, 360) if rotation is None else rotation
    plan = LeadPlan(
        "lead", model, "right" if side > 0 else "left", _vector(target), _vector(target + length * up), turn,
        rng.uniform(0, 2), rng.uniform(0, 360),
    )
    placed = lead(plan)
    over = placed.entry + np.array([up * 4, up * 5 + (0, -4, 0), up * 3 + (0, -14, 0), (0, -26, 0)])
    placed = replace(placed, curve=placed.curve.followed_by(over))
    motion = np.eye(4) if pose is None else pose.matrix
    seen = placed.moved(motion)
    inside = seen.curve.at(np.arange(0, placed.depth, 0.5))
    low, high = inside.min(0) - MARGIN, inside.max(0) + MARGIN
    low[2] += cut + (MARGIN if cut else 0)
    size = np.array([0.5, 0.5, slices])
    affine = np.diag([*size, 1.0])
    affine[:3, 3] = low + rng.uniform(0, 1, 3) * size
    x, y, z = (int(n) for n in np.ceil((high - low) / size))
    grid = Grid((x, y, z), affine)
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1)
    points = Transform(motion).inverse().apply(grid.world(index))
    radius = np.linalg.norm(points, axis=-1)
    outer = float(np.linalg.norm(placed.entry))
    hu = np.full(grid.shape, 0.0 if phantom else BRAIN, np.float32)
    if not phantom:
        hole = np.linalg.norm(np.cross(points - placed.entry, up), axis=-1) < BURR_HOLE
        hu[(radius > outer - SKULL) & ~hole] = BONE
        hu[(radius > outer - SKULL) & hole] = SCALP
        hu[radius > outer] = SCALP
    hu[radius > outer + SKIN] = AIR
    gaussian_filter(hu, FWHM / FWHM_PER_SIGMA / size, output=hu, mode="nearest")
    add_bone_bands(hu, grid, streaks)
    add_metal([lead_cloud(seen)], grid, hu, fwhm=FWHM, streaks=streaks, rng=rng)
    whole = stored(hu, grid, rng, fwhm=FWHM, noise_hu=NOISE_HU, extended=False)
    return Scene(Volume(whole, grid, "HU"), seen)


def _vector(point: Points) -> Vector:
    x, y, z = (float(v) for v in point)
    return x, y, z
