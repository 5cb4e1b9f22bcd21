"""Heads with known truth as folders of arrays, one .npy an artifact: what every benchmark feeds to methods.

Truth is called true_NAME.npy. Inputs are the truth with the noise that the scan's magnitude implies, so that a method
is judged by itself; `raw_phase` is what the scanner gave.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from qsmkit.grid import Grid
from qsmkit.io.load import load as load_scan
from qsmkit.io.nifti import load_volume
from qsmkit.recon.field.mcpc3ds import mcpc3ds
from qsmkit.recon.field.noise import sigma_from_detail
from qsmkit.simulate.head import FIELD_OF_VIEW, head
from qsmkit.units import radians_per_ppm
from qsmkit.volume import Scan

OUT = Path(__file__).parent / "out"
SIZE = (160, 192, 168)
SNR = 100.0

TRUTH = {
    "chi": ("Chimap", "chi"),
    "local_field": ("desc-local_fieldmap", "localfield"),
    "total_field": ("desc-total_fieldmap", "totalfield"),
    "r2star": ("R2starmap", "R2starmap"),
    "mask": ("desc-brain_mask", "mask"),
    "labels": ("dseg", "dseg"),
}
"""Artifact → ends of the names that its file may have in derivatives/truth."""


def simulated(shape: tuple[int, int, int], fresh: bool = False) -> Path:
    """Return the folder of our own head at this size; simulate it if need be."""
    folder = OUT / f"head-{'x'.join(map(str, shape))}-{_version()}"
    if folder.is_dir() and not fresh:
        return folder
    x, y, z = (f / n for f, n in zip(FIELD_OF_VIEW, shape, strict=True))
    made = head(voxel_size=(x, y, z), snr=SNR)
    offset = made.truth["phase_offset"][..., None]
    truth = {**made.truth, "labels": made.labels}
    return _store(folder, made.scan, truth, wrap(made.scan.phase - offset))


def dataset(bids: Path, fresh: bool = False) -> Path:
    """Return the folder of a BIDS head with derivatives/truth; its phase offset is removed by MCPC-3D-S."""
    folder = OUT / f"{bids.resolve().name}-{hashlib.sha256(str(bids.resolve()).encode()).hexdigest()[:6]}-{_version()}"
    if folder.is_dir() and not fresh:
        return folder
    scan = load_scan(bids)
    assert isinstance(scan, Scan)
    found = {
        name: path
        for name, ends in TRUTH.items()
        for end in ends
        for path in (bids / "derivatives" / "truth").rglob(f"*_{end}.nii.gz")
    }
    truth: dict[str, Any] = {name: load_volume(path).data for name, path in found.items()}
    truth["mask"] = truth["mask"] > 0
    truth["labels"] = np.rint(truth["labels"]).astype(np.int16)
    corrected = mcpc3ds(scan.phase, scan.echo_times, scan.grid, scan.magnitude, truth["mask"]).phase
    return _store(folder, scan, truth, corrected)


def load(folder: Path, name: str) -> Any:
    """Return one array of a head; `grid` as a Grid, a single number as a float."""
    array = np.load(folder / f"{name}.npy")
    if name == "grid":
        return Grid(np.load(folder / "mask.npy", mmap_mode="r").shape, array)
    return float(array) if array.ndim == 0 else array


def field_sd(magnitude: np.ndarray, per_ppm: np.ndarray, sigma: float) -> np.ndarray:
    """Return the standard deviation, ppm, of the field as the slope of a weighted line through the phases."""
    stt = (magnitude / sigma) ** 2 @ per_ppm**2
    return (1 / np.sqrt(np.maximum(stt, 1e-6))).astype(np.float32)


def wrap(phase: np.ndarray) -> np.ndarray:
    """Return phase within half a turn of zero, rad."""
    return (phase - 2 * np.pi * np.rint(phase / (2 * np.pi))).astype(np.float32)


def _version() -> str:
    source = Path(sys.modules[head.__module__].__file__ or "").parent
    version = hashlib.sha256(b"".join(f.read_bytes() for f in sorted(source.glob("*.py"))))
    version.update(Path(__file__).read_bytes())
    return version.hexdigest()[:10]


def _store(folder: Path, scan: Scan, truth: dict[str, Any], corrected: np.ndarray) -> Path:
    mask = truth["mask"]
    per_ppm = np.array([radians_per_ppm(scan.field_strength, t) for t in scan.echo_times], np.float32)
    evolution = truth["total_field"][..., None] * per_ppm
    sigma = sigma_from_detail(scan.magnitude[..., -1], None, mask)
    sd = field_sd(scan.magnitude, per_ppm, sigma) * mask
    noise = sd * np.random.default_rng(0).standard_normal(sd.shape, np.float32)
    artifacts = {
        "magnitude": scan.magnitude,
        "phase": corrected,
        "unwrapped_phase": evolution + wrap(corrected - evolution),
        "echo_times": scan.echo_times,
        "field_strength": np.array(scan.field_strength),
        "grid": scan.grid.affine,
        "mask": mask,
        "brain_mask": mask,
        "total_field": truth["total_field"] + noise,
        "field_sd": sd,
        "local_field": truth["local_field"] + noise,
        "chi": truth["chi"],
        "r2star": truth["r2star"],
        "raw_phase": scan.phase,
        "labels": truth["labels"],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in artifacts.items():
        np.save(folder / f"{name}.npy", array)
    for name, array in truth.items():
        np.save(folder / f"true_{name}.npy", array)
    return folder
