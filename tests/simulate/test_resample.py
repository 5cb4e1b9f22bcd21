import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.simulate.resample import average, crop_kspace, crop_slabs, fine_samples, nearest


def wave(n, cycles):
    return np.exp(2j * np.pi * cycles * np.arange(n) / n).astype(np.complex64)


@pytest.mark.parametrize("fine", [24, 25, 27])
@pytest.mark.parametrize("n", [16, 17])
def test_cropping_keeps_low_frequencies_in_place(fine, n):
    low = wave(fine, 3)[:, None, None] * np.ones((1, 4, 4), np.complex64)
    high = wave(fine, -(fine // 2))[:, None, None] * np.ones((1, 4, 4), np.complex64)
    kept = crop_kspace(low + high, (n, 4, 4))
    np.testing.assert_allclose(kept[:, 0, 0], wave(n, 3), atol=1e-5)


def test_average_is_the_mean_over_the_box():
    x = np.arange(30, dtype=np.float32)
    averaged = average(np.broadcast_to(x[:, None, None], (30, 3, 3)), (20, 3, 3))[:, 1, 1]
    np.testing.assert_allclose(averaged[1:-1], np.arange(1, 19) * 1.5, rtol=1e-5)
    step = (np.arange(30) >= 15).astype(np.float32)
    averaged = average(np.broadcast_to(step[:, None, None], (30, 3, 3)), (20, 3, 3))[:, 1, 1]
    assert averaged[10] == pytest.approx((15.75 - 14.5) / 1.5)


def test_nearest_takes_the_sample_at_the_centre():
    x = np.broadcast_to(np.arange(30)[:, None, None], (30, 2, 2))
    np.testing.assert_array_equal(nearest(x, (10, 2, 2))[:, 0, 0], np.arange(0, 30, 3))


@pytest.mark.parametrize("voxel", [(1.0, 1.0, 1.0), (0.8, 0.8, 2.4), (4.0, 4.0, 4.0)])
def test_samples_start_at_the_first_voxel_and_span_the_image(voxel):
    grid = Grid.tilted((20, 24, 22), voxel, tilt=25)
    space, fine = fine_samples(grid, 1.5, 1.0)
    np.testing.assert_allclose(fine.world((0, 0, 0)), grid.world((0, 0, 0)))
    np.testing.assert_allclose(np.array(fine.shape) * fine.voxel_size, np.array(grid.shape) * voxel)
    np.testing.assert_allclose(fine.b0_direction, grid.b0_direction)
    assert (np.array(fine.shape) >= 1.5 * np.array(grid.shape)).all()
    assert max(space.step) <= 1 + 1e-9
    np.testing.assert_allclose(space.axes[0][0], -(20 - 1) / 2 * voxel[0])


def test_cropping_slab_by_slab_is_cropping(rng):
    fine = Grid.tilted((30, 24, 27))
    signal = (rng.normal(size=fine.shape) + 1j * rng.normal(size=fine.shape)).astype(np.complex64)

    def slab(part):
        start = round(fine.voxel(part.world((0, 0, 0)))[0])
        return signal[start : start + part.shape[0]].copy()

    np.testing.assert_allclose(crop_slabs(slab, fine, (20, 16, 17)), crop_kspace(signal, (20, 16, 17)), atol=1e-6)
