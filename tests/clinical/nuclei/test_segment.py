"""The whole way on a head made of the built-in atlas, bent by a known displacement."""

import numpy as np
import pytest

from deep_grey_heads import atlas, patient
from qsmkit.clinical.nuclei.atlas import from_labels
from qsmkit.clinical.nuclei.findings import dice
from qsmkit.clinical.nuclei.segment import _drawn, segment
from qsmkit.clinical.nuclei.structures import structures
from qsmkit.errors import GeometryError, InputError, ShapeError
from qsmkit.grid import Grid
from qsmkit.volume import Volume


@pytest.fixture(scope="module")
def found():
    chi, magnitude, labels, sided, to_atlas = patient(2.5)
    return segment(chi, atlas(), magnitude=magnitude), labels, sided, to_atlas


def test_nuclei_are_found_where_they_are(found):
    made, _labels, sided, _ = found
    least = {"snc": 0.35, "stn": 0.6, "snr": 0.6, "accumbens": 0.7}
    for number, (name, side) in enumerate(atlas().classes, 1):
        assert dice(made.mask(name, side), sided == number) > least.get(name, 0.8), (name, side)


def test_centroids_are_right_to_a_fraction_of_a_voxel(found):
    made, _labels, sided, _ = found
    grid = made.labels.grid
    for number, (name, side) in enumerate(atlas().classes, 1):
        true = grid.world(np.argwhere(sided == number).mean(0))
        # voxels of 2.5 mm cut off the caudate's tail, and the pars compacta is a sheet half as thick as one
        far = {"caudate": 2.5, "snc": 1.8}.get(name, 1.3)
        assert np.linalg.norm(true - made.finding(name, side).centroid) < far, (name, side)


def test_labels_table_and_probabilities_tell_the_same(found):
    made = found[0]
    for f in made.table:
        mask = made.mask(f.name, f.side)
        assert mask.sum() * made.labels.grid.voxel_volume == pytest.approx(f.volume.value)
        assert made.probability(f.name, f.side).data[mask].mean() == pytest.approx(f.posterior, abs=1e-5)
        assert f.chi.low < f.chi.value < f.chi.high
        assert f.chi.unit == "ppm"
        assert f.reasons or f.verdict == "PASS"
    assert sum(made.mask(f.name, f.side).sum() for f in made.table) == (made.labels.data > 0).sum()
    total = sum(p.data for p in made.probabilities.values())
    assert total.max() < 1 + 1e-5


def test_susceptibility_is_that_of_the_map(found):
    made = found[0]
    for f in made.table:
        if f.name in ("caudate", "putamen", "thalamus", "dentate", "gpe"):
            assert f.chi.value == pytest.approx(structures()[f.name].chi, abs=0.02)


def test_sides_and_the_commissures_are_the_patient_s_own(found):
    made, _, _, to_atlas = found
    assert made.finding("gpi", "R").acpc[0] > 10
    assert made.finding("gpi", "L").acpc[0] < -10
    ac = to_atlas.inverse().apply((0.0, 2.5, -4.5))
    assert np.linalg.norm(made.commissures.ac - ac) < 3.5
    assert 19 < made.commissures.length < 35


def test_what_cannot_be_segmented_is_refused():
    grid = Grid.tilted((40, 40, 40), (3.0, 3.0, 3.0))
    empty = Volume(np.zeros(grid.shape, np.float32), grid, "ppm")
    with pytest.raises(InputError, match="0 ml"):
        segment(empty, atlas())
    with pytest.raises(ShapeError, match="3-D"):
        segment(Volume(np.ones((*grid.shape, 2), np.float32), grid), atlas())
    full = Volume(np.ones(grid.shape, np.float32), grid, "ppm")
    other = Grid.tilted((40, 40, 40), (2.0, 2.0, 2.0))
    with pytest.raises(GeometryError, match="magnitude"):
        segment(full, atlas(), magnitude=Volume(np.ones(grid.shape, np.float32), other))


def test_sides_and_places_are_the_same_whichever_way_voxels_run(found):
    """Flipped to LAS, and axes permuted, with the affine that belongs to them."""

    def turned(volume):
        flip = np.eye(4)
        flip[0, 0], flip[0, 3] = -1, volume.data.shape[0] - 1
        data = np.ascontiguousarray(volume.data[::-1].transpose(2, 0, 1))
        return Volume(data, Grid(data.shape, volume.grid.affine @ flip @ np.eye(4)[:, [2, 0, 1, 3]]), volume.unit)

    chi, magnitude, *_ = patient(2.5)
    other = segment(turned(chi), atlas(), magnitude=turned(magnitude))
    for one, two in zip(found[0].table, other.table, strict=True):
        assert (one.name, one.side) == (two.name, two.side)
        np.testing.assert_allclose(one.centroid, two.centroid, atol=0.5)
        assert one.chi.value == pytest.approx(two.chi.value, abs=0.005)


def test_nuclei_that_an_atlas_holds_on_one_side_only_are_told():
    grid = Grid((20, 20, 20), np.array([[1.0, 0, 0, -35], [0, 1, 0, -10], [0, 0, 1, -10], [0, 0, 0, 1]]))
    data = np.zeros(grid.shape, np.int16)
    data[5:15, 5:15, 5:15] = 1
    half = from_labels("half", Volume(data, grid), {1: "L Putamen"}, atlas().template)
    assert ("putamen", "R") in half.drawn
    assert ("putamen", "L") not in half.drawn
    (note,) = _drawn(half)
    assert "half does not hold" in note
    assert "putamen R" in note
    assert _drawn(atlas()) == ()
