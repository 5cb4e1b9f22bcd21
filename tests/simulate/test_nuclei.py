import numpy as np
import pytest

from qsmkit.simulate.nuclei import AC, NUCLEI, PC, Nucleus, nuclei, paint, paint_capsule
from qsmkit.simulate.space import Space
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.warp import BODY_LATTICE, draw_warp

STEP = 0.7
SPACE = Space(tuple(low + STEP * np.arange(round((high - low) / STEP), dtype=np.float64)
                    for low, high in ((-42, 42), (-62, 50), (-50, 34))))

VOLUMES = {  # mm³ on one side, lowest and highest of adults: recalled from histology and 3 to 7 T imaging
    "Putamen": (3500, 6600), "Caudate": (2800, 5300), "NAcc": (250, 800), "GPe": (700, 1400), "GPi": (320, 650),
    "Thalamus": (4300, 8500), "STN": (90, 250), "SNc": (80, 300), "SNr": (180, 500), "RN": (180, 450),
    "ZI": (30, 200), "Dentate": (350, 1100),
}
SEEDS = [pytest.param(seed, marks=() if seed < 2 else pytest.mark.slow) for seed in range(20)]


def touching(labels, a, b):
    """Return how many pairs of samples of two labels share a face."""
    pairs = 0
    for axis in range(3):
        rows = np.moveaxis(labels, axis, 0)
        one, other = rows[:-1], rows[1:]
        pairs += np.sum((one == a) & (other == b)) + np.sum((one == b) & (other == a))
    return pairs


def frame(warp):
    """Return origin and axes (right, anterior, superior) of the commissures of a head."""
    ac, pc, above = warp.head((AC, PC, (0, -11.5, 45)))
    y = (ac - pc) / np.linalg.norm(ac - pc)
    z = above - pc - (above - pc) @ y * y
    z /= np.linalg.norm(z)
    return (ac + pc) / 2, np.array([np.cross(y, z), y, z]), np.linalg.norm(ac - pc)


@pytest.mark.parametrize("seed", SEEDS)
def test_nuclei_have_published_volumes_places_and_borders(seed):
    warp = draw_warp(np.random.default_rng(seed))
    labels = np.full(SPACE.shape, Label.WHITE_MATTER, np.uint8)
    drawn = list(nuclei(SPACE, warp))
    for nucleus in drawn:
        paint(labels, nucleus)
    middle, axes, length = frame(warp)
    assert 22 < length < 32
    for nucleus in drawn:
        name, side = nucleus.name.split("_")
        inside = nucleus.distance < 0
        low, high = VOLUMES[name]
        assert low < inside.sum() * STEP**3 < high, nucleus.name
        assert np.mean(labels[nucleus.box][inside] == nucleus.label) >= 0.95, "eaten by another nucleus"
        if name == "STN":
            index = np.argwhere(inside) + [s.start for s in nucleus.box]
            points = np.stack([axis[i] for axis, i in zip(SPACE.axes, index.T, strict=True)], 1) - middle
            x, y, z = axes @ points.mean(0)
            assert 8 < x * (1 if side == "R" else -1) < 13
            assert -4 < y < 3
            assert -7.5 < z < -2
            extent, directions = np.linalg.eigh(np.cov(points.T))
            long, _, short = 2 * np.sqrt(5 * extent[::-1])
            assert 9.5 < long < 15
            assert 2.5 < short < 5, "a lens"
            lateral, forward, up = np.abs(axes @ directions[:, 2])
            assert 20 < np.rad2deg(np.arctan2(lateral, forward)) < 60
            assert np.rad2deg(np.arcsin(up)) < 35
    for a, b in ((Label.GPE, Label.GPI), (Label.PUTAMEN, Label.GPE), (Label.STN, Label.THALAMUS)):
        assert touching(labels, a, b) == 0


def test_the_capsule_is_white_matter_between_thalamus_and_pallidum():
    labels = np.full(SPACE.shape, Label.WHITE_MATTER, np.uint8)
    warp = draw_warp(np.random.default_rng(1))
    drawn = list(nuclei(SPACE, warp))
    for nucleus in drawn:
        paint(labels, nucleus)
    before = labels.copy()
    paint_capsule(labels, SPACE, warp, drawn)
    capsule = labels == Label.INTERNAL_CAPSULE
    assert 2000 < capsule.sum() * STEP**3 < 20000
    np.testing.assert_array_equal(labels[~capsule], before[~capsule])
    assert (before[capsule] == Label.WHITE_MATTER).all()
    assert touching(labels, Label.INTERNAL_CAPSULE, Label.GPI) > 50
    assert touching(labels, Label.INTERNAL_CAPSULE, Label.THALAMUS) > 50


def test_a_nucleus_has_a_centroid_even_between_the_samples():
    box = (slice(10, 14), slice(20, 24), slice(30, 34))
    distance = np.full((4, 4, 4), 2.0, np.float32)
    distance[1, 2, 3] = 0.3
    np.testing.assert_array_equal(Nucleus("STN_R", Label.STN, box, distance).centroid(), (11, 22, 33))
    distance[1:3, 2, 3] = -0.1
    np.testing.assert_array_equal(Nucleus("STN_R", Label.STN, box, distance).centroid(), (11.5, 22, 33))


def test_solids_of_the_two_sides_are_mirror_images():
    rng = np.random.default_rng(3)
    for _, solid in NUCLEI.values():
        low, high = solid.bounds()
        points = rng.uniform(low, high, (500, 3)).T.astype(np.float32)
        mirrored = points * np.array([[-1], [1], [1]], np.float32)
        np.testing.assert_allclose(solid.mirrored().distance(mirrored), solid.distance(points), atol=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_warp_never_folds_and_has_an_inverse(seed):
    warp = draw_warp(np.random.default_rng(seed))
    determinant = warp.jacobian() * np.prod(warp.size)
    assert determinant.min() > 0.2
    assert determinant.max() < 4
    if seed == 0:
        here = Space(tuple(axis[10:100:9] + 0.7 for axis in BODY_LATTICE.axes))
        template = warp.template(here)
        back = warp.head(template.reshape(3, -1).T)
        np.testing.assert_allclose(back, here.position.reshape(3, -1).T, atol=1e-4)
