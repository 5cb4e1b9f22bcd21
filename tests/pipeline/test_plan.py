from dataclasses import replace

import pytest

from qsmkit.errors import RecipeError
from qsmkit.pipeline.config import Recipe, load_recipe
from qsmkit.pipeline.plan import make_plan


def names(plan):
    return [s.method.name for s in plan.steps]


def one_echo(scan):
    return replace(scan, phase=scan.phase[..., :1], magnitude=scan.magnitude[..., :1], echo_times=scan.echo_times[:1])


def recipe_of(*steps):
    return Recipe.model_validate({"name": "x", "description": "y", "step": list(steps)})


def test_conditions_choose_steps_and_say_why(scan, recipe):
    many, single = make_plan(recipe, scan), make_plan(recipe, one_echo(scan))
    assert "weighted_fit" in names(many)
    assert many.skipped == (("single_echo", "is for at most 1 echo, the scan has 3"),)
    assert "single_echo" in names(single)
    assert single.skipped == (("weighted_fit", "needs 2 echoes, the scan has 1"),)


def test_a_given_mask_takes_the_place_of_all_mask_steps(scan, recipe):
    plan = make_plan(recipe, scan, ["mask"])
    assert {("threshold_mask", "mask was given"), ("erode", "mask was given")} <= set(plan.skipped)
    assert "romeo" in names(plan)
    assert "vsharp" in names(plan)


def test_a_given_field_takes_the_place_of_its_fit(scan, recipe):
    plan = make_plan(recipe, scan, ["mask", "total_field"])
    assert "weighted_fit" not in names(plan)


def test_magnitude_is_used_where_there_is_one(scan, recipe):
    with_it = {s.method.name: s.inputs for s in make_plan(recipe, scan).steps}
    without = {s.method.name: s.inputs for s in make_plan(recipe, replace(scan, magnitude=None), ["mask"]).steps}
    assert "magnitude" in with_it["romeo"]
    assert "magnitude" not in without["romeo"]


def test_bipolar_steps_run_for_bipolar_scans_only(scan):
    recipe = load_recipe("default")
    assert "bipolar" not in names(make_plan(recipe, scan))
    assert names(make_plan(recipe, replace(scan, bipolar=True)))[0] == "bipolar"


def test_a_step_that_lacks_its_input_is_an_error_before_any_work(scan):
    with pytest.raises(RecipeError, match=r"step 1 \(tkd\) needs local_field.*vsharp"):
        make_plan(recipe_of({"method": "tkd"}), scan)
    with pytest.raises(RecipeError, match="nothing to do"):
        make_plan(recipe_of({"method": "threshold_mask"}), scan, ["mask"])
