import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.physics.dipole import forward_field
from qsmkit.physics.signal import gradient_echo, spoiled_steady_state
from qsmkit.simulate.forward import dipole_field, fields, lean_fields, shim
from qsmkit.simulate.resample import fine_samples
from qsmkit.simulate.scanner import Protocol, acquire, decode_phase, encode_magnitude, encode_phase
from qsmkit.units import radians_per_ppm

TIMES = (0.004, 0.012, 0.020)


def phantom(shape=(16, 18, 14)):
    space, grid = fine_samples(Grid.tilted(shape, (4.0, 4.0, 4.0)), 1.5, 4.0)
    return space, grid, np.ones(space.shape, np.float32)


def scan(space, amplitude, r2star, field, shape, *, snr=1e6, bipolar=False):
    protocol = Protocol(3.0, TIMES, snr, bipolar)
    return acquire(amplitude, r2star, field, space, shape, protocol, np.random.default_rng(0))


def test_stored_phase_is_within_the_scanners_range_and_comes_back(rng):
    phase = rng.uniform(-np.pi, np.pi, (5, 4, 3, 2)).astype(np.float32)
    phase[0, 0, 0] = np.pi, -np.pi
    stored = encode_phase(phase)
    assert stored.dtype == np.int16
    assert stored.min() >= -4096
    assert stored.max() <= 4095
    half_step = np.pi / 8192
    np.testing.assert_allclose(np.exp(1j * decode_phase(stored)), np.exp(1j * phase), atol=1.01 * half_step)
    np.testing.assert_array_equal(encode_phase(decode_phase(stored)), stored)


def test_stored_magnitude_uses_one_scale(rng):
    magnitude = rng.uniform(0, 7, (4, 4, 4, 2)).astype(np.float32)
    stored = encode_magnitude(magnitude)
    assert stored.max() == 30000
    np.testing.assert_allclose(stored / 30000, magnitude / magnitude.max(), atol=1e-4)


def test_echoes_carry_field_decay_and_offset():
    space, _, one = phantom()
    shape = (16, 18, 14)
    got = scan(space, one, 25 * one, 0.1 * one, shape)
    decay = got.magnitude[..., 1:] / got.magnitude[..., :-1]
    middle = (slice(4, -4),) * 3
    np.testing.assert_allclose(decay[middle], np.exp(-25 * 0.008), rtol=1e-3)
    expected = got.phase_offset[..., None] + 0.1 * np.array([radians_per_ppm(3.0, t) for t in TIMES])
    error = np.angle(np.exp(1j * (got.phase - expected)))[middle]
    np.testing.assert_allclose(error, 0, atol=0.05)  # the image's edges ring


def test_a_steep_field_dephases_voxels():
    space, _, one = phantom()
    steep = one * np.where(np.arange(space.shape[2]) % 2, 0.1, -0.1).astype(np.float32)
    flat, steep = (scan(space, one, one, f, (16, 18, 14)).magnitude for f in (0 * one, steep))
    assert steep[8, 9, 7, 2] < 0.1 * flat[8, 9, 7, 2]


def test_noise_has_the_stated_level():
    space, _, one = phantom((32, 32, 32))
    clean, noisy = (scan(space, one, one, 0 * one, (32, 32, 32), snr=s) for s in (1e9, 50))
    difference = [a.magnitude[..., 0] * np.exp(1j * a.phase[..., 0]) for a in (clean, noisy)]
    difference = difference[1] - difference[0]
    expected = np.percentile(clean.magnitude[..., 0], 99.5) / 50
    assert difference.real.std() == pytest.approx(expected, rel=0.03)
    assert difference.imag.std() == pytest.approx(expected, rel=0.03)


def test_bipolar_readout_turns_the_ramp_round():
    space, _, one = phantom()
    both = [scan(space, one, one, 0 * one, (16, 18, 14), bipolar=b) for b in (False, True)]
    ramp = np.angle(np.exp(1j * (both[1].phase - both[0].phase)))[4:-4, 9, 7]
    np.testing.assert_allclose(ramp[:, 0], -ramp[:, 1], atol=0.02)
    np.testing.assert_allclose(ramp[:, 0], ramp[:, 2], atol=0.02)
    assert np.ptp(ramp[:, 0]) > 0.2


def test_shim_removes_exactly_the_second_order_harmonics(rng):
    space, _, one = phantom()
    x, y, z = space.scaled(80.0)
    applied = 0.3 + 0.1 * x - 0.2 * y + 0.4 * z + 0.5 * (x * x - y * y) - 0.3 * y * z
    rest = (0.2 * x * x).astype(np.float32)  # not harmonic
    brain = one > 0
    left = shim((applied + rest).astype(np.float32), brain, space)
    np.testing.assert_allclose(left, shim(rest + 0 * one, brain, space), atol=1e-5)
    assert left.std() > 1e-3


def test_the_field_is_linear_and_the_surroundings_do_not_matter_to_the_brain(rng):
    _, grid, one = phantom()
    brain = np.zeros(grid.shape, bool)
    brain[8:-8, 8:-8, 8:-8] = True
    chi = (0.1 * rng.normal(size=grid.shape)).astype(np.float32)
    total, local = fields(chi, brain, 0.0, grid)
    total_brain, _ = fields(chi * brain, brain, 0.0, grid)
    np.testing.assert_allclose(total_brain, local, atol=1e-6)
    np.testing.assert_allclose(fields(2 * chi, brain, 0.0, grid).total, 2 * total, atol=1e-6)
    assert np.abs(fields(0 * one + 9.4, brain, 9.4, grid).total).max() < 1e-5


def test_spoiled_steady_state_has_its_maximum_at_the_ernst_angle():
    ernst = np.rad2deg(np.arccos(np.exp(-0.05 / 1.0)))
    angles = (ernst - 1, ernst, ernst + 1)
    below, at, above = (spoiled_steady_state(1, 1, repetition_time=0.05, flip_angle=a) for a in angles)
    assert at > max(below, above)
    assert spoiled_steady_state(0.8, 1e-4, repetition_time=0.05, flip_angle=90) == pytest.approx(0.8)


def test_gradient_echo_is_its_equation(rng):
    a, r, f, o = rng.uniform(0, 2, (4, 5, 6, 7)).astype(np.float32)
    got = gradient_echo(a, r, f, o, echo_time=0.01, radians_per_ppm=3.0)
    assert got.dtype == np.complex64
    np.testing.assert_allclose(got, a * np.exp(-0.01 * r + 1j * (3 * f + o)), rtol=1e-5, atol=1e-5)


def test_lean_fields_are_the_fields_of_nothing_around_the_head(rng):
    _, grid, _ = phantom((16, 18, 40))
    chi = rng.normal(size=grid.shape).astype(np.float32)
    np.testing.assert_allclose(dipole_field(chi, grid), forward_field(chi, grid), atol=1e-6)
    brain = np.zeros(grid.shape, bool)
    brain[8:-8, 8:-8, 8:-8] = True
    lean, plain = lean_fields(chi, brain, 0.5, grid), fields(chi, brain, 0.5, grid)
    np.testing.assert_allclose(lean.local, plain.local, atol=1e-6)
    neck = round(50 / grid.voxel_size[2])
    longer = np.pad(chi - np.float32(0.5), ((0, 0), (0, 0), (neck, 0)), mode="edge")
    expected = forward_field(longer, grid.cropped((0, 0, -neck), longer.shape))[:, :, neck:]
    np.testing.assert_allclose(lean.total, expected, atol=1e-5)
    np.testing.assert_allclose(lean_fields(2 * chi, brain, 1.0, grid).total, 2 * lean.total, atol=1e-5)


def test_the_lean_fields_b0_is_the_grids():
    grid = Grid.tilted((20, 22, 24), (2.0, 2.0, 2.0), tilt=35, axis=1)
    chi = np.zeros(grid.shape, np.float32)
    chi[9:11, 10:12, 11:13] = 1
    np.testing.assert_allclose(dipole_field(chi, grid), forward_field(chi, grid), atol=1e-6)
    upright = dipole_field(chi, Grid.tilted(grid.shape, (2.0, 2.0, 2.0)))
    assert np.abs(upright - dipole_field(chi, grid)).max() > 0.05
