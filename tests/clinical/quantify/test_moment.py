"""Spheres of known moment: the field around them tells it, whatever the voxel, the echo time and the tilt."""

import numpy as np
import pytest
from scipy import ndimage

from qsmkit.clinical.quantify.moment import as_moment, chi_total, fit_dipole
from qsmkit.clinical.quantify.spio import iron_mass
from qsmkit.clinical.rois import Noise
from qsmkit.errors import InputError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.measure import Measure
from qsmkit.physics.magnetism import saturated_iron_ug
from qsmkit.simulate.resample import crop_kspace
from qsmkit.units import radians_per_ppm

RADIUS, CHI = 2.0, 0.6
TOTAL = CHI * 4 / 3 * np.pi * RADIUS**3
CENTRE = np.array([0.3, -0.2, 0.1])


def field_of(points, centre=CENTRE, radius=RADIUS, chi=CHI):
    away = points - centre
    square = np.maximum((away**2).sum(-1), radius**2)
    outside = (away**2).sum(-1) > radius**2
    return outside * chi * radius**3 / 3 * (3 * away[..., 2] ** 2 / square - 1) / square**1.5


def points_of(grid, parts=1):
    axes = [np.arange(n * parts) / parts for n in grid.shape]
    return grid.world(np.stack(np.meshgrid(*axes, indexing="ij"), -1))


def curved(points):
    x, y, z = np.moveaxis(points, -1, 0)
    return 0.05 + 0.004 * x - 0.003 * z + 2e-4 * (x * y + z * z - x * x)


@pytest.mark.parametrize(("voxel", "tilt"), [((1.0, 1.0, 1.0), 0.0), ((0.7, 0.7, 1.4), 20.0), ((1.4, 1.0, 1.0), -35.0)])
def test_the_moment_is_found_on_any_voxel_beside_any_curved_background(voxel, tilt):
    grid = Grid.tilted(tuple(int(24 / h) for h in voxel), voxel, tilt=tilt)
    points = points_of(grid)
    field = (field_of(points) + curved(points)).astype(np.float32)
    found = fit_dipole(field, grid, CENTRE + 0.4, radius=RADIUS)
    assert found.total.value == pytest.approx(TOTAL, rel=0.01)
    assert found.total.unit == "ppm·mm³"
    np.testing.assert_allclose(found.centre, CENTRE, atol=0.05)
    reversed_sign = fit_dipole(-field, grid, CENTRE, radius=RADIUS)
    assert reversed_sign.total.value == pytest.approx(-TOTAL, rel=0.01)


def test_intervals_hold_the_truth_as_often_as_they_say():
    grid = Grid.tilted((20, 20, 20))
    points, rng, runs = points_of(grid), np.random.default_rng(3), 120
    clean, sigma = field_of(points) + curved(points), np.full(grid.shape, 0.004, np.float32)
    found = [
        fit_dipole(clean + 0.004 * rng.standard_normal(grid.shape), grid, CENTRE, radius=RADIUS, sigma=sigma).total
        for _ in range(runs)
    ]
    covered = np.mean([f.low <= TOTAL <= f.high for f in found])
    spread = np.std([f.value for f in found])
    assert 0.90 <= covered <= 0.995
    assert np.mean([(f.high - f.low) / 4 for f in found]) == pytest.approx(spread, rel=0.3)


def test_neither_echo_time_nor_shadow_changes_the_moment():
    grid = Grid.tilted((24, 24, 24), tilt=10.0)
    points = points_of(grid, 4)
    field = field_of(points) + curved(points)
    inside = ((points - CENTRE) ** 2).sum(-1) < RADIUS**2
    soft = np.clip(12 - np.abs(points).max(-1), 0, 3) / 3  # no edge that rings
    dark, totals = [], []
    for echo_time in (0.010, 0.040):
        turn = radians_per_ppm(3.0, echo_time)
        signal = soft * np.exp(-echo_time * np.where(inside, 100, 20) + 1j * turn * field)
        signal = crop_kspace(signal.astype(np.complex64), grid.shape)
        magnitude, clean = np.abs(signal), (field_of(points_of(grid)) + curved(points_of(grid))) * turn
        phase = clean + np.angle(signal * np.exp(-1j * clean))  # unwrapped towards the truth
        seen = np.abs(points_of(grid)).max(-1) < 9
        found = fit_dipole(
            phase / turn, grid, CENTRE, radius=RADIUS, valid=seen, sigma=1 / np.maximum(magnitude, 1e-3),
            field_strength=3.0, echo_time=echo_time,
        )  # fmt: skip
        totals.append(found.total)
        dark.append((magnitude[seen] < 0.7 * np.median(magnitude[seen])).sum())
    assert dark[1] > 2 * dark[0]
    for total in totals:
        assert total.value == pytest.approx(TOTAL, rel=0.05)
        mass = iron_mass(total, 3.0)
        assert mass.value == pytest.approx(saturated_iron_ug(TOTAL, 3.0), rel=0.10)


def test_what_lies_beside_the_source_is_left_out():
    grid = Grid.tilted((26, 26, 26))
    points = points_of(grid)
    neighbour = CENTRE + np.array([6.0, 0, 0])
    field = field_of(points) + field_of(points, neighbour, 1.0, 1.0)
    far = np.linalg.norm(points - neighbour, axis=-1) > 4
    alone = fit_dipole(field, grid, CENTRE, radius=RADIUS, valid=far)
    assert alone.total.value == pytest.approx(TOTAL, rel=0.05)


def test_the_map_gives_the_same_total_whatever_its_blur():
    grid = Grid.tilted((24, 24, 24))
    away = np.linalg.norm(points_of(grid) - CENTRE, axis=-1)
    source = away < RADIUS
    chi = (0.03 + CHI * source).astype(np.float32)
    total = CHI * source.sum()
    for blur in (0, 0.6):
        found = chi_total(ndimage.gaussian_filter(chi, blur), source, grid, noise=Noise(np.full(grid.shape, 0.01)))
        assert found.value == pytest.approx(total, rel=0.02)
        assert found.low < total < found.high
    beside = (away > 4) & (away < 6) & (points_of(grid)[..., 0] > 0)
    polluted = chi + beside.astype(np.float32)
    assert chi_total(polluted, source, grid, others=beside).value == pytest.approx(total, rel=0.03)


def test_a_moment_has_a_unit_and_scales_with_the_field():
    total = Measure(2.0, 1.0, 3.0, "ppm·mm³", 9, "fit")
    assert as_moment(total, 3.0).value == pytest.approx(2 * 2.387e-9, rel=1e-3)
    assert as_moment(total, 7.0).high == pytest.approx(7 / 3 * as_moment(total, 3.0).high)
    with pytest.raises(InputError, match=r"ppm·mm³"):
        as_moment(Measure(2.0, 1.0, 3.0, "ppm", 9, "mean"), 3.0)


def test_bad_input_is_told():
    grid = Grid.tilted((12, 12, 12))
    field = np.zeros(grid.shape)
    with pytest.raises(ShapeError, match="sigma"):
        fit_dipole(field, grid, (0, 0, 0), radius=1.0, sigma=np.ones(3))
    with pytest.raises(ParameterError, match="radius"):
        fit_dipole(field, grid, (0, 0, 0), radius=0.0)
    with pytest.raises(InputError, match="voxels with a field"):
        fit_dipole(field, grid, (40, 0, 0), radius=1.0)
    with pytest.raises(InputError, match="no voxel"):
        chi_total(field, np.zeros(grid.shape, bool), grid)
    with pytest.raises(InputError, match="background"):
        chi_total(field, np.ones(grid.shape, bool), grid)
    with pytest.raises(ShapeError, match="source"):
        chi_total(field, np.zeros((3, 3, 3), bool), grid)
