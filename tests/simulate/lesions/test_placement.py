import numpy as np
import pytest

from qsmkit.errors import ScenarioError
from qsmkit.simulate.lesions.placed import place_lesions
from qsmkit.simulate.lesions.plans import Enhancing, Microbleed
from qsmkit.simulate.tissue import Label


def bleeds(count, region, diameter=5.0):
    return named(Microbleed(kind="microbleed", diameter=diameter, region=region) for _ in range(count))


def named(plans):
    return {f"L{i}": plan for i, plan in enumerate(plans)}


def at(*position, diameter=6.0):
    return Microbleed(kind="microbleed", diameter=diameter, position=position)


@pytest.mark.parametrize("region", ["lobar", "deep", "infratentorial", "white_matter"])
def test_random_lesions_lie_in_their_region_and_do_not_touch(body, region):
    placed = place_lesions(bleeds(8, region), body, 0, np.random.default_rng(4))
    centres = np.array([p.position for p in placed])
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1) + 100 * np.eye(8)
    assert apart.min() > 5 + 2
    away = np.linalg.norm(centres, axis=1)
    labels = body.labels[tuple(np.rint(body.grid.voxel(centres)).astype(int).T)]
    assert np.isin(labels, (Label.WHITE_MATTER, Label.GREY_MATTER, Label.THALAMUS)).all()
    if region == "lobar":
        assert (away > 38).all()
    if region == "deep":
        assert (away < 34).all()
    if region == "infratentorial":
        assert (centres[:, 2] < -10).all()


def test_a_large_lobar_lesion_finds_room_within_the_brain(body):
    big = Enhancing(kind="enhancing", diameter=34, region="lobar")
    (placed,) = place_lesions(named([big]), body, 0, np.random.default_rng(0))
    assert np.linalg.norm(placed.position) + placed.form.reach(big.volume(0)) < 61


def test_places_follow_the_seed_and_a_lesion_more_moves_no_other(body):
    one, again, other = (place_lesions(bleeds(3, "lobar"), body, 0, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal([p.position for p in one], [p.position for p in again])
    assert np.abs(one[0].position - other[0].position).max() > 1
    more = place_lesions(bleeds(4, "lobar"), body, 0, np.random.default_rng(1))
    np.testing.assert_array_equal(one[0].position, more[0].position)


@pytest.mark.parametrize(("plans", "message"), [
    (named([at(0, 0, 70)]), r"lesions\[0\].position = \[0, 0, 70\] mm lies outside the brain"),
    (named([at(0, 0, 119)]), r"lesions\[0\].position .* outside the brain"),
    (named([at(20, 0, 10), at(-20, 0, 10), at(24, 0, 10)]),
     r"lesions\[2\].position .* overlaps lesions\[0\] \(4.0 mm apart"),
    (bleeds(400, "infratentorial", 10.0), r"no room for a lesion of 10 mm in region 'infratentorial'"),
])
def test_lesions_that_cannot_be_are_named(body, plans, message):
    with pytest.raises(ScenarioError, match=message):
        place_lesions(plans, body, 0, np.random.default_rng(0))
