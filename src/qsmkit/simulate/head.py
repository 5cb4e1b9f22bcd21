"""A scan of a digital head, with its truth."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import AnyArray
from qsmkit.errors import MetadataError, ParameterError
from qsmkit.grid import Grid
from qsmkit.physics.signal import spoiled_steady_state
from qsmkit.simulate.anatomy import Anatomy, draw_head
from qsmkit.simulate.forward import fields, shim
from qsmkit.simulate.resample import average, fine_samples, nearest
from qsmkit.simulate.scanner import Protocol, acquire, decode_phase, encode_magnitude, encode_phase
from qsmkit.simulate.tissue import PARENCHYMA, TISSUES, Label, spread
from qsmkit.units import hz_per_ppm
from qsmkit.volume import Scan

FIELD_OF_VIEW = (160.0, 192.0, 168.0)
"""Right-left, back-front and foot-head extent of the image, mm."""

COARSEST = 1.0
"""Largest distance, mm, between the samples on which a head is drawn, however large the voxels."""

CHI_TEXTURE, R2STAR_TEXTURE = 0.008, 0.05
"""Standard deviation of χ (ppm) and relative one of R2* within a tissue."""

REPETITION_TIME, FLIP_ANGLE = 0.05, 15.0
"""Of the simulated sequence, s and degrees."""

INSIDE = 0.9
"""A voxel belongs to the mask if more than this share of it lies inside the brain's hull."""


@dataclass(frozen=True, eq=False)
class SimulatedHead:
    """A scan and what is true about it.

    Attributes
    ----------
    scan : Scan
        Phase (with the rounding of stored integers), magnitude, echo times, field strength, grid, metadata.
    truth : mapping of str to array
        By artifact name, each (X, Y, Z): `mask`; `chi` (ppm, relative to water, averaged over the voxel);
        `local_field` (ppm, of the sources inside the brain's hull, mean over the mask removed); `total_field`
        (ppm, as played out, after the shim); `r2star` (1/s); `phase_offset` (rad at echo time zero, not
        wrapped). Zero outside the mask.
    labels : (X, Y, Z) uint8 array
        `Label` at the voxel's centre, zero outside the mask.
    label_names : mapping of int to str
        Name of each label.
    """

    scan: Scan
    truth: Mapping[str, AnyArray]
    labels: npt.NDArray[np.uint8]
    label_names: Mapping[int, str]

    def stored_phase(self) -> npt.NDArray[np.int16]:
        """Return the phase as a scanner stores it, −4096 … 4095, echo last."""
        return encode_phase(self.scan.phase)

    def stored_magnitude(self) -> npt.NDArray[np.int16]:
        """Return the magnitude as a scanner stores it, 0 … 30000, echo last."""
        assert self.scan.magnitude is not None
        return encode_magnitude(self.scan.magnitude)


def head(
    *,
    voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0),
    size: Literal["full", "small"] = "full",
    tilt: float = 0.0,
    tilt_axis: Literal[0, 1, 2] = 0,
    field_strength: float = 3.0,
    echo_times: tuple[float, ...] = (0.004, 0.012, 0.020, 0.028),
    snr: float = 100.0,
    bipolar: bool = False,
    oversampling: float = 1.5,
    rng: int | np.random.Generator = 1,
) -> SimulatedHead:
    """Simulate a multi-echo gradient-echo scan of a digital head, from numbers alone.

    The head is drawn, and its field computed, on finer samples than the scan's; the complex signal is then
    cropped in k-space. An inversion therefore never meets its own discretisation, and voxels dephase where
    the field is steep.

    Parameters
    ----------
    voxel_size : tuple of float
        In mm. The field of view is 160 × 192 × 168 mm, rounded to an even number of voxels.
    size : {"full", "small"}
        "small" doubles the voxel size, for quick trials.
    tilt : float
        Angle in degrees by which image and head are turned together in the magnet.
    tilt_axis : {0, 1, 2}
        World axis of the tilt.
    field_strength : float
        Main field, T.
    echo_times : tuple of float
        In s, ascending.
    snr : float
        Bright signal of the first echo over the noise's standard deviation per channel.
    bipolar : bool
        Read every second echo backwards.
    oversampling : float
        Fewest samples in a voxel along each axis; 1 commits the inverse crime.
    rng : int or Generator
        Seed or source of randomness. An integer gives the same head at any voxel size, tilt, field and noise.

    Returns
    -------
    SimulatedHead
        Scan, truth and labels.

    Raises
    ------
    ParameterError
        A number is out of range.
    MetadataError
        Echo times are not positive and ascending.
    """
    _check(voxel_size, field_strength, echo_times, snr, oversampling)
    size_mm = np.array(voxel_size, np.float64) * (2 if size == "small" else 1)
    x, y, z = (max(2, 2 * round(f / v / 2)) for f, v in zip(FIELD_OF_VIEW, size_mm, strict=True))
    grid = Grid.tilted((x, y, z), (size_mm[0], size_mm[1], size_mm[2]), tilt=tilt, axis=tilt_axis)
    patient, scanner = np.random.default_rng(rng).spawn(2)
    space, fine = fine_samples(grid, oversampling, COARSEST)
    anatomy = draw_head(space, patient)

    chi = spread(anatomy.labels, {label: t.chi for label, t in TISSUES.items()})
    chi += np.float32(CHI_TEXTURE) * anatomy.texture * np.isin(anatomy.labels, PARENCHYMA)
    total, local = fields(chi, anatomy.brain, TISSUES[Label.AIR].chi, fine)
    total = shim(total, anatomy.brain, space)
    r2star = spread(
        anatomy.labels, {label: t.r2 + t.r2prime * field_strength / 3 for label, t in TISSUES.items()}
    )
    r2star *= 1 + np.float32(R2STAR_TEXTURE) * anatomy.texture
    amplitude = spread(anatomy.labels, {
        label: spoiled_steady_state(t.density, t.t1, repetition_time=REPETITION_TIME, flip_angle=FLIP_ANGLE)
        for label, t in TISSUES.items()
    })
    protocol = Protocol(field_strength, tuple(echo_times), snr, bipolar)
    measured = acquire(amplitude, r2star, total, space, grid.shape, protocol, scanner)
    scan = Scan(
        decode_phase(encode_phase(measured.phase)),
        measured.magnitude,
        np.array(echo_times),
        field_strength,
        grid,
        name="sub-01",
        metadata=_sidecar(field_strength),
    )
    maps = {"chi": chi * anatomy.brain, "local_field": local, "total_field": total, "r2star": r2star}
    truth = _truth(anatomy, maps, grid)
    truth["phase_offset"] = measured.phase_offset * truth["mask"]
    labels = nearest(anatomy.labels, grid.shape) * truth["mask"]
    return SimulatedHead(scan, truth, labels, {int(label): label.name.lower() for label in Label})


def _truth(anatomy: Anatomy, samples: Mapping[str, AnyArray], grid: Grid) -> dict[str, AnyArray]:
    mask = average(anatomy.brain, grid.shape) > INSIDE
    truth: dict[str, AnyArray] = {name: average(v, grid.shape) * mask for name, v in samples.items()}
    truth["local_field"] -= truth["local_field"][mask].mean(dtype=np.float64).astype(np.float32) * mask
    truth["mask"] = mask
    return truth


def _sidecar(field_strength: float) -> dict[str, Any]:
    return {
        "Manufacturer": "Simulated",
        "MagneticFieldStrength": field_strength,
        "ImagingFrequency": hz_per_ppm(field_strength),
        "RepetitionTime": REPETITION_TIME,
        "FlipAngle": FLIP_ANGLE,
        "MRAcquisitionType": "3D",
    }


def _check(
    voxel_size: tuple[float, float, float], field_strength: float, echo_times: tuple[float, ...], snr: float,
    oversampling: float,
) -> None:
    if np.shape(voxel_size) != (3,) or not 0.2 <= min(voxel_size) <= max(voxel_size) <= 10:
        raise ParameterError(f"voxel size {voxel_size} mm is not three lengths between 0.2 and 10 mm")
    for name, value in (("field_strength", field_strength), ("snr", snr)):
        if not (np.isfinite(value) and value > 0):
            raise ParameterError(f"{name} = {value} is out of range; it must be greater than 0")
    if not 1 <= oversampling <= 4:
        raise ParameterError(f"oversampling = {oversampling} is out of range; it must be between 1 and 4")
    times = (0.0, *echo_times)
    if len(times) == 1 or any(later <= earlier for earlier, later in itertools.pairwise(times)):
        raise MetadataError(f"echo times {list(echo_times)} s are not positive and ascending; give them in s")
    if times[-1] >= REPETITION_TIME:
        raise ParameterError(
            f"echo times {list(echo_times)} s exceed the repetition time {REPETITION_TIME} s; give them in s"
        )
