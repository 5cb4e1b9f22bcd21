import pytest

import qsmkit.recon  # noqa: F401
from qsmkit.errors import RecipeError
from qsmkit.pipeline.config import load_recipe, recipe_names


def written(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_that_come_along_are_valid(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert len(recipe.description) > 20


def test_settings_can_be_changed_for_a_run():
    recipe = load_recipe("default")
    changed = recipe.with_settings({"romeo": {"mode": "individual"}})
    assert next(s.settings for s in changed.step if s.method == "romeo")["mode"] == "individual"
    assert recipe != changed


HEAD = 'name = "mine"\ndescription = "A test"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name =", "not valid TOML"),
        (HEAD, "step: Field required"),
        (HEAD + "step = []", "step"),
        (HEAD + "colour = 1\n[[step]]\nmethod = 'tkd'", "colour"),
        (HEAD + "[[step]]\nmethod = 'no_such'", "step 1: no method is called 'no_such'"),
        (HEAD + "[[step]]\nmethod = 'tkd'\nthreshold = 2.0", "step 1: tkd: threshold = 2.0 is out of range"),
        (HEAD + "[[step]]\nmethod = 'tkd'\nspeed = 2.0", "no parameter 'speed'"),
        (HEAD + "[[step]]\nmethod = 'tkd'\ncombine = 'and'", "makes no mask"),
    ],
)
def test_bad_recipes_are_named(tmp_path, text, words):
    with pytest.raises(RecipeError, match=words):
        load_recipe(written(tmp_path, text))


def test_unknown_names_are_answered_with_the_known(tmp_path):
    with pytest.raises(RecipeError, match="default"):
        load_recipe("no_such_recipe")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(str(tmp_path / "none.toml"))
    with pytest.raises(RecipeError, match="cannot be set"):
        load_recipe("default").with_settings({"bet": {"method": "threshold_mask"}})
    with pytest.raises(RecipeError, match="no step 'lbv'"):
        load_recipe("default").with_settings({"lbv": {}})


def test_changes_that_do_not_fit_are_refused():
    with pytest.raises(RecipeError, match="default, bet: min_echoes"):
        load_recipe("default").with_settings({"bet": {"min_echoes": "many"}})
