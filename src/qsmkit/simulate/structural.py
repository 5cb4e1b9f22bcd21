"""Structural scans of a body: T1-weighted, T2-weighted, white-matter-nulled, fluid-nulled.

The sequence's signal equation makes an amplitude of every sample's proton density and relaxation; cropping k-space
sums it within voxels; then come restlessness, the coils' shading, noise and the magnitude. Each scan has its own grid
and its own pose of the head. Timings are those of common protocols at 3 T, rounded (recalled).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.optimize import brentq

from qsmkit.arrays import BoolArray, ComplexArray, FloatArray
from qsmkit.compiled import thread_count
from qsmkit.errors import ParameterError
from qsmkit.grid import Grid
from qsmkit.physics.signal import prepared_gradient_echo, spin_echo, t1_at
from qsmkit.simulate.body import Body
from qsmkit.simulate.coils import VENDOR_COILS, array_profile
from qsmkit.simulate.prescription import INSIDE, Prescription
from qsmkit.simulate.properties import Properties
from qsmkit.simulate.resample import crop_slabs
from qsmkit.simulate.tissue import TISSUES, Label
from qsmkit.simulate.transfer import points_per_voxel, transfer, transfer_labels
from qsmkit.units import hz_per_ppm

SHIFTS = 6
"""How often a restless head moves during a scan."""


@dataclass(frozen=True, kw_only=True)
class StructuralProtocol(Prescription):
    """A structural sequence.

    Attributes
    ----------
    suffix : str
        BIDS suffix of the image.
    readout : {"gradient", "spin"}
        A train of small pulses after each inversion, or refocused echoes.
    repetition_time : float
        In s; of the inversion, if there is one.
    echo_time : float
        In s; the effective one of a train of spin echoes.
    nulled : Label or None
        Tissue whose signal the inversion time nulls.
    inversion_time : float or None
        In s, where no tissue is nulled; None for no inversion (spin echoes only).
    flip_angle : float
        In degrees, of the small pulses.
    echo_spacing : float
        From small pulse to small pulse, s.
    echoes, centre : int
        Number of small pulses in a train, and of those before the centre of k-space.
    shading : float
        How much of the coils' uneven sensitivity is left: 0 none, 1 all.
    restlessness : float
        Standard deviation, mm, of the shifts of a head that does not lie still, which ghost and blur the image.
    """

    suffix: str = "T1w"
    readout: Literal["gradient", "spin"] = "gradient"
    repetition_time: float = 2.3
    echo_time: float = 0.003
    nulled: Label | None = None
    inversion_time: float | None = 0.9
    flip_angle: float = 9.0
    echo_spacing: float = 0.007
    echoes: int = 160
    centre: int = 80
    shading: float = 0.6
    restlessness: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("repetition_time", "echo_time", "flip_angle", "echo_spacing"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"{name} = {getattr(self, name)} is out of range; it must be greater than 0")
        if self.readout not in ("gradient", "spin"):
            raise ParameterError(f"readout = {self.readout!r} is unknown; choose from gradient, spin")
        if not 0 <= self.shading <= 1:
            raise ParameterError(f"shading = {self.shading} is out of range; it must be between 0 and 1")
        if not 0 <= self.restlessness < np.inf:
            raise ParameterError(f"restlessness = {self.restlessness} mm is out of range; it must be 0 or more")
        if not 0 <= self.centre < self.echoes:
            raise ParameterError(f"centre = {self.centre} is not one of {self.echoes} echoes; give 0 or more")
        room = self.echo_spacing if self.readout == "gradient" else self.repetition_time
        if not self.echo_time < room:
            raise ParameterError(f"echo_time = {self.echo_time} s does not fit into {room} s; give it in s")
        given = self.inversion_time if self.nulled is None else None
        if self.readout == "gradient" and self.nulled is None and given is None:
            raise ParameterError("a gradient readout needs an inversion; give inversion_time in s, or a nulled tissue")
        earliest, latest = self._window()
        if not earliest < latest or not (given is None or earliest <= given <= latest):
            raise ParameterError(
                f"inversion_time = {self.inversion_time} s does not fit: the readout leaves {earliest:.3g} … "
                f"{latest:.3g} s within the repetition time {self.repetition_time} s"
            )

    def inversion(self) -> float | None:
        """Return the inversion time, s: as given, or the one that nulls a tissue; None without inversion.

        Raises
        ------
        ParameterError
            No inversion time nulls the tissue.
        """
        if self.nulled is None:
            return self.inversion_time
        tissue = TISSUES[self.nulled]

        def signal(time: float) -> float:
            return float(self._signal(1.0, tissue.t1, 0.0, time))

        earliest, latest = self._window()
        if signal(earliest) * signal(latest) > 0:
            raise ParameterError(
                f"no inversion time nulls {self.nulled.name.lower()} within {earliest:.3g} … {latest:.3g} s; change "
                "repetition_time, echoes or centre"
            )
        return float(brentq(signal, earliest, latest))

    def amplitude(self, properties: Properties) -> FloatArray:
        """Return the signal of every sample, with its sign: (X, Y, Z) float32, arbitrary units."""
        decay = properties.r2
        if self.readout == "gradient":
            decay = decay + properties.r2prime * np.float32(self.field_strength / 3)
        signal: FloatArray = self._signal(properties.density, properties.t1, decay, self.inversion())
        return signal

    def _signal(self, density: Any, t1: Any, decay: Any, inversion_time: float | None) -> Any:
        """Return the signal, arbitrary units, of proton density, T1 (s, at 3 T) and R2 or R2* (1/s)."""
        t1 = t1_at(t1, self.field_strength)
        if self.readout == "spin" or inversion_time is None:
            return spin_echo(
                density, t1, decay, repetition_time=self.repetition_time, echo_time=self.echo_time,
                inversion_time=inversion_time,
            )
        return np.exp(-self.echo_time * decay) * prepared_gradient_echo(
            density, t1, repetition_time=self.repetition_time, inversion_time=inversion_time,
            flip_angle=self.flip_angle, echo_spacing=self.echo_spacing, echoes=self.echoes, centre=self.centre,
        )

    def _window(self) -> tuple[float, float]:
        """Return the earliest and the latest inversion time that leaves room for the readout, s."""
        if self.readout == "spin":
            return 0.0, self.repetition_time - self.echo_time
        after = (self.echoes - self.centre) * self.echo_spacing
        return self.centre * self.echo_spacing, self.repetition_time - after


STRUCTURAL: Mapping[str, StructuralProtocol] = {
    "T1w": StructuralProtocol(snr=35.0),
    "T2w": StructuralProtocol(
        suffix="T2w", readout="spin", repetition_time=5.0, echo_time=0.09, inversion_time=None, snr=30.0
    ),
    "FLAIR": StructuralProtocol(
        suffix="FLAIR", readout="spin", repetition_time=9.0, echo_time=0.09, nulled=Label.CSF, snr=25.0
    ),
    "FGATIR": StructuralProtocol(
        suffix="T1w", repetition_time=3.0, nulled=Label.WHITE_MATTER, flip_angle=8.0, centre=30, snr=30.0
    ),
}
"""Protocols by name: MPRAGE, turbo spin echo, its fluid-nulled sibling, and the white-matter-nulled MPRAGE."""


@dataclass(frozen=True, eq=False)
class StructuralScan:
    """A structural scan and what is true about it.

    Attributes
    ----------
    image : (X, Y, Z) float32 array
        Magnitude, arbitrary units.
    grid : Grid
        Geometry of the voxels.
    protocol : StructuralProtocol
        What was asked for.
    to_head : (4, 4) array
        Scanner RAS mm of this scan → scanner RAS mm of the body as it was drawn: undoes the motion.
    labels : (X, Y, Z) uint8 array
        `Label` at the voxel's centre.
    mask : (X, Y, Z) bool array
        Voxels inside the brain's hull.
    bias : (X, Y, Z) float32 array
        Shading by which the signal was multiplied.
    noise_sd : float
        Standard deviation of the noise in the real and in the imaginary channel, in the image's unit.
    metadata : dict
        Sidecar, BIDS names.
    """

    image: FloatArray
    grid: Grid
    protocol: StructuralProtocol
    to_head: npt.NDArray[np.float64]
    labels: npt.NDArray[np.uint8]
    mask: BoolArray
    bias: FloatArray
    noise_sd: float
    metadata: dict[str, Any]


def structural(
    body: Body, properties: Properties, protocol: StructuralProtocol = STRUCTURAL["T1w"],
    rng: int | np.random.Generator = 1,
) -> StructuralScan:
    """Scan a body.

    Parameters
    ----------
    body : Body
        The head's samples.
    properties : Properties
        What the magnet sees of them.
    protocol : StructuralProtocol
        What is set at the console.
    rng : int or Generator
        Seed or source of randomness: restlessness and noise.

    Returns
    -------
    StructuralScan
        Image and truth.
    """
    restless, receiver = np.random.default_rng(rng).spawn(2)
    head, grid = protocol.head(body), protocol.grid(body)
    amplitude = protocol.amplitude(properties)

    def slab(part: Grid) -> ComplexArray:
        return transfer(amplitude, head, part).astype(np.complex64)

    signal = crop_slabs(slab, protocol.samples(head, grid), grid.shape)
    if protocol.restlessness:
        signal = _move(signal, protocol.restlessness / np.array(grid.voxel_size), restless)
    bias = array_profile(VENDOR_COILS, grid, body.grid.world((np.array(body.grid.shape) - 1) / 2))
    bias **= np.float32(protocol.shading)
    signal *= bias
    mask = transfer(body.brain, head, grid, points=points_per_voxel(head, grid)) > INSIDE
    seen = mask if mask.any() else np.ones_like(mask)
    sigma = float(np.mean(np.abs(signal[seen]), dtype=np.float64)) / protocol.snr
    noise = receiver.standard_normal((*grid.shape, 2), np.float32)
    noise *= np.float32(sigma)
    signal += noise.view(np.complex64)[..., 0]
    return StructuralScan(
        np.abs(signal), grid, protocol, np.linalg.inv(np.array(protocol.motion)),
        transfer_labels(body.labels, head, grid, outside=Label.AIR), mask, bias, sigma, _sidecar(protocol),
    )


def _move(signal: ComplexArray, sd: npt.NDArray[np.float64], rng: np.random.Generator) -> ComplexArray:
    """Return the image of a head that shifts a few times, by `sd` voxels, while the second axis is encoded.

    A shift d multiplies a line of k-space by exp(−2πi k·d); the head is in its place when the middle is encoded.
    """
    n = signal.shape[1]
    moments = np.sort(rng.integers(0, n, SHIFTS))
    places = np.cumsum(rng.normal(0, 1, (SHIFTS + 1, 3)) * sd, 0)
    place = places[np.searchsorted(moments, np.arange(n), "right")]
    place -= place[n // 2]
    spectrum = scipy.fft.fftn(signal, workers=thread_count(), overwrite_x=True)
    x, y, z = (scipy.fft.fftfreq(m) for m in signal.shape)
    line = scipy.fft.ifftshift(place, axes=0)  # lines are encoded from −n/2 upwards
    spectrum *= np.exp(-2j * np.pi * (x[:, None] * line[:, 0]))[:, :, None].astype(np.complex64)
    spectrum *= np.exp(-2j * np.pi * (y * line[:, 1]))[None, :, None].astype(np.complex64)
    spectrum *= np.exp(-2j * np.pi * (line[:, 2:] * z))[None].astype(np.complex64)
    moved: ComplexArray = scipy.fft.ifftn(spectrum, workers=thread_count(), overwrite_x=True)
    return moved


def _sidecar(protocol: StructuralProtocol) -> dict[str, Any]:
    inversion = protocol.inversion()
    return {
        "Manufacturer": "Simulated",
        "MagneticFieldStrength": protocol.field_strength,
        "ImagingFrequency": hz_per_ppm(protocol.field_strength),
        "RepetitionTime": protocol.repetition_time,
        "EchoTime": protocol.echo_time,
        "FlipAngle": protocol.flip_angle if protocol.readout == "gradient" else 90.0,
        "MRAcquisitionType": "3D",
    } | ({} if inversion is None else {"InversionTime": inversion})
