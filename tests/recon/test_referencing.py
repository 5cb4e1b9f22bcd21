"""Referencing: what is subtracted, from where, and what is reported about it."""

import numpy as np
import pytest

from qsmkit.errors import MaskError, MetadataError
from qsmkit.grid import Grid
from qsmkit.recon.referencing import reference_brain, reference_csf, reference_region, reference_statistics

TIMES = np.array([0.004, 0.012, 0.020])
GRIDS = [
    Grid.tilted((64, 76, 60), (2.0, 2.0, 2.2)),
    Grid.tilted((63, 76, 30), (2.0, 2.0, 4.4), tilt=30),
    Grid.tilted((64, 50, 60), (2.0, 3.0, 2.2), tilt=-35, axis=1),
]


def ellipsoid(grid, radii, centre=(0.0, 0.0, 0.0)):
    at = grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)) - centre
    return ((at / radii) ** 2).sum(axis=-1) < 1


def brain(grid, rng):
    """χ and R2* of a brain with two ventricles and a rim of fluid, and where the ventricles are."""
    mask = ellipsoid(grid, (58, 70, 60))
    ventricles = ellipsoid(grid, (7, 20, 10), (10, 4, 4)) | ellipsoid(grid, (7, 20, 10), (-10, 4, 4))
    fluid = mask & (ventricles | ~ellipsoid(grid, (54, 66, 56)))
    r2star = np.where(fluid, 2.0, 20.0) + 0.3 * rng.normal(size=grid.shape)
    chi = (np.where(fluid, 0.02, -0.01) + 0.002 * rng.normal(size=grid.shape) + 0.5) * mask
    return chi.astype(np.float32), r2star.astype(np.float32), mask, ventricles


def test_the_whole_brain_gets_mean_zero(rng):
    chi, _, mask, _ = brain(GRIDS[0], rng)
    referenced, region = reference_brain(chi, mask)
    assert referenced.dtype == np.float32
    assert abs(referenced[mask].mean(dtype=np.float64)) < 1e-7
    assert not referenced[~mask].any()
    assert np.array_equal(region, mask)
    assert np.allclose(referenced[mask] - chi[mask], -chi[mask].mean(dtype=np.float64), atol=1e-6)


def test_a_given_region_gets_mean_zero(rng):
    grid = GRIDS[0]
    chi, _, mask, _ = brain(grid, rng)
    given = ellipsoid(grid, (12, 12, 12), (0, 68, 0))
    referenced, region = reference_region(chi.astype(np.float64), mask, given)
    assert referenced.dtype == np.float64
    assert np.array_equal(region, given & mask)
    assert 0 < region.sum() < given.sum()
    assert abs(referenced[region].mean()) < 1e-12
    with pytest.raises(MaskError, match="lies in the mask"):
        reference_region(chi, mask, ~mask)


@pytest.mark.parametrize("grid", GRIDS, ids=["axial", "tilted", "turned"])
def test_the_ventricles_are_found(grid, rng):
    chi, r2star, mask, ventricles = brain(grid, rng)
    referenced, region = reference_csf(chi, mask, grid, r2star)
    assert region.sum() > 0.15 * ventricles.sum()
    assert not region[~ventricles].any()
    assert abs(referenced[region].mean(dtype=np.float64)) < 1e-6
    tissue = mask & ~ventricles & ellipsoid(grid, (50, 62, 52))
    assert referenced[tissue].mean() == pytest.approx(-0.03, abs=1e-3)
    assert not referenced[~mask].any()


def test_the_ventricles_are_found_from_the_magnitude(rng):
    grid = GRIDS[1]
    chi, r2star, mask, ventricles = brain(grid, rng)
    magnitude = 500 * np.exp(-r2star[..., None] * TIMES).astype(np.float32)
    magnitude[0, 0, 0] = 0
    region = reference_csf(chi, mask, grid, None, magnitude, TIMES).reference_mask
    assert not region[~ventricles].any()
    assert np.array_equal(region, reference_csf(chi, mask, grid, r2star).reference_mask)


def test_erosion_leaves_out_the_edge_and_components_the_rest(rng):
    grid = GRIDS[0]
    chi, r2star, mask, ventricles = brain(grid, rng)
    whole = reference_csf(chi, mask, grid, r2star, erosion=0.0).reference_mask
    assert np.array_equal(whole, ventricles & mask)
    eroded = reference_csf(chi, mask, grid, r2star, erosion=2.2).reference_mask
    assert (eroded <= whole).all()
    assert eroded.sum() < whole.sum()
    one = reference_csf(chi, mask, grid, r2star, components=1, erosion=0.0).reference_mask
    assert one.sum() == pytest.approx(whole.sum() / 2, rel=0.05)


def test_without_fluid_or_without_r2star_it_says_what_to_do(rng):
    grid = GRIDS[0]
    chi, r2star, mask, _ = brain(grid, rng)
    with pytest.raises(MaskError, match="0 mm³ with R2"):
        reference_csf(chi, mask, grid, r2star + 30)
    with pytest.raises(MaskError, match="use reference_brain"):
        reference_csf(chi, mask, grid, r2star, min_volume=1e6)
    with pytest.raises(MaskError, match="0 voxels after erosion"):
        reference_csf(chi, mask, grid, r2star, erosion=15.0)
    with pytest.raises(MetadataError, match="give r2star"):
        reference_csf(chi, mask, grid)
    with pytest.raises(MetadataError, match="two echoes"):
        reference_csf(chi, mask, grid, None, np.ones((*grid.shape, 1), np.float32), TIMES[:1])


def test_the_statistics_are_of_the_map_before(rng):
    grid = GRIDS[0]
    chi, r2star, mask, _ = brain(grid, rng)
    referenced, region = reference_csf(chi, mask, grid, r2star)
    measure = reference_statistics(chi, region)
    assert measure.value == pytest.approx(0.52, abs=2e-4)
    assert measure.high - measure.value == pytest.approx(0.002, rel=0.1)
    assert measure.value - measure.low == pytest.approx(measure.high - measure.value)
    assert (measure.unit, measure.n, measure.method) == ("ppm", region.sum(), "mean ± SD")
    assert reference_statistics(referenced, region).value == pytest.approx(0, abs=1e-6)
