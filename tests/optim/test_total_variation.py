import numpy as np
import pytest

from qsmkit.optim.total_variation import TotalVariation
from qsmkit.physics.derivatives import gradient

SHAPE = (7, 6, 5)
VOXEL = (1.0, 1.5, 2.0)


@pytest.mark.parametrize("smooth", [0.0, 0.4])
def test_the_split_gradient_is_the_proximal_point_of_its_cost(rng, smooth):
    """z minimises κ h_δ(|z|) + |z − w|² / 2, with h_δ Huber's function; it is looked for by trial here."""
    threshold, x = 0.5, rng.standard_normal(SHAPE)
    variation = TotalVariation(np.full(SHAPE, threshold), VOXEL, relaxation=1.0, smooth=smooth)
    variation.update(x)  # from w = 0 to w = G x
    w = gradient(x, VOXEL, boundary="periodic")
    pulled = np.empty(SHAPE)
    variation.pull(pulled)

    length = np.linalg.norm(w, axis=0)
    trial = np.linspace(0, 1, 4001)[:, None, None, None] * length
    cost = np.where(trial > smooth, trial - smooth / 2, trial**2 / (2 * smooth) if smooth else np.inf)
    cost[trial == 0] = 0
    best = np.argmin(threshold * cost + (trial - length) ** 2 / 2, axis=0) / 4000
    reflected = (2 * best - 1) * w
    expected = sum(
        (np.roll(reflected[a], 1, a) - reflected[a]) / VOXEL[a] for a in range(3)
    )
    np.testing.assert_allclose(pulled, expected, atol=4e-3)


def test_an_edge_without_cost_keeps_its_gradient(rng):
    x = rng.standard_normal(SHAPE)
    free = TotalVariation(np.zeros(SHAPE), VOXEL, relaxation=1.0, smooth=0.4)
    assert free.update(x) == pytest.approx(1)  # z was zero
    assert free.update(x) == pytest.approx(0, abs=1e-12)
