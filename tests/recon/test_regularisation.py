"""The choice of a regularisation strength."""

import numpy as np
import pytest

from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.physics.dipole import dipole_kernel
from qsmkit.physics.fft import irfftn, rfftn
from qsmkit.recon.inversion.regularisation import histogram, strength, variation_strength
from qsmkit.recon.inversion.tikhonov import tikhonov

SHAPE, EVERYWHERE = (24, 25, 27), np.ones((24, 25, 27), bool)
GRID = Grid.tilted(SHAPE, tilt=25)


@pytest.fixture(scope="module")
def noisy():
    """Susceptibility of random smooth blobs that fill a periodic volume, and its field with noise."""
    rng = np.random.default_rng(5)
    chi = np.repeat(np.repeat(np.repeat(rng.standard_normal((6, 7, 7)), 4, 0), 4, 1), 4, 2)[:24, :25, :27] * 0.05
    field = irfftn(rfftn(chi) * dipole_kernel(GRID, dtype=np.float64), SHAPE)
    sd = 0.2 * field.std()
    return chi, field + sd * rng.standard_normal(SHAPE), np.full(SHAPE, sd)


def inverted(field, **settings):
    return tikhonov(field, EVERYWHERE, GRID, margin=0, **settings)


def error(x, chi):
    return float(np.linalg.norm(x - chi) / np.linalg.norm(chi - chi.mean()))


def curve(prior, noisy):
    """Return strengths, and of each the solution's error, residual energy and the degrees of freedom, done plainly."""
    chi, field, _ = noisy
    dipole = np.fft.fftn(irfftn(dipole_kernel(GRID, dtype=np.float64).astype(complex), SHAPE)).real
    penalty = np.ones(SHAPE)
    if prior == "gradient":
        k = np.meshgrid(*[np.fft.fftfreq(n) for n in SHAPE], indexing="ij")
        penalty = sum((2 * np.sin(np.pi * a)) ** 2 for a in k)
    dipole[0, 0, 0] = penalty[0, 0, 0] = 0
    rows = []
    for s in np.geomspace(1e-3, 1, 40):
        share = dipole**2 / np.maximum(dipole**2 + s * penalty, 1e-30)
        x = inverted(field, regularisation=float(s), prior=prior)
        residual = np.sum((np.fft.ifftn((1 - share) * np.fft.fftn(field - field.mean())).real) ** 2)
        rows.append((s, error(x, chi), residual, share.mean()))
    return np.array(rows).T


@pytest.mark.parametrize("prior", ["identity", "gradient"])
def test_criteria_agree_with_their_definition(noisy, prior):
    strengths, _, residual, freedom = curve(prior, noisy)
    noise = float(np.sum(noisy[2] ** 2))
    wanted = {
        "gcv": strengths[np.argmin(residual / (1 - freedom) ** 2)],
        "sure": strengths[np.argmin(residual + 2 * noise * freedom)],
        "discrepancy": strengths[np.argmin(np.abs(residual - noise))],
    }
    for criterion, at in wanted.items():
        chosen = inverted(noisy[1], field_sd=noisy[2], criterion=criterion, prior=prior) if criterion != "gcv" \
            else inverted(noisy[1], criterion=criterion, prior=prior)
        nearby = [inverted(noisy[1], regularisation=float(at * f), prior=prior) for f in (0.75, 1.33)]
        target = inverted(noisy[1], regularisation=float(at), prior=prior)
        assert np.linalg.norm(chosen - target) < max(np.linalg.norm(n - target) for n in nearby), criterion


def test_cross_validation_comes_near_the_least_error(noisy):
    chi, field, _ = noisy
    best = curve("gradient", noisy)[1].min()
    assert error(inverted(field), chi) < 1.05 * best


def test_more_noise_asks_for_more_regularisation(noisy, rng):
    _, field, sd = noisy
    dipole, penalty = dipole_kernel(GRID, dtype=np.float64), np.ones((24, 25, 14))
    more = field + 3 * sd * rng.standard_normal(SHAPE)
    for criterion in ("gcv", "sure", "discrepancy"):
        little = strength(histogram(rfftn(field), dipole, penalty, 27), criterion, float(np.sum(sd**2)))
        much = strength(histogram(rfftn(more), dipole, penalty, 27), criterion, 10 * float(np.sum(sd**2)))
        assert much > 2 * little, criterion


def test_corner_of_an_l_curve_is_found():
    """A field of two parts: one that passes cheaply, and noise that only passes at great cost."""
    grid = Grid.tilted((16, 16, 16))
    dipole, penalty = np.full((16, 16, 9), 1.0), np.full((16, 16, 9), 1.0)
    penalty[:, :, :5] = 1e4
    penalty[0, 0, 0] = 0
    spectrum = np.full((16, 16, 9), 100.0 + 0j)
    spectrum[:, :, :5] = 1
    corner = strength(histogram(spectrum, dipole, penalty, grid.shape[2]), "lcurve", None)
    assert 1e-4 < corner < 1


def test_histogram_counts_all_of_k_space_but_its_mean(rng):
    for length in (9, 10):
        field = rng.standard_normal((8, 7, length))
        field -= field.mean()
        half = (8, 7, length // 2 + 1)
        costs = histogram(rfftn(field), np.ones(half), np.ones(half), length)
        assert costs.share.sum() == pytest.approx(1 - 1 / field.size)
        assert costs.energy.sum() == pytest.approx(np.sum(field**2))
        assert costs.q[np.argmax(costs.share)] == pytest.approx(1, rel=0.03)


def test_noise_must_be_known_and_less_than_the_field(noisy):
    field = noisy[1]
    for criterion in ("sure", "discrepancy"):
        with pytest.raises(InputError, match="field_sd"):
            inverted(field, criterion=criterion)
    with pytest.raises(InputError, match="no more than its noise"):
        inverted(field, field_sd=np.full(SHAPE, 10 * field.std()), criterion="discrepancy")


def test_strength_of_total_variation_is_in_proportion_to_noise_and_voxel():
    mask = np.zeros((4, 4, 4), bool)
    mask[1:3] = True
    sd = np.where(mask, 0.002, 5)
    sd[1, 0, 0] = 0  # not measured: left out
    assert variation_strength(sd, mask, (1, 1, 1)) == pytest.approx(0.065 * 0.002)
    assert variation_strength(2 * sd, mask, (2, 1, 4)) == pytest.approx(0.065 * 0.008)
    with pytest.raises(InputError, match="nowhere positive"):
        variation_strength(0 * sd, mask, (1, 1, 1))
