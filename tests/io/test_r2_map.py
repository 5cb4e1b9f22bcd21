"""Maps of R2 and T2 that come with a scan."""

import numpy as np
import pytest

from qsmkit.errors import GeometryError, InputError, ScaleError, ShapeError
from qsmkit.grid import Grid
from qsmkit.io.bids import find_scans
from qsmkit.io.nifti import save_volume
from qsmkit.io.r2_map import find_r2, load_r2

GRID = Grid.tilted((5, 6, 7))


@pytest.fixture
def r2(rng):
    rate = rng.uniform(8, 30, GRID.shape).astype(np.float32)
    rate[0] = 0
    return rate


def save(path, data, grid=GRID):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_volume(path, data, grid)
    return path


def test_r2_is_read_and_t2_is_inverted(tmp_path, r2):
    np.testing.assert_array_equal(load_r2(save(tmp_path / "rate.nii.gz", r2), GRID), r2)
    t2 = np.divide(1, r2, out=np.zeros_like(r2), where=r2 > 0)
    np.testing.assert_allclose(load_r2(save(tmp_path / "sub-1_T2map.nii.gz", t2), GRID), r2, rtol=1e-6)


@pytest.mark.parametrize(("name", "factor"), [("sub-1_T2map", 1000), ("sub-1_R2map", 1e-3), ("sub-1_R2map", 0)])
def test_another_unit_is_refused(tmp_path, r2, name, factor):
    values = np.divide(1, r2, out=np.zeros_like(r2), where=r2 > 0) if "T2" in name else r2
    path = save(tmp_path / f"{name}.nii.gz", np.float32(factor) * values)
    with pytest.raises(ScaleError, match=r"give [TR]2 in"):
        load_r2(path, GRID)


def test_what_does_not_fit_is_refused(tmp_path, r2):
    with pytest.raises(GeometryError, match="resample"):
        load_r2(save(tmp_path / "a.nii.gz", r2), Grid.tilted(GRID.shape, tilt=10))
    with pytest.raises(ShapeError, match="three"):
        load_r2(save(tmp_path / "b.nii.gz", np.stack([r2, r2], -1)), GRID)
    r2[1, 1, 1] = np.nan
    with pytest.raises(InputError, match="finite"):
        load_r2(save(tmp_path / "c.nii.gz", r2), GRID)


def test_it_is_found_in_raw_data_and_derivatives(dataset, r2):
    (files,) = find_scans(dataset.root)
    assert find_r2(files) is None
    derived = save(dataset.root / "derivatives" / "relax" / "sub-01" / "anat" / "sub-01_T2map.nii.gz", r2)
    save(dataset.root / "derivatives" / "relax" / "sub-02" / "anat" / "sub-02_R2map.nii.gz", r2)
    assert find_r2(files) == derived
    raw = save(dataset.anat / "sub-01_acq-se_R2map.nii.gz", r2)
    assert find_r2(files) == raw
    save(dataset.anat / "sub-01_acq-grase_R2map.nii.gz", r2)
    with pytest.raises(InputError, match="--r2"):
        find_r2(files)
