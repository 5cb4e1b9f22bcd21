"""Recipes: an ordered list of methods with their settings, read from TOML.

    name = "mine"
    description = "One line on what it is for"

    [[step]]
    method = "tkd"          # any name of `qsmkit methods`
    threshold = 0.2         # any of its settings; what is left out keeps its default

A step may carry conditions (`min_echoes`, `max_echoes`, `bipolar`, `magnitude`), and a mask step may say how its mask
meets the mask so far (`combine = "and"` or `"or"`; without it, it replaces it).

`uncertainty = 8`, above the steps, repeats the reconstruction that often with new noise, for the
standard deviation of χ and of regions' means.
"""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import qsmkit.method
from qsmkit.errors import QsmkitError, RecipeError


class Step(BaseModel):
    """One step of a recipe; keys that are not listed here are settings of the method."""

    model_config = ConfigDict(extra="allow", frozen=True)

    method: str
    min_echoes: int = 1
    max_echoes: int | None = None
    bipolar: bool | None = None
    magnitude: bool | None = None
    combine: Literal["and", "or"] | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The method's settings as written, defaults not filled in."""
        return dict(self.model_extra or {})


class Recipe(BaseModel):
    """A reconstruction, from the artifacts of a scan to a referenced susceptibility map."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str
    cite: list[str] = Field(default_factory=list)
    uncertainty: int = 0
    step: list[Step] = Field(min_length=1)

    def with_uncertainty(self, repeats: int) -> "Recipe":
        """Return the recipe with another number of repeats that tell how sure χ is; 0 makes none."""
        return _validated(self.model_copy(update={"uncertainty": repeats}), self.name)

    def with_settings(self, changes: dict[str, dict[str, Any]]) -> "Recipe":
        """Return the recipe with settings of its steps changed: {method: {setting: value}}.

        Raises
        ------
        RecipeError
            The recipe has no such step, or a setting is unfit.
        """
        steps = list(self.step)
        for name, settings in changes.items():
            places = [i for i, s in enumerate(steps) if s.method == name]
            if not places:
                there = ", ".join(s.method for s in steps)
                raise RecipeError(f"recipe {self.name!r} has no step {name!r} to change; its steps are: {there}")
            if "method" in settings:
                raise RecipeError(f"{name}.method cannot be set; write a recipe of your own to exchange methods")
            for i in places:
                try:
                    steps[i] = Step.model_validate(steps[i].model_dump() | settings)
                except ValidationError as error:
                    raise RecipeError(f"recipe {self.name}, {name}: {_complaint(error)}; correct it") from error
        return _validated(self.model_copy(update={"step": steps}), self.name)


def recipe_names() -> list[str]:
    """Return the names of the recipes that qsmkit brings."""
    folder = resources.files("qsmkit.pipeline") / "recipes"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """Read a recipe by its name, or from a path that ends in .toml.

    Raises
    ------
    RecipeError
        There is no such recipe, it is not valid TOML, or a step names an unknown method or an unfit setting.
    """
    if name.endswith(".toml"):
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"recipe file {name} cannot be read ({error}); check the path") from error
    elif name in recipe_names():
        text = (resources.files("qsmkit.pipeline") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    else:
        known = ", ".join(recipe_names())
        raise RecipeError(f"no recipe is called {name!r}; there are {known}, or give the path of a .toml file")
    try:
        return _validated(Recipe.model_validate(tomllib.loads(text)), name)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"recipe {name} is not valid TOML ({error}); correct that line") from error
    except ValidationError as error:
        raise RecipeError(f"recipe {name}: {_complaint(error)}; see the recipes that qsmkit brings") from error


def _complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _validated(recipe: Recipe, name: str) -> Recipe:
    if recipe.uncertainty < 0 or recipe.uncertainty == 1:
        raise RecipeError(
            f"recipe {name}: uncertainty = {recipe.uncertainty} repeats tell no spread; ask for 0, or for 2 and more"
        )
    for number, step in enumerate(recipe.step, 1):
        try:
            entry = qsmkit.method.get(step.method)
            entry.check(step.settings)
        except QsmkitError as error:
            raise RecipeError(f"recipe {name}, step {number}: {error}") from error
        if step.combine and entry.produces != ("mask",):
            raise RecipeError(f"recipe {name}, step {number}: {step.method} makes no mask; leave out combine")
    return recipe
