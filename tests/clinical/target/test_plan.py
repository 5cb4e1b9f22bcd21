import numpy as np
import pytest
from tests.clinical.target.heads import COMMISSURES, PALLIDUM, TURN, head

from qsmkit.clinical.target.corridor import Window, bearing, directions
from qsmkit.clinical.target.frame import Angles, direction, from_leksell
from qsmkit.clinical.target.obstacles import MARGINS
from qsmkit.clinical.target.plan import plan
from qsmkit.clinical.target.rules import RULES, Rule, aim, parse_rules
from qsmkit.clinical.target.structure import signed_distance, structure
from qsmkit.clinical.target.track import Track, passage
from qsmkit.errors import GeometryError, InputError
from qsmkit.grid import Grid
from qsmkit.transform import Transform
from qsmkit.volume import Volume


@pytest.fixture(scope="module")
def labels_brain_own():
    return head()


@pytest.fixture(scope="module")
def vein(labels_brain_own):
    """A vein from front to back, 34 mm above the right pallidum and in the way of the shortest track."""
    _, _, own = labels_brain_own
    return np.linalg.norm(own[..., ::2] - (22, 28), axis=-1) < 2


def slab(inside, thickness=1.0):
    return Volume(inside, Grid.tilted(inside.shape, (thickness, 1.0, 1.0)))


def test_distance_from_a_surface_is_that_of_the_voxels_faces():
    inside = np.zeros((20, 9, 9), bool)
    inside[8:12] = True
    distance = signed_distance(inside, Grid.tilted(inside.shape))[:, 4, 4]
    np.testing.assert_allclose(distance[[5, 7, 8, 9]], [2.5, 0.5, -0.5, -1.5], atol=1e-6)
    assert np.isinf(signed_distance(np.zeros((3, 3, 3), bool), Grid.tilted((3, 3, 3)))).all()


def test_a_track_through_a_plate_has_its_thickness_and_an_honest_interval():
    inside = np.zeros((40, 40, 40), bool)
    inside[:, :, 15:21] = True
    grid = Grid.tilted(inside.shape)
    plate = structure("plate", inside, grid)
    target = grid.world((20.0, 20.0, 17.0))
    found = passage(Track(target, target + np.array([0, 30, 40])), plate, placement=0.4)
    assert found.span.span.value == pytest.approx(6 / 0.8, abs=0.02)  # 6 mm thick, met at cos⁻¹ 0.8
    assert found.span.entry.value == pytest.approx(3.5 / 0.8, abs=0.02)
    assert found.span.exit.value == pytest.approx(-2.5 / 0.8, abs=0.02)
    # along the track an error of σ perpendicular to the plate moves a face by σ/0.8; the face itself by ± ½ voxel
    sd = np.hypot(0.4 / 0.8, 0.96 / np.sqrt(12) / 0.8)
    width = found.span.entry.high - found.span.entry.low
    assert width == pytest.approx(2 * 1.96 * sd, rel=0.15)
    assert found.chance == 1
    assert found == passage(Track(target, target + np.array([0, 30, 40])), plate, placement=0.4)


def test_probabilities_move_the_surface():
    inside = np.zeros((30, 30, 30), bool)
    inside[10:20, 10:20, 10:20] = True
    grid = Grid.tilted(inside.shape)
    ramp = np.clip((np.arange(30) - 9.5) / 10, 0, 1) * np.ones((30, 30, 30))
    track = Track(grid.world((15, 15, 15.0)), grid.world((15, 15, 60.0)))
    sharp = passage(track, structure("x", inside, grid), placement=0)
    wide = passage(track, structure("x", inside, grid, Volume(ramp.astype(np.float32), grid)), placement=0)
    assert wide.span.exit.value == pytest.approx(-0.5, abs=0.1)  # where the ramp is at one half
    assert wide.span.exit.high - wide.span.exit.low > 3 * (sharp.span.exit.high - sharp.span.exit.low)
    with pytest.raises(InputError, match="chances of 0"):
        structure("x", inside, grid, Volume(5 * ramp, grid))


def test_a_track_that_misses_says_by_how_much():
    inside = np.zeros((30, 30, 30), bool)
    inside[10:20, 10:20, 10:20] = True
    grid = Grid.tilted(inside.shape)
    beside = grid.world((23.5, 15, 15.0))
    found = passage(Track(beside, beside + np.array([0, 0, 40])), structure("box", inside, grid), placement=0.2)
    assert found.span is None
    assert found.nearest == pytest.approx(4, abs=0.05)  # the face is at voxel 19.5
    assert found.chance == 0


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_rule_aims_at_its_part_of_the_nucleus(side):
    rng = np.random.default_rng(1)
    points = rng.uniform((10, -5, -5), (20, 5, 5), (20_000, 3)) * (1 if side == "right" else -1, 1, 1)
    found = aim(points, side, Rule((0.5, 1.0), (0.0, 0.5), (0.0, 1.0), "a quarter"))
    assert found == pytest.approx([17.4 if side == "right" else -17.4, -2.4, 0], abs=0.15)


def test_rules_are_read_from_plain_values_or_refused():
    given = {"STN": {"lateral": [0, 1], "anterior": [0, 1], "superior": [0.5, 1], "source": "me"}}
    assert parse_rules(given)["STN"] == Rule((0, 1), (0, 1), (0.5, 1), "me")
    for wrong, words in (({"lateral": [0, 2]}, "within 0"), ({"lateral": 3}, "two numbers"), ({"more": 1}, "exactly")):
        with pytest.raises(InputError, match=words):
            parse_rules({"STN": given["STN"] | wrong})


@pytest.mark.parametrize("side", ["right", "left"])
def test_angles_and_directions_are_inverse(side):
    for angles in ((0.0, 90.0), (22.0, 62.0), (-3.0, 50.0)):
        assert bearing(directions(*angles, side), side) == pytest.approx(angles, abs=1e-9)
    assert directions(20.0, 60.0, "right")[0] == -directions(20.0, 60.0, "left")[0] > 0
    assert directions(20.0, 60.0, "left")[1] > 0


def test_the_pallidum_is_found_on_the_right_side_and_passed_as_planned(labels_brain_own):
    labels, brain, _ = labels_brain_own
    for side, sign in (("right", 1), ("left", -1)):
        found = plan(labels, COMMISSURES, "GPi", side, brain=brain)
        assert np.linalg.norm(found.target.acpc - np.array(PALLIDUM["GPi"][0]) * (sign, 1, 1)) < 2.5
        assert sign * found.target.acpc[0] > 18.3  # lateral of its middle, as the rule says
        assert np.all((found.target.sd > 0.01) & (found.target.sd < 0.5))
        assert TURN.apply(found.target.acpc) == pytest.approx(found.target.point, abs=1e-9)
        assert found.unchecked == ("veins", "ventricles", "sulci")
        assert found.corridor.safe.sum() > 100
        spans = {s.name: s for s in found.spans}
        for name, (middle, radius) in PALLIDUM.items():
            centre = TURN.apply(np.array(middle) * (sign, 1, 1))
            off = np.linalg.norm(np.cross(centre - found.track.target, found.track.up))
            if off < 0.7 * radius:
                assert spans[name].span.span.value == pytest.approx(2 * np.sqrt(radius**2 - off**2), abs=0.6)
        if found.lamina:
            assert found.lamina == (spans["GPe"].span.exit.value, spans["GPi"].span.entry.value)


def test_the_corridor_keeps_its_margins(labels_brain_own, vein):
    labels, brain, own = labels_brain_own
    ventricle = Volume(np.abs(own - (8, 10, 18)).max(-1) < 6, labels.grid)
    avoid = {"veins": Volume(vein, labels.grid), "ventricles": ventricle}
    found = plan(labels, COMMISSURES, "GPi", "right", brain=brain, avoid=avoid)
    best = found.corridor.entries
    assert len(best) == 5
    assert np.all(np.diff([e.risk for e in best]) > -0.01)
    for e in best:
        points = Track(found.target.point, np.array(e.point)).at(np.arange(0, e.length, 0.25))
        x, _, z = np.moveaxis(TURN.inverse().apply(points), -1, 0)
        assert np.hypot(x - 22, z - 28).min() - 2 >= MARGINS["veins"].least - 0.5  # of the drawn tube, ± half a voxel
        assert e.risk <= 1
    assert all(c.kept for c in found.clearances)
    assert found.unchecked == ("sulci",)
    why = found.corridor.rejected
    assert why["closer than 2 mm to veins"] > 50
    assert str(why["closer than 2 mm to veins"]) in found.corridor.summary
    # a given entry through the vein is told, not moved
    middle = TURN.apply((22.0, 16, 28))
    through = found.target.point + 1.6 * (middle - found.target.point)
    bad = plan(labels, COMMISSURES, "GPi", "right", avoid=avoid, entry=through)
    assert [c.name for c in bad.clearances if not c.kept] == ["veins"]
    assert bad.clearances[0].nearest < 0


def test_a_wall_of_veins_leaves_no_entry_and_says_why(labels_brain_own):
    labels, brain, own = labels_brain_own
    wall = Volume(np.abs(np.linalg.norm(own - PALLIDUM["GPi"][0], axis=-1) - 22) < 1, labels.grid)
    found = plan(labels, COMMISSURES, "GPi", "right", brain=brain, avoid={"veins": wall})
    assert found.entry is None
    assert found.spans == ()
    assert found.angles is None
    tried = found.corridor.safe.size
    assert found.corridor.rejected["closer than 2 mm to veins"] == tried
    assert f"none found; {tried} rejected because ({tried} closer than 2 mm to veins" in found.corridor.summary


def test_a_span_that_is_too_short_speaks_against_an_entry(labels_brain_own):
    labels, brain, _ = labels_brain_own
    few = plan(labels, COMMISSURES, "GPi", "right", brain=brain, least_span=9.0)
    assert few.entry is None
    assert few.corridor.rejected["span in GPi below 9 mm"] == few.corridor.safe.size


def test_a_head_that_is_cut_off_has_no_surface_there(labels_brain_own):
    labels, brain, _ = labels_brain_own
    low = brain.grid.cropped((0, 0, 0), (*brain.grid.shape[:2], 85))
    cut = [Volume(v.data[:, :, :85], low) for v in (labels, brain)]
    found = plan(cut[0], COMMISSURES, "GPi", "right", brain=cut[1])
    assert found.corridor.rejected["leave the brain nowhere in the image"] > 0
    assert np.isnan(found.corridor.surface).any()


def test_the_frame_setting_leads_back_to_the_track(labels_brain_own):
    labels, _, _ = labels_brain_own
    to_frame = Transform.rigid((3, -2, 4), (1, 15, -20)).after(COMMISSURES.transform())
    entry = TURN.apply((25.0, 30, 40))
    found = plan(labels, COMMISSURES, "GPi", "right", entry=entry, frame=to_frame, mounting="lateral-left")
    way = direction(Angles(found.frame.ring, found.frame.arc), "lateral-left")
    target = from_leksell(found.frame.target)
    back = to_frame.inverse().apply(target + found.track.length * way)
    assert back == pytest.approx(entry, abs=1e-9)
    spaces = {(r["point"], r["space"]): (r["x"], r["y"], r["z"]) for r in found.points()}
    assert spaces["target", "Leksell"] == found.frame.target
    assert spaces["entry", "AC–PC about MCP"] == pytest.approx((25, 30, 40), abs=1e-9)


def test_customary_and_hand_made_targets(labels_brain_own):
    labels, _, _ = labels_brain_own
    entry = TURN.apply((25.0, 30, 40))
    customary = plan(labels, COMMISSURES, "GPi", "left", entry=entry, indirect=True)
    assert customary.target.acpc == pytest.approx([-20, 2.5, -4])
    assert customary.target.from_customary == pytest.approx(0)
    hand = plan(labels, COMMISSURES, "GPi", "left", entry=entry, target=TURN.apply((-19.0, 3, -4)))
    assert hand.target.acpc == pytest.approx([-19, 3, -4])
    assert hand.target.how == "set by hand"
    assert np.isnan(hand.target.sd).all()


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"side": "up"}, InputError, "neither left nor right"),
        ({"name": "LGN"}, InputError, "no structure"),
        ({"name": "STN", "entry": np.array([30.0, 40, 50])}, InputError, "no voxel"),
        ({"entry": None}, InputError, "brain mask"),
        ({"frame": Transform.identity()}, InputError, "mounting"),
        ({"entry": np.array([np.nan, 0, 0])}, InputError, "three coordinates"),
        ({"avoid": {"veins": slab(np.zeros((3, 3, 3), bool))}}, GeometryError, "veins does not lie"),
        ({"rules": {}}, InputError, "no rule"),
    ],
)
def test_what_cannot_be_planned_is_refused(labels_brain_own, changes, error, words):
    labels, _, _ = labels_brain_own
    good = {"name": "GPi", "side": "right", "entry": TURN.apply((25.0, 30, 40))}
    with pytest.raises(error, match=words):
        plan(labels, COMMISSURES, **(good | changes))


def test_a_target_outside_the_brain_is_refused(labels_brain_own):
    labels, brain, _ = labels_brain_own
    with pytest.raises(InputError, match="outside the brain"):
        plan(labels, COMMISSURES, "GPi", "right", brain=brain, target=np.array([0.0, 0, 64]))
    with pytest.raises(InputError, match="no usual angles"):
        plan(labels, COMMISSURES, "GPe", "right", brain=brain, rules=RULES | {"GPe": RULES["GPi"]})
    wide = Window((0.0, 20.0), (60.0, 70.0), step=5.0)
    found = plan(labels, COMMISSURES, "GPe", "right", brain=brain, rules=RULES | {"GPe": RULES["GPi"]}, window=wide)
    assert found.entry is not None
