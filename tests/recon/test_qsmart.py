import numpy as np
import pytest

from qsmkit.errors import MaskError
from qsmkit.grid import Grid
from qsmkit.physics.dipole import forward_field
from qsmkit.recon import ilsqr, qsmart, tv

GRID = Grid.tilted((44, 40, 42), tilt=15)
AT = GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1))
MASK = np.linalg.norm(AT, axis=-1) < 17
STONE = np.linalg.norm(AT - (4, 2, 1), axis=-1) < 2
NUCLEUS = np.linalg.norm(AT - (-5, -3, -2), axis=-1) < 4
NEAR = MASK & ~STONE & (np.linalg.norm(AT - (4, 2, 1), axis=-1) < 8)


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(1)
    chi = 0.1 * NUCLEUS - 2.0 * STONE
    field = forward_field(chi.astype(np.float32), GRID) * MASK
    field += np.where(STONE, 0.1, 0.002) * rng.standard_normal(field.shape).astype(np.float32) * MASK
    return chi.astype(np.float32), field.astype(np.float32)


def spread(x, chi):
    return float(np.std((x - chi)[NEAR]))


def test_streaks_of_a_strong_source_do_not_reach_the_tissue(scene):
    chi, field = scene
    one, two = ilsqr(field, MASK, GRID), qsmart(field, MASK, GRID)
    assert two.dtype == np.float32
    assert not two[~MASK].any()
    assert spread(two, chi) < 0.8 * spread(one, chi)
    assert two[STONE].mean() < -1.2


def test_a_mask_of_vessels_keeps_its_voxels_apart(scene):
    chi, field = scene
    vein = MASK & (np.linalg.norm(AT - (4, 2, 1), axis=-1) < 3)
    found = qsmart(field, MASK, GRID, vessel_mask=vein, strong=10.0)
    plain = ilsqr(field, MASK, GRID)
    inside = found[vein] - plain[vein]
    assert np.ptp(inside) < 1e-4
    assert spread(found, chi) < spread(plain, chi)


def test_without_strong_sources_it_is_the_plain_inversion(scene):
    _, field = scene
    np.testing.assert_array_equal(
        qsmart(field, MASK, GRID, inversion="tv", strong=50.0), tv(field, MASK, GRID, margin=12.0)
    )


def test_high_pass_as_published_keeps_small_sources(scene):
    _, field = scene
    found = qsmart(field, MASK, GRID, background="sdf")
    assert found[NUCLEUS].mean() == pytest.approx(0.1, abs=0.03)


def test_no_tissue_is_an_error(scene):
    _, field = scene
    with pytest.raises(MaskError, match="strong"):
        qsmart(field, MASK, GRID, vessel_mask=MASK)
