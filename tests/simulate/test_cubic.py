import numpy as np

from qsmkit.simulate.cubic import sampled

VOLUMES = np.random.default_rng(1).random((9, 10, 11, 2), np.float32)


def test_it_is_exact_at_the_voxels():
    place = np.stack(np.meshgrid(*(np.arange(2, n - 3, dtype=np.float32) for n in (9, 10, 11)), indexing="ij"))
    found = sampled(VOLUMES, place)
    assert found.shape == (2, 4, 5, 6)
    np.testing.assert_allclose(found, np.moveaxis(VOLUMES[2:6, 2:7, 2:8], -1, 0), atol=1e-6)


def test_it_reproduces_a_parabola_between_them():
    x, y, z = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in (9, 10, 11)), indexing="ij")
    function = (0.3 * x**2 - 0.2 * y * z + z)[..., None]
    place = np.random.default_rng(2).uniform(1.1, 5.9, (3, 200)).astype(np.float32)
    expected = 0.3 * place[0] ** 2 - 0.2 * place[1] * place[2] + place[2]
    np.testing.assert_allclose(sampled(function, place)[0], expected, atol=1e-4)


def test_it_is_zero_outside():
    place = np.array([[-3.0, 4.0, 8.5], [4.0, 20.0, 4.0], [4.0, 4.0, 4.0]], np.float32)
    assert not sampled(VOLUMES, place).any()
