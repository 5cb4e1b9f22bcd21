"""The dipole against exact fields.

A smooth profile χ(r) leaves nothing to partial volume, so that the field is exact everywhere, in the shell
too. For any spherically symmetric χ, with χ̄(r) its mean inside radius r and θ the angle to B0,

    ΔB = (cos²θ − 1/3) (χ̄(r) − χ(r)),

and for any circular cylinder tilted by θ to B0, φ the angle around it from the plane that holds B0,

    ΔB = χ/3 − sin²θ (χ̄/2 + cos²φ (χ − χ̄)).
"""

import numpy as np
import pytest
from scipy.special import erfc

from qsmkit.grid import Grid
from qsmkit.physics.dipole import dipole_kernel, forward_field
from qsmkit.physics.fft import convolve, irfftn, rfftn

TILTS = [0, 20, 45, 90]


def voxel_centres(grid):
    return grid.world(np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1))


def oblique(voxel_size):
    """Return an affine whose voxel axes meet all world axes."""
    rotation, _ = np.linalg.qr(np.array([[1.0, 0.3, -0.2], [-0.4, 1.0, 0.5], [0.1, -0.6, 1.0]]))
    affine = np.eye(4)
    affine[:3, :3] = rotation * voxel_size
    return affine


def profile(radius, blur, dimensions):
    """Return χ(r), 1 inside `radius` with an edge of width `blur`, and its mean inside r: two functions."""
    r = np.linspace(0, 40 * radius, 400_001)
    chi = erfc((r - radius) / (np.sqrt(2) * blur)) / 2
    shells = chi * r ** (dimensions - 1)
    inside = np.concatenate([[0], np.cumsum((shells[1:] + shells[:-1]) / 2) * (r[1] - r[0])])
    mean = dimensions * inside / np.maximum(r, r[1]) ** dimensions
    mean[0] = 1
    return lambda s: np.interp(s, r, chi), lambda s: np.interp(s, r, mean)


def smooth_ball(grid, radius):
    world = voxel_centres(grid)
    r = np.linalg.norm(world, axis=-1)
    chi, mean = (f(r) for f in profile(radius, 0.8 * max(grid.voxel_size), 3))
    cos2 = (world[..., 2] / np.maximum(r, 1e-9)) ** 2
    return chi, (cos2 - 1 / 3) * (mean - chi)


@pytest.mark.parametrize("tilt", TILTS)
@pytest.mark.parametrize(
    ("voxel_size", "shape"),
    [((1, 1, 1), (56, 56, 56)), ((0.8, 0.8, 2.4), (71, 70, 25)), ((1, 1.5, 2), (57, 38, 29))],
    ids=["isotropic", "slabs", "odd"],
)
def test_smooth_ball_is_exact_everywhere(voxel_size, shape, tilt):
    chi, field = smooth_ball(Grid.tilted(shape, voxel_size, tilt=tilt), radius=12)
    computed = forward_field(chi.astype(np.float32), Grid.tilted(shape, voxel_size, tilt=tilt))
    assert np.abs(computed - field).max() < 0.01 * np.abs(field).max()


@pytest.mark.parametrize("tilt", TILTS)
@pytest.mark.parametrize("voxel_size", [(1, 1, 1), (0.8, 0.8, 2.4), (1, 1.5, 2)])
@pytest.mark.parametrize("axis", [0, 2])
def test_smooth_cylinder_is_exact_everywhere(voxel_size, tilt, axis):
    """The cylinder lies along a voxel axis: periodic along it, padded across it."""
    across = [i for i in range(3) if i != axis]
    shape = tuple(4 if i == axis else round(56 / voxel_size[i]) for i in range(3))
    padded = tuple(n if i == axis else 5 * n for i, n in enumerate(shape))
    grid = Grid.tilted(shape, voxel_size, tilt=tilt, axis=1)
    offset = voxel_centres(grid) @ grid.axes
    offset[..., axis] = 0
    r = np.linalg.norm(offset, axis=-1)
    chi, mean = (f(r) for f in profile(8, 0.8 * max(voxel_size[i] for i in across), 2))
    b = grid.b0_direction
    sin2 = 1 - b[axis] ** 2
    # sin²θ cos²φ is the squared cosine between B0 and the direction from the axis.
    facing = (offset @ b / np.maximum(r, 1e-9)) ** 2
    field = chi / 3 - sin2 * mean / 2 - facing * (chi - mean)
    computed = convolve(chi, dipole_kernel(grid, padded, dtype=np.float64), padded)
    assert np.abs(computed - field).max() < 0.01 * np.abs(field).max()


def finer(grid, factor):
    """Return the grid that splits every voxel into factor³."""
    affine = grid.affine.copy()
    affine[:3, :3] /= factor
    affine[:3, 3] = grid.world([0.5 / factor - 0.5] * 3)
    return Grid(tuple(n * factor for n in grid.shape), affine)


def share_inside(centres, grid, radius, samples=5):
    """Return how much of each voxel lies within `radius` of the origin, from samples³ points."""
    steps = (np.arange(samples) + 0.5) / samples - 0.5
    offsets = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3) @ grid.affine[:3, :3].T
    return np.mean([np.linalg.norm(centres + offset, axis=-1) < radius for offset in offsets], axis=0)


def block_mean(x, factor):
    a, b, c = (n // factor for n in x.shape)
    return x.reshape(a, factor, b, factor, c, factor).mean(axis=(1, 3, 5))


@pytest.mark.parametrize(
    ("voxel_size", "shape", "tilt"),
    [
        ((1, 1, 1), (64, 64, 64), 0),
        ((1, 1, 1), (63, 64, 65), 20),
        ((0.8, 0.8, 2.4), (80, 80, 26), 32),
        ((1, 1.5, 2), (64, 44, 32), 45),
        ((1, 1, 1), (64, 64, 64), 90),
    ],
)
def test_sharp_ball_outside_a_one_voxel_shell(voxel_size, shape, tilt):
    """A sharp edge must be drawn finer than the voxels: from partial volumes no kernel is this exact."""
    radius, factor = 20, 2
    grid = Grid.tilted(shape, voxel_size, tilt=tilt)
    fine = finer(grid, factor)
    world = voxel_centres(fine)
    r = np.linalg.norm(world, axis=-1)
    chi = (r < radius).astype(np.float32)
    edge = np.abs(r - radius) < max(voxel_size)
    chi[edge] = share_inside(world[edge], fine, radius)
    field = np.where(r > radius, (radius / r) ** 3 * ((world[..., 2] / r) ** 2 - 1 / 3), 0)
    error = block_mean(forward_field(chi, fine) - field, factor)
    outside_shell = np.abs(np.linalg.norm(voxel_centres(grid), axis=-1) - radius) > max(voxel_size)
    assert np.abs(error)[outside_shell].max() < 0.01 * 2 / 3


@pytest.mark.parametrize("voxel_size", [(1, 1, 1), (0.8, 1.2, 2)])
@pytest.mark.parametrize("tilt", [0, 30, 54.7, 90])
def test_sharp_cylinder_outside_a_one_voxel_shell(voxel_size, tilt):
    """An endless vessel: χ/6 (3 cos²θ − 1) inside, χ/2 (R/r)² sin²θ cos 2φ outside."""
    radius, factor = 14, 2
    grid = Grid.tilted((56, 48, 2), voxel_size, tilt=tilt, axis=1)
    fine = finer(grid, factor)
    padded = (11 * fine.shape[0], 11 * fine.shape[1], fine.shape[2])

    def across(g):
        offset = voxel_centres(g) @ g.axes
        offset[..., 2] = 0
        return offset, np.maximum(np.linalg.norm(offset, axis=-1), 1e-9)

    offset, r = across(fine)
    steps = (np.arange(9) + 0.5) / 9 - 0.5
    shifts = [(a * fine.voxel_size[0], b * fine.voxel_size[1], 0) for a in steps for b in steps]
    chi = np.mean([np.linalg.norm(offset + shift, axis=-1) < radius for shift in shifts], axis=0)
    b = fine.b0_direction
    facing = (offset @ b / r) ** 2  # sin²θ cos²φ
    outside = (radius / r) ** 2 * (facing - (1 - b[2] ** 2) / 2)
    field = np.where(r < radius, b[2] ** 2 / 2 - 1 / 6, outside)
    error = block_mean(convolve(chi, dipole_kernel(fine, padded, dtype=np.float64), padded) - field, factor)
    away = np.abs(across(grid)[1] - radius) > max(voxel_size[:2])
    assert np.abs(error)[away].max() < 0.01 * np.abs(field).max()


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
@pytest.mark.parametrize("shape", [(12, 14, 16), (11, 13, 15), (12, 13, 14)])
def test_forward_operator_is_self_adjoint(rng, shape, kind):
    kernel = dipole_kernel(Grid(shape, oblique((0.9, 1.2, 2.0))), kind=kind, dtype=np.float64)
    x, y = rng.standard_normal((2, *shape))
    left, right = np.vdot(convolve(x, kernel, shape), y), np.vdot(x, convolve(y, kernel, shape))
    assert left == pytest.approx(right, rel=1e-10)


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
@pytest.mark.parametrize("shape", [(12, 14, 16), (11, 13, 15)])
def test_kernel_is_the_spectrum_of_a_real_even_volume(shape, kind):
    kernel = dipole_kernel(Grid(shape, oblique((0.9, 1.2, 2.0))), kind=kind, dtype=np.float64)
    response = irfftn(kernel.astype(complex), shape)
    mirrored = np.roll(response[::-1, ::-1, ::-1], 1, axis=(0, 1, 2))
    np.testing.assert_allclose(response, mirrored, atol=1e-14)
    np.testing.assert_allclose(rfftn(response), kernel, atol=1e-14)


@pytest.mark.parametrize("shape", [(12, 14, 16), (11, 13, 15)])
def test_kernel_bounds(shape):
    kernel = dipole_kernel(Grid.tilted(shape), dtype=np.float64)
    assert kernel.max() == pytest.approx(1 / 3)
    assert kernel.min() == pytest.approx(-2 / 3)
    assert kernel[0, 0, 0] == 0
    tilted = dipole_kernel(Grid(shape, oblique((1, 1, 1))), dtype=np.float64)
    assert tilted.max() <= 1 / 3 + 1e-12
    assert tilted.min() >= -2 / 3 - 1e-12


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_permuted_and_flipped_axes_give_the_same_field(rng, order, kind):
    """The same sources, stored with other axes first and one axis backwards."""
    grid = Grid((10, 13, 16), oblique((0.9, 1.2, 2.0)))
    chi = rng.standard_normal(grid.shape)
    affine = grid.affine[:, [*order, 3]].copy()
    turned = Grid(tuple(grid.shape[i] for i in order), affine)
    affine[:3, 3] += affine[:3, 0] * (turned.shape[0] - 1)
    affine[:3, 0] *= -1
    turned = Grid(turned.shape, affine)
    field = forward_field(chi, grid, kind=kind)
    there = forward_field(np.ascontiguousarray(chi.transpose(order)[::-1]), turned, kind=kind)
    np.testing.assert_allclose(there[::-1], field.transpose(order), atol=1e-12)


def test_reversed_b0_makes_no_difference():
    affine = oblique((0.9, 1.2, 2.0))
    head_first = dipole_kernel(Grid((9, 10, 11), affine))
    affine[2] *= -1
    np.testing.assert_array_equal(dipole_kernel(Grid((9, 10, 11), affine)), head_first)


def test_field_scales_with_susceptibility_and_keeps_precision(rng):
    grid = Grid.tilted((12, 13, 14), tilt=30)
    chi = rng.standard_normal(grid.shape)
    single = forward_field(chi.astype(np.float32), grid)
    assert single.dtype == np.float32
    np.testing.assert_allclose(forward_field(3 * chi, grid), 3 * forward_field(chi, grid), atol=1e-12)
    np.testing.assert_allclose(single, forward_field(chi, grid), atol=1e-5)


def test_discrete_kernel_meets_the_continuous_one_at_low_frequencies():
    grid = Grid((64, 64, 64), oblique((1, 1, 1)))
    difference = np.abs(dipole_kernel(grid) - dipole_kernel(grid, kind="discrete"))[:4, :4, :4]
    assert 0 < difference.max() < 0.03
