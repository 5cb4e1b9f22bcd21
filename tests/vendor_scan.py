"""A small scan, written as each vendor's scanner would."""

import warnings
from dataclasses import dataclass

import numpy as np

from qsmkit.errors import DataWarning
from qsmkit.grid import Grid
from qsmkit.io import bids
from qsmkit.io.dicom_in.convert import convert
from qsmkit.io.dicom_vendor import Exam, write_gradient_echo
from qsmkit.simulate.encoding import encode

TIMES = (0.004, 0.009, 0.014)


@dataclass
class Scanned:
    """A field that winds up the phase of a ball, on an oblique and anisotropic grid."""

    grid: Grid
    magnitude: np.ndarray
    phase: np.ndarray
    times: tuple

    def again(self, seed=1):
        """The same scan with other noise."""
        noise = np.random.default_rng(seed).normal(0, 0.01, (2, *self.phase.shape)).astype(np.float32)
        phase = np.clip(self.phase + noise[1], -3.14, 3.14)
        return Scanned(self.grid, np.abs(self.magnitude + noise[0]), phase, self.times)

    def write(self, out, vendor="siemens", *, rescale_tags=True, exam=None, **how):
        parts = encode(self.magnitude, self.phase, vendor, rescale_tags=rescale_tags)
        return write_gradient_echo(out, parts, self.grid, self.times, exam or Exam(vendor), **how)


def make_scan(shape=(14, 16, 6), voxel=(0.8, 0.8, 1.5), times=TIMES):
    grid = Grid.tilted(shape, voxel, tilt=20)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    field = 300 * x * y + 200 * z + 150 * x
    time = np.array(times)
    magnitude = np.exp(-(x**2 + y**2 + z**2))[..., None] * np.exp(-30 * time)
    phase = np.angle(np.exp(1j * (field[..., None] * time + 0.7 + 0.5 * y[..., None])))
    return Scanned(grid, magnitude.astype(np.float32), phase.astype(np.float32), times)


def reread(root):
    """Return the only scan of a data set; nothing about it deserves a warning but Siemens' short range."""
    (files,) = bids.find_scans(root)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        return bids.load_scan(files)


def converted(source, bids_dir):
    """Convert, and return the scan and the rows of the table."""
    rows = convert(source, bids_dir)
    assert not [r for r in rows if r.outcome == "refused"], rows
    return reread(bids_dir), rows
