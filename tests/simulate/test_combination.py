from dataclasses import replace

import numpy as np
import pytest

from qsmkit.simulate.coils import sum_of_squares
from qsmkit.simulate.combination import combination_weights, combine
from qsmkit.simulate.gre import GreProtocol, gre
from simulate.phantoms import ball_body

PROTOCOL = GreProtocol(
    voxel_size=(1.5, 1.5, 1.5), matrix=(40, 40, 40), echo_times=(0.004, 0.008), snr=80.0, coils=5, shim=False
)


@pytest.fixture(scope="module")
def apart():
    return gre(*ball_body(), PROTOCOL)


@pytest.mark.parametrize("kind", ["adaptive", "sum-of-squares"])
def test_weights_are_unit_vectors_that_lose_little(apart, kind):
    images = apart.magnitude[..., 0, :] * np.exp(1j * apart.phase[..., 0, :])
    weights = combination_weights(images, apart.grid, kind)
    assert weights.dtype == np.complex64
    mask = apart.truth["mask"]
    np.testing.assert_allclose(np.linalg.norm(weights[mask], axis=-1), 1, rtol=1e-5)
    kept = np.abs(combine(images, weights))[mask] / sum_of_squares(images)[mask]
    assert kept.max() < 1 + 1e-5
    assert np.median(kept) > (0.99 if kind == "adaptive" else 0.8)


@pytest.mark.parametrize("kind", ["adaptive", "sum-of-squares"])
def test_a_combined_scan_has_the_field_and_a_known_offset(apart, kind):
    scan = gre(*ball_body(), replace(PROTOCOL, combination=kind))
    assert scan.phase.shape == (40, 40, 40, 2)
    assert scan.scan().magnitude.shape == scan.phase.shape
    mask = scan.truth["mask"]
    turned = np.angle(np.exp(1j * (2 * scan.phase[..., 0] - scan.phase[..., 1] - scan.truth["phase_offset"])))
    assert np.median(np.abs(turned[mask])) < 0.05  # 2 φ(TE) − φ(2 TE) is the phase at echo time zero
    np.testing.assert_allclose(scan.noise_sd, apart.noise_sd)
