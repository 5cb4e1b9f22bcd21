import numpy as np
import pytest

from clinical.monitor.lesions import ball
from qsmkit.clinical.monitor.match import identities, match
from qsmkit.errors import InputError, ShapeError
from qsmkit.grid import Grid
from qsmkit.transform import Transform

BEFORE = Grid.tilted((70, 70, 60), tilt=8)
AFTER = Grid.tilted((64, 72, 40), (1.1, 1.0, 1.6), tilt=-6, axis=1)
MOTION = Transform.rigid((5, -4, 9), (4.0, -3.0, 2.0))
"""From the earlier to the later visit's space."""


def labels(grid, balls, motion=None):
    image = np.zeros(grid.shape, np.int32)
    for number, (centre, radius) in balls.items():
        image[ball(grid, centre if motion is None else motion.apply(centre), radius)] = number
    return image


def relations(before, after, error=(0.0, 0.0, 0.0)):
    """Match balls that were put where the motion says, with a registration that errs by a few tenths of a mm."""
    erring = Transform.rigid((0, 0, 0), error).after(MOTION)
    found = match(labels(BEFORE, before), BEFORE, labels(AFTER, after, MOTION), AFTER, erring)
    return {(link.relation, link.parent, link.child) for link in found}


def test_lesions_are_found_again_where_they_were():
    before = {1: ((0, 0, 0), 6), 2: ((15, 5, -8), 3), 3: ((-18, -9, 10), 2)}
    after = {7: ((15, 5, -8), 3), 8: ((-18, -9, 10), 2), 9: ((0, 0, 0), 7)}
    assert relations(before, after, (0.4, -0.3, 0.5)) == {("same", 1, 9), ("same", 2, 7), ("same", 3, 8)}


def test_new_and_resolved():
    assert relations({1: ((0, 0, 0), 4)}, {1: ((20, 10, 5), 3)}) == {("resolved", 1, None), ("new", None, 1)}


def test_a_split_keeps_its_larger_part():
    found = relations({1: ((0, 0, 0), 7)}, {1: ((-3.2, 0, 0), 3.2), 2: ((4, 0, 0), 2.4)})
    assert found == {("same", 1, 1), ("split", 1, 2)}


def test_a_merge_keeps_the_larger_parent():
    found = relations({1: ((-3.2, 0, 0), 3.2), 2: ((4, 0, 0), 2.4)}, {5: ((0, 0, 0), 7)})
    assert found == {("same", 1, 5), ("merge", 2, 5)}


def test_neighbours_are_neither_split_nor_merged():
    before = {1: ((0, 0, 0), 4), 2: ((9, 0, 0), 3)}
    assert relations(before, before, (0.5, 0.5, -0.5)) == {("same", 1, 1), ("same", 2, 2)}


def test_a_lesion_of_one_voxel_is_found_again():
    assert relations({1: ((3, 3, 3), 0.9)}, {1: ((3, 3, 3), 1.1)}, (0.5, 0.3, 0.4)) == {("same", 1, 1)}


def test_what_is_near_but_apart_is_uncertain():
    assert relations({1: ((0, 0, 0), 1.5)}, {1: ((4, 0, 0), 1.5)}) == {("uncertain", 1, 1)}


def test_overlap_is_the_same_in_both_directions():
    before, after = labels(BEFORE, {1: ((0, 0, 0), 6)}), labels(AFTER, {1: ((1.5, 0, 0), 5)}, MOTION)
    (there,) = match(before, BEFORE, after, AFTER, MOTION)
    (back,) = match(after, AFTER, before, BEFORE, MOTION.inverse())
    assert there.iou == pytest.approx(back.iou)
    assert there.distance == pytest.approx(1.5, abs=0.2)
    assert 2 < there.hausdorff < 4.5
    shared, union = 5**3, 6**3  # the smaller ball lies nearly within
    assert there.iou == pytest.approx(shared / union, abs=0.06)


def test_links_are_right_in_crowded_heads():
    """Twelve lesions of which some split, merge, vanish, or come: at least 98 % of 40 heads' links are right."""
    rng, right, total = np.random.default_rng(2), 0, 0
    for _ in range(40):
        places = rng.permutation([(x, y, z) for x in (-21, -7, 7, 21) for y in (-16, 0, 16) for z in (-11, 11)])[:12]
        before, after, expected = {}, {}, set()
        for n, place in enumerate(np.asarray(places, float), 1):
            radius, fate = float(rng.uniform(1.2, 4.5)), n % 6
            aside = np.array([radius / 2 + 0.3, 0, 0])
            large, small = (place - aside, radius * 0.55), (place + aside, radius * 0.4)
            if fate == 1 and radius > 3:
                before[n], after[n], after[n + 50] = (place, radius), large, small
                expected |= {("same", n, n), ("split", n, n + 50)}
            elif fate == 2 and radius > 3:
                before[n], before[n + 50], after[n] = large, small, (place, radius)
                expected |= {("same", n, n), ("merge", n + 50, n)}
            elif fate == 3:
                before[n] = (place, radius)
                expected.add(("resolved", n, None))
            elif fate == 4:
                after[n] = (place, radius)
                expected.add(("new", None, n))
            else:
                before[n] = (place, radius)
                after[n] = (place + rng.normal(0, 0.3, 3), radius * rng.uniform(0.85, 1.2))
                expected.add(("same", n, n))
        found = relations(before, after, tuple(rng.normal(0, 0.3, 3)))
        right += len(found & expected)
        total += len(found | expected)
    assert total > 450
    assert right / total >= 0.98


def test_identities_go_to_the_later_visit():
    found = match(labels(BEFORE, {1: ((0, 0, 0), 7)}), BEFORE,
                  labels(AFTER, {1: ((-3.2, 0, 0), 3.2), 2: ((4, 0, 0), 2.4), 3: ((20, 0, 0), 3)}, MOTION), AFTER,
                  MOTION)  # fmt: skip
    assert identities(found, {1: "known"}, ["a", "b", "c"]) == {1: "known", 2: "a", 3: "b"}


def test_unfit_images_are_told():
    with pytest.raises(ShapeError, match="earlier visit"):
        match(np.zeros((2, 2, 2), int), BEFORE, np.zeros(AFTER.shape, int), AFTER, MOTION)
    with pytest.raises(InputError, match="neither visit"):
        match(np.zeros(BEFORE.shape, int), BEFORE, np.zeros(AFTER.shape, int), AFTER, MOTION)
