"""Was a scan acquired as the consensus asks? Table 4 of Bilgic et al. 2024 (`Bilgic2024`), item by item.

What files cannot say (phase stabilisation, elliptical shutter, flow compensation of single echoes) is not judged.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from qsmkit.errors import QsmkitError
from qsmkit.io import bids
from qsmkit.io.bids import ScanFiles
from qsmkit.io.sidecar import read_inherited
from qsmkit.units import hz_per_ppm
from qsmkit.volume import Scan

Outcome = Literal["PASS", "WARN", "FAIL"]
_ORDER: tuple[Outcome, ...] = ("PASS", "WARN", "FAIL")

# Modelling choices; the consensus gives no numbers.
ELONGATED = 2.0
"""Longest over shortest voxel edge from which partial volume and streaks are to be expected."""

LARGE = 1.5
"""Voxel edge in mm above which small vessels and nuclei are blurred."""

RAMP = 0.5
"""Phase in rad across the image, alternating between echoes, from which the readout is taken for bipolar."""

NYQUIST = 0.6
"""Field in ppm beside air that should wrap no more than once between echoes."""


class Item(NamedTuple):
    """One row of the table.

    Attributes
    ----------
    name : str
        What was looked at.
    outcome : {"PASS", "WARN", "FAIL"}
        As the consensus asks; not so, or not stated; of no use for susceptibility mapping.
    value : str
        What was found, with its unit.
    advice : str
        What it means, or what to do; empty if nothing.
    """

    name: str
    outcome: Outcome
    value: str
    advice: str = ""


@dataclass(frozen=True)
class Acquisition:
    """What was found about a scan.

    Attributes
    ----------
    scan : str
        Its BIDS stem.
    items : tuple of Item
        The table.
    """

    scan: str
    items: tuple[Item, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst outcome."""
        return max((i.outcome for i in self.items), key=_ORDER.index)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"scan": self.scan, "outcome": self.outcome, "items": [i._asdict() for i in self.items]}


def check_acquisition(files: ScanFiles) -> Acquisition:
    """Hold a scan of a BIDS data set against the consensus.

    Parameters
    ----------
    files : ScanFiles
        From `qsmkit.io.bids.find_scans`.

    Returns
    -------
    Acquisition
        One row an item; a scan that cannot be read has a row that says why.
    """
    items: list[Item] = []
    metadata = read_inherited(files.phase[0], files.root)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            scan = bids.load_scan(files.coils[0] if files.coils else files)
    except QsmkitError as error:
        items.append(Item("phase", "FAIL", "cannot be used", " ".join(str(error).split())))
        return Acquisition(files.stem, (*items, *_of_sidecar(metadata)))
    items.append(Item("phase", "PASS", str(scan.metadata["decisions"]["phase"])))
    if files.coils:
        items.append(Item("coils", "PASS", f"{len(files.coils)} apart; the first is shown, recon combines them"))
    items += [Item("files", "WARN", "", str(w.message)) for w in caught if "MagneticField" not in str(w.message)]
    return Acquisition(files.stem, (*items, *_of_images(scan), *_of_sidecar(metadata)))


def _of_images(scan: Scan) -> Iterator[Item]:
    yield (
        Item("magnitude", "PASS", "there")
        if scan.magnitude is not None
        else Item("magnitude", "FAIL", "missing", "export it: masks, weights and R2* need it")
    )
    yield from _echoes(scan)
    yield _voxels(scan)
    yield Item("orientation", "PASS", _orientation(scan))
    yield _polarity(scan)


def _echoes(scan: Scan) -> Iterator[Item]:
    times = 1000 * scan.echo_times
    value = f"{len(times)}: " + ", ".join(f"{t:.4g}" for t in times) + " ms"
    if len(times) == 1:
        yield Item("echoes", "WARN", value, "the phase offset of the coils cannot be told from the field; scan several")
        return
    few = len(times) == 2
    yield Item("echoes", "WARN" if few else "PASS", value, "three or more fit better" if few else "")
    steps = np.diff(times)
    if np.ptp(steps) > 0.01 * steps.mean():
        yield Item("echo spacing", "WARN", f"{steps.min():.4g} to {steps.max():.4g} ms", "not even")
        return
    reach = 1000 / (2 * steps.mean()) / hz_per_ppm(scan.field_strength)
    fine = reach >= NYQUIST
    advice = "" if fine else f"a field of more than ±{reach:.2g} ppm wraps between echoes; shorten it"
    yield Item("echo spacing", "PASS" if fine else "WARN", f"{steps.mean():.4g} ms", advice)


def _voxels(scan: Scan) -> Item:
    size = scan.grid.voxel_size
    value = " × ".join(f"{v:.3g}" for v in size) + " mm"
    if max(size) / min(size) > ELONGATED:
        return Item("voxel size", "WARN", value, "long voxels lower susceptibilities; isotropic ones do not")
    return Item("voxel size", "WARN", value, "small structures are blurred") if max(size) > LARGE else Item(
        "voxel size", "PASS", value
    )


def _orientation(scan: Scan) -> str:
    across = np.abs(scan.grid.axes[:, 2])
    name = ("sagittal", "coronal", "axial")[int(across.argmax())]
    angle = float(np.degrees(np.arccos(min(1.0, float(across.max())))))
    return name if angle < 1 else f"{name}, oblique by {angle:.1f}°"


def _polarity(scan: Scan) -> Item:
    """Tell a bipolar readout by φ₁ − 2φ₂ + φ₃, which is level for a monopolar one."""
    steps = np.diff(scan.echo_times)
    if len(steps) < 2 or abs(steps[0] - steps[1]) > 0.01 * steps[0]:
        return Item("readout polarity", "WARN", "cannot be told", "say monopolar or bipolar in your report")
    bend = scan.phase[..., 0] - 2 * scan.phase[..., 1] + scan.phase[..., 2]
    weight = 1.0 if scan.magnitude is None else scan.magnitude[..., 2] ** 2
    signal = weight * np.exp(1j * bend)
    ramps = []
    for axis, count in enumerate(signal.shape):
        low, high = [(slice(None),) * axis + (s,) for s in (slice(None, -1), slice(1, None))]
        ramps.append(abs(float(np.angle(np.vdot(signal[low], signal[high])))) * (count - 1) / 4)
    if max(ramps) > RAMP:
        advice = "reconstruct with --bipolar; the consensus asks for monopolar readouts"
        return Item("readout polarity", "WARN", f"bipolar: {max(ramps):.2g} rad alternate across the image", advice)
    return Item("readout polarity", "PASS", "monopolar")


def _of_sidecar(metadata: Mapping[str, Any]) -> Iterator[Item]:
    have = _Have(metadata)
    yield have.one_of("dimensions", "MRAcquisitionType", {"3D"}, "the consensus asks for 3D")
    yield _sequence(metadata)
    yield have.stated("sequence name", "SequenceName", "PulseSequenceDetails", "PulseSequenceType")
    yield have.stated("repetition time", "RepetitionTime", factor=1000, unit=" ms")
    yield have.stated("flip angle", "FlipAngle", unit="°")
    yield have.stated("bandwidth", "PixelBandwidth", unit=" Hz/pixel")
    yield (
        Item("centre frequency", "PASS", f"{metadata['ImagingFrequency']:.6g} MHz")
        if metadata.get("ImagingFrequency")
        else Item("centre frequency", "WARN", "not stated", "nominal field strengths are up to 4 % off")
    )
    acceleration = [metadata.get(f"ParallelReductionFactor{k}") for k in ("InPlane", "OutOfPlane")]
    value = " × ".join(f"{a:g}" for a in acceleration if isinstance(a, int | float)) or "not stated"
    yield Item("acceleration", "PASS", value)
    yield _partial_fourier(metadata)
    yield _matrix(metadata)
    yield _coils(metadata)
    yield _distortion(metadata)
    flow = "FC" in _tokens(metadata.get("ScanOptions")) or bool(metadata.get("FlowCompensation"))
    yield Item("flow compensation", "PASS", "yes; say of which echoes in your report" if flow else "not stated")


class _Have:
    """Keys of a sidecar as rows."""

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self.metadata = metadata

    def stated(self, name: str, *keys: str, factor: float = 1, unit: str = "") -> Item:
        for key in keys:
            value = self.metadata.get(key)
            if isinstance(value, int | float):
                return Item(name, "PASS", f"{value * factor:.5g}{unit}")
            if value:
                return Item(name, "PASS", str(value))
        return Item(name, "WARN", "not stated", f"add {keys[0]} to the sidecar")

    def one_of(self, name: str, key: str, wanted: set[str], advice: str) -> Item:
        value = str(self.metadata.get(key) or "not stated")
        return Item(name, "PASS" if value in wanted else "WARN", value, "" if value in wanted else advice)


def _sequence(metadata: Mapping[str, Any]) -> Item:
    found = _tokens(metadata.get("ScanningSequence"))
    if found & {"SE"} and "GR" not in found:
        return Item("sequence", "FAIL", "spin echo", "its phase holds no field; give a gradient echo")
    if "EP" in found:
        return Item("sequence", "WARN", "echo planar", "distortions follow the field")
    if "GR" in found:
        return Item("sequence", "PASS", "gradient echo")
    return Item("sequence", "WARN", "not stated", "add ScanningSequence to the sidecar")


def _partial_fourier(metadata: Mapping[str, Any]) -> Item:
    options, factor = _tokens(metadata.get("ScanOptions")), metadata.get("PartialFourier")
    if "PFF" in options:
        return Item("partial Fourier", "WARN", "asymmetric echo", "should be avoided")
    if "PFP" in options or (isinstance(factor, int | float) and factor < 1):
        return Item("partial Fourier", "WARN", f"{factor or 'yes'}", "should be avoided")
    return Item("partial Fourier", "PASS", "none" if factor else "none stated")


def _matrix(metadata: Mapping[str, Any]) -> Item:
    acquired, shown = metadata.get("AcquisitionMatrixPE"), metadata.get("ReconMatrixPE")
    if not (isinstance(acquired, int | float) and isinstance(shown, int | float)):
        return Item("matrix", "PASS", "not stated")
    if shown > 1.1 * acquired:
        advice = "voxels are smaller than what was measured: noise is correlated; switch interpolation off"
        return Item("matrix", "WARN", f"{acquired:g} interpolated to {shown:g}", advice)
    return Item("matrix", "PASS", f"{acquired:g}")


def _coils(metadata: Mapping[str, Any]) -> Item:
    how = str(metadata.get("CoilCombinationMethod") or "not stated")
    if "sum of squares" in how.lower():
        return Item("coil combination", "WARN", how, "phase of it has open fringes; choose adaptive combination")
    return Item("coil combination", "PASS", how)


def _distortion(metadata: Mapping[str, Any]) -> Item:
    found = {*_tokens(metadata.get("ImageType")), *_tokens(metadata.get("ImageTypeText"))} & {"DIS2D", "DIS3D"}
    if found or metadata.get("NonlinearGradientCorrection"):
        value = ", ".join(sorted(found)) or "corrected"
        advice = "it interpolates across wraps; export uncorrected images (ND)"
        return Item("distortion correction", "WARN", value, advice)
    return Item("distortion correction", "PASS", "none stated")


def _tokens(value: Any) -> set[str]:
    values: Sequence[Any] = value.replace("_", "\\").split("\\") if isinstance(value, str) else value or ()
    return {str(v).strip().upper() for v in values}
