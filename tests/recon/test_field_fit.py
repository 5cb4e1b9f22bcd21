"""From phase to field: exact without noise, honest about its noise, blind to wraps."""

import numpy as np
import pytest

from qsmkit.errors import InputError, MaskError
from qsmkit.grid import Grid
from qsmkit.recon.field.nonlinear_fit import nonlinear_fit
from qsmkit.recon.field.single_echo import single_echo
from qsmkit.recon.field.smooth_phase import wrapped
from qsmkit.recon.field.weighted_fit import weighted_fit
from qsmkit.units import radians_per_ppm

B0 = 3.0
TIMES = np.array([0.004, 0.011, 0.019, 0.028])
PER_PPM = radians_per_ppm(B0, 1.0)
SHAPE = (13, 12, 11)


def tissue(shape=SHAPE, *, times=TIMES, offset=0.0):
    """A field, its unwrapped phase and the magnitude of a decaying signal; the mask leaves out the rim."""
    grid = Grid.tilted(shape, (1.0, 1.5, 2.0), tilt=20)
    x, y, z = (np.linspace(-1, 1, n) for n in shape)
    field = 0.2 * x[:, None, None] + 0.3 * y[:, None] * z
    phase = PER_PPM * field[..., None] * times + offset
    magnitude = (100 + 30 * z)[:, None] * np.exp(-(30 + 10 * y[:, None, None]) * times)
    magnitude = np.broadcast_to(magnitude, phase.shape).copy()
    mask = np.zeros(shape, bool)
    mask[1:-1, 1:-1, 1:-1] = True
    return grid, mask, field, phase, magnitude


def noisy(phase, magnitude, sigma, rng):
    """Phase, on the turn of the true one, and magnitude of the signal with noise of SD sigma."""
    signal = magnitude * np.exp(1j * phase)
    signal = signal + sigma * (rng.normal(size=phase.shape) + 1j * rng.normal(size=phase.shape))
    return phase + np.angle(signal * np.exp(-1j * phase)), np.abs(signal)


def fit(method, unwrapped, magnitude, mask, grid, times=TIMES, **settings):
    if method is nonlinear_fit:
        return nonlinear_fit(wrapped(unwrapped), unwrapped, magnitude, times, B0, mask, grid, **settings)
    return weighted_fit(unwrapped, times, B0, mask, grid, magnitude, **settings)


def rotated(array):
    """The same volume with its first axis moved behind the others: a view that is not contiguous."""
    return np.moveaxis(array, 0, 2)


BOTH = pytest.mark.parametrize("method", [weighted_fit, nonlinear_fit])
OFFSET = pytest.mark.parametrize("offset", [False, True])


@BOTH
@OFFSET
def test_without_noise_the_field_is_exact(method, offset):
    grid, mask, field, phase, magnitude = tissue(offset=0.7 if offset else 0.0)
    found = fit(method, phase, magnitude, mask, grid, offset=offset)
    assert np.abs(found.total_field - field)[mask].max() < 1e-9
    assert found.fit_residual.max() < 1e-9
    for volume in found:
        assert not volume[~mask].any()


@BOTH
def test_single_precision_is_kept_and_enough(method, rng):
    grid, mask, _, phase, magnitude = tissue()
    phase, magnitude = noisy(phase, magnitude, 2.0, rng)
    double = fit(method, phase, magnitude, mask, grid)
    single = fit(method, phase.astype(np.float32), magnitude.astype(np.float32), mask, grid)
    for a, b in zip(single, double, strict=True):
        assert a.dtype == np.float32
        assert np.abs(a - b).max() <= 1e-3 * np.abs(b).max()


@BOTH
@OFFSET
def test_the_predicted_deviation_is_the_one_observed(method, offset, rng):
    grid, mask, field, phase, magnitude = tissue()
    runs = [fit(method, *noisy(phase, magnitude, 3.0, rng), mask, grid, offset=offset) for _ in range(40)]
    observed = np.sqrt(np.mean([(r.total_field - field)[mask] ** 2 for r in runs], axis=0))
    predicted = np.sqrt(np.mean([r.field_sd[mask] ** 2 for r in runs], axis=0))
    assert 0.95 < np.sqrt(np.mean(predicted**2) / np.mean(observed**2)) < 1.05
    assert 0.9 < np.median(predicted / observed) < 1.1
    bright = mask[mask] & (magnitude[mask][:, 0] > np.median(magnitude[mask][:, 0]))
    for part in (bright, ~bright):
        assert 0.9 < np.sqrt(np.mean(predicted[part] ** 2) / np.mean(observed[part] ** 2)) < 1.1


@pytest.mark.parametrize(("echoes", "offset"), [(1, False), (2, True)])
def test_the_deviation_is_known_even_where_the_fit_is_perfect(echoes, offset, rng):
    grid, mask, field, phase, magnitude = tissue((20, 21, 22), times=TIMES[:echoes])
    noised, strength = noisy(phase, magnitude, 3.0, rng)
    found = fit(weighted_fit, noised, strength, mask, grid, TIMES[:echoes], offset=offset)
    observed = np.sqrt(np.mean((found.total_field - field)[mask] ** 2))
    assert 0.9 < np.sqrt(np.mean(found.field_sd[mask] ** 2)) / observed < 1.1
    assert found.fit_residual.max() < 1e-9


def test_without_an_offset_to_fit_the_field_is_less_noisy(rng):
    grid, mask, _, phase, magnitude = tissue()
    noised = noisy(phase, magnitude, 3.0, rng)
    free, tied = (fit(weighted_fit, *noised, mask, grid, offset=o).field_sd[mask] for o in (True, False))
    assert (free > 1.3 * tied).all()


@BOTH
def test_magnitude_weights_make_the_least_error(method, rng):
    grid, mask, field, phase, magnitude = tissue()
    noised, strength = noisy(phase, magnitude * np.exp(-40 * TIMES), 2.0, rng)
    weighted, equal = (fit(method, noised, m, mask, grid) for m in (strength, np.ones_like(strength)))
    assert np.std((weighted.total_field - field)[mask]) < 0.9 * np.std((equal.total_field - field)[mask])


def test_the_unit_of_the_magnitude_does_not_matter(rng):
    grid, mask, _, phase, magnitude = tissue()
    noised, strength = noisy(phase, magnitude, 3.0, rng)
    for method in (weighted_fit, nonlinear_fit):
        one, other = (fit(method, noised, s * strength, mask, grid) for s in (1.0, 1e-4))
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-12)


def test_turns_of_the_wrapped_phase_do_not_matter(rng):
    grid, mask, _, phase, magnitude = tissue()
    noised, strength = noisy(phase, magnitude, 3.0, rng)
    turned = noised + 2 * np.pi * rng.integers(-3, 4, phase.shape)
    one, other = (nonlinear_fit(p, noised, strength, TIMES, B0, mask, grid) for p in (noised, turned))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)


@OFFSET
def test_late_echoes_on_a_wrong_turn_mislead_the_line_but_not_the_complex_fit(offset, rng):
    grid, mask, field, phase, magnitude = tissue()
    noised, strength = noisy(phase, magnitude, 1.0, rng)
    noised[3:8, 3:8, 3:8, -1] += 2 * np.pi
    line, wave = (fit(m, noised, strength, mask, grid, offset=offset) for m in (weighted_fit, nonlinear_fit))
    assert np.abs(line.total_field - field)[mask].max() > 0.1
    assert np.abs(wave.total_field - field)[mask].max() < 0.02


def test_where_dephasing_bends_the_phase_the_robust_fit_is_nearer_and_less_sure(rng):
    grid, mask, field, phase, magnitude = tissue()
    bent = np.zeros_like(mask)
    bent[4:8, 4:8, 4:8] = True
    phase[bent] -= 2.5 * (TIMES / TIMES[-1]) ** 3
    noised, strength = noisy(phase, magnitude, 0.5, rng)
    plain, robust = (fit(nonlinear_fit, noised, strength, mask, grid, robust=r) for r in (False, True))
    worse, better = (np.sqrt(np.mean((f.total_field - field)[bent] ** 2)) for f in (plain, robust))
    assert better < 0.5 * worse
    assert np.median(robust.field_sd[bent]) > 5 * np.median(plain.field_sd[bent])
    np.testing.assert_array_equal(robust.total_field[mask & ~bent], plain.total_field[mask & ~bent])


def test_both_fits_agree_where_noise_is_small(rng):
    grid, mask, _, phase, magnitude = tissue()
    noised, strength = noisy(phase, magnitude, 1.0, rng)
    line, wave = (fit(m, noised, strength, mask, grid) for m in (weighted_fit, nonlinear_fit))
    assert np.std((line.total_field - wave.total_field)[mask]) < 0.05 * np.mean(line.field_sd[mask])


@BOTH
def test_voxels_without_signal_have_no_field_and_a_bounded_deviation(method, rng):
    grid, mask, _, phase, magnitude = tissue()
    noised, strength = noisy(phase, magnitude, 2.0, rng)
    strength[5, 5, 5] = 0
    strength[6, 6, 6, 1:] = 0
    for offset in (False, True):
        found = fit(method, noised, strength, mask, grid, offset=offset)
        assert all(np.isfinite(volume).all() for volume in found)
        assert found.total_field[5, 5, 5] == 0
        assert found.field_sd[5, 5, 5] == pytest.approx(found.field_sd.max())


@BOTH
def test_the_order_of_the_axes_does_not_matter(method, rng):
    grid, mask, _, phase, magnitude = tissue()
    noised, strength = noisy(phase, magnitude, 2.0, rng)
    affine = grid.affine.copy()
    affine[:, :3] = affine[:, [1, 2, 0]]
    straight = fit(method, noised, strength, mask, grid)
    turned = fit(method, rotated(noised), rotated(strength), rotated(mask), Grid((12, 11, 13), affine))
    for a, b in zip(straight, turned, strict=True):
        np.testing.assert_allclose(rotated(a), b, rtol=1e-9, atol=1e-12)


@BOTH
def test_an_offset_from_one_echo_is_refused(method):
    grid, mask, _, phase, magnitude = tissue(times=TIMES[:1])
    with pytest.raises(InputError, match="offset = false"):
        fit(method, phase, magnitude, mask, grid, TIMES[:1], offset=True)


def test_one_echo_gives_field_and_deviation(rng):
    grid, mask, field, phase, magnitude = tissue((20, 21, 22), times=TIMES[2:3])
    noised, strength = noisy(phase, magnitude, 2.0, rng)
    found = single_echo(noised, TIMES[2:3], B0, mask, grid, strength)
    error = (found.total_field - field)[mask]
    assert 0.9 < np.sqrt(np.mean(found.field_sd[mask] ** 2)) / np.std(error) < 1.1
    assert not found.total_field[~mask].any()
    alone = single_echo(noised, TIMES[2:3], B0, mask, grid)
    assert np.ptp(alone.field_sd[mask]) == 0
    assert 0.8 < alone.field_sd.max() / np.std(error) < 1.2


def test_one_echo_without_signal_has_a_bounded_deviation(rng):
    grid, mask, _, phase, magnitude = tissue(times=TIMES[2:3])
    noised, strength = noisy(phase, magnitude, 2.0, rng)
    strength[5, 5, 5] = 0
    found = single_echo(noised, TIMES[2:3], B0, mask, grid, strength)
    assert found.field_sd[5, 5, 5] == pytest.approx(np.pi / np.sqrt(3) / PER_PPM / TIMES[2])


def test_several_echoes_are_not_a_single_echo():
    grid, mask, _, phase, magnitude = tissue()
    with pytest.raises(InputError, match="nonlinear_fit"):
        single_echo(phase, TIMES, B0, mask, grid, magnitude)


def test_noise_of_one_echo_cannot_be_told_from_one_voxel():
    grid, _, _, phase, magnitude = tissue(times=TIMES[:1])
    mask = np.zeros(SHAPE, bool)
    mask[5, 5, 5] = True
    with pytest.raises(MaskError, match="enlarge"):
        single_echo(phase, TIMES[:1], B0, mask, grid, magnitude)
