from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from qsmkit.errors import MetadataError, ParameterError
from qsmkit.recon import combine_coils
from qsmkit.simulate.gre import GreProtocol, gre
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.transfer import rigid_motion
from qsmkit.units import radians_per_ppm
from simulate.phantoms import ball_body

TIMES = (0.003, 0.006, 0.009)
PHANTOM = GreProtocol(
    voxel_size=(1.5, 1.5, 1.5), matrix=(44, 44, 44), echo_times=TIMES, snr=np.inf, shim=False,
)  # fmt: skip


def nested(matrix):
    return tuple(map(tuple, matrix))


def signal(scan):
    return scan.magnitude * np.exp(1j * scan.phase)


def from_ball(scan, protocol):
    """Return the positions about the ball's centre, mm: (X, Y, Z, 3)."""
    voxels = np.stack(np.meshgrid(*[np.arange(n) for n in scan.grid.shape], indexing="ij"), -1)
    return scan.grid.world(voxels) - np.array(protocol.motion)[:3, 3]


@pytest.mark.parametrize(("tilt", "axis", "orientation", "angles", "motion"), [
    (0, 0, "axial", (0, 0, 0), ((0, 0, 0), (0, 0, 0))),
    (0, 0, "sagittal", (20, -10, 5), ((0, 0, 0), (0, 0, 0))),  # a tilted scan
    (30, 0, "axial", (0, 0, 0), ((0, 0, 0), (0, 0, 0))),  # a tilted head
    (25, 1, "coronal", (0, -40, 0), ((5, 3, -4), (1, 2, -1.5))),  # both, and it moved
])
def test_a_balls_phase_is_the_dipoles(tilt, axis, orientation, angles, motion):
    body, properties = ball_body(chi=0.5, radius=9, tilt=tilt, axis=axis)
    protocol = replace(PHANTOM, orientation=orientation, angles=angles, motion=nested(rigid_motion(*motion)))
    scan = gre(body, properties, protocol)
    position = from_ball(scan, protocol)
    r = np.linalg.norm(position, axis=-1)
    expected = 0.5 / 3 * (9 / r) ** 3 * (3 * (position[..., 2] / r) ** 2 - 1)
    outside = (r > 9 + 4.5) & (r < 22)
    got = np.angle(np.exp(1j * (scan.phase[..., 0] - scan.truth["phase_offset"]))) * scan.truth["mask"]
    got /= radians_per_ppm(3.0, TIMES[0])
    slope = (got * expected)[outside].sum() / (expected**2)[outside].sum()
    assert slope == pytest.approx(1, abs=0.01)
    for field in (scan.truth["total_field"], gaussian_filter(got, 0.7)):  # the ball's edge rings, its far field stays
        assert (field - expected)[outside].std() < 0.01 * expected[outside].std()


def test_noise_is_as_asked_for_in_air_and_within():
    body, properties = ball_body()
    clean, noisy = (gre(body, properties, replace(PHANTOM, snr=snr)) for snr in (np.inf, 40))
    assert clean.noise_sd == 0
    seen = clean.magnitude[..., 0][clean.truth["mask"]].mean()
    assert noisy.noise_sd == pytest.approx(seen / 40, rel=0.01)
    difference = signal(noisy) - signal(clean)
    assert difference.real.std() == pytest.approx(noisy.noise_sd, rel=0.01)
    assert difference.imag.std() == pytest.approx(noisy.noise_sd, rel=0.01)
    properties.density[:] = 0
    properties.density[30:42, 30:42, 30:42] = 1
    air = gre(body, properties, replace(PHANTOM, snr=40, matrix=(60, 60, 60)))
    rayleigh = np.sqrt(np.mean(air.magnitude[:8, :8, :8] ** 2) / 2)
    assert rayleigh == pytest.approx(air.noise_sd, rel=0.05)


def test_magnitude_decays_with_r2star():
    body, properties = ball_body(chi=0)
    for field_strength, rate in ((3.0, 20.0), (7.0, 14 + 6 * 7 / 3)):
        scan = gre(body, properties, replace(PHANTOM, field_strength=field_strength))
        decay = scan.magnitude[..., 1:] / scan.magnitude[..., :-1]
        np.testing.assert_allclose(decay[14:30, 14:30, 14:30], np.exp(-rate * 0.003), rtol=1e-4)
        np.testing.assert_allclose(scan.truth["r2star"][scan.truth["mask"]], rate, rtol=1e-5)


def test_a_strong_source_dephases_the_voxels_beside_it():
    weak, strong = (gre(*ball_body(chi=chi, radius=4), PHANTOM) for chi in (0.01, 8.0))
    beside = (22, 22, 22 + 4)
    assert strong.magnitude[beside][2] < 0.5 * weak.magnitude[beside][2]
    far = (8, slice(18, 27), slice(18, 27), 2)
    assert strong.magnitude[far].mean() == pytest.approx(weak.magnitude[far].mean(), rel=0.03)


def test_the_ramp_of_a_bipolar_readout_alternates():
    body, properties = ball_body()
    both = [gre(body, properties, replace(PHANTOM, bipolar=bipolar)) for bipolar in (False, True)]
    ramp = np.angle(np.exp(1j * (both[1].phase - both[0].phase)))[14:30, 22, 22]
    np.testing.assert_allclose(ramp[:, 0], -ramp[:, 1], atol=1e-3)
    np.testing.assert_allclose(ramp[:, 0], ramp[:, 2], atol=1e-3)
    assert np.ptp(ramp[:, 0]) > 0.1
    assert both[1].scan().bipolar


def test_coils_combine_to_the_field_of_the_combined_scan():
    body, properties = ball_body()
    noisy = replace(PHANTOM, snr=60, matrix=(40, 40, 40), echo_times=(0.004, 0.008))
    whole, coils = gre(body, properties, noisy), gre(body, properties, replace(noisy, coils=6))
    assert coils.phase.shape == (40, 40, 40, 2, 6)
    assert coils.sensitivity.shape == (40, 40, 40, 6)
    with pytest.raises(ParameterError, match="combine"):
        coils.scan()
    mask = whole.truth["mask"]
    combined = combine_coils(coils.phase, coils.magnitude, np.array(noisy.echo_times), coils.grid, mask)
    apart = combined.phase - whole.phase
    difference = np.angle(np.exp(1j * (apart[..., 1] - apart[..., 0])))
    error = np.sqrt((1 / whole.magnitude**2).sum(-1) * 2) * whole.noise_sd  # of two echoes in two scans
    assert np.std((difference / error)[mask]) == pytest.approx(1, abs=0.15)
    assert abs(difference[mask].mean()) < 0.003


def test_twice_the_susceptibility_is_twice_the_field():
    once, twice = (gre(*ball_body(chi=chi), PHANTOM).truth for chi in (0.3, 0.6))
    np.testing.assert_allclose(twice["total_field"], 2 * once["total_field"], atol=2e-6)
    np.testing.assert_allclose(twice["chi"] - 9.4 * twice["mask"], 2 * (once["chi"] - 9.4 * once["mask"]), atol=1e-5)


def test_the_shim_evens_the_head_out(patient):
    protocol = GreProtocol(voxel_size=(6.0, 6.0, 6.0), echo_times=(0.004,))
    body, properties = patient
    without, shimmed = (gre(body, properties, replace(protocol, shim=shim)).truth for shim in (False, True))
    mask = shimmed["mask"]
    assert shimmed["total_field"][mask].std() < 0.5 * without["total_field"][mask].std()
    np.testing.assert_array_equal(shimmed["local_field"], without["local_field"])
    assert shimmed["local_field"][mask].mean() == pytest.approx(0, abs=1e-6)


def test_the_head_is_scanned_with_its_truth(patient):
    body, properties = patient
    result = gre(body, properties, GreProtocol(voxel_size=(3.0, 3.0, 3.0), echo_times=(0.005, 0.010), snr=200))
    truth, scan = result.truth, result.scan("sub-07")
    mask = truth["mask"]
    assert 1.1e6 < mask.sum() * scan.grid.voxel_volume < 1.6e6
    for name, volume in truth.items():
        assert volume.shape == scan.grid.shape
        assert not volume[~mask].any(), name
        assert volume.dtype == (bool if name == "mask" else np.float32)
    np.testing.assert_allclose(truth["chi"], truth["chi_positive"] + truth["chi_negative"], atol=1e-5)
    expected = truth["phase_offset"] + radians_per_ppm(3.0, 0.005) * truth["total_field"]
    quiet = mask & (result.labels == Label.WHITE_MATTER)
    error = np.angle(np.exp(1j * (scan.phase[..., 0] - expected)))[quiet]
    assert abs(np.median(error)) < 0.01
    assert np.percentile(np.abs(error), 90) < 0.15
    assert scan.metadata["ImagingFrequency"] == pytest.approx(127.73, abs=0.01)
    assert set(np.unique(result.labels)) >= {Label.AIR, Label.FAT, Label.BONE}


@pytest.mark.parametrize(("settings", "message"), [
    ({"echo_times": (4.0, 12.0)}, "repetition time"),
    ({"flip_angle": 0.0}, "flip_angle"),
    ({"coils": -1}, "coils"),
])
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ParameterError, match=message):
        GreProtocol(**settings)


@pytest.mark.parametrize("times", [(), (0.02, 0.01), (-0.001,), (float("nan"),)])
def test_bad_echo_times_are_named(times):
    with pytest.raises(MetadataError, match="ascending"):
        GreProtocol(echo_times=times)
