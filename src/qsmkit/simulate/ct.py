"""Computed tomography of a head: tissue in HU, and leads, streaks and noise as a scanner shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.leads.curve import Points
from qsmkit.leads.lead import Lead, LeadPlan, Vector
from qsmkit.simulate.bearings import Bearings, Shell
from qsmkit.simulate.body import Body
from qsmkit.simulate.brain_shift import BrainShift
from qsmkit.simulate.hardening import BONE_THRESHOLD, Beam, add_bone_bands, add_streaks
from qsmkit.simulate.headrest import Headrest
from qsmkit.simulate.hounsfield import rounded_hu, stored, tissue_hu
from qsmkit.simulate.metal import Cloud, cap_cloud, lead_cloud, splat
from qsmkit.simulate.stereotactic import Localiser
from qsmkit.simulate.surgery import implanted, operate
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.transfer import moved, rigid_motion, transfer

METAL_THRESHOLD = 2500
"""Pieces denser than this, HU, make streaks."""

MARGIN = 8.0
"""Air around the head in the image, mm."""

BELOW_BRAIN = 18.0
"""How far a head CT reaches below the brain, mm."""


@dataclass(frozen=True, slots=True)
class CtProtocol:
    """How a head is scanned.

    Attributes
    ----------
    voxel_size : tuple of float
        Right-left, back-front, and from slice to slice, mm.
    rotation, translation : tuple of float
        Pose of the head in the scanner: it is turned about the world's x, y and z (degrees), then moved (mm).
    gantry_tilt : float
        Angle in degrees by which the slices are tilted about x, and with them the stack (as after the correction of
        a tilted gantry's shear).
    fwhm : float
        Full width at half maximum of the point-spread function, mm.
    noise_hu : float
        Standard deviation of the noise in the brain, HU.
    extended : bool
        Whether CT numbers above 3071 HU are kept.
    streaks : float
        Strength of beam hardening, in multiples of the usual.
    headrest : bool
        Whether the shell below the head is seen.

    Raises
    ------
    ParameterError
        A number is out of range.
    """

    voxel_size: Vector = (0.5, 0.5, 0.6)
    rotation: Vector = (0.0, 0.0, 0.0)
    translation: Vector = (0.0, 0.0, 0.0)
    gantry_tilt: float = 0.0
    fwhm: float = 0.9
    noise_hu: float = 10.0
    extended: bool = False
    streaks: float = 1.0
    headrest: bool = True

    def __post_init__(self) -> None:
        for name in ("voxel_size", "rotation", "translation"):
            value = getattr(self, name)
            if np.shape(value) != (3,) or not np.isfinite(value).all():
                raise ParameterError(f"{name} {value} of a CT is not three finite numbers")
        if not 0.3 <= min(self.voxel_size) <= max(self.voxel_size) <= 5:
            raise ParameterError(f"CT voxel size {self.voxel_size} mm is out of range; give lengths from 0.3 to 5 mm")
        for name, value, least, most in (
            ("gantry_tilt", self.gantry_tilt, -30, 30), ("fwhm", self.fwhm, 0.3, 3),
            ("noise_hu", self.noise_hu, 0, 200), ("streaks", self.streaks, 0, 10),
        ):
            if not least <= value <= most:
                raise ParameterError(f"{name} = {value} of a CT is out of range; give {least} to {most}")


@dataclass(frozen=True, eq=False)
class CtTruth:
    """What is true about a CT.

    Attributes
    ----------
    to_ct : (4, 4) array
        Rigid transform from head RAS mm to the CT's RAS mm.
    leads : tuple of Lead
        In head RAS.
    shift : BrainShift or None
        How tissue moved before the scan; leads stay where they were put.
    air : (X, Y, Z) bool array
        Pneumocephalus, on the CT's grid.
    air_volume : float
        Of the pneumocephalus, mm³.
    localiser : Localiser or None
        The frame's rods, in head RAS.
    """

    to_ct: Points
    leads: tuple[Lead, ...]
    shift: BrainShift | None
    air: BoolArray
    air_volume: float
    localiser: Localiser | None

    @property
    def leads_in_ct(self) -> tuple[Lead, ...]:
        """The leads in the CT's RAS."""
        return tuple(lead.moved(self.to_ct) for lead in self.leads)


@dataclass(frozen=True, eq=False)
class CtScan:
    """A CT.

    Attributes
    ----------
    hu : (X, Y, Z) int16 array
        CT numbers, HU.
    grid : Grid
        Geometry, in the CT's RAS mm.
    truth : CtTruth
        What was put into it.
    """

    hu: npt.NDArray[np.int16]
    grid: Grid
    truth: CtTruth


def head_ct(
    body: Body,
    plans: Sequence[LeadPlan] = (),
    protocol: CtProtocol | None = None,
    *,
    shift: tuple[float, float] = (0.0, 0.0),
    localiser: Localiser | None = None,
    rng: int | np.random.Generator = 1,
) -> CtScan:
    """Simulate the CT of a head, before an operation or after it.

    Parameters
    ----------
    body : Body
        The head.
    plans : sequence of LeadPlan
        Leads that have been implanted.
    protocol : CtProtocol or None
        How the head is scanned.
    shift : tuple of float
        How far the brain's frontal surface has sunk on the right and on the left, mm; air takes its place.
    localiser : Localiser or None
        Rods of a stereotactic frame.
    rng : int or Generator
        Seed or source of randomness.

    Raises
    ------
    ParameterError
        A lead does not lie in the head, leads cross, or a number is out of range.
    """
    protocol = protocol or CtProtocol()
    random, grain = np.random.default_rng(rng).spawn(2)
    operated = operate(body, plans, shift)
    to_ct = rigid_motion(protocol.rotation, protocol.translation)
    source = moved(body.grid, to_ct)
    head, brain = (_places(source, mask) for mask in (~np.isin(body.labels, (0, Label.AIR)), body.brain))
    beside = [] if localiser is None else [localiser.moved(to_ct).ends.reshape(-1, 3)]
    rest = Headrest.below(head)
    if protocol.headrest:
        beside.append(rest.bottom[None])
    grid = _ct_grid(head, brain, beside, protocol)
    hu = tissue_hu(body, operated.labels, source, grid, protocol.fwhm)
    if protocol.headrest:
        rest.draw(hu, grid)
    add_bone_bands(hu, grid, protocol.streaks)
    hardware = [part(one) for one in operated.leads for part in (cap_cloud, lead_cloud)]
    if localiser is not None:
        hardware.append(localiser.cloud())
    clouds = [cloud.moved(to_ct) for cloud in hardware]
    add_metal(clouds, grid, hu, fwhm=protocol.fwhm, streaks=protocol.streaks, rng=random)
    whole = stored(hu, grid, grain, fwhm=protocol.fwhm, noise_hu=protocol.noise_hu, extended=protocol.extended)
    air = transfer(operated.air, source, grid) > 0.5 if operated.air.any() else np.zeros(grid.shape, bool)
    volume = float(operated.air.sum()) * body.grid.voxel_volume
    return CtScan(whole, grid, CtTruth(to_ct, operated.leads, operated.shift, air, volume, localiser))


def implant(
    hu: npt.NDArray[np.integer],
    grid: Grid,
    plans: Sequence[LeadPlan],
    *,
    fwhm: float = 0.9,
    extended: bool = False,
    streaks: float = 1.0,
    rng: int | np.random.Generator = 1,
) -> tuple[npt.NDArray[np.int16], tuple[Lead, ...]]:
    """Return a real CT with simulated leads in it, and the leads.

    Parameters
    ----------
    hu : (X, Y, Z) array
        CT numbers, HU.
    grid : Grid
        Its geometry; plans count in its RAS mm, and the patient's front is the world's +y.
    plans : sequence of LeadPlan
        The leads.
    fwhm : float
        Full width at half maximum of the scan's point-spread function, mm.
    extended : bool
        Whether CT numbers above 3071 HU are kept.
    streaks : float
        Strength of beam hardening, in multiples of the usual.
    rng : int or Generator
        Seed or source of randomness.

    Raises
    ------
    ShapeError
        The CT does not lie on the grid.
    ParameterError
        There is no bone, a lead does not lie in the head, or leads cross.
    """
    if hu.shape != grid.shape:
        raise ShapeError(f"the CT has shape {hu.shape}, but its grid is {grid.shape}")
    bone = hu > BONE_THRESHOLD
    if not bone.any():
        raise ParameterError(f"the CT has no voxel above {BONE_THRESHOLD} HU, hence no skull; give it in HU")
    middle = grid.world(np.argwhere(bone[::4, ::4, ::4]).mean(0) * 4)
    leads = implanted(plans, Shell(bone, grid, middle), Bearings(middle, *np.eye(3)))
    result = hu.astype(np.float32)
    clouds = [lead_cloud(one) for one in leads]
    add_metal(clouds, grid, result, fwhm=fwhm, streaks=streaks, rng=np.random.default_rng(rng))
    return np.where(result == hu, hu, rounded_hu(result, extended)).astype(np.int16), leads


def add_metal(
    clouds: Sequence[Cloud], grid: Grid, hu: FloatArray, *, fwhm: float, streaks: float, rng: np.random.Generator
) -> None:
    """Put hardware into a CT, with the streaks that its metal makes.

    Parameters
    ----------
    clouds : sequence of Cloud
        Objects, in the world of `grid`.
    grid : Grid
        The CT's.
    hu : (X, Y, Z) float32 array
        CT numbers, HU; changed in place.
    fwhm : float
        Full width at half maximum of the point-spread function, mm.
    streaks : float
        Strength of the streaks, in multiples of the usual.
    rng : Generator
        Source of randomness.
    """
    for cloud in clouds:
        splat(cloud, grid, fwhm, hu)
    dense = [cloud.denser(METAL_THRESHOLD) for cloud in clouds]
    if streaks > 0 and any(len(cloud.points) for cloud in dense):
        add_streaks(dense, grid, fwhm, hu, rng, Beam().times(streaks))


def _places(grid: Grid, mask: BoolArray) -> Points:
    """Return where a mask is, thinned out: (N, 3) mm."""
    return grid.world(np.argwhere(mask[::3, ::3, ::3]) * 3)


def _ct_grid(head: Points, brain: Points, beside: Sequence[Points], protocol: CtProtocol) -> Grid:
    """Return a grid from below the brain to above the vertex, as wide as the head and what is to be seen beside it."""
    tilt = rigid_motion((protocol.gantry_tilt, 0.0, 0.0), (0.0, 0.0, 0.0))[:3, :3]
    low, high = (head @ tilt).min(0) - MARGIN, (head @ tilt).max(0) + MARGIN
    low[2] = (brain @ tilt)[:, 2].min() - BELOW_BRAIN
    for points in beside:
        low[:2] = np.minimum(low[:2], (points @ tilt)[:, :2].min(0) - MARGIN)
        high[:2] = np.maximum(high[:2], (points @ tilt)[:, :2].max(0) + MARGIN)
    size = np.array(protocol.voxel_size)
    x, y, z = (int(n) for n in 2 * np.ceil((high - low) / size / 2))
    affine = np.eye(4)
    affine[:3, :3] = tilt * size
    affine[:3, 3] = tilt @ (low + size / 2)
    return Grid((x, y, z), affine)
