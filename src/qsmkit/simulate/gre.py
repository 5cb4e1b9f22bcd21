"""The gradient-echo scan of a body, with its truth.

The field of the whole head in its pose, its relaxation and the amplitude of the steady state are carried onto samples
finer than the scan's voxels; there the signal becomes complex; cropping k-space sums it within voxels, whence partial
volume, ringing and dephasing near strong sources. Then come coils and noise. Blood does not flow.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import AnyArray, BoolArray, ComplexArray, FloatArray
from qsmkit.errors import MetadataError, ParameterError
from qsmkit.grid import Grid
from qsmkit.physics.signal import gradient_echo, spoiled_steady_state, t1_at
from qsmkit.simulate.body import Body
from qsmkit.simulate.coils import VENDOR_COILS, array_profile, sensitivities, shared_phase, sum_of_squares
from qsmkit.simulate.combination import Combination, combination_weights, combine
from qsmkit.simulate.forward import lean_fields, shim
from qsmkit.simulate.prescription import INSIDE, Prescription
from qsmkit.simulate.properties import Properties
from qsmkit.simulate.resample import crop_slabs
from qsmkit.simulate.space import Space
from qsmkit.simulate.tissue import TISSUES, Label
from qsmkit.simulate.transfer import points_per_voxel, transfer, transfer_labels
from qsmkit.units import hz_per_ppm, radians_per_ppm
from qsmkit.volume import Scan

FAT_SHIFT = -3.4
"""Chemical shift of fat's main peak against water, ppm (recalled)."""

RAMP_START, RAMP_SCALE, RAMP_SLOPE = 0.25, 80.0, 0.6
"""Phase, rad, at the image's middle, and its slope, rad per 80 mm, that alternate with a bipolar readout's polarity."""


@dataclass(frozen=True, kw_only=True)
class GreProtocol(Prescription):
    """A spoiled multi-echo gradient-echo sequence, three-dimensional.

    Attributes
    ----------
    echo_times : tuple of float
        In s, ascending.
    bipolar : bool
        Whether every second echo is read backwards (along the first voxel axis).
    repetition_time : float
        In s.
    flip_angle : float
        In degrees.
    coils : int
        Number of coils; 0 for one image as an ideal combination of an array would make it.
    combination : {"none", "adaptive", "sum-of-squares"}
        How the coils' images are combined, see `qsmkit.simulate.combination`; "none" leaves them apart.
    shim : bool
        Whether the field over the brain is evened out to second order.
    """

    echo_times: tuple[float, ...] = (0.004, 0.012, 0.020, 0.028)
    bipolar: bool = False
    repetition_time: float = 0.05
    flip_angle: float = 15.0
    coils: int = 0
    combination: Combination = "none"
    shim: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        times = (0.0, *self.echo_times)
        if len(times) == 1 or not all(later > earlier for earlier, later in itertools.pairwise(times)):
            raise MetadataError(
                f"echo times {list(self.echo_times)} s are not positive and ascending; give at least one, in s"
            )
        if not times[-1] < self.repetition_time:
            raise ParameterError(
                f"echo times {list(self.echo_times)} s exceed the repetition time {self.repetition_time} s; give s"
            )
        if not 0 < self.flip_angle <= 180:
            raise ParameterError(f"flip_angle = {self.flip_angle}° is out of range; it must be between 0 and 180")
        if not 0 <= self.coils <= 128:
            raise ParameterError(f"coils = {self.coils} is out of range; give 0 for a combined image, at most 128")
        if self.combination not in ("none", "adaptive", "sum-of-squares"):
            raise ParameterError(
                f"combination = {self.combination!r} is unknown; choose from none, adaptive, sum-of-squares"
            )


@dataclass(frozen=True, eq=False)
class GreScan:
    """A gradient-echo scan and what is true about it.

    Attributes
    ----------
    magnitude, phase : (X, Y, Z, E) or (X, Y, Z, E, C) float32 array
        Arbitrary units; wrapped phase in rad; echo fourth, coil last.
    grid : Grid
        Geometry of the voxels.
    protocol : GreProtocol
        What was asked for.
    truth : mapping of str to array
        By artifact name, each (X, Y, Z), averaged over the voxel: `mask`; `chi`, `chi_positive`, `chi_negative`
        (ppm relative to water); `local_field` (ppm, of the sources inside the brain's hull, mean over the mask
        removed); `total_field` (ppm, as played out, after the shim); `r2star` (1/s); `phase_offset` (rad at echo
        time zero, without the ramps of a bipolar readout and the coils' own phases; wrapped if coils were combined).
        Zero outside the mask.
    labels : (X, Y, Z) uint8 array
        `Label` at the voxel's centre, of the whole head.
    noise_sd : float
        Standard deviation of the noise in the real and in the imaginary channel, of each coil, in the magnitude's unit.
    sensitivity : (X, Y, Z, C) complex64 array
        Of each coil; of a combined image, C = 1, its shading.
    metadata : dict
        Sidecar, BIDS names.
    """

    magnitude: FloatArray
    phase: FloatArray
    grid: Grid
    protocol: GreProtocol
    truth: Mapping[str, AnyArray]
    labels: npt.NDArray[np.uint8]
    noise_sd: float
    sensitivity: ComplexArray
    metadata: dict[str, Any]

    def scan(self, name: str = "sub-01") -> Scan:
        """Return the combined image as a scan ready to be reconstructed.

        Raises
        ------
        ParameterError
            The scan holds coils' images.
        """
        if self.phase.ndim == 5:
            raise ParameterError(f"the scan holds the images of {self.protocol.coils} coils; combine them first")
        return Scan(
            self.phase, self.magnitude, np.array(self.protocol.echo_times), self.protocol.field_strength, self.grid,
            bipolar=self.protocol.bipolar, name=name, metadata=self.metadata,
        )


def gre(
    body: Body, properties: Properties, protocol: GreProtocol | None = None, rng: int | np.random.Generator = 1
) -> GreScan:
    """Scan a body.

    Parameters
    ----------
    body : Body
        The head's samples.
    properties : Properties
        What the magnet sees of them.
    protocol : GreProtocol, optional
        What is set at the console.
    rng : int or Generator
        Seed or source of randomness: coils and noise.

    Returns
    -------
    GreScan
        Images and truth.
    """
    protocol = protocol or GreProtocol()
    receiver, noise = np.random.default_rng(rng).spawn(2)
    head, grid = protocol.head(body), protocol.grid(body)
    maps = _maps(body, properties, protocol, head)
    truth = _truth(body.brain, maps, head, grid)

    # The helmet stands still; it is where the head was meant to be.
    centre = body.grid.world((np.array(body.grid.shape) - 1) / 2)
    offset = shared_phase(grid, centre, receiver)
    if protocol.coils:
        sensitivity = sensitivities(protocol.coils, grid, centre, receiver)
    else:
        sensitivity = array_profile(VENDOR_COILS, grid, centre)[..., None].astype(np.complex64)

    combined = protocol.coils == 0 or protocol.combination != "none"
    shape = (*grid.shape, len(protocol.echo_times), *(() if combined else (protocol.coils,)))
    magnitude, phase = np.empty(shape, np.float32), np.empty(shape, np.float32)
    sigma, weights = 0.0, np.ones((1, 1, 1, 1), np.complex64)
    maps["field"] = maps["total_field"] + np.float32(FAT_SHIFT) * (body.labels == Label.FAT)
    for echo, time in enumerate(protocol.echo_times):
        signal = _signal(maps, head, grid, protocol, time)
        if echo == 0:
            seen = truth["mask"] if truth["mask"].any() else np.ones(grid.shape, np.bool_)
            sigma = float(np.mean((np.abs(signal) * sum_of_squares(sensitivity))[seen], dtype=np.float64))
            sigma /= protocol.snr
        polarity = (-1) ** echo if protocol.bipolar else 0
        signal *= np.exp(1j * (offset + polarity * _ramp(grid)))
        images = _receive(signal, sensitivity, sigma, noise)
        if echo == 0 and protocol.coils and combined:
            weights = combination_weights(images, grid, protocol.combination)
        measured = combine(images, weights) if combined else images
        magnitude[:, :, :, echo], phase[:, :, :, echo] = np.abs(measured), np.angle(measured)
    if protocol.coils and combined:
        offset = np.angle(np.exp(1j * offset) * combine(sensitivity, weights))
    truth["phase_offset"] = offset * truth["mask"]
    return GreScan(
        magnitude, phase, grid, protocol, truth, transfer_labels(body.labels, head, grid, outside=Label.AIR), sigma,
        sensitivity, _sidecar(protocol),
    )


def _maps(body: Body, properties: Properties, protocol: GreProtocol, head: Grid) -> dict[str, FloatArray]:
    """Return what the head is and does in this magnet and pose, on its samples."""
    chi = properties.chi
    amplitude = spoiled_steady_state(
        properties.density, t1_at(properties.t1, protocol.field_strength),
        repetition_time=protocol.repetition_time, flip_angle=protocol.flip_angle,
    )
    total, local = lean_fields(chi, body.brain, TISSUES[Label.AIR].chi, head)
    if protocol.shim:
        total = shim(total, body.brain, _space(head))
    return {
        "chi": chi,
        "chi_positive": properties.chi_positive,
        "chi_negative": properties.chi_negative,
        "local_field": local,
        "total_field": total,
        "r2star": properties.r2 + properties.r2prime * np.float32(protocol.field_strength / 3),
        "amplitude": amplitude,
    }


def _truth(brain: BoolArray, maps: Mapping[str, FloatArray], head: Grid, grid: Grid) -> dict[str, AnyArray]:
    """Return what is true of the scan's voxels, by artifact name: maps averaged, zero outside the mask."""
    points = points_per_voxel(head, grid)
    mask = transfer(brain, head, grid, points=points) > INSIDE
    truth: dict[str, AnyArray] = {
        name: transfer(maps[name], head, grid, points=points) * mask
        for name in ("chi", "chi_positive", "chi_negative", "local_field", "total_field", "r2star")
    }
    if mask.any():
        truth["local_field"] -= truth["local_field"][mask].mean(dtype=np.float64).astype(np.float32) * mask
    return truth | {"mask": mask}


def _signal(
    maps: Mapping[str, FloatArray], head: Grid, grid: Grid, protocol: GreProtocol, time: float
) -> ComplexArray:
    """Return the signal of the scan's voxels at an echo time, before coils and noise: (X, Y, Z) complex64."""
    turn = radians_per_ppm(protocol.field_strength, time)

    def slab(part: Grid) -> ComplexArray:
        amplitude, r2star, field = (transfer(maps[name], head, part) for name in ("amplitude", "r2star", "field"))
        offset = np.zeros_like(amplitude)
        return gradient_echo(amplitude, r2star, field, offset, echo_time=time, radians_per_ppm=turn)

    return crop_slabs(slab, protocol.samples(head, grid), grid.shape)


def _ramp(grid: Grid) -> FloatArray:
    """Return the phase, rad, that turns round with the readout along the first voxel axis, to broadcast."""
    place = (np.arange(grid.shape[0]) - (grid.shape[0] - 1) / 2) * grid.voxel_size[0]
    ramp: FloatArray = (RAMP_START + RAMP_SLOPE * place / RAMP_SCALE).astype(np.float32)
    return ramp[:, None, None]


def _receive(
    signal: ComplexArray, sensitivity: ComplexArray, sigma: float, rng: np.random.Generator
) -> ComplexArray:
    """Return what each coil receives of a signal, with its noise: (X, Y, Z, C) complex64."""
    images = np.empty(sensitivity.shape, np.complex64)
    for c in range(sensitivity.shape[-1]):
        noise = rng.standard_normal((*signal.shape, 2), np.float32)
        noise *= np.float32(sigma)
        np.multiply(signal, sensitivity[..., c], out=images[..., c])
        images[..., c] += noise.view(np.complex64)[..., 0]
    return images


def _space(grid: Grid) -> Space:
    """Return the positions of a grid's samples along its own axes, mm from its middle."""
    x, y, z = (np.linspace(-1, 1, n) * ((n - 1) * h / 2) for n, h in zip(grid.shape, grid.voxel_size, strict=True))
    return Space((x, y, z))


def _sidecar(protocol: GreProtocol) -> dict[str, Any]:
    return {
        "Manufacturer": "Simulated",
        "MagneticFieldStrength": protocol.field_strength,
        "ImagingFrequency": hz_per_ppm(protocol.field_strength),
        "RepetitionTime": protocol.repetition_time,
        "FlipAngle": protocol.flip_angle,
        "MRAcquisitionType": "3D",
    }
