import numpy as np
import pytest
from scipy.ndimage import gaussian_laplace

from qsmkit.errors import MaskError, ShapeError
from qsmkit.grid import Grid
from qsmkit.metrics import (
    calc_leak,
    correlation,
    dia_leak,
    dice,
    hfen,
    iron_leak,
    nrmse,
    nrmse_detrend,
    para_leak,
    score,
    similarity_map,
    xsim,
)

SHAPE = (14, 13, 12)


def ball(shape, radius, voxel=(1.0, 1.0, 1.0)):
    axes = [(np.arange(n) - (n - 1) / 2) * v for n, v in zip(shape, voxel, strict=True)]
    return sum(a**2 for a in np.meshgrid(*axes, indexing="ij")) < radius**2


@pytest.fixture
def pair(rng):
    truth = rng.normal(0, 0.05, SHAPE)
    return truth + rng.normal(0, 0.02, SHAPE), truth, ball(SHAPE, 5.2)


def brute_similarity(a, b):
    out = np.empty(a.shape)
    for i in np.ndindex(a.shape):
        window = tuple(slice(max(0, k - 2), k + 3) for k in i)
        x, y = a[window].ravel(), b[window].ravel()
        cov = np.mean(x * y) - x.mean() * y.mean()
        top = (2 * x.mean() * y.mean() + 1e-4) * (2 * cov + 1e-6)
        out[i] = top / ((x.mean() ** 2 + y.mean() ** 2 + 1e-4) * (x.var() + y.var() + 1e-6))
    return out


def test_similarity_truncates_its_windows_at_the_ends(pair):
    a, b, _ = pair
    np.testing.assert_allclose(similarity_map(a, b), brute_similarity(a, b), rtol=1e-9)


def test_score_agrees_with_the_definitions(pair):
    recon, truth, mask = pair
    (s,) = score(recon, truth, reference_mask=mask, grid=Grid.tilted(SHAPE), depths=(0,))
    r, t = recon[mask] - recon[mask].mean(), truth[mask] - truth[mask].mean()
    slope, offset = np.polyfit(t, r, 1)
    assert s.coverage == s.share == 1
    assert s.nrmse == pytest.approx(100 * np.linalg.norm(r - t) / np.linalg.norm(t))
    error = np.linalg.norm((r - offset) / slope - t)
    assert s.nrmse_detrend == pytest.approx(100 * error / np.linalg.norm(t))
    assert s.nrmse_detrend == pytest.approx(100 * np.sqrt(1 / s.correlation**2 - 1))
    assert s.correlation == pytest.approx(np.corrcoef(r, t)[0, 1])
    assert s.xsim == pytest.approx(brute_similarity(recon * mask, truth * mask)[mask].mean())
    a, b = (gaussian_laplace(v * mask, 1.5, truncate=5) for v in (recon, truth))
    assert s.hfen == pytest.approx(100 * np.linalg.norm((a - b)[mask]) / np.linalg.norm(b[mask]))


def test_the_unmasked_variant_sees_what_lies_outside(pair):
    recon, truth, mask = pair
    grid = Grid.tilted(SHAPE)
    (s,) = score(recon * mask, truth, reference_mask=mask, grid=grid, depths=(0,), mask_first=False)
    assert s.xsim == pytest.approx(brute_similarity(recon * mask, truth)[mask].mean())
    assert s.hfen == pytest.approx(hfen(recon * mask, truth, mask, mask_first=False))
    a, b = gaussian_laplace(recon * mask, 1.5, truncate=5), gaussian_laplace(truth, 1.5, truncate=5)
    assert s.hfen == pytest.approx(100 * np.linalg.norm((a - b)[mask]) / np.linalg.norm(b[mask]))


def test_bone_beyond_the_mask_spoils_only_the_unmasked_variant(rng):
    shape = (40, 40, 40)
    mask, bone = ball(shape, 13), ball(shape, 16) & ~ball(shape, 13)
    truth = np.where(bone, -2.1, rng.normal(0, 0.05, shape))
    perfect = truth * mask
    assert hfen(perfect, truth, mask) == 0
    assert xsim(perfect, truth, mask) == pytest.approx(1)
    assert nrmse(perfect[mask], truth[mask]) == 0
    assert hfen(perfect, truth, mask, mask_first=False) > 90
    assert xsim(perfect, truth, mask, mask_first=False) < 0.97


def test_erosion_cannot_flatter(rng):
    shape, voxel = (36, 30, 20), (1.0, 1.2, 2.0)
    grid, mask = Grid.tilted(shape, voxel), ball(shape, 16, voxel)
    truth = rng.normal(0, 0.05, shape) * mask
    bad_edge = truth + 0.2 * rng.normal(size=shape) * (mask & ~ball(shape, 12, voxel))
    kept = score(bad_edge, truth, reference_mask=mask, grid=grid)
    eroded = score(bad_edge * ball(shape, 12, voxel), truth, reference_mask=mask, grid=grid)
    assert [s.depth for s in kept] == [0, 3, 6, 12]
    assert eroded[0].nrmse < kept[0].nrmse
    assert kept[0].coverage == 1
    assert eroded[0].coverage == pytest.approx((12 / 16) ** 3, rel=0.1)
    assert kept[2].share == pytest.approx((10 / 16) ** 3, rel=0.2)
    assert kept[2].nrmse == eroded[2].nrmse == 0
    assert eroded[2].coverage == 1


def test_scores_by_region(rng):
    shape = (44, 44, 44)
    mask, labels = ball(shape, 20), np.zeros(shape, np.uint8)
    labels[mask] = 8
    for n, value in enumerate(range(1, 7)):
        labels[8 + 5 * n : 12 + 5 * n, 20:25, 12:16] = value
    labels[20:23, 10:14, 26:29] = 11
    labels[21:24, 28:31, 28:31] = 16
    chi = np.array([0, 0.04, 0.13, 0.03, 0.1, 0.12, 0.11, 0.01, -0.03, 0.02, 0, 0.2, 0, 0, 0, 0, -3])
    truth = chi[labels] * mask
    truth += 0.002 * rng.normal(size=shape) * mask
    against = {"reference_mask": mask, "grid": Grid.tilted(shape), "labels": labels, "depths": (0,)}
    (same,) = score(truth, truth, **against)
    assert same.dgm_slope == pytest.approx(1)
    assert max(same.nrmse_tissue, same.nrmse_blood, same.nrmse_dgm, same.calc_moment_dev) < 1e-6
    assert same.calc_streak < 1e-9
    (half,) = score(0.5 * truth, truth, **against)
    assert half.dgm_slope == pytest.approx(0.5)
    assert half.dgm_linearity == pytest.approx(0.5)
    assert half.nrmse_dgm == pytest.approx(0, abs=1e-6)
    assert half.calc_moment_dev == pytest.approx(0.5 * 3 * 27, rel=0.01)
    streaky = truth + 0.03 * rng.normal(size=shape) * mask * (labels != 16)
    (s,) = score(streaky, truth, **against)
    assert s.calc_streak == pytest.approx(0.03 / 3, rel=0.1)


def test_undefined_scores_are_none_in_json(pair):
    recon, truth, mask = pair
    values = score(recon, truth, reference_mask=mask, grid=Grid.tilted(SHAPE))[0].as_dict()
    assert values["nrmse_dgm"] is None
    assert values["nrmse"] > 0


def test_own_mask_narrows_the_scored_voxels(pair):
    recon, truth, mask = pair
    own = mask.copy()
    own[:7] = False
    grid = Grid.tilted(SHAPE)
    narrowed = score(recon, truth, own, reference_mask=mask, grid=grid)[0]
    assert narrowed.coverage == pytest.approx(own.sum() / mask.sum())
    assert narrowed.nrmse == pytest.approx(nrmse(recon[own], truth[own]))


def test_small_functions():
    t = np.array([0.0, 1.0, 2.0, 3.0])
    assert nrmse(t + 5, t) == pytest.approx(0)
    assert nrmse_detrend(-2 * t + 1, t) == pytest.approx(0, abs=1e-12)
    assert correlation(-t, t) == pytest.approx(-1)
    assert np.isnan(correlation(np.ones(4), t))
    assert dice(t > 0, t > 1) == pytest.approx(0.8)


def test_nothing_to_score_is_an_error(pair):
    recon, truth, mask = pair
    with pytest.raises(MaskError, match="zero throughout"):
        score(np.zeros(SHAPE), truth, reference_mask=mask, grid=Grid.tilted(SHAPE))
    with pytest.raises(ShapeError, match="truth has shape"):
        score(recon, truth[1:], reference_mask=mask, grid=Grid.tilted(SHAPE))


def test_leaks_are_the_slopes_on_the_other_source(rng):
    mask = ball(SHAPE, 5.2)
    para, dia = rng.uniform(0, 0.1, (2, *SHAPE))
    noise = rng.normal(0, 1e-3, SHAPE)
    made_para, made_dia = 0.9 * para + 0.2 * dia + 0.01 + noise, 0.7 * dia - 0.1 * para
    made_para[~mask] = made_dia[~mask] = 7
    assert para_leak(made_para, para, dia, mask) == pytest.approx(0.2, abs=0.01)
    assert dia_leak(made_dia, para, dia, mask) == pytest.approx(-0.1)
    assert para_leak(para, para, dia, mask) == pytest.approx(0, abs=1e-9)
    assert np.isnan(para_leak(made_para, para, 2 * para, mask)), "sources that go together cannot be told apart"
    assert np.isnan(dia_leak(made_dia, para, np.zeros(SHAPE), mask))


def test_leaks_into_regions_are_mean_sizes(rng):
    mask = ball(SHAPE, 5.2)
    labels = np.full(SHAPE, 8)
    labels[5:7], labels[7], labels[8] = 3, 11, 16
    chi = rng.normal(0, 0.1, SHAPE)
    assert iron_leak(chi, labels, mask) == pytest.approx(np.abs(chi[5:8][mask[5:8]]).mean())
    assert calc_leak(chi, labels, mask) == pytest.approx(np.abs(chi[8][mask[8]]).mean())
    assert np.isnan(calc_leak(chi, np.zeros(SHAPE, int), mask))
