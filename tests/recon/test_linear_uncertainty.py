import numpy as np
import pytest

from qsmkit.errors import InputError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.recon import linear_sd, tikhonov, tkd, tsvd
from qsmkit.recon.field.voxel_average import average, noise_gain
from qsmkit.recon.uncertainty.linear import region_covariance, voxel_sd

SHAPE = (26, 24, 22)
GRID = Grid.tilted(SHAPE, (2, 2, 3), tilt=20)
WORLD = np.linalg.norm(GRID.world(np.moveaxis(np.indices(SHAPE), 0, -1)), axis=-1)
MASK = WORLD < 22
LABELS = np.zeros(SHAPE, int)
LABELS[8:12, 9:13, 9:12], LABELS[15:18, 9:13, 9:12] = 1, 2
TAPER, SCANS = 0.3, 400


def damped(field, mask, grid):
    return tikhonov(field, mask, grid, regularisation=0.05)


@pytest.fixture(scope="module")
def sd():
    return (0.001 * (1 + 0.8 * (np.indices(SHAPE)[0] > 12)) * MASK).astype(np.float32)


def many(invert, sd, taper=None):
    """χ of many fields of noise with this SD, (N, scan)."""
    rng, found = np.random.default_rng(0), []
    for _ in range(SCANS):
        noise = rng.standard_normal(SHAPE, np.float32)
        if taper is not None:
            noise = average(noise, taper=taper) / np.float32(noise_gain(SHAPE, taper=taper))
        found.append(invert(noise * sd, MASK, GRID)[MASK])
    return np.array(found)


@pytest.mark.parametrize("invert", [tkd, tsvd, damped], ids=["tkd", "tsvd", "tikhonov"])
@pytest.mark.parametrize("taper", [None, TAPER], ids=["independent", "averaged"])
def test_it_foretells_the_spread_of_many_scans(invert, taper, sd):
    chi = many(invert, sd, taper)
    told = voxel_sd(invert, sd, MASK, GRID, taper=taper)
    seen = chi.std(0, ddof=1)
    deep = (WORLD < 14)[MASK]
    assert np.median(told[MASK][deep] / seen[deep]) == pytest.approx(1, abs=0.03)
    assert np.std(told[MASK][deep] / seen[deep]) < 2.5 / np.sqrt(2 * SCANS)
    assert not told[~MASK].any()

    regions = region_covariance(invert, sd, MASK, GRID, LABELS, reference=MASK, taper=taper)
    means = np.stack([chi[:, (i == LABELS)[MASK]].mean(1) - chi.mean(1) for i in regions.labels])
    assert regions.labels == (1, 2)
    np.testing.assert_allclose(list(regions.sd().values()), means.std(1, ddof=1), rtol=0.15)
    correlation = regions.covariance[0, 1] / np.prod(list(regions.sd().values()))
    assert correlation == pytest.approx(np.corrcoef(means)[0, 1], abs=0.15)


def test_the_method_takes_the_settings_of_its_inversion(sd):
    same = {"tkd": {"threshold": 0.2}, "tsvd": {"threshold": 0.1}, "tikhonov": {"regularisation": 0.05}}
    told = {name: linear_sd(sd, MASK, GRID, inversion=name, **settings) for name, settings in same.items()}
    np.testing.assert_array_equal(told["tikhonov"], voxel_sd(damped, sd, MASK, GRID))
    assert told["tkd"].dtype == np.float32
    assert np.median(linear_sd(sd, MASK, GRID)[MASK]) > 1.05 * np.median(told["tkd"][MASK])
    assert np.median(linear_sd(2 * sd, MASK, GRID)[MASK]) == pytest.approx(
        2 * np.median(linear_sd(sd, MASK, GRID)[MASK]), rel=1e-4
    )


def test_what_cannot_be_told_is_refused(sd):
    with pytest.raises(ParameterError, match="regularisation"):
        linear_sd(sd, MASK, GRID, inversion="tikhonov")
    with pytest.raises(ShapeError, match="labels"):
        region_covariance(tkd, sd, MASK, GRID, LABELS[1:])
    with pytest.raises(InputError, match="overlaps"):
        region_covariance(tkd, sd, MASK, GRID, 0 * LABELS)
