"""Phase quality from ROMEO's edge weights."""

import nibabel as nib
import numpy as np
import pytest

from qsmkit.errors import ParameterError
from qsmkit.grid import Grid
from qsmkit.recon.mask.quality import mean_weight, romeo_quality
from qsmkit.recon.unwrap.romeo_weights import TERMS

GRID = Grid.tilted((17, 20, 14), (1.0, 0.8, 1.5))
TIMES = np.array([0.005, 0.01, 0.015])


def wrapped(angle):
    return np.angle(np.exp(1j * angle))


def head(rng, dtype=np.float64):
    """Signal in the lower half along the first axis, noise in the upper."""
    x, y, z = np.moveaxis(GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1)), -1, 0)
    signal = np.indices(GRID.shape)[0] < 9
    field = (30 * x - 20 * y + 3 * y * z)[..., None] * TIMES
    noise = rng.normal(0, 0.02, (2, *field.shape))
    complex_signal = signal[..., None] * np.exp(1j * field) + noise[0] + 1j * noise[1]
    return np.angle(complex_signal).astype(dtype), np.abs(complex_signal).astype(dtype), signal


@pytest.mark.parametrize("echo", [1, 2, 3])
@pytest.mark.parametrize("with_magnitude", [True, False])
def test_signal_rates_above_noise(echo, with_magnitude, rng):
    phase, magnitude, _ = head(rng)
    quality = romeo_quality(phase, TIMES, GRID, magnitude if with_magnitude else None, echo=echo)
    assert quality.shape == GRID.shape
    assert quality.min() >= 0
    assert quality.max() <= 1
    assert np.percentile(quality[:8], 5) > np.percentile(quality[10:], 95)
    assert np.median(quality[:8]) > 0.7
    assert np.median(quality[10:]) < 0.35


def test_a_flat_phase_is_perfect_and_noise_ranks_every_choice_of_terms_lower(rng):
    flat, noise = np.full((*GRID.shape, 2), 0.3), rng.uniform(-3, 3, (*GRID.shape, 2))
    terms = ("phase_coherence", "gradient_coherence", "magnitude_coherence")
    assert (romeo_quality(flat, TIMES[:2], GRID, np.ones_like(flat), weights=terms) == 1).all()
    for term in ("phase_coherence", "gradient_coherence", "phase_linearity"):
        better, worse = (romeo_quality(p, TIMES[:2], GRID, weights=(term,)) for p in (flat, noise))
        assert better.min() > worse.mean() + 0.2


def test_a_single_echo_can_be_rated(rng):
    phase, magnitude, _ = head(rng, np.float32)
    quality = romeo_quality(phase[..., :1], TIMES[:1], GRID, magnitude[..., :1])
    assert quality.dtype == np.float32
    assert np.median(quality[:8]) > 2 * np.median(quality[10:])


def test_a_phase_offset_hardly_matters(rng):
    phase, magnitude, signal = head(rng)
    x = GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1))[..., :1]
    quality = romeo_quality(phase, TIMES, GRID, magnitude)
    constant = romeo_quality(wrapped(phase + 1.9), TIMES, GRID, magnitude)
    sloped = romeo_quality(wrapped(phase + 0.1 * x), TIMES, GRID, magnitude)
    np.testing.assert_allclose(constant, quality, atol=0.5 / 254)
    assert np.abs(sloped - quality).max() < 0.1
    assert np.median(np.abs(sloped - quality)[signal]) > 0


def test_it_is_the_mean_over_the_neighbours_there_are(rng):
    weights = rng.integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)
    weights[-1, :, :, 0] = weights[:, -1, :, 1] = weights[:, :, -1, 2] = 0
    weights[0, 0, 0] = 0
    quality = mean_weight(weights)
    assert quality[0, 0, 0] == 0
    for x, y, z in [(0, 0, 1), (2, 3, 4), (3, 4, 5), (1, 0, 5)]:
        edges = [*weights[x, y, z]]
        edges += [weights[x - 1, y, z, 0]] * (x > 0) + [weights[x, y - 1, z, 1]] * (y > 0)
        edges += [weights[x, y, z - 1, 2]] * (z > 0)
        present = [(int(w) - 1) / 254 for w in edges if w > 0]
        assert quality[x, y, z] == pytest.approx(np.mean(present), abs=1e-6)


def test_axes_may_be_permuted_and_flipped(rng):
    phase, magnitude, _ = head(rng)
    turned = Grid((14, 17, 20), GRID.affine[:, [2, 0, 1, 3]])
    moved = [a.transpose(2, 0, 1, 3)[:, :, ::-1] for a in (phase, magnitude)]
    result = romeo_quality(moved[0], TIMES, turned, moved[1], weights=TERMS)
    expected = romeo_quality(phase, TIMES, GRID, magnitude, weights=TERMS)
    np.testing.assert_allclose(result[:, :, ::-1].transpose(1, 2, 0), expected, atol=1.01 / 254)


def test_an_echo_that_is_not_there_is_refused(rng):
    phase, magnitude, _ = head(rng)
    with pytest.raises(ParameterError, match="echo = 4 of 3 echoes"):
        romeo_quality(phase, TIMES, GRID, magnitude, echo=4)


def test_a_real_head_rates_above_the_air_around_it(shared_data):
    stem = shared_data / "philips-ingenia-3t" / "nifti"
    images = [nib.load(stem / f"2001_fcMRI_Field_Mapping_e{e}_ph.nii.gz") for e in (1, 2)]
    strong = [nib.load(stem / f"2001_fcMRI_Field_Mapping_e{e}.nii.gz") for e in (1, 2)]
    phase, magnitude = (np.stack([i.get_fdata(dtype=np.float32) for i in s], -1) for s in (images, strong))
    quality = romeo_quality(phase, [0.0023, 0.0046], Grid(phase.shape[:3], images[0].affine), magnitude)
    top = np.percentile(magnitude[..., 0], 99)
    inside, air = magnitude[..., 0] > 0.4 * top, magnitude[..., 0] < 0.02 * top
    assert np.median(quality[inside]) > 0.6
    assert np.median(quality[air]) < 0.3
