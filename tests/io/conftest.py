"""A small BIDS data set on disk, and what its files hold."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qsmkit.grid import Grid

TIMES = (0.004, 0.009, 0.014)
FREQUENCY = 123.26  # a "3 T" magnet of 2.895 T


@dataclass
class Dataset:
    """Three echoes of integer phase and magnitude of one participant."""

    root: Path
    grid: Grid
    radians: np.ndarray
    magnitude: np.ndarray
    anat: Path = field(init=False)

    def __post_init__(self):
        self.anat = self.root / "sub-01" / "anat"

    def image(self, echo, part, suffix="MEGRE"):
        return self.anat / f"sub-01_echo-{echo}_part-{part}_{suffix}.nii.gz"

    def sidecar(self, echo, part):
        return self.anat / f"sub-01_echo-{echo}_part-{part}_MEGRE.json"

    def images(self, part):
        return [self.image(e, part) for e in (1, 2, 3)]

    def edit(self, sidecar, **keys):
        content = json.loads(sidecar.read_text()) | keys
        sidecar.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))

    def edit_all(self, **keys):
        for path in self.anat.glob("*.json"):
            self.edit(path, **keys)


def write_image(path, data, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    nib.save(image, path)


@pytest.fixture
def write():
    return write_image


@pytest.fixture
def dataset(tmp_path, rng):
    grid = Grid.tilted((11, 12, 7), (0.8, 0.9, 2.0), tilt=25)
    stored = rng.integers(-4096, 4096, (*grid.shape, 3)).astype(np.int16)
    stored[0, 0, 0], stored[1, 0, 0] = -4096, 4095
    magnitude = rng.integers(1, 2000, (*grid.shape, 3)).astype(np.int16)
    made = Dataset(tmp_path / "bids", grid, stored * (np.pi / 4096), magnitude)
    for e, time in enumerate(TIMES):
        for part, data in (("phase", stored), ("mag", magnitude)):
            write_image(made.image(e + 1, part), data[..., e], grid.affine)
            keys = {"EchoTime": time, "ImagingFrequency": FREQUENCY, "MagneticFieldStrength": 3}
            made.sidecar(e + 1, part).write_text(json.dumps(keys))
    (made.root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    return made
