import numpy as np
import pytest

from qsmkit.errors import MetadataError, ParameterError
from qsmkit.simulate.head import head
from qsmkit.simulate.tissue import TISSUES, Label, spread
from qsmkit.units import radians_per_ppm


@pytest.fixture(scope="module")
def small():
    return head(size="small")


@pytest.fixture(scope="module")
def tilted():
    return head(voxel_size=(2.0, 2.0, 4.0), tilt=30, field_strength=7.0, echo_times=(0.004, 0.009), snr=50)


def test_scan_is_what_was_asked_for(small, tilted):
    assert small.scan.grid.shape == (80, 96, 84)
    assert small.scan.phase.shape == small.scan.magnitude.shape == (80, 96, 84, 4)
    assert small.scan.phase.dtype == small.scan.magnitude.dtype == np.float32
    np.testing.assert_allclose(tilted.scan.grid.voxel_size, (2, 2, 4))
    np.testing.assert_allclose(abs(tilted.scan.grid.b0_direction[1]), 0.5)
    assert tilted.scan.field_strength == 7
    assert tilted.scan.metadata["ImagingFrequency"] == pytest.approx(298.04, abs=0.01)


def test_stored_integers_are_the_scan(small):
    stored = small.stored_phase()
    assert stored.min() >= -4096
    assert stored.max() <= 4095
    np.testing.assert_allclose(stored * np.pi / 4096, small.scan.phase, atol=1e-5)
    assert small.stored_magnitude().max() == 30000


def test_truth_is_zero_outside_the_mask_and_plausible_inside(small):
    truth, mask = small.truth, small.truth["mask"]
    assert set(truth) == {"chi", "local_field", "total_field", "r2star", "mask", "phase_offset"}
    assert 1.1e6 < mask.sum() * small.scan.grid.voxel_volume < 1.6e6
    for name, volume in truth.items():
        assert volume.shape == mask.shape
        assert not volume[~mask].any()
        assert volume.dtype == (bool if name == "mask" else np.float32)
    assert truth["local_field"][mask].mean() == pytest.approx(0, abs=1e-6)
    assert 0.005 < truth["local_field"][mask].std() < 0.03
    assert truth["total_field"][mask].std() > 4 * truth["local_field"][mask].std()


def test_labels_have_their_tissues_susceptibility(small):
    chi = small.truth["chi"]
    counts = np.bincount(small.labels.ravel(), minlength=17)
    assert (counts[[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16]] > 0).all()
    for label in (Label.WHITE_MATTER, Label.GREY_MATTER, Label.CSF, Label.THALAMUS):
        assert np.median(chi[small.labels == label]) == pytest.approx(TISSUES[label].chi, abs=0.012)
    assert small.label_names[2] == "pallidum"
    assert np.median(chi[small.labels == 2]) > 0.08


def test_phase_follows_from_the_truth(small):
    scan, truth = small.scan, small.truth
    quiet = truth["mask"] & (small.labels == Label.WHITE_MATTER)
    for echo, time in enumerate(scan.echo_times):
        expected = truth["phase_offset"] + radians_per_ppm(scan.field_strength, time) * truth["total_field"]
        error = np.angle(np.exp(1j * (scan.phase[..., echo] - expected)))[quiet]
        assert abs(np.median(error)) < 0.01
        assert np.percentile(np.abs(error), 90) < 0.15


def test_magnitude_decays_with_r2star(small):
    scan, r2star = small.scan, small.truth["r2star"]
    inside = small.labels == Label.WHITE_MATTER
    decay = np.log(scan.magnitude[..., 0] / scan.magnitude[..., 2])[inside]
    rate = decay / (scan.echo_times[2] - scan.echo_times[0])
    assert np.median(rate) == pytest.approx(np.median(r2star[inside]), rel=0.1)


def test_the_shim_leaves_no_harmonic(small):
    mask, total = small.truth["mask"], small.truth["total_field"]
    x, y, z = (c[mask] for c in np.meshgrid(*[np.linspace(-1, 1, n) for n in mask.shape], indexing="ij"))
    system = np.stack([np.ones_like(x), x, y, z], 1)
    weights = np.linalg.lstsq(system, total[mask], rcond=None)[0]
    assert np.abs(system @ weights).std() < 0.1 * total[mask].std()


def test_same_seed_same_head_at_any_voxel_size_and_field(small, tilted):
    again = head(size="small")
    np.testing.assert_array_equal(again.scan.phase, small.scan.phase)
    halves = small.truth["mask"].reshape(80, 96, 42, 2).mean(-1)
    assert np.mean((halves > 0.5) == tilted.truth["mask"]) > 0.99


def test_another_seed_is_another_patient(small):
    other = head(size="small", rng=np.random.default_rng(7))
    both = small.truth["mask"] & other.truth["mask"]
    assert np.mean(small.labels[both] != other.labels[both]) > 0.1


def test_r2star_rises_with_the_field_but_not_in_proportion(small, tilted):
    at_3, at_7 = (np.median(h.truth["r2star"][h.labels == Label.WHITE_MATTER]) for h in (small, tilted))
    assert 1.2 < at_7 / at_3 < 7 / 3


def test_spread_looks_up_each_label():
    labels = np.array([[[1, 10, 16]]], np.uint8)
    values = spread(labels, {label: tissue.chi for label, tissue in TISSUES.items()})
    np.testing.assert_allclose(values, [[[0.044, 0.019, -3.0]]], rtol=1e-6)


@pytest.mark.parametrize(("settings", "message"), [
    ({"voxel_size": (1.0, 1.0, 0.0)}, "voxel size"),
    ({"voxel_size": (1.0, 1.0)}, "voxel size"),
    ({"field_strength": -3.0}, "field_strength"),
    ({"snr": 0.0}, "snr"),
    ({"oversampling": 0.5}, "oversampling"),
    ({"echo_times": (4.0, 12.0)}, "repetition time"),
])
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ParameterError, match=message):
        head(**settings)


def test_bad_echo_times_are_named():
    with pytest.raises(MetadataError, match="ascending"):
        head(echo_times=(0.02, 0.01))
