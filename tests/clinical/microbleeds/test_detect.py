"""A map with a bleed, a calcification, a vein, a nucleus and a bright rim: each is what it is."""

import numpy as np
import pytest
from scipy import ndimage

from qsmkit.clinical.microbleeds.burden import Burden
from qsmkit.clinical.microbleeds.detect import Rules, detect
from qsmkit.clinical.microbleeds.findings import findings, reviewed
from qsmkit.clinical.microbleeds.region import Atlas, locate
from qsmkit.errors import InputError, MaskError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.physics.dipole import forward_field

BLEEDS = (((-12.0, 3.0, 5.0), 2.0, 0.8), ((9.0, -13.0, -4.0), 1.2, 0.9))
CALCIFICATION = ((10.0, 10.0, 8.0), 1.8, -1.2)


def scene(voxel=(1.0, 1.0, 1.0), tilt=0.0):
    grid = Grid.tilted(tuple(int(60 / h) for h in voxel), voxel, tilt=tilt)
    points = grid.world(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1))
    inside = np.linalg.norm(points, axis=-1) < 26
    chi = np.zeros(grid.shape)
    for centre, radius, value in (*BLEEDS, CALCIFICATION):
        chi += value * np.clip(radius + 0.5 - np.linalg.norm(points - centre, axis=-1), 0, 1)
    x, y, z = np.moveaxis(points, -1, 0)
    vein = np.hypot(x - 2 - 0.1 * z, y - 0.05 * z) < 0.9
    nucleus = np.linalg.norm((points - (-6, -12, -8)) / (5, 4, 4), axis=-1) < 1
    rim = (np.linalg.norm(points - (0, 25.4, 4), axis=-1) < 1.5) & inside
    chi += 0.25 * vein + 0.13 * nucleus + 0.3 * rim
    chi = ndimage.gaussian_filter(chi, [0.4 / h for h in voxel])
    chi += np.random.default_rng(2).normal(0, 0.008, grid.shape)
    return chi.astype(np.float32), inside, grid


def nearest(spots, centre):
    return min(float(np.linalg.norm(s.centre - centre)) for s in spots)


@pytest.mark.parametrize(("voxel", "tilt"), [((1.0, 1.0, 1.0), 0.0), ((0.8, 0.8, 1.6), 15.0)])
def test_spots_are_found_and_the_mimics_are_not(voxel, tilt):
    chi, inside, grid = scene(voxel, tilt)
    found = detect(chi, inside, grid)
    assert len(found.spots) == 3
    for centre, _, value in (*BLEEDS, CALCIFICATION):
        spot = min(found.spots, key=lambda s: np.linalg.norm(s.centre - np.array(centre)))
        assert np.linalg.norm(spot.centre - centre) < 0.7
        assert np.sign(spot.contrast) == np.sign(value)
    assert found.reasons["vein"] >= 1
    assert "rim of the mask" in found.reasons
    assert "3 candidates" in found.sentence()
    assert "vein" in found.sentence()


def test_sign_region_and_total_of_each_candidate():
    chi, inside, grid = scene()
    found = findings(detect(chi, inside, grid), chi, inside, grid, field_strength=3.0)
    kinds = {tuple(np.round(f.position)): f.kind for f in found}
    assert sorted(kinds.values()) == ["calcification", "microbleed", "microbleed"]
    assert kinds[10.0, 10.0, 8.0] == "calcification"
    by_total = next(f for f in found if f.kind == "microbleed")
    points = grid.world(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1))
    truth = (0.8 * np.clip(2.5 - np.linalg.norm(points - BLEEDS[0][0], axis=-1), 0, 1)).sum()
    assert by_total.total.value == pytest.approx(truth, rel=0.05)
    assert by_total.total.low < truth < by_total.total.high
    assert by_total.moment is not None
    assert by_total.moment.value == pytest.approx(2.387e-9 * by_total.total.value, rel=1e-3)


def test_the_field_tells_the_total_a_second_time():
    chi, inside, grid = scene()
    field = forward_field(chi, grid)
    found = findings(detect(chi, inside, grid), chi, inside, grid, field=field, field_strength=3.0, echo_time=0.02)
    assert all(f.by_field and "dipole" in f.by_field.method for f in found)
    for f in found:
        assert f.by_field.value == pytest.approx(f.total.value, rel=0.1)


def test_an_empty_map_says_what_was_rejected():
    chi, inside, grid = scene()
    found = detect(chi, inside, grid, rules=Rules(contrast=5.0))
    assert found.spots == []
    assert found.sentence().startswith("none found")
    burden = Burden([], found.sentence())
    assert burden.pattern == "none"
    assert burden.categories == ("0", "0")
    assert burden.total.value == 0
    assert np.isnan(burden.total.low)


def test_a_nucleus_is_told_by_its_label():
    chi, inside, grid = scene()
    nuclei = np.zeros(grid.shape, bool)
    spot = detect(chi, inside, grid).spots[-1]
    nuclei[spot.box] = True
    assert len(detect(np.where(nuclei, 0.2 * chi, chi), inside, grid, nuclei=nuclei).spots) < 3


def test_regions_by_label_and_by_rule():
    shape = (140, 180, 130)
    affine = np.eye(4)
    affine[:3, 3] = (-70, -90, -55)
    grid = Grid(shape, affine)
    points = grid.world(np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)).astype(np.float32)
    brain = np.linalg.norm((points - (0, 0, 15)) / (66, 86, 58), axis=-1) < 1
    places = [(0, 5, 5), (40, 20, 40), (25, -55, -32), (4, -22, -25)]
    regions = [r for r, _ in locate(places, brain, grid)]
    assert regions == ["deep", "lobar", "infratentorial", "infratentorial"]
    labels = np.zeros(shape, np.int32)
    labels[brain & (points[..., 0] > 30)] = 5
    atlas = Atlas(labels, {5: "Left-Thalamus-Proper", 6: "white_matter"})
    (region, how), (other, rule) = locate([(40, 20, 40), (-40, 20, 40)], brain, grid, atlas=atlas)
    assert (region, how) == ("deep", "label Left-Thalamus-Proper")
    assert other == "lobar"
    assert "rough" in rule


def test_a_reader_decides_and_the_count_follows():
    chi, inside, grid = scene()
    found = findings(detect(chi, inside, grid), chi, inside, grid, field_strength=3.0)
    burden = Burden(found)
    assert len(burden.counted) == 2
    assert "not reviewed" in burden.status
    assert burden.categories == ("2–4", "1–4")
    rows = [{k: "" if v is None else str(v) for k, v in f.as_row().items()} for f in found]
    bleeds = [r for r in rows if r["kind"] == "microbleed"]
    bleeds[0]["accept"], bleeds[1]["accept"] = "yes", "No"
    after = Burden(reviewed(rows, "table.tsv"), is_reviewed=True)
    assert len(after.counted) == 1
    assert after.total.value == pytest.approx(float(bleeds[0]["chi_total_ppm_mm3"]))
    assert "1 accepted, 1 rejected, 1 left open" in after.status
    assert after.table()[-1]["count"] == 1
    bleeds[0]["accept"] = "maybe"
    with pytest.raises(InputError, match=r"line 3.*accept.*maybe"):
        reviewed(rows, "table.tsv")
    bleeds[0] |= {"accept": "yes", "x": "left"}
    with pytest.raises(InputError, match="not a number"):
        reviewed(rows, "table.tsv")


def test_bad_input_is_told():
    chi, inside, grid = scene()
    with pytest.raises(ShapeError, match="inside"):
        detect(chi, inside[1:], grid)
    with pytest.raises(MaskError, match="no voxel"):
        detect(chi, np.zeros_like(inside), grid)
    with pytest.raises(ParameterError, match="contrast"):
        Rules(contrast=-1)
    with pytest.raises(ParameterError, match="continuity"):
        Rules(continuity=2)
    with pytest.raises(MaskError):
        locate([(0, 0, 0)], np.zeros(grid.shape, bool), grid)
