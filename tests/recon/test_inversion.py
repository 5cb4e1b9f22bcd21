"""Inversion of fields whose susceptibility is known."""

import numpy as np
import pytest

from qsmkit.errors import ConvergenceWarning, InputError
from qsmkit.grid import Grid
from qsmkit.physics.derivatives import laplacian
from qsmkit.physics.dipole import dipole_kernel, forward_field
from qsmkit.physics.fft import irfftn, rfftn
from qsmkit.recon.inversion.ilsqr import ilsqr
from qsmkit.recon.inversion.medi import medi
from qsmkit.recon.inversion.rts import rts
from qsmkit.recon.inversion.star import star
from qsmkit.recon.inversion.tikhonov import tikhonov
from qsmkit.recon.inversion.tkd import tkd
from qsmkit.recon.inversion.tsvd import tsvd
from qsmkit.recon.inversion.tv import tv

ALL = [tkd, tsvd, tikhonov, ilsqr, rts, tv, star, medi]
PRIORS = ["identity", "gradient", "laplacian"]


def head(shape, voxel_size=(1.0, 1.0, 1.0), tilt=20.0):
    """Return susceptibility, its field, mask and grid of three balls in an ellipsoidal brain."""
    grid = Grid.tilted(shape, voxel_size, tilt=tilt)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    place = (index - (np.array(shape) - 1) / 2) * voxel_size
    extent = np.array(shape) * voxel_size
    mask = np.sum((place / (0.42 * extent)) ** 2, axis=-1) < 1
    chi = np.zeros(shape)
    balls = ((0.1, 0.05, 0), 5, 0.1), ((-0.15, 0.1, 0.1), 4, -0.08), ((0, -0.2, -0.05), 3.5, 0.2)
    for centre, radius, value in balls:
        chi[np.linalg.norm(place - np.array(centre) * extent, axis=-1) < radius] = value
    chi = (chi * mask).astype(np.float32)
    return chi, forward_field(chi, grid) * mask, mask, grid


def nrmse(x, truth, mask):
    x, truth = (v[mask] - v[mask].mean() for v in (x, truth))
    return float(np.linalg.norm(x - truth) / np.linalg.norm(truth))


@pytest.fixture(scope="module")
def isotropic():
    return head((40, 44, 42))


@pytest.fixture(scope="module")
def anisotropic():
    return head((45, 43, 19), (0.9, 1.0, 2.2), tilt=35)


# Without noise TKD and Tikhonov are bound by the cone that they leave out, the others by their prior only.
BOUNDS = {tkd: 0.3, tsvd: 0.35, tikhonov: 0.35, ilsqr: 0.3, rts: 0.1, tv: 0.03, star: 0.1, medi: 0.1}


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("case", ["isotropic", "anisotropic"])
def test_recovers_susceptibility(method, case, request):
    chi, field, mask, grid = request.getfixturevalue(case)
    x = method(field, mask, grid)
    assert x.dtype == np.float32
    assert x.shape == chi.shape
    assert not x[~mask].any()
    assert nrmse(x, chi, mask) < BOUNDS[method]


@pytest.mark.parametrize("method", ALL)
def test_single_equals_double_precision(isotropic, method):
    _, field, mask, grid = isotropic
    double = method(field.astype(np.float64), mask, grid)
    assert double.dtype == np.float64
    assert np.abs(method(field, mask, grid) - double).max() < 1e-3 * np.abs(double).max()


@pytest.mark.parametrize("method", ALL)
def test_axes_may_be_stored_in_any_order_and_direction(anisotropic, method):
    _, field, mask, grid = anisotropic
    field = field.astype(np.float64)
    affine = grid.affine[:, [2, 0, 1, 3]].copy()
    turned = Grid((grid.shape[2], grid.shape[0], grid.shape[1]), affine)
    x = method(field, mask, grid)
    field, mask = field.transpose(2, 0, 1).copy(), mask.transpose(2, 0, 1).copy()
    there = method(field, mask, turned)
    np.testing.assert_allclose(there, x.transpose(2, 0, 1), atol=1e-6 * np.abs(x).max())
    affine[:3, 3] += affine[:3, 0] * (turned.shape[0] - 1)
    affine[:3, 0] *= -1
    flipped = Grid(turned.shape, affine)
    back = method(field[::-1].copy(), mask[::-1].copy(), flipped)
    # Forward differences look the other way along a flipped axis: the same only up to the discretisation.
    tolerance = 1e-6 if method in (tkd, tsvd, tikhonov) else 0.1
    assert nrmse(back[::-1], there, mask) < tolerance


@pytest.mark.parametrize("method", ALL)
def test_what_lies_outside_the_mask_is_not_looked_at(isotropic, rng, method):
    _, field, mask, grid = isotropic
    elsewhere = np.where(mask, field, rng.standard_normal(field.shape)).astype(np.float32)
    np.testing.assert_array_equal(method(elsewhere, mask, grid), method(field, mask, grid))


@pytest.mark.parametrize("method", [tkd, tsvd, tikhonov])
def test_closed_forms_are_linear(isotropic, method):
    _, field, mask, grid = isotropic
    np.testing.assert_allclose(method(3 * field, mask, grid), 3 * method(field, mask, grid), atol=1e-6)


@pytest.mark.parametrize("method", [rts, tv])
def test_regularisation_scales_with_the_unit(isotropic, method):
    """λ is in ppm mm: ten times the field and ten times λ give about ten times χ."""
    _, field, mask, grid = isotropic
    default = {rts: 1e-3, tv: 8e-5}[method]
    scaled = method(10 * field, mask, grid, regularisation=10 * default, tolerance=1e-3, max_iterations=300)
    assert nrmse(scaled / 10, method(field, mask, grid, tolerance=1e-3, max_iterations=300), mask) < 0.02


@pytest.mark.parametrize(
    ("shape", "margin", "padded"), [((12, 13, 14), 1, (15, 15, 15)), ((14, 15, 16), 0, (15, 15, 16))]
)
def test_tkd_is_the_division_on_the_whole_spectrum(rng, shape, margin, padded):
    grid, threshold = Grid.tilted(shape, tilt=25), 0.2
    field = rng.standard_normal(shape)
    response = irfftn(dipole_kernel(grid, padded, dtype=np.float64).astype(complex), padded)
    kernel = np.fft.fftn(response).real
    inverse = np.sign(kernel) / np.maximum(np.abs(kernel), threshold)
    inverse[0, 0, 0] = 0
    spectrum = np.fft.fftn(np.pad(field, [(0, p - n) for p, n in zip(padded, shape, strict=True)]))
    expected = np.fft.ifftn(spectrum * inverse).real / np.mean(kernel * inverse)
    x = tkd(field, np.ones(shape, bool), grid, threshold=threshold, margin=margin)
    np.testing.assert_allclose(x, expected[tuple(slice(n) for n in shape)], atol=1e-10)


@pytest.mark.parametrize("prior", PRIORS)
def test_tikhonov_solves_its_normal_equations(rng, prior):
    """On a periodic volume of a fast length: D (D χ − B) + λ ΓᵀΓ χ = 0, with ΓᵀΓ by differences."""
    shape, voxel_size, strength = (12, 15, 16), (1.0, 1.2, 2.0), 0.02
    grid = Grid.tilted(shape, voxel_size, tilt=25)
    field = rng.standard_normal(shape)
    x = tikhonov(field, np.ones(shape, bool), grid, regularisation=strength, prior=prior, margin=0)
    kernel = dipole_kernel(grid, dtype=np.float64)
    normal = irfftn(kernel * (kernel * rfftn(x) - rfftn(field)), shape)
    for _ in range(2 if prior == "laplacian" else 0):
        x = laplacian(x, voxel_size, boundary="periodic")
    if prior == "gradient":
        x = -laplacian(x, voxel_size, boundary="periodic")
    np.testing.assert_allclose(normal + strength * x, 0, atol=1e-10)


@pytest.mark.parametrize("method", ALL)
def test_room_behind_the_mask_brings_nearer_to_the_truth(isotropic, method):
    chi, field, mask, grid = isotropic
    near, far = (nrmse(method(field, mask, grid, margin=m), chi, mask) for m in (0, 30))
    assert far < near


def test_noise_weights_protect_tv_from_bad_voxels(isotropic, rng):
    chi, field, mask, grid = isotropic
    sd = np.full_like(field, 0.001)
    sd[:15] = 0.03
    noisy = field + (sd * rng.standard_normal(field.shape)).astype(np.float32)
    weighted, flat = tv(noisy, mask, grid, sd), tv(noisy, mask, grid)
    assert nrmse(weighted, chi, mask) < 0.7 * nrmse(flat, chi, mask)


def test_uniform_noise_changes_nothing(isotropic):
    _, field, mask, grid = isotropic
    uniform, none = (tv(field, mask, grid, sd, regularisation=8e-5) for sd in (np.full_like(field, 0.01), None))
    np.testing.assert_array_equal(uniform, none)


def test_tv_follows_the_noise(isotropic):
    """A unit that is ten times smaller, of field and noise, gives ten times χ: λ is told from the noise."""
    _, field, mask, grid = isotropic
    sd = np.full_like(field, 0.002)
    settings = {"tolerance": 1e-3, "max_iterations": 300}
    x, scaled = tv(field, mask, grid, sd, **settings), tv(10 * field, mask, grid, 10 * sd, **settings)
    assert nrmse(scaled / 10, x, mask) < 0.02
    noisier = tv(field, mask, grid, 10 * sd, **settings)
    assert nrmse(noisier, x, mask) > 0.05


def test_a_voxel_of_unknown_field_does_not_count(isotropic):
    _, field, mask, grid = isotropic
    sd, spoiled = np.full_like(field, 0.001), field.copy()
    sd[18:21, 20, 20], spoiled[18:21, 20, 20] = 0, 5
    np.testing.assert_array_equal(tv(spoiled, mask, grid, sd), tv(field, mask, grid, sd))


def test_edges_of_the_magnitude_cost_nothing(isotropic, rng):
    chi, field, mask, grid = isotropic
    noisy = field + (0.002 * rng.standard_normal(field.shape)).astype(np.float32)
    magnitude = np.stack([1 + chi, 0.8 + chi], axis=-1)
    plain = tv(noisy, mask, grid, regularisation=3e-4)
    informed = tv(noisy, mask, grid, None, magnitude, regularisation=3e-4, edges=0.05)
    assert nrmse(informed, chi, mask) < 0.9 * nrmse(plain, chi, mask)


def test_tv_refuses_what_it_cannot_use(isotropic):
    _, field, mask, grid = isotropic
    with pytest.raises(InputError, match="magnitude"):
        tv(field, mask, grid, edges=0.2)
    with pytest.raises(InputError, match="nowhere positive"):
        tv(field, mask, grid, np.zeros_like(field))


@pytest.mark.parametrize("method", [rts, tv])
def test_unfinished_iteration_warns(isotropic, method):
    _, field, mask, grid = isotropic
    with pytest.warns(ConvergenceWarning, match="max_iterations"):
        method(field, mask, grid, max_iterations=2)


@pytest.mark.parametrize("method", ALL)
def test_field_of_nothing_is_nothing(isotropic, method):
    _, field, mask, grid = isotropic
    assert not method(np.zeros_like(field), mask, grid).any()
