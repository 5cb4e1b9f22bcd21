import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.physics.dipole import forward_field
from qsmkit.simulate.lesions.drawing import Matter, ball, draw, heap
from qsmkit.simulate.lesions.material import haemosiderin, of_chi
from qsmkit.simulate.properties import Properties
from qsmkit.simulate.tissue import Label

GRID = Grid.tilted((64, 64, 64), (0.7, 0.7, 0.7), tilt=20)


def water(grid=GRID, chi=0.0):
    values = (chi, 0, 10, 0, 1, 1)
    return Properties(*(np.full(grid.shape, v, np.float32) for v in values))


def sphere(diameter, chi, grid=GRID, position=(0.3, -0.2, 0.1), background=0.0):
    properties, labels = water(grid, background), np.zeros(grid.shape, np.uint8)
    matter = Matter(np.pi / 6 * diameter**3, (of_chi(chi, r2=40, t1=1, density=1),), Label.MICROBLEED)
    return draw(ball(), matter, np.array(position), grid, labels, properties), properties, labels


@pytest.mark.parametrize("diameter", [1.0, 2.0, 5.0, 12.0])
def test_a_ball_has_its_volume_and_susceptibility_whatever_the_samples(diameter):
    drawn, properties, labels = sphere(diameter, 0.8, background=0.1)
    volume = np.pi / 6 * diameter**3
    assert drawn.volume == pytest.approx(volume, rel=0.03)
    assert drawn.chi == pytest.approx(0.8, rel=1e-6)
    assert drawn.chi_total == pytest.approx(0.7 * drawn.volume, rel=1e-5)
    excess = (properties.chi - 0.1).sum(dtype=float) * GRID.voxel_volume
    assert excess == pytest.approx(drawn.chi_total, rel=1e-4)
    assert (labels == Label.MICROBLEED).sum() >= 1


def test_the_field_of_a_ball_is_the_dipole():
    radius, chi = 5.0, 0.8
    _, properties, _ = sphere(2 * radius, chi)
    field = forward_field(properties.chi.astype(np.float64), GRID)
    r = GRID.world(np.stack(np.indices(GRID.shape), -1)) - (0.3, -0.2, 0.1)
    away = np.linalg.norm(r, axis=-1)
    exact = chi / 3 * (radius / away) ** 3 * (3 * (r[..., 2] / away) ** 2 - 1)
    # As a scan sees it: averaged over its voxels, here of twice the samples' size.
    field, exact, away = (v.reshape(32, 2, 32, 2, 32, 2).mean((1, 3, 5)) for v in (field, exact, away))
    outside = (away > radius + 2) & (away < 2.5 * radius)
    assert np.abs(field - exact)[outside].max() < 0.01 * np.abs(exact)[outside].max()


def test_twice_the_susceptibility_is_twice_the_far_field():
    once, twice = (forward_field(sphere(6.0, chi)[1].chi, GRID) for chi in (0.4, 0.8))
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-4, atol=1e-6)


def test_the_rim_surrounds_the_core():
    properties, labels = water(), np.zeros(GRID.shape, np.uint8)
    core, rim = of_chi(0.2, r2=10, t1=1, density=1), haemosiderin(0.7)
    drawn = draw(ball(), Matter(900.0, (core,), Label.CAVERNOMA, rim, 1.5), np.zeros(3), GRID, labels, properties)
    away = np.linalg.norm(GRID.world(np.stack(np.indices(GRID.shape), -1)), axis=-1)
    assert away[labels == Label.CAVERNOMA].max() < away[labels == Label.HAEMOSIDERIN].min() + 1
    radius = (900 * 3 / 4 / np.pi) ** (1 / 3)
    share = 1 - ((radius - 1.5) / radius) ** 3
    assert drawn.chi == pytest.approx(0.2 + 0.5 * share, rel=0.02)


def test_a_heap_has_unit_volume_and_its_centre_in_the_middle(rng):
    form = heap(14, rng)
    properties, labels = water(), np.zeros(GRID.shape, np.uint8)
    matter = Matter(1500.0, (of_chi(1.0, r2=10, t1=1, density=1),), Label.CAVERNOMA)
    drawn = draw(form, matter, np.zeros(3), GRID, labels, properties)
    assert drawn.volume == pytest.approx(1500, rel=0.02)
    point = GRID.world(np.stack(np.indices(GRID.shape), -1))
    centre = (point * properties.chi[..., None]).sum((0, 1, 2)) / properties.chi.sum()
    assert np.abs(centre).max() < 0.3
    assert form.reach(1500.0) < 2 * (1500 * 3 / 4 / np.pi) ** (1 / 3)


def test_what_lies_beyond_the_samples_is_cut_off():
    drawn, *_ = sphere(6.0, 1.0, position=tuple(GRID.world((0, 30, 30))))
    assert 0.3 < drawn.volume / (np.pi * 36) < 0.7
