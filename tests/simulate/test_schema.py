from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
from annotated_types import Gt

from qsmkit.errors import ParameterError, ScenarioError
from qsmkit.simulate.schema import read


@dataclass(frozen=True, kw_only=True)
class Wheel:
    kind: Literal["wheel"]
    radius: Annotated[float, Gt(0)]


@dataclass(frozen=True, kw_only=True)
class Wing:
    kind: Literal["wing"]
    span: float = 9.0

    def __post_init__(self):
        if self.span > 100:
            raise ParameterError(f"span = {self.span:g} m is too long")


@dataclass(frozen=True, kw_only=True)
class Engine:
    power: int = 4


@dataclass(frozen=True, kw_only=True)
class Craft:
    name: str
    at: tuple[float, float] | None = None
    engine: Engine = field(default_factory=Engine)
    spare: Engine | None = None
    parts: tuple[Wheel | Wing, ...] = ()


def test_a_tree_becomes_dataclasses():
    tree = {"name": "x", "at": [1, 2], "engine": {"power": 7}, "spare": None,
            "parts": [{"kind": "wheel", "radius": 2}, {"kind": "wing"}]}  # fmt: skip
    made = read(Craft, tree, "")
    assert made == Craft(name="x", at=(1.0, 2.0), engine=Engine(power=7), parts=(
        Wheel(kind="wheel", radius=2.0), Wing(kind="wing")))  # fmt: skip


@pytest.mark.parametrize(("tree", "message"), [
    ([], r"^hangar: \[\] is not an object"),
    ({}, r"^hangar.name is missing"),
    ({"name": "x", "nam": 1}, r"^hangar.nam is unknown; did you mean 'name'\? there are at, engine"),
    ({"name": "x", "zzz": 1}, r"^hangar.zzz is unknown; there are at, engine"),
    ({"name": 4}, r"^hangar.name = 4 is not a text"),
    ({"name": "x", "at": [1]}, r"^hangar.at = \[1\] is not a list of 2"),
    ({"name": "x", "at": [1, "b"]}, r"^hangar.at\[1\] = 'b' is not a number"),
    ({"name": "x", "engine": 3}, r"^hangar.engine: 3 is not an object"),
    ({"name": "x", "engine": {"power": 1.5}}, r"^hangar.engine.power = 1.5 is not a whole number"),
    ({"name": "x", "parts": 5}, r"^hangar.parts = 5 is not a list; write"),
    ({"name": "x", "parts": [{"radius": 1}]}, r"^hangar.parts\[0\].kind is missing; it is one of wheel, wing"),
    ({"name": "x", "parts": [{"kind": "weel"}]}, r"parts\[0\].kind = 'weel' is unknown; did you mean 'wheel'"),
    ({"name": "x", "parts": [{"kind": "wing"}, {"kind": "wheel", "radius": -1}]},
     r"^hangar.parts\[1\].radius = -1 is out of range; it must be greater than 0"),
    ({"name": "x", "parts": [{"kind": "wing", "span": 200}]}, r"^hangar.parts\[0\]: span = 200 m is too long"),
])
def test_every_complaint_names_the_path(tree, message):
    with pytest.raises(ScenarioError, match=message):
        read(Craft, tree, "hangar")
