import numpy as np
import pytest

from qsmkit.errors import ScenarioError
from qsmkit.simulate.chance import draw


def many(node, count=400):
    rng = np.random.default_rng(0)
    return np.array([draw({"x": node}, rng)["x"] for _ in range(count)])


def test_distributions_are_what_they_are_called():
    normal = many({"normal": {"mean": 60, "sd": 8, "low": 45, "high": 75}})
    assert abs(np.mean(normal) - 60) < 2
    assert 45 <= normal.min() < 50 < 70 < normal.max() <= 75
    assert abs(np.median(many({"lognormal": {"median": 8, "spread": 1.8}})) - 8) < 1.2
    assert set(many({"integer": [1, 3]})) == {1, 2, 3}
    assert abs(np.mean(many({"poisson": {"mean": 6}})) - 6) < 0.6
    assert np.ptp(many({"uniform": [2, 3]})) < 1
    left = many({"choice": ["left", "right"], "weights": [0.8, 0.2]}) == "left"
    assert 0.7 < left.mean() < 0.9


def test_what_is_chosen_may_hold_chance_itself():
    node = {"choice": [{"kind": "a", "size": {"uniform": [1, 2]}}]}
    sizes = {draw(node, np.random.default_rng(s))["size"] for s in range(5)}
    assert len(sizes) == 5
    assert all(1 <= s <= 2 for s in sizes)


def test_an_entry_with_a_count_stands_for_so_many_drawn_for_themselves():
    tree = [{"count": 3, "size": {"uniform": [0, 1]}}, {"size": 7}]
    made = draw(tree, np.random.default_rng(1))
    assert [set(m) for m in made] == [{"size"}] * 4
    assert len({m["size"] for m in made}) == 4
    assert len(draw(tree, np.random.default_rng(1), counted=False)) == 2
    assert draw([{"count": 0, "size": 1}], np.random.default_rng(1)) == []


def test_the_same_seed_draws_the_same():
    tree = {"a": {"uniform": [0, 1]}, "b": [{"count": {"integer": [1, 9]}, "c": {"uniform": [0, 1]}}]}
    assert draw(tree, np.random.default_rng(3)) == draw(tree, np.random.default_rng(3))
    assert draw(tree, np.random.default_rng(3)) != draw(tree, np.random.default_rng(4))


@pytest.mark.parametrize(("tree", "message"), [
    ({"age": {"uniform": [3, 2]}}, r"age: .* no usable uniform \(3 exceeds 2\)"),
    ({"age": {"uniform": 5}}, "age: .* no usable uniform"),
    ({"age": {"normal": {"mean": 5}}}, "age: .* no usable normal .*sd"),
    ({"age": {"normal": {"mean": 5, "sd": 1, "max": 9}}}, "'max' is not one of mean, sd, low, high"),
    ({"age": {"normal": {"mean": 5, "sd": 0.1, "low": 90}}}, "nothing fell between 90"),
    ({"age": {"choice": []}}, "age: .* no usable choice"),
    ({"age": {"choice": [1, 2], "weights": [1]}}, "as many weights"),
    ({"age": {"uniform": [1, 2], "mean": 3}}, r"age.uniform: 'mean' does not belong beside it"),
    ({"lesions": [{"count": -1}]}, r"lesions\[0\].count = -1 is not a whole number"),
    ({"lesions": [{"count": 2.5}]}, r"lesions\[0\].count = 2.5 is not a whole number"),
])
def test_wrong_chance_is_named(tree, message):
    with pytest.raises(ScenarioError, match=message):
        draw(tree, np.random.default_rng(0))
