"""The localiser's rods in simulated CT and MR, against the pose that drew them."""

import numpy as np
import pytest

from qsmkit.clinical.target.frame import to_leksell
from qsmkit.clinical.target.localiser import fraction_point, leksell, localise
from qsmkit.clinical.target.rods import lines
from qsmkit.clinical.target.spots import spots
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.leads.curve import bow
from qsmkit.simulate.metal import joined, splat, tube_cloud
from qsmkit.simulate.stereotactic import ROD_HU, ROD_RADIUS, Localiser
from qsmkit.transform import Transform
from qsmkit.volume import Volume

POSE = Transform.rigid((7.0, -5.0, 4.0), (3.0, -8.0, 6.0))
"""From the frame to the scanner."""

TARGETS = np.array([(x, y, z) for x in (-22.0, 22) for y in (-10.0, 20) for z in (-15.0, 10)])
"""Where leads go, frame-aligned RAS mm."""

FRONT = {
    "front upright left": [(-60, 115, -60), (-60, 115, 60)], "front oblique": [(-60, 115, 60), (60, 115, -60)],
    "front upright right": [(60, 115, -60), (60, 115, 60)],
}  # fmt: skip
"""A third plate, such as some localisers have."""


def picture(
    rods, pose=POSE, *, voxel=(1.0, 1.0, 2.0), noise=20.0, sag=None, mr=False, tilt=0.0, extent=(236, 200, 140)
):
    """Return a head of a scalp, a skull and a brain, with rods drawn as the scanner blurs them."""
    grid = Grid.tilted(tuple(int(s / v) for s, v in zip(extent, voxel, strict=True)), voxel, tilt=tilt)
    matrix = np.linalg.inv(pose.matrix) @ grid.affine
    index = np.ogrid[tuple(slice(0, n) for n in grid.shape)]
    own = (sum((np.float32(m) * i for m, i in zip(row, index, strict=False)), np.float32(row[3])) for row in matrix)
    away = np.sqrt(sum((x / half) ** 2 for x, half in zip(own, (74.0, 88.0, 85.0), strict=False)))
    data = np.full(grid.shape, -1000, np.float32)
    data[away < 1], data[away < 0.95], data[away < 0.88] = 60, 1100, 40
    straight = np.zeros(3)
    bows = [bow(*np.asarray(e, float), np.array((sag or {}).get(name, straight))) for name, e in rods.items()]
    curves = [b.at(np.arange(0, b.length, 0.4)) for b in bows]
    splat(joined([tube_cloud(c, ROD_RADIUS, ROD_HU) for c in curves]).moved(pose.matrix), grid, 0.9, data)
    data += np.random.default_rng(1).standard_normal(grid.shape, np.float32) * np.float32(noise)
    return Volume(np.abs(0.3 * (data + 1000)) if mr else data, grid, "a.u." if mr else "HU")


def error(found, pose=POSE):
    return float(np.linalg.norm(found.transform.apply(pose.apply(TARGETS)) - TARGETS, axis=1).max())


@pytest.fixture(scope="module")
def ct():
    return picture(leksell())


def test_the_rods_are_the_simulator_s():
    ends = Localiser(np.eye(4)).ends
    assert np.array(list(leksell().values())) == pytest.approx(ends)
    assert to_leksell(TARGETS) == pytest.approx(Localiser(np.eye(4)).coordinates(TARGETS))


def test_the_fraction_of_a_tilted_slice_gives_the_oblique_rod_s_point():
    oblique = leksell()["left oblique"]
    normal, offset = np.array([0.1, -0.2, 0.97]), 11.0

    def meet(rod):
        a, b = rod
        return a + (offset - a @ normal) / ((b - a) @ normal) * (b - a)

    a, b, c = (meet(leksell()[f"left {n}"]) for n in ("front upright", "oblique", "rear upright"))
    turned = [POSE.apply(p) for p in (a, b, c)]
    assert fraction_point(*turned, oblique) == pytest.approx(b, abs=1e-9)


def test_spots_are_the_rods_and_nothing_of_the_skull(ct):
    found = spots(ct)
    frame = POSE.inverse().apply(found.points)
    assert np.abs(np.abs(frame[:, 0]) - 95).max() < 1.5
    assert len(lines(found)) == 6
    assert sum(line.spots for line in lines(found)) > 0.95 * len(found)


def test_targets_in_a_ct_of_2_mm_slices_are_right_to_a_fraction_of_a_voxel(ct):
    found = localise(ct)
    assert found.verdict == "PASS"
    assert error(found) < 0.1
    assert 0 < found.spread(POSE.apply(TARGETS[0])) < 0.3
    assert [r.status for r in found.rods] == ["kept"] * 6
    assert found.slices > 50
    there = found.transform.inverse().apply(found.transform.apply(TARGETS))
    assert np.abs(there - TARGETS).max() < 1e-9


def test_tilted_slices_noise_and_a_turned_frame(ct):
    pose = Transform.rigid((-14.0, 9.0, -12.0), (-5.0, 4.0, 0.0))
    found = localise(picture(leksell(), pose, noise=60, tilt=12.0, voxel=(1.2, 0.9, 2.5)))
    assert found.verdict == "PASS"
    assert error(found, pose) < 0.2


def test_mr_shows_the_rods_too():
    found = localise(picture(leksell(), noise=40, mr=True, voxel=(1.2, 1.2, 2.0)))
    assert found.verdict == "PASS"
    assert error(found) < 0.2


@pytest.mark.parametrize(
    ("name", "sag"), [("left front upright", (2.0, 2.0, 0.0)), ("right oblique", (1.5, 2.0, -2.0))]
)
def test_a_bent_rod_is_named_and_left_out(name, sag):
    found = localise(picture(leksell(), sag={name: sag}))
    assert found.verdict == "REVIEW"
    assert [r.name for r in found.rods if r.status == "rejected"] == [name]
    (gate,) = (g for g in found.gates if g.name == f"rod {name}")
    assert "bent" in gate.text
    assert gate.value > 0.8
    assert error(found) < 0.2


def test_a_missing_rod_is_named_and_not_needed():
    rods = leksell()
    found = localise(picture({n: e for n, e in rods.items() if n != "left oblique"}))
    assert found.verdict == "REVIEW"
    assert [(r.name, r.status) for r in found.rods if r.status != "kept"] == [("left oblique", "missing")]
    assert error(found) < 0.2


def test_two_oblique_rods_that_disagree_cannot_tell_which_is_wrong():
    rods = leksell() | {"left oblique": leksell()["left oblique"] + (0, 0, 4)}
    found = localise(picture(rods))
    assert found.verdict == "FAIL"
    assert "rods right oblique and left oblique" in [g.name for g in found.gates if g.verdict == "FAIL"]


def test_a_displaced_upright_is_told_from_a_bent_one():
    rods = leksell() | {"left rear upright": leksell()["left rear upright"] + (-3, 0, 0)}
    found = localise(picture(rods))
    assert found.verdict == "REVIEW"
    assert next(g for g in found.gates if g.name == "rod left rear upright").text.startswith("displaced")
    assert error(found) < 0.2


def test_two_bent_rods_are_too_many():
    bent = {"left front upright": (2.5, 2.5, 0.0), "right rear upright": (-2.5, 2.5, 0.0)}
    found = localise(picture(leksell(), sag=bent))
    assert found.verdict == "FAIL"


def test_three_plates_are_more_than_two():
    rods = leksell() | {n: np.array(e, float) for n, e in FRONT.items()}
    found = localise(picture(rods, noise=60, voxel=(1.2, 1.2, 2.5), extent=(236, 270, 140)), rods)
    assert found.verdict == "PASS"
    assert len(found.rods) == 9
    assert error(found) < 0.1


def test_a_wrong_voxel_size_shows_in_the_scale(ct):
    affine = ct.grid.affine.copy()
    affine[:3, :3] *= 1.02
    found = localise(Volume(ct.data, Grid(ct.grid.shape, affine)))
    assert found.verdict != "PASS"
    assert next(g for g in found.gates if g.name == "scale").verdict == "REVIEW"


def test_a_head_without_a_localiser_is_refused():
    with pytest.raises(InputError, match="no localiser is found"):
        localise(picture({"pin": [(99, 0, -60), (99, 0, 60)]}))
    with pytest.raises(InputError, match="no slices"):
        localise(Volume(np.zeros((3, 3, 3, 2)), Grid.tilted((3, 3, 3))))
